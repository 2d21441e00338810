"""The seminar of 1 June 2023, from the sign-ups to the morning of the day, through the JSON API."""

import email
import email.policy
import re
from collections import Counter
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from icalendar import Calendar, Event

from local.services import SERVICES
from tests.end_to_end.conftest import SEMINAR, Site, forget, site
from tests.eventually import eventually
from tests.scrape import scraped


@pytest.fixture
async def up(tmp_path: Path) -> AsyncIterator[Site]:
    async with site(tmp_path) as started:
        yield started
    forget(tmp_path)


def parts(content: bytes) -> dict[str, str]:
    message = email.message_from_bytes(content, policy=email.policy.default)
    return {part.get_content_type(): part.get_content() for part in message.walk() if not part.is_multipart()}


def entry(content: bytes) -> Event:
    (event,) = Calendar.from_ical(parts(content)["text/calendar"]).walk("VEVENT")
    assert isinstance(event, Event)
    return event


def link(content: bytes, page: str = "my") -> str:
    found = re.search(rf"/{page}/([\w-]+)", parts(content)["text/plain"])
    assert found
    return found[1]


async def test_an_address_that_mail_servers_do_not_take_is_refused_by_its_field(up: Site) -> None:
    status, problem = await up.sign_up("Ánte")

    assert (status, [error["field"] for error in problem["errors"]]) == (422, ["email"])


async def test_who_signs_up_gets_text_html_and_calendar_and_then_the_reminders(up: Site) -> None:
    assert (await up.sign_up("Ole", language="nn"))[1]["outcome"] == "confirmed"
    assert (await up.sign_up("Kari", "in_person", dietary_needs="uten gluten"))[1]["outcome"] == "confirmed"
    first = await up.mail(ole=1, kari=1)
    ole, kari = await up.raw(first["ole"][0]), await up.raw(first["kari"][0])

    assert set(parts(ole)) == {"text/plain", "text/html", "text/calendar"}
    assert f"/seminars/{SEMINAR}/watch" in parts(ole)["text/plain"]
    assert "stream.example.org" not in ole.decode()
    event = entry(kari)
    assert event["LOCATION"] == "Akersgata 64, Oslo"
    assert str(event.start) == "2023-06-01 10:00:00+02:00"

    await up.move_clock("2023-05-31T10:00:00+02:00")
    await up.mail(ole=2, kari=2)
    await up.move_clock("2023-06-01T09:45:00+02:00")
    last = await up.mail(ole=3, kari=2)

    reminder = parts(await up.raw(last["ole"][2]))["text/plain"]
    assert f"/seminars/{SEMINAR}/watch" in reminder
    ids = [message["headers"]["Message-ID"] for messages in last.values() for message in messages]
    assert max(Counter(ids).values()) == 1


async def test_the_sixty_first_waits_and_gets_the_seat_of_whoever_cancels(up: Site) -> None:
    outcomes = Counter([(await up.sign_up(f"Deltaker{n}", "in_person"))[1]["outcome"] for n in range(62)])
    mail = await up.mail(deltaker0=1, deltaker60=1, deltaker61=1)
    token = link(await up.raw(mail["deltaker0"][0]))

    status, mine = await up.send("DELETE", "/api/registrations/mine", token=token)
    mail = await up.mail(deltaker0=2, deltaker60=2, deltaker61=1)

    assert outcomes == {"confirmed": 60, "waitlisted": 2}
    assert (status, mine["status"]) == (200, "cancelled")
    assert "METHOD:CANCEL" in parts(await up.raw(mail["deltaker0"][1]))["text/calendar"]
    summary = await up.get("/api/registrations/summary", organiser=True, seminar=SEMINAR)
    assert summary == {
        "in_person": {"confirmed": 60, "waitlisted": 1, "capacity": 60},
        "online": {"confirmed": 0},
        "cancelled": 1,
    }


async def test_after_the_deadline_one_can_attend_online_and_after_the_end_not_at_all(up: Site) -> None:
    await up.move_clock("2023-05-29T23:59:58+02:00")
    in_time, _ = await up.sign_up("Rask", "in_person")
    await up.move_clock("2023-05-30T00:00:00+02:00")
    too_late, why = await up.sign_up("Sein", "in_person")
    online, _ = await up.sign_up("Sein", "online")
    await up.move_clock("2023-06-01T13:15:00+02:00")
    over, why_over = await up.sign_up("Seinast", "online")

    assert (in_time, too_late, online, over) == (202, 409, 202, 409)
    assert (why["type"], why_over["type"]) == ("/problems/deadline-passed", "/problems/seminar-over")


async def test_one_sees_changes_and_cancels_ones_registration_by_the_mailed_link(up: Site) -> None:
    await up.sign_up("Kari", "in_person")
    token = link(await up.raw((await up.mail(kari=1))["kari"][0]))
    status, mine = await up.send("GET", "/api/registrations/mine", token=token)
    await up.send("PATCH", "/api/registrations/mine", {"attendance": "online"}, token=token, **{"If-Match": '"1"'})
    conflict, _ = await up.send("PATCH", "/api/registrations/mine", {"name": "K"}, token=token, **{"If-Match": '"1"'})
    switched = await up.mail(kari=2)

    assert (status, mine["attendance"], conflict) == (200, "in_person", 412)
    event = entry(await up.raw(switched["kari"][1]))
    assert str(event["LOCATION"]).endswith(f"/seminars/{SEMINAR}/watch")
    assert int(str(event["SEQUENCE"])) > 1


