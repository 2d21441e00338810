"""RFC 5545 read strictly, and by other means than the library that writes it: lines, grammar, what is needed, zones."""

import re
from collections import Counter
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import NamedTuple

from dateutil.rrule import rrulestr

NAME = r"[A-Z0-9-]+"
PARAMETER = rf';({NAME})=("[^"\x00-\x1f]*"|[^";:,\x00-\x1f]*)'
LINE = re.compile(rf"({NAME})((?:{PARAMETER})*):([^\x00-\x08\x0a-\x1f]*)")
TEXTS = {"SUMMARY", "DESCRIPTION", "LOCATION", "UID", "TZID", "TZNAME", "NAME", "X-WR-CALNAME", "PRODID"}
ESCAPED = re.compile(r"(?:[^\\,;]|\\[\\,;nN])*")  # 3.3.11
MOMENT = re.compile(r"\d{8}T\d{6}Z?")
NEEDED = {
    "VCALENDAR": {"PRODID", "VERSION", "METHOD"},  # 3.6, and RFC 5546, 3.2.1
    "VEVENT": {"UID", "DTSTAMP", "DTSTART", "DTEND", "SUMMARY", "SEQUENCE"},
    "VALARM": {"ACTION", "TRIGGER", "DESCRIPTION"},
    "VTIMEZONE": {"TZID"},
    "STANDARD": {"DTSTART", "TZOFFSETFROM", "TZOFFSETTO"},
    "DAYLIGHT": {"DTSTART", "TZOFFSETFROM", "TZOFFSETTO"},
}
ALLOWED = {
    "VCALENDAR": {"NAME", "SOURCE", "REFRESH-INTERVAL", "X-WR-CALNAME", "X-PUBLISHED-TTL"},
    "VEVENT": {"CREATED", "LAST-MODIFIED", "LOCATION", "DESCRIPTION", "ORGANIZER", "ATTENDEE", "STATUS", "URL"},
    "STANDARD": {"RRULE", "TZNAME"},
    "DAYLIGHT": {"RRULE", "TZNAME"},
}
INSIDE = {
    "VCALENDAR": {"VEVENT", "VTIMEZONE"},
    "VEVENT": {"VALARM"},
    "VTIMEZONE": {"STANDARD", "DAYLIGHT"},
}


class Line(NamedTuple):
    """A content line (3.1)."""

    name: str
    parameters: dict[str, str]
    value: str

    @property
    def text(self) -> str:
        """The value of a text, unescaped."""
        return re.sub(r"\\(.)", lambda found: "\n" if found[1] in "nN" else found[1], self.value)


class Component(NamedTuple):
    """What stands between BEGIN and END."""

    name: str
    lines: list[Line]
    parts: "list[Component]"

    def line(self, name: str) -> Line:
        (found,) = [line for line in self.lines if line.name == name]
        return found

    def all(self, name: str) -> "list[Component]":
        return [part for part in self.parts if part.name == name]

    def instant(self, line: Line) -> datetime:
        """Return the instant of a line of this calendar's, by its own zones only."""
        assert MOMENT.fullmatch(line.value), line
        if line.value.endswith("Z"):
            assert "TZID" not in line.parameters
            return _moment(line.value[:-1]).replace(tzinfo=UTC)
        (zone,) = [zone for zone in self.all("VTIMEZONE") if zone.line("TZID").text == line.parameters["TZID"]]
        local = _moment(line.value)
        return (local - _offset(zone, local)).replace(tzinfo=UTC)


def read(content: bytes) -> Component:
    """Return the one calendar in `content`; fails with what is wrong with it."""
    lines = list(_lines(content))
    calendar = _component(lines)
    assert calendar.name == "VCALENDAR"
    assert lines == [], "there is more behind the end"
    assert calendar.line("VERSION").value == "2.0"
    for event in calendar.all("VEVENT"):
        assert calendar.instant(event.line("DTSTART")) < calendar.instant(event.line("DTEND"))
        assert event.line("DTSTAMP").value.endswith("Z")
    uids = [event.line("UID").value for event in calendar.all("VEVENT")]
    assert len(uids) == len(set(uids))
    return calendar


def _lines(content: bytes) -> Iterator[Line]:
    assert content.endswith(b"\r\n")
    assert content.count(b"\r") == content.count(b"\n") == content.count(b"\r\n")
    assert max(map(len, content.split(b"\r\n"))) <= 75  # octets, without the line break
    for logical in re.sub(rb"\r\n[ \t]", b"", content).decode().split("\r\n")[:-1]:
        found = LINE.fullmatch(logical)
        assert found, logical
        parameters = {name: value.strip('"') for name, value in re.findall(PARAMETER, found[2])}
        line = Line(found[1], parameters, found[found.re.groups])
        assert line.name not in TEXTS or ESCAPED.fullmatch(line.value), logical
        yield line


def _component(lines: list[Line]) -> Component:
    opening = lines.pop(0)
    assert opening.name == "BEGIN"
    made = Component(opening.value, [], [])
    while lines[0].name != "END":
        if lines[0].name == "BEGIN":
            made.parts.append(_component(lines))
        else:
            made.lines.append(lines.pop(0))
    assert lines.pop(0).value == made.name
    _check(made)
    return made


def _check(made: Component) -> None:
    count = Counter(line.name for line in made.lines)
    needed = NEEDED[made.name]
    assert set(count.values()) <= {1}, f"more than once in {made.name}: {count}"
    assert needed <= count.keys() <= needed | ALLOWED.get(made.name, set()), made
    assert {part.name for part in made.parts} <= INSIDE.get(made.name, set())
    assert made.name != "VTIMEZONE" or made.parts


def _offset(zone: Component, local: datetime) -> timedelta:
    """Return the distance from UTC at a local time that comes once: that of the observance which began last (3.6.5)."""
    begun = [(onset, part) for part in zone.parts if (onset := _onset(part, local))]
    assert begun, f"no observance of the zone has begun by {local}"
    _, standing = max(begun, key=lambda entry: entry[0])
    sign, hours, minutes = re.fullmatch(r"([+-])(\d\d)(\d\d)", standing.line("TZOFFSETTO").value).groups()  # type: ignore[union-attr] # or the test fails here
    distance = timedelta(hours=int(hours), minutes=int(minutes))
    return -distance if sign == "-" else distance


def _onset(observance: Component, local: datetime) -> datetime | None:
    rule = rrulestr(observance.line("RRULE").value, dtstart=_moment(observance.line("DTSTART").value))
    found: datetime | None = rule.before(local, inc=True)
    return found


def _moment(value: str) -> datetime:
    return datetime.strptime(value, "%Y%m%dT%H%M%S")  # noqa: DTZ007 - a local time, or one whose Z was taken off
