"""A seminar's page and its watch page through HTTP: before, during, after; for whom; and when they are made anew."""

import re
from collections.abc import AsyncIterator
from datetime import timedelta
from typing import Any

import pytest
from aiohttp import ClientResponse

import shared.web.pages
from local.postgres import Postgres
from services.catalog import pages
from shared.messages import RegistrationSnapshot, RegistrationStatus
from tests.factories import END, SLUG, START, begin_anew, make_body, make_registration_snapshot, make_talk
from tests.integration.catalog.site import PLAYER, Site, link_of, running

PAGE = f"/seminars/{SLUG}"
WATCH = f"{PAGE}/watch"
STREAM = "https://stream.example.org/planstrategi"
FILM = "https://film.example.org/planstrategi.mp4"
MINUTE = timedelta(minutes=1)
GUARDED = {"url": STREAM, "access": "registered"}
TALKS = [
    {
        "title": "Hva vet vi",
        "start": "10:00",
        "end": "11:45",
        "talks": [make_talk(title="Forventningene", start="10:00"), make_talk(title="Plankultur", start="10:40")],
    },
    {"pause": True, "start": "11:45", "end": "12:00"},
]


@pytest.fixture(scope="module")
async def started(postgres: Postgres, templates: dict[str, str]) -> AsyncIterator[Site]:
    async with running(postgres, templates["catalog"], "catalog_public_pages") as site:
        yield site


@pytest.fixture
async def site(started: Site) -> Site:
    """Know no seminar."""
    await begin_anew(started.database, started.bus, started.clock)
    return started


def countdown(page: str) -> str:
    found = re.search(r'<p class="countdown".*?</p>', page, re.DOTALL)
    return " ".join(re.sub(r"<[^>]+>", " ", found[0]).split()) if found else ""


def current(page: str) -> list[str]:
    """Return the last word of the heading of each talk, block or pause that is marked for eyes and screen readers."""
    items = re.findall(r'<li[^>]*aria-current="time">(.*?)</(?:h3|p)>', page, re.DOTALL)
    words = [re.sub(r"<[^>]+>", " ", item).split() for item in items]
    assert all(each[-1] == "Nå" for each in words)
    return [each[-2] for each in words]


# --- before ---


@pytest.mark.parametrize("path", [PAGE, WATCH])
async def test_before_the_start_the_page_counts_down_and_offers_a_calendar_entry(site: Site, path: str) -> None:
    await site.put()
    site.clock.move_to(START - timedelta(days=2, hours=1, minutes=3))

    page = await site.shown(path)

    assert countdown(page) == "Begynner om 2 dager 1 time 3 minutter"
    assert f'href="{PAGE}/calendar.ics"' in page
    site.clock.move_to(START - timedelta(seconds=1))
    assert countdown(await site.shown(path)) == "Begynner om 1 minutt"
    site.clock.move_to(START)
    assert countdown(await site.shown(path)) == ""


async def test_a_moved_seminar_says_where_it_was_moved_from_as_long_as_that_matters(site: Site) -> None:
    await site.put()
    assert "Flyttet" not in await site.shown(PAGE)

    await site.put(1, start="2023-06-02T10:30", end="2023-06-02T13:15", programme=[])

    for path in (PAGE, WATCH):
        assert "Flyttet fra 1. juni kl. 10.00" in await site.shown(path)
        assert "Flytta frå 1. juni kl. 10.00" in await site.shown(path, "nn")
        assert "Moved from 1 June at 10:00" in await site.shown(path, "en")
    site.clock.move_to(END + timedelta(days=1))
    assert "Flyttet" not in await site.shown(PAGE)


async def test_a_start_that_was_only_in_a_draft_is_none_to_have_been_moved_from(site: Site) -> None:
    await site.put(status="draft")
    await site.put(1, start="2023-06-01T11:00", programme=[])

    assert "Flyttet" not in await site.shown(PAGE)


async def test_a_cancelled_seminar_says_so_and_offers_nothing(site: Site) -> None:
    await site.put(livestream={"url": STREAM})
    await site.act("POST", "/cancel")

    for path in (PAGE, WATCH):
        page = await site.shown(path)
        assert "Seminaret er avlyst" in page
        assert countdown(page) == ""
        assert "/register/" not in page


async def test_those_who_invite_together_are_named(site: Site) -> None:
    await site.put(organisers=["Planavdelingen"], partners=["Distriktssenteret"])

    page = await site.shown(PAGE)

    assert page.index("Planavdelingen") < page.index("Sammen med") < page.index("Distriktssenteret")


