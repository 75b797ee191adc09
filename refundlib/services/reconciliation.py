"""Reconciliation with the card processor: its report read, matched with ours, and what does not agree.

Nothing is adjusted by itself: a person confirms what is proposed, posts fees and payouts, explains breaks.
"""

import hashlib
import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from typing import Any, Final

from sqlalchemy import Connection

from refundlib.db import staging
from refundlib.db.engine import read_whole_tables
from refundlib.db.queries import queries
from refundlib.domain.errors import BadFigure, NotFound, ReportRefused, WrongState
from refundlib.domain.journal import Posting, bank_payout, processor_fee
from refundlib.domain.money import format_money
from refundlib.domain.people import Person
from refundlib.domain.processor_report import KNOWN_CATEGORIES, ParsedReport, ReportLine, read_report
from refundlib.domain.reconciling import (
    BREAKS,
    CLOSED_DAYS_WATCHED,
    PROPOSED_DAYS,
    REQUESTED_DAYS,
    UNEXPLAINED_DAYS,
    complete_at,
    complete_until,
)
from refundlib.services import audit, posting
from refundlib.services.desk import Desk, command
from refundlib.services.ledger import start_of
from refundlib.services.places import END_OF_TIME, named, place
from refundlib.services.written import demand_reason

FIRST_DAY: Final = date(2000, 1, 1)
_PAYOUTS_ONLY: Final = (
    "It tells only what is in payouts, so no day counts as told whole; "
    "import it with its days named if it tells everything of them."
)
# What each category of lines may be, by a person's word. Fees and payouts are posted, never matched.
_MAY_BE: Final = {
    "charge": ("payment", "adjustment"),
    "refund": ("payout", "adjustment"),
    "refund_failure": ("payout", "adjustment"),
    "fee": (),
    "payout": (),
    "payout_reversal": (),
}
REPORT_BYTES_MAX: Final = 200 * 1024 * 1024
FILES_SHOWN_MAX: Final = 100
LINES_PAGE: Final = 100
LINES_ABOUT_MAX: Final = 500
CONTRADICTIONS_SHOWN_MAX: Final = 20
SETTLED_BY_POSTING: Final = ("fee", "payout", "payout_reversal")
_LINE: Final = [
    "line_id",
    "file_id",
    "created_at",
    "available_at",
    "currency",
    "gross",
    "fee",
    "net",
    "category",
    "description",
    "source_id",
    "charge_ref",
    "intent_ref",
    "payout_id",
    "bank_payout_ref",
    "other",
]

Row = dict[str, Any]


@dataclass(frozen=True)
class Imported:
    """What came of a report: its file, days (until_day not included), lines, matches, notes in sentences."""

    file_id: str
    from_day: date
    until_day: date
    rows_read: int
    rows_new: int
    matched: int
    notes: tuple[str, ...]


@dataclass(frozen=True)
class Horizon:
    """From when until when (UTC days, the last not included) the two sides are compared; what is closed."""

    since: date | None
    until_day: date | None
    closed_until: date | None

    @property
    def since_moment(self) -> datetime:
        """The first moment looked at; the end of time when there is no report yet."""
        return start_of(self.since) if self.since else END_OF_TIME


@dataclass(frozen=True)
class Overview:
    """Where reconciliation stands: what does not agree, what waits for a person, what is on its way."""

    over: Horizon
    breaks: list[Row]
    proposals: list[Row]
    to_post: list[Row]
    in_flight: list[Row]


def horizon(conn: Connection) -> Horizon:
    """What is compared now."""
    return Horizon(**queries.reconciliation.horizon(conn, closed_days=CLOSED_DAYS_WATCHED))


# -- the report -------------------------------------------------------------------------------------------


