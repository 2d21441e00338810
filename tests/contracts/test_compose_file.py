"""What docker-compose.yml says is what the specification allows, and what the code says elsewhere."""

import json
import re
import subprocess
import sys
from pathlib import Path

import pytest

from local.routes import caddyfile
from local.services import SERVICES
from shared.topology import EXCHANGE, permissions
from tests.compose import PRODUCTION, ROOT, TRY_OUT, MissingVariableError, read

NEEDED_IN_PRODUCTION = {
    "PUBLIC_URL": "https://seminar.example.no",
    "SECRET_KEY": "a-key-of-our-own-for-this-test",
    "ORGANISER_TOKENS": "anna:a-token-of-annas",
    "CATALOG_PASSWORD": "catalogs-own",
    "REGISTRATION_PASSWORD": "registrations-own",
    "NOTIFICATION_PASSWORD": "notifications-own",
    "DEPLOYER_PASSWORD": "deployers-own",
    "SMTP_URL": "smtp+starttls://smtp.example.no",
    "MAIL_FROM": "post@example.no",
}


@pytest.mark.parametrize("file", [TRY_OUT, PRODUCTION])
def test_the_files_are_what_the_specification_allows(file: Path) -> None:
    check = Path(sys.executable).with_name("check-jsonschema")
    done = subprocess.run([check, "--builtin-schema", "vendor.compose-spec", file], capture_output=True, check=False)

    assert done.returncode == 0, done.stdout.decode()


def test_a_try_out_needs_no_variable_and_is_reached_from_this_machine_alone() -> None:
    project = read(TRY_OUT)

    ports = [port for service in project["services"].values() for port in service.get("ports", [])]
    assert ports
    assert all(port.startswith("127.0.0.1:") for port in ports)


@pytest.mark.parametrize("name", NEEDED_IN_PRODUCTION)
def test_a_site_for_others_does_not_start_without(name: str) -> None:
    rest = {other: value for other, value in NEEDED_IN_PRODUCTION.items() if other != name}

    with pytest.raises(MissingVariableError, match=rf"^{name}: "):
        read(TRY_OUT, PRODUCTION, **rest)


def test_no_secret_that_everybody_can_read_is_left_in_a_site_for_others() -> None:
    secrets = [default for default in re.findall(r":-([^{}]*)\}", TRY_OUT.read_text()) if "try-out" in default]
    site = read(TRY_OUT, PRODUCTION, **NEEDED_IN_PRODUCTION)

    assert secrets
    assert [secret for secret in secrets if secret in json.dumps(site)] == []
    assert "localhost" not in json.dumps([site["services"][name]["environment"] for name in SERVICES])
    assert site["services"]["mailpit"]["scale"] == 0


@pytest.mark.parametrize("name", SERVICES)
def test_a_service_gets_only_what_it_reads(name: str) -> None:
    services = read(TRY_OUT)["services"]
    known = {field.upper() for field in SERVICES[name].settings.model_fields}

    assert set(services[name]["environment"]) <= known
    assert set(services[f"migrate-{name}"]["environment"]) <= known


@pytest.mark.parametrize("name", SERVICES)
def test_a_service_scales_and_waits_for_all_that_prepares_its_queues(name: str) -> None:
    service = read(TRY_OUT)["services"][name]

    assert {"container_name", "ports", "hostname"} & set(service) == set()
    assert service["depends_on"] == {
        f"migrate-{each}": {"condition": "service_completed_successfully"} for each in SERVICES
    }


def test_a_broker_user_may_do_what_the_topology_says() -> None:
    users = json.loads(read(TRY_OUT)["configs"]["broker-users"]["content"])
    vhost = {"vhost": "fagseminar"}

    assert users["permissions"][0] == {"user": "deployer", "configure": ".*", "write": ".*", "read": ".*"} | vhost
    assert users["permissions"][1:] == [
        {"user": name, "configure": may.configure, "write": may.write, "read": may.read} | vhost
        for name, may in zip(SERVICES, map(permissions, SERVICES), strict=True)
    ]
    assert users["topic_permissions"] == [
        {"user": name, "exchange": EXCHANGE, "write": may.publish, "read": may.bind} | vhost
        for name, may in zip(SERVICES, map(permissions, SERVICES), strict=True)
    ]


def test_the_proxys_routes_are_those_of_the_local_one() -> None:
    assert (ROOT / "ops/compose/Caddyfile").read_text() == caddyfile()
