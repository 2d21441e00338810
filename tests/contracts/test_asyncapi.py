"""The published language: golden examples of every message, and the document that describes them to other people.

messages/ has one example of each type; together they fill every field. messages/spare/ has what the sparest senders
send, no field that can be left out. They are the record of what was once promised: add to them, take nothing away.
"""

import json
import os
from collections.abc import Callable, Iterator
from itertools import chain
from pathlib import Path
from typing import Any

import aio_pika
import pytest
import yaml
from jsonschema import Draft7Validator, FormatChecker

from local.asyncapi import as_yaml
from shared.broker import declare
from shared.messages import DATA, MalformedMessageError, Message, decode, encode

ROOT = Path(__file__).parents[2]
DOCUMENT = ROOT / "docs" / "asyncapi.yaml"
ASYNCAPI = ROOT / "node_modules" / "@asyncapi" / "specs" / "schemas" / "3.0.0.json"
MESSAGES = Path(__file__).parent / "messages"
SPARE = {path.stem: json.loads(path.read_text(encoding="utf-8")) for path in (MESSAGES / "spare").glob("*.json")}

Place = tuple[str | int, ...]
every_type = pytest.mark.parametrize("kind", DATA)


def golden(kind: str) -> Any:
    return json.loads((MESSAGES / f"{kind}.json").read_text(encoding="utf-8"))


def scalars(node: Any, place: Place = ()) -> Iterator[Place]:
    """Say where in `node` there are fields that hold a value and no further fields."""
    items = node.items() if isinstance(node, dict) else enumerate(node) if isinstance(node, list) else ()
    for name, part in items:
        if not isinstance(part, dict | list):
            yield (*place, name)
        yield from scalars(part, (*place, name))


def without(node: Any, place: Place) -> Any:
    """Return a copy of `node` that lacks the field at `place`."""
    copy = json.loads(json.dumps(node))
    part = copy
    for name in place[:-1]:
        part = part[name]
    del part[place[-1]]
    return copy


def placed(place: Place) -> str:
    return ".".join(map(str, place))


REQUIRED = [
    pytest.param(kind, place, id=f"{kind}:{placed(place)}")
    for kind, spare in sorted(SPARE.items())
    for place in scalars(spare)
    if not isinstance(place[-1], int)
]


@pytest.fixture(scope="module")
def document() -> Any:
    return yaml.safe_load(DOCUMENT.read_text(encoding="utf-8"))


@pytest.fixture(scope="module")
def schema_of(document: Any) -> Callable[[str], Draft7Validator]:
    """Return what finds the faults of messages of one type."""

    def make(kind: str) -> Draft7Validator:
        pointer = {"$ref": f"#/components/messages/{kind}/payload"}
        return Draft7Validator(document | pointer, format_checker=FormatChecker())

    return make


# --- the document ---


def test_the_document_is_what_the_code_makes() -> None:
    renew = "renew it: .venv/bin/python -m local asyncapi > docs/asyncapi.yaml"

    assert DOCUMENT.read_text(encoding="utf-8") == as_yaml(), renew


def test_the_document_is_asyncapi(document: Any) -> None:
    if not ASYNCAPI.exists():
        how = "install Node.js, then `make styles NPM_FLAGS=--include=dev`"
        if os.environ.get("CI"):
            pytest.fail(f"CI must have @asyncapi/specs: {how}")
        pytest.skip(f"NOT TESTED, no @asyncapi/specs here: {how}")
    schema = json.loads(ASYNCAPI.read_text(encoding="utf-8"))

    assert [f"{e.json_path}: {e.message}" for e in Draft7Validator(schema).iter_errors(document)] == []


def references(node: Any) -> Iterator[str]:
    match node:
        case {"$ref": str(target)}:
            yield target
        case dict():
            yield from chain.from_iterable(map(references, node.values()))
        case list():
            yield from chain.from_iterable(map(references, node))


def test_whatever_the_document_refers_to_is_there(document: Any) -> None:
    for target in set(references(document)):
        node = document
        for name in target.removeprefix("#/").split("/"):
            assert name in node, target
            node = node[name]


