"""Checking in at the door: by name and by ticket, by several phones at once, and what is told of it."""

import asyncio
import re
from uuid import UUID, uuid4

import pytest
import segno

from services.registration import commands, organiser_door, store_door, store_erasing
from services.registration.alphabet import norwegian
from services.registration.check_in import Door, check_in
from tests.factories import END, START, make_snapshot
from tests.integration.registration.door import BROWSER, HERE, Hall, text_of, token_of

DOOR = f"{HERE}/check-in"


async def at_the_door(hall: Hall, name: str = "Kari", **fields: object) -> UUID:
    """Sign somebody up and let the seminar's day come."""
    who = await hall.sign_up(name, **fields)
    hall.clock.move_to(START)
    return who


async def outcome(hall: Hall, who: UUID, what: str = "") -> str:
    answer = await hall.post(f"{DOOR}/{who}{what}")
    assert answer.status == 303
    found = re.fullmatch(rf"{DOOR}\?who={who}&outcome=(\w+)", answer.headers["Location"])
    assert found
    return found[1]


async def seen(hall: Hall, who: UUID) -> tuple[object, int]:
    async with hall.database.connection() as connection:
        row = await connection.fetchrow("SELECT checked_in_at, version FROM registrations WHERE id = $1", who)
    assert row
    return row["checked_in_at"], row["version"]


async def test_one_tap_checks_in_and_another_takes_it_back_and_both_are_told_and_in_the_log(hall: Hall) -> None:
    who = await at_the_door(hall)

    assert await outcome(hall, who) == "checked_in"
    at, version = await seen(hall, who)
    assert (at is not None, version) == (True, 2)
    assert "Kari er sjekket inn." in await hall.text(f"{DOOR}?who={who}&outcome=checked_in")
    assert "1 av 1 er sjekket inn." in await hall.text(DOOR)
    assert await outcome(hall, who, "/undo") == "undone"

    assert await seen(hall, who) == (None, 3)
    assert await hall.told() == ["registration.confirmed", "registration.checked_in", "registration.checked_in"]
    async with hall.database.connection() as connection:
        log = await connection.fetch("SELECT made_by, action, registration FROM audit_log ORDER BY id")
    assert [tuple(row) for row in log] == [("Plan", "check_in", who), ("Plan", "undo_check_in", who)]


async def test_who_is_checked_in_already_is_said_to_be_with_the_time_and_nothing_is_told_again(hall: Hall) -> None:
    who = await at_the_door(hall)
    await outcome(hall, who)

    assert await outcome(hall, who) == "already"
    assert "Kari var allerede sjekket inn kl. 10.00." in await hall.text(f"{DOOR}?who={who}&outcome=already")
    assert (await seen(hall, who))[1] == 2
    assert (await hall.told()).count("registration.checked_in") == 1


async def test_what_was_not_noted_cannot_be_taken_back_and_tells_nobody(hall: Hall) -> None:
    who = await at_the_door(hall)

    assert await outcome(hall, who, "/undo") == "not_in"
    assert await hall.told() == ["registration.confirmed"]


async def test_two_doors_at_once_check_in_once(hall: Hall) -> None:
    who = await at_the_door(hall)
    door = Door(make_snapshot(), "Plan", START)

    outcomes = await asyncio.gather(*(tapped(hall, door, who) for _ in range(6)))

    assert sorted(outcomes) == ["already"] * 5 + ["checked_in"]
    assert (await seen(hall, who))[1] == 2
    assert (await hall.told()).count("registration.checked_in") == 1


async def test_a_door_that_waits_for_another_one_says_already(hall: Hall) -> None:
    who = await at_the_door(hall)
    door = Door(make_snapshot(), "Plan", START)
    async with hall.database.transaction() as first:
        await check_in(first, door, who)
        second = asyncio.create_task(tapped(hall, door, who))
        await waiting_for_a_lock(hall)
    assert await second == "already"


async def test_who_withdraws_while_the_door_checks_them_in_is_said_to_have_cancelled(hall: Hall) -> None:
    who = await at_the_door(hall)
    async with hall.database.transaction() as first:
        await commands.cancel(first, who, START)
        second = asyncio.create_task(tapped(hall, Door(make_snapshot(), "Plan", START), who))
        await waiting_for_a_lock(hall)

    assert await second == "cancelled"
    assert (await seen(hall, who))[0] is None


async def tapped(hall: Hall, door: Door, who: UUID) -> str:
    async with hall.database.transaction() as connection:
        checked = await check_in(connection, door, who)
    assert checked
    return checked.outcome


async def waiting_for_a_lock(hall: Hall) -> None:
    async with asyncio.timeout(10), hall.database.connection() as connection:
        while not await connection.fetchval(  # noqa: ASYNC110 - PostgreSQL gives no sign
            "SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND datname = current_database()"
        ):
            await asyncio.sleep(0.005)


