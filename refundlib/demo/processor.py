"""The demo processor's report: some days of the ledger as the processor would tell them, and a few faults.

The faults are the story: a refund without its line, one made by hand, a payment whose ids are missing.
"""

import csv
import io
from collections.abc import Iterable, Iterator
from datetime import datetime, timedelta
from typing import Any, Final

COLUMNS: Final = (
    "balance_transaction_id",
    "created_utc",
    "available_on_utc",
    "currency",
    "gross",
    "fee",
    "net",
    "reporting_category",
    "description",
    "source_id",
    "charge_id",
    "payment_intent_id",
    "refund_metadata[payout_id]",
)
# The usual price of a card payment: 2.9 % and 30 cents.
FEE_SHARE: Final = 29
FEE_FIXED_MINOR: Final = 30
_LOST_REFUND: Final = 2
_NAMELESS_PAYMENT: Final = 5

Row = dict[str, Any]


def report(payments: Iterable[Row], payouts: Iterable[Row], since: datetime, until: datetime) -> str:
    """The report of the time from `since` until `until` as CSV, in dollars, faults included.

    payments: processor_ref, amount, paid_at; payouts: payout_id, processor_ref, amount, state, sent_at,
    settled_at, reversed_at (minor units).
    """
    lines = [*_charges(payments), *_refunds(payouts, since, until), _by_hand(until)]
    lines = [line for line in lines if since <= line["at"] < until]
    lines += _bank_payouts(lines, since, until)
    buffer = io.StringIO()
    writer = csv.writer(buffer, lineterminator="\n")
    writer.writerow(COLUMNS)
    for number, line in enumerate(sorted(lines, key=lambda each: each["at"]), start=1):
        writer.writerow(_cells(f"txn_demo{number:06}", line))
    return buffer.getvalue()


def _charges(payments: Iterable[Row]) -> Iterator[Row]:
    for number, payment in enumerate(payments):
        fee = round(payment["amount"] * FEE_SHARE / 1000) + FEE_FIXED_MINOR
        known = number != _NAMELESS_PAYMENT
        ref = payment["processor_ref"] if known else ""
        yield _line("charge", payment["paid_at"], payment["amount"], fee=fee, source=ref, charge=ref)


def _refunds(payouts: Iterable[Row], since: datetime, until: datetime) -> Iterator[Row]:
    sent = 0
    for payout in payouts:
        ref = payout["processor_ref"] or ""
        if since <= payout["sent_at"] < until - timedelta(days=2) and payout["state"] == "succeeded":
            sent += 1
        if sent != _LOST_REFUND or payout["state"] != "succeeded":
            yield _line(
                "refund", payout["sent_at"], -payout["amount"], source=ref, payout_id=payout["payout_id"]
            )
        else:
            sent += 1
        back_at = payout["reversed_at"] or (payout["settled_at"] if payout["state"] == "failed" else None)
        if back_at:
            yield _line(
                "refund_failure", back_at, payout["amount"], source=ref, payout_id=payout["payout_id"]
            )


def _by_hand(until: datetime) -> Row:
    at = until - timedelta(days=2, hours=7)
    return _line(
        "refund", at, -4000, source="re_by_hand", description="Refunded in the processor’s dashboard"
    )


def _bank_payouts(lines: list[Row], since: datetime, until: datetime) -> Iterator[Row]:
    """Each morning what came in two days before."""
    day = since
    while day + timedelta(days=2) < until:
        net = sum(
            line["gross"] - line["fee"] for line in lines if day <= line["at"] < day + timedelta(days=1)
        )
        if net > 0:
            yield _line("payout", day + timedelta(days=2, hours=1), -net, source=f"po_{day:%Y%m%d}")
        day += timedelta(days=1)


def _line(
    category: str,
    at: datetime,
    gross: int,
    *,
    fee: int = 0,
    source: str = "",
    charge: str = "",
    payout_id: str = "",
    description: str = "",
) -> Row:
    return {
        "category": category,
        "at": at,
        "gross": gross,
        "fee": fee,
        "source": source,
        "charge": charge,
        "payout_id": payout_id,
        "description": description or category.replace("_", " ").capitalize(),
    }


def _cells(line_id: str, line: Row) -> tuple[str, ...]:
    at, available = (f"{moment:%Y-%m-%d %H:%M:%S}" for moment in (line["at"], line["at"] + timedelta(days=2)))
    gross, fee, net = (f"{n / 100:.2f}" for n in (line["gross"], line["fee"], line["gross"] - line["fee"]))
    return (
        line_id,
        at,
        available,
        "usd",
        gross,
        fee,
        net,
        line["category"],
        line["description"],
        line["source"],
        line["charge"],
        "",
        line["payout_id"],
    )
