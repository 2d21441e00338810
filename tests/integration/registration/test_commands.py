"""Signing up and changing one's mind, on the real PostgreSQL."""

import asyncio
from collections import Counter
from contextlib import suppress
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from services.registration import commands, store
from services.registration.commands import VersionConflictError
from services.registration.model import Details, Refusal, RefusedError
from services.registration.pages import switched
from services.registration.signing_up import UnknownSeminarError
from shared.database import Connection
from shared.messages import Attendance, RegistrationStatus
from tests.factories import DEADLINE, END, NOW, SLUG, make_sign_up, make_snapshot
from tests.integration.registration.seminar import Seminar, of, opened

INSTANT = timedelta(microseconds=1)
AFTER_DEADLINE = DEADLINE + INSTANT
CONFIRMED, WAITLISTED, CANCELLED = RegistrationStatus
IN_PERSON, ONLINE = Attendance


class ChangedMindError(Exception):
    """Rolls a transaction back."""


# --- seats ---


async def test_seats_go_to_the_first_and_the_rest_stand_in_line(seminar: Seminar) -> None:
    outcomes = [await seminar.sign_up(name) for name in ("kari", "ola", "per", "siri")]

    assert [outcome.status for outcome in outcomes] == [CONFIRMED, CONFIRMED, WAITLISTED, WAITLISTED]
    assert [await seminar.place(name) for name in ("kari", "ola", "per", "siri")] == [None, None, 1, 2]


async def test_online_there_is_room_for_all(seminar: Seminar) -> None:
    outcomes = [await seminar.sign_up(f"p{number}", attendance="online") for number in range(5)]

    assert {outcome.status for outcome in outcomes} == {CONFIRMED}


async def test_forty_at_once_from_as_many_connections_never_oversell(url: str) -> None:
    people = [f"p{number}" for number in range(40)]
    async with opened(url, connections=40) as database:
        seminar = Seminar(database)
        await seminar.revise(capacity=7)
        await asyncio.gather(*(database.pool.fetchval("SELECT pg_sleep(0.05)") for _ in people))
        assert database.pool.get_size() == 40

        outcomes = await asyncio.gather(*(seminar.sign_up(name) for name in people))

        assert Counter(outcome.status for outcome in outcomes) == {CONFIRMED: 7, WAITLISTED: 33}
        assert Counter((await seminar.standing()).values()) == {CONFIRMED: 7, WAITLISTED: 33}
        places = sorted([await seminar.place(name) or 0 for name in people])
        assert places == [0] * 7 + list(range(1, 34))
        assert Counter(await seminar.kinds()) == {"confirmed": 7, "waitlisted": 33}


async def test_cancelling_and_signing_up_at_once_never_oversells(url: str) -> None:
    async with opened(url, connections=40) as database:
        seminar = Seminar(database)
        await seminar.revise(capacity=5)
        for number in range(10):
            await seminar.sign_up(f"early{number}")

        await asyncio.gather(
            *(seminar.cancel(f"early{number}") for number in range(5)),
            *(seminar.sign_up(f"late{number}") for number in range(20)),
            *(seminar.attend(f"early{number}", ONLINE) for number in range(5, 8)),
            seminar.revise(capacity=6),
        )

        assert await seminar.confirmed() == 6
        standing = await seminar.standing()
        assert standing["early8"] is standing["early9"] is CONFIRMED


async def test_one_address_at_once_from_many_connections_stands_once(url: str) -> None:
    async with opened(url, connections=20) as database:
        seminar = Seminar(database)
        await seminar.revise()

        await asyncio.gather(*(seminar.sign_up("kari") for _ in range(20)))

        assert await seminar.confirmed() == 1
        assert Counter(await seminar.kinds()) == {"confirmed": 1, "link_requested": 3}


# --- changing one's mind ---


