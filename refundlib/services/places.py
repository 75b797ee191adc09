"""Where a page of a long list begins: moment and id of the row before it, as an address carries them."""

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Final, TypeVar

from refundlib.domain.errors import BadFigure

T = TypeVar("T")
END_OF_TIME: Final = datetime.max.replace(tzinfo=UTC)
_BETWEEN: Final = "~"


def named(at: datetime, row_id: object) -> str:
    """The place after a row, for `place`."""
    return f"{at.isoformat()}{_BETWEEN}{row_id}"


def place(after: str | None, first_id: T, read_id: Callable[[str], T], refused: str) -> tuple[datetime, T]:
    """The moment (UTC) and id before which a page begins; the end of time and first_id for the first page.

    read_id makes an id of its text. Raises BadFigure with the sentence `refused`.
    """
    if not after:
        return END_OF_TIME, first_id
    at, _, row_id = after.partition(_BETWEEN)
    try:
        return datetime.fromisoformat(at).astimezone(UTC), read_id(row_id)
    except (ValueError, OverflowError):
        raise BadFigure(refused) from None
