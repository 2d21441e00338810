"""A seminar file, through the same API as everybody's."""

from pathlib import Path
from typing import Any, NamedTuple

import aiohttp

from services.catalog import yaml_file


class ImportRefusedError(RuntimeError):
    """The file was not taken; the text names each field at fault."""


def read_document(path: Path) -> dict[str, Any]:
    """Return the seminar document in the file; raises ImportRefusedError with the line that is no YAML."""
    try:
        document = yaml_file.read(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise ImportRefusedError(f"{path}: {error.strerror}") from error
    except (yaml_file.NotYamlError, UnicodeDecodeError) as error:
        raise ImportRefusedError(f"{path}: no YAML: {error}") from error
    if "slug" not in document:
        raise ImportRefusedError(f"{path}: slug: missing")
    return document


class Imported(NamedTuple):
    """The revision that came of a file, and what its organiser may want to hear of it."""

    revision: int
    warnings: list[str]


async def import_file(session: aiohttp.ClientSession, url: str, token: str, path: Path) -> Imported:
    """Create or replace the seminar in the file; raises ImportRefusedError."""
    document = read_document(path)
    address = f"{url}/api/seminars/{document['slug']}"
    headers = {"Authorization": f"Bearer {token}"}
    async with session.get(address, headers=headers) as standing:
        if standing.ok:
            headers["If-Match"] = standing.headers["ETag"]
    async with session.put(address, json=document, headers=headers) as answer:
        if not answer.ok:
            raise ImportRefusedError(f"{path}: {_why(await answer.json())}")
        revision = int(answer.headers["ETag"].strip('"'))
    async with session.post(f"{url}/api/seminar-checks", json=document, headers=headers) as answer:
        said = (await answer.json())["warnings"] if answer.ok else []
    return Imported(revision, [f"{warning['field']}: {warning['detail']}" for warning in said])


def _why(problem: dict[str, Any]) -> str:
    errors = [f"{error['field']}: {error['detail']}" for error in problem.get("errors", [])]
    return "; ".join(errors) or f"{problem['title']} {problem.get('detail', '')}".strip()
