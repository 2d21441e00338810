"""What organisers do to seminars: one use case, one function, one transaction of the caller's."""

from datetime import datetime

from services.catalog import store, store_announced
from services.catalog.copying import Copy, copied
from services.catalog.document import Document, Livestream, Recording
from services.catalog.model import Seminar, snapshot
from services.catalog.store import Deed
from shared import erasing, outbox
from shared.database import Connection
from shared.messages import ErasedRegistration, Message, RegistrationSnapshot


class UnknownSeminarError(LookupError):
    """There is no seminar with that slug."""


class RevisionMissingError(ValueError):
    """A seminar is to be replaced without saying which revision was read."""


class RevisionConflictError(ValueError):
    """The seminar has changed since the revision that was read."""


class UnknownRevisionError(LookupError):
    """The seminar has never been at that revision."""


class SlugTakenError(ValueError):
    """There is another seminar with that slug."""


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
        await _tell(connection, first, Deed(now, by, "create"), was_announced=False)
        return first
    standing = await store.lock(connection, document.slug)
    if standing is None:
        raise RevisionConflictError("it does not exist")
    if read is None:
        raise RevisionMissingError
    if read != standing[0].revision:
        raise RevisionConflictError(f"it is at revision {standing[0].revision}")
    return await _revise(connection, standing, document, Deed(now, by, "change"))


async def publish(connection: Connection, slug: str, by: str, now: datetime) -> Seminar:
    """Tell everybody of a draft; raises UnknownSeminarError, CancelledError."""
    standing = await _standing(connection, slug)
    if standing[0].document.status == "published":
        return standing[0]
    document = standing[0].document.model_copy(update={"status": "published"})
    return await _revise(connection, standing, document, Deed(now, by, "publish"))


async def set_livestream(connection: Connection, slug: str, given: Livestream, by: str, now: datetime) -> Seminar:
    """Give the seminar's stream an address, or another; who may see it stays unless that is given too.

    Raises UnknownSeminarError, CancelledError.
    """
    standing = await _standing(connection, slug)
    known = standing[0].document.livestream or Livestream()
    livestream = known.model_copy(update=given.model_dump(exclude_unset=True))
    document = standing[0].document.model_copy(update={"livestream": livestream})
    return await _revise(connection, standing, document, Deed(now, by, "set_livestream"))


async def publish_recording(connection: Connection, slug: str, recording: Recording, by: str, now: datetime) -> Seminar:
    """Put the recording on the seminar's page; raises UnknownSeminarError, CancelledError."""
    standing = await _standing(connection, slug)
    document = standing[0].document.model_copy(update={"recording": recording})
    return await _revise(
        connection, standing, document, Deed(now, by, "publish_recording"), "seminar.recording_published"
    )


async def cancel(connection: Connection, slug: str, by: str, now: datetime) -> Seminar:
    """Cancel the seminar, once; raises UnknownSeminarError."""
    seminar, announced = await _standing(connection, slug)
    if seminar.cancelled:
        return seminar
    cancelled = Seminar(document=seminar.document, revision=seminar.revision + 1, cancelled=True)
    await store.update(connection, cancelled, announced=announced)
    await _tell(connection, cancelled, Deed(now, by, "cancel"), was_announced=announced, kind="seminar.cancelled")
    return cancelled


async def restore(
    connection: Connection, slug: str, revision: int, read: int | None, by: str, now: datetime
) -> Seminar:
    """Make a next revision that says what `revision` said; `read`, if given, is the one that stood for who chose so.

    Raises UnknownSeminarError, UnknownRevisionError, RevisionConflictError, CancelledError, AnnouncedError.
    """
    standing = await _standing(connection, slug)
    if read not in (None, standing[0].revision):
        raise RevisionConflictError(f"it is at revision {standing[0].revision}")
    past = await store.past(connection, slug, revision)
    if past is None:
        raise UnknownRevisionError(revision)
    return await _revise(connection, standing, past.document, Deed(now, by, "restore"))


async def copy(connection: Connection, slug: str, given: Copy, by: str, now: datetime) -> Seminar:
    """Make a draft of the seminar for another day; raises UnknownSeminarError, SlugTakenError, ValidationError."""
    seminar, _ = await _standing(connection, slug)
    first = Seminar(document=copied(seminar.document, given), revision=1)
    if not await store.insert(connection, first, announced=False):
        raise SlugTakenError(given.slug)
    await _tell(connection, first, Deed(now, by, "copy"), was_announced=False)
    return first


async def note(connection: Connection, action: str, by: str | None, now: datetime) -> None:
    """Write down what changes no seminar, such as signing in."""
    await store.audit(connection, Deed(now, by, action))


async def learn_of_registration(connection: Connection, registration: RegistrationSnapshot) -> None:
    """Know whether its link lets somebody watch a stream that is for those who signed up."""
    await store_announced.keep_watcher(connection, registration)


async def forget_watcher(connection: Connection, erased: ErasedRegistration) -> None:
    """Let who is erased watch no more, and have what lies dead about them dropped."""
    await store_announced.bar_watcher(connection, erased)
    await erasing.note(connection, str(erased.id))


async def _standing(connection: Connection, slug: str) -> tuple[Seminar, bool]:
    standing = await store.lock(connection, slug)
    if standing is None:
        raise UnknownSeminarError(slug)
    return standing


async def _revise(
    connection: Connection,
    standing: tuple[Seminar, bool],
    document: Document,
    deed: Deed,
    kind: str = "seminar.changed",
) -> Seminar:
    seminar, announced = standing
    if seminar.cancelled:
        raise CancelledError
    if announced and document.status == "draft":
        raise AnnouncedError
    revised = Seminar(document=document, revision=seminar.revision + 1)
    await store.update(connection, revised, announced=announced or document.status == "published")
    await _tell(connection, revised, deed, was_announced=announced, kind=kind)
    return revised


async def _tell(
    connection: Connection, seminar: Seminar, deed: Deed, *, was_announced: bool, kind: str = "seminar.changed"
) -> None:
    """Keep the revision and whose it is and, unless the seminar is a draft nobody has heard of, tell the others."""
    slug = seminar.document.slug
    await store.keep_revision(connection, seminar, deed)
    await store.audit(connection, deed._replace(slug=slug, revision=seminar.revision))
    if not was_announced and seminar.document.status == "draft":
        return
    await outbox.record(
        connection,
        Message(
            source="/catalog",
            type=kind if was_announced else "seminar.published",
            subject=slug,
            time=deed.at,
            data=snapshot(seminar),
        ),
    )
