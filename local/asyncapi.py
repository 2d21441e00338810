"""The AsyncAPI 3.0 document, made from the published language and the topology: what travels, from whom and to whom.

AsyncAPI describes one application. Here it is the three services together: a channel for each routing key and for each
queue, and operations that bear the name and the tag of the service whose they are.
"""

import json
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import yaml
from pydantic.json_schema import GenerateJsonSchema, JsonSchemaValue, models_json_schema
from pydantic_core.core_schema import NullableSchema, WithDefaultSchema

from shared.broker import DELIVERY_LIMIT, NEVER, dead_queue, delivery_exchange, retry_queue
from shared.messages import DATA, FROM_THE_SENDER, MEANINGS, Message
from shared.topology import EXCHANGE, PUBLISHES, QUEUES, RETRY_DELAYS, UNCONSUMED, permissions

VERSION = "1.0.0"  # of the language: a breaking change would be a new type, so the first number stays
CONTENT_TYPE = "application/cloudevents+json"
EXAMPLES = Path(__file__).parents[1] / "tests" / "contracts" / "messages"  # one of each type; tests keep them sound
ABOUT = (
    "The messages by which the services learn of each other. Fields are only ever added, so pass over what you do not"
    " know; a breaking change is a new type. A message may come more than once, and in any order: its `id` tells the"
    " one, the revision or version in its data the other."
)
BROKER = (
    "RabbitMQ, as BUS_URL names it. `x-permissions` are the least that each service's user needs, as regular"
    " expressions on names of resources (configure, write, read) and on routing keys (publish, bind)."
)

Tree = dict[str, Any]


def as_yaml() -> str:
    """Return the document as it stands in docs/asyncapi.yaml."""
    examples = {kind: json.loads((EXAMPLES / f"{kind}.json").read_text(encoding="utf-8")) for kind in DATA}
    plain = json.loads(json.dumps(describe(examples)))  # nothing in it is shared, so that YAML needs no anchors
    return yaml.safe_dump(plain, sort_keys=False, allow_unicode=True, width=120)


def describe(examples: Mapping[str, Any]) -> Tree:
    """Return the document, with an example of each message type."""
    return {
        "asyncapi": "3.0.0",
        "info": {"title": "Fagseminar", "version": VERSION, "description": ABOUT, "license": {"name": "MIT"}},
        "defaultContentType": CONTENT_TYPE,
        "servers": {"broker": _broker()},
        "channels": {kind: _routing_key(kind) for kind in DATA}
        | {queue: _queue(queue) for queue in QUEUES}
        | {dead_queue(queue): _dead_letters(queue) for queue in QUEUES},
        "operations": {f"{_sender(kind)}.send.{kind}": _send(kind) for kind in DATA}
        | {queue.replace(".", ".receive.", 1): _receive(queue) for queue in QUEUES},
        "components": {"messages": {kind: _message(kind, examples[kind]) for kind in DATA}, "schemas": _schemas()},
    }


def _broker() -> Tree:
    return {
        "host": "{host}",
        "protocol": "amqp",
        "protocolVersion": "0.9.1",
        "description": BROKER,
        "variables": {"host": {"default": "localhost:5672"}},
        "x-permissions": {service: permissions(service)._asdict() for service in PUBLISHES},
    }


# --- channels ---


def _routing_key(kind: str) -> Tree:
    exchange = {"name": EXCHANGE, "type": "topic", "durable": True, "autoDelete": False}
    return _channel(kind, {kind}, {"is": "routingKey", "exchange": exchange}) | {"summary": MEANINGS[kind]}


def _queue(queue: str) -> Tree:
    dead, way = dead_queue(queue), delivery_exchange(queue)
    return _channel(queue, QUEUES[queue], _quorum(queue, DELIVERY_LIMIT, _dead_lettering(queue, dead))) | {
        "description": f"What could not be handled rests in each of `x-retry-queues` in turn, then lies in {dead}; it"
        f" gets there through the direct exchange {way}, to which every queue of the service is bound by its name.",
        "x-bound-to": {"exchange": EXCHANGE, "routingKeys": sorted(QUEUES[queue])},
        "x-retry-queues": {
            retry_queue(queue, delay): {
                "x-queue-type": "quorum",
                "x-message-ttl": delay * 1000,
                **_dead_lettering(queue, queue),
            }
            for delay in RETRY_DELAYS
        },
    }


