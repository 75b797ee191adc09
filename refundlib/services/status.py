"""What is in the database: counts and sums, read back from the tables."""

from typing import Any

from refundlib.db.queries import queries
from refundlib.services.desk import Desk

_MONEY = ("charged_minor", "paid_minor", "refunded_minor", "card_refunded_minor")


def status(desk: Desk) -> dict[str, Any]:
    """Counts of every kind, and sums in minor units.

    With several currencies the sums are null, and by_currency has them one by one: money is never added
    across currencies.
    """
    with desk.reading() as conn:
        figures: dict[str, Any] = queries.status.figures(conn)
        by_currency = {row.pop("currency"): row for row in queries.status.money_by_currency(conn)}
    if len(by_currency) > 1:
        figures |= dict.fromkeys(_MONEY)
        figures["by_currency"] = by_currency
    return figures


def is_empty(desk: Desk) -> bool:
    """Whether neither a charge nor a report was loaded yet."""
    with desk.reading() as conn:
        return bool(queries.status.is_empty(conn))
