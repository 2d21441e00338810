"""Which municipalities have somebody signed up, and which have not."""

from collections.abc import Collection, Iterable
from typing import NamedTuple

from services.registration.alphabet import norwegian
from services.registration.organisations import Organisation
from services.registration.tally import Origin


class County(NamedTuple):
    """A county and its municipalities."""

    number: str
    name: str
    covered: int
    """Municipalities with somebody signed up."""
    missing: tuple[Organisation, ...]

    @property
    def municipalities(self) -> int:
        """All that there are."""
        return self.covered + len(self.missing)

    @property
    def percent(self) -> int:
        """The share that is covered, full only when nobody is missing."""
        return 100 * self.covered // self.municipalities


def coverage(directory: Iterable[Organisation], origins: Iterable[Origin]) -> tuple[County, ...]:
    """Return the counties in the order of their numbers."""
    there = {each.place.municipality for each in origins if each.place}
    counties: dict[str, list[Organisation]] = {}
    for organisation in directory:
        if organisation.kind == "municipality":
            counties.setdefault(organisation.county_number, []).append(organisation)
    return tuple(_county(number, counties[number], there) for number in sorted(counties))


def _county(number: str, municipalities: list[Organisation], there: Collection[str]) -> County:
    missing = [one for one in municipalities if one.municipality not in there]
    alphabetical = sorted(missing, key=lambda one: norwegian(one.name))
    return County(number, municipalities[0].county, len(municipalities) - len(missing), tuple(alphabetical))
