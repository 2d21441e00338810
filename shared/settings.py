"""What every service reads from its environment (README, "Settings")."""

import secrets
import sys
from typing import Annotated, Literal, TypeVar

from pydantic import AfterValidator, Field, HttpUrl, PositiveInt, ValidationError
from pydantic_settings import BaseSettings, NoDecode, SettingsConfigDict

from shared.limits import Limits, read_limits
from shared.web.clients import Networks, read_networks

SHORTEST_KEY = 16  # characters; less is guessed


def _keys(text: str) -> str:
    if any(len(key.strip()) < SHORTEST_KEY for key in text.split(",")):
        raise ValueError(f"each comma-separated key needs at least {SHORTEST_KEY} characters")
    return text


def _tokens(text: str) -> str:
    if any(not token.rpartition(":")[2].strip() for token in text.split(",")):
        raise ValueError("wants comma-separated `token` or `name:token`")
    return text


def _url(text: str) -> str:
    return str(HttpUrl(text)).rstrip("/")


def _networks(text: str) -> str:
    read_networks(text)
    return text


def _limits(text: str) -> str:
    read_limits(text)
    return text


class ServiceSettings(BaseSettings):
    """The environment that all services share; each adds its own."""

    model_config = SettingsConfigDict(frozen=True, hide_input_in_errors=True)

    database_url: Annotated[str, Field(pattern=r"^postgres(ql)?://")]
    bus_url: Annotated[str, Field(pattern=r"^(local:|amqps?://.+)")]
    public_url: Annotated[str, NoDecode, AfterValidator(_url)]
    secret_key: Annotated[str, AfterValidator(_keys)]
    organiser_tokens: Annotated[str, AfterValidator(_tokens)]
    host: str = "127.0.0.1"
    port: Annotated[int, Field(ge=0, le=65535)] = 8080
    log_level: Literal["DEBUG", "INFO", "WARNING", "ERROR"] = "INFO"
    log_format: Literal["json", "text"] = "json"
    database_connections: PositiveInt = 10
    trusted_proxies: Annotated[str, AfterValidator(_networks)] = ""
    rate_limit: Annotated[str, AfterValidator(_limits)] = ""

    @property
    def proxies(self) -> Networks:
        """The proxies whose word is taken for who the client is."""
        return read_networks(self.trusted_proxies)

    @property
    def limits(self) -> Limits:
        """The rate limits."""
        return read_limits(self.rate_limit)

    @property
    def keys(self) -> tuple[bytes, ...]:
        """The secret keys: the first signs, all verify."""
        return tuple(key.strip().encode() for key in self.secret_key.split(","))

    @property
    def organisers(self) -> list[tuple[str, str]]:
        """The name and the token of each organiser."""
        entries = (entry.strip().rpartition(":") for entry in self.organiser_tokens.split(","))
        return [(name or "organiser", token) for name, _, token in entries]

    def organiser(self, presented: str) -> str | None:
        """Return the name of the organiser whose token was presented, or None."""
        found = None
        for name, token in self.organisers:
            if secrets.compare_digest(token.encode(), presented.encode()):
                found = name
        return found


Settings = TypeVar("Settings", bound=ServiceSettings)


def load(kind: type[Settings]) -> Settings:
    """Read the settings of `kind` from the environment, or end the process with one line that names what is wrong."""
    try:
        return kind()
    except ValidationError as error:
        sys.exit(explain(error))


def explain(error: ValidationError) -> str:
    """Say in one line which variables are missing or malformed, and why, without repeating their values."""
    problems = [_problem("_".join(map(str, e["loc"])).upper(), e["type"], e["msg"]) for e in error.errors()]
    return "settings: " + "; ".join(problems)


def _problem(name: str, kind: str, message: str) -> str:
    """Return what is wrong with one variable; a rule over several names them in its own text."""
    reason = "missing" if kind == "missing" else message.removeprefix("Value error, ")
    return f"{name}: {reason[0].lower()}{reason[1:]}" if name else reason
