"""The people of a seminar on their organisers' pages: to find somebody, add somebody, and act on one."""

import asyncio
from datetime import timedelta
from itertools import count

import pytest

from services.registration import store_erasing
from shared.messages import RegistrationSnapshot
from tests.factories import DEADLINE, END, NOW, SLUG
from tests.html_form import Form
from tests.integration.registration.desk import HERE, Desk, id_of

HOSTILE = "<script>alert(1)</script>"
LATE = DEADLINE + timedelta(seconds=1)
ADA = {"name": "Åse Ødegård", "email": "ase@example.org", "attendance": "in_person"}
BUS = {"id": "bus", "text": "Kommer du med buss?", "kind": "text", "required": True}
PAGES = ("/people", "/add", "/import", "/log")


# --- who may ---


@pytest.mark.parametrize("path", PAGES)
async def test_a_stranger_sees_nothing(desk: Desk, path: str) -> None:
    answer = await desk.client.get(HERE + path, allow_redirects=False)

    assert answer.status == 401


@pytest.mark.parametrize("path", PAGES)
async def test_a_seminar_that_nobody_knows_has_no_people(desk: Desk, path: str) -> None:
    await desk.get(f"/organiser/registrations/unknown{path}", status=404)


DEEDS = ("", "/attendance", "/cancel", "/move-up", "/seat", "/link")


@pytest.mark.parametrize("deed", DEEDS)
async def test_a_form_that_is_not_of_the_session_does_nothing(desk: Desk, deed: str) -> None:
    await desk.learn(2, capacity=0)
    ada = await desk.sign_up("Ada")
    before = await desk.rows()
    forged = {"name": "X", "email": "x@example.org", "version": "1", "attendance": "online", "form_token": "forged"}

    assert (await desk.post(ada + deed, forged))[0] == 403
    assert (await desk.rows(), await desk.log()) == (before, [])


async def test_nobody_is_added_by_a_form_that_is_not_of_the_session(desk: Desk) -> None:
    assert (await desk.post(f"{HERE}/add", ADA | {"form_token": ""}))[0] == 403
    assert (await desk.upload(b"navn,epost\nA,a@example.org\n", form_token=""))[0] == 403
    assert await desk.rows() == []


async def test_signed_out_no_form_does_anything(desk: Desk) -> None:
    ada = await desk.sign_up("Ada")
    desk.headers.pop("Cookie")

    for path in (*(ada + deed for deed in DEEDS), f"{HERE}/add", f"{HERE}/import"):
        assert (await desk.post(path))[0] == 303, path
    assert (await desk.rows())[0]["version"] == 1


# --- finding ---


async def test_people_are_found_by_part_of_name_address_or_organisation_however_it_is_spelt(desk: Desk) -> None:
    await desk.sign_up("Åse", email="ase@example.org", organisation="Ålesund kommune")
    await desk.sign_up("Bård", email="bard@example.org", organisation="Oslo")

    for words in ("åse", "ÅSE", "ålesund åse", "Ålesund", "se@example", "A\u030aSE"):
        page = await desk.shown(f"{HERE}/people?q={words}")
        assert ("Åse" in page, "Bård" in page) == (True, False), words
    assert "Fant ingen." in await desk.shown(f"{HERE}/people?q=åse oslo")


@pytest.mark.parametrize("words", ["%", "_", "\\", "'", "%25", "a%00b"])
async def test_what_is_looked_for_is_no_pattern(desk: Desk, words: str) -> None:
    await desk.sign_up("Ada")

    answer = await desk.client.get(f"{HERE}/people", params={"q": words}, headers=desk.headers)

    assert "Ada" not in (await answer.text()).partition("<h1")[2]


