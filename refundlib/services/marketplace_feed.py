"""What the marketplace did, brought into the desk: payments and charges into the ledger, answers of pros to
their claims; and claims nobody works on any more, back into the queue.

The marketplace's rows are read, never locked. Each source has a watermark on recorded_at; every pass looks
OVERLAP_MINUTES further back and leaves out what the ledger has, so a row that was committed late is still
found; post_missed looks at everything, for the row that was committed later than that.
"""

from collections.abc import Callable, Iterable
from datetime import UTC, datetime, timedelta
from typing import Any, Final, TypeVar

from sqlalchemy import Connection

from refundlib.db.queries import queries
from refundlib.domain.errors import BadAmount, DatabaseSlow, Refusal
from refundlib.domain.journal import Account, Posting
from refundlib.domain.people import WORKER, Person, authorize
from refundlib.services import audit, posting
from refundlib.services.desk import Desk, command
from refundlib.services.policies import in_force, policies
from refundlib.services.triage import lock_report, resume
from refundlib.services.work import Work

OVERLAP_MINUTES: Final = 10
ROWS_A_PASS_MAX: Final = 2000
CLAIMS_A_PASS_MAX: Final = 500
RETRY_MINUTES: Final = 1
UNPOSTED_SHOWN_MAX: Final = 500
WHY_CHARACTERS_MAX: Final = 500
PROCESS: Final = "worker"

_BEGINNING: Final = datetime.min.replace(tzinfo=UTC)

Row = dict[str, Any]
T = TypeVar("T")


# -- payments and charges ---------------------------------------------------------------------------


def post_new(desk: Desk, limit: int = ROWS_A_PASS_MAX) -> Work:
    """Posts what the marketplace recorded since the last pass; counts of payment, charge and set_aside.

    Safe to repeat and to run by several workers at once. Raises DatabaseDown, DatabaseSlow; what was
    posted by then stays.
    """
    with desk.reading() as conn:
        marks = {row["source"]: row["seen_until"] for row in queries.feed.seen_until(conn)}
    overlap = timedelta(minutes=OVERLAP_MINUTES)
    return _post_since(desk, {source: mark - overlap for source, mark in marks.items()}, limit)


def post_missed(desk: Desk, limit: int = ROWS_A_PASS_MAX) -> Work:
    """Posts what the ledger lacks, however long ago it was recorded: the rows whose commit took too long."""
    return _post_since(desk, {}, limit)


def _post_since(desk: Desk, since: dict[str, datetime], limit: int) -> Work:
    bounds = {f"{source}_since": since.get(source, _BEGINNING) for source in ("payments", "charges")}
    with desk.reading() as conn:
        newest = queries.feed.newest_recorded(conn, **bounds)
        rows = queries.feed.new_rows(conn, **bounds, limit=limit)
    counts = _post_all(desk, rows)
    if len(rows) == limit:
        return Work(counts, more=True)
    with desk.transaction() as conn:
        for mark in newest:
            if mark["seen_until"] is not None:
                queries.feed.advance(conn, **mark)
    return Work(counts)


def post_unposted(desk: Desk, limit: int = ROWS_A_PASS_MAX) -> Work:
    """Tries again what could not be posted and has rested RETRY_MINUTES; the counts of post_new."""
    rested = desk.clock() - timedelta(minutes=RETRY_MINUTES)
    with desk.reading() as conn:
        rows = queries.feed.unposted_due(conn, tried_before=rested, limit=limit)
    for row in rows:
        if row["pro_id"] is None:
            _set_aside(desk, row, f"The marketplace no longer has this {row['kind']}.")
    here = [row for row in rows if row["pro_id"] is not None]
    return Work(_post_all(desk, sorted(here, key=_posting_order)), more=len(rows) == limit)


def _posting_order(row: Row) -> tuple[datetime, int, str]:
    return (row["occurred_at"], row["rank"], row["source_id"])


