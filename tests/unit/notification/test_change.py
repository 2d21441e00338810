from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from pydantic import ValidationError

from services.catalog.document import Document
from services.catalog.model import Seminar, snapshot
from services.notification.change import AnnouncedError, CancelledError, Change, changed
from services.notification.model import news, schedule
from shared.faults import faults_in
from shared.messages import SeminarSnapshot
from tests.documents import bodies
from tests.snapshots import BEGINNING, make_seminar

BODY = {
    "slug": "planstrategi-4-0",
    "title": "Planstrategi",
    "start": "2023-06-01T10:00",
    "end": "2023-06-01T13:15",
    "attendance": {"online": {}},
}


def as_catalog_would(body: dict[str, Any]) -> SeminarSnapshot:
    """Return what would come in a message."""
    seminar = Seminar(document=Document(**body), revision=2)
    return SeminarSnapshot.model_validate_json(snapshot(seminar).model_dump_json())


@settings(suppress_health_check=[HealthCheck.too_slow])
@given(bodies())
def test_what_catalog_would_make_of_a_document_is_what_is_rehearsed(body: dict[str, Any]) -> None:
    body |= {"status": "published"}
    seminar, real = changed(make_seminar(), Change(**body)), as_catalog_would(body)

    assert news(seminar, real, BEGINNING) is None
    assert schedule(seminar) == schedule(real)
    assert (seminar.title, seminar.summary, seminar.status) == (real.title, real.summary, real.status)
    assert (seminar.zone, set(seminar.attendance)) == (real.zone, set(real.attendance))


def test_a_browsers_line_ends_are_no_move() -> None:
    venue = {"name": "Akersgata 64", "address": "Akersgata 64, Oslo", "directions": {"nb": "Inn\r\nog opp"}}

    foreseen = changed(make_seminar(), Change(**BODY, venue=venue))

    assert news(foreseen, as_catalog_would(BODY | {"venue": venue}), BEGINNING) is None


def test_a_seminar_that_is_announced_is_no_draft_again_and_a_cancelled_one_is_left_alone() -> None:
    with pytest.raises(AnnouncedError):
        changed(make_seminar(), Change(**BODY, status="draft"))
    with pytest.raises(CancelledError):
        changed(make_seminar(status="cancelled"), Change(**BODY))


@pytest.mark.parametrize(
    ("wrong", "field"),
    [
        ({"start": "2023-06-01T10:00+02:00"}, "start"),
        ({"start": 1685606400}, "start"),
        ({"start": "9999-12-31T10:00"}, "start"),
        ({"end": "2023-06-01T10:00"}, "end"),
        ({"zone": "Europe"}, "zone"),
        ({"attendance": {}}, "attendance"),
        ({"reminders": [{"before_start": "P99999999D"}]}, "reminders.0.before_start"),
        ({"reminders": [{"attendance": ["online"]}]}, "reminders.0.before_start"),
        ({"reminders": [{"before_start": "P1D", "attendance": []}]}, "reminders.0.attendance"),
        ({"reminders": [{"before_start": "P1D"}] * 101}, "reminders"),
    ],
)
def test_what_cannot_be_reckoned_with_is_named_by_its_field(wrong: dict[str, Any], field: str) -> None:
    with pytest.raises(ValidationError) as caught:
        Change(**BODY | wrong)

    assert [fault.field for fault in faults_in(caught.value)] == [field]