async def test_people_are_shown_by_how_they_stand_and_attend(desk: Desk) -> None:
    await desk.learn(2, capacity=1)
    for name in ("Ada", "Bo", "Cy"):
        await desk.sign_up(name)
    await desk.sign_up("Dag", attendance="online")
    gone = await desk.sign_up("Eva", attendance="online")
    await desk.post(f"{gone}/cancel")

    async def names(query: str) -> list[str]:
        page = await desk.shown(f"{HERE}/people?{query}")
        return [name for name in ("Ada", "Bo", "Cy", "Dag", "Eva") if f">{name}</a>" in page]

    assert await names("status=confirmed") == ["Ada", "Dag"]
    assert await names("status=waitlisted") == ["Bo", "Cy"]
    assert await names("status=cancelled") == ["Eva"]
    assert await names("status=checked_in") == []
    assert await names("attendance=online&status=") == ["Dag", "Eva"]
    assert "Nummer 2 på ventelista" in await desk.shown(f"{HERE}/people?q=Cy")
    await desk.get(f"{HERE}/people?status=wrong", status=422)
    await desk.get(f"{HERE}/people?after=wrong", status=422)


async def test_a_long_list_goes_on_behind_its_last_one(desk: Desk) -> None:
    for number in range(51):
        await desk.sign_up(f"Person{number:02}")
    first = await desk.get(f"{HERE}/people?q=person")
    following = first.rpartition('class="more"')[2].partition('href="?')[2].partition('"')[0].replace("&amp;", "&")

    second = await desk.shown(f"{HERE}/people?{following}")

    assert ("Person49" in first, "Person50" in first) == (True, False)
    assert ("Person49" in second, "Person50" in second) == (False, True)


async def test_a_hostile_name_is_shown_as_it_is_and_does_nothing(desk: Desk) -> None:
    ada = await desk.sign_up(HOSTILE, organisation='"><img src=x>', email="ada@example.org")

    for path in (f"{HERE}/people", ada):
        page = await desk.get(path)
        assert HOSTILE not in page
        assert "<img src=x>" not in page
        assert "&lt;script&gt;" in page


# --- adding ---


async def test_somebody_is_added_by_hand_and_told_so(desk: Desk) -> None:
    status, where = await desk.post(f"{HERE}/add", ADA | {"organisation": "Solund", "dietary_needs": "Uten gluten"})

    (row,), (deed,) = await desk.rows(), await desk.log()
    assert (status, where) == (303, f"{HERE}/people/{row['id']}?done=added")
    assert (row["name"], row["status"], row["dietary_needs"]) == ("Åse Ødegård", "confirmed", "Uten gluten")
    assert [(m.type, m.subject) for m in await desk.told()] == [("registration.confirmed", str(row["id"]))]
    assert (deed["action"], deed["made_by"], deed["registration"]) == ("add", "Plan", row["id"])
    assert len(deed["request_id"]) == 32


async def test_an_address_that_stands_already_is_said_to_and_leads_there(desk: Desk) -> None:
    known = await desk.sign_up("Ada", email="ASE@example.org")

    status, page = await desk.post(f"{HERE}/add", ADA)

    assert status == 409
    assert "Det er alt noen som er påmeldt med denne adressen." in page
    assert known in page
    assert Form(page).fields["name"] == "Åse Ødegård"
    assert len(await desk.rows()) == 1


async def test_what_is_wrong_is_said_and_nothing_typed_is_lost(desk: Desk) -> None:
    await desk.learn(2, questions=[BUS])

    status, page = await desk.post(f"{HERE}/add", ADA | {"email": "no address", "municipality": "x"})

    assert status == 422
    assert {"email-error", "municipality-error", "answers.bus-error"} <= set(Form(page).ids)
    assert Form(page).fields["municipality"] == "x"
    assert await desk.rows() == []


async def test_whom_all_seats_are_taken_for_waits_also_when_an_organiser_adds_them(desk: Desk) -> None:
    await desk.learn(2, capacity=1)
    await desk.sign_up("Ada")
    await desk.sign_up("Bo")

    await desk.post(f"{HERE}/add", ADA)

    assert await desk.statuses() == {"Ada": "confirmed", "Bo": "waitlisted", "Åse Ødegård": "waitlisted"}
    (told,) = await desk.told()
    assert isinstance(told.data, RegistrationSnapshot)
    assert (told.type, told.data.place) == ("registration.waitlisted", 2)


@pytest.mark.parametrize("days", [-1, 8])
async def test_an_organiser_adds_before_sign_up_opens_and_after_the_deadline(desk: Desk, days: int) -> None:
    await desk.learn(2, opens=NOW)
    desk.at(NOW + timedelta(days=days))

    assert (await desk.post(f"{HERE}/add", ADA))[0] == 303
    assert await desk.statuses() == {"Åse Ødegård": "confirmed"}


