"""The exchange format: the files, their columns, and how a cell is read. Source: DOMAIN, Exchange format."""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import pairwise
from typing import Any, Final

from refundlib.domain.money import CURRENCIES

MINOR_MAX: Final = 2**63 - 1  # bigint
_WHOLE: Final = re.compile(r"-?[0-9]{1,19}")
_SHAPE_OF_TIME: Final = re.compile(
    r"\d{4}-\d{2}-\d{2}[T ]\d{2}:\d{2}(:\d{2}([.,]\d{1,9})?)?(Z|[+-]\d{2}:?\d{2})"
)

Reader = Callable[[str], Any]


class CellError(ValueError):
    """A cell that cannot be read; the message is the reason."""


@dataclass(frozen=True)
class Column:
    """One column: its name, how a cell becomes a value, and the type staging gives it."""

    name: str
    read: Reader
    sql_type: str
    optional: bool = False  # the column may be absent


@dataclass(frozen=True)
class Table:
    """One file. key: the columns that name a row; grows: whether rows, once there, never change."""

    name: str
    columns: tuple[Column, ...]
    key: tuple[str, ...]
    grows: bool

    @property
    def file(self) -> str:
        """The file's name."""
        return f"{self.name}.csv"


# -- cells ------------------------------------------------------------------------------------------


def _text(cell: str) -> str:
    if "\x00" in cell:
        raise CellError("has a NUL character, which no text may have; remove it")
    return cell


def _filled(cell: str) -> str:
    if not cell.strip():
        raise CellError("is empty; it must be filled")
    return _text(cell)


def _maybe(read: Reader) -> Reader:
    return lambda cell: read(cell) if cell else None


def _one_of(*words: str) -> Reader:
    def read(cell: str) -> str:
        if cell not in words:
            raise CellError(f"is {_shown(cell)}; it must be one of {', '.join(words)}")
        return cell

    return read


def _whole(cell: str) -> int:
    if not _WHOLE.fullmatch(cell):
        raise CellError(
            f"is {_shown(cell)}; it must be a whole number of minor units, such as 2500 for $25.00"
        )
    value = int(cell)
    if abs(value) > MINOR_MAX:
        raise CellError(f"is {_shown(cell)}, which is too large")
    return value


def _positive(cell: str) -> int:
    value = _whole(cell)
    if value <= 0:
        raise CellError(f"is {value}; it must be more than zero")
    return value


def _not_negative(cell: str) -> int:
    value = _whole(cell or "0")
    if value < 0:
        raise CellError(f"is {value}; it must not be negative")
    return value


def _currency(cell: str) -> str:
    if cell not in CURRENCIES:
        raise CellError(f"is {_shown(cell)}; it must be an ISO 4217 currency in capitals, such as USD")
    return cell


def _time(cell: str) -> datetime:
    if not _SHAPE_OF_TIME.fullmatch(cell):
        raise CellError(f"is {_shown(cell)}; it must be a time with an offset, such as 2026-03-04T15:00:00Z")
    try:
        return datetime.fromisoformat(cell).astimezone(UTC)
    except (ValueError, OverflowError):
        raise CellError(f"is {_shown(cell)}, which no calendar has") from None


def _words(cell: str) -> list[str]:
    return [word.strip() for word in _text(cell).split("|") if word.strip()]


def _shown(cell: str) -> str:
    short = cell if len(cell) <= 60 else f"{cell[:57]}…"
    return repr(short) if cell else "empty"


def _c(name: str, read: Reader, sql_type: str = "text", *, optional: bool = False) -> Column:
    return Column(name, read, sql_type, optional)


def _id(name: str) -> Column:
    return _c(name, _filled)


def _at(name: str) -> Column:
    return _c(name, _time, "timestamptz")


# -- files, in the order in which they are taken --------------------------------------------------------

