"""The organiser's overview of a seminar and the list for the door, through HTTP."""

import re
from datetime import timedelta

import pytest

from tests.factories import END, NOW, SLUG, START, tables_of
from tests.integration.registration.door import BROWSER, HERE, Hall

LUNCH = {
    "id": "lunch",
    "text": {"nb": "Spiser du lunsj?", "en": "Do you have lunch?"},
    "kind": "choice",
    "options": [{"id": "a", "text": {"nb": "Ja, gjerne", "en": "Yes"}}, {"id": "b", "text": {"nb": "Nei", "en": "No"}}],
}


async def test_it_counts_seats_heads_kinds_counties_needs_and_answers(hall: Hall) -> None:
    await hall.learn(revision=2, capacity=3, questions=[LUNCH])
    await hall.sign_up("Kari", organisation="Solund kommune", dietary_needs="Vegan", answers={"lunch": "a"})
    await hall.sign_up("Ola", organisation="bergen", dietary_needs="vegan", accessibility_needs="Teleslynge")
    await hall.sign_up("Per", organisation="Nabolaget", attendance="online", headcount=4)
    await hall.cancel(await hall.sign_up("Siri"))

    text = await hall.text(f"{HERE}?county=46")

    for said in (
        "Har plass 2 av 3",
        "Ledige plasser 1",
        "Personer foran skjermene 4",
        "Har meldt seg av 1",
        "Kommuner 2 0 2",
        "Andre 0 1 1",
        "Vestland 2 0 2",
        "Flere fylker, eller ikke kjent 0 1 1",
        "Ingen er påmeldt fra 41 av 43 kommuner: Alver kommune",
        "Vestland 2 av 43 4 %",
        "Vegan 2",
        "Teleslynge (Ola)",
        "Spiser du lunsj? Ja, gjerne 1 Nei 0",
        "Fra 22. mai til 22. mai: 2 møter opp og 1 følger på nett.",
    ):
        assert said in text, said


async def test_it_speaks_the_readers_language_and_has_no_inline_style_or_script(hall: Hall) -> None:
    await hall.sign_up("Kari")

    page = await hall.page(HERE, "en")

    assert "Free seats" in page
    assert " style=" not in page
    assert re.findall(r"<script(?! src=)", page) == []


async def test_who_is_signed_up_twice_a_day_apart_makes_a_curve_with_a_table(hall: Hall) -> None:
    await hall.sign_up("Kari")
    hall.clock.move_to(NOW + timedelta(days=1))
    await hall.sign_up("Ola", attendance="online")

    page = await hall.page()

    assert 'class="line in-person" d="M0 200V0H320V0H640"' in page
    assert 'class="line online" d="M0 200V200H320V0H640"' in page
    assert "Ved slutten av Møte opp På nett 22. mai 1 0 23. mai 1 1" in await hall.text()


async def test_after_the_end_it_names_who_had_a_seat_and_did_not_come(hall: Hall) -> None:
    kari = await hall.sign_up("Kari")
    await hall.sign_up("Ola", organisation="Solund kommune")
    await hall.sign_up("Per", attendance="online")
    hall.clock.move_to(START)
    assert "Hvem som ikke kom" not in await hall.text()
    hall.clock.move_to(END)
    assert "Ingen ble sjekket inn, så vi vet ikke hvem som kom." in await hall.text()

    await hall.post(f"{HERE}/check-in/{kari}")

    text = await hall.text()
    assert "1 av 2 som hadde plass, ble ikke sjekket inn." in text
    assert "Ola, Solund kommune" in text
    assert "Per" not in text.partition("Hvem som ikke kom")[2]


async def test_the_list_for_the_door_is_of_those_who_have_a_seat_in_norwegian_order(hall: Hall) -> None:
    await hall.learn(revision=2, capacity=3)
    for name in ("Åse", "Øystein", "Zoe", "Waits"):
        await hall.sign_up(name, email=f"{len(name)}{ord(name[0])}@example.org", dietary_needs="Vegan")
    await hall.sign_up("Online", attendance="online")

    page, online = await hall.page(f"{HERE}/print"), await hall.page(f"{HERE}/print?attendance=online")

    assert re.findall("<td>(Åse|Øystein|Zoe|Waits|Online)</td>", page) == ["Zoe", "Øystein", "Åse"]
    assert re.findall("<td>(Åse|Øystein|Zoe|Waits|Online)</td>", online) == ["Online"]
    assert "Vegan" not in page
    assert "<thead>" in page


@pytest.mark.parametrize("rest", ["", "/figures", "/print", "/check-in"])
async def test_it_is_for_organisers_and_of_a_seminar_that_there_is(hall: Hall, rest: str) -> None:
    stranger = await hall.client.get(HERE + rest, headers=BROWSER, allow_redirects=False)
    unknown = await hall.get(f"/organiser/registrations/unknown{rest}")

    assert (stranger.status, unknown.status) == (303, 404)
    assert stranger.headers["Location"].startswith("/organiser/sign-in?next=")


@pytest.mark.parametrize("query", ["?county=99", "?county=%00", "?county=%3Cscript%3E", "?county=46&county=46"])
async def test_a_county_that_there_is_not_is_passed_over(hall: Hall, query: str) -> None:
    assert (await hall.get(HERE + query)).status == 200


async def test_looking_changes_nothing(hall: Hall) -> None:
    who = await hall.sign_up("Kari")
    await hall.told()
    before = await tables_of(hall.database)

    for path in (HERE, f"{HERE}/print", f"{HERE}/check-in?q=kari&who={who}&outcome=checked_in"):
        await hall.page(path)
    await hall.get(f"/api/registrations/export.xlsx?seminar={SLUG}")

    assert await tables_of(hall.database) == before