async def test_nobody_is_added_to_a_seminar_that_is_over_or_cancelled(desk: Desk) -> None:
    desk.at(END)
    over = await desk.post(f"{HERE}/add", ADA)
    desk.at(NOW)
    await desk.learn(2, status="cancelled")
    cancelled = await desk.post(f"{HERE}/add", ADA)

    assert (over[0], cancelled[0]) == (409, 409)
    assert "Seminaret er over." in over[1]
    assert "Seminaret er avlyst." in cancelled[1]
    assert await desk.rows() == []


async def test_two_organisers_do_not_give_the_last_seat_twice(desk: Desk) -> None:
    await desk.learn(2, capacity=1)
    names = count()

    await asyncio.gather(*(desk.post(f"{HERE}/add", ADA | {"email": f"p{next(names)}@example.org"}) for _ in range(6)))

    assert sorted(row["status"] for row in await desk.rows()) == ["confirmed"] + 5 * ["waitlisted"]


# --- one person ---


async def test_details_are_corrected_and_the_log_knows_which_but_not_what(desk: Desk) -> None:
    ada = await desk.sign_up("Ada", dietary_needs="Uten gluten")
    fields = Form(await desk.get(ada)).fields

    status, _ = await desk.post(ada, fields | {"name": "Ada Berg", "role": "Rådgiver", "language": "nn"})

    (row,), (deed,) = await desk.rows(), await desk.log()
    assert (status, row["name"], row["role"], row["language"], row["version"]) == (303, "Ada Berg", "Rådgiver", "nn", 2)
    assert (row["dietary_needs"], row["email"]) == ("Uten gluten", "ada@example.org")
    assert (deed["action"], deed["fields"], deed["seminar"]) == ("correct", ["name", "role", "language"], SLUG)
    assert "Berg" not in str(deed)
    assert [m.type for m in await desk.told()] == ["registration.changed"]
    assert "Rettet opplysningene: Navn, Rolle eller tittel, Språk" in await desk.shown(f"{HERE}/log")
    assert "Rettet opplysningene" in await desk.shown(ada)


async def test_an_address_is_corrected_and_its_old_links_are_dead(desk: Desk) -> None:
    ada = await desk.sign_up("Ada")
    fields = Form(await desk.get(ada)).fields

    await desk.post(ada, fields | {"email": "ada.berg@example.org"})

    (row,), (told,) = await desk.rows(), await desk.told()
    assert isinstance(told.data, RegistrationSnapshot)
    assert (row["email"], row["email_key"], row["link_version"]) == ("ada.berg@example.org", "ada.berg@example.org", 2)
    assert (told.type, told.data.email, told.data.link_version) == ("registration.changed", "ada.berg@example.org", 2)


async def test_an_address_and_more_are_corrected_at_once(desk: Desk) -> None:
    ada = await desk.sign_up("Ada")
    fields = Form(await desk.get(ada)).fields

    assert (await desk.post(ada, fields | {"email": "b@example.org", "name": "B"}))[0] == 303
    (row,) = await desk.rows()
    assert (row["email"], row["name"]) == ("b@example.org", "B")
    assert isinstance((last := (await desk.told())[-1]).data, RegistrationSnapshot)
    assert last.data.version == row["version"]


async def test_nobody_is_given_the_address_of_somebody_else(desk: Desk) -> None:
    ada, bo = await desk.sign_up("Ada"), await desk.sign_up("Bo")
    fields = Form(await desk.get(ada)).fields

    status, page = await desk.post(ada, fields | {"email": "BO@example.org"})

    assert (status, bo in page) == (409, True)
    assert [row["email"] for row in await desk.rows()] == ["ada@example.org", "bo@example.org"]
    assert await desk.log() == []


