"""What only RabbitMQ can break, and what its users may do."""

import asyncio
import contextlib
import socket
from typing import TYPE_CHECKING, Any

import aio_pika
import pytest
from aio_pika.exceptions import AMQPError
from aio_pika.queue import Queue

from shared.broker import (
    DELIVERY_LIMIT,
    RefusedError,
    dead_queue,
    declare,
    delivery_exchange,
    in_time,
    retry_queue,
)
from shared.bus import ConsumerLostError, PublishError
from shared.consumer import Look, _stop, why_lost
from shared.messages import Message, decode
from shared.rabbitmq import RabbitBus
from shared.topology import EXCHANGE, QUEUES

if TYPE_CHECKING:
    from aio_pika.abc import AbstractChannel, AbstractIncomingMessage, AbstractQueue

    from local.rabbitmq import RabbitMQ
    from tests.contracts.conftest import Control, RabbitJourney


from tests.contracts.steps import (
    NOTIFICATION,
    PATIENCE,
    REGISTRATION,
    Fails,
    Waits,
    effects_come,
    eventually,
    make_email,
    make_registration,
    make_seminar,
)


async def never_gone(_channel: "AbstractChannel") -> set[asyncio.Future[object]]:
    """Hear nothing, neither from the channel nor from the broker."""
    return {asyncio.get_running_loop().create_future()}


async def never_acks(_delivery: "AbstractIncomingMessage") -> None:
    """Be a consumer that keeps what it gets."""


class Subscriptions:
    """What the library has been asked to consume: the queue, as its owner holds it, and the consumer's tag."""

    def __init__(self) -> None:
        self.newest: dict[str, tuple[Queue, str]] = {}

    async def of(self, journey: "RabbitJourney", queue: str) -> tuple[Queue, str]:
        """Return that of the journey's consumer of `queue`, which starts anew for it."""
        await journey.restart()
        await eventually(lambda: journey.consumers(queue), 1)
        return self.newest[queue]


@pytest.fixture
def subscriptions(monkeypatch: pytest.MonkeyPatch) -> Subscriptions:
    seen, consume = Subscriptions(), Queue.consume

    async def consume_and_tell(queue: Queue, *arguments: Any, **options: Any) -> str:
        tag = await consume(queue, *arguments, **options)
        seen.newest[queue.name] = (queue, tag)
        return tag

    monkeypatch.setattr(Queue, "consume", consume_and_tell)
    return seen


async def test_publishing_where_no_queue_listens_is_an_error(rabbit_journey: "RabbitJourney") -> None:
    await rabbit_journey.close_queues()

    with pytest.raises(PublishError, match="NO_ROUTE"):
        await rabbit_journey.publish(make_seminar())


async def test_publishing_to_an_exchange_that_is_gone_is_an_error(rabbit_journey: "RabbitJourney") -> None:
    async with rabbit_journey.channel() as channel:
        await channel.exchange_delete(EXCHANGE)

    with pytest.raises(PublishError):
        await rabbit_journey.publish(make_seminar())


async def test_a_message_that_a_full_queue_refuses_is_an_error(rabbit_journey: "RabbitJourney") -> None:
    async with rabbit_journey.channel() as channel:
        queue = await channel.declare_queue("full", arguments={"x-max-length": 1, "x-overflow": "reject-publish"})
        await queue.bind(EXCHANGE, "seminar.published")

    await rabbit_journey.publish(make_seminar())
    with pytest.raises(PublishError):
        await rabbit_journey.publish(make_seminar())


async def test_publishing_without_a_broker_is_an_error() -> None:
    bus = RabbitBus("amqp://guest:guest@127.0.0.1:1/")  # a port on which nobody listens

    with pytest.raises(PublishError):
        await bus.publish(make_seminar())
    await bus.close()


async def test_publishing_to_a_broker_that_never_answers_is_an_error_in_time() -> None:
    with socket.create_server(("127.0.0.1", 0)) as silence:
        bus = RabbitBus(f"amqp://guest:guest@127.0.0.1:{silence.getsockname()[1]}/", timeout=0.3)

        async with asyncio.timeout(2):
            with pytest.raises(PublishError):
                await bus.publish(make_seminar())
            await bus.close()


