"""Every kind of sound seminar document, the days that clocks change among them, for what holds of all of them."""

from datetime import UTC, date, datetime, time, timedelta
from itertools import pairwise
from typing import Any

from hypothesis import strategies as st

from services.catalog.document import Document
from services.catalog.model import Seminar

CLOCKS_CHANGE = (date(2023, 3, 26), date(2023, 10, 29))
DAYS = (date(2023, 6, 1), date(2023, 5, 29), *CLOCKS_CHANGE)
LANGUAGES = ("nb", "nn", "en")
URL = "https://example.org/planstrategi?a=1"

lines = st.text(st.characters(exclude_categories=("C", "Z")) | st.just(" "), min_size=1, max_size=20).filter(
    lambda text: text.strip() and "=?" not in text
)
paragraphs = st.lists(lines, min_size=1, max_size=3).map("\n\n".join)


def by_language(parts: st.SearchStrategy[str]) -> st.SearchStrategy[str | dict[str, str]]:
    return parts | st.dictionaries(st.sampled_from(LANGUAGES), parts, min_size=1)


words, prose = by_language(lines), by_language(paragraphs)
speakers = st.fixed_dictionaries(
    {"name": lines}, optional={"role": words, "affiliation": words}
) | st.fixed_dictionaries({"affiliation": words})
rules = st.fixed_dictionaries(
    {"attendance": st.sampled_from([["online"], ["in_person"], ["online", "in_person"]])}
).flatmap(
    lambda rule: st.sampled_from(
        [{"before_start": "P1D"}, {"before_start": "PT15M"}, {"after_end": "P1W"}, {"at": "2023-05-20T12:00"}]
    ).map(lambda moment: rule | moment)
)


def minutes_of(day: date) -> list[int]:
    """Return the minutes of the day that come once, in Oslo and in London."""
    return [minute for minute in range(24 * 60) if day not in CLOCKS_CHANGE or not 60 <= minute < 180]


def clock(minute: int) -> str:
    return f"{minute // 60:02}:{minute % 60:02}"


@st.composite
def talks_between(draw: st.DrawFn, minutes: list[int]) -> list[dict[str, Any]]:
    """Return talks from the first to the last of `minutes`, some with times and some without."""
    starts = draw(st.lists(st.sampled_from(minutes[:-1]), unique=True, max_size=4).map(sorted))
    talks = []
    for start, following in pairwise([*starts, minutes[-1]]):
        ends = [minute for minute in minutes if start < minute <= following]
        end = draw(st.none() | st.sampled_from(ends))
        talk = {"title": draw(words), "start": clock(start), "speakers": draw(st.lists(speakers, max_size=2))}
        talks += [talk | ({"end": clock(end)} if end else {})]
        talks += draw(st.just([]) | words.map(lambda title: [{"title": title}]))
    return talks


@st.composite
def blocks_between(draw: st.DrawFn, minutes: list[int]) -> list[dict[str, Any]]:
    """Return blocks and pauses from the first to the last of `minutes`, with or without a gap between."""
    cuts = sorted({minutes[0], minutes[-1], *draw(st.lists(st.sampled_from(minutes), max_size=3))})
    blocks: list[dict[str, Any]] = []
    for start, end in pairwise(cuts):
        times = {"start": clock(start), "end": clock(end)}
        within = [minute for minute in minutes if start <= minute <= end]
        match draw(st.sampled_from(["block", "pause", "gap"])):
            case "block":
                blocks.append(times | {"title": draw(words), "talks": draw(talks_between(within))})
            case "pause":
                blocks.append(times | {"pause": True})
    return blocks


@st.composite
def deadlines(draw: st.DrawFn, day: date, end: int) -> str | None:
    before = day - timedelta(draw(st.integers(1, 10)))
    return draw(st.sampled_from([None, f"{before}", f"{before}T12:00", f"{before}T23:59:59", f"{day}T{clock(end)}"]))


ids = st.from_regex(r"[a-z0-9]{1,3}([-_][a-z0-9]{1,3})?", fullmatch=True)
options = st.lists(
    st.fixed_dictionaries({"id": ids, "text": words}),
    min_size=2,
    max_size=3,
    unique_by=lambda option: str(option["id"]),
)
ways = st.sampled_from([["in_person"], ["online"], ["in_person", "online"], ["online", "in_person"]])
asked = {"id": ids, "text": words, "required": st.booleans(), "attendance": ways}
questions = st.fixed_dictionaries(asked | {"kind": st.just("text")}) | st.fixed_dictionaries(
    asked | {"kind": st.sampled_from(["choice", "several"]), "options": options}
)


@st.composite
def bodies(draw: st.DrawFn) -> dict[str, Any]:
    day = draw(st.sampled_from(DAYS))
    free = minutes_of(day)
    first = draw(st.integers(0, len(free) - 2))
    last = draw(st.integers(first + 1, len(free) - 1))
    minutes = free[first : last + 1]
    opens = datetime.combine(day, time(), UTC) - timedelta(minutes=draw(st.integers(24 * 60, 30 * 24 * 60)))
    body = {
        "slug": "planstrategi-4-0",
        "status": draw(st.sampled_from(["published", "published", "draft"])),
        "title": draw(words),
        "zone": draw(st.sampled_from(["Europe/Oslo", "Europe/London"])),
        "start": f"{day}T{clock(minutes[0])}",
        "end": f"{day}T{clock(minutes[-1])}",
        "attendance": {
            "online": {"deadline": draw(deadlines(day, minutes[-1]))},
            "in_person": {
                "capacity": draw(st.integers(0, 100)),
                "deadline": draw(deadlines(day, minutes[-1])),
                "promote_until": draw(deadlines(day, minutes[-1])),
            },
        },
        "venue": {"name": draw(words), "address": draw(lines)},
        "programme": draw(blocks_between(minutes)),
        "reminders": draw(st.lists(rules, max_size=3)),
    }
    optional = {
        "opens": st.just(opens.isoformat()),
        "description": prose,
        "serving": prose,
        "audience": prose,
        "organisers": st.lists(words, max_size=2),
        "partners": st.lists(words, max_size=2),
        "contact": st.fixed_dictionaries({"name": words}, optional={"email": st.just("plan@example.org")}),
        "livestream": st.just({"url": URL, "access": "registered"}),
        "questions": st.lists(questions, max_size=2, unique_by=lambda question: str(question["id"])),
        "recording": st.just({"url": URL, "starts": clock(minutes[0]), "chapters": "{url}&t={seconds}"}),
    }
    return body | draw(st.fixed_dictionaries({}, optional=optional))


documents = bodies().map(lambda body: Document(**body))
seminars = st.builds(
    Seminar, document=documents, revision=st.just(1), cancelled=st.sampled_from([False, False, False, True])
)