def _post_all(desk: Desk, rows: Iterable[Row]) -> dict[str, int]:
    """Posts rows given in posting order, one short transaction a pro and currency."""
    counts = {"payment": 0, "charge": 0, "set_aside": 0}
    by_account: dict[tuple[str, str], list[Row]] = {}
    for row in rows:
        by_account.setdefault((row["pro_id"], row["currency"]), []).append(row)
    if not by_account:
        return counts
    with desk.reading() as conn:
        spend_order = in_force(policies(conn), desk.clock()).spend_order

    def post(account_rows: list[Row]) -> None:
        for kind, count in _post_or_set_aside(desk, account_rows, spend_order).items():
            counts[kind] += count

    _each(by_account.values(), post)
    return counts


def _each(items: Iterable[T], do: Callable[[T], None]) -> None:
    """Does every item, also when one meets a lock or a slow answer; that refusal is raised at the end."""
    slow: DatabaseSlow | None = None
    for item in items:
        try:
            do(item)
        except DatabaseSlow as refusal:
            slow = refusal
    if slow is not None:
        raise slow


def _post_or_set_aside(desk: Desk, rows: list[Row], spend_order: str) -> dict[str, int]:
    """Posts one account's rows; when one breaks the transaction, each by itself and that one is set aside."""
    try:
        with desk.transaction() as conn:
            return _post_account(conn, desk, rows, spend_order)
    except Refusal:
        raise
    except Exception as error:
        if len(rows) == 1:
            _set_aside(desk, rows[0], f"{type(error).__name__}: {error}")
            return {"set_aside": 1}
        total: dict[str, int] = {}
        for row in rows:
            for kind, count in _post_or_set_aside(desk, [row], spend_order).items():
                total[kind] = total.get(kind, 0) + count
        return total


def _post_account(conn: Connection, desk: Desk, rows: list[Row], spend_order: str) -> dict[str, int]:
    account = posting.load_account(conn, rows[0]["pro_id"], rows[0]["currency"])
    todo = _not_posted(conn, rows)
    has_payment = any(row["kind"] == "payment" for row in todo)
    if has_payment:
        todo = _with_waiting_charges(conn, account, todo)
    short = _post_rows(conn, account, todo, spend_order)
    if short and has_payment:
        # A charge that came before the money in time may be covered by it: late, but paid.
        short = _post_rows(conn, account, [row for row, _ in short], spend_order)
    for row, why in short:
        _write_aside(conn, desk, row, why)
    left = {_key(row) for row, _ in short}
    _settle(conn, [row for row in rows + todo if _key(row) not in left])
    return {
        "payment": sum(row["kind"] == "payment" and _key(row) not in left for row in todo),
        "charge": sum(row["kind"] == "charge" and _key(row) not in left for row in todo),
        "set_aside": len(short),
    }


def _key(row: Row) -> tuple[str, str]:
    return (row["kind"], row["source_id"])


def _by_kind(rows: Iterable[Row]) -> dict[str, list[str]]:
    ids: dict[str, list[str]] = {}
    for row in rows:
        ids.setdefault(row["kind"], []).append(row["source_id"])
    return ids


def _not_posted(conn: Connection, rows: list[Row]) -> list[Row]:
    """Leaves out what another worker posted meanwhile; asked while the pro's balance is locked."""
    posted = {
        (kind, found["source_id"])
        for kind, ids in _by_kind(rows).items()
        for found in queries.feed.posted(conn, kind=kind, source_ids=ids)
    }
    return [row for row in rows if _key(row) not in posted]


def _with_waiting_charges(conn: Connection, account: Account, rows: list[Row]) -> list[Row]:
    waiting = queries.feed.unposted_charges_of(
        conn, pro_id=account.pro_id, currency=account.currency, limit=ROWS_A_PASS_MAX
    )
    known = {_key(row) for row in rows}
    added = _not_posted(conn, [row for row in waiting if _key(row) not in known])
    return sorted(rows + added, key=_posting_order)


