"""Which queue gets which messages: the one table that the migration job declares whole and both buses obey."""

EXCHANGE = "fagseminar"  # topic; routing key = message type

QUEUES: dict[str, frozenset[str]] = {
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
        }
    ),
}

# For whoever wants to listen; published without `mandatory`, since nobody has to.
UNCONSUMED = frozenset({"email.sent", "email.failed"})

RETRY_DELAYS = (1, 5, 30, 120, 600)  # seconds; after the last a message is dead
"""How long a failed message rests before each further attempt at one consumer."""


def queues_for(message_type: str) -> list[str]:
    """Return the names of the queues that get messages of this type."""
    return [queue for queue, types in QUEUES.items() if message_type in types]
