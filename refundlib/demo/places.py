"""Where the demo's leads are: real zips of American towns, with their areas' telephone codes."""

from typing import Final, NamedTuple


class Town(NamedTuple):
    """A town: a zip, its name, its telephone area."""

    zip: str
    name: str
    area: int


TOWNS: Final = tuple(
    Town(*row)
    for row in (
        ("10001", "New York", 212),
        ("11201", "Brooklyn", 718),
        ("02108", "Boston", 617),
        ("19103", "Philadelphia", 215),
        ("20001", "Washington", 202),
        ("30303", "Atlanta", 404),
        ("33131", "Miami", 305),
        ("28202", "Charlotte", 704),
        ("60601", "Chicago", 312),
        ("48226", "Detroit", 313),
        ("55401", "Minneapolis", 612),
        ("63101", "St. Louis", 314),
        ("75201", "Dallas", 214),
        ("77002", "Houston", 713),
        ("78701", "Austin", 512),
        ("80202", "Denver", 303),
        ("85004", "Phoenix", 602),
        ("84101", "Salt Lake City", 801),
        ("90012", "Los Angeles", 213),
        ("94103", "San Francisco", 415),
        ("97204", "Portland", 503),
        ("98101", "Seattle", 206),
    )
)
