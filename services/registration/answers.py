"""What registration's API answers."""

from datetime import datetime
from typing import Any, Self
from uuid import UUID

from pydantic import ConfigDict

from services.registration.model import Details, Registration
from shared.messages import RegistrationStatus
from shared.web.bodies import AnswerBody


class Outcome(AnswerBody):
    """What came of a sign-up."""

    id: UUID
    """A reference for questions; it opens nothing."""
    outcome: RegistrationStatus


class Registered(Details):
    """A registration as it stands."""

    model_config = ConfigDict(extra="ignore")

    id: UUID
    seminar: str
    """The seminar's slug."""
    version: int
    """From 1, higher with every change."""
    status: RegistrationStatus
    registered_at: datetime
    confirmed_at: datetime | None
    """When they became confirmed for this attendance; of who waits but attends online meanwhile, for online."""
    checked_in_at: datetime | None
    """When they were seen to come."""

    @classmethod
    def of(cls, registration: Registration, **more: Any) -> Self:
        """Return what is shown of it, not validated anew: what was taken under an older rule can be seen too."""
        fields = dict(registration.details) | registration._asdict() | more
        return cls.model_construct(**fields)  # type: ignore[return-value] # the plugin takes cls for Registered


class Mine(Registered):
    """One's own registration."""

    place: int | None
    """In the waiting list, from 1."""


class Registrations(AnswerBody):
    """A seminar's registrations as they came."""

    items: tuple[Registered, ...]
    next: str | None
    """What to ask for as after to go on; null at the end."""


class InPerson(AnswerBody):
    """Those who come to the room."""

    confirmed: int
    waitlisted: int
    capacity: int | None
    """Seats; null for no limit."""


class Online(AnswerBody):
    """Those who follow the stream."""

    confirmed: int


class Summary(AnswerBody):
    """How many there are of each."""

    in_person: InPerson
    online: Online
    cancelled: int
