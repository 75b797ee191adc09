"""The daily sums the metrics are read from: kept up after every change, or made anew from the rows.

Who changes what is counted leaves a mark in the same transaction (triggers of migration 0008). A pass takes
the marks it sees and sums the days they name anew, with a look at the rows that is later than the marks: a
decision that commits late brings its mark late, and is never missed.
"""

from collections import defaultdict
from collections.abc import Callable
from datetime import date, timedelta
from typing import Any, Final

from sqlalchemy import Connection, text

from refundlib.db.engine import read_whole_tables
from refundlib.db.queries import queries
from refundlib.services.desk import Desk
from refundlib.services.work import Work

MARKS_A_PASS_MAX: Final = 5_000
# More marks than this come from a bulk load: summing everything anew is less work.
MARKS_FOR_REBUILD: Final = 20_000
SOURCES: Final = ("charges", "refunds", "decisions", "deadlines", "arrivals", "payouts", "rework")
# The sums of the ledger's accounts: a table of its own, kept up in the same way.
LEDGER: Final = "ledger"

Progress = Callable[[str, int, int | None], None]
Row = dict[str, Any]


def catch_up(desk: Desk, limit: int = MARKS_A_PASS_MAX) -> Work:
    """One pass of the worker: sums the marked days anew; counts of days and of months of pros.

    Safe to repeat and to run by several workers at once: one of them does it, the others have nothing to do.
    """
    with desk.transaction() as conn:
        if not queries.rollup.lock(conn):
            return Work()
        if queries.rollup.marks_up_to(conn, limit=MARKS_FOR_REBUILD) == MARKS_FOR_REBUILD:
            return Work({"days": _rebuild(conn)})
        marks = queries.rollup.take_marks(conn, limit=limit)
        counts = {"days": _sum_days(conn, marks), "pro_months": _sum_pros(conn, marks)}
    return Work(counts, more=len(marks) == limit)


def rebuild(desk: Desk, progress: Progress = lambda _step, _done, _total: None) -> int:
    """Every sum made anew from the rows, in one transaction; how many days there are."""
    with desk.transaction() as conn:
        conn.execute(text("SET LOCAL statement_timeout = 0"))  # another's rebuild is waited for
        queries.rollup.wait_for_lock(conn)
        return _rebuild(conn, progress)


def _sum_days(conn: Connection, marks: list[Row]) -> int:
    days: dict[str, set[date]] = defaultdict(set)
    for mark in marks:
        days[mark["source"]].add(mark["day"])
    _sum_ledger(conn, sorted(days.pop(LEDGER, ())))
    for source, marked in days.items():
        queries.rollup.forget_days(conn, source=source, days=sorted(marked))
        # Day by day: with the day known, its few rows are looked up by index.
        for day in sorted(marked):
            queries.rollup.roll_up_days(conn, source=source, from_day=day, to_day=day + timedelta(days=1))
    return len({mark["day"] for mark in marks})


def _sum_ledger(conn: Connection, days: list[date]) -> None:
    queries.rollup.forget_ledger(conn, days=days)
    for day in days:
        queries.rollup.sum_ledger(conn, from_day=day, to_day=day + timedelta(days=1))


def _sum_pros(conn: Connection, marks: list[Row]) -> int:
    pairs = sorted({(mark["day"].replace(day=1), mark["pro_id"]) for mark in marks if mark["pro_id"]})
    months, pro_ids = [month for month, _ in pairs], [pro_id for _, pro_id in pairs]
    if pairs:
        queries.rollup.forget_pros(conn, months=months, pro_ids=pro_ids)
        queries.rollup.roll_up_pros(conn, months=months, pro_ids=pro_ids)
    return len(pairs)


def _rebuild(conn: Connection, progress: Progress = lambda _step, _done, _total: None) -> int:
    queries.rollup.forget_all(conn)
    # Whole, not in parts: joining all charges with their leads once is less work than by month.
    read_whole_tables(conn)
    queries.rollup.sum_whole_ledger(conn)
    span = queries.rollup.span(conn)
    if span["first"] is None:
        return 0
    from_day, to_day = span["first"].replace(day=1), _next_month(span["last"])
    for number, source in enumerate(SOURCES):
        progress("summing", number, len(SOURCES) + 1)
        queries.rollup.roll_up_days(conn, source=source, from_day=from_day, to_day=to_day)
    queries.rollup.rebuild_pros(conn, from_day=from_day, to_day=to_day)
    progress("summing", len(SOURCES) + 1, len(SOURCES) + 1)
    days: int = (span["last"] - span["first"]).days + 1
    return days


def _next_month(day: date) -> date:
    return (day.replace(day=1) + timedelta(days=32)).replace(day=1)
