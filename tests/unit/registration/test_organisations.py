"""The organisations by name, number and day."""

from collections import Counter
from datetime import date

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.registration.model import Details, recognised
from services.registration.organisations import (
    county_number_of,
    directory,
    entries,
    is_municipality,
    recognise,
    search,
)

SEMINAR, LATER = date(2023, 6, 1), date(2026, 1, 1)
CONTROL = (3, 2, 7, 6, 5, 4, 3, 2)  # the weights of MOD 11 in an organisation number


@pytest.mark.parametrize(("on", "municipalities", "counties"), [(SEMINAR, 356, 10), (LATER, 357, 14)])
def test_there_are_as_many_as_there_were_on_the_day(on: date, municipalities: int, counties: int) -> None:
    kinds = Counter(one.kind for one in directory(on))

    # Oslo is a municipality that is its own county authority.
    assert kinds == {"municipality": municipalities, "county_authority": counties, "state_governor": 10}
    assert len({one.county_number for one in directory(on) if one.kind == "municipality"}) == counties + 1


@pytest.mark.parametrize("on", [SEMINAR, LATER])
def test_each_has_a_label_and_a_number_of_its_own(on: date) -> None:
    labels = Counter(entry.label for entry in entries(on))
    numbers = Counter(one.municipality for one in directory(on) if one.municipality)

    assert set(labels.values()) == {1}
    assert set(numbers.values()) == {1}


def test_every_organisation_number_has_its_control_digit() -> None:
    for number in {one.organisation_number for on in (SEMINAR, LATER) for one in directory(on)} - {""}:
        total = sum(int(digit) * weight for digit, weight in zip(number, CONTROL, strict=False))
        assert (11 - total % 11) % 11 == int(number[8]), number


@pytest.mark.parametrize(
    ("written", "meant", "number"),
    [
        ("Karasjok kommune", "Karasjok kommune", "5437"),
        ("  KARASJOK ", "Karasjok kommune", "5437"),
        ("Kárášjohka", "Karasjok kommune", "5437"),
        ("karasjohka kommune", "Karasjok kommune", "5437"),
        ("Åsnes", "Åsnes kommune", "3418"),
        ("asnes", "Åsnes kommune", "3418"),
        ("Trøndelag fylkeskommune", "Trøndelag fylkeskommune", ""),
        ("statsforvaltaren i Vestland", "Statsforvalteren i Vestland", ""),
        ("Våler kommune (Innlandet)", "Våler kommune", "3419"),
    ],
)
def test_an_organisation_is_recognised_however_its_name_is_spelt(written: str, meant: str, number: str) -> None:
    found = recognise(written, None, SEMINAR)

    assert found
    assert (found.name, found.municipality) == (meant, number)


@pytest.mark.parametrize("unclear", ["Herøy kommune", "Agder", "Multiconsult", "", "kommune"])
def test_what_could_be_several_or_none_is_left_as_it_was_written(unclear: str) -> None:
    assert recognise(unclear, None, SEMINAR) is None


def test_a_number_tells_apart_those_that_are_called_the_same() -> None:
    northern, western = (recognise("Herøy kommune", number, SEMINAR) for number in ("1818", "1515"))

    assert northern
    assert western
    assert (northern.county, western.county) == ("Nordland", "Møre og Romsdal")


def test_a_municipality_has_the_number_and_county_of_the_day() -> None:
    before, after = (recognise("Karasjok", None, on) for on in (SEMINAR, LATER))

    assert before
    assert after
    assert (before.municipality, before.county) == ("5437", "Troms og Finnmark")
    assert (after.municipality, after.county) == ("5610", "Finnmark")
    assert recognise(None, "5610", SEMINAR) is None


def test_who_is_none_of_these_comes_from_the_county_of_their_municipality() -> None:
    assert county_number_of("Multiconsult", "5001", SEMINAR) == "50"
    assert county_number_of("Statsforvalteren i Oslo og Viken", None, SEMINAR) is None
    assert county_number_of("Multiconsult", None, SEMINAR) is None


def test_numbers_of_municipalities_past_and_present_are_known_and_no_others() -> None:
    assert is_municipality("5437")
    assert is_municipality("5610")
    assert not is_municipality("0000")
    assert not is_municipality("")


@pytest.mark.parametrize(
    ("typed", "first"),
    [
        ("karas", "Karasjok kommune"),
        ("kárášj", "Karasjok kommune"),
        ("øyg", "Øygarden kommune"),
        ("ves fylk", "Vestfold og Telemark fylkeskommune"),
        ("statsforvaltaren i tr", "Statsforvalteren i Troms og Finnmark"),
        ("herøy nord", "Herøy kommune (Nordland)"),
    ],
)
def test_the_closest_is_suggested_first(typed: str, first: str) -> None:
    assert search(typed, SEMINAR, 10)[0].label == first


@given(st.text(max_size=30))
def test_whatever_is_typed_a_few_are_suggested_and_each_is_recognised_by_its_label(typed: str) -> None:
    found = search(typed, SEMINAR, 10)

    assert len(found) <= 10
    assert all(recognise(entry.label, None, SEMINAR) == entry.organisation for entry in found)


def test_details_get_the_full_name_and_the_number_and_keep_both_when_they_are_read_again() -> None:
    given = Details(
        name="Áile", email="aile@example.org", attendance="online", organisation="herøy", municipality="1818"
    )

    once = recognised(given, SEMINAR)

    assert (once.organisation, once.municipality) == ("Herøy kommune (Nordland)", "1818")
    assert recognised(once, SEMINAR) == once


def test_another_organisation_brings_its_own_number() -> None:
    given = Details(
        name="Áile", email="aile@example.org", attendance="online", organisation="Tana", municipality="5437"
    )

    assert recognised(given, SEMINAR).municipality == "5441"
