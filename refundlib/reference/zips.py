"""US zips and their places, from the data of the package zipcodes; nothing is downloaded."""

from collections.abc import Mapping
from functools import lru_cache
from typing import Final

import zipcodes

from refundlib.domain.eligibility import Place

_KINDS: Final = {"STANDARD": "standard", "UNIQUE": "unique", "PO BOX": "po_box", "MILITARY": "military"}


_Row = tuple[str, str, str, float, float]


@lru_cache(maxsize=1)
def _rows() -> Mapping[str, _Row]:
    """Every US zip, read once a process, at the first question (about half a second, some 10 MB)."""
    return {
        row["zip_code"]: (
            row["city"],
            row["state"],
            _KINDS.get(row["zip_code_type"], "standard"),
            float(row["lat"]),
            float(row["long"]),
        )
        for row in zipcodes.list_all()  # type: ignore[no-untyped-call]  # the package has no types
    }


class ZipTable:
    """Every US zip."""

    def place(self, zip_code: str) -> Place | None:
        """The place of a five-digit zip; None when there is no such zip."""
        row = _rows().get(zip_code)
        return Place(zip_code, *row) if row else None

    def states(self) -> Mapping[str, str]:
        """The state of every zip: {"10001": "NY"}."""
        return {zip_code: row[1] for zip_code, row in _rows().items()}