async def test_a_broker_short_of_memory_makes_publishing_fail_in_time_and_then_all_flows(
    rabbit_journey: "RabbitJourney", control: "Control"
) -> None:
    message = make_seminar()

    await control("set_vm_memory_high_watermark", "0.0000001")
    try:
        async with asyncio.timeout(3):
            with pytest.raises(PublishError):
                await rabbit_journey.publish(message)
    finally:
        await control("set_vm_memory_high_watermark", "0.4")
    await rabbit_journey.record(message)

    await effects_come(rabbit_journey, REGISTRATION, message)


async def test_a_message_is_persistent_and_says_what_it_is(rabbit_journey: "RabbitJourney") -> None:
    message = make_seminar().model_copy(update={"correlationid": "request-1"})
    await rabbit_journey.stop_consumers()

    await rabbit_journey.publish(message)

    async with rabbit_journey.channel() as channel:
        found = await (await channel.get_queue(REGISTRATION)).get()
        assert found.delivery_mode == 2
        assert found.content_type == "application/cloudevents+json"
        assert (found.message_id, found.type) == (str(message.id), message.type)
        assert found.correlation_id == "request-1"
        assert decode(found.body) == message


async def test_messages_flow_again_after_the_broker_has_cut_all_connections(
    rabbit_journey: "RabbitJourney", vhost: str, control: "Control"
) -> None:
    before, after = make_seminar(), make_seminar()
    await rabbit_journey.record(before)
    await effects_come(rabbit_journey, REGISTRATION, before)

    await control("close_all_connections", "--vhost", vhost, "test")
    await rabbit_journey.record(after)

    await effects_come(rabbit_journey, REGISTRATION, before, after, seconds=15)
    await effects_come(rabbit_journey, NOTIFICATION, before, after, seconds=15)


async def test_a_handler_at_work_when_the_connection_is_cut_ends_and_its_redelivery_changes_nothing(
    rabbit_journey: "RabbitJourney", vhost: str, control: "Control"
) -> None:
    message = make_seminar()
    rabbit_journey.before_effect = waits = Waits()

    await rabbit_journey.record(message)
    await asyncio.wait_for(waits.reached.wait(), PATIENCE)
    await control("close_all_connections", "--vhost", vhost, "test")
    await eventually(lambda: rabbit_journey.consumers(REGISTRATION), 1)
    assert await rabbit_journey.delivered(REGISTRATION, message) == 0
    waits.released.set()

    await effects_come(rabbit_journey, REGISTRATION, message)
    await eventually(lambda: rabbit_journey.delivered(REGISTRATION, message), 2)
    await effects_come(rabbit_journey, REGISTRATION, message)


async def test_a_consumer_that_is_stopped_lets_its_handler_finish_and_answer(
    rabbit_journey: "RabbitJourney", monkeypatch: pytest.MonkeyPatch
) -> None:
    message, after, stopped = make_seminar(), make_seminar(), asyncio.Event()

    async def stop(*arguments: Any) -> None:
        await _stop(*arguments)
        stopped.set()

    monkeypatch.setattr("shared.consumer._stop", stop)
    rabbit_journey.drain = 10
    await rabbit_journey.restart()
    rabbit_journey.before_effect = waits = Waits()
    await rabbit_journey.record(message)
    await asyncio.wait_for(waits.reached.wait(), PATIENCE)

    stopping = asyncio.create_task(rabbit_journey.stop_consumers())
    await asyncio.wait_for(stopped.wait(), PATIENCE)
    waits.released.set()
    await stopping
    rabbit_journey.start_consumers()
    await rabbit_journey.record(after)

    await effects_come(rabbit_journey, REGISTRATION, message, after)
    assert await rabbit_journey.delivered(REGISTRATION, message) == 1


async def test_messages_flow_again_after_the_broker_was_killed(
    rabbit_journey: "RabbitJourney", rabbitmq: "RabbitMQ"
) -> None:
    before, during, after = make_seminar(), make_seminar(), make_seminar()
    await rabbit_journey.record(before)
    await effects_come(rabbit_journey, REGISTRATION, before)

    await rabbitmq.kill()
    await rabbit_journey.record(during)
    await rabbitmq.start()
    await rabbit_journey.record(after)

    await effects_come(rabbit_journey, REGISTRATION, before, during, after, seconds=15)
    await effects_come(rabbit_journey, NOTIFICATION, before, during, after, seconds=15)


