"""What a seminar's registrations come to: seats, where people come from, and what they need and answered."""

from collections import Counter
from collections.abc import Iterable, Mapping
from typing import NamedTuple

from services.registration.organisations import KINDS, Organisation
from shared.messages import Attendance, Question, RegistrationStatus, SeminarSnapshot

OTHER = "other"


class Group(NamedTuple):
    """Registrations that stand alike."""

    attendance: Attendance
    status: RegistrationStatus
    online_meanwhile: bool
    came: bool
    people: int
    heads: int


class Room(NamedTuple):
    """Those of one way to attend."""

    confirmed: int
    heads: int
    """The confirmed and those who sit beside them around one screen."""
    waiting: int
    came: int
    capacity: int | None

    @property
    def free(self) -> int | None:
        """Seats that nobody has; None for no limit."""
        return None if self.capacity is None else max(0, self.capacity - self.confirmed)


def rooms(seminar: SeminarSnapshot, groups: Iterable[Group]) -> dict[Attendance, Room]:
    """Return how each way to attend stands, of those that the seminar offers or somebody attends by."""
    groups = tuple(groups)
    found = {}
    for attendance in Attendance:
        mode = seminar.attendance.get(attendance)
        room = _room(attendance, groups, mode.capacity if mode else 0)
        if mode or room.confirmed or room.waiting:
            found[attendance] = room
    return found


def _room(attendance: Attendance, groups: Iterable[Group], capacity: int | None) -> Room:
    attending = [group for group in groups if _attends(group) is attendance]
    waiting = [g for g in groups if g.attendance is attendance and g.status is RegistrationStatus.WAITLISTED]
    return Room(
        confirmed=sum(group.people for group in attending),
        heads=sum(group.heads for group in attending),
        waiting=sum(group.people for group in waiting),
        came=sum(group.people for group in attending if group.came),
        capacity=capacity,
    )


def _attends(group: Group) -> Attendance | None:
    """Return how they attend, None if they do not: who waits for a seat may do so online meanwhile."""
    if group.status is RegistrationStatus.CONFIRMED:
        return group.attendance
    return Attendance.ONLINE if group.status is RegistrationStatus.WAITLISTED and group.online_meanwhile else None


def cancelled(groups: Iterable[Group]) -> int:
    """Return how many have withdrawn."""
    return sum(group.people for group in groups if group.status is RegistrationStatus.CANCELLED)


# --- where they come from ---


class Origin(NamedTuple):
    """How many come from one organisation; those who wait are counted."""

    organisation: Organisation | None
    """None for one that is not in the directory."""
    place: Organisation | None
    """The same, or the municipality that they named beside it."""
    attendance: Attendance
    people: int


class Line(NamedTuple):
    """How many of one kind there are."""

    name: str
    """A kind of organisation or a county; empty for the rest."""
    people: Mapping[Attendance, int]

    @property
    def total(self) -> int:
        """All of them."""
        return sum(self.people.values())


def by_kind(origins: Iterable[Origin]) -> tuple[Line, ...]:
    """Return how many come from each kind of organisation."""
    named = [(each.organisation.kind if each.organisation else OTHER, each) for each in origins]
    return tuple(_line(kind, named) for kind in (*KINDS, OTHER))


def by_county(origins: Iterable[Origin]) -> tuple[Line, ...]:
    """Return how many come from each county, the most first; at the end those of no county, or of several."""
    named = [(each.place.county if each.place else "", each) for each in origins]
    lines = [_line(county, named) for county in {name for name, _ in named}]
    return tuple(sorted(lines, key=lambda line: (not line.name, -line.total, line.name)))


def _line(name: str, named: Iterable[tuple[str, Origin]]) -> Line:
    people = dict.fromkeys(Attendance, 0)
    for of, each in named:
        if of == name:
            people[each.attendance] += each.people
    return Line(name, people)


# --- what they need and answered ---


class Said(NamedTuple):
    """What so many wrote or chose."""

    text: str
    people: int


class Need(NamedTuple):
    """What somebody needs to take part."""

    name: str
    text: str


class Reply(NamedTuple):
    """What so many answered to a question."""

    question: str
    reply: str | tuple[str, ...]
    people: int


class Answered(NamedTuple):
    """A question and what was answered to it; of options each, also one that nobody chose, by its id."""

    question: Question
    replies: tuple[Said, ...]


def grouped(said: Iterable[Said]) -> tuple[Said, ...]:
    """Put together what differs in case and spaces alone, as most wrote it; what most wrote first."""
    spellings: dict[str, Counter[str]] = {}
    for each in said:
        text = " ".join(each.text.split())
        spellings.setdefault(text.casefold(), Counter())[text] += each.people
    found = [
        Said(min(written, key=lambda text: (-written[text], text)), written.total()) for written in spellings.values()
    ]
    return tuple(sorted(found, key=lambda each: (-each.people, each.text.casefold())))


def answered(questions: Iterable[Question], replies: Iterable[Reply]) -> tuple[Answered, ...]:
    """Return what was answered to each question that is asked."""
    replies = tuple(replies)
    return tuple(
        Answered(question, _chosen(question, given) if question.options else grouped(given))
        for question in questions
        for given in [[*_single(question.id, replies)]]
    )


def _single(question: str, replies: Iterable[Reply]) -> Iterable[Said]:
    for each in replies:
        if each.question == question:
            yield from (
                Said(text, each.people) for text in ((each.reply,) if isinstance(each.reply, str) else each.reply)
            )


def _chosen(question: Question, given: Iterable[Said]) -> tuple[Said, ...]:
    chosen: Counter[str] = Counter()
    for each in given:
        chosen[each.text] += each.people
    return tuple(Said(option.id, chosen[option.id]) for option in question.options)
