"""`refunds check`: the invariants, each a query that must return no row. Source: DOMAIN, Invariants.

Added to the seven: rollups, the daily sums behind the metrics against the rows they sum.
"""

from typing import Any, Final

from sqlalchemy import text

from refundlib.db.engine import read_whole_tables
from refundlib.db.files import sql_folder
from refundlib.services.desk import Desk

INVARIANTS: Final = (
    "zero_sum",
    "lots",
    "one_refund",
    "complete",
    "card_refunds",
    "one_decision",
    "history",
    "rollups",
)
ROWS_SHOWN_MAX: Final = 100


def check(desk: Desk) -> dict[str, Any]:
    """Every invariant with the rows that break it: {"ok", "invariants": [{"id", "ok", "rows"}]}.

    All are read from one snapshot of the database, so that work going on meanwhile is no offence.
    """
    with desk.reading() as conn:
        conn.execute(text("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ READ ONLY"))
        read_whole_tables(conn)
        answers = [_answer(invariant, _offending(conn, invariant)) for invariant in INVARIANTS]
    return {"ok": all(answer["ok"] for answer in answers), "invariants": answers}


def _offending(conn: Any, invariant: str) -> list[dict[str, Any]]:
    statement = (sql_folder("checks") / f"{invariant}.sql").read_text(encoding="utf-8")
    rows = conn.exec_driver_sql(statement.replace("%", "%%")).mappings().fetchmany(ROWS_SHOWN_MAX)
    return [{name: _plain(value) for name, value in row.items()} for row in rows]


def _plain(value: Any) -> Any:
    return value if isinstance(value, str | int | float | bool | type(None)) else str(value)


def _answer(invariant: str, rows: list[dict[str, Any]]) -> dict[str, Any]:
    return {"id": invariant, "ok": not rows, "rows": rows}
