import io
import json
import logging
from collections.abc import Iterator
from typing import Any
from uuid import UUID

import asyncpg
import pytest
import structlog

from shared import logs, tokens
from shared.logs import redact
from tests.factories import make_sign_up

ADDRESS = "kari.canary@example.org"
NAME = "Kari Canary"
TOKEN = tokens.sign((b"a key of this test",), "manage", tokens.Link(UUID(int=4711), 1))
CANARIES = (ADDRESS, NAME, TOKEN)


class Output(io.StringIO):
    """What has been logged, as text and as the fields of each line."""

    def lines(self) -> list[dict[str, Any]]:
        return [json.loads(line) for line in self.getvalue().splitlines()]

    def has_no_canary(self) -> bool:
        return bool(self.getvalue()) and not any(canary in self.getvalue() for canary in CANARIES)


@pytest.fixture(autouse=True)
def restored() -> Iterator[None]:
    """Give the process its logging back after the test."""
    root, access = logging.getLogger(), logging.getLogger("aiohttp.access")
    handlers, level, access_level = root.handlers[:], root.level, access.level
    root.handlers.clear()  # which `configure` would close
    yield
    root.handlers[:] = handlers
    root.setLevel(level)
    access.setLevel(access_level)
    structlog.reset_defaults()
    structlog.contextvars.clear_contextvars()


@pytest.fixture
def output(restored: None) -> Output:  # noqa: ARG001 - restored after
    stream = Output()
    logs.configure("registration", stream=stream)
    return stream


def make_text_output() -> Output:
    stream = Output()
    logs.configure("registration", form="text", stream=stream)
    return stream


def raise_about(text: str) -> None:
    raise RuntimeError(text)


def test_a_line_says_what_happened_where_and_when(output: Output) -> None:
    structlog.get_logger().info("message published", type="seminar.changed")

    (line,) = output.lines()
    assert line["event"] == "message published"
    assert line["type"] == "seminar.changed"
    assert line["service"] == "registration"
    assert line["level"] == "info"
    assert line["timestamp"].endswith("Z")


def test_the_correlation_id_stands_in_each_line_of_a_request_the_libraries_lines_too(output: Output) -> None:
    with structlog.contextvars.bound_contextvars(correlation_id="request-1"):
        structlog.get_logger().info("ours")
        logging.getLogger("a.library").warning("theirs")
    structlog.get_logger().info("after")

    assert [line.get("correlation_id") for line in output.lines()] == ["request-1", "request-1", None]


def test_what_lies_below_the_level_is_not_logged() -> None:
    stream = Output()
    logs.configure("registration", level="WARNING", stream=stream)

    structlog.get_logger().info("ours")
    logging.getLogger("a.library").info("theirs")

    assert stream.getvalue() == ""


def test_the_access_log_whose_lines_carry_personal_links_is_silent(output: Output) -> None:
    logging.getLogger("aiohttp.access").info("GET /my/%s", TOKEN)

    assert output.getvalue() == ""


@pytest.mark.parametrize("field", ["name", "email", "to", "address", "token", "dietary_needs", "body", "document"])
def test_fields_that_are_personal_by_their_name_are_blanked(field: str, output: Output) -> None:
    structlog.get_logger().info("signed up", **{field: NAME})

    assert output.has_no_canary()
    assert output.lines()[0][field] == "[redacted]"


@pytest.mark.parametrize(
    "text",
    [
        ADDRESS,
        f"to {ADDRESS}: refused",
        f"<{ADDRESS}>",
        f'("{ADDRESS}",)',
        f"Fagseminar<{ADDRESS}>",
        f"mailto:{ADDRESS}?subject=x",
        f"postgresql://{ADDRESS}:5432/registration",
        f"https://seminars.example.org/my/{TOKEN}",
        f"GET /my/{TOKEN}/cancel HTTP/1.1",
        f"/unsubscribe/{TOKEN}",
        f"/seminars/planstrategi-4-0/watch/{TOKEN}?lang=nn",
    ],
)
def test_addresses_and_personal_links_are_blanked_wherever_they_stand(text: str, output: Output) -> None:
    structlog.get_logger().info(text)
    structlog.get_logger().info("an error", why=text)
    logging.getLogger("a.library").warning("a library says %s", text)

    assert output.has_no_canary()
    assert len(output.lines()) == 3


@pytest.mark.parametrize(
    "value",
    [
        [ADDRESS],
        {"recipients": [ADDRESS]},
        (RuntimeError(ADDRESS),),
        RuntimeError(ADDRESS),
        make_sign_up(name=NAME, email=ADDRESS),
        f"/my/{TOKEN}".encode(),
    ],
    ids=["list", "dict", "tuple", "exception", "model", "bytes"],
)
def test_what_stands_inside_a_value_that_is_no_text_is_blanked_too(value: object, output: Output) -> None:
    structlog.get_logger().info("an error", why=value)

    assert output.has_no_canary()


def test_an_exception_is_logged_with_its_traceback_and_without_personal_data(output: Output) -> None:
    try:
        raise_about(f"550 no such mailbox: {ADDRESS}, see /my/{TOKEN}")
    except RuntimeError:
        structlog.get_logger().exception("request failed")
        logging.getLogger("a.library").exception("theirs failed")

    assert output.has_no_canary()
    for line in output.lines():
        assert "raise_about" in line["exception"]
        assert "550 no such mailbox" in line["exception"]


def test_the_row_that_postgresql_quotes_when_it_refuses_one_is_not_logged(output: Output) -> None:
    refusal = asyncpg.CheckViolationError('new row for relation "registrations" violates check constraint')
    refusal.detail = f"Failing row contains (1, {NAME}, {ADDRESS})."
    try:
        raise refusal
    except asyncpg.CheckViolationError:
        structlog.get_logger().exception("request failed")

    assert "violates check constraint" in output.getvalue()
    assert output.has_no_canary()


def test_the_input_that_a_validation_error_quotes_is_not_logged(output: Output) -> None:
    try:
        make_sign_up(name=f"{NAME}\x00")
    except ValueError:
        structlog.get_logger().exception("request failed")

    assert "control characters" in output.getvalue()
    assert output.has_no_canary()


def test_lines_for_people_to_read_hold_no_personal_data_either() -> None:
    output = make_text_output()
    try:
        raise_about(f"550 no such mailbox: {ADDRESS}")
    except RuntimeError:
        structlog.get_logger().exception("request failed", to=NAME)

    assert "request failed" in output.getvalue()
    assert output.has_no_canary()


@pytest.mark.parametrize(
    "text", ["seminar.changed", "planstrategi-4-0", "/seminars/planstrategi-4-0/watch", "/my/{token}/cancel", "10 @ 3"]
)
def test_what_is_not_personal_is_left_as_it_is(text: str) -> None:
    assert redact(text) == text
