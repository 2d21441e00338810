"""A cell of a spreadsheet."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.registration.exports import UNPRINTABLE, Value, cell
from tests.factories import UNHURRIED


@pytest.mark.parametrize("text", ["=1+1", "+47 22 24 90 90", "-1", "@SUM(A1)", " =1", "＝1"])
def test_a_cell_that_a_spreadsheet_would_take_for_a_formula_is_quoted(text: str) -> None:
    assert cell(text) == f"'{text}"


@pytest.mark.parametrize(("value", "text"), [(None, ""), (12, "12"), ("Kari", "Kari"), ("a=b", "a=b"), ("", "")])
def test_any_other_cell_is_left_as_it_is(value: Value, text: str) -> None:
    assert cell(value) == text


@UNHURRIED
@given(st.none() | st.integers() | st.text())
def test_no_cell_begins_like_a_formula_or_holds_what_moves_a_cursor(value: Value) -> None:
    assert not cell(value).lstrip().startswith(("=", "+", "-", "@"))
    assert not UNPRINTABLE.search(cell(value))
