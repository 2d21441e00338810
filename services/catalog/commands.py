"""What organisers do to seminars: one use case, one function, one transaction of the caller's."""

from datetime import datetime

from services.catalog import store
from services.catalog.document import Document, Livestream, Recording
from services.catalog.model import Seminar, snapshot
from shared import outbox
from shared.database import Connection
from shared.messages import Message, RegistrationSnapshot


class UnknownSeminarError(LookupError):
    """There is no seminar with that slug."""


class RevisionMissingError(ValueError):
    """A seminar is to be replaced without saying which revision was read."""


class RevisionConflictError(ValueError):
    """The seminar has changed since the revision that was read."""


class CancelledError(ValueError):
    """A cancelled seminar is not changed any more."""


class AnnouncedError(ValueError):
    """A seminar that people have been told of cannot become a draft again."""


async def put(connection: Connection, document: Document, read: int | None, by: str, now: datetime) -> Seminar:
    """Create the seminar or make its next revision; `read` is the revision that the change builds on.

    Raises RevisionMissingError, RevisionConflictError, CancelledError, AnnouncedError.
    """
    first = Seminar(document=document, revision=1)
    announced = document.status == "published"
    if read is None and await store.insert(connection, first, announced=announced):
        await _tell(connection, first, by, now, was_announced=False)
        return first
    standing = await store.lock(connection, document.slug)
    if standing is None:
        raise RevisionConflictError("it does not exist")
    if read is None:
        raise RevisionMissingError
    if read != standing[0].revision:
        raise RevisionConflictError(f"it is at revision {standing[0].revision}")
    return await _revise(connection, standing, document, by, now)


async def set_livestream(connection: Connection, slug: str, given: Livestream, by: str, now: datetime) -> Seminar:
    """Give the seminar's stream an address, or another; who may see it stays unless that is given too.

    Raises UnknownSeminarError, CancelledError.
    """
    standing = await _standing(connection, slug)
    known = standing[0].document.livestream or Livestream()
    livestream = known.model_copy(update=given.model_dump(exclude_unset=True))
    document = standing[0].document.model_copy(update={"livestream": livestream})
    return await _revise(connection, standing, document, by, now)


async def publish_recording(connection: Connection, slug: str, recording: Recording, by: str, now: datetime) -> Seminar:
    """Put the recording on the seminar's page; raises UnknownSeminarError, CancelledError."""
    standing = await _standing(connection, slug)
    document = standing[0].document.model_copy(update={"recording": recording})
    return await _revise(connection, standing, document, by, now, kind="seminar.recording_published")


async def cancel(connection: Connection, slug: str, by: str, now: datetime) -> Seminar:
    """Cancel the seminar, once; raises UnknownSeminarError."""
    seminar, announced = await _standing(connection, slug)
    if seminar.cancelled:
        return seminar
    cancelled = Seminar(document=seminar.document, revision=seminar.revision + 1, cancelled=True)
    await store.update(connection, cancelled, announced=announced)
    await _tell(connection, cancelled, by, now, was_announced=announced, kind="seminar.cancelled")
    return cancelled


async def learn_of_registration(connection: Connection, registration: RegistrationSnapshot) -> None:
    """Know whether its link lets somebody watch a stream that is for those who signed up."""
    await store.keep_watcher(connection, registration)


async def _standing(connection: Connection, slug: str) -> tuple[Seminar, bool]:
    standing = await store.lock(connection, slug)
    if standing is None:
        raise UnknownSeminarError(slug)
    return standing


async def _revise(
    connection: Connection,
    standing: tuple[Seminar, bool],
    document: Document,
    by: str,
    now: datetime,
    *,
    kind: str = "seminar.changed",
) -> Seminar:
    seminar, announced = standing
    if seminar.cancelled:
        raise CancelledError
    if announced and document.status == "draft":
        raise AnnouncedError
    revised = Seminar(document=document, revision=seminar.revision + 1)
    await store.update(connection, revised, announced=announced or document.status == "published")
    await _tell(connection, revised, by, now, was_announced=announced, kind=kind)
    return revised


async def _tell(
    connection: Connection,
    seminar: Seminar,
    by: str,
    now: datetime,
    *,
    was_announced: bool,
    kind: str = "seminar.changed",
) -> None:
    """Keep the revision and, unless the seminar is a draft that nobody has heard of, tell the others."""
    await store.keep_revision(connection, seminar, by, now)
    if not was_announced and seminar.document.status == "draft":
        return
    await outbox.record(
        connection,
        Message(
            source="/catalog",
            type=kind if was_announced else "seminar.published",
            subject=seminar.document.slug,
            time=now,
            data=snapshot(seminar),
        ),
    )