@command("reconcile")
def import_report(
    desk: Desk,
    actor: Person,
    name: str,
    content: bytes,
    *,
    from_day: date | None = None,
    until_day: date | None = None,
    decimal_sign: str | None = None,
) -> Imported:
    """Takes a report of the processor, all of it or nothing, and matches what can be matched.

    from_day, until_day: the days it tells everything of (until_day not included); unless given, the days of
    its first and last line, or none when it is a payout reconciliation, which knows only what was paid out.
    The same file again changes nothing; lines known from other files are kept once.
    Raises ReportRefused with every bad line, BadFigure.
    """
    digest = hashlib.sha256(content).hexdigest()
    report = _read(content, decimal_sign)
    with desk.transaction() as conn:
        read_whole_tables(conn)
        queries.reconciliation.lock_imports(conn)
        first, until = _days(report, from_day, until_day, desk.clock())
        covers = report.kind == "balance_change" or None not in (from_day, until_day)
        days = {"from_day": first, "until_day": until, "covers": covers}
        if earlier := queries.reconciliation.file_of(conn, sha256=digest, **days):
            return _known(earlier, report, first, until)
        _demand_open(conn, until)
        notes = report.notes if covers else (*report.notes, _PAYOUTS_ONLY)
        file_id: str = queries.reconciliation.next_file_id(conn)
        _stage(conn, file_id, report.lines)
        rows_new: int = queries.reconciliation.count_new(conn)
        queries.reconciliation.write_file(
            conn,
            file_id=file_id,
            sha256=digest,
            name=name,
            kind=report.kind,
            **days,
            rows_read=len(report.lines),
            rows_new=rows_new,
            notes=list(notes),
            imported_by=actor.person_id,
            imported_at=desk.clock(),
        )
        queries.reconciliation.take_lines(conn)
        matched = match(conn, desk, actor)
        new = {"name": name, "sha256": digest, "days": [first, until], "lines": len(report.lines)}
        audit.record(conn, actor, "report_imported", desk.clock(), subject=file_id, new=new)
    return Imported(file_id, first, until, len(report.lines), rows_new, matched, notes)


def _demand_open(conn: Connection, until: date) -> None:
    """Raises BadFigure for days so long closed that nothing is compared there any more."""
    closed: date | None = queries.closes.closed_until(conn)
    floor = closed - timedelta(days=CLOSED_DAYS_WATCHED) if closed else None
    if floor is not None and until <= floor:
        raise BadFigure(
            f"The report ends before {floor}; the books are closed until {closed}, and nothing is compared "
            f"more than {CLOSED_DAYS_WATCHED} days before that."
        )


def _read(content: bytes, decimal_sign: str | None) -> ParsedReport:
    if len(content) > REPORT_BYTES_MAX:
        raise BadFigure(
            f"The file is larger than {REPORT_BYTES_MAX // 2**20} MB; export fewer days at a time."
        )
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise BadFigure(
            f"The file is no text in UTF-8 (byte {error.start} is not). Export it as CSV, then try again."
        ) from None
    report = read_report(text, decimal_sign)
    if report.problems:
        first = report.problems[0]
        column = f", column {first.column}" if first.column else ""
        more = f" (and {len(report.problems) - 1} more things)" if len(report.problems) > 1 else ""
        raise ReportRefused(
            f"Line {first.line}{column}: {first.reason}{more}. Nothing was taken.",
            tuple((each.line, each.column, each.reason) for each in report.problems),
        )
    return report


def _known(earlier: Row, report: ParsedReport, first: date, until: date) -> Imported:
    note = (
        f"{earlier['imported_by_name']} imported this very file as {earlier['file_id']} on "
        f"{earlier['imported_at']:%Y-%m-%d %H:%M} UTC; nothing changed."
    )
    return Imported(earlier["file_id"], first, until, len(report.lines), 0, 0, (note,))


