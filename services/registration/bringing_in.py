"""Bringing in a list: what will happen is foreseen, and exactly that is done."""

from collections.abc import Sequence
from datetime import datetime

from services.registration import store, store_people, store_sign_ups
from services.registration.deeds import Organiser, enrol
from services.registration.imported import Row
from services.registration.model import email_key
from services.registration.plan import NEW, Known, Planned, fingerprint, judge_rows, plan
from services.registration.signing_up import UnknownSeminarError
from shared.database import Connection
from shared.messages import SeminarSnapshot


class ForeseenOtherwiseError(ValueError):
    """Something else would happen by now; `planned` is what."""

    def __init__(self, planned: list[Planned]) -> None:
        super().__init__("the seminar's registrations have changed")
        self.planned = planned


async def foresee(
    connection: Connection, seminar: SeminarSnapshot, rows: Sequence[Row], now: datetime
) -> list[Planned]:
    """Return what would become of each row now."""
    judged = judge_rows(rows, seminar)
    keys = [email_key(one.given.email) for one in judged if one.given]
    met = await store_sign_ups.meet(connection, seminar.slug, keys, [])
    known = Known(met.known, await store_people.withdrawn(connection, seminar.slug, keys))
    return plan(seminar, judged, known, met.standings, now)


async def bring_in(connection: Connection, slug: str, rows: Sequence[Row], foreseen: str, by: Organiser) -> int:
    """Sign up whom the list names, in its order, if that is what was foreseen, and return how many it were.

    Who stands already is passed over, so that the same list brings in nobody twice.
    Raises UnknownSeminarError, ForeseenOtherwiseError.
    """
    seminar = await store.lock_seminar(connection, slug)
    if seminar is None:
        raise UnknownSeminarError(slug)
    planned = await foresee(connection, seminar, rows, by.now)
    new = [(one.given, one.admitted) for one in planned if one.fate in NEW and one.given and one.admitted]
    if new and fingerprint(planned) != foreseen:
        raise ForeseenOtherwiseError(planned)
    return len(await enrol(connection, seminar, new, "bring_in", by))