# --- during ---


async def test_the_page_marks_what_is_on_as_time_goes_without_a_new_revision(site: Site) -> None:
    await site.put(programme=TALKS)
    on = []

    for moment in (START - MINUTE, START, START + timedelta(minutes=40), START + timedelta(minutes=105), END):
        site.clock.move_to(moment)
        on.append(current(await site.shown(PAGE)))
        assert current(await site.shown(WATCH)) == on[-1]

    assert on == [[], ["Forventningene"], ["Plankultur"], ["Pause"], []]


async def test_a_link_that_is_changed_at_five_to_is_what_everybody_gets(site: Site) -> None:
    await site.put(livestream={"url": STREAM})
    site.clock.move_to(START - timedelta(minutes=5))
    for replica in (site.client, site.other):
        assert STREAM not in await (await replica.get(WATCH)).text()

    await site.act("PUT", "/livestream", {"url": f"{STREAM}-b"})
    site.clock.move_to(START)

    for replica in (site.client, site.other):
        page = await (await replica.get(WATCH)).text()
        assert f'href="{STREAM}-b"' in page
        assert f'href="{STREAM}"' not in page


async def test_a_link_that_is_changed_during_the_seminar_is_on_every_replica_at_once(site: Site) -> None:
    await site.put(livestream={"url": STREAM})
    site.clock.move_to(START)
    assert STREAM in await site.shown(WATCH)

    await site.act("PUT", "/livestream", {"url": "https://elsewhere.example.org/"})

    assert STREAM not in await site.shown(WATCH)


# --- after ---


async def test_the_recording_has_chapters_where_times_are_known(site: Site) -> None:
    await site.put(programme=TALKS)
    site.clock.move_to(END)
    await site.act("PUT", "/recording", {"url": FILM, "starts": "09:58"})

    for path in (PAGE, WATCH):
        chapters = re.findall(rf'href="{FILM}#t=(\d+)"[^>]*>([^<]+)<', await site.shown(path))
        assert chapters == [("120", "I opptaket fra 0:02:00"), ("2520", "I opptaket fra 0:42:00")]


async def test_without_the_recordings_beginning_there_are_no_chapters(site: Site) -> None:
    await site.put(programme=TALKS)
    site.clock.move_to(END)
    await site.act("PUT", "/recording", {"url": FILM})

    page = await site.shown(WATCH)
    assert f'href="{FILM}"' in page
    assert "#t=" not in page


# --- inside of our page ---


def frames(answer: ClientResponse) -> list[str]:
    return re.findall(r"frame-src ([^;]+)", answer.headers["Content-Security-Policy"])


async def test_a_player_is_loaded_only_when_it_is_asked_for(site: Site) -> None:
    player = f"https://{PLAYER}/embed/1"
    await site.put(livestream={"url": player})
    site.clock.move_to(START)

    offered, played = await site.get(WATCH), await site.get(f"{WATCH}?play=1")

    assert "<iframe" not in await offered.text()
    assert 'href="?play=1"' in await offered.text()
    assert f'<iframe src="{player}"' in await played.text()
    assert frames(offered) == frames(played) == [PLAYER]


@pytest.mark.parametrize(
    "url", [STREAM, f"https://{PLAYER}.evil.example/", f"https://evil.example/{PLAYER}", f"https://a@{PLAYER}/"]
)
async def test_what_another_host_streams_is_only_linked(site: Site, url: str) -> None:
    await site.put(livestream={"url": url})
    site.clock.move_to(START)

    page = await site.shown(f"{WATCH}?play=1")

    assert f'href="{url}"' in page
    assert "<iframe" not in page


# --- for those who signed up ---


@pytest.fixture
async def guarded(site: Site) -> Site:
    await site.put(livestream=GUARDED)
    site.clock.move_to(START)
    return site


@pytest.mark.parametrize("status", [RegistrationStatus.CONFIRMED, RegistrationStatus.WAITLISTED])
async def test_one_s_own_link_leads_to_the_stream(guarded: Site, status: RegistrationStatus) -> None:
    registration = make_registration_snapshot(status=status)
    await guarded.learn(registration)

    answer = await guarded.get(f"{WATCH}/{link_of(registration)}")

    assert answer.status == 200
    assert f'href="{STREAM}"' in await answer.text()
    private = {name: answer.headers[name] for name in ("Cache-Control", "Referrer-Policy", "X-Robots-Tag")}
    assert private == {"Cache-Control": "no-store", "Referrer-Policy": "same-origin", "X-Robots-Tag": "noindex"}


