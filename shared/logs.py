"""Structured logs with a correlation id and without personal data."""

import json
import logging
import re
import sys
import time
from collections.abc import Mapping, MutableMapping
from typing import Any, Self, TextIO

import structlog
from pydantic_core import to_json

PERSONAL = frozenset({"name", "email", "to", "address", "token", "dietary_needs", "body", "document"})
ADDRESS = re.compile(r"[^\s<>\"'(]+@[^\s<>\"')]+")
QUOTED_VALUES = re.compile(r"(DETAIL:\s+|input_value=).*")
TOKEN_PATH = re.compile(r"/(my|unsubscribe|watch)/[\w-]{16,}")


LONGEST_ERROR = 300  # characters of an error in a header, a row or a log line


def redact(text: str) -> str:
    """Blank out e-mail addresses, personal links, and the values that PostgreSQL and pydantic quote in their errors."""
    if "DETAIL:" in text or "input_value=" in text:
        text = QUOTED_VALUES.sub(r"\1[redacted]", text)
    if "@" in text:
        text = ADDRESS.sub("[redacted]", text)
    return TOKEN_PATH.sub(r"/\1/[redacted]", text) if "/" in text else text


def describe(error: Exception) -> str:
    """Return the error in one line of at most 300 characters, without personal data.

    PostgreSQL and pydantic quote values, but only from their second line on.
    """
    return redact(f"{type(error).__name__}: {error}".partition("\n")[0])[:LONGEST_ERROR]


def _without_personal_data(_: object, __: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    for key, value in event.items():
        if not key.startswith("_"):  # the logging library's own
            event[key] = "[redacted]" if key in PERSONAL else _plain(value)
    return event


def _plain(value: object) -> object:
    """Return what may be logged of a value: of an object that we do not know the insides of, only its type."""
    if isinstance(value, str):
        return redact(value)
    match value:
        case None | bool() | int() | float():
            return value
        case Exception():
            return describe(value)
        case Mapping():
            return {str(key): "[redacted]" if key in PERSONAL else _plain(part) for key, part in value.items()}
        case list() | tuple() | set() | frozenset():
            return [_plain(part) for part in value]
    return f"<{type(value).__name__}>"


def _to_json(event: Mapping[str, Any], **_: Any) -> str:
    try:
        return to_json(event).decode()
    except ValueError:  # half a character, which the standard library leaves to the stream
        return json.dumps(event, ensure_ascii=False)


class _Lines:
    """Our own log lines, written at once; the standard library's way to the same stream takes five times as long."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream

    def __call__(self, *_: Any) -> Self:
        return self

    def msg(self, line: str) -> None:
        self._stream.write(f"{line}\n")
        self._stream.flush()

    debug = info = warning = error = critical = exception = msg


class _Stamp:
    """Says when, in UTC: the second is put together once."""

    def __init__(self) -> None:
        self._second = 0
        self._said = ""

    def __call__(self, _: object, __: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
        now = time.time()
        second = int(now)
        if second != self._second:
            self._said = time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(second))
            self._second = second
        event["timestamp"] = f"{self._said}.{int((now - second) * 1e6):06d}Z"
        return event


def configure(service: str, level: str = "INFO", form: str = "json", stream: TextIO = sys.stderr) -> None:
    """Send all logs, the libraries' too, to `stream` as lines of `form` (json or text)."""
    shared: list[structlog.typing.Processor] = [
        structlog.contextvars.merge_contextvars,
        structlog.stdlib.add_log_level,
        _Stamp(),
        structlog.processors.format_exc_info,
        _without_personal_data,
    ]
    renderer: Any = structlog.processors.JSONRenderer(_to_json)
    if form == "text":
        renderer = structlog.dev.ConsoleRenderer(colors=stream.isatty())
    structlog.configure(
        processors=[*shared, renderer],
        logger_factory=_Lines(stream),
        wrapper_class=structlog.make_filtering_bound_logger(logging.getLevelName(level)),
        cache_logger_on_first_use=True,
    )
    handler = logging.StreamHandler(stream)
    remove = structlog.stdlib.ProcessorFormatter.remove_processors_meta
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(foreign_pre_chain=shared, processors=[remove, renderer]),
    )
    logging.basicConfig(handlers=[handler], level=level, force=True)
    logging.getLogger("aiohttp.access").setLevel(logging.WARNING)  # its lines carry paths with personal links
    structlog.contextvars.bind_contextvars(service=service)