async def test_a_seat_that_is_given_back_goes_to_the_first_in_line(seminar: Seminar) -> None:
    for name in ("kari", "ola", "per", "siri"):
        await seminar.sign_up(name)

    await seminar.cancel("kari", NOW + timedelta(hours=1))

    assert await seminar.standing() == {"kari": CANCELLED, "ola": CONFIRMED, "per": CONFIRMED, "siri": WAITLISTED}
    assert await seminar.place("siri") == 1
    promoted = (await seminar.told())[-1]
    assert promoted.type == "registration.promoted"
    assert of(promoted).confirmed_at == NOW + timedelta(hours=1)


async def test_who_leaves_the_line_gives_nobody_a_seat(seminar: Seminar) -> None:
    for name in ("kari", "ola", "per", "siri"):
        await seminar.sign_up(name)

    await seminar.cancel("per")

    assert await seminar.confirmed() == 2
    assert await seminar.place("siri") == 1
    assert (await seminar.kinds())[-1] == "cancelled"


async def test_who_goes_online_gives_the_seat_to_the_first_in_line(seminar: Seminar) -> None:
    for name in ("kari", "ola", "per"):
        await seminar.sign_up(name)

    changed = await seminar.attend("kari", ONLINE, NOW + timedelta(hours=1))

    assert changed.status is CONFIRMED
    assert changed.confirmed_at == NOW + timedelta(hours=1)
    assert (await seminar.standing())["per"] is CONFIRMED
    assert await seminar.confirmed(ONLINE) == 1


async def test_who_waits_and_goes_online_is_confirmed_there(seminar: Seminar) -> None:
    for name in ("kari", "ola", "per", "siri"):
        await seminar.sign_up(name)

    changed = await seminar.attend("per", ONLINE)

    assert changed.status is CONFIRMED
    assert await seminar.place("siri") == 1


async def test_who_comes_back_from_online_stands_last_in_line(seminar: Seminar) -> None:
    for name in ("kari", "ola", "per", "siri"):
        await seminar.sign_up(name)
    await seminar.attend("per", ONLINE)

    back = await seminar.attend("per", IN_PERSON)

    assert back.status is WAITLISTED
    assert back.confirmed_at is None
    assert [await seminar.place(name) for name in ("siri", "per")] == [1, 2]


async def test_who_goes_online_is_counted_as_one_without_a_meal(seminar: Seminar) -> None:
    await seminar.sign_up("kari", dietary_needs="vegan")

    changed = await seminar.attend("kari", ONLINE)

    assert changed.details.dietary_needs is None
    assert changed.details.headcount == 1


async def test_after_the_deadline_one_can_go_online_but_not_come_to_the_room(seminar: Seminar) -> None:
    await seminar.sign_up("kari")
    await seminar.sign_up("ola", attendance="online")

    with pytest.raises(RefusedError) as refused:
        await seminar.attend("ola", IN_PERSON, AFTER_DEADLINE)

    assert refused.value.refusal is Refusal.DEADLINE_PASSED
    assert (await seminar.attend("kari", ONLINE, AFTER_DEADLINE)).details.attendance is ONLINE


async def test_a_refused_change_changes_nothing_of_what_else_was_asked_for(seminar: Seminar) -> None:
    await seminar.sign_up("ola", attendance="online")

    with pytest.raises(RefusedError):
        await seminar.change(
            "ola",
            lambda details: details.model_copy(update={"attendance": IN_PERSON, "organisation": "Solund kommune"}),
            AFTER_DEADLINE,
        )

    assert await seminar.confirmed(ONLINE) == 1
    assert await seminar.kinds() == ["confirmed"]


async def test_cancelling_twice_is_cancelling_once(seminar: Seminar) -> None:
    await seminar.sign_up("kari")
    once = await seminar.cancel("kari")

    twice = await seminar.cancel("kari")

    assert twice == once
    assert await seminar.kinds() == ["confirmed", "cancelled"]


async def test_after_the_end_there_is_nothing_to_cancel_or_change(seminar: Seminar) -> None:
    await seminar.sign_up("kari")

    for act in (seminar.cancel("kari", END), seminar.attend("kari", ONLINE, END)):
        with pytest.raises(RefusedError) as refused:
            await act
        assert refused.value.refusal is Refusal.OVER