async def test_an_orderly_stop_of_the_broker_is_waited_out(
    rabbit_journey: "RabbitJourney", rabbitmq: "RabbitMQ"
) -> None:
    message = make_seminar()
    await eventually(lambda: rabbit_journey.consumers(REGISTRATION), 1)

    await rabbitmq.stop()
    await rabbit_journey.record(message)
    await rabbitmq.start()

    await effects_come(rabbit_journey, REGISTRATION, message)
    await effects_come(rabbit_journey, NOTIFICATION, message)


@pytest.mark.parametrize("told", [True, False])
async def test_a_consumer_whose_queue_is_deleted_ends_and_its_next_start_declares_it_anew(
    rabbit_journey: "RabbitJourney", monkeypatch: pytest.MonkeyPatch, *, told: bool
) -> None:
    if told:  # by the broker, long before the watchdog looks
        rabbit_journey.watch = 60
    else:
        monkeypatch.setattr("shared.consumer._gone", never_gone)
    await rabbit_journey.restart()
    before, after = make_seminar(), make_seminar()
    await rabbit_journey.record(before)
    await effects_come(rabbit_journey, REGISTRATION, before)

    await rabbit_journey.delete_queue(REGISTRATION)
    with pytest.raises(ConsumerLostError, match="deleted"):
        await asyncio.wait_for(rabbit_journey.consuming[REGISTRATION], PATIENCE)
    rabbit_journey.start_consumer(REGISTRATION)
    await eventually(lambda: rabbit_journey.consumers(REGISTRATION), 1)
    await rabbit_journey.record(after)

    await effects_come(rabbit_journey, REGISTRATION, before, after)


async def test_a_consumer_whose_channel_is_closed_ends(
    rabbit_journey: "RabbitJourney", subscriptions: "Subscriptions"
) -> None:
    queue, _ = await subscriptions.of(rabbit_journey, REGISTRATION)

    await queue.channel.close()

    with pytest.raises(ConsumerLostError, match="channel"):
        await asyncio.wait_for(rabbit_journey.consuming[REGISTRATION], PATIENCE)


async def test_a_consumer_that_the_broker_does_not_count_any_more_ends(
    rabbit_journey: "RabbitJourney", subscriptions: "Subscriptions"
) -> None:
    queue, tag = await subscriptions.of(rabbit_journey, REGISTRATION)

    await queue.cancel(tag)

    with pytest.raises(ConsumerLostError, match="counts no consumer"):
        await asyncio.wait_for(rabbit_journey.consuming[REGISTRATION], PATIENCE)


async def test_a_consumer_that_gets_nothing_of_what_stands_ready_ends_though_another_one_is_counted(
    rabbit_journey: "RabbitJourney", subscriptions: "Subscriptions"
) -> None:
    queue, tag = await subscriptions.of(rabbit_journey, REGISTRATION)

    async with rabbit_journey.channel() as channel:
        await channel.set_qos(prefetch_count=1)
        await (await channel.get_queue(REGISTRATION)).consume(never_acks)  # a replica that is stuck
        await queue.cancel(tag)
        await rabbit_journey.record(make_seminar(), make_seminar())

        with pytest.raises(ConsumerLostError, match="stand ready"):
            await asyncio.wait_for(rabbit_journey.consuming[REGISTRATION], PATIENCE)


@pytest.mark.parametrize(
    ("before", "now", "why"),
    [
        (None, Look(consumers=1, ready=0, taken=0, idle=True), None),
        (None, Look(consumers=0, ready=0, taken=0, idle=True), "the broker counts no consumer"),
        (None, Look(consumers=2, ready=9, taken=0, idle=True), None),
        (Look(2, 9, 4, idle=True), Look(2, 9, 4, idle=True), "messages stand ready, and none comes"),
        (Look(2, 9, 4, idle=True), Look(2, 9, 5, idle=True), None),
        (Look(2, 9, 4, idle=False), Look(2, 9, 4, idle=True), None),
        (Look(2, 9, 4, idle=True), Look(2, 9, 4, idle=False), None),
        (Look(2, 0, 4, idle=True), Look(2, 9, 4, idle=True), None),
        (Look(2, 9, 4, idle=True), Look(2, 0, 4, idle=True), None),
    ],
)
def test_two_looks_tell_whether_a_consumer_is_lost(before: Look | None, now: Look, why: str | None) -> None:
    assert why_lost(before, now) == why