async def test_a_stranger_is_told_whose_the_stream_is_and_how_to_get_the_link(guarded: Site) -> None:
    await guarded.learn(registration := make_registration_snapshot())
    await guarded.shown(f"{WATCH}/{link_of(registration)}")

    page = await guarded.shown(WATCH)

    assert STREAM not in page
    assert "Strømmingen er for dem som har meldt seg på." in page
    assert f'href="/register/{SLUG}"' in page


async def test_before_the_start_one_s_own_link_leads_to_no_stream_yet(site: Site) -> None:
    await site.put(livestream=GUARDED)
    await site.learn(registration := make_registration_snapshot())

    page = await site.shown(f"{WATCH}/{link_of(registration)}")

    assert STREAM not in page
    assert countdown(page).startswith("Begynner om 10 dager")


async def refused(site: Site, token: str) -> str:
    answer = await site.get(f"{WATCH}/{token}")
    text = await answer.text()
    assert answer.status == 404
    assert STREAM not in text
    assert answer.headers["Cache-Control"] == "no-store"
    return text


def other_seminars(registration: RegistrationSnapshot) -> RegistrationSnapshot:
    return registration.model_copy(update={"seminar": "another"})


async def test_every_link_that_does_not_count_gets_the_same_answer(guarded: Site) -> None:
    mine, elsewhere, gone = make_registration_snapshot(), make_registration_snapshot(), make_registration_snapshot()
    await guarded.learn(mine)
    await guarded.learn(other_seminars(elsewhere))
    await guarded.learn(gone.model_copy(update={"status": RegistrationStatus.CANCELLED, "version": 2}))
    never_signed_up = make_registration_snapshot()
    replaced = mine.model_copy(update={"link_version": 2})

    answers = {
        await refused(guarded, token)
        for token in (
            "nonsense",
            link_of(elsewhere),
            link_of(gone),
            link_of(never_signed_up),
            link_of(replaced),
            link_of(mine, purpose="manage"),
            link_of(mine, secret="another secret than ours"),
        )
    }

    assert len(answers) == 1
    assert "Denne lenken gjelder ikke" in answers.pop()


async def test_who_cancels_may_not_watch_any_more_in_whatever_order_that_is_learnt(guarded: Site) -> None:
    first = make_registration_snapshot()
    cancelled = first.model_copy(update={"status": RegistrationStatus.CANCELLED, "version": 2})

    await guarded.learn(cancelled)
    await guarded.learn(first)

    await refused(guarded, link_of(first))


async def test_a_link_that_was_mailed_goes_on_to_lead_there_when_the_stream_becomes_public(guarded: Site) -> None:
    gone = make_registration_snapshot(status=RegistrationStatus.CANCELLED)
    await guarded.learn(gone)
    await guarded.act("PUT", "/livestream", {"url": STREAM, "access": "public"})

    assert STREAM in await guarded.shown(f"{WATCH}/{link_of(gone)}")


async def test_only_ids_are_kept_of_those_who_may_watch(site: Site) -> None:
    await site.learn(make_registration_snapshot(name="Kari Nordmann", email="kari@example.org"))

    async with site.database.connection() as connection:
        row = await connection.fetchrow("SELECT * FROM watchers")

    assert row is not None
    assert set(row.keys()) == {"registration", "seminar", "version", "link_version", "may_watch"}


# --- kept while it is true ---