async def test_who_has_cancelled_changes_nothing_more(seminar: Seminar) -> None:
    await seminar.sign_up("kari")
    cancelled = await seminar.cancel("kari")

    assert await seminar.attend("kari", ONLINE) == cancelled


async def test_a_change_that_builds_on_an_older_version_is_refused(seminar: Seminar) -> None:
    await seminar.sign_up("kari")
    await seminar.change("kari", lambda details: details.model_copy(update={"language": "nn"}), read=1)

    with pytest.raises(VersionConflictError):
        await seminar.change("kari", lambda details: details.model_copy(update={"language": "en"}), read=1)

    assert len(await seminar.kinds()) == 2


async def test_a_change_to_what_stands_already_is_no_change(seminar: Seminar) -> None:
    await seminar.sign_up("kari", organisation="Solund kommune")

    unchanged = await seminar.change("kari", lambda details: Details(**details.model_dump()))

    assert unchanged.version == 1
    assert await seminar.kinds() == ["confirmed"]


# --- the deadline ---


async def test_after_the_deadline_a_seat_that_is_given_back_stays_free(seminar: Seminar) -> None:
    for name in ("kari", "ola", "per"):
        await seminar.sign_up(name)

    await seminar.cancel("kari", AFTER_DEADLINE)
    await seminar.attend("ola", ONLINE, AFTER_DEADLINE)

    assert (await seminar.standing())["per"] is WAITLISTED
    assert "promoted" not in await seminar.kinds()


async def test_on_the_deadline_itself_it_still_goes_to_the_first_in_line(seminar: Seminar) -> None:
    for name in ("kari", "ola", "per"):
        await seminar.sign_up(name)

    await seminar.cancel("kari", DEADLINE)

    assert (await seminar.standing())["per"] is CONFIRMED


async def test_nobody_is_put_into_an_unknown_seminar(seminar: Seminar) -> None:
    with pytest.raises(UnknownSeminarError):
        await seminar.sign_up("kari", seminar="another")


@pytest.mark.parametrize(
    ("overrides", "now", "refusal"),
    [
        ({}, AFTER_DEADLINE, Refusal.DEADLINE_PASSED),
        ({}, END, Refusal.OVER),
        ({"status": "cancelled"}, NOW, Refusal.CANCELLED),
        ({"opens": NOW + INSTANT}, NOW, Refusal.NOT_OPEN),
        ({"attendance": {"online": {}}}, NOW, Refusal.NOT_OFFERED),
    ],
)
async def test_who_is_refused_leaves_no_trace(
    seminar: Seminar, overrides: dict[str, Any], now: datetime, refusal: Refusal
) -> None:
    await seminar.revise(**overrides)

    with pytest.raises(RefusedError) as refused:
        await seminar.sign_up("kari", now)

    assert refused.value.refusal is refusal
    assert await seminar.standing() == {}
    assert await seminar.told() == []


# --- one address ---


@pytest.mark.parametrize("spelling", ["kari@example.org", "KARI@Example.ORG", "  kari@example.org "])
async def test_a_known_address_is_told_what_a_stranger_would_be_however_it_is_spelt(
    seminar: Seminar, spelling: str
) -> None:
    first = await seminar.sign_up("kari")

    again = await seminar.sign_up("Kari again", email=spelling)

    assert again.status is CONFIRMED
    assert again.id != first.id
    assert await seminar.standing() == {"kari": CONFIRMED}
    assert await seminar.kinds() == ["confirmed", "link_requested"]


async def test_a_known_address_is_told_of_the_line_that_a_stranger_would_stand_in(seminar: Seminar) -> None:
    for name in ("kari", "ola"):
        await seminar.sign_up(name)

    again = await seminar.sign_up("kari")

    assert again.status is WAITLISTED
    assert (await seminar.standing())["kari"] is CONFIRMED


