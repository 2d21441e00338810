import re
from typing import Annotated

from pydantic import AfterValidator, Field

from shared.settings import ServiceSettings

HOST = re.compile(r"[a-z0-9-]+(\.[a-z0-9-]+)*(:\d{1,5})?")


def _hosts(text: str) -> str:
    """The hosts stand in a header: nothing else may."""
    if not all(HOST.fullmatch(host.strip()) for host in text.split(",") if host.strip()):
        raise ValueError("wants comma-separated hosts in small letters, such as player.example.org")
    return text


class Settings(ServiceSettings):
    """The environment of catalog."""

    accessibility_statement_url: Annotated[str | None, Field(pattern=r"^https?://")] = None
    embed_hosts: Annotated[str, AfterValidator(_hosts)] = ""

    @property
    def players(self) -> frozenset[str]:
        """The hosts whose players may be shown inside of our pages."""
        return frozenset(host.strip() for host in self.embed_hosts.split(",") if host.strip())
