"""docker-compose.yml as Compose reads it, for whoever has no Docker."""

import re
from pathlib import Path
from typing import Any

import yaml

ROOT = Path(__file__).parents[1]
TRY_OUT = ROOT / "docker-compose.yml"
PRODUCTION = ROOT / "ops" / "compose" / "production.yml"
SERVICES = ("catalog", "registration", "notification")

# $$, ${NAME}, ${NAME:-default} and ${NAME:?why}, whose last part may hold one more; a lone $ is an error.
VARIABLE = re.compile(r"\$(?:(\$)|\{(\w+)(?:(:[-?])((?:[^{}$]|\$\{[^{}]*\})*))?\})?")


class MissingVariableError(ValueError):
    """Compose would refuse to start; the text names the variable."""


def read(*files: Path, **environment: str) -> dict[str, Any]:
    """Return the project in `files`, its variables put in, each later file's values over the earlier ones'."""
    project: dict[str, Any] = {}
    for file in files:
        project = _over(project, _filled(yaml.safe_load(file.read_text()), environment))
    return project


def _over(below: Any, above: Any) -> Any:
    if not (isinstance(below, dict) and isinstance(above, dict)):
        return above
    return below | {key: _over(below.get(key), value) for key, value in above.items()}


def _filled(value: Any, environment: dict[str, str]) -> Any:
    if isinstance(value, dict):
        return {key: _filled(item, environment) for key, item in value.items()}
    if isinstance(value, list):
        return [_filled(item, environment) for item in value]
    return fill(value, environment) if isinstance(value, str) else value


def fill(text: str, environment: dict[str, str]) -> str:
    """Put the variables into one value; raises MissingVariableError."""

    def value(found: re.Match[str]) -> str:
        dollar, name, operator, rest = found.groups()
        if not (dollar or name):
            raise ValueError(f"a lone $ in {text!r}")
        if dollar or environment.get(name):
            return dollar or environment[name]
        if operator != ":-":
            raise MissingVariableError(f"{name}: {rest}")
        return fill(rest, environment)

    return VARIABLE.sub(value, text)