def test_every_type_of_value_and_every_channel_is_described(document: Any) -> None:
    described = {**document["components"]["schemas"], **document["channels"], **document["components"]["messages"]}

    assert [name for name, what in described.items() if not what.get("description") and not what.get("summary")] == []


async def test_the_brokers_queues_are_as_the_document_says(document: Any, rabbitmq: Any, vhost: str) -> None:
    declared: dict[str, Any] = {}
    for channel in document["channels"].values():
        binding = channel["bindings"]["amqp"]
        if binding["is"] == "queue":
            declared |= {binding["queue"]["name"]: binding["x-arguments"], **channel.get("x-retry-queues", {})}

    await declare(rabbitmq.url(vhost))

    async with await aio_pika.connect(rabbitmq.url(vhost)) as connection:
        channel = await connection.channel()
        for name, arguments in declared.items():
            await channel.get_queue(name)  # raises unless it is there
            await channel.declare_queue(name, durable=True, arguments=arguments)  # raises if it stands with others


# --- the examples ---


@every_type
def test_an_example_of_every_type_is_read_and_written_the_same(kind: str) -> None:
    example = golden(kind)

    message = decode(json.dumps(example))

    assert message.type == kind
    assert json.loads(encode(message)) == example


@every_type
def test_an_example_is_what_the_document_says(kind: str, schema_of: Callable[[str], Draft7Validator]) -> None:
    assert [f"{e.json_path}: {e.message}" for e in schema_of(kind).iter_errors(golden(kind))] == []


def test_the_examples_fill_every_field_so_that_none_can_disappear(document: Any) -> None:
    schemas = document["components"]["schemas"].items()

    filled = {name for kind in DATA for name in filled_in(decode(json.dumps(golden(kind))))}

    assert {f"{name}.{field}" for name, schema in schemas for field in schema.get("properties", {})} == filled


def filled_in(value: Any) -> Iterator[str]:
    """Say which fields of which types are filled in a message."""
    if isinstance(value, dict | tuple):
        parts = value.values() if isinstance(value, dict) else value
        yield from chain.from_iterable(map(filled_in, parts))
    for name in getattr(value, "model_fields_set", ()):
        yield f"{type(value).__name__}.{name}"
        yield from filled_in(getattr(value, name))


@every_type
def test_what_a_newer_sender_has_added_is_passed_over(kind: str, schema_of: Callable[[str], Draft7Validator]) -> None:
    newer = golden(kind) | {"traceparent": "00-1-2-01"}
    newer["data"]["added"] = {"in": "a newer version"}

    assert decode(json.dumps(newer)) == decode(json.dumps(golden(kind)))
    assert schema_of(kind).is_valid(newer)


# --- what has been promised ---


def test_there_is_a_spare_example_of_everything_that_travels() -> None:
    assert {DATA[kind] for kind in SPARE} == set(DATA.values())


@pytest.mark.parametrize("kind", sorted(SPARE))
def test_a_field_that_could_be_left_out_can_be_left_out_for_ever(
    kind: str, schema_of: Callable[[str], Draft7Validator]
) -> None:
    assert isinstance(decode(json.dumps(SPARE[kind])), Message)
    assert schema_of(kind).is_valid(SPARE[kind])


@pytest.mark.parametrize(("kind", "place"), REQUIRED)
def test_a_message_without_a_required_field_is_refused_by_its_name(
    kind: str, place: Place, schema_of: Callable[[str], Draft7Validator]
) -> None:
    lacking = without(SPARE[kind], place)

    with pytest.raises(MalformedMessageError, match=rf"\b{placed(place)}$"):
        decode(json.dumps(lacking))
    assert not schema_of(kind).is_valid(lacking)


@every_type
def test_a_message_is_not_taken_for_one_of_another_type(kind: str, schema_of: Callable[[str], Draft7Validator]) -> None:
    others = [other for other in DATA if other != kind and schema_of(other).is_valid(golden(kind))]

    assert others == []