async def test_the_organiser_cancels_and_everyone_is_told(up: Site) -> None:
    await up.sign_up("Ole")
    await up.mail(ole=1)
    denied, _ = await up.send("POST", f"/api/seminars/{SEMINAR}/cancel")
    status, _ = await up.send("POST", f"/api/seminars/{SEMINAR}/cancel", token=up.token)
    await up.mail(ole=2)
    await up.move_clock("2023-05-31T10:00:00+02:00")

    async def refused() -> bool:
        return (await up.sign_up("Kari"))[0] == 409

    await eventually(refused)
    reminders = (await up.get("/api/reminders", organiser=True, seminar=SEMINAR))["items"]

    assert (denied, status) == (401, 200)
    assert {row["rule"] for row in reminders} == {"before_start P1D", "before_start PT15M"}
    assert len((await up.mail(ole=2))["ole"]) == 2


async def test_a_changed_livestream_is_what_the_mailed_address_leads_to(up: Site) -> None:
    await up.move_clock("2023-06-01T10:05:00+02:00")
    status, _ = await up.send(
        "PUT", f"/api/seminars/{SEMINAR}/livestream", {"url": "https://other.example.org/live"}, token=up.token
    )

    async with up.client.get(f"{up.url}/seminars/{SEMINAR}/watch") as answer:
        page = await answer.text()

    assert status == 200
    assert 'href="https://other.example.org/live"' in page


async def test_whoever_stops_the_reminders_gets_none_and_can_undo_it(up: Site) -> None:
    await up.sign_up("Ole")
    await up.sign_up("Kari")
    await up.mail(ole=1, kari=1)
    await up.move_clock("2023-05-31T10:00:00+02:00")
    reminder = await up.raw((await up.mail(ole=2, kari=2))["ole"][1])
    headers = email.message_from_bytes(reminder, policy=email.policy.default)
    assert headers["List-Unsubscribe-Post"] == "List-Unsubscribe=One-Click"

    one_click = f"{up.url}/unsubscribe/{link(reminder, 'unsubscribe')}"
    foreign = {"Sec-Fetch-Site": "cross-site"}
    async with up.client.post(one_click, data={"List-Unsubscribe": "One-Click"}, headers=foreign) as answer:
        assert answer.status == 200
    await up.move_clock("2023-06-01T09:45:00+02:00")

    await up.mail(ole=2, kari=3)


async def test_nothing_is_sent_twice_after_a_restart_and_the_clock_goes_on(tmp_path: Path) -> None:
    async with site(tmp_path) as up:
        await up.sign_up("Ole")
        await up.mail(ole=1)
        await up.move_clock("2023-05-31T10:00:00+02:00")
        await up.mail(ole=2)
    async with site(tmp_path) as up:
        now = (await up.get("/time"))["now"]
        await up.sign_up("Kari")
        await up.move_clock("2023-06-01T09:45:00+02:00")
        await up.mail(ole=3, kari=2)

        async def settled() -> list[dict[str, Any]] | None:
            rows: list[dict[str, Any]] = (await up.get("/api/emails", organiser=True, seminar=SEMINAR))["items"]
            return rows if all(row["state"] != "sending" for row in rows) else None

        emails = await eventually(settled)
    forget(tmp_path)

    assert now.startswith("2023-05-31T10:00")
    assert Counter((row["kind"], row["rule"], row["state"]) for row in emails) == {
        ("confirmation", "", "sent"): 2,
        ("reminder", "before_start P1D", "sent"): 1,
        ("reminder", "before_start P1D", "covered"): 1,
        ("reminder", "before_start PT15M", "sent"): 2,
    }


async def test_the_clock_refuses_to_go_backwards_and_what_is_no_instant(up: Site) -> None:
    backwards, problem = await up.send("POST", "/time", {"to": "2020-01-01T00:00:00Z"})
    local, _ = await up.send("POST", "/time", {"to": "2023-06-01T10:00:00"})
    number, _ = await up.send("POST", "/time", {"to": 1_700_000_000})

    assert (backwards, problem["type"], local, number) == (409, "/problems/backwards", 422, 422)


async def test_from_elsewhere_one_signs_up_as_often_as_the_limit_says_and_at_this_machine_as_one_likes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("RATE_LIMIT", "client:2/1h,address:2/1h")
    monkeypatch.setenv("TRUSTED_PROXIES", "127.0.0.1")

    async with site(tmp_path) as up:
        here = [(await up.sign_up("Kari"))[0] for _ in range(4)]
        path = {"X-Forwarded-For": "198.51.100.9, 192.0.2.1"}
        body = {"seminar": SEMINAR, "name": "Ola", "attendance": "online"}
        elsewhere = [
            (await up.send("POST", "/api/registrations", body | {"email": f"ola{number}@solund.example.no"}, **path))[0]
            for number in range(3)
        ]
        async with up.client.get(f"{up.url}/metrics") as answer:
            metrics = await scraped(answer)
    forget(tmp_path)

    assert (here, elsewhere) == ([202] * 4, [202, 202, 429])
    assert {labels["service"] for labels in metrics.labels("fagseminar_loop_up")} == set(SERVICES)
    assert (
        metrics.get("fagseminar_sign_ups_total", service="registration", attendance="online", outcome="confirmed") == 6
    )
