"""A claim: a report with the facts around it, as the checks read them."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final, TypeVar

REASONS: Final = ("job_changed", "terms_violation", "invalid_phone", "clear_no", "not_hired", "other")
KINDS: Final = ("lead", "opportunity")
SENDERS: Final = ("pro", "customer", "system")

T = TypeVar("T")


class BundleError(ValueError):
    """A claim that cannot be read; the message names the field and what it should be."""


@dataclass(frozen=True)
class Report:
    """What the pro reported, and when."""

    report_id: str
    reason: str
    details: str
    reported_at: datetime
    changed_zip: str | None
    changed_category: str | None


@dataclass(frozen=True)
class Charge:
    """What the pro paid for the lead: minor units, and what was refunded of them before."""

    charge_id: str
    amount: int
    currency: str
    charged_at: datetime
    refunded_amount: int


@dataclass(frozen=True)
class Lead:
    """What the customer asked for."""

    lead_id: str
    kind: str
    category: str
    zip: str
    description: str
    created_at: datetime


@dataclass(frozen=True)
class Pro:
    """The pro's profile."""

    pro_id: str
    categories: tuple[str, ...]
    zip: str


@dataclass(frozen=True)
class Customer:
    """The customer, with the phone number of the lead."""

    customer_id: str
    phone: str


@dataclass(frozen=True)
class Message:
    """One message of the conversation between pro and customer."""

    message_id: str
    sender: str
    body: str
    sent_at: datetime


@dataclass(frozen=True)
class Bundle:
    """A claim: all that the checks read, and nothing else."""

    report: Report
    charge: Charge
    lead: Lead
    pro: Pro
    customer: Customer
    messages: tuple[Message, ...]

    def conversation(self) -> tuple[Message, ...]:
        """The messages up to the report, by time sent, then as given."""
        before = (message for message in self.messages if message.sent_at <= self.report.reported_at)
        return tuple(sorted(before, key=lambda message: message.sent_at))


def bundle_from_json(data: object) -> Bundle:
    """A claim from the object that `refunds evaluate` reads; keys beyond it are ignored.

    Raises BundleError: a missing or mistyped field, an unknown reason or kind, a time without offset.
    """
    whole = _Fields(data, "")
    return Bundle(
        report=_report(whole.part("report")),
        charge=_charge(whole.part("charge")),
        lead=_lead(whole.part("lead")),
        pro=_pro(whole.part("pro")),
        customer=_customer(whole.part("customer")),
        messages=tuple(
            _message(_Fields(item, f"messages[{index}]."))
            for index, item in enumerate(whole.list("messages"))
        ),
    )


class _Fields:
    """One object of the bundle, read field by field; path names it in errors, such as "charge."."""

    __slots__ = ("data", "path")

    def __init__(self, data: object, path: str) -> None:
        # What JSON gives is told apart by its type first: a million claims are read so in a backtest.
        if type(data) is not dict and not isinstance(data, Mapping):
            raise BundleError(f"{path.rstrip('.') or 'the line'} must be an object, not {_kind(data)}")
        self.data: Mapping[str, Any] = data
        self.path = path

    def get(self, name: str, wanted: type | tuple[type, ...], words: str) -> Any:
        """The field, when it has the wanted type."""
        if name not in self.data:
            raise BundleError(f"{self.path}{name} is missing")
        value = self.data[name]
        if not isinstance(value, wanted) or isinstance(value, bool):
            raise BundleError(f"{self.path}{name} must be {words}, not {_kind(value)}")
        return value

    def part(self, name: str) -> "_Fields":
        return _Fields(self.get(name, Mapping, "an object"), f"{self.path}{name}.")

    def list(self, name: str) -> Any:
        return self.get(name, list, "a list")

    def text(self, name: str) -> str:
        value = self.data.get(name)
        if type(value) is str:
            return value
        return str(self.get(name, str, "a text"))

    def maybe_text(self, name: str) -> str | None:
        value = self.get(name, (str, type(None)), "a text or null")
        return value or None

    def one_of(self, name: str, words: tuple[str, ...]) -> str:
        value = self.text(name)
        if value not in words:
            raise BundleError(f"{self.path}{name} is {value[:60]!r}; it must be one of {', '.join(words)}")
        return value

    def amount(self, name: str) -> int:
        value = int(self.get(name, int, "a whole number of minor units"))
        if value < 0:
            raise BundleError(f"{self.path}{name} is {value}; it must not be negative")
        return value

    def time(self, name: str) -> datetime:
        return self._read(name, _time, "a time with an offset, such as 2026-03-04T15:00:00Z")

    def _read(self, name: str, read: Callable[[str], T], words: str) -> T:
        value = self.text(name)
        try:
            return read(value)
        except (ValueError, OverflowError):
            raise BundleError(f"{self.path}{name} is {value[:60]!r}; it must be {words}") from None


def _time(value: str) -> datetime:
    moment = datetime.fromisoformat(value)
    if moment.tzinfo is None:
        raise ValueError
    return moment.astimezone(UTC)


def _kind(value: object) -> str:
    kinds = {
        str: "a text",
        bool: "true or false",
        int: "a number",
        float: "a number",
        list: "a list",
        dict: "an object",
    }
    return "null" if value is None else kinds.get(type(value), type(value).__name__)


def _report(it: _Fields) -> Report:
    return Report(
        report_id=it.text("report_id"),
        reason=it.one_of("reason", REASONS),
        details=it.text("details"),
        reported_at=it.time("reported_at"),
        changed_zip=it.maybe_text("changed_zip"),
        changed_category=it.maybe_text("changed_category"),
    )


def _charge(it: _Fields) -> Charge:
    return Charge(
        charge_id=it.text("charge_id"),
        amount=it.amount("amount"),
        currency=it.text("currency"),
        charged_at=it.time("charged_at"),
        refunded_amount=it.amount("refunded_amount"),
    )


def _lead(it: _Fields) -> Lead:
    return Lead(
        lead_id=it.text("lead_id"),
        kind=it.one_of("kind", KINDS),
        category=it.text("category"),
        zip=it.text("zip"),
        description=it.text("description"),
        created_at=it.time("created_at"),
    )


def _pro(it: _Fields) -> Pro:
    categories = it.list("categories")
    if not all(isinstance(category, str) for category in categories):
        raise BundleError(f"{it.path}categories must be a list of texts")
    return Pro(it.text("pro_id"), tuple(categories), it.text("zip"))


def _customer(it: _Fields) -> Customer:
    return Customer(it.text("customer_id"), it.text("phone"))


def _message(it: _Fields) -> Message:
    return Message(
        message_id=it.text("message_id"),
        sender=it.one_of("sender", SENDERS),
        body=it.text("body"),
        sent_at=it.time("sent_at"),
    )