def _post_rows(
    conn: Connection, account: Account, rows: list[Row], spend_order: str
) -> list[tuple[Row, str]]:
    """Posts rows in their order; those the account refuses, each with the reason."""
    refused: list[tuple[Row, str]] = []
    for row in rows:
        try:
            new = _posting(account, row, spend_order)
        except BadAmount as refusal:
            refused.append((row, str(refusal)))
        else:
            posting.write(conn, new, WORKER.person_id)
    return refused


def _posting(account: Account, row: Row, spend_order: str) -> Posting:
    if row["kind"] == "payment":
        return account.pay(row["source_id"], row["amount"], row["occurred_at"])
    return account.charge(row["source_id"], row["amount"], row["occurred_at"], row["payment_id"], spend_order)


def _settle(conn: Connection, rows: list[Row]) -> None:
    for kind, ids in _by_kind(rows).items():
        queries.feed.settle(conn, kind=kind, source_ids=ids)


def _set_aside(desk: Desk, row: Row, why: str) -> None:
    with desk.transaction() as conn:
        _write_aside(conn, desk, row, why)


def _write_aside(conn: Connection, desk: Desk, row: Row, why: str) -> None:
    queries.feed.set_aside(
        conn,
        kind=row["kind"],
        source_id=row["source_id"],
        why=why[:WHY_CHARACTERS_MAX],
        now=desk.clock(),
    )


@command("read_ledger")
def unposted(desk: Desk, actor: Person, limit: int = UNPOSTED_SHOWN_MAX) -> list[Row]:
    """Payments and charges that could not be posted, longest first: kind, source_id, why, when."""
    with desk.reading() as conn:
        rows: list[Row] = queries.feed.unposted(conn, limit=min(limit, UNPOSTED_SHOWN_MAX))
    return rows


# -- claims -----------------------------------------------------------------------------------------


def resume_on_message(desk: Desk, limit: int = CLAIMS_A_PASS_MAX) -> Work:
    """Starts the clock of every waiting claim whose pro has written since it was asked; count of resumed."""
    with desk.reading() as conn:
        answers = queries.feed.answered(conn, limit=limit)
    resumed: list[str] = []

    def resume(answer: Row) -> None:
        if resume_claim(
            desk, WORKER, answer["report_id"], message_id=answer["message_id"], sent_at=answer["sent_at"]
        ):
            resumed.append(answer["report_id"])

    _each(answers, resume)
    return Work({"resumed": len(resumed)}, more=len(answers) == limit)


@command("resume_claim")
def resume_claim(desk: Desk, actor: Person, report_id: str, *, message_id: str, sent_at: datetime) -> bool:
    """Ends a claim's pause at the pro's message: open again, the deadline moved by the pause.

    A message from the future ends it now. False when the claim waits no more, or was asked again since.
    """
    now = desk.clock()
    with desk.transaction() as conn:
        report = lock_report(conn, report_id)
        if report["paused_at"] is None or report["paused_at"] >= sent_at:
            return False
        why = "The pro wrote in the conversation."
        resume(conn, actor, report, min(sent_at, now), now, why, {"message_id": message_id})
    return True


def expire_leases(desk: Desk, limit: int = CLAIMS_A_PASS_MAX) -> Work:
    """Returns claims whose lease ran out to the queue, each with an audit row; count of expired."""
    authorize(WORKER, "expire_lease")
    now = desk.clock()
    with desk.transaction() as conn:
        rows = queries.feed.expire_leases(conn, now=now, limit=limit)
        for row in rows:
            audit.record(
                conn,
                WORKER,
                "lease_expired",
                now,
                subject=row["report_id"],
                report_id=row["report_id"],
                old={"holder": row["old_holder"]},
                new={"holder": None},
            )
    return Work({"expired": len(rows)}, more=len(rows) == limit)


# -- sign of life -----------------------------------------------------------------------------------


def beat(desk: Desk) -> Work:
    """Notes that the worker lives."""
    with desk.transaction() as conn:
        queries.feed.beat(conn, process=PROCESS, at=desk.clock())
    return Work()