def _days(
    report: ParsedReport, from_day: date | None, until_day: date | None, now: datetime
) -> tuple[date, date]:
    """The days a report tells everything of: as given or as its lines lie, without incomplete ones."""
    days = [line.created_at.date() for line in report.lines]
    if not days and (from_day is None or until_day is None):
        raise BadFigure("The report has no line, so its days must be named: from when until when is it?")
    today = now.astimezone(UTC).date()
    named = [day for day in (from_day, until_day) if day is not None]
    if odd := [day for day in (*days, *named) if not FIRST_DAY <= day <= today + timedelta(days=1)]:
        raise BadFigure(f"{odd[0]} is no day of a report: it lies before {FIRST_DAY} or in the future.")
    first = from_day or min(days)
    until = until_day or max(days) + timedelta(days=1)
    if until <= first:
        raise BadFigure(f"The last day must come after the first; {until} is not after {first}.")
    outside = sorted(day for day in days if not first <= day < until)
    if outside:
        raise BadFigure(f"The report has a line of {outside[0]}, outside {first} until {until} as named.")
    complete = min(until, complete_until(now))
    if first >= complete:
        raise BadFigure(
            f"The processor's data of {first} is complete at {complete_at(first):%Y-%m-%d %H:%M} UTC. "
            "Export it again after that."
        )
    return first, complete


def _stage(conn: Connection, file_id: str, lines: Sequence[ReportLine]) -> None:
    queries.reconciliation.stage(conn)
    staging.copy_into(conn, "staged_lines", _LINE, (_staged(file_id, line) for line in lines))
    if rows := queries.reconciliation.contradictions(conn, limit=CONTRADICTIONS_SHOWN_MAX):
        at = {line.line_id: line.line for line in lines}
        problems = tuple((at[row["line_id"]], "gross", _contradiction(row)) for row in rows)
        line, _, reason = problems[0]
        raise ReportRefused(f"Line {line}: {reason}. Nothing was taken.", problems)


def _contradiction(row: Row) -> str:
    before = format_money(row["gross"], row["currency"])
    after = format_money(row["new_gross"], row["new_currency"])
    return (
        f"{row['line_id']} is a {row['new_category']} of {after} here, "
        f"and was a {row['category']} of {before} in {row['file_id']}"
    )


def _staged(file_id: str, line: ReportLine) -> tuple[Any, ...]:
    return (
        line.line_id,
        file_id,
        line.created_at,
        line.available_at,
        line.currency,
        line.gross,
        line.fee,
        line.net,
        line.category,
        line.description,
        line.source_id,
        line.charge_ref,
        line.intent_ref,
        line.payout_id,
        line.bank_payout_ref,
        json.dumps(line.other),
    )


@command("read_reconciliation")
def files(desk: Desk, actor: Person) -> list[Row]:
    """The newest reports: name, kind, days, lines, who and when, and what they could not be matched by."""
    with desk.reading() as conn:
        rows: list[Row] = queries.reconciliation.files(conn, limit=FILES_SHOWN_MAX)
    return rows


# -- matching ---------------------------------------------------------------------------------------------


def match(conn: Connection, desk: Desk, actor: Person) -> int:
    """Matches lines by our ids, then by the processor's; how many were. What a person undid stays undone."""
    since = horizon(conn).since_moment
    common = {"since": since, "actor": actor.person_id, "now": desk.clock()}
    it = queries.reconciliation
    return int(
        it.match_by_our_id(conn, **common, known=sorted(KNOWN_CATEGORIES))
        + it.match_payouts_by_processor_id(conn, **common)
        + it.match_payments_by_processor_id(conn, **common)
    )


@command("reconcile")
def match_again(desk: Desk, actor: Person) -> int:
    """Matches what came to us after the report was imported; how many lines found their counterpart."""
    with desk.transaction() as conn:
        read_whole_tables(conn)
        queries.reconciliation.lock_imports(conn)
        return match(conn, desk, actor)


@command("read_reconciliation")
def proposals(desk: Desk, actor: Person) -> list[Row]:
    """Pairs a person may confirm: a line and a thing of ours with exactly its amount, a few days apart."""
    with desk.reading() as conn:
        return proposed(conn, horizon(conn).since_moment)


def proposed(conn: Connection, since: datetime) -> list[Row]:
    """The same inside a transaction, from the first moment compared."""
    rows: list[Row] = queries.reconciliation.proposals(conn, since=since, days=PROPOSED_DAYS)
    return rows


