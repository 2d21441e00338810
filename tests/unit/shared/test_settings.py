import os
import subprocess
import sys
from pathlib import Path

import pytest

from services.catalog.settings import Settings as CatalogSettings
from services.notification.settings import Settings as NotificationSettings
from services.registration.settings import Settings as RegistrationSettings
from shared.settings import ServiceSettings, load

CHECKOUT = Path(__file__).parents[3]
CANARY = "canary-4711"  # part of each malformed value, and of no text of ours
SHARED = {
    "DATABASE_URL": "postgresql://catalog:password@db.example.org/catalog",
    "BUS_URL": "amqp://catalog:password@mq.example.org/",
    "PUBLIC_URL": "https://seminars.example.org/",
    "SECRET_KEY": "0123456789abcdef",
    "ORGANISER_TOKENS": "kari:token-of-kari,token-of-nobody",
}
OF_NOTIFICATION = {"SMTP_URL": "smtp://mail.example.org", "MAIL_FROM": "Fagseminar <post@example.org>"}

MALFORMED = [
    (CatalogSettings, "DATABASE_URL", f"mysql://{CANARY}"),
    (CatalogSettings, "DATABASE_URL", ""),
    (CatalogSettings, "BUS_URL", f"kafka://{CANARY}"),
    (CatalogSettings, "BUS_URL", "amqp://"),
    (CatalogSettings, "PUBLIC_URL", CANARY),
    (CatalogSettings, "PUBLIC_URL", f"ftp://{CANARY}"),
    (CatalogSettings, "SECRET_KEY", CANARY),
    (CatalogSettings, "SECRET_KEY", f"0123456789abcdef,{CANARY}"),
    (CatalogSettings, "SECRET_KEY", " " * 16),
    (CatalogSettings, "ORGANISER_TOKENS", ""),
    (CatalogSettings, "ORGANISER_TOKENS", f"{CANARY},"),
    (CatalogSettings, "ORGANISER_TOKENS", f"{CANARY}:"),
    (CatalogSettings, "PORT", CANARY),
    (CatalogSettings, "PORT", "65536"),
    (CatalogSettings, "PORT", "-1"),
    (CatalogSettings, "LOG_LEVEL", CANARY),
    (CatalogSettings, "LOG_FORMAT", CANARY),
    (CatalogSettings, "DATABASE_CONNECTIONS", "0"),
    (CatalogSettings, "TRUSTED_PROXIES", CANARY),
    (RegistrationSettings, "TRUSTED_PROXIES", f"10.0.0.0/8,{CANARY}"),
    (CatalogSettings, "RATE_LIMIT", CANARY),
    (RegistrationSettings, "RATE_LIMIT", f"client:{CANARY}"),
    (CatalogSettings, "ACCESSIBILITY_STATEMENT_URL", CANARY),
    (CatalogSettings, "EMBED_HOSTS", f"https://{CANARY}"),
    (CatalogSettings, "EMBED_HOSTS", f"{CANARY}; script-src *"),
    (NotificationSettings, "SMTP_URL", f"http://{CANARY}"),
    (NotificationSettings, "MAIL_FROM", CANARY),
]


@pytest.fixture(autouse=True)
def environment(monkeypatch: pytest.MonkeyPatch) -> pytest.MonkeyPatch:
    """Hold what every service needs and nothing else of ours."""
    for kind in (CatalogSettings, RegistrationSettings, NotificationSettings):
        for name in kind.model_fields:
            monkeypatch.delenv(name.upper(), raising=False)
    for name, value in (SHARED | OF_NOTIFICATION).items():
        monkeypatch.setenv(name, value)
    return monkeypatch


def complaint(kind: type[ServiceSettings]) -> str:
    with pytest.raises(SystemExit) as ended:
        load(kind)
    assert isinstance(ended.value.code, str)
    return ended.value.code


def organiser(tokens: str, presented: str) -> str | None:
    return load(CatalogSettings).model_copy(update={"organiser_tokens": tokens}).organiser(presented)


