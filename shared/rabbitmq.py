"""The bus over RabbitMQ: `broker` is what stands there, `publisher` and `consumer` are the two ends of it."""

from collections.abc import Sequence

import aio_pika
from aio_pika import DeliveryMode

from shared.broker import TIMEOUT
from shared.bus import Handler
from shared.consumer import DRAIN, WATCH, Consumer
from shared.messages import Message, encode
from shared.publisher import Publisher
from shared.topology import EXCHANGE, RETRY_DELAYS, UNCONSUMED


class RabbitBus:
    """One service's end of the broker: a connection for publishing, and one for each queue that it consumes.

    They are apart because a broker short of memory stops reading from whoever publishes, and acks must get through.
    `timeout`, `watch` and `drain` are in seconds.
    """

    def __init__(
        self,
        url: str,
        *,
        retry_delays: Sequence[float] = RETRY_DELAYS,
        timeout: float = TIMEOUT,
        watch: float = WATCH,
        drain: float = DRAIN,
    ) -> None:
        self._url = url
        self._retry_delays = retry_delays
        self._watch = watch
        self._drain = drain
        self._publisher = Publisher(url, timeout)

    async def publish(self, message: Message) -> None:
        """Return once the broker has confirmed the message for every queue; raises PublishError otherwise, in time."""
        envelope = aio_pika.Message(
            encode(message),
            content_type="application/cloudevents+json",
            delivery_mode=DeliveryMode.PERSISTENT,
            message_id=str(message.id),
            type=message.type,
            correlation_id=message.correlationid,
        )
        await self._publisher.publish(EXCHANGE, message.type, envelope, mandatory=message.type not in UNCONSUMED)

    async def consume(self, queue: str, handle: Handler) -> None:
        """Hand the queue's messages to `handle` until cancelled, however often the connection is lost.

        Raises ConsumerLostError when the connection is sound and the consumer is gone all the same.
        """
        await Consumer(
            self._url, queue, handle, self._publisher, self._retry_delays, watch=self._watch, drain=self._drain
        ).run()

    async def close(self) -> None:
        """Let go of the broker; consumers let go of it when they are cancelled."""
        await self._publisher.close()