TABLES: Final = (
    Table(
        "pros",
        (
            _id("pro_id"),
            _c("name", _text),
            _c("email", _text),
            _c("phone", _text),
            _c("categories", _words, "text[]"),
            _c("zip", _text),
            _at("joined_at"),
        ),
        ("pro_id",),
        grows=False,
    ),
    Table(
        "customers",
        (_id("customer_id"), _c("name", _text), _c("email", _text), _c("phone", _text)),
        ("customer_id",),
        grows=False,
    ),
    Table(
        "leads",
        (
            _id("lead_id"),
            _c("kind", _one_of("lead", "opportunity")),
            _id("customer_id"),
            _c("category", _text),
            _c("zip", _text),
            _c("description", _text),
            _at("created_at"),
        ),
        ("lead_id",),
        grows=False,
    ),
    Table(
        "payments",
        (
            _id("payment_id"),
            _id("pro_id"),
            _c("amount", _positive, "bigint"),
            _c("currency", _currency),
            _at("paid_at"),
            _c("processor_ref", _text),
        ),
        ("payment_id",),
        grows=True,
    ),
    Table(
        "charges",
        (
            _id("charge_id"),
            _id("lead_id"),
            _id("pro_id"),
            _c("amount", _positive, "bigint"),
            _c("currency", _currency),
            _at("charged_at"),
            _c("paid_with", _one_of("balance", "card")),
            _c("payment_id", _maybe(_text)),
        ),
        ("charge_id",),
        grows=True,
    ),
    Table(
        "messages",
        (
            _id("message_id"),
            _id("lead_id"),
            _id("pro_id"),
            _c("sender", _one_of("pro", "customer", "system")),
            _c("body", _text),
            _at("sent_at"),
        ),
        ("message_id",),
        grows=True,
    ),
    Table(
        "reports",
        (
            _id("report_id"),
            _id("charge_id"),
            _c(
                "reason",
                _one_of("job_changed", "terms_violation", "invalid_phone", "clear_no", "not_hired", "other"),
            ),
            _c("details", _text),
            _c("changed_zip", _maybe(_text)),
            _c("changed_category", _maybe(_text)),
            _c("channel", _one_of("chat", "email", "phone")),
            _at("reported_at"),
        ),
        ("report_id",),
        grows=True,
    ),
    Table(
        "decisions",
        (
            _id("report_id"),
            _c("decision", _one_of("approve", "deny")),
            _c("refund_amount", _not_negative, "bigint"),
            _id("decided_by"),
            _at("decided_at"),
            _c("note", _text),
        ),
        ("report_id",),
        grows=True,
    ),
    Table(
        "card_refunds",
        (
            _id("card_refund_id"),
            _id("report_id"),
            _c("amount", _positive, "bigint"),
            _c("currency", _currency),
            _at("requested_at"),
            _c("submitted_at", _maybe(_time), "timestamptz"),
            _c("settled_at", _maybe(_time), "timestamptz"),
            _c("outcome", _one_of("pending", "succeeded", "failed", "reversed")),
            _c("processor_ref", _maybe(_text)),
            _c("failure_reason", _maybe(_text)),
            _c("reversed_at", _maybe(_time), "timestamptz", optional=True),
        ),
        ("card_refund_id",),
        grows=True,
    ),
    Table(
        "balances",
        (_id("pro_id"), _c("currency", _currency), _c("balance", _whole, "bigint"), _at("as_of")),
        ("pro_id", "currency", "as_of"),
        grows=False,
    ),
)
BY_NAME: Final[Mapping[str, Table]] = {table.name: table for table in TABLES}


# -- a row by itself ---------------------------------------------------------------------------------


def contradictions(table: str, row: Mapping[str, Any]) -> list[tuple[str, str]]:
    """What is wrong with a row whose cells can be read each by itself: (column, reason)."""
    rule = _RULES.get(table)
    return rule(row) if rule else []


def _charge_rules(row: Mapping[str, Any]) -> list[tuple[str, str]]:
    if (row["paid_with"] == "card") == (row["payment_id"] is not None):
        return []
    if row["payment_id"] is None:
        return [("payment_id", "is empty; a charge paid with card names its payment")]
    return [("payment_id", "is filled; a charge paid with balance has none")]


def _decision_rules(row: Mapping[str, Any]) -> list[tuple[str, str]]:
    if row["decision"] == "approve" and not row["refund_amount"]:
        return [("refund_amount", "is 0; an approval refunds more than nothing")]
    if row["decision"] == "deny" and row["refund_amount"]:
        return [("refund_amount", f"is {row['refund_amount']}; a denial refunds nothing")]
    return []


def _card_refund_rules(row: Mapping[str, Any]) -> list[tuple[str, str]]:
    pending, settled = row["outcome"] == "pending", row["settled_at"]
    steps = [name for name in ("requested_at", "submitted_at", "settled_at", "reversed_at") if row[name]]
    problems = [
        (later, f"is before {earlier}") for earlier, later in pairwise(steps) if row[later] < row[earlier]
    ]
    if pending == (settled is not None):
        why = "is filled; a pending card refund has none" if pending else "is empty; this outcome has a time"
        problems.append(("settled_at", why))
    if row["reversed_at"] and row["outcome"] != "reversed":
        problems.append(("reversed_at", "is filled; only the outcome reversed has it"))
    return problems


_RULES: Final[Mapping[str, Callable[[Mapping[str, Any]], list[tuple[str, str]]]]] = {
    "charges": _charge_rules,
    "decisions": _decision_rules,
    "card_refunds": _card_refund_rules,
}
