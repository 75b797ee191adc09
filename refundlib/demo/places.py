"""Where the demo's leads are: real zips of American towns, with their areas' telephone codes."""

from functools import cache
from typing import Final, NamedTuple


class Town(NamedTuple):
    """A town: a zip, its name, its telephone area, a zip next to it."""

    zip: str
    name: str
    area: int
    near: str


TOWNS: Final = tuple(
    Town(*row)
    for row in (
        ("10001", "New York", 212, "10003"),
        ("11201", "Brooklyn", 718, "11217"),
        ("02108", "Boston", 617, "02116"),
        ("19103", "Philadelphia", 215, "19147"),
        ("20001", "Washington", 202, "20009"),
        ("30303", "Atlanta", 404, "30308"),
        ("33131", "Miami", 305, "33145"),
        ("28202", "Charlotte", 704, "28203"),
        ("60601", "Chicago", 312, "60614"),
        ("48226", "Detroit", 313, "48201"),
        ("55401", "Minneapolis", 612, "55408"),
        ("63101", "St. Louis", 314, "63104"),
        ("75201", "Dallas", 214, "75204"),
        ("77002", "Houston", 713, "77006"),
        ("78701", "Austin", 512, "78704"),
        ("80202", "Denver", 303, "80205"),
        ("85004", "Phoenix", 602, "85006"),
        ("84101", "Salt Lake City", 801, "84105"),
        ("90012", "Los Angeles", 213, "90026"),
        ("94103", "San Francisco", 415, "94110"),
        ("97204", "Portland", 503, "97214"),
        ("98101", "Seattle", 206, "98109"),
    )
)

_ONE_CITY: Final = frozenset({"New York", "Brooklyn"})


@cache
def far_from(town: Town) -> tuple[Town, ...]:
    """The towns to which a job cannot move without being another job."""
    return tuple(other for other in TOWNS if other != town and not {town.name, other.name} <= _ONE_CITY)
