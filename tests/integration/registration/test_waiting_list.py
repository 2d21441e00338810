"""Until when seats go to who waits, and what becomes of those who are left."""

import asyncio
from collections import Counter
from datetime import timedelta
from typing import Any

import pytest

from services.registration import waiting_list
from services.registration.model import Refusal, RefusedError
from shared.database import Database
from shared.messages import Attendance, RegistrationStatus
from tests.factories import DEADLINE, END, NOW
from tests.integration.registration.seminar import Seminar, of, opened

INSTANT = timedelta(microseconds=1)
CONFIRMED, WAITLISTED, _ = RegistrationStatus
IN_PERSON, ONLINE = Attendance
CUT_OFF = DEADLINE - timedelta(days=3)


async def close(database: Database, now: Any) -> int:
    """Close every list whose moment has come, and return how many."""
    closed = 0
    while True:
        async with database.transaction() as connection:
            if not await waiting_list.close_one(connection, now):
                return closed
        closed += 1


def modes(capacity: int = 1, online: int | None = None, **in_person: Any) -> dict[str, Any]:
    return {"in_person": {"capacity": capacity, "deadline": DEADLINE} | in_person, "online": {"capacity": online}}


async def fill(seminar: Seminar, *names: str, **overrides: Any) -> None:
    for name in names:
        await seminar.sign_up(name, **overrides)


# --- until when ---


async def test_after_the_cut_off_nobody_is_given_a_seat_though_the_deadline_is_yet_to_come(seminar: Seminar) -> None:
    await seminar.revise(attendance=modes(promote_until=CUT_OFF))
    await fill(seminar, "kari", "ola")

    await seminar.cancel("kari", CUT_OFF + INSTANT)

    assert (await seminar.standing())["ola"] is WAITLISTED


async def test_until_the_cut_off_seats_go_to_who_waits_though_the_deadline_has_passed(seminar: Seminar) -> None:
    late = DEADLINE + timedelta(hours=12)
    await seminar.revise(attendance=modes(promote_until=late))
    await fill(seminar, "kari", "ola")

    await seminar.cancel("kari", late)

    assert (await seminar.standing())["ola"] is CONFIRMED


async def test_once_the_list_is_closed_a_full_room_takes_nobody(seminar: Seminar) -> None:
    await seminar.revise(attendance=modes(promote_until=CUT_OFF))
    await fill(seminar, "kari")

    with pytest.raises(RefusedError) as refused:
        await seminar.sign_up("ola", CUT_OFF + INSTANT)
    assert refused.value.refusal is Refusal.FULL
    await seminar.cancel("kari", CUT_OFF + INSTANT)
    assert (await seminar.sign_up("ola", CUT_OFF + INSTANT)).status is CONFIRMED


# --- online meanwhile ---


async def test_who_waits_attends_online_meanwhile_from_when_they_chose_to(seminar: Seminar) -> None:
    await seminar.revise(attendance=modes())
    await fill(seminar, "kari")
    await fill(seminar, "ola", "siri", online_meanwhile=True)
    later = NOW + timedelta(hours=1)

    await seminar.change("siri", lambda details: details.model_copy(update={"online_meanwhile": False}), later)
    await fill(seminar, "per")
    await seminar.change("per", lambda details: details.model_copy(update={"online_meanwhile": True}), later)

    told = {of(message).name: of(message) for message in await seminar.told()}
    assert {name: (told[name].online_meanwhile, told[name].confirmed_at) for name in ("ola", "siri", "per")} == {
        "ola": (True, NOW),
        "siri": (False, None),
        "per": (True, later),
    }


async def test_whoever_gets_a_seat_does_not_attend_online_any_more(seminar: Seminar) -> None:
    await seminar.revise(attendance=modes())
    await fill(seminar, "kari")
    await fill(seminar, "ola", online_meanwhile=True)
    later = NOW + timedelta(hours=1)

    await seminar.cancel("kari", later)

    ola = of((await seminar.told())[-1])
    assert (ola.name, ola.status, ola.online_meanwhile, ola.confirmed_at) == ("ola", CONFIRMED, False, later)


async def test_who_has_a_seat_has_none_online_meanwhile(seminar: Seminar) -> None:
    await fill(seminar, "kari", online_meanwhile=True)

    assert of((await seminar.told())[-1]).online_meanwhile is False