def ran(service: str, *arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", f"services.{service}", *arguments]
    return subprocess.run(
        command, cwd=CHECKOUT, env=os.environ | environment, capture_output=True, text=True, timeout=30, check=False
    )


@pytest.mark.parametrize("kind", [CatalogSettings, RegistrationSettings, NotificationSettings])
def test_a_sound_environment_is_read(kind: type[ServiceSettings]) -> None:
    settings = load(kind)

    assert settings.database_url == SHARED["DATABASE_URL"]
    assert settings.port == 8080


@pytest.mark.parametrize(
    ("kind", "name"),
    [*((CatalogSettings, name) for name in SHARED), *((NotificationSettings, name) for name in OF_NOTIFICATION)],
)
def test_a_missing_variable_is_named_in_one_line(
    kind: type[ServiceSettings], name: str, environment: pytest.MonkeyPatch
) -> None:
    environment.delenv(name)

    assert complaint(kind) == f"settings: {name}: missing"


@pytest.mark.parametrize(("kind", "name", "value"), MALFORMED)
def test_a_malformed_variable_is_named_in_one_line_that_does_not_repeat_its_value(
    kind: type[ServiceSettings], name: str, value: str, environment: pytest.MonkeyPatch
) -> None:
    environment.setenv(name, value)

    said = complaint(kind)

    assert said.startswith(f"settings: {name}: ")
    assert len(said) > len(f"settings: {name}: ")
    assert "\n" not in said
    assert CANARY not in said


def test_all_that_is_wrong_is_said_at_once(environment: pytest.MonkeyPatch) -> None:
    environment.delenv("DATABASE_URL")
    environment.setenv("PORT", CANARY)

    said = complaint(CatalogSettings)

    assert "DATABASE_URL: missing" in said
    assert "; PORT: " in said


def test_the_first_secret_key_comes_first_and_spaces_around_keys_do_not_count(environment: pytest.MonkeyPatch) -> None:
    environment.setenv("SECRET_KEY", "0123456789abcdef, fedcba9876543210")

    assert load(CatalogSettings).keys == (b"0123456789abcdef", b"fedcba9876543210")


def test_the_public_address_ends_without_a_slash() -> None:
    assert load(CatalogSettings).public_url == "https://seminars.example.org"


@pytest.mark.parametrize(
    ("tokens", "presented", "name"),
    [
        ("kari:token-of-kari,token-of-nobody", "token-of-kari", "kari"),
        ("kari:token-of-kari,token-of-nobody", "token-of-nobody", "organiser"),
        (" kari:token-of-kari , ola:token-of-ola ", "token-of-ola", "ola"),
        ("kari:token-of-kari", "kari:token-of-kari", None),
        ("kari:token-of-kari", "kari", None),
        ("kari:token-of-kari", "token-of-kar", None),
        ("kari:token-of-kari", "", None),
        ("kari:token-of-kari", "tøken", None),
    ],
)
def test_an_organiser_is_known_by_the_token_alone_and_named_in_front_of_it(
    tokens: str, presented: str, name: str | None
) -> None:
    assert organiser(tokens, presented) == name


def test_the_hosts_of_players_are_as_many_as_there_are_commas_between(environment: pytest.MonkeyPatch) -> None:
    assert load(CatalogSettings).players == frozenset()
    environment.setenv("EMBED_HOSTS", "player.example.org, film.example.org:8443,")
    assert load(CatalogSettings).players == {"player.example.org", "film.example.org:8443"}


def test_a_service_by_itself_refuses_the_bus_of_the_single_process() -> None:
    process = ran("registration", BUS_URL="local:")

    assert process.returncode == 1
    assert process.stderr.startswith("settings: BUS_URL: ")
    assert process.stderr.count("\n") == 1


def test_migrating_for_the_bus_of_the_single_process_is_refused_too() -> None:
    process = ran("catalog", "migrate", BUS_URL="local:")

    assert process.returncode == 1
    assert process.stderr.startswith("settings: BUS_URL: ")


def test_a_service_that_lacks_a_variable_ends_with_the_line_that_names_it() -> None:
    process = ran("notification", SMTP_URL=f"http://{CANARY}")

    assert process.returncode == 1
    assert process.stderr.startswith("settings: SMTP_URL: ")
    assert process.stderr.count("\n") == 1
    assert CANARY not in process.stderr


def test_an_unknown_argument_is_answered_with_the_usage() -> None:
    process = ran("catalog", "serve")

    assert process.returncode == 1
    assert process.stderr.startswith("usage: python -m services.catalog [migrate | dead-letters ")
    assert process.stderr.count("\n") == 1
