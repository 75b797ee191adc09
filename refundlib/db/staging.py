"""Staging: one temporary table a file of the exchange format, filled by COPY, gone when the transaction ends.

The statements are composed from the format's own description (domain/exchange.py), so a column is named once.
"""

from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any, Final

from psycopg import Copy, sql
from sqlalchemy import Connection

from refundlib.db.queries import driver_connection
from refundlib.domain.exchange import TABLES, Table

# Where rows of a file live once taken; reports and decisions are compared by blocks of their own.
_HOMES: Final = {name: sql.Identifier("marketplace", name) for name in ("payments", "charges", "messages")}

_DUPLICATES: Final = """
    INSERT INTO staged_errors (file, line, "column", reason, derived)
    SELECT {file}, s.line, {column}, 'is there already, in line ' || s.first_line, false
    FROM (
        SELECT line, min(line) OVER (PARTITION BY {key}) AS first_line
        FROM {staged}
    ) AS s
    WHERE s.line <> s.first_line
"""
_CHANGED: Final = """
    INSERT INTO staged_errors (file, line, "column", reason, derived)
    SELECT
        {file}, s.line, {column},
        'differs from what was imported before; rows of this file never change once imported', false
    FROM {staged} s
    JOIN {home} h USING ({key})
    WHERE s.{name} IS DISTINCT FROM h.{name}
"""
_DROP_BAD: Final = """
    WITH bad AS (
        DELETE FROM {staged} s
        USING staged_errors e
        WHERE e.file = {file} AND e.line = s.line
        RETURNING {first_key} AS key
    )
    INSERT INTO staged_lost (kind, key)
    SELECT {kind}, bad.key FROM bad
"""


def begin(connection: Connection) -> None:
    """Makes the staging tables; one import at a time, and no time-outs while it thinks."""
    driver = driver_connection(connection)
    driver.execute("SELECT pg_advisory_xact_lock(hashtext('refunds.import'))")
    driver.execute("SET LOCAL idle_in_transaction_session_timeout = 0")
    driver.execute("SET LOCAL lock_timeout = '60s'")
    driver.execute("SET CONSTRAINTS ALL DEFERRED")
    driver.execute(
        """
        CREATE TEMPORARY TABLE staged_errors (
            file text, line integer, "column" text, reason text, derived boolean
        ) ON COMMIT DROP;
        CREATE TEMPORARY TABLE staged_lost (kind text, key text) ON COMMIT DROP;
        """
    )
    for table in TABLES:
        columns = [
            sql.SQL("{} {}").format(sql.Identifier(c.name), sql.SQL(c.sql_type)) for c in table.columns
        ]
        driver.execute(
            sql.SQL("CREATE TEMPORARY TABLE {} (line integer, {}) ON COMMIT DROP").format(
                staged(table), sql.SQL(", ").join(columns)
            )
        )


def staged(table: Table) -> sql.Identifier:
    """The name of a file's staging table."""
    return sql.Identifier("pg_temp", f"staged_{table.name}")


@contextmanager
def rows_into(connection: Connection, table: Table) -> Iterator[Copy]:
    """COPY into a file's staging table: (line, *columns) a row."""
    with copying(connection, staged(table), ["line", *(column.name for column in table.columns)]) as copy:
        yield copy


def analyze(connection: Connection, table: Table) -> None:
    """Tells the planner how much was staged."""
    driver_connection(connection).execute(sql.SQL("ANALYZE {}").format(staged(table)))


def note_errors(connection: Connection, errors: Iterable[Sequence[Any]]) -> None:
    """Keeps errors of rows: (file, line, column, reason, derived)."""
    copy_rows(connection, sql.Identifier("pg_temp", "staged_errors"), _ERROR_COLUMNS, errors)


def note_lost(connection: Connection, lost: Iterable[Sequence[Any]]) -> None:
    """Keeps the keys of rows that could not be staged: (kind, key); key None when it cannot be read."""
    copy_rows(connection, sql.Identifier("pg_temp", "staged_lost"), ["kind", "key"], lost)


_ERROR_COLUMNS: Final = ["file", "line", "column", "reason", "derived"]


def find_duplicates(connection: Connection, table: Table) -> None:
    """Rows whose key an earlier line of the same file has."""
    key = sql.SQL(", ").join(map(sql.Identifier, table.key))
    _run(connection, _DUPLICATES, table, key=key, column=sql.Literal(table.key[0]))


def find_changed(connection: Connection, table: Table) -> None:
    """Rows that were imported before with another content, by column."""
    home = _HOMES.get(table.name)
    for column in table.columns if home is not None else ():
        if column.name not in table.key:
            _run(
                connection,
                _CHANGED,
                table,
                home=home,
                key=sql.Identifier(table.key[0]),
                name=sql.Identifier(column.name),
                column=sql.Literal(column.name),
            )


def drop_bad(connection: Connection, table: Table) -> None:
    """Takes rows with errors out of the staging table; their keys are lost to those that refer to them."""
    _run(connection, _DROP_BAD, table, first_key=sql.Identifier(table.key[0]), kind=sql.Literal(table.name))


def _run(connection: Connection, text: str, table: Table, **parts: Any) -> None:
    statement = sql.SQL(text).format(staged=staged(table), file=sql.Literal(table.file), **parts)
    driver_connection(connection).execute(statement)


# -- bulk writing -----------------------------------------------------------------------------------


@contextmanager
def copying(connection: Connection, table: sql.Identifier, columns: Sequence[str]) -> Iterator[Copy]:
    """COPY into any table, a row of values at a time."""
    statement = sql.SQL("COPY {} ({}) FROM STDIN").format(
        table, sql.SQL(", ").join(map(sql.Identifier, columns))
    )
    with driver_connection(connection).cursor() as cursor, cursor.copy(statement) as copy:
        yield copy


def copy_rows(
    connection: Connection, table: sql.Identifier, columns: Sequence[str], rows: Iterable[Sequence[Any]]
) -> None:
    """COPY of rows that are there already."""
    with copying(connection, table, columns) as copy:
        for row in rows:
            copy.write_row(row)


def copy_into(
    connection: Connection, schema_table: str, columns: Sequence[str], rows: Iterable[Sequence[Any]]
) -> None:
    """COPY into a table of the desk, named like "refunds.audit"."""
    copy_rows(connection, sql.Identifier(*schema_table.split(".")), columns, rows)
