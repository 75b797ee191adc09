"""A dated version of the refund policy: its numbers, its spend order and the words of its clauses."""

import math
from collections.abc import Mapping
from dataclasses import dataclass, field, fields, replace
from datetime import UTC, datetime
from types import MappingProxyType
from typing import Any, Final

from refundlib.domain.errors import BadFigure

SPEND_ORDERS: Final = ("fifo", "refunds_first", "refunds_last")

# The public help text's clauses, in our words.
CLAUSES: Final[Mapping[str, str]] = MappingProxyType(
    {
        "W1": "The report must arrive within {window_days} days of the charge.",
        "W2": "Keep the evidence, the conversation with the customer included.",
        "J1": "Refundable: the job changed significantly from the request.",
        "T1": "Refundable: the job or customer breaks the terms of service.",
        "P1": "Refundable: the customer's phone number is not valid.",
        "N1": "Refundable, opportunities only: the customer's first response to the quote is a clear no.",
        "H1": "Never refundable because the customer did not hire the pro.",
        "D1": "Other situations may be refunded at discretion: a person decides, with a written reason.",
        "S1": "Reports are handled within {sla_hours} hours.",
        "S2": "The pro gets an email when a refund is processed; denials are mailed too.",
        "B1": "An approved refund appears in the account balance at once, to cover future leads.",
        "C1": "A card refund must be requested within {card_refund_days} days of the refund credit.",
        "C2": "Only credit that is still unspent can go back to the card.",
    }
)


@dataclass(frozen=True)
class Policy:
    """One version. Miles, hours and days as named; approval_limit_minor in minor units of any currency."""

    version: str
    effective_from: datetime
    window_days: int
    job_changed_miles: float
    sla_hours: int
    card_refund_days: int
    spend_order: str
    approval_limit_minor: int
    clauses: Mapping[str, str] = field(default_factory=dict)

    def clause(self, clause_id: str) -> str:
        """The words of a clause: the version's own, else the public help text with this version's numbers."""
        text = self.clauses.get(clause_id) or CLAUSES[clause_id]
        numbers = {
            "window_days": self.window_days,
            "sla_hours": self.sla_hours,
            "card_refund_days": self.card_refund_days,
        }
        for name, number in numbers.items():
            text = text.replace(f"{{{name}}}", str(number))
        return text


# What each clause becomes in the checks and the books, beside the words a pro reads.
RULES: Final[Mapping[str, str]] = MappingProxyType(
    {
        "W1": "Reported at most {window_days} days after the charge; exactly {window_days} counts.",
        "W2": "At least one message of the conversation is on file; none: a person looks.",
        "J1": "The new zip is over {job_changed_miles} miles away, or the new category is not offered.",
        "T1": "Words of the description or the chat show it; words that only sound like it speak against it.",
        "P1": "The number cannot exist. One for fiction, or called dead in the chat: a person looks.",
        "N1": "The customer’s first response after the pro’s first message refuses the offer.",
        "H1": "The reason “not hired” fails always.",
        "D1": "The reason “other” is for a person to decide.",
        "S1": "The deadline is {sla_hours} hours after the report; waiting on the pro stops it.",
        "S2": "A mail for each credit, card refund and denial, in the transaction that causes it.",
        "B1": "Nothing was refunded on the charge before; the credit is a lot on the balance at once.",
        "C1": "A card refund can be asked for until {card_refund_days} days after the credit.",
        "C2": "At most what is left of the credit’s lot; money is spent {spend_order}.",
    }
)
_SPENT: Final = {
    "fifo": "oldest first",
    "refunds_first": "refund credits first",
    "refunds_last": "refund credits last",
}


def rule_in_words(policy: "Policy", clause_id: str) -> str:
    """What a clause becomes in the checks and the books, with this version's numbers."""
    numbers = {
        "window_days": f"{policy.window_days}",
        "job_changed_miles": f"{policy.job_changed_miles:g}",
        "sla_hours": f"{policy.sla_hours}",
        "card_refund_days": f"{policy.card_refund_days}",
        "spend_order": _SPENT[policy.spend_order],
    }
    return RULES[clause_id].format_map(numbers)


# Equals the version that sql/migrations/0006 puts in force from the beginning of time; a test compares them.
BUILT_IN: Final = Policy(
    version="2026-02",
    effective_from=datetime(1, 1, 1, tzinfo=UTC),
    window_days=30,
    job_changed_miles=25.0,
    sla_hours=48,
    card_refund_days=14,
    spend_order="fifo",
    approval_limit_minor=3000,
)

_HIGHEST: Final = {
    "window_days": 3650,
    "sla_hours": 8760,
    "card_refund_days": 3650,
    "approval_limit_minor": 2**63 - 1,
}


def policy_from_json(data: object) -> Policy:
    """A policy from a JSON object with any of Policy's keys; what is missing is the built-in version's.

    Raises BadFigure with the key that is wrong.
    """
    if not isinstance(data, dict):
        raise BadFigure('A policy is one JSON object, such as {"window_days": 45}.')
    known = {each.name for each in fields(Policy)}
    unknown = sorted(set(data) - known)
    if unknown:
        raise BadFigure(
            f"The policy has an unknown key {unknown[0]!r}; the keys are {', '.join(sorted(known))}."
        )
    return replace(BUILT_IN, **{key: _value(key, value) for key, value in data.items()})


def _value(key: str, value: Any) -> Any:
    if key in _HIGHEST:
        return _whole(key, value)
    return _READERS[key](value)


def _whole(key: str, value: object) -> int:
    if isinstance(value, bool) or not isinstance(value, int) or not 0 <= value <= _HIGHEST[key]:
        raise BadFigure(
            f"The policy's {key} must be a whole number from 0 to {_HIGHEST[key]}, not {value!r}."
        )
    return value


def _miles(value: object) -> float:
    number = isinstance(value, int | float) and not isinstance(value, bool)
    if not number or not math.isfinite(value) or value < 0:  # type: ignore[arg-type,operator]
        raise BadFigure(f"The policy's job_changed_miles must be a number from 0 up, not {value!r}.")
    return float(value)  # type: ignore[arg-type]


def _version(value: object) -> str:
    if not isinstance(value, str) or not value:
        raise BadFigure("The policy's version must be a name.")
    return value


def _spend_order(value: object) -> str:
    if value not in SPEND_ORDERS:
        raise BadFigure(f"The policy's spend_order must be one of {', '.join(SPEND_ORDERS)}, not {value!r}.")
    return str(value)


def _clauses(value: object) -> Mapping[str, str]:
    if not isinstance(value, dict) or not all(isinstance(text, str) for text in value.values()):
        raise BadFigure("The policy's clauses must be an object of clause to text.")
    unknown = sorted(set(value) - set(CLAUSES))
    if unknown:
        raise BadFigure(f"The policy's clauses name {unknown[0]!r}; the clauses are {', '.join(CLAUSES)}.")
    return dict(value)


def _effective_from(value: object) -> datetime:
    try:
        moment = datetime.fromisoformat(value)  # type: ignore[arg-type]
        if moment.tzinfo is None:
            raise ValueError
        return moment.astimezone(UTC)
    except (TypeError, ValueError, OverflowError):
        raise BadFigure(
            f"The policy's effective_from must be a time with an offset, not {value!r}."
        ) from None


_READERS: Final = {
    "version": _version,
    "effective_from": _effective_from,
    "job_changed_miles": _miles,
    "spend_order": _spend_order,
    "clauses": _clauses,
}
