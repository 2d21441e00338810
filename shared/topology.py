"""Which queue gets which messages, and who may touch it: the one table that is declared whole and both buses obey."""

from typing import NamedTuple

EXCHANGE = "fagseminar"  # topic; routing key = message type

# What each service publishes: its types' first word.
PUBLISHES: dict[str, str] = {"catalog": "seminar", "registration": "registration", "notification": "email"}

QUEUES: dict[str, frozenset[str]] = {
    "catalog.registration": frozenset(
        {
            "registration.confirmed",
            "registration.waitlisted",
            "registration.promoted",
            "registration.changed",
            "registration.cancelled",
            "registration.erased",
        }
    ),
    "registration.seminar": frozenset({"seminar.published", "seminar.changed", "seminar.cancelled"}),
    "notification.seminar": frozenset(
        {"seminar.published", "seminar.changed", "seminar.cancelled", "seminar.recording_published"}
    ),
    "notification.registration": frozenset(
        {
            "registration.confirmed",
            "registration.waitlisted",
            "registration.promoted",
            "registration.changed",
            "registration.cancelled",
            "registration.link_requested",
            "registration.checked_in",
            "registration.erased",
        }
    ),
}

# For whoever wants to listen; published without `mandatory`, since nobody has to.
UNCONSUMED = frozenset({"email.sent", "email.failed", "email.bounced"})

RETRY_DELAYS = (1, 5, 30, 120, 600)  # seconds; after the last a message is dead
"""How long a failed message rests before each further attempt at one consumer."""


def queues_for(message_type: str) -> list[str]:
    """Return the names of the queues that get messages of this type."""
    return [queue for queue, types in QUEUES.items() if message_type in types]


def queues_of(service: str) -> list[str]:
    """Return the names of the queues that `service` consumes."""
    return [queue for queue in QUEUES if queue.partition(".")[0] == service]


class Permissions(NamedTuple):
    """What one broker user may do, as regular expressions: on resources by name, and in the exchange by routing key."""

    configure: str
    write: str
    read: str
    publish: str
    bind: str


def permissions(service: str) -> Permissions:
    """Return the least that the broker user of `service` can do its part with; README, "Settings", says it too.

    To read and to write `fagseminar` is to bind to it and to publish; its topic permissions say with which types.
    """
    own = rf"^{service}\."
    own_and_shared = rf"^({service}\.|{EXCHANGE}$)"
    consumed = sorted({kind.partition(".")[0] for queue in queues_of(service) for kind in QUEUES[queue]})
    bind = rf"^({'|'.join(consumed)})\." if consumed else "^$"
    return Permissions(own, own_and_shared, own_and_shared, rf"^{PUBLISHES[service]}\.", bind)
