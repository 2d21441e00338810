"""What a page says of itself: schema.org's vocabulary, Open Graph, languages, and what it never says."""

import json
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.catalog.metadata import Head, Past, of_list, of_seminar
from services.catalog.model import Seminar
from services.catalog.prose import LONGEST, first_sentence
from shared.messages import LANGUAGES, Language
from tests.documents import seminars
from tests.factories import DEADLINE, NOW, SLUG, START, UNHURRIED, make_seminar, make_talk

SITE = "https://seminars.example.org"
PAGE = f"{SITE}/seminars/{SLUG}"
STREAM = "https://stream.example.org/planstrategi"
FILM = "https://film.example.org/planstrategi"
SCHEMA = "https://schema.org/"
BEFORE = START - timedelta(days=1)
UNMOVED = Past()
MOVED = Past(starts=(BEFORE, START))

# schema.org's names: of each type the properties that we use, and what stands there.
VOCABULARY: dict[str, dict[str, str]] = {
    "Event": {
        "name": "Text",
        "description": "Text",
        "url": "URL",
        "inLanguage": "Text",
        "startDate": "DateTime",
        "endDate": "DateTime",
        "eventStatus": "EventStatusType",
        "previousStartDate": "DateTime",
        "eventAttendanceMode": "EventAttendanceModeEnumeration",
        "location": "Place VirtualLocation",
        "organizer": "Organization",
        "performer": "Person",
        "audience": "Audience",
        "isAccessibleForFree": "Boolean",
        "offers": "Offer",
        "recordedIn": "VideoObject",
    },
    "Place": {"name": "Text", "address": "PostalAddress"},
    "PostalAddress": {"streetAddress": "Text"},
    "VirtualLocation": {"url": "URL"},
    "Organization": {"name": "Text"},
    "Person": {"name": "Text", "jobTitle": "Text", "affiliation": "Organization"},
    "Audience": {"audienceType": "Text"},
    "Offer": {
        "name": "Text",
        "url": "URL",
        "price": "Number",
        "priceCurrency": "Text",
        "availability": "ItemAvailability",
        "validFrom": "DateTime",
        "validThrough": "DateTime",
    },
    "VideoObject": {"name": "Text", "description": "Text", "url": "URL", "uploadDate": "DateTime"},
}
NEEDED = {
    "Event": {"name", "url", "startDate", "endDate", "eventStatus", "eventAttendanceMode", "location", "offers"},
    "Place": {"name", "address"},
    "PostalAddress": {"streetAddress"},
    "VirtualLocation": {"url"},
    "Organization": {"name"},
    "Person": {"name"},
    "Audience": {"audienceType"},
    "Offer": {"url", "price", "priceCurrency", "availability", "validThrough"},
    "VideoObject": {"name", "url"},
}
MEMBERS = {
    "EventStatusType": {"EventScheduled", "EventRescheduled", "EventCancelled"},
    "EventAttendanceModeEnumeration": {
        "OnlineEventAttendanceMode",
        "OfflineEventAttendanceMode",
        "MixedEventAttendanceMode",
    },
    "ItemAvailability": {"InStock", "OutOfStock"},
}


def head(language: Language = "nb", past: Past = UNMOVED, now: datetime = NOW, **overrides: Any) -> Head:
    return of_seminar(make_seminar(**overrides), past, now, SITE, language)


def event(past: Past = UNMOVED, now: datetime = NOW, **overrides: Any) -> dict[str, Any]:
    made = head(past=past, now=now, **overrides).event
    assert made is not None
    return made


def faults(value: Any, wanted: str) -> Iterator[str]:
    """Yield what in a value of JSON-LD is not as schema.org has it."""
    match wanted:
        case "Text":
            fits = isinstance(value, str) and bool(value.strip())
        case "URL":
            fits = isinstance(value, str) and value.startswith("https://")
        case "DateTime":
            fits = datetime.fromisoformat(value).tzinfo is not None
        case "Boolean":
            fits = isinstance(value, bool)
        case "Number":
            fits = isinstance(value, int)
        case _ if wanted in MEMBERS:
            fits = value.removeprefix(SCHEMA) in MEMBERS[wanted]
            fits = fits and value.startswith(SCHEMA)
        case _:
            fits = value["@type"] in wanted.split()
            yield from thing_faults(value)
    if not fits:
        yield f"{value!r} is no {wanted}"


def thing_faults(thing: dict[str, Any]) -> Iterator[str]:
    kind = thing["@type"]
    names = thing.keys() - {"@type", "@context"}
    yield from (f"{kind} lacks {name}" for name in NEEDED[kind] - names)
    yield from (f"{kind} has no {name} in schema.org" for name in names - VOCABULARY[kind].keys())
    for name in names & VOCABULARY[kind].keys():
        for value in thing[name] if isinstance(thing[name], list) else [thing[name]]:
            yield from faults(value, VOCABULARY[kind][name])