async def test_the_link_goes_to_the_address_that_stands_and_says_how_it_stands(seminar: Seminar) -> None:
    first = await seminar.sign_up("kari")

    await seminar.sign_up("Mallory", email="KARI@example.org", attendance="online", language="en")

    link = of((await seminar.told())[-1])
    assert (link.id, link.email, link.name) == (first.id, "kari@example.org", "kari")
    assert (link.attendance, link.language, link.version, link.link_request) == (IN_PERSON, "nb", 1, 1)


async def test_the_link_is_mailed_three_times_a_day_at_most(seminar: Seminar) -> None:
    await seminar.sign_up("kari")

    for _ in range(5):
        await seminar.sign_up("kari")

    links = [of(message).link_request for message in await seminar.told() if message.type.endswith("link_requested")]
    assert links == [1, 2, 3]


async def test_a_new_day_in_the_seminars_zone_brings_new_links(seminar: Seminar) -> None:
    await seminar.sign_up("kari")
    for _ in range(4):
        await seminar.sign_up("kari")
    midnight = datetime(2023, 5, 22, 22, tzinfo=NOW.tzinfo)  # in Oslo, in summer

    await seminar.sign_up("kari", midnight - INSTANT)
    before = await seminar.kinds()
    await seminar.sign_up("kari", midnight)

    assert before.count("link_requested") == 3
    assert (await seminar.kinds()).count("link_requested") == 4


async def test_the_link_of_one_address_is_no_limit_to_another(seminar: Seminar) -> None:
    for name in ("kari", "ola"):
        for _ in range(5):
            await seminar.sign_up(name, attendance="online")

    assert (await seminar.kinds("kari")).count("link_requested") == 3
    assert (await seminar.kinds("ola")).count("link_requested") == 3


async def test_who_has_cancelled_can_sign_up_again_and_stands_anew(seminar: Seminar) -> None:
    first = await seminar.sign_up("kari")
    await seminar.cancel("kari")

    second = await seminar.sign_up("kari")

    assert second.id != first.id
    assert second.status is CONFIRMED
    assert await seminar.kinds() == ["confirmed", "cancelled", "confirmed"]
    assert await seminar.confirmed() == 1


async def test_who_signs_up_again_after_cancelling_stands_last_in_line(seminar: Seminar) -> None:
    for name in ("kari", "ola", "per", "siri"):
        await seminar.sign_up(name)
    await seminar.cancel("per")

    await seminar.sign_up("per")

    assert [await seminar.place(name) for name in ("siri", "per")] == [1, 2]


async def test_one_address_may_attend_two_seminars(seminar: Seminar) -> None:
    await seminar.sign_up("kari")
    another = Seminar(seminar.database)
    another.slug = "another"
    await another.revise()

    outcome = await another.sign_up("kari")

    assert outcome.status is CONFIRMED
    assert await another.kinds() == ["confirmed"]


# --- what is learnt of the seminar ---


async def test_added_seats_go_to_the_first_in_line(seminar: Seminar) -> None:
    for name in ("kari", "ola", "per", "siri", "espen"):
        await seminar.sign_up(name)

    await seminar.revise(capacity=4)

    assert list((await seminar.standing()).values()) == [CONFIRMED] * 4 + [WAITLISTED]
    assert (await seminar.kinds())[-2:] == ["promoted"] * 2


async def test_a_room_without_a_limit_takes_all_who_wait(seminar: Seminar) -> None:
    for name in ("kari", "ola", "per", "siri"):
        await seminar.sign_up(name)

    await seminar.revise(capacity=None)

    assert set((await seminar.standing()).values()) == {CONFIRMED}


async def test_seats_that_are_taken_away_are_taken_from_nobody_who_has_one(seminar: Seminar) -> None:
    for name in ("kari", "ola", "per"):
        await seminar.sign_up(name)

    await seminar.revise(capacity=1)
    await seminar.cancel("kari")

    assert await seminar.standing() == {"kari": CANCELLED, "ola": CONFIRMED, "per": WAITLISTED}