@command("reconcile")
def confirm(desk: Desk, actor: Person, line_id: str, what: str, subject_id: str) -> None:
    """Matches a line with a payment, payout or adjustment of exactly its amount.

    Raises NotFound, WrongState, BadFigure.
    """
    with desk.transaction() as conn:
        queries.reconciliation.lock_imports(conn)
        line = _locked_line(conn, line_id)
        _demand_kind(line, what)
        if standing := queries.reconciliation.standing_match(conn, line_id=line_id):
            raise WrongState(f"{line_id} is matched with {standing['subject_id']} already. Undo that first.")
        ours = queries.reconciliation.amount_of(conn, what=what, subject_id=subject_id)
        if ours is None:
            raise NotFound(f"There is no {what} {subject_id!r} that touches our account at the processor.")
        _demand_equal(line, ours, what)
        if other := queries.reconciliation.line_beside(
            conn, line_id=line_id, what=what, subject_id=subject_id
        ):
            raise WrongState(f"{subject_id} is matched with {other} already. Undo that first.")
        now = desk.clock()
        queries.reconciliation.write_confirmed(
            conn, line_id=line_id, what=what, subject_id=subject_id, actor=actor.person_id, now=now
        )
        audit.record(
            conn, actor, "match_confirmed", now, subject=line_id, new={"what": what, "subject_id": subject_id}
        )


@command("reconcile")
def refuse(desk: Desk, actor: Person, line_id: str, what: str, subject_id: str, why: str) -> None:
    """Says that a proposal is not so: it is not proposed again, and both sides count as breaks.

    Raises NotFound, WrongState, ReasonMissing.
    """
    text = demand_reason(why, "Refusing a match")
    with desk.transaction() as conn:
        queries.reconciliation.lock_imports(conn)
        _locked_line(conn, line_id)
        if queries.reconciliation.standing_match(conn, line_id=line_id):
            raise WrongState(f"{line_id} is matched already. Undo that first.")
        now = desk.clock()
        what_not = {"what": what, "subject_id": subject_id}
        queries.reconciliation.write_refused(
            conn, line_id=line_id, actor=actor.person_id, now=now, why=text, **what_not
        )
        audit.record(conn, actor, "match_refused", now, subject=line_id, reason=text, new=what_not)


def _demand_kind(line: Row, what: str) -> None:
    if what not in _MAY_BE.get(line["category"], ("adjustment",)):
        raise BadFigure(f"A line of the category {line['category']} is never a {what} of ours.")


def _locked_line(conn: Connection, line_id: str) -> Row:
    line: Row | None = queries.reconciliation.lock_line(conn, line_id=line_id)
    if line is None:
        raise NotFound(f"There is no line {line_id!r}. Check the id on the reconciliation page.")
    return line


def _demand_equal(line: Row, ours: Row, what: str) -> None:
    amount = -ours["amount"] if what == "payout" and line["category"] == "refund_failure" else ours["amount"]
    if (line["gross"], line["currency"]) != (amount, ours["currency"]):
        raise BadFigure(
            f"{format_money(line['gross'], line['currency'])} there and "
            f"{format_money(amount, ours['currency'])} here are not exactly equal, so they are not matched. "
            "Find out which is right first."
        )


@command("reconcile")
def undo_match(desk: Desk, actor: Person, line_id: str, why: str) -> None:
    """Takes a match back; it stays as history and is not made again by itself.

    Raises NotFound, WrongState, ReasonMissing.
    """
    text = demand_reason(why, "Undoing a match")
    with desk.transaction() as conn:
        _locked_line(conn, line_id)
        standing = queries.reconciliation.standing_match(conn, line_id=line_id)
        if standing is None:
            raise WrongState(f"{line_id} is matched with nothing. Reload the page.")
        now = desk.clock()
        queries.reconciliation.undo_match(
            conn, match_id=standing["match_id"], actor=actor.person_id, now=now, why=text
        )
        old = {"what": standing["what"], "subject_id": standing["subject_id"]}
        audit.record(conn, actor, "match_undone", now, subject=line_id, reason=text, old=old)