# --- schema.org's Event ---


@UNHURRIED
@given(seminars, st.sampled_from(LANGUAGES), st.datetimes(datetime(2023, 1, 1), datetime(2023, 12, 31)))
def test_whatever_the_seminar_every_word_is_schema_orgs(seminar: Seminar, language: Language, now: datetime) -> None:
    made = of_seminar(seminar, Past(starts=(BEFORE,), recorded=NOW), now.replace(tzinfo=UTC), SITE, language).event

    assert made is not None
    assert made["@context"] == "https://schema.org"
    assert list(thing_faults(made)) == []
    assert json.loads(json.dumps(made)) == made


@UNHURRIED
@given(seminars, st.sampled_from(LANGUAGES))
def test_a_stream_for_those_who_signed_up_is_never_told_of(seminar: Seminar, language: Language) -> None:
    """Its recording may well be at the same address."""
    said = json.dumps(of_seminar(seminar, Past(), NOW, SITE, language))

    livestream = seminar.document.livestream
    assert not livestream or not livestream.url or livestream.access == "public" or livestream.url not in said


def test_neither_is_a_public_one_since_its_page_is_the_address_that_stays() -> None:
    assert STREAM not in json.dumps(head(livestream={"url": STREAM, "access": "public"}))


@pytest.mark.parametrize(
    ("attendance", "mode", "places"),
    [
        ({"in_person": {}, "online": {}}, "MixedEventAttendanceMode", ["Place", "VirtualLocation"]),
        ({"in_person": {}}, "OfflineEventAttendanceMode", ["Place"]),
        ({"online": {}}, "OnlineEventAttendanceMode", ["VirtualLocation"]),
    ],
)
def test_the_ways_to_attend_are_its_mode_and_its_places(
    attendance: dict[str, Any], mode: str, places: list[str]
) -> None:
    made = event(attendance=attendance)

    assert made["eventAttendanceMode"] == SCHEMA + mode
    assert [place["@type"] for place in made["location"]] == places


def test_the_places_are_the_venue_and_the_page_to_watch_it_at() -> None:
    place, virtual = event()["location"]

    assert place["name"] == "Akersgata 64"
    assert place["address"] == {"@type": "PostalAddress", "streetAddress": "Akersgata 64, Oslo"}
    assert virtual["url"] == f"{PAGE}/watch"


def test_a_seminar_that_stands_as_announced_is_scheduled() -> None:
    made = event(Past(starts=(START, START)))

    assert made["eventStatus"] == f"{SCHEMA}EventScheduled"
    assert "previousStartDate" not in made
    assert made["startDate"] == "2023-06-01T10:00:00+02:00"


def test_a_moved_one_is_rescheduled_and_says_from_when() -> None:
    made = event(MOVED)

    assert made["eventStatus"] == f"{SCHEMA}EventRescheduled"
    assert datetime.fromisoformat(made["previousStartDate"]) == BEFORE


def test_a_cancelled_one_is_cancelled_moved_or_not_and_nobody_can_sign_up() -> None:
    made = event(MOVED, cancelled=True, recording={"url": FILM})

    assert made["eventStatus"] == f"{SCHEMA}EventCancelled"
    assert {offer["availability"] for offer in made["offers"]} == {f"{SCHEMA}OutOfStock"}
    assert "recordedIn" not in made


def test_signing_up_is_an_offer_a_way_to_attend_free_and_until_its_deadline() -> None:
    in_person, online = event()["offers"]

    assert (in_person["price"], in_person["priceCurrency"]) == (0, "NOK")
    assert in_person["url"] == f"{SITE}/register/{SLUG}"
    assert datetime.fromisoformat(in_person["validThrough"]) == DEADLINE
    assert online["validThrough"] == "2023-06-01T13:15:00+02:00"


@pytest.mark.parametrize(("now", "open_ones"), [(NOW, 2), (DEADLINE, 2), (DEADLINE + timedelta(seconds=1), 1)])
def test_an_offer_stands_as_long_as_one_can_sign_up(now: datetime, open_ones: int) -> None:
    found = [offer["availability"] for offer in event(now=now)["offers"]]

    assert found.count(f"{SCHEMA}InStock") == open_ones
    assert found.count(f"{SCHEMA}OutOfStock") == 2 - open_ones


def test_before_sign_up_opens_the_offer_says_from_when() -> None:
    for offer in event(opens="2023-05-25T08:00:00+02:00")["offers"]:
        assert offer["validFrom"] == "2023-05-25T08:00:00+02:00"
        assert offer["availability"] == f"{SCHEMA}OutOfStock"


