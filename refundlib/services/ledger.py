"""The books, to be read: trial balance at any moment, journal, what an entry belongs to, the export."""

import csv
import io
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from typing import Any, Final

from sqlalchemy import Connection

from refundlib.db.engine import read_whole_tables
from refundlib.db.queries import queries
from refundlib.domain.errors import BadFigure
from refundlib.domain.journal import ACCOUNTS, BANK, FEES, GIVEN, HELD
from refundlib.domain.money import decimal_text
from refundlib.domain.people import Person
from refundlib.domain.spreadsheet import neutral
from refundlib.services.desk import Desk, command
from refundlib.services.places import named, place

KINDS: Final = (
    "payment",
    "charge",
    "refund",
    "refund_undone",
    "card_refund_requested",
    "card_refund_declined",
    "card_refund_failed",
    "card_refund_succeeded",
    "card_refund_reversed",
    "processor_fee",
    "bank_payout",
    "adjustment",
)
# Nine tenths of the ledger, and the accounts they never touch.
_COMMON: Final = frozenset({"payment", "charge"})
_RARE_ACCOUNTS: Final = frozenset({HELD, GIVEN, FEES, BANK})
PAGE_ROWS: Final = 50
EXPORT_ROWS_MAX: Final = 1_000_000
EXPORT_COLUMNS: Final = (
    "date",
    "account",
    "debit",
    "credit",
    "currency",
    "reference",
    "transaction",
    "pro_id",
    "report_id",
    "actor",
    "note",
)

Row = dict[str, Any]


@dataclass(frozen=True)
class Search:
    """What of the journal is looked for. since, until: moments, the second not included; NULLs: any."""

    since: datetime
    until: datetime
    kind: str | None = None
    account: str | None = None
    pro_id: str | None = None
    reference: str | None = None


@dataclass(frozen=True)
class JournalPage:
    """Entries of a page's transactions, the newest first; next_after names the following page."""

    rows: list[Row]
    next_after: str | None


@command("read_ledger")
def trial_balance(desk: Desk, actor: Person, until: datetime | None = None) -> list[Row]:
    """Each account and currency with debit, credit, amount (debit +) and entries, booked before `until`.

    Minor units. Now unless given. What came after its day was closed counts from the day it is booked on.
    """
    with desk.reading() as conn:
        return balances_at(conn, until or desk.clock())


def balances_at(conn: Connection, until: datetime) -> list[Row]:
    """The trial balance inside a transaction."""
    rows: list[Row] = queries.ledger.trial_balance(conn, until=until)
    return rows


@command("read_ledger")
def journal(
    desk: Desk, actor: Person, search: Search, *, after: str | None = None, limit: int = PAGE_ROWS
) -> JournalPage:
    """A page of the journal. after: next_after of the page before. Raises BadFigure."""
    with desk.reading() as conn:
        picked = _pick(conn, search, after, limit)
        rows = queries.ledger.entries_in_full(conn, transaction_ids=[row["transaction_id"] for row in picked])
    following = None
    if len(picked) == limit and search.reference is None:
        last = picked[-1]
        following = named(last["occurred_at"], last["transaction_id"])
    return JournalPage(rows, following)


def _pick(conn: Connection, search: Search, after: str | None, limit: int) -> list[Row]:
    kinds = _kinds(search)
    rows: list[Row]
    if search.reference:
        rows = queries.ledger.pick_by_reference(
            conn, reference=search.reference.strip(), kinds=list(KINDS), limit=limit
        )
        return rows
    before, before_id = place(after, 2**62, int, "The address names no page of the journal; open it anew.")
    common = {
        "since": search.since,
        "until": search.until,
        "kinds": kinds,
        "account": search.account,
        "before": before,
        "before_id": before_id,
        "limit": limit,
    }
    if search.pro_id:
        rows = queries.ledger.pick_by_pro(conn, pro_id=search.pro_id, **common)
    elif _COMMON.isdisjoint(kinds):
        rows = queries.ledger.pick_rare(conn, **common)
    else:
        rows = queries.ledger.pick_by_time(conn, **common)
    return rows


def _kinds(search: Search) -> list[str]:
    if search.account is not None and search.account not in ACCOUNTS:
        raise BadFigure(f"There is no account {search.account!r}; there are {', '.join(ACCOUNTS)}.")
    if search.kind is None:
        return [kind for kind in KINDS if kind not in _COMMON or search.account not in _RARE_ACCOUNTS]
    if search.kind not in KINDS:
        raise BadFigure(f"There is no event {search.kind!r}; there are {', '.join(KINDS)}.")
    return [search.kind]


# -- for accounting ---------------------------------------------------------------------------------------


def start_of(day: date) -> datetime:
    """The first moment of a UTC day."""
    return datetime.combine(day, time(), UTC)


@command("read_ledger")
def journal_csv(desk: Desk, actor: Person, from_day: date, until_day: date) -> str:
    """The entries booked from one UTC day until another (not included), as CSV in the order of booking.

    Amounts are decimals in major units, debit and credit apart. Raises BadFigure above EXPORT_ROWS_MAX.
    """
    if until_day <= from_day:
        raise BadFigure(f"The last day must come after the first; {until_day} is not after {from_day}.")
    with desk.reading() as conn:
        read_whole_tables(conn)
        return journal_text(conn, from_day, until_day)


def journal_text(conn: Connection, from_day: date, until_day: date) -> str:
    """The same inside a transaction."""
    rows = queries.ledger.booked(
        conn, since=start_of(from_day), until=start_of(until_day), limit=EXPORT_ROWS_MAX + 1
    )
    if len(rows) > EXPORT_ROWS_MAX:
        raise BadFigure(
            f"From {from_day} until {until_day} there are more than {EXPORT_ROWS_MAX:,} entries. "
            f"Export fewer days at a time; one day is from {from_day} until {from_day + timedelta(days=1)}."
        )
    return _csv(EXPORT_COLUMNS, map(_exported, rows))


def _exported(row: Row) -> Iterable[Any]:
    debit = decimal_text(row["amount"], row["currency"]) if row["amount"] > 0 else ""
    credit = decimal_text(-row["amount"], row["currency"]) if row["amount"] < 0 else ""
    late = f"of {row['own_day']}, which was closed; " if row["own_day"] else ""
    texts = (row["pro_id"] or "", row["report_id"] or "", row["actor"], late + row["note"])
    return (
        row["booked_at"].date().isoformat(),
        row["account"],
        debit,
        credit,
        row["currency"],
        neutral(f"{row['kind']} {row['source_id']}"),
        row["transaction_id"],
        *map(neutral, texts),
    )


def _csv(header: Iterable[str], rows: Iterable[Iterable[Any]]) -> str:
    buffer = io.StringIO()
    writer = csv.writer(buffer, lineterminator="\n")
    writer.writerow(header)
    writer.writerows(rows)
    return buffer.getvalue()
