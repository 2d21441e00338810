from datetime import date, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, reject
from hypothesis import strategies as st
from pydantic import ValidationError

from services.catalog.copying import Copy, copied
from services.catalog.differences import differences
from services.catalog.document import Document
from shared.messages import Attendance
from tests.documents import documents
from tests.factories import UNHURRIED, make_document

YEAR_LATER = Copy(slug="planstrategi-5-0", start="2024-05-30")


def copy_of(**overrides: Any) -> Document:
    return copied(make_document(**overrides), YEAR_LATER)


def test_every_time_moves_by_as_many_days_as_the_start() -> None:
    copy = copy_of(opens="2023-05-01T08:00:00+02:00", reminders=[{"at": "2023-05-31T10:00"}, {"before_start": "PT15M"}])

    assert (copy.start, copy.end) == (datetime(2024, 5, 30, 10), datetime(2024, 5, 30, 13, 15))
    assert copy.attendance[Attendance.IN_PERSON].deadline == datetime(2024, 5, 27, 23, 59, 59)
    assert copy.opens == datetime(2024, 4, 29, 8, tzinfo=ZoneInfo("Europe/Oslo"))
    assert [rule.at for rule in copy.reminders] == [datetime(2024, 5, 29, 10), None]


def test_sign_up_opens_at_the_same_time_of_day_in_summer_and_winter() -> None:
    document = make_document(opens="2023-05-01T08:00:00+02:00")

    copy = copied(document, Copy(slug="winter", start="2023-12-01"))

    assert copy.opens == datetime(2023, 10, 31, 8, tzinfo=ZoneInfo("Europe/Oslo"))
    assert copy.opens.utcoffset() == timedelta(hours=1)


def test_a_copy_is_a_draft_without_the_old_ones_stream_and_recording() -> None:
    url = "https://stream.example.org/old"

    copy = copy_of(status="published", livestream={"url": url, "access": "registered"}, recording={"url": url})

    assert (copy.slug, copy.status, copy.recording) == ("planstrategi-5-0", "draft", None)
    assert copy.livestream
    assert (copy.livestream.url, copy.livestream.access) == (None, "registered")


@UNHURRIED
@given(documents, st.dates(date(2020, 1, 1), date(2030, 1, 1)))
def test_whatever_is_copied_says_the_same_but_for_its_days(document: Document, day: date) -> None:
    given_copy = Copy(slug="another", start=f"{day}")
    try:
        copy = copied(document, given_copy)
    except ValidationError:
        reject()  # a day on which the clocks change

    changed = {change.field for change in differences(document, copy)}
    allowed = ("slug", "status", "start", "end", "opens", "livestream.url", "recording.")
    assert all(field.startswith(allowed) or field.endswith((".deadline", ".promote_until", ".at")) for field in changed)
    assert copy.end - copy.start == document.end - document.start


@pytest.mark.parametrize("start", ["", "tomorrow", "2024-02-30", 5, None])
def test_a_copy_wants_a_date(start: object) -> None:
    with pytest.raises(ValidationError, match="wants a date"):
        Copy(slug="another", start=start)