async def test_of_two_organisers_the_second_is_told_and_loses_nothing(desk: Desk) -> None:
    ada = await desk.sign_up("Ada")
    fields = Form(await desk.get(ada)).fields
    await desk.post(ada, fields | {"name": "Ada Berg"})

    status, page = await desk.post(ada, fields | {"role": "Rådgiver"})

    again = Form(page).fields
    assert status == 409
    assert "Noen andre har lagret i mellomtiden." in page
    assert ((await desk.rows())[0]["name"], again["role"], again["version"]) == ("Ada Berg", "Rådgiver", "2")
    assert (await desk.post(ada, again))[0] == 303


async def test_two_organisers_correct_one_person_at_once_and_one_is_told(desk: Desk) -> None:
    ada = await desk.sign_up("Ada")
    fields = Form(await desk.get(ada)).fields

    done = await asyncio.gather(*(desk.post(ada, fields | {"role": role}) for role in ("Ordfører", "Rådgiver")))

    assert sorted(status for status, _ in done) == [303, 409]
    assert len(await desk.log()) == 1


async def test_what_is_wrong_with_a_correction_is_said_and_nothing_typed_is_lost(desk: Desk) -> None:
    ada = await desk.sign_up("Ada")
    fields = Form(await desk.get(ada)).fields

    status, page = await desk.post(ada, fields | {"name": " ", "role": "Rådgiver", "email": "a@b"})

    assert status == 422
    assert {"name-error", "email-error"} <= set(Form(page).ids)
    assert Form(page).fields["role"] == "Rådgiver"


async def test_somebody_switches_also_after_the_deadline_and_what_waits_moves_up(desk: Desk) -> None:
    await desk.learn(2, capacity=1)
    ada, _ = await desk.sign_up("Ada", dietary_needs="x"), await desk.sign_up("Bo")

    status, where = await desk.post(f"{ada}/attendance", {"attendance": "online"})
    desk.at(LATE)
    back, _ = await desk.post(f"{ada}/attendance", {"attendance": "in_person"})

    assert (status, where, back) == (303, f"{ada}?done=switched", 303)
    assert await desk.statuses() == {"Ada": "waitlisted", "Bo": "confirmed"}
    assert [deed["action"] for deed in await desk.log()] == ["switch", "switch"]
    assert (await desk.post(f"{ada}/attendance", {"attendance": "by train"}))[0] == 422


async def test_a_registration_is_cancelled_once_and_the_first_in_line_gets_the_seat(desk: Desk) -> None:
    await desk.learn(2, capacity=1)
    ada, _ = await desk.sign_up("Ada"), await desk.sign_up("Bo")

    first, second = await desk.post(f"{ada}/cancel"), await desk.post(f"{ada}/cancel")

    assert (first[0], second[0]) == (303, 409)
    assert "Påmeldingen er allerede avmeldt." in second[1]
    assert await desk.statuses() == {"Ada": "cancelled", "Bo": "confirmed"}
    assert [m.type for m in await desk.told()] == ["registration.cancelled", "registration.promoted"]
    assert [deed["action"] for deed in await desk.log()] == ["cancel"]
    assert 'id="form"' not in await desk.get(ada)


async def test_somebody_is_put_first_in_line_which_stands_in_the_log(desk: Desk) -> None:
    await desk.learn(2, capacity=1)
    ada, bo, cy, dag = [await desk.sign_up(name) for name in ("Ada", "Bo", "Cy", "Dag")]

    await desk.post(f"{cy}/move-up")
    await desk.post(f"{dag}/move-up")
    again = await desk.post(f"{dag}/move-up")
    await desk.post(f"{ada}/cancel")

    assert again[0] == 303
    assert await desk.statuses() == {"Ada": "cancelled", "Bo": "waitlisted", "Cy": "waitlisted", "Dag": "confirmed"}
    assert "Nummer 1 på ventelista" in await desk.shown(cy)
    assert "Nummer 2 på ventelista" in await desk.shown(bo)
    moved = [(deed["action"], deed["registration"]) for deed in await desk.log()][:2]
    assert moved == [("move_up", id_of(cy)), ("move_up", id_of(dag))]