def test_the_recording_says_when_it_was_published() -> None:
    made = event(Past(recorded=NOW), recording={"url": FILM})

    assert made["recordedIn"]["url"] == FILM
    assert datetime.fromisoformat(made["recordedIn"]["uploadDate"]) == NOW
    assert "recordedIn" not in event()


def test_speakers_are_persons_where_they_have_a_name_and_each_once() -> None:
    kari = {"name": "Kari Nordmann", "role": "ordfører", "affiliation": {"nb": "Solund kommune", "en": "Solund"}}
    talks = [make_talk(speakers=[kari, {"affiliation": "Karasjok kommune"}]), make_talk(speakers=[kari])]

    (person,) = event(programme=[{"title": "Bolk", "start": "10:00", "end": "11:00", "talks": talks}])["performer"]

    assert (person["name"], person["jobTitle"]) == ("Kari Nordmann", "ordfører")
    assert person["affiliation"] == {"@type": "Organization", "name": "Solund kommune"}


def test_organisers_and_partners_are_organisations() -> None:
    made = event(organisers=["Departementet"], partners=[{"nb": "Høgskolen", "en": "The college"}])

    assert [organiser["name"] for organiser in made["organizer"]] == ["Departementet", "Høgskolen"]


def test_the_language_is_the_titles_where_anybody_has_said_which_that_is() -> None:
    assert event(title={"en": "Planning"})["inLanguage"] == "en"
    assert "inLanguage" not in event(title="Planlegging")


# --- Open Graph, languages, description ---


@pytest.mark.parametrize(("language", "locale"), [("nb", "nb_NO"), ("nn", "nn_NO"), ("en", "en_GB")])
def test_a_page_that_is_shared_is_the_same_address_in_every_language(language: Language, locale: str) -> None:
    made = head(language)

    said = dict(made.properties)
    assert made.canonical == said["og:url"] == PAGE
    assert said["og:locale"] == locale
    others = {content for name, content in made.properties if name == "og:locale:alternate"}
    assert {locale, *others} == {"nb_NO", "nn_NO", "en_GB"}
    assert len(others) == 2


def test_a_page_names_itself_in_the_other_languages_and_in_the_browsers_own() -> None:
    assert dict(head().alternates) == {
        "nb": f"{PAGE}?lang=nb",
        "nn": f"{PAGE}?lang=nn",
        "en": f"{PAGE}?lang=en",
        "x-default": PAGE,
    }
    assert dict(of_list(SITE, "nb").alternates)["en"] == f"{SITE}/?lang=en"


@pytest.mark.parametrize(
    ("language", "title"), [("nb", "Avlyst: Plan"), ("nn", "Avlyst: Plan"), ("en", "Cancelled: Plan")]
)
def test_a_cancelled_seminar_is_not_shared_as_if_it_stood(language: Language, title: str) -> None:
    assert dict(head(language, cancelled=True, title="Plan").properties)["og:title"] == title


def test_the_description_is_the_summary_in_the_readers_language() -> None:
    summary = {"nb": "Om\nplanlegging.", "en": "On planning."}

    assert head("nb", summary=summary).description == "Om planlegging."
    assert dict(head("en", summary=summary).properties)["og:description"] == "On planning."


def test_without_a_summary_it_is_the_descriptions_first_sentence() -> None:
    assert head(description="# Plan\n\nVi *planlegger*. Og mer.").description == "Vi planlegger."


def test_without_either_there_is_none() -> None:
    made = head()

    assert made.description == ""
    assert "og:description" not in dict(made.properties)
    assert "description" not in event()


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("Seminaret er 1. juni kl. 10 i Oslo. Velkommen!", "Seminaret er 1. juni kl. 10 i Oslo."),
        ("Del 1. Innledning om plan. Så mer.", "Del 1. Innledning om plan."),
        ("Ett ord\nog to\n\nNytt avsnitt.", "Ett ord og to"),
        ("- en liste\n- til\n\nSå en [lenke](https://example.org). Slutt.", "en liste"),
        ("Hva nå? «Planstrategi» er svaret.", "Hva nå?"),
        ("<b>Ikke</b> HTML.", "<b>Ikke</b> HTML."),
        ("# Bare en overskrift", ""),
        ("", ""),
    ],
)
def test_a_sentence_ends_where_the_next_begins(text: str, sentence: str) -> None:
    assert first_sentence(text) == sentence


def test_a_sentence_without_an_end_is_cut_between_words() -> None:
    cut = first_sentence("ordet " * 200)

    assert len(cut) <= LONGEST
    assert cut.endswith("ordet …")