@pytest.mark.parametrize(
    ("fields", "why", "words"),
    [
        ({"attendance": "online"}, "online", "Er påmeldt digitalt, har ikke plass"),
        ({}, "waitlisted", "Står på venteliste, har ikke plass"),
    ],
)
async def test_who_has_no_seat_is_not_checked_in_and_the_page_says_why(
    hall: Hall, fields: dict[str, str], why: str, words: str
) -> None:
    await hall.learn(
        revision=2, attendance={"in_person": {"capacity": 2}, "online": {}}
    )  # a list that moves to the end
    for name in ("Anne", "Berit"):
        await hall.sign_up(name)
    who = await at_the_door(hall, **fields)

    assert await outcome(hall, who) == why
    assert (await seen(hall, who))[0] is None
    page = await hall.page(f"{DOOR}?q=kari")
    assert words in page
    assert f"{DOOR}/{who}" not in page
    assert words in await hall.text(f"/organiser/check-in/{token_of(who, 'ticket')}")


async def test_who_has_cancelled_is_not_checked_in_and_the_page_says_so(hall: Hall) -> None:
    who = await hall.sign_up("Kari")
    await hall.cancel(who)
    hall.clock.move_to(START)

    assert await outcome(hall, who) == "cancelled"
    assert "Kari har meldt seg av og er ikke sjekket inn." in await hall.text(f"{DOOR}?who={who}&outcome=cancelled")
    assert "Har meldt seg av, har ikke plass" in await hall.text(f"{DOOR}?q=kari")


async def test_before_the_day_nobody_is_checked_in_by_mistake_and_after_the_end_one_still_can(hall: Hall) -> None:
    who = await hall.sign_up("Kari")

    assert await outcome(hall, who) == "early"
    assert "Innsjekkingen åpner på seminardagen, 1. juni." in await hall.text(DOOR)
    hall.clock.move_to(END)
    assert await outcome(hall, who) == "checked_in"


async def test_a_cancelled_seminar_has_no_door(hall: Hall) -> None:
    who = await at_the_door(hall)
    await hall.learn(revision=2, status="cancelled")

    assert await outcome(hall, who) == "off"


@pytest.mark.parametrize("wanted", ["kari", "NORDMANN ka", "solund", "kari@", "CODE", "kåri"])
async def test_people_are_found_by_parts_of_what_they_told_and_by_their_code(hall: Hall, wanted: str) -> None:
    name = "Kåri Nordmann" if wanted == "kåri" else "Kari Nordmann"
    who = await at_the_door(hall, name, email="kari@example.org", organisation="Solund kommune")
    wanted = who.hex[:6] if wanted == "CODE" else wanted

    assert name in await hall.page(f"{DOOR}?q={wanted}")
    assert "Fant ingen." in await hall.text(f"{DOOR}?q=espen")


async def test_postgresql_folds_names_as_we_do(hall: Hall) -> None:
    names = ["Áile Đoŋŋá", "ÅSE Ærø Øye", "a\u030ase", "Jürgen Ößling", "Zoë Šárá", "ŦŊđ 100%_\\", "kari@example.org"]
    async with hall.database.connection() as connection:
        for name in names:
            assert await connection.fetchval(f"SELECT {store_door.folded('$1::text')}", name) == norwegian(name), name


async def test_who_has_a_seat_comes_first_and_then_the_alphabet(hall: Hall) -> None:
    for name in ("Åse", "Zoe"):
        await hall.sign_up(name, email=f"{ord(name[0])}@example.org")
    await hall.sign_up("Anne", attendance="online")
    hall.clock.move_to(START)

    page = await hall.page(f"{DOOR}?q=example.org")

    assert re.findall("<strong>(Åse|Zoe|Anne)</strong>", page) == ["Zoe", "Åse", "Anne"]