async def test_a_free_seat_is_given_once_the_waiting_list_is_closed(desk: Desk) -> None:
    await desk.learn(2, capacity=1)
    ada, _, cy = [await desk.sign_up(name) for name in ("Ada", "Bo", "Cy")]
    none = await desk.post(f"{cy}/seat")
    desk.at(LATE)
    await desk.post(f"{ada}/cancel")

    before = await desk.statuses()
    given, where = await desk.post(f"{cy}/seat")

    assert (none[0], before["Cy"]) == (409, "waitlisted")
    assert "Det er ingen ledig plass." in none[1]
    assert (given, where) == (303, f"{cy}?done=seated")
    assert await desk.statuses() == {"Ada": "cancelled", "Bo": "waitlisted", "Cy": "confirmed"}
    assert (await desk.told())[-1].type == "registration.promoted"
    assert (await desk.log())[-1]["action"] == "give_seat"
    assert (await desk.post(f"{cy}/seat"))[0] == 409


@pytest.mark.parametrize("deed", ["/seat", "/move-up"])
async def test_who_does_not_wait_is_not_moved_up(desk: Desk, deed: str) -> None:
    ada = await desk.sign_up("Ada")

    status, page = await desk.post(ada + deed)

    assert (status, "Vedkommende står ikke på venteliste lenger." in page) == (409, True)
    assert await desk.log() == []


async def test_two_organisers_do_not_give_one_free_seat_to_two(desk: Desk) -> None:
    await desk.learn(2, capacity=1)
    ada, bo, cy = [await desk.sign_up(name) for name in ("Ada", "Bo", "Cy")]
    desk.at(LATE)
    await desk.post(f"{ada}/cancel")

    done = await asyncio.gather(*(desk.post(f"{person}/seat") for person in (bo, cy)))

    assert sorted(status for status, _ in done) == [303, 409]
    assert sorted((await desk.statuses()).values()) == ["cancelled", "confirmed", "waitlisted"]


async def test_the_link_is_sent_again_but_not_without_end(desk: Desk) -> None:
    ada = await desk.sign_up("Ada")

    sent = [(await desk.post(f"{ada}/link"))[0] for _ in range(21)]

    assert sent == 20 * [303] + [409]
    assert [deed["action"] for deed in await desk.log()] == 20 * ["send_link"]
    await desk.told()
    assert [m.type for m in desk.bus.published].count("registration.link_requested") == 20


async def test_after_the_end_nothing_but_an_address_is_changed_any_more(desk: Desk) -> None:
    ada = await desk.sign_up("Ada")
    fields = Form(await desk.get(ada)).fields
    desk.at(END)

    statuses = [
        (await desk.post(ada, fields | {"name": "X", "email": "x@example.org"}))[0],
        (await desk.post(f"{ada}/cancel"))[0],
        (await desk.post(f"{ada}/attendance", {"attendance": "online"}))[0],
    ]
    assert statuses == [409, 409, 409]
    assert (await desk.rows())[0]["version"] == 1
    assert await desk.log() == []

    assert (await desk.post(ada, fields | {"email": "x@example.org"}))[0] == 303
    assert (await desk.rows())[0]["email"] == "x@example.org"


@pytest.mark.parametrize("person", ["x", "00000000-0000-0000-0000-000000000000"])
async def test_there_is_no_page_of_nobody(desk: Desk, person: str) -> None:
    await desk.get(f"{HERE}/people/{person}", status=404)
    assert (await desk.post(f"{HERE}/people/{person}/cancel"))[0] == 404


async def test_somebody_is_not_reached_by_the_address_of_another_seminar(desk: Desk) -> None:
    await desk.learn(1, slug="another")
    ada = await desk.sign_up("Ada", seminar="another")

    await desk.get(ada, status=404)
    assert (await desk.post(f"{ada}/cancel"))[0] == 404


async def test_who_is_erased_is_not_found_any_more(desk: Desk) -> None:
    ada = await desk.sign_up("Ada")
    async with desk.database.transaction() as connection:
        await store_erasing.erase(connection, [id_of(ada)], [], NOW)

    await desk.get(ada, status=404)
    assert (await desk.post(f"{ada}/link"))[0] == 404
    assert ada not in await desk.get(f"{HERE}/people")


async def test_what_one_read_changes_nothing(desk: Desk) -> None:
    ada = await desk.sign_up("Ada")
    before = await desk.rows()

    for path in (*(HERE + page for page in PAGES), ada):
        await desk.get(path)

    assert (await desk.rows(), await desk.log()) == (before, [])