@pytest.fixture
def made(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Return the templates of the pages that are made from here on."""
    names: list[str] = []

    def rendered(request: Any, template: str, context: Any) -> str:
        names.append(template)
        return shared.web.pages.rendered(request, template, context)

    monkeypatch.setattr(pages, "rendered", rendered)
    return names


@pytest.mark.parametrize("path", ["/", PAGE, WATCH])
async def test_a_page_is_made_once_as_long_as_it_says_the_same(site: Site, made: list[str], path: str) -> None:
    await site.put()
    site.clock.move_to(START)

    texts = {await site.shown(path) for _ in range(3)}

    assert len(texts) == len(made) == 1
    await site.shown(path, "en")
    await site.act("PUT", "/livestream", {"url": STREAM})
    await site.shown(path)
    site.clock.move_to(END)
    await site.shown(path)
    assert len(made) == 4, "another language, another revision, another life"


async def test_what_was_asked_for_longest_ago_is_forgotten(site: Site, made: list[str]) -> None:
    await site.put()
    site.clock.move_to(START)
    await site.shown(PAGE)

    for number in range(510):
        await site.shown(f"/?q=word{number}")
    await site.shown(PAGE)

    assert made.count("seminar.html") == 2


@pytest.mark.parametrize("path", ["/", PAGE, WATCH])
async def test_who_has_the_page_is_told_that_it_is_still_so(site: Site, path: str) -> None:
    await site.put()
    site.clock.move_to(START)
    first = await site.get(path)

    again = await site.get(path, **{"If-None-Match": first.headers["ETag"]})
    english = await site.get(path, **{"If-None-Match": first.headers["ETag"], "Accept-Language": "en"})

    assert (again.status, await again.read()) == (304, b"")
    assert again.headers["ETag"] == first.headers["ETag"]
    assert english.status == 200
    for answer in (first, again):
        assert answer.headers["Vary"] == "Accept-Language, Cookie"
        assert answer.headers["Cache-Control"] == "no-cache"
    await site.act("PUT", "/livestream", {"url": STREAM})
    await site.put(2, title="Et nytt navn")
    assert (await site.get(path, **{"If-None-Match": first.headers["ETag"]})).status == 200


async def test_two_replicas_have_the_same_tag_for_the_same_page(site: Site) -> None:
    await site.put()
    site.clock.move_to(START)

    tags = {(await replica.get(WATCH)).headers["ETag"] for replica in (site.client, site.other)}

    assert len(tags) == 1


async def test_the_page_says_for_how_many_seconds_it_is_true(site: Site) -> None:
    await site.put(programme=TALKS)
    site.clock.move_to(START + timedelta(minutes=39))

    seconds = int((await site.get(PAGE)).headers["Changes-In"])

    assert 50 < seconds <= 60


async def test_a_language_that_is_chosen_is_remembered_also_when_the_page_was_kept(site: Site) -> None:
    await site.put()
    await site.shown(PAGE, "nn")

    answer = await site.get(f"{PAGE}?lang=nn")

    assert answer.cookies["language"].value == "nn"


# --- languages ---


@pytest.mark.parametrize("path", ["/", PAGE, WATCH])
async def test_a_text_that_is_there_in_another_language_only_says_in_which(site: Site, path: str) -> None:
    await site.put(title={"nn": "Berre på nynorsk"})

    for language, note in (("nb", "(på nynorsk)"), ("en", "(in Norwegian Nynorsk)")):
        page = " ".join((await site.shown(path, language)).split())
        assert f'<span lang="nn">Berre på nynorsk</span> <span class="fallback-note">{note}</span>' in page
    assert "fallback-note" not in await site.shown(path, "nn")


@pytest.mark.parametrize(
    ("field", "text"),
    [
        ("summary", {"en": "Only in English"}),
        ("description", {"en": "Only in English"}),
        ("audience", {"en": "Only in English"}),
        ("serving", {"en": "Only in English"}),
        ("organisers", [{"en": "Only in English"}]),
        ("partners", [{"en": "Only in English"}]),
        ("contact", {"name": {"en": "Only in English"}}),
        ("venue", {"name": {"en": "Only in English"}, "address": "Oslo"}),
        ("venue", {"name": "R6", "address": "Oslo", "directions": {"en": "Only in English"}}),
        ("programme", [{"title": {"en": "Only in English"}, "start": "10:00", "end": "11:00"}]),
        ("programme", [{"title": "a", "start": "10:00", "end": "11:00", "talks": [{"title": {"en": "Only"}}]}]),
    ],
)
async def test_so_does_every_text_of_the_page(site: Site, field: str, text: Any) -> None:
    await site.put(**{"title": "Planstrategi", field: text})

    page = await site.shown(PAGE)

    assert page.count("(på engelsk)") == 1
    assert 'lang="en"' in page.partition("<main")[2]
    assert "(på engelsk)" not in await site.shown(PAGE, "en")


@pytest.mark.parametrize(
    ("language", "date"),
    [("nb", "Torsdag 1. juni 2023"), ("nn", "Torsdag 1. juni 2023"), ("en", "Thursday 1 June 2023")],
)
@pytest.mark.parametrize("path", ["/", PAGE, WATCH])
async def test_a_date_is_in_the_reader_s_language(site: Site, path: str, language: str, date: str) -> None:
    await site.put()

    assert date in await site.shown(path, language)


async def test_a_draft_has_no_page(site: Site) -> None:
    await site.put_body(make_body(status="draft"))

    assert [(await site.get(path)).status for path in (PAGE, WATCH, f"{WATCH}/x")] == [404, 404, 404]
