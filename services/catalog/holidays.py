"""Norway's public holidays: those of helligdagsloven § 2, and 1 and 17 May by the law of 26 April 1947."""

from datetime import date, timedelta

FIXED = {
    (1, 1): "New Year's Day",
    (5, 1): "Labour Day",
    (5, 17): "Constitution Day",
    (12, 25): "Christmas Day",
    (12, 26): "Boxing Day",
}
BY_EASTER = {  # days from Easter Sunday
    -3: "Maundy Thursday",
    -2: "Good Friday",
    0: "Easter Sunday",
    1: "Easter Monday",
    39: "Ascension Day",
    49: "Whit Sunday",
    50: "Whit Monday",
}


def holiday(day: date) -> str | None:
    """Return the English name, a key of the catalogues, of the public holiday that `day` is."""
    return BY_EASTER.get((day - easter(day.year)).days) or FIXED.get((day.month, day.day))


def easter(year: int) -> date:
    """Return Easter Sunday in the Gregorian calendar: the Sunday after the church's full moon of spring."""
    century, golden = year // 100, year % 19
    days = (19 * golden + century - century // 4 - (century - (century + 8) // 25 + 1) // 3 + 15) % 30
    if days == 29 or (days == 28 and golden > 10):  # noqa: PLR2004 - days from 21 March; the rule's two exceptions
        days -= 1
    full_moon = date(year, 3, 21) + timedelta(days)
    return full_moon + timedelta(7 - full_moon.isoweekday() % 7)
