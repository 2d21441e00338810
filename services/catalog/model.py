"""A seminar as it stands: which of its lives it is in, and what the others are told of it."""

from datetime import datetime, time, timedelta
from enum import StrEnum

from pydantic import BaseModel, ConfigDict

from services.catalog.document import Document
from services.catalog.fields import in_zone
from shared.messages import Attendance, AttendanceMode, ReminderRule, SeminarSnapshot


class Life(StrEnum):
    """Where a seminar stands, by the clock and what is known."""

    DRAFT = "draft"
    PUBLISHED = "published"
    LIVE = "live"
    COMPLETED = "completed"
    CANCELLED = "cancelled"


class Seminar(BaseModel):
    """A document as of one revision, and whether it was cancelled."""

    model_config = ConfigDict(frozen=True)

    document: Document
    revision: int
    cancelled: bool = False

    def instant(self, local: datetime) -> datetime:
        """Return the instant of a time local to the seminar's zone."""
        return in_zone(local, self.document.zone)

    @property
    def start(self) -> datetime:
        """The instant it starts."""
        return self.instant(self.document.start)

    @property
    def end(self) -> datetime:
        """The instant it ends."""
        return self.instant(self.document.end)

    def at(self, local: time) -> datetime:
        """Return the instant of a programme's time of day."""
        return self.instant(datetime.combine(self.document.start.date(), local))

    def life(self, now: datetime) -> Life:
        """Return which of its lives the seminar is in."""
        if self.cancelled:
            return Life.CANCELLED
        if self.document.status == "draft":
            return Life.DRAFT
        if now < self.start:
            return Life.PUBLISHED
        return Life.LIVE if now < self.end else Life.COMPLETED

    @property
    def guarded(self) -> bool:
        """Whether the stream is only for those who signed up."""
        return self.document.livestream is not None and self.document.livestream.access == "registered"

    def film(self, now: datetime) -> str | None:
        """Return the address of what there is to watch at `now`: the recording, or else the stream while it is on."""
        if self.cancelled:
            return None
        if self.document.recording:
            return self.document.recording.url
        live = self.life(now) is Life.LIVE and self.document.livestream
        return live.url if live else None

    def for_anyone(self) -> "Seminar":
        """Return the seminar without the address of a stream that is only for those who signed up."""
        livestream = self.document.livestream
        if livestream is None or not self.guarded:
            return self
        hidden = livestream.model_copy(update={"url": None})
        return self.model_copy(update={"document": self.document.model_copy(update={"livestream": hidden})})

    def is_open(self, attendance: Attendance, now: datetime) -> bool:
        """Return whether one can sign up for `attendance` at `now`."""
        mode = self.document.attendance.get(attendance)
        if mode is None or self.life(now) not in (Life.PUBLISHED, Life.LIVE):
            return False
        if self.document.opens and now < self.document.opens:
            return False
        return now <= (self.instant(mode.deadline) if mode.deadline else self.end - timedelta.resolution)


def snapshot(seminar: Seminar) -> SeminarSnapshot:
    """Return what the other services are told of this revision."""
    document = seminar.document
    return SeminarSnapshot(
        **document.model_dump(
            include={
                "slug",
                "title",
                "summary",
                "zone",
                "opens",
                "organisers",
                "partners",
                "venue",
                "serving",
                "programme",
                "contact",
                "questions",
            }
        ),
        revision=seminar.revision,
        status="cancelled" if seminar.cancelled else "published",
        start=seminar.start,
        end=seminar.end,
        attendance={
            attendance: AttendanceMode(
                capacity=mode.capacity,
                deadline=seminar.instant(mode.deadline) if mode.deadline else None,
                promote_until=seminar.instant(mode.promote_until) if mode.promote_until else None,
            )
            for attendance, mode in document.attendance.items()
        },
        stream_access=document.livestream.access if document.livestream else None,
        recorded=document.recording is not None,
        reminders=tuple(
            ReminderRule(**rule.model_dump(exclude={"at"}), at=seminar.instant(rule.at) if rule.at else None)
            for rule in document.reminders
        ),
    )