async def test_there_is_an_end_to_how_many_are_shown_and_that_is_said(
    hall: Hall, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(organiser_door, "MOST_SHOWN", 1)
    for name in ("Anne", "Berit"):
        await hall.sign_up(name)

    page = await hall.page(DOOR)

    assert ("Anne" in page, "Berit" in page) == (True, False)
    assert "Det er flere. Skriv en del av navnet." in page


async def test_the_list_can_be_of_those_who_are_not_here_yet_or_are(hall: Hall) -> None:
    kari, ola = await hall.sign_up("Kari"), await hall.sign_up("Ola")
    hall.clock.move_to(START)
    await outcome(hall, kari)

    expected, came = await hall.page(f"{DOOR}?show=expected"), await hall.page(f"{DOOR}?show=came")

    assert (str(kari) in expected, str(ola) in expected) == (False, True)
    assert (str(kari) in came, str(ola) in came) == (True, False)


async def test_hostile_names_and_searches_are_shown_harmlessly(hall: Hall) -> None:
    await at_the_door(hall, "<b>x</b>", email="x@example.org")

    page = await hall.page(f"{DOOR}?q=%3Cb%3E&show=%22%3E&who=%00&outcome=%3Cscript%3E")

    assert "&lt;b&gt;x&lt;/b&gt;" in page
    assert "<b>" not in page
    assert "<script>" not in page


@pytest.mark.parametrize("who", ["6f1ed002-ab59-4e2b-8b3b-5f1c2f8b7a10", "x", "0"])
async def test_nobody_else_can_be_checked_in(hall: Hall, who: str) -> None:
    assert (await hall.post(f"{DOOR}/{who}")).status == 404
    assert (await hall.post(f"{DOOR}/{who}/undo")).status == 404


async def test_somebody_of_another_seminar_is_not_checked_in_here(hall: Hall) -> None:
    await hall.learn(slug="another")
    who = await hall.sign_up("Kari", seminar="another")
    hall.clock.move_to(START)

    assert (await hall.post(f"{DOOR}/{who}")).status == 404
    assert (await seen(hall, who))[0] is None


async def test_checking_in_needs_a_session_and_a_form_of_it(hall: Hall) -> None:
    who = await at_the_door(hall)

    for headers, status in ((BROWSER, 303), (BROWSER | hall.cookie, 403)):
        for path in (f"{DOOR}/{who}", f"{DOOR}/{who}/undo"):
            answer = await hall.client.post(path, data={}, headers=headers, allow_redirects=False)
            assert answer.status == status
            assert status == 403 or answer.headers["Location"].startswith("/organiser/sign-in")
    assert (await seen(hall, who))[0] is None


async def test_who_is_erased_is_in_no_list_and_cannot_be_checked_in(hall: Hall) -> None:
    who = await at_the_door(hall)
    ticket = f"/organiser/check-in/{token_of(who, 'ticket')}"
    async with hall.database.transaction() as connection:
        await store_erasing.erase(connection, [who], [], START)
        assert await store_door.check_in(connection, who, START) is None

    assert (await hall.post(f"{DOOR}/{who}")).status == 404
    assert (await hall.post(f"{DOOR}/{who}/undo")).status == 404
    assert (await hall.get(ticket)).status == 404
    for path in (DOOR, f"{DOOR}?q={who.hex[:6]}", f"{HERE}/print"):
        page = await hall.page(path)
        assert str(who) not in page
        assert ("Fant ingen." in page) != ("Ingen er påmeldt ennå." in page)


# --- tickets ---


async def test_a_scanned_ticket_shows_organisers_the_person_and_a_button_and_changes_nothing(hall: Hall) -> None:
    who = await at_the_door(hall, organisation="Solund kommune")
    path = f"/organiser/check-in/{token_of(who, 'ticket')}"

    page = await hall.page(path)

    assert "Kari" in page
    assert "Solund kommune" in page
    assert f'action="{DOOR}/{who}"' in page
    assert await seen(hall, who) == (None, 1)
    await outcome(hall, who)
    assert "Sjekket inn kl. 10.00" in await hall.text(path)


async def test_a_scanned_ticket_shows_others_nothing_but_the_way_to_sign_in_and_back(hall: Hall) -> None:
    who = await at_the_door(hall)
    path = f"/organiser/check-in/{token_of(who, 'ticket')}"

    answer = await hall.client.get(path, headers=BROWSER, allow_redirects=False)

    assert (answer.status, answer.headers["Cache-Control"]) == (303, "no-store")
    assert answer.headers["Location"] == f"/organiser/sign-in?next={path.replace('/', '%2F')}"
    assert "Kari" not in await answer.text()


async def test_what_is_no_ticket_opens_nothing(hall: Hall) -> None:
    who = await at_the_door(hall)

    for token in (token_of(who, "manage"), token_of(who, "ticket", 2), token_of(uuid4(), "ticket"), "x", "%00"):
        assert (await hall.get(f"/organiser/check-in/{token}")).status in (404, 422), token


async def test_ones_ticket_is_a_qr_code_that_only_organisers_can_use(hall: Hall) -> None:
    who = await hall.sign_up("Kari")
    mine = f"/my/{token_of(who, 'manage')}"

    page = await hall.page(f"{mine}/ticket")

    address = f"https://seminars.example.org/organiser/check-in/{token_of(who, 'ticket')}"
    drawn = segno.make(address, error="m").svg_inline(omitsize=True).rpartition(' d="')[2]
    assert drawn in page
    assert "style=" not in page
    assert who.hex[:6].upper() in page
    assert f'href="{mine}/ticket"' in await hall.page(mine)
    assert (await hall.get(f"/organiser/check-in/{token_of(who, 'manage')}")).status == 404
    assert (await hall.get(f"/my/{token_of(who, 'ticket')}")).status == 404


@pytest.mark.parametrize(
    ("fields", "words"), [({"attendance": "online"}, "trenger ingen billett"), ({}, "Du står på venteliste.")]
)
async def test_who_has_no_seat_has_no_ticket(hall: Hall, fields: dict[str, str], words: str) -> None:
    for name in ("Anne", "Berit"):
        await hall.sign_up(name)
    mine = f"/my/{token_of(await hall.sign_up('Kari', **fields), 'manage')}"

    page = await hall.page(f"{mine}/ticket")

    assert words in text_of(page)
    assert "<svg" not in page
    assert f"{mine}/ticket" not in await hall.page(mine)
