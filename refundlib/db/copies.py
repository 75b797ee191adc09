"""A demo market many times over: every row of the first under other ids, week by week, in one transaction.

What the copies are made of was imported and checked row by row; a copy differs in its ids alone, so it
balances as the first does. Triggers and foreign keys are off while they are written, where the login may
(a superuser, as with the embedded server); `refunds check` proves the whole as it proves any other.
"""

from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any, Final, NamedTuple

import psycopg
from psycopg import sql
from sqlalchemy import Connection

from refundlib.db.queries import driver_connection

SLICE: Final = timedelta(days=7)
Progress = Callable[[str, int, int | None], None]


class _Table(NamedTuple):
    """What is copied of a table: its rows of the first market, and the moment by which they are written."""

    name: str
    at: str
    source: str  # FROM and WHERE; the table itself is x
    left_out: tuple[str, ...] = ()  # columns the database fills


_DECIDED: Final = (
    "JOIN refunds.reports r USING (report_id) "
    "WHERE x.report_id LIKE {first} AND r.standing_decision_id IS NOT NULL"
)
_TABLES: Final = (
    _Table("marketplace.pros", "x.joined_at", "WHERE x.pro_id LIKE {first}"),
    _Table("refunds.balances", "CAST('-infinity' AS timestamptz)", "WHERE x.pro_id LIKE {first}"),
    _Table(
        "marketplace.customers",
        "l.created_at",
        "JOIN marketplace.leads l USING (customer_id) WHERE x.customer_id LIKE {first}",
    ),
    _Table("marketplace.leads", "x.created_at", "WHERE x.lead_id LIKE {first}"),
    _Table("marketplace.payments", "x.paid_at", "WHERE x.payment_id LIKE {first}"),
    _Table("marketplace.charges", "x.charged_at", "WHERE x.charge_id LIKE {first}"),
    _Table("marketplace.messages", "x.sent_at", "WHERE x.message_id LIKE {first}", ("position",)),
    _Table("refunds.ledger_transactions", "x.occurred_at", "WHERE x.pro_id LIKE {first}"),
    _Table(
        "refunds.ledger_entries",
        "t.occurred_at",
        "JOIN refunds.ledger_transactions t USING (transaction_id) WHERE t.pro_id LIKE {first}",
    ),
    _Table("refunds.lots", "x.opened_at", "WHERE x.pro_id LIKE {first}"),
    _Table(
        "refunds.lot_movements",
        "t.occurred_at",
        "JOIN refunds.ledger_transactions t USING (transaction_id) WHERE t.pro_id LIKE {first}",
    ),
    _Table(
        "refunds.reports",
        "x.reported_at",
        "WHERE x.report_id LIKE {first} AND x.standing_decision_id IS NOT NULL",
    ),
    _Table("refunds.snapshots", "r.reported_at", _DECIDED),
    _Table("refunds.report_words", "r.reported_at", _DECIDED),
    _Table("refunds.decisions", "x.decided_at", _DECIDED),
    _Table("refunds.audit", "x.at", _DECIDED, ("audit_id",)),
    _Table("refunds.card_refunds", "x.requested_at", "WHERE x.report_id LIKE {first}"),
    _Table(
        "refunds.payouts",
        "c.requested_at",
        "JOIN refunds.card_refunds c USING (card_refund_id) WHERE c.report_id LIKE {first}",
    ),
    _Table("refunds.outbox", "x.created_at", _DECIDED, ("mail_id",)),
)
# Columns that hold an id, or text made of one; all others are copied as they are.
_IDS: Final = frozenset(
    {
        "pro_id", "customer_id", "lead_id", "payment_id", "charge_id", "message_id", "report_id",
        "decision_id", "standing_decision_id", "card_refund_id", "payout_id", "lot_id", "source_id",
        "subject", "email", "to_address", "processor_ref",
    }
)  # fmt: skip
_ARRAYS: Final = frozenset({"payment_ids"})
# Text in which ids stand in quotes.
_QUOTED: Final = {"facts": "text", "checks": "jsonb"}
# The marketplace recorded a copy when it happened: the worker need not look at all of them.
_RECORDED: Final = {"marketplace.payments": "paid_at", "marketplace.charges": "charged_at"}


def are_there(connection: Connection, prefix: str) -> bool:
    """Whether the first copy was made before."""
    row = driver_connection(connection).execute(
        "SELECT EXISTS (SELECT FROM marketplace.pros WHERE pro_id LIKE %s)", [f"{prefix}1P%"]
    )
    return row.fetchone() == (True,)


