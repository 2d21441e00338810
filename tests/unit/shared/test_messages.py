import json
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.messages import DATA, MalformedMessageError, RegistrationSnapshot, SeminarSnapshot, decode, encode
from shared.topology import QUEUES, UNCONSUMED, queues_for
from tests.factories import NOW, UNHURRIED, make_message, make_registration_snapshot, make_snapshot

CANARY = "kari.canary@example.org"

every_type = pytest.mark.parametrize("kind", DATA)


def make_envelope(**overrides: Any) -> dict[str, Any]:
    envelope: dict[str, Any] = json.loads(encode(make_message()))
    return {name: value for name, value in (envelope | overrides).items() if value is not ...}


def make_rich_snapshot() -> SeminarSnapshot:
    return make_snapshot(
        opens=NOW,
        organisers=("Distriktssenteret", {"nb": "Planavdelingen"}),
        stream_access="registered",
        programme=[
            {"title": "Hva vet vi", "start": "10:00", "end": "11:45", "talks": [{"title": "Plankultur"}]},
            {"pause": True, "start": "11:45", "end": "12:00"},
        ],
        reminders=[{"before_start": "P1D", "attendance": ["online"]}, {"at": NOW, "attendance": ["in_person"]}],
        contact={"name": "Planavdelingen", "email": "plan@example.org"},
    )


@every_type
def test_a_message_of_every_type_survives_its_journey(kind: str) -> None:
    message = make_message(kind)

    arrived = decode(encode(message))

    assert arrived == message
    assert type(arrived.data) is DATA[kind]


def test_every_field_of_a_seminar_survives_the_journey() -> None:
    message = make_message(data=make_rich_snapshot())

    assert decode(encode(message)) == message


@UNHURRIED
@given(name=st.text(max_size=50), place=st.none() | st.integers(1, 10**6), version=st.integers(1, 10**6))
def test_whatever_stands_in_a_registration_survives_the_journey(name: str, place: int | None, version: int) -> None:
    snapshot = make_registration_snapshot(name=name, place=place, version=version)

    arrived = decode(encode(make_message("registration.changed", data=snapshot)))

    assert arrived.data == snapshot


@every_type
def test_every_type_has_a_queue_or_is_listed_as_wanted_by_nobody(kind: str) -> None:
    assert bool(queues_for(kind)) != (kind in UNCONSUMED)


def test_no_queue_waits_for_a_type_that_there_is_not() -> None:
    assert {kind for kinds in QUEUES.values() for kind in kinds} <= set(DATA)


@every_type
def test_a_message_carries_the_attributes_that_cloudevents_wants(kind: str) -> None:
    envelope = json.loads(encode(make_message(kind, correlationid="request-1")))

    assert envelope["specversion"] == "1.0"
    assert envelope["type"] == kind
    assert envelope["id"]
    assert envelope["source"] == "/catalog"
    assert envelope["time"].endswith("Z")
    assert envelope["datacontenttype"] == "application/json"
    assert envelope["correlationid"] == "request-1"
    assert all(name.islower() and name.isalnum() for name in envelope)
    assert isinstance(envelope["data"], dict)


def test_two_messages_of_one_subject_have_two_ids() -> None:
    assert make_message().id != make_message().id


def test_what_is_null_is_not_sent() -> None:
    assert b"null" not in encode(make_message("registration.confirmed"))


def test_fields_that_a_newer_sender_has_added_are_passed_over_at_every_depth() -> None:
    sent = make_message(data=make_rich_snapshot())
    envelope = json.loads(encode(sent))
    envelope["traceparent"] = "00-1-2-01"
    envelope["data"]["livestream_provider"] = "new"
    envelope["data"]["venue"]["floor"] = 3
    envelope["data"]["programme"][0]["talks"][0]["abstract"] = "new"

    assert decode(json.dumps(envelope)) == sent


def test_a_message_is_read_from_text_as_from_bytes() -> None:
    message = make_message()

    assert decode(encode(message).decode()) == message


def test_a_message_cannot_be_changed() -> None:
    with pytest.raises(ValueError, match="frozen"):
        make_message().data.slug = "another"  # type: ignore[attr-defined]


def test_a_message_whose_data_are_of_another_type_cannot_be_made() -> None:
    with pytest.raises(ValueError, match="data"):
        make_message("seminar.changed", data=make_registration_snapshot())


@pytest.mark.parametrize(
    ("body", "field"),
    [
        (b"", "body"),
        (CANARY.encode(), "body"),
        (f'{{"id": "{CANARY}'.encode(), "body"),
        (f'["{CANARY}"]'.encode(), "body"),
        (b"\xff\xfe", "body"),
        (b"[" * 100_000, "body"),
        (b"null", "body"),
        (make_envelope(type=CANARY), "data"),
        (make_envelope(type=...), "type"),
        (make_envelope(type=[CANARY]), "type"),
        (make_envelope(specversion="0.3"), "specversion"),
        (make_envelope(id=CANARY), "id"),
        (make_envelope(time="2023-05-22T09:00:00"), "time"),
        (make_envelope(data=...), "data"),
        (make_envelope(data=CANARY), "data"),
        (make_envelope(data={"slug": CANARY}), "data"),
        (make_envelope(data={CANARY: 1}), "data"),
    ],
)
def test_a_malformed_message_is_refused_by_the_name_of_the_field_and_without_its_content(
    body: bytes | dict[str, Any], field: str
) -> None:
    with pytest.raises(MalformedMessageError) as refused:
        decode(json.dumps(body) if isinstance(body, dict) else body)

    assert field in str(refused.value)
    assert CANARY not in str(refused.value)
    assert refused.value.__cause__ is None
    assert refused.value.__suppress_context__  # so that no traceback shows it either


@UNHURRIED
@given(st.binary(max_size=200))
def test_garbage_is_refused_and_nothing_worse(body: bytes) -> None:
    with pytest.raises(MalformedMessageError):
        decode(body)


@pytest.mark.parametrize(
    ("make", "secret"),
    [(make_rich_snapshot, "stream.example.org"), (make_registration_snapshot, "dietary_needs")],
)
def test_what_the_others_do_not_need_is_not_sent(make: Callable[[], Any], secret: str) -> None:
    assert secret not in make().model_dump_json()
    assert not {"livestream", "url", "dietary_needs", "organisation"} & {
        *SeminarSnapshot.model_fields,
        *RegistrationSnapshot.model_fields,
    }