async def test_online_meanwhile_takes_a_seat_there_and_gives_it_back(seminar: Seminar) -> None:
    await seminar.revise(attendance=modes(online=1))
    await fill(seminar, "kari")
    await fill(seminar, "ola", "per", online_meanwhile=True)
    await fill(seminar, "siri", attendance="online")

    told = {of(message).name: of(message) for message in await seminar.told()}
    await seminar.cancel("kari")

    assert (told["ola"].online_meanwhile, told["per"].online_meanwhile) == (True, False)
    assert told["siri"].status is WAITLISTED
    assert await seminar.standing() == {
        "kari": RegistrationStatus.CANCELLED, "ola": CONFIRMED, "per": WAITLISTED, "siri": CONFIRMED,
    }  # fmt: skip


# --- when it closes ---


async def test_who_waits_when_the_list_closes_attends_online_and_is_told_why(seminar: Seminar) -> None:
    await seminar.revise(attendance=modes())
    await fill(seminar, "kari")
    await fill(seminar, "ola", dietary_needs="Uten gluten")
    await fill(seminar, "per", online_meanwhile=True)

    closed = await close(seminar.database, DEADLINE + INSTANT)

    told = [of(message) for message in await seminar.told() if message.type == "registration.changed"]
    assert closed == 1
    assert {(one.name, one.status, one.attendance, one.cause) for one in told} == {
        ("ola", CONFIRMED, ONLINE, "cut_off"),
        ("per", CONFIRMED, ONLINE, "cut_off"),
    }
    assert {one.name: one.confirmed_at for one in told} == {"ola": DEADLINE + INSTANT, "per": NOW}
    async with seminar.database.connection() as connection:
        kept = await connection.fetchval("SELECT count(*) FROM registrations WHERE dietary_needs IS NOT NULL")
    assert kept == 0, "who attends online is served nothing"


async def test_whom_there_is_no_room_for_online_either_is_told_that_the_list_is_closed(seminar: Seminar) -> None:
    await seminar.revise(attendance=modes(online=1))
    await fill(seminar, "kari", "ola", "per")

    await close(seminar.database, DEADLINE + INSTANT)

    told = [of(message) for message in await seminar.told() if message.type == "registration.changed"]
    assert {(one.name, one.status, one.cause) for one in told} == {
        ("ola", CONFIRMED, "cut_off"),
        ("per", WAITLISTED, "cut_off"),
    }


async def test_who_has_attended_online_meanwhile_keeps_that_before_those_who_stood_before_them(
    seminar: Seminar,
) -> None:
    await seminar.revise(attendance=modes(online=1))
    await fill(seminar, "kari", "ola")
    await fill(seminar, "per", online_meanwhile=True)

    await close(seminar.database, DEADLINE + INSTANT)

    assert await seminar.standing() == {"kari": CONFIRMED, "ola": WAITLISTED, "per": CONFIRMED}


@pytest.mark.parametrize("overrides", [{"status": "cancelled"}, {"end": DEADLINE}])
async def test_nobody_is_told_of_the_list_of_a_seminar_that_is_not_held(
    seminar: Seminar, overrides: dict[str, Any]
) -> None:
    await seminar.revise(attendance=modes())
    await fill(seminar, "kari", "ola")
    await seminar.revise(attendance=modes(), **overrides)

    await close(seminar.database, END)

    assert await seminar.kinds("ola") == ["waitlisted"]


async def test_a_list_that_is_put_off_is_closed_when_its_new_moment_comes(seminar: Seminar) -> None:
    await seminar.revise(attendance=modes(promote_until=CUT_OFF))
    await fill(seminar, "kari", "ola")
    await seminar.revise(attendance=modes(promote_until=DEADLINE))

    assert await close(seminar.database, CUT_OFF + INSTANT) == 0
    assert await close(seminar.database, DEADLINE + INSTANT) == 1


async def test_two_who_close_the_same_list_at_once_tell_everybody_once(url: str) -> None:
    async with opened(url) as one, opened(url) as other:
        seminar = Seminar(one)
        await seminar.revise(attendance=modes())
        await fill(seminar, "kari", *(f"p{number}" for number in range(20)))

        await asyncio.gather(*(close(database, DEADLINE + INSTANT) for database in (one, other) * 4))

        told = Counter(of(m).name for m in await seminar.told() if m.type == "registration.changed")
    assert set(told.values()) == {1}
    assert len(told) == 20
