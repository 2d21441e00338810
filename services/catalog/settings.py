from typing import Annotated

from pydantic import Field

from shared.settings import ServiceSettings


class Settings(ServiceSettings):
    """The environment of catalog."""

    accessibility_statement_url: Annotated[str | None, Field(pattern=r"^https?://")] = None
