"""A card processor that agrees with the desk in everything: its report, made of the desk's own rows.

Each payment costs its fee; each payout that was marked submitted is a refund at that time, and a
refund_failure when it came back; at one o'clock of every day a fixed sum goes to our bank.
"""

import csv
import io
from datetime import UTC, date, datetime, time, timedelta
from typing import Any

from sqlalchemy import text

from refundlib.services.desk import Desk

TO_BANK = 777
BANK_HOUR = time(1)
COLUMNS = (
    "balance_transaction_id", "created_utc", "currency", "gross", "fee", "net", "reporting_category",
    "source_id", "refund_metadata[payout_id]",
)  # fmt: skip
_ROWS = """
    SELECT 'charge', 'in_' || payment_id, paid_at, amount, currency, processor_ref, ''
    FROM marketplace.payments
    UNION ALL
    SELECT 'refund', 'out_' || payout_id, sent_at, -amount, currency, coalesce(processor_ref, ''), payout_id
    FROM refunds.payouts
    WHERE sent_at IS NOT NULL
    UNION ALL
    SELECT 'refund_failure', 'back_' || payout_id, coalesce(reversed_at, settled_at), amount, currency,
        coalesce(processor_ref, ''), payout_id
    FROM refunds.payouts
    WHERE state IN ('failed', 'reversed')
"""


def fee_of(amount: int) -> int:
    """What a payment costs us (minor units)."""
    return amount * 29 // 1000 + 30


def bank_line(day: date) -> tuple[str, datetime]:
    """The id and time of a day's payout to our bank."""
    return f"bank_{day}", datetime.combine(day, BANK_HOUR, UTC)


def report(owner: Desk, first: date, until: date) -> bytes:
    """What the processor tells of the days from `first` until `until` (not included), as CSV.

    For currencies of two decimals.
    """
    with owner.reading() as conn:
        rows = [tuple(row) for row in conn.execute(text(_ROWS))]
    for number in range((until - first).days):
        line_id, at = bank_line(first + timedelta(days=number))
        rows.append(("payout", line_id, at, -TO_BANK, "USD", "", ""))
    rows = sorted((row for row in rows if first <= row[2].date() < until), key=lambda row: (row[2], row[1]))
    out = io.StringIO()
    csv.writer(out, lineterminator="\n").writerows([COLUMNS, *map(_cells, rows)])
    return out.getvalue().encode()


def _cells(row: tuple[Any, ...]) -> tuple[str, ...]:
    category, line_id, at, gross, currency, source, payout_id = row
    fee = fee_of(gross) if category == "charge" else 0
    amounts = (f"{amount / 100:.2f}" for amount in (gross, fee, gross - fee))
    return (line_id, f"{at:%Y-%m-%d %H:%M:%S}", currency.lower(), *amounts, category, source, payout_id)
