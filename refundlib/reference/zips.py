"""US zips and their places, from the data of the package zipcodes; nothing is downloaded."""

from collections.abc import Mapping
from functools import cached_property
from typing import Final

import zipcodes

from refundlib.domain.eligibility import Place

_KINDS: Final = {"STANDARD": "standard", "UNIQUE": "unique", "PO BOX": "po_box", "MILITARY": "military"}


class ZipTable:
    """Every US zip; read once, at the first question (about half a second, some 10 MB)."""

    @cached_property
    def _rows(self) -> Mapping[str, tuple[str, str, str, float, float]]:
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

    def place(self, zip_code: str) -> Place | None:
        """The place of a five-digit zip; None when there is no such zip."""
        row = self._rows.get(zip_code)
        return Place(zip_code, *row) if row else None

    def states(self) -> Mapping[str, str]:
        """The state of every zip: {"10001": "NY"}."""
        return {zip_code: row[1] for zip_code, row in self._rows.items()}
