import pytest

from services.notification.spoken import SpokenRule, spoken


@pytest.mark.parametrize(
    ("rule", "parts"),
    [
        ("before_start P1D", SpokenRule("before_start", (("day", 1),))),
        ("before_start P1WT2H", SpokenRule("before_start", (("week", 1), ("hour", 2)))),
        ("before_start PT0M", SpokenRule("before_start")),
        ("after_end PT15M", SpokenRule("after_end", (("minute", 15),))),
        ("at 2023-05-31T08:00:00+00:00", SpokenRule("at")),
    ],
)
def test_a_rule_is_spoken_of_by_its_parts(rule: str, parts: SpokenRule) -> None:
    assert spoken(rule) == parts
