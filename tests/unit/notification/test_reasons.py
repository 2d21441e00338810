"""Why an e-mail was closed is said in the reader's language, whatever the reason."""

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

import services.notification as package
from shared.web.pages import environment

FOLDER = Path(str(package.__file__)).parent


def given() -> Iterator[str]:
    """Yield every reason that the code gives word for word."""
    for module in FOLDER.glob("*.py"):
        for node in ast.walk(ast.parse(module.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "Verdict":
                yield from (a.value for a in node.args if isinstance(a, ast.Constant) and isinstance(a.value, str))


def test_the_reasons_are_found() -> None:
    assert {"the server refuses the address", "not taken in time"} < set(given())


@pytest.mark.parametrize("reason", sorted(set(given())))
def test_a_reason_is_worded_in_norwegian(reason: str) -> None:
    words = environment(FOLDER / "templates", "nb").get_template("organiser/words.html").make_module({"seminar": None})

    said = str(words.reason_of(reason)).strip()  # type: ignore[attr-defined] # a macro of the template

    assert said
    assert said != reason