@command("read_reconciliation")
def lines(
    desk: Desk,
    actor: Person,
    *,
    category: str | None = None,
    search: str | None = None,
    after: str | None = None,
    limit: int = LINES_PAGE,
) -> tuple[list[Row], str | None]:
    """A page of the processor's lines, the newest first, with their matches; where the next page begins.

    search: an id of theirs or of ours; then all lines about it, whatever their category.
    """
    before, before_id = place(after, "", str, "The address names no page of the lines; open the list anew.")
    with desk.reading() as conn:
        it = queries.reconciliation
        if wanted := (search or "").strip():
            found = it.lines_about(conn, search=wanted, limit=LINES_ABOUT_MAX)
        else:
            found = it.lines(conn, category=category, before=before, before_id=before_id, limit=limit)
        rows: list[Row] = it.lines_in_full(conn, line_ids=[row["line_id"] for row in found])
    if wanted or len(rows) < limit:
        return rows, None
    return rows, named(rows[-1]["created_at"], rows[-1]["line_id"])


@command("read_claim")
def lines_of_report(desk: Desk, actor: Person, report_id: str) -> list[Row]:
    """The processor's lines about a report's card refunds: where a refund ends."""
    with desk.reading() as conn:
        rows: list[Row] = queries.reconciliation.lines_of_report(conn, report_id=report_id)
    return rows


@command("read_reconciliation")
def history_of(desk: Desk, actor: Person, line_id: str) -> list[Row]:
    """Every match a line has had: with what, how, by whom, and who undid it and why."""
    with desk.reading() as conn:
        rows: list[Row] = queries.reconciliation.history_of(conn, line_id=line_id)
    return rows


@command("read_reconciliation")
def chain(desk: Desk, actor: Person, payout_id: str) -> list[Row]:
    """A payout step by step from its decision to the processor's lines: at, step, id, amount, who.

    Steps: approved, the kinds of ledger transactions, sent, line (minor units, lines signed).
    """
    with desk.reading() as conn:
        rows: list[Row] = queries.reconciliation.chain(conn, payout_id=payout_id)
    return rows


# -- posting ----------------------------------------------------------------------------------------------


@command("read_reconciliation")
def to_post(desk: Desk, actor: Person) -> list[Row]:
    """Fees and payouts to our bank that the processor tells of and the ledger does not have (minor units)."""
    with desk.reading() as conn:
        return due_to_post(conn, horizon(conn).since_moment)


def due_to_post(conn: Connection, since: datetime, until: datetime = END_OF_TIME) -> list[Row]:
    """The same inside a transaction, of lines before a moment."""
    rows: list[Row] = queries.reconciliation.to_post(conn, since=since, until=until)
    return rows


@command("reconcile")
def post_fees_and_payouts(desk: Desk, actor: Person) -> dict[str, int]:
    """Posts what `to_post` shows, each at its own time; counts of processor_fee and bank_payout."""
    counts = {"processor_fee": 0, "bank_payout": 0}
    with desk.transaction() as conn:
        read_whole_tables(conn)
        queries.reconciliation.lock_imports(conn)
        for line in due_to_post(conn, horizon(conn).since_moment):
            for new in _postings(conn, line):
                posting.write(conn, new, actor.person_id, line["description"])
                counts[new.kind] += 1
        audit.record(conn, actor, "fees_and_payouts_posted", desk.clock(), subject="processor", new=counts)
    return counts


def _postings(conn: Connection, line: Row) -> Iterable[Posting]:
    line_id, currency, at = line["line_id"], line["currency"], line["created_at"]
    fee = line["fee"] - line["gross"] if line["category"] == "fee" else line["fee"]
    if fee:
        yield processor_fee(line_id, fee, currency, at)
    if line["category"] in ("payout", "payout_reversal") and line["gross"]:
        yield bank_payout(line_id, -line["gross"], currency, at)