def grow(connection: Connection, *, prefix: str, copies: int, until: datetime, progress: Progress) -> None:
    """Copies the market whose ids begin with prefix + "0" under prefix + "1" to prefix + str(copies).

    until: no row is later. Rows of one week are written together, so that tables lie in the order of time.
    """
    driver = driver_connection(connection)
    _without_triggers(driver)
    driver.execute("SET LOCAL statement_timeout = 0")
    stride = _one(driver, "SELECT coalesce(max(transaction_id), 0) FROM refunds.ledger_transactions")
    inserts = [_stage(driver, table, prefix, stride) for table in _TABLES]
    first = min(
        found for table in _TABLES
        if (found := _one(driver, f"SELECT min(copy_at) FROM {_staged(table)} WHERE copy_at > '-infinity'"))  # noqa: S608
    )  # fmt: skip
    starts = [first + SLICE * week for week in range((until - first) // SLICE + 1)]
    for number, start in enumerate(starts, start=1):
        bounds = {
            "from_at": start if number > 1 else datetime.min.replace(tzinfo=start.tzinfo),
            "to_at": start + SLICE if number < len(starts) else datetime.max.replace(tzinfo=start.tzinfo),
            "copies": copies,
        }
        for statement in inserts:
            driver.execute(statement, bounds)
        progress("writing weeks", number, len(starts))
    driver.execute(
        "SELECT setval(pg_get_serial_sequence('refunds.ledger_transactions', 'transaction_id'), %s)",
        [stride * (copies + 1)],
    )


def analyze(connection: Connection) -> None:
    """Tells the planner how large the tables are now."""
    driver_connection(connection).execute("ANALYZE")


def _without_triggers(driver: psycopg.Connection[Any]) -> None:
    try:
        with driver.transaction():
            driver.execute("SET LOCAL session_replication_role = replica")
    except psycopg.errors.InsufficientPrivilege:
        driver.execute("SET CONSTRAINTS ALL DEFERRED")


def _one(driver: psycopg.Connection[Any], statement: str) -> Any:
    row = driver.execute(statement).fetchone()
    return None if row is None else row[0]


def _staged(table: _Table) -> str:
    return f"pg_temp.first_{table.name.replace('.', '_')}"


def _stage(driver: psycopg.Connection[Any], table: _Table, prefix: str, stride: int) -> sql.Composed:
    """Puts a table's rows of the first market aside; the statement that writes a week of its copies."""
    first = sql.Literal(f"{prefix}0%")
    driver.execute(
        sql.SQL("CREATE TEMPORARY TABLE {} ON COMMIT DROP AS SELECT {} AS copy_at, x.* FROM {} x {}").format(
            sql.SQL(_staged(table).removeprefix("pg_temp.")),
            sql.SQL(table.at),
            sql.SQL(table.name),
            sql.SQL(table.source).format(first=first),
        )
    )
    driver.execute(sql.SQL("CREATE INDEX ON {} (copy_at)").format(sql.SQL(_staged(table))))
    driver.execute(sql.SQL("ANALYZE {}").format(sql.SQL(_staged(table))))
    columns = [name for name in _columns(driver, table) if name not in table.left_out]
    return sql.SQL(
        """
        INSERT INTO {table} ({columns})
        SELECT {values}
        FROM {staged} x
        CROSS JOIN generate_series(1, %(copies)s) AS c (n)
        WHERE x.copy_at >= %(from_at)s AND x.copy_at < %(to_at)s OR {always}
        ORDER BY x.copy_at
        """
    ).format(
        table=sql.SQL(table.name),
        columns=sql.SQL(", ").join(map(sql.Identifier, columns)),
        values=sql.SQL(", ").join(_value(table, name, prefix, stride) for name in columns),
        staged=sql.SQL(_staged(table)),
        always=sql.SQL("x.copy_at = '-infinity' AND %(from_at)s < '0002-01-01'"),
    )


def _columns(driver: psycopg.Connection[Any], table: _Table) -> list[str]:
    rows = driver.execute(
        "SELECT attname FROM pg_attribute WHERE attrelid = %s::regclass AND attnum > 0 AND NOT attisdropped"
        " ORDER BY attnum",
        [table.name],
    )
    return [name for (name,) in rows]


def _value(table: _Table, name: str, prefix: str, stride: int) -> sql.Composed:
    """What a column of copy c.n holds."""
    column = sql.SQL("x.{}").format(sql.Identifier(name))
    if name == "transaction_id":
        return sql.SQL("{} + c.n * {}").format(column, sql.Literal(stride))
    if name == "recorded_at" and table.name in _RECORDED:
        return sql.SQL("x.{}").format(sql.Identifier(_RECORDED[table.name]))
    if name in _ARRAYS:
        return sql.SQL("CAST({} AS text [])").format(
            _renamed(sql.SQL("CAST({} AS text)").format(column), prefix, "")
        )
    if name == "sha256":
        facts = _renamed(sql.SQL("x.facts"), prefix, '"')
        return sql.SQL("encode(sha256(convert_to({}, 'UTF8')), 'hex')").format(facts)
    if name == "snapshot_sha256":
        return sql.SQL(
            "(SELECT encode(sha256(convert_to({}, 'UTF8')), 'hex') FROM pg_temp.first_refunds_snapshots s"
            " WHERE s.report_id = x.report_id AND s.sha256 = x.snapshot_sha256)"
        ).format(_renamed(sql.SQL("s.facts"), prefix, '"'))
    if name in _QUOTED:
        text = _renamed(sql.SQL("CAST({} AS text)").format(column), prefix, '"')
        return sql.SQL("CAST({} AS {})").format(text, sql.SQL(_QUOTED[name]))
    return _renamed(column, prefix, "") if name in _IDS else sql.SQL("{}").format(column)


def _renamed(text: sql.Composable, prefix: str, quote: str) -> sql.Composed:
    """Text with the first market's ids made the copy's: D0 → D17, d0 → d17 in addresses."""
    for letter in (prefix, prefix.lower()):
        text = sql.SQL("replace({}, {}, {} || c.n)").format(
            text, sql.Literal(f"{quote}{letter}0"), sql.Literal(f"{quote}{letter}")
        )
    return text if isinstance(text, sql.Composed) else sql.Composed([text])