async def test_a_consumer_whose_queue_stands_with_other_arguments_says_so_and_ends(
    rabbit_journey: "RabbitJourney",
) -> None:
    await rabbit_journey.close_queues()
    async with rabbit_journey.channel() as channel:
        await channel.declare_queue(REGISTRATION, durable=True)

    with pytest.raises(ConsumerLostError, match="PRECONDITION_FAILED"):
        await asyncio.wait_for(rabbit_journey.start_consumer(REGISTRATION), PATIENCE)


async def test_a_consumer_stops_whatever_it_is_about(rabbit_journey: "RabbitJourney") -> None:
    """The library swallows a cancellation that meets the end of one of its waits."""

    async def handle(_: Message) -> None: ...

    for milliseconds in range(0, 160, 4):  # about how long connecting, declaring and the first looks take
        consuming = asyncio.create_task(RabbitBus(rabbit_journey.url, watch=0).consume(REGISTRATION, handle))
        await asyncio.sleep(milliseconds / 1000)
        consuming.cancel()
        await asyncio.wait({consuming}, timeout=PATIENCE)
        assert consuming.done(), f"cancelled after {milliseconds} ms, and goes on"


async def test_a_talk_that_does_not_end_is_left_in_time() -> None:
    released, ended = asyncio.Event(), asyncio.Event()

    async def deaf() -> None:
        while not released.is_set():
            with contextlib.suppress(asyncio.CancelledError):
                await released.wait()
        ended.set()

    with pytest.raises(TimeoutError):
        await in_time(deaf(), 0.01)
    caller = asyncio.create_task(in_time(deaf(), 60))
    await asyncio.sleep(0)
    caller.cancel()
    await asyncio.wait({caller}, timeout=PATIENCE)
    released.set()

    assert caller.cancelled()
    await asyncio.wait_for(ended.wait(), PATIENCE)


async def test_a_talk_that_the_library_gives_up_has_failed() -> None:
    async def given_up() -> None:
        raise asyncio.CancelledError

    with pytest.raises(ConnectionError):
        await in_time(given_up())


async def test_a_malformed_body_is_a_dead_letter_at_once_and_says_why(rabbit_journey: "RabbitJourney") -> None:
    async with rabbit_journey.channel() as channel:
        exchange = await channel.get_exchange(EXCHANGE)
        await exchange.publish(aio_pika.Message(b'{"specversion": "1.0"}', message_id="odd"), "seminar.published")

    await eventually(lambda: rabbit_journey.dead(REGISTRATION), ["odd"])
    await eventually(lambda: rabbit_journey.dead(NOTIFICATION), ["odd"])
    async with rabbit_journey.channel() as channel:
        letter = await (await channel.get_queue(dead_queue(REGISTRATION))).get()
        assert letter.headers["x-attempts"] == 1
        assert str(letter.headers["x-error"]).startswith("MalformedMessageError: malformed:")


async def test_a_dead_letter_says_why_without_personal_data(rabbit_journey: "RabbitJourney") -> None:
    async def fail(_queue: str, _message: Message) -> None:
        raise ValueError("kari@example.no is odd\nDETAIL: (Kari Nordmann)")

    rabbit_journey.before_effect = fail
    message = make_registration()

    await rabbit_journey.record(message)

    await eventually(lambda: rabbit_journey.dead("notification.registration"), [str(message.id)])
    async with rabbit_journey.channel() as channel:
        letter = await (await channel.get_queue(dead_queue("notification.registration"))).get()
        assert letter.headers["x-attempts"] == 3
        assert letter.headers["x-error"] == "ValueError: [redacted] is odd"