# -- breaks -----------------------------------------------------------------------------------------------


@command("read_reconciliation")
def overview(desk: Desk, actor: Person) -> Overview:
    """Everything the page begins with, each of it read once."""
    with desk.reading() as conn:
        over = horizon(conn)
        waiting = proposed(conn, over.since_moment)
        return Overview(
            over=over,
            breaks=breaks_now(conn, desk.clock(), over.since_moment, waiting),
            proposals=waiting,
            to_post=due_to_post(conn, over.since_moment),
            in_flight=queries.reconciliation.in_flight(conn),
        )


@command("read_reconciliation")
def breaks(desk: Desk, actor: Person) -> list[Row]:
    """What does not agree, the oldest first: class, both amounts (minor units), owner, due_on, explanation.

    due_on is UNEXPLAINED_DAYS after it came about unless somebody set another day.

    What a proposal could settle waits for a person there and is not among them.
    """
    with desk.reading() as conn:
        since = horizon(conn).since_moment
        return breaks_now(conn, desk.clock(), since, proposed(conn, since))


def breaks_now(conn: Connection, now: datetime, since: datetime, waiting: list[Row]) -> list[Row]:
    """The same inside a transaction, from the first moment compared. waiting: the proposals."""
    rows = queries.reconciliation.breaks(
        conn,
        since=since,
        now=now,
        known=sorted(KNOWN_CATEGORIES),
        requested_days=REQUESTED_DAYS,
    )
    settled_there = {row["line_id"] for row in waiting} | {row["subject_id"] for row in waiting}
    loose = ("theirs_not_ours", "ours_not_theirs", "sent_not_found", "status_differs")
    return [
        {
            **row,
            "age_days": (now - row["at"]).days,
            "due_on": row["due_on"] or row["at"].date() + timedelta(days=UNEXPLAINED_DAYS),
        }
        for row in rows
        if row["class"] not in loose or row["subject_id"] not in settled_there
    ]


@command("reconcile")
def keep_case(
    desk: Desk,
    actor: Person,
    break_key: str,
    *,
    owner: str | None = None,
    due_on: date | None = None,
    explanation: str | None = None,
) -> None:
    """Who looks into a break, until when, and how it is explained; what is None stays as it is."""
    kind = break_key.partition(":")[0]
    if kind != "balance" and kind not in BREAKS:
        raise NotFound(f"There is no break {break_key!r}. Reload the page.")
    now = desk.clock()
    with desk.transaction() as conn:
        if owner and not queries.people.person(conn, person_id=owner):
            raise NotFound(f"Nobody here is called {owner!r}.")
        before = queries.reconciliation.case_of(conn, break_key=break_key) or {
            "owner": None,
            "due_on": None,
            "explanation": "",
        }
        after = {
            "owner": before["owner"] if owner is None else owner or None,
            "due_on": before["due_on"] if due_on is None else due_on,
            "explanation": before["explanation"] if explanation is None else explanation.strip(),
        }
        explained = bool(after["explanation"])
        queries.reconciliation.save_case(
            conn,
            break_key=break_key,
            **after,
            explained_by=actor.person_id if explained else None,
            explained_at=now if explained else None,
        )
        audit.record(conn, actor, "break_kept", now, subject=break_key, old=before, new=after)


@command("read_reconciliation")
def in_flight(desk: Desk, actor: Person) -> list[Row]:
    """Card refunds whose outcome is still to come: expected, no break. state, currency, payouts, amount."""
    with desk.reading() as conn:
        rows: list[Row] = queries.reconciliation.in_flight(conn)
    return rows


@command("read_reconciliation")
def balances(desk: Desk, actor: Person) -> tuple[Row, list[Row]]:
    """The marketplace's balances beside the ledger's at their moment: how many, and those that differ."""
    with desk.reading() as conn:
        counted: Row = queries.reconciliation.balances_compared(conn)
        rows: list[Row] = queries.reconciliation.balances(conn)
    return counted, rows
