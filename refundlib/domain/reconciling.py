"""What reconciliation knows of time and words: when a day's report is complete, and what each break means.

Source: DOMAIN and the processor's documentation of its reports.
"""

from collections.abc import Mapping
from datetime import UTC, date, datetime, timedelta
from types import MappingProxyType
from typing import Final

# A day's data is complete at about noon UTC of the next day.
READY_HOURS: Final = 12
# A card refund that finance has not sent for so long is a break.
REQUESTED_DAYS: Final = 3
# How far apart, in days, a line and a thing of ours may lie to be proposed as one.
PROPOSED_DAYS: Final = 3
# How long a break may stay without an explanation before it stops the daily close.
UNEXPLAINED_DAYS: Final = 3
# How far back from the last close breaks are still looked for.
CLOSED_DAYS_WATCHED: Final = 60

# Each class of break: what it is called, and what to do about it.
BREAKS: Final[Mapping[str, tuple[str, str]]] = MappingProxyType(
    {
        "decided_not_credited": (
            "Decided, not credited",
            "Approved, but the ledger has no credit. Run refunds check and tell who runs the desk.",
        ),
        "credited_without_decision": (
            "Credited without a decision",
            "The ledger has a credit without a decision. Run refunds check and tell who runs the desk.",
        ),
        "requested_not_sent": (
            "Requested, not sent",
            f"Asked for more than {REQUESTED_DAYS} days ago. Send or decline it on the card refunds page.",
        ),
        "sent_not_found": (
            "Sent, not found",
            "We sent it; the processor's report of that day has no line of it. Look it up at the processor.",
        ),
        "theirs_not_ours": (
            "Theirs, not ours",
            "The processor moved money we know nothing of. Find out who did it; then adjust, and match.",
        ),
        "ours_not_theirs": (
            "Ours, not theirs",
            "The ledger has it; the processor's report of that day does not. Look it up at the processor.",
        ),
        "amount_differs": (
            "Amount differs",
            "Both sides have it, with other amounts or currencies. Find out which is right.",
        ),
        "status_differs": (
            "Status differs",
            "Paid by one side and not by the other. Look the refund up at the processor.",
        ),
        "failed_not_restored": (
            "Failed, not restored",
            "It failed at the processor; the pro has no money back yet. The worker asks within a day.",
        ),
        "duplicate": (
            "Twice at the processor",
            "A second line for the same thing. Claim the money back from the processor, or from the pro.",
        ),
        "late_failure_after_close": (
            "Failed after the close",
            "The money came back on a day that was closed; it is booked on the next open day. Explain it.",
        ),
        "unknown_category": (
            "Unknown category",
            "The processor uses a category the desk does not know. Find out what it is, then explain it.",
        ),
    }
)


def complete_until(now: datetime) -> date:
    """The first UTC day whose report is not complete yet: every day before it is."""
    return (now.astimezone(UTC) - timedelta(hours=READY_HOURS)).date()


def complete_at(day: date) -> datetime:
    """From when on a UTC day's report is complete."""
    return datetime.combine(day + timedelta(days=1), datetime.min.time(), UTC) + timedelta(hours=READY_HOURS)
