"""A dated version of the refund policy: its numbers, its spend order and the words of its clauses."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, fields, replace
from datetime import UTC, datetime
from types import MappingProxyType
from typing import Any, Final

from refundlib.domain.errors import BadFigure
from refundlib.domain.money import decimal_text


@dataclass(frozen=True)
class Figure:
    """A number of a policy: what people call it, and from what to what it can be, with so many decimals."""

    label: str
    least: float
    most: float
    decimals: int = 0


# The numbers, their names on the screen and their bounds: what the form, the services, the policy file and,
# held equal by a test, the database's own checks (sql/migrations/0019) read.
FIGURES: Final[Mapping[str, Figure]] = MappingProxyType(
    {
        "window_days": Figure("Days to report", 1, 3650),
        "job_changed_miles": Figure("Miles for a changed job", 0.01, 5000, decimals=2),
        "sla_hours": Figure("Hours to decide", 1, 8760),
        "card_refund_days": Figure("Days to ask for the card", 1, 3650),
        "approval_limit_minor": Figure("One person’s limit", 0, 1_000_000_000),
    }
)
SPEND_ORDERS: Final[Mapping[str, str]] = MappingProxyType(
    {
        "fifo": "oldest money first",
        "refunds_first": "refund credits first",
        "refunds_last": "refund credits last",
    }
)
# All that a version says beside its words, by the name of its column.
LABELS: Final[Mapping[str, str]] = MappingProxyType(
    {
        "window_days": FIGURES["window_days"].label,
        "job_changed_miles": FIGURES["job_changed_miles"].label,
        "sla_hours": FIGURES["sla_hours"].label,
        "card_refund_days": FIGURES["card_refund_days"].label,
        "spend_order": "What is spent first",
        "approval_limit_minor": FIGURES["approval_limit_minor"].label,
    }
)

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
    """One version. Miles, hours and days as named; approval_limit_minor in minor units of any currency.

    clauses: the words of every clause, with placeholders such as {window_days} for the version's numbers.
    """

    version: str
    effective_from: datetime
    window_days: int
    job_changed_miles: float
    sla_hours: int
    card_refund_days: int
    spend_order: str
    approval_limit_minor: int
    clauses: Mapping[str, str]

    def clause(self, clause_id: str) -> str:
        """The words of a clause with this version's numbers."""
        shown = in_words(self)
        return _PLACEHOLDER.sub(lambda it: shown.get(it[0][1:-1], it[0]), self.clauses[clause_id])


_PLACEHOLDER: Final = re.compile(r"\{[^{}]*\}")


def in_words(policy: "Policy") -> dict[str, str]:
    """What a version says beside its words, as people read it, by the name of its placeholder."""
    return {name: figure_in_words(name, getattr(policy, name)) for name in LABELS}


def figure_in_words(name: str, value: Any) -> str:
    """A number or the spend order as people read it; the limit in major units of a currency with cents."""
    if name == "spend_order":
        return SPEND_ORDERS[value]
    return decimal_text(value, "USD") if name == "approval_limit_minor" else f"{value:.10g}"


def check_placeholders(clause_id: str, text: str) -> None:
    """Raises BadFigure, naming it, for a placeholder that stands for no number, or a brace alone."""
    for found in _PLACEHOLDER.findall(text):
        if found[1:-1] not in LABELS:
            raise BadFigure(
                f"The text of {clause_id} has {found[:60]}, which stands for nothing; there are "
                f"{', '.join(f'{{{name}}}' for name in LABELS)}."
            )
    if alone := re.search(r"[{}][^{}]{0,30}", _PLACEHOLDER.sub("", text)):
        raise BadFigure(f"The text of {clause_id} has a brace alone: “{alone[0]}”. Write {{window_days}}.")


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


def rule_in_words(policy: "Policy", clause_id: str) -> str:
    """What a clause becomes in the checks and the books, with this version's numbers."""
    return RULES[clause_id].format_map(in_words(policy))


# Equals the version that sql/migrations/0006 puts in force from the beginning of time (its words: 0019);
# a test compares them.
BUILT_IN: Final = Policy(
    version="2026-02",
    effective_from=datetime(1, 1, 1, tzinfo=UTC),
    window_days=30,
    job_changed_miles=25.0,
    sla_hours=48,
    card_refund_days=14,
    spend_order="fifo",
    approval_limit_minor=3000,
    clauses=dict(CLAUSES),
)


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
    if key in FIGURES:
        return figure(key, value)
    return _READERS[key](value)


def figure(name: str, value: object) -> Any:
    """A number of a policy, an int or for miles a float. Raises BadFigure for what it cannot be."""
    bounds = FIGURES[name]
    kinds = (int, float) if bounds.decimals else (int,)
    # Compared before it is made a float: an integer can be larger than any float.
    fits = isinstance(value, kinds) and not isinstance(value, bool) and bounds.least <= value <= bounds.most
    if not fits or round(value, bounds.decimals) != value:  # type: ignore[call-overload]
        kind = f"number with at most {bounds.decimals} decimals" if bounds.decimals else "whole number"
        raise BadFigure(
            f"The policy's {name} must be a {kind} from {bounds.least} to {bounds.most}, not {_short(value)}."
        )
    return float(value) if bounds.decimals else value  # type: ignore[arg-type]


def _short(value: object) -> str:
    try:
        text = repr(value)
    except ValueError:  # an integer of more digits than Python writes
        return "a number of thousands of digits"
    return text if len(text) <= 40 else f"{text[:40]}…"


def _version(value: object) -> str:
    if not isinstance(value, str) or not value:
        raise BadFigure("The policy's version must be a name.")
    return value


def _spend_order(value: object) -> str:
    if not isinstance(value, str) or value not in SPEND_ORDERS:
        known = ", ".join(SPEND_ORDERS)
        raise BadFigure(f"The policy's spend_order must be one of {known}, not {_short(value)}.")
    return value


def _clauses(value: object) -> Mapping[str, str]:
    if not isinstance(value, dict) or not all(isinstance(text, str) for text in value.values()):
        raise BadFigure("The policy's clauses must be an object of clause to text.")
    unknown = sorted(set(value) - set(CLAUSES))
    if unknown:
        raise BadFigure(f"The policy's clauses name {unknown[0]!r}; the clauses are {', '.join(CLAUSES)}.")
    for clause_id, text in value.items():
        check_placeholders(clause_id, text)
    return {**CLAUSES, **{clause_id: text for clause_id, text in value.items() if text.strip()}}


def _effective_from(value: object) -> datetime:
    try:
        moment = datetime.fromisoformat(value)  # type: ignore[arg-type]
        if moment.tzinfo is None:
            raise ValueError
        return moment.astimezone(UTC)
    except (TypeError, ValueError, OverflowError):
        raise BadFigure(
            f"The policy's effective_from must be a time with an offset, not {_short(value)}."
        ) from None


_READERS: Final = {
    "version": _version,
    "effective_from": _effective_from,
    "spend_order": _spend_order,
    "clauses": _clauses,
}