async def test_a_failed_message_that_finds_no_retry_queue_goes_back(
    rabbit_journey: "RabbitJourney", monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("shared.consumer.REQUEUE_PAUSE", 0.05)
    await eventually(lambda: rabbit_journey.consumers(REGISTRATION), 1)
    await rabbit_journey.delete_queue(retry_queue(REGISTRATION, 0.1))
    message = make_seminar()
    rabbit_journey.before_effect = Fails(REGISTRATION, message, times=3)

    await rabbit_journey.record(message)

    await effects_come(rabbit_journey, REGISTRATION, message)


async def test_a_message_that_nobody_ever_answers_for_is_given_up(rabbit_journey: "RabbitJourney") -> None:
    await rabbit_journey.stop_consumers()
    message = make_seminar()
    await rabbit_journey.publish(message)

    async with rabbit_journey.channel() as channel:
        queue = await channel.get_queue(REGISTRATION)
        for _ in range(DELIVERY_LIMIT + 1):
            await (await queue.get()).nack(requeue=True)

    await eventually(lambda: rabbit_journey.dead(REGISTRATION), [str(message.id)])


async def test_each_service_may_do_its_own_part(rabbit_journey: "RabbitJourney", users: dict[str, str]) -> None:
    """Each user gets its deleted queues back, publishes, consumes, retries and buries."""
    seminar, poison, registration = make_seminar(), make_seminar(), make_registration()
    rabbit_journey.before_effect = Fails(REGISTRATION, poison)
    await rabbit_journey.close_queues()
    await rabbit_journey.stop()
    rabbit_journey.users = users

    await rabbit_journey.start()
    for queue in QUEUES:
        await eventually(lambda queue=queue: rabbit_journey.consumers(queue), 1)  # type: ignore[misc]
    await rabbit_journey.record(seminar, poison)
    await rabbit_journey.buses["registration"].publish(registration)
    await rabbit_journey.buses["notification"].publish(make_email())

    await effects_come(rabbit_journey, REGISTRATION, seminar)
    await effects_come(rabbit_journey, NOTIFICATION, seminar, poison)
    await effects_come(rabbit_journey, "notification.registration", registration)
    await eventually(lambda: rabbit_journey.dead(REGISTRATION), [str(poison.id)])


class Trespasses:
    """What registration's broker user must not do."""

    def __init__(self, channel: "AbstractChannel") -> None:
        self.channel = channel

    async def read_theirs(self) -> None:
        await (await self._queue(NOTIFICATION)).get(fail=False)

    async def purge_theirs(self) -> None:
        await (await self._queue(NOTIFICATION)).purge()

    async def delete_theirs(self) -> None:
        await (await self._queue(NOTIFICATION)).delete(if_unused=False, if_empty=False)

    async def bind_theirs(self) -> None:
        await (await self._queue(NOTIFICATION)).bind(EXCHANGE, "registration.confirmed")

    async def write_to_theirs_by_their_exchange(self) -> None:
        await self._publish(delivery_exchange(NOTIFICATION), NOTIFICATION)

    async def write_to_theirs_by_the_default_exchange(self) -> None:
        await self._publish("", NOTIFICATION)

    async def write_to_their_dead_letters(self) -> None:
        await self._publish(delivery_exchange(NOTIFICATION), dead_queue(NOTIFICATION))

    async def publish_as_catalog(self) -> None:
        await self._publish(EXCHANGE, "seminar.published")

    async def overhear_registrations(self) -> None:
        await (await self._queue(REGISTRATION)).bind(EXCHANGE, "registration.confirmed")

    async def overhear_everything(self) -> None:
        await (await self._queue(REGISTRATION)).bind(EXCHANGE, "#")

    async def _queue(self, name: str) -> "AbstractQueue":
        return await self.channel.get_queue(name, ensure=False)

    async def _publish(self, exchange: str, key: str) -> None:
        await (await self.channel.get_exchange(exchange, ensure=False)).publish(aio_pika.Message(b"{}"), key)


@pytest.mark.parametrize("trespass", [name for name in vars(Trespasses) if not name.startswith("_")])
async def test_registrations_broker_user_can_not(users: dict[str, str], trespass: str) -> None:
    async with await aio_pika.connect(users["registration"]) as connection, connection.channel() as channel:
        with pytest.raises(AMQPError, match="ACCESS_REFUSED"):
            await getattr(Trespasses(channel), trespass)()


async def test_who_may_not_declare_the_topology_is_told_who_may(users: dict[str, str]) -> None:
    with pytest.raises(RefusedError, match=r"ACCESS_REFUSED.*BUS_URL must name a user who may configure"):
        await declare(users["registration"])
