from datetime import timedelta
from typing import Annotated

from pydantic import Field

from shared.settings import ServiceSettings


class Settings(ServiceSettings):
    """The environment of registration."""

    retention_days: Annotated[int, Field(ge=1, le=3650)] = 90  # after a seminar, until its people are forgotten

    @property
    def retention(self) -> timedelta:
        """How long after a seminar what its people told of themselves is kept."""
        return timedelta(days=self.retention_days)