@pytest.mark.parametrize("late", [1, 2])
async def test_an_older_revision_or_the_same_one_again_is_passed_over(seminar: Seminar, late: int) -> None:
    await seminar.revise(capacity=3)  # revision 2
    for name in ("kari", "ola", "per", "siri"):
        await seminar.sign_up(name)

    await seminar.revise(capacity=100, revision=late)

    assert (await seminar.standing())["siri"] is WAITLISTED
    async with seminar.database.connection() as connection:
        known = await store.get_seminar(connection, SLUG)
    assert known
    assert known.attendance[IN_PERSON].capacity == 3


async def test_who_waits_for_the_stream_is_given_no_seat_in_the_room(seminar: Seminar) -> None:
    await seminar.revise(attendance={"in_person": {"capacity": 1}, "online": {"capacity": 1}})
    await seminar.sign_up("kari")
    await seminar.sign_up("stream", attendance="online")
    await seminar.sign_up("waits-for-stream", attendance="online")
    await seminar.sign_up("waits-for-room")

    await seminar.cancel("kari")

    standing = await seminar.standing()
    assert standing["waits-for-room"] is CONFIRMED
    assert standing["waits-for-stream"] is WAITLISTED


async def test_a_place_at_the_stream_that_is_given_back_goes_to_who_waits_for_it(seminar: Seminar) -> None:
    await seminar.revise(attendance={"in_person": {"capacity": 1}, "online": {"capacity": 1}})
    await seminar.sign_up("stream", attendance="online")
    await seminar.sign_up("waits-for-stream", attendance="online")

    await seminar.cancel("stream")

    assert (await seminar.standing())["waits-for-stream"] is CONFIRMED


# --- what is told ---


async def test_each_change_is_told_once_with_a_version_that_rises(seminar: Seminar) -> None:
    await seminar.sign_up("first")
    await seminar.sign_up("kari")
    await seminar.sign_up("per")
    await seminar.cancel("first")
    await seminar.attend("kari", ONLINE)
    await seminar.change("kari", lambda details: details.model_copy(update={"language": "nn"}))
    await seminar.cancel("kari")

    told = [(m.type.removeprefix("registration."), of(m).name, of(m).version) for m in await seminar.told()]
    assert told == [
        ("confirmed", "first", 1),
        ("confirmed", "kari", 1),
        ("waitlisted", "per", 1),
        ("cancelled", "first", 2),
        ("promoted", "per", 2),
        ("changed", "kari", 3),
        ("changed", "kari", 4),
        ("cancelled", "kari", 5),
    ]


async def test_what_is_told_is_the_whole_registration_as_it_stands(seminar: Seminar) -> None:
    for name in ("kari", "ola"):
        await seminar.sign_up(name)
    outcome = await seminar.sign_up("per", language="nn")

    message = (await seminar.told())[-1]

    assert (message.source, message.subject, message.time) == ("/registration", str(outcome.id), NOW)
    data = of(message)
    assert (data.id, data.status, data.attendance, data.place) == (outcome.id, WAITLISTED, IN_PERSON, 1)
    assert (data.name, data.email, data.language) == ("per", "per@example.org", "nn")
    assert (data.registered_at, data.confirmed_at, data.link_version) == (NOW, None, 1)


async def act_of(name: str, connection: Connection, kari: UUID) -> None:
    if name == "sign_up":
        await commands.sign_up(connection, make_sign_up(name="new", email="new@example.org"), NOW)
    elif name == "cancel":
        await commands.cancel(connection, kari, NOW)
    elif name == "attend":
        standing = await store.get(connection, kari)
        assert standing
        await commands.change(connection, kari, switched(standing.details, ONLINE), NOW)
    else:
        await commands.learn_of_seminar(connection, make_snapshot(revision=9, capacity=100), NOW)