def _dead_letters(queue: str) -> Tree:
    dead = dead_queue(queue)
    return _channel(dead, QUEUES[queue], _quorum(dead, NEVER, {})) | {
        "description": f"What {queue} has given up: malformed, or failed at every attempt; the header x-error says why."
    }


def _quorum(name: str, limit: int, arguments: Tree) -> Tree:
    queue = {"name": name, "durable": True, "exclusive": False, "autoDelete": False}
    return {
        "is": "queue",
        "queue": queue,
        "x-arguments": {"x-queue-type": "quorum", "x-delivery-limit": limit, **arguments},
    }


def _dead_lettering(queue: str, target: str) -> Tree:
    return {
        "x-dead-letter-exchange": delivery_exchange(queue),
        "x-dead-letter-routing-key": target,
        "x-dead-letter-strategy": "at-least-once",
        "x-overflow": "reject-publish",
    }


def _channel(address: str, kinds: Iterable[str], binding: Tree) -> Tree:
    messages = {kind: _ref("components", "messages", kind) for kind in sorted(kinds)}
    return {"address": address, "messages": messages, "bindings": _amqp(binding)}


# --- operations ---


def _send(kind: str) -> Tree:
    return _operation("send", _sender(kind), kind, {kind}, {"deliveryMode": 2, "mandatory": kind not in UNCONSUMED})


def _receive(queue: str) -> Tree:
    return _operation("receive", queue.partition(".")[0], queue, QUEUES[queue], {"ack": True})


def _operation(action: str, service: str, channel: str, kinds: Iterable[str], binding: Tree) -> Tree:
    return {
        "action": action,
        "channel": _ref("channels", channel),
        "tags": [{"name": service}],
        "messages": [_ref("channels", channel, "messages", kind) for kind in sorted(kinds)],
        "bindings": _amqp(binding),
    }


def _sender(kind: str) -> str:
    return next(service for service, word in PUBLISHES.items() if word == kind.partition(".")[0])


# --- messages and their schemas ---


def _message(kind: str, example: Any) -> Tree:
    data = _ref("components", "schemas", DATA[kind].__name__)
    special = {"source": {"const": f"/{_sender(kind)}"}, "type": {"const": kind}, "data": data}
    return {
        "name": kind,
        "summary": MEANINGS[kind],
        "contentType": CONTENT_TYPE,
        "correlationId": {"location": "$message.payload#/correlationid"},
        "bindings": _amqp({"messageType": kind}),
        "payload": {"allOf": [_ref("components", "schemas", "Message"), {"properties": special}]},
        "examples": [{"name": kind, "payload": example}],
    }


def _schemas() -> Tree:
    models: list[Any] = [(model, "validation") for model in (Message, *dict.fromkeys(DATA.values()))]
    _, made = models_json_schema(models, ref_template="#/components/schemas/{model}", schema_generator=_AsSent)
    schemas: Tree = _draft_7(made["$defs"])
    schemas["Message"]["required"] += sorted(FROM_THE_SENDER)
    return schemas


class _AsSent(GenerateJsonSchema):
    """What is null is not sent, so it has no place in a schema; and a field's name is title enough."""

    def nullable_schema(self, schema: NullableSchema) -> JsonSchemaValue:
        return self.generate_inner(schema["schema"])

    def default_schema(self, schema: WithDefaultSchema) -> JsonSchemaValue:
        is_null = schema.get("default") is None
        return self.generate_inner(schema["schema"]) if is_null else super().default_schema(schema)

    def field_title_should_be_set(self, _schema: object) -> bool:
        return False


def _draft_7(node: Any) -> Any:
    """Return the schema so that no `$ref` has siblings: draft 7, which AsyncAPI builds on, passes over them."""
    match node:
        case {"$ref": target, **siblings} if siblings:
            return {**_draft_7(siblings), "allOf": [{"$ref": target}]}
        case dict():
            return {name: _draft_7(part) for name, part in node.items()}
        case list():
            return [_draft_7(part) for part in node]
    return node


def _ref(*path: str) -> Tree:
    return {"$ref": "#/" + "/".join(path)}


def _amqp(binding: Tree) -> Tree:
    return {"amqp": {**binding, "bindingVersion": "0.3.0"}}
