"""What holds between an outbox and the effects of its messages, over either bus."""

import asyncio
from typing import TYPE_CHECKING

import pytest
import structlog

from shared import outbox
from shared.messages import Message
from tests.contracts.steps import (
    NOTIFICATION,
    PATIENCE,
    REGISTRATION,
    Fails,
    Notices,
    Waits,
    effects_come,
    eventually,
    ids,
    make_email,
    make_registration,
    make_seminar,
    nothing,
)

if TYPE_CHECKING:
    from shared.database import Database
    from tests.contracts.conftest import Journey


async def record_and_fail(database: "Database", message: Message) -> None:
    async with database.transaction() as connection:
        await outbox.record(connection, message)
        raise ArithmeticError("asked to fail")


async def test_a_recorded_message_has_one_effect_at_every_subscriber(journey: "Journey") -> None:
    first, second = make_seminar(), make_seminar()

    await journey.record(first, second)

    await effects_come(journey, REGISTRATION, first, second)
    await effects_come(journey, NOTIFICATION, first, second)
    await eventually(journey.owed, [])


async def test_a_rolled_back_change_emits_nothing(journey: "Journey") -> None:
    undone, done = make_seminar(), make_seminar()

    with pytest.raises(ArithmeticError):
        await record_and_fail(journey.databases["catalog"], undone)
    await journey.record(done)

    await effects_come(journey, REGISTRATION, done)
    await effects_come(journey, NOTIFICATION, done)


async def test_a_message_published_twice_has_one_effect(journey: "Journey") -> None:
    message = make_seminar()

    await journey.publish(message)
    await journey.publish(message)

    await eventually(lambda: journey.delivered(REGISTRATION, message), 2)
    await effects_come(journey, REGISTRATION, message)


async def test_a_message_delivered_again_after_its_effect_was_committed_has_no_second(journey: "Journey") -> None:
    message = make_seminar()
    journey.after_commit = Fails(REGISTRATION, message, times=1)

    await journey.record(message)

    await eventually(lambda: journey.delivered(REGISTRATION, message), 2)
    await effects_come(journey, REGISTRATION, message)


async def test_a_failing_subscriber_gets_it_again_and_the_other_is_not_disturbed(journey: "Journey") -> None:
    message = make_seminar()
    journey.before_effect = Fails(REGISTRATION, message, times=2)

    await journey.record(message)

    await effects_come(journey, NOTIFICATION, message)
    await effects_come(journey, REGISTRATION, message)
    assert await journey.delivered(REGISTRATION, message) == 3
    assert await journey.dead(REGISTRATION) == []


async def test_a_poison_message_dies_at_its_subscriber_after_the_last_delay(journey: "Journey") -> None:
    poison = make_seminar()
    journey.before_effect = Fails(REGISTRATION, poison)

    await journey.record(poison)

    await eventually(lambda: journey.dead(REGISTRATION), [str(poison.id)])
    assert await journey.delivered(REGISTRATION, poison) == 3
    assert await journey.effects(REGISTRATION) == []
    await effects_come(journey, NOTIFICATION, poison)
    assert await journey.dead(NOTIFICATION) == []
    await eventually(journey.owed, [])


async def test_poison_does_not_block_what_comes_behind_it(journey: "Journey") -> None:
    poison, behind = make_seminar(), [make_seminar() for _ in range(20)]
    journey.before_effect = Fails(REGISTRATION, poison)

    await journey.record(poison, *behind)

    await effects_come(journey, REGISTRATION, *behind)
    await eventually(lambda: journey.dead(REGISTRATION), [str(poison.id)])


async def test_a_message_overtaken_by_a_newer_one_arrives_and_the_newer_stays(journey: "Journey") -> None:
    older, newer = make_seminar(revision=1), make_seminar(revision=2)
    journey.before_effect = Fails(REGISTRATION, older, times=1)

    await journey.record(older, newer)

    await eventually(lambda: journey.effects(REGISTRATION), ids(newer, older))
    assert await journey.newest(REGISTRATION) == [2]


async def test_what_was_recorded_before_a_restart_is_published_after_it(journey: "Journey") -> None:
    before, after = make_seminar(), make_seminar()

    await journey.stop()
    await journey.record(before)
    await journey.start()
    await journey.record(after)

    await effects_come(journey, REGISTRATION, before, after)
    await effects_come(journey, NOTIFICATION, before, after)


async def test_a_restart_in_the_middle_of_handling_loses_nothing_and_doubles_nothing(journey: "Journey") -> None:
    before, after = make_seminar(), make_seminar()
    journey.before_effect = hangs = Waits()

    await journey.record(before)
    await asyncio.wait_for(hangs.reached.wait(), PATIENCE)
    journey.before_effect = nothing
    await journey.restart()
    await journey.record(after)

    await effects_come(journey, REGISTRATION, before, after)
    await effects_come(journey, NOTIFICATION, before, after)


async def test_restarts_under_load_lose_nothing_and_double_nothing(journey: "Journey") -> None:
    messages = [make_seminar() for _ in range(60)]

    for first in range(0, 60, 20):
        journey.after_commit = notices = Notices()
        await journey.record(*messages[first : first + 20])
        await asyncio.wait_for(notices.reached.wait(), PATIENCE)
        await journey.restart()

    await effects_come(journey, REGISTRATION, *messages)
    await effects_come(journey, NOTIFICATION, *messages)


async def test_what_the_bus_does_not_take_stays_in_the_outbox_and_then_flows(journey: "Journey") -> None:
    message = make_seminar()

    async def refused_twice() -> bool:
        return all(attempts >= 2 for attempts in await journey.owed())

    await journey.close_queues()
    await journey.record(message)
    await eventually(refused_twice, expected=True)
    await journey.open_queues()

    await effects_come(journey, REGISTRATION, message)
    await effects_come(journey, NOTIFICATION, message)
    await eventually(journey.owed, [])


async def test_a_type_without_consumers_is_published_all_the_same(journey: "Journey") -> None:
    await journey.record(make_email())

    await eventually(journey.owed, [])


async def test_a_message_goes_to_its_own_subscribers_alone(journey: "Journey") -> None:
    seminar, registration = make_seminar(), make_registration()

    await journey.record(registration, seminar)

    await effects_come(journey, "notification.registration", registration)
    await effects_come(journey, NOTIFICATION, seminar)
    await effects_come(journey, REGISTRATION, seminar)


async def test_a_handler_that_hangs_is_cut_by_its_deadline(journey: "Journey", monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("shared.bus.HANDLER_DEADLINE", 0.3)
    message = make_seminar()
    journey.before_effect = hangs = Waits()

    await journey.record(message)
    await asyncio.wait_for(hangs.reached.wait(), PATIENCE)
    journey.before_effect = nothing

    await effects_come(journey, REGISTRATION, message)
    await effects_come(journey, NOTIFICATION, message)


async def test_a_handler_that_is_cancelled_from_within_has_failed(journey: "Journey") -> None:
    message = make_seminar()

    async def cancelled(_queue: str, _message: Message) -> None:
        journey.before_effect = nothing
        raise asyncio.CancelledError

    journey.before_effect = cancelled

    await journey.record(message)

    await effects_come(journey, REGISTRATION, message)
    await effects_come(journey, NOTIFICATION, message)


async def test_the_correlation_id_arrives_with_the_message(journey: "Journey") -> None:
    with structlog.contextvars.bound_contextvars(correlation_id="request-1"):
        await journey.record(make_seminar())

    await eventually(lambda: journey.correlations(REGISTRATION), ["request-1"])