@pytest.mark.parametrize("act", ["sign_up", "cancel", "attend", "learn"])
async def test_what_is_rolled_back_is_not_told(seminar: Seminar, act: str) -> None:
    kari = (await seminar.sign_up("kari")).id
    for name in ("ola", "per"):
        await seminar.sign_up(name)
    told, standing = await seminar.told(), await seminar.standing()

    with suppress(ChangedMindError):
        async with seminar.database.transaction() as connection:
            await act_of(act, connection, kari)
            recorded = await connection.fetch("SELECT FROM outbox")
            raise ChangedMindError

    assert len(recorded) > len(told)
    assert await seminar.told() == told
    assert await seminar.standing() == standing


async def test_who_relays_is_nudged_after_the_commit_and_not_for_what_is_rolled_back(seminar: Seminar) -> None:
    nudged: list[str] = []
    seminar.database.after_commit = lambda: nudged.append("nudged")

    await seminar.sign_up("kari")
    with pytest.raises(RefusedError):
        await seminar.sign_up("ola", END)

    assert nudged == ["nudged"]


# --- all of it, in any order ---

people = st.sampled_from(["kari", "ola", "per", "siri", "espen"])
acts = st.lists(
    st.one_of(
        st.tuples(st.just("sign_up"), people),
        st.tuples(st.just("cancel"), people),
        st.tuples(st.just("online"), people),
        st.tuples(st.just("in_person"), people),
        st.tuples(st.just("capacity"), st.integers(0, 4)),
    ),
    min_size=3,
    max_size=14,
)


class Line:
    """What should become of it: who has a seat and who waits, by nothing but lists."""

    def __init__(self, capacity: int) -> None:
        self.capacity = capacity
        self.seated: list[str] = []
        self.waiting: list[str] = []
        self.online: list[str] = []

    def act(self, kind: str, what: str | int) -> None:
        if isinstance(what, int):
            self.capacity = what
        elif kind == "sign_up" and not self._knows(what):
            self._join(what)
        elif kind == "cancel":
            self._leave(what)
        elif kind == "online" and what in self.seated + self.waiting:
            self._leave(what)
            self.online.append(what)
        elif kind == "in_person" and what in self.online:
            self.online.remove(what)
            self._join(what)
        while self.waiting and len(self.seated) < self.capacity:
            self.seated.append(self.waiting.pop(0))

    def _knows(self, name: str) -> bool:
        return name in self.seated + self.waiting + self.online

    def _join(self, name: str) -> None:
        free = len(self.seated) + len(self.waiting) < self.capacity
        (self.seated if free else self.waiting).append(name)

    def _leave(self, name: str) -> None:
        for those in (self.seated, self.waiting, self.online):
            if name in those:
                those.remove(name)


async def carry_out(seminar: Seminar, kind: str, what: Any) -> None:
    standing = await seminar.standing()
    if kind == "capacity":
        await seminar.revise(capacity=what)
    elif kind == "sign_up":
        await seminar.sign_up(what)
    elif what in standing and kind == "cancel":
        await seminar.cancel(what)
    elif what in standing:
        await seminar.attend(what, Attendance(kind))


@settings(
    max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow]
)
@given(acts=acts)
async def test_whatever_people_do_in_whatever_order_the_first_come_is_the_first_served(
    seminar: Seminar, acts: list[tuple[str, Any]]
) -> None:
    trial, line = Seminar(seminar.database), Line(capacity=2)
    trial.slug = f"trial-{uuid4().hex}"
    await trial.revise(capacity=2)

    for kind, what in acts:
        await carry_out(trial, kind, what)
        line.act(kind, what)

        standing = await trial.standing()
        assert [await trial.place(name) for name in line.waiting] == list(range(1, len(line.waiting) + 1))
        assert {name for name, status in standing.items() if status is WAITLISTED} == set(line.waiting)
        assert {name for name, status in standing.items() if status is CONFIRMED} == {*line.seated, *line.online}
        assert await trial.confirmed() == len(line.seated)

    versions: dict[UUID, list[int]] = {}
    for message in await trial.told():
        if not message.type.endswith("link_requested"):
            versions.setdefault(of(message).id, []).append(of(message).version)
    assert all(told == sorted(set(told)) for told in versions.values())
