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

import click
import psycopg
from psycopg import sql
from sqlalchemy import make_url

FLOOR = "copy_floor"
# What the migrations fill, and what is summed from the rows.
NOT_COPIED = ("zip_regions", "rollup_days", "rollup_pros", "rollup_marks", "migrations")


@click.command()
@click.argument("folder", type=click.Path(path_type=Path, exists=True))
@click.argument("size", type=int)
def main(folder: Path, size: int) -> None:
    """Copies all, and tells the time."""
    os.environ["REFUNDS_HOME"] = str(folder / str(size))
    from refundlib.bootstrap import database, migrate_database

    with database() as url, fresh_database(url) as floor:
        migrate_database(floor)
        with psycopg.connect(plain(url)) as source, psycopg.connect(plain(floor)) as target:
            started = time.monotonic()
            rows = copy_all(source, target)
            took = time.monotonic() - started
    click.echo(f"{rows:,} rows of {size:,} charges by COPY: {took:.0f} s")


def plain(url: str) -> str:
    """A URL of SQLAlchemy's as psycopg reads it."""
    return make_url(url).set(drivername="postgresql").render_as_string(hide_password=False)


@contextmanager
def fresh_database(url: str) -> Iterator[str]:
    """An empty database on the same server, dropped in the end."""
    with psycopg.connect(plain(url), autocommit=True) as conn:
        conn.execute(f"DROP DATABASE IF EXISTS {FLOOR} WITH (FORCE)")
        conn.execute(f"CREATE DATABASE {FLOOR}")
        try:
            yield make_url(url).set(database=FLOOR).render_as_string(hide_password=False)
        finally:
            conn.execute(f"DROP DATABASE {FLOOR} WITH (FORCE)")


def copy_all(source: psycopg.Connection[tuple[str, ...]], target: psycopg.Connection[tuple[str, ...]]) -> int:
    """Every table's rows; how many there were."""
    target.execute("SET session_replication_role = replica")
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
    target.commit()
    target.autocommit = True
    target.execute("ANALYZE")
    return rows


if __name__ == "__main__":
    main()
