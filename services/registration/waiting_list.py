"""The waiting list: who gets a seat that becomes free, and what becomes of the others when it closes."""

from datetime import datetime

from services.registration import store, store_waiting_list
from services.registration.model import MOST_PROMOTED, Cause, Registration, free_seats, refuse
from services.registration.telling import tell_all
from shared.database import Connection
from shared.messages import Attendance, SeminarSnapshot


async def promote(
    connection: Connection, seminar: SeminarSnapshot, now: datetime, *, cause: Cause = "oneself"
) -> list[Registration]:
    """Give the seats that are free to the first in line; the seminar's row is locked by the caller."""
    promoted = []
    for attendance in Attendance:  # the room first: who gets a seat there may free one online
        standing = await store_waiting_list.standing(connection, seminar.slug, attendance)
        seats = min(free_seats(seminar, attendance, standing.confirmed, now), standing.waitlisted)
        if seats:
            promoted += await store_waiting_list.promote(connection, seminar.slug, attendance, seats, now)
    await tell_all(connection, promoted, "registration.promoted", now, cause=cause)
    return promoted


async def close_one(connection: Connection, now: datetime) -> bool:
    """Close one list whose moment has come: who waits attends online, or is told that there is no room.

    Return False if there is none to close.
    """
    due = await store_waiting_list.passed(connection, now)
    if due is None:
        return False
    seminar = await store.lock_seminar(connection, due.seminar)
    if seminar and await store_waiting_list.close(connection, due.seminar, due.attendance, now):
        await _release(connection, seminar, due.attendance, now)
    return True


async def _release(connection: Connection, seminar: SeminarSnapshot, attendance: Attendance, now: datetime) -> None:
    if seminar.status == "cancelled" or now >= seminar.end:
        return  # of that they are told by itself
    moved = []
    if attendance is not Attendance.ONLINE and refuse(seminar, Attendance.ONLINE, now) is None:
        seats = await _free_online(connection, seminar)
        moved = await store_waiting_list.attend_online(connection, seminar.slug, attendance, seats, now)
    left = await store_waiting_list.raise_versions(connection, seminar.slug, attendance)
    await tell_all(connection, [*moved, *left], "registration.changed", now, cause="cut_off")


async def _free_online(connection: Connection, seminar: SeminarSnapshot) -> int:
    """Return how many of those who wait can attend online: those who do so meanwhile keep their seats."""
    capacity = seminar.attendance[Attendance.ONLINE].capacity
    if capacity is None:
        return MOST_PROMOTED
    taken = await store.taken(connection, seminar.slug, Attendance.ONLINE)
    meanwhile = await store_waiting_list.count_meanwhile(connection, seminar.slug)
    return max(0, capacity - taken) + meanwhile
