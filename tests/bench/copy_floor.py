"""The least work a load can be: python -m tests.bench.copy_floor FOLDER SIZE

FOLDER is that of tests.bench.queries. Copies every row of that database by COPY into a fresh one with the
same tables, keys and indexes (no triggers, no checks of other tables), analyses it, drops it, and prints the
seconds. demo-data of the same size is to take at most twice as long.
"""

import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import click
import psycopg
from psycopg import sql

from tests.conftest import maintenance, url_of

FLOOR = "copy_floor"
# What the migrations fill, and what is summed from the rows.
NOT_COPIED = ("zip_regions", "rollup_days", "rollup_pros", "rollup_marks")


@click.command()
@click.argument("folder", type=click.Path(path_type=Path, exists=True))
@click.argument("size", type=int)
def main(folder: Path, size: int) -> None:
    """Copies all, and tells the time."""
    os.environ["REFUNDS_HOME"] = str(folder / str(size))
    from refundlib.bootstrap import database, migrate_database

    with database() as url, fresh_database(url) as floor:
        migrate_database(floor)
        with maintenance(url) as source, maintenance(floor) as target:
            started = time.monotonic()
            with target.transaction():
                rows = copy_all(source, target)
            took = time.monotonic() - started
    click.echo(f"{rows:,} rows of {size:,} charges by COPY: {took:.0f} s")


@contextmanager
def fresh_database(url: str) -> Iterator[str]:
    """An empty database on the same server, dropped in the end."""
    with maintenance(url) as conn:
        conn.execute(f"DROP DATABASE IF EXISTS {FLOOR} WITH (FORCE)")
        conn.execute(f"CREATE DATABASE {FLOOR}")
        try:
            yield url_of(url, FLOOR)
        finally:
            conn.execute(f"DROP DATABASE {FLOOR} WITH (FORCE)")


def copy_all(source: psycopg.Connection[Any], target: psycopg.Connection[Any]) -> int:
    """Every table's rows; how many there were."""
    target.execute("SET LOCAL session_replication_role = replica")
    tables = source.execute(
        "SELECT schemaname, tablename FROM pg_tables WHERE schemaname IN ('marketplace', 'refunds')"
        " AND tablename <> ALL (%s) ORDER BY 1, 2",
        [list(NOT_COPIED)],
    ).fetchall()
    rows = 0
    for schema, table in tables:
        name = sql.Identifier(schema, table)
        target.execute(sql.SQL("DELETE FROM {}").format(name))  # a migration's own rows
        writer = target.cursor()
        with (
            source.cursor() as reader,
            reader.copy(sql.SQL("COPY {} TO STDOUT (FORMAT binary)").format(name)) as out,
            writer.copy(sql.SQL("COPY {} FROM STDIN (FORMAT binary)").format(name)) as into,
        ):
            for block in out:
                into.write(block)
        rows += writer.rowcount
    target.execute("ANALYZE")
    return rows


if __name__ == "__main__":
    main()
