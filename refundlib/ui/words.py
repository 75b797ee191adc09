"""The desk's facts in an operator's words: reasons, states, times left, times in the reader's zone."""

import re
from collections.abc import Mapping
from datetime import datetime
from typing import Any, Final

from refundlib.domain.money import format_money
from refundlib.domain.people import Person, zone_of

REASONS: Final[Mapping[str, str]] = {
    "job_changed": "job changed",
    "terms_violation": "breaks the terms",
    "invalid_phone": "invalid phone",
    "clear_no": "first reply “no”",
    "not_hired": "not hired",
    "other": "other",
}
STATES: Final[Mapping[str, str]] = {
    "open": "open",
    "waiting_on_pro": "waiting on the pro",
    "awaiting_second_approval": "needs a second approval",
    "approved": "approved",
    "denied": "denied",
    "withdrawn": "withdrawn",
}
RECOMMENDS: Final[Mapping[str, str]] = {"approve": "approve", "deny": "deny", "review": "look closely"}
CHECKS: Final[Mapping[str, str]] = {
    "within_window": "Reported in time",
    "not_refunded_before": "Not refunded before",
    "conversation_on_file": "Conversation on file",
    "reason_qualifies": "Reason qualifies",
    "job_changed": "The job changed",
    "terms_violated": "Breaks the terms",
    "phone_invalid": "Phone is not valid",
    "first_response_clear_no": "First reply is a clear no",
}
MARKS: Final[Mapping[str, str]] = {"pass": "✓", "fail": "✗", "unsure": "?", "not_applicable": "–"}
ACCOUNTS: Final[Mapping[str, str]] = {
    "processor_clearing": "Processor clearing",
    "pro_balance": "Pro balance",
    "pro_held": "Held for the pro",
    "lead_revenue": "Lead revenue",
    "refunds_given": "Refunds given",
    "processor_fees": "Processor fees",
    "bank": "Bank",
}
EVENTS: Final[Mapping[str, str]] = {
    "payment": "Payment",
    "charge": "Charge",
    "refund": "Refund credit",
    "refund_undone": "Refund undone",
    "card_refund_requested": "Card refund requested",
    "card_refund_declined": "Card refund declined",
    "card_refund_failed": "Card refund failed",
    "card_refund_succeeded": "Card refund arrived",
    "card_refund_reversed": "Card refund came back",
    "processor_fee": "Processor fee",
    "bank_payout": "Payout to our bank",
    "adjustment": "Adjustment",
}
PAYOUTS: Final[Mapping[str, str]] = {
    "requested": "to be sent",
    "submitted": "being sent",
    "unknown": "no answer yet",
    "pending": "on its way",
    "succeeded": "arrived",
    "failed": "failed",
    "reversed": "came back",
    "declined": "declined",
}
SOON_SECONDS: Final = 6 * 3600

_MARKDOWN: Final = re.compile(r"([\\`*_{}\[\]()#+\-.!|<>~$:&])")
# What Streamlit and its Markdown still make icons, links and arrows of when each sign is escaped.
_MADE_UP: Final = re.compile(r"(?<=:)(?=[a-z/])|(?=@)|(?<=www)(?=\.)|(?<=-)(?=>)|(?<=<)(?=-)", re.IGNORECASE)
_JOINER: Final = "\u2060"  # of no width, between two signs that must not be read as one
# Signs that turn the direction of what follows: nothing after somebody's text is to be turned by it.
_TURNING: Final = re.compile("[\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069]")


def plain(text: object) -> str:
    """Text of unknown origin for a place that reads Markdown: every sign stands for itself."""
    one_line = " ".join(_TURNING.sub("", str(text)).split())
    return _MARKDOWN.sub(r"\\\1", _MADE_UP.sub(_JOINER, one_line))


def plain_lines(text: object) -> str:
    """`plain`, with the lines of the text kept apart."""
    return "  \n".join(plain(line) for line in str(text).strip().splitlines())


def duration(seconds: float) -> str:
    """A stretch of time in two units: 2 d 3 h, 3 h 40 m, 12 m."""
    minutes = int(abs(seconds)) // 60
    days, hours, rest = minutes // 1440, minutes // 60 % 24, minutes % 60
    if days:
        return f"{days} d {hours} h"
    return f"{hours} h {rest:02} m" if hours else f"{rest} m"


def time_left(state: str, seconds: float) -> str:
    """What the eye first meets: "late by 2 h 10 m", "3 h 40 m left", "paused, 20 h 00 m left"."""
    if state == "waiting_on_pro":
        return f"paused, {duration(seconds)} left" if seconds > 0 else "paused"
    return f"late by {duration(seconds)}" if seconds < 0 else f"{duration(seconds)} left"


def urgency(state: str, seconds: float) -> str:
    """late, soon, waiting or calm: colour and word of a countdown."""
    if state == "waiting_on_pro":
        return "waiting"
    if seconds < 0:
        return "late"
    return "soon" if seconds < SOON_SECONDS else "calm"


def moment(at: datetime | None, person: Person) -> str:
    """A time as the reader's calendar has it: Mar 2, 10:04."""
    if at is None:
        return "–"
    local = at.astimezone(zone_of(person))
    return f"{local:%b} {local.day}, {local:%H:%M}"


def checklist(row: Mapping[str, Any]) -> str:
    """The checks of a row in short: 4 ✓ 1 ?"""
    counts = (("passes", "✓"), ("unsures", "?"), ("fails", "✗"))
    return "  ".join(f"{row[name]} {mark}" for name, mark in counts if row[name])


def count(number: int, noun: str) -> str:
    """3 charges, 1 charge."""
    return f"{number:,} {noun}{'' if number == 1 else 's'}"


def money(amount_minor: int, currency: str) -> str:
    """An amount for a place that reads Markdown."""
    return plain(format_money(amount_minor, currency))
