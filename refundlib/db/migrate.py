"""Migrations: the files of sql/migrations, each applied once, in order, in a transaction of its own.

What was applied is kept with a checksum in refunds_meta.migrations; an edited one is refused.
"""

import hashlib
import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import psycopg
from sqlalchemy import Engine

from refundlib.db.engine import translated
from refundlib.db.files import sql_folder
from refundlib.domain.errors import DatabaseSlow, MigrationBehind

# One number for all programs of this desk: who holds it migrates, the others wait.
_ADVISORY_LOCK: Final = 7_331_002
# How long to wait for another migration, or for a table somebody works on.
_LOCK_TIMEOUT: Final = "30s"
_NAME: Final = re.compile(r"(\d{4})_[a-z0-9_]+\.sql")

_PREPARE: Final = """
    CREATE SCHEMA IF NOT EXISTS refunds_meta;
    CREATE TABLE IF NOT EXISTS refunds_meta.migrations (
        name text PRIMARY KEY,
        checksum text NOT NULL,
        applied_at timestamptz NOT NULL DEFAULT now()
    );
    GRANT USAGE ON SCHEMA refunds_meta TO PUBLIC;
    GRANT SELECT ON refunds_meta.migrations TO PUBLIC;
"""


@dataclass(frozen=True)
class Migration:
    """One file. name: its file name, which orders it; checksum: SHA-256 of its text, line ends as LF."""

    name: str
    text: str
    checksum: str


def read_migrations(folder: Path | None = None) -> list[Migration]:
    """The files in order. ValueError when a name is not NNNN_name.sql or a number is there twice."""
    paths = sorted((folder or sql_folder("migrations")).glob("*.sql"))
    numbers = [_number(path) for path in paths]
    if len(set(numbers)) != len(numbers):
        raise ValueError(f"two migrations carry one number: {', '.join(path.name for path in paths)}")
    return [_read(path) for path in paths]


def _number(path: Path) -> str:
    match = _NAME.fullmatch(path.name)
    if match is None:
        raise ValueError(f"{path.name} is not named NNNN_name.sql")
    return match[1]


def _read(path: Path) -> Migration:
    text = path.read_text(encoding="utf-8")
    return Migration(path.name, text, hashlib.sha256(text.encode()).hexdigest())


def pending(engine: Engine, folder: Path | None = None) -> list[Migration]:
    """What `migrate` would apply. MigrationBehind when the applied ones do not fit the files."""
    with _connection(engine) as connection:
        return _missing(read_migrations(folder), _applied(connection))


def require_current(engine: Engine, folder: Path | None = None) -> None:
    """MigrationBehind, with what to do, unless exactly these files are applied."""
    missing = pending(engine, folder)
    if missing:
        raise MigrationBehind(
            f"The database's schema is behind this program: {len(missing)} to apply, from {missing[0].name}. "
            "Run `refunds migrate`, then try again."
        )


def migrate(
    engine: Engine, folder: Path | None = None, on_applied: Callable[[str], None] = lambda _name: None
) -> list[str]:
    """Apply what is missing and return its names. A file that fails changes nothing.

    `engine` must not take the app's role. on_applied: called with each name. MigrationBehind when an applied
    file was edited; DatabaseSlow when another migration, or work on a table, did not end in time.
    """
    with _connection(engine) as connection, _only_one(connection):
        connection.execute(_PREPARE)
        missing = _missing(read_migrations(folder), _applied(connection))
        for migration in missing:
            _apply(connection, migration)
            on_applied(migration.name)
    return [migration.name for migration in missing]


@contextmanager
def _connection(engine: Engine) -> Iterator[psycopg.Connection[Any]]:
    """A driver connection in autocommit that no pool gets back: its settings end with it."""
    with translated():
        pooled = engine.raw_connection()
        connection = pooled.driver_connection
        pooled.detach()
        try:
            assert isinstance(connection, psycopg.Connection)
            connection.autocommit = True
            connection.execute("SET statement_timeout = 0")
            connection.execute(f"SET lock_timeout = '{_LOCK_TIMEOUT}'")
            connection.execute("SET client_min_messages = warning")
            yield connection
        finally:
            pooled.close()


@contextmanager
def _only_one(connection: psycopg.Connection[Any]) -> Iterator[None]:
    try:
        connection.execute("SELECT pg_advisory_lock(%s)", [_ADVISORY_LOCK])
    except psycopg.errors.LockNotAvailable:
        raise DatabaseSlow("Another migration of this database is under way. Try again later.") from None
    yield  # the lock ends with the connection


def _applied(connection: psycopg.Connection[Any]) -> dict[str, str]:
    """Name → checksum of what is applied; nothing when the table is not there yet."""
    exists = connection.execute("SELECT to_regclass('refunds_meta.migrations') IS NOT NULL").fetchone()
    if exists != (True,):
        return {}
    return dict(connection.execute("SELECT name, checksum FROM refunds_meta.migrations").fetchall())


def _missing(files: list[Migration], applied: dict[str, str]) -> list[Migration]:
    known = {migration.name for migration in files}
    strangers = sorted(set(applied) - known)
    if strangers:
        raise MigrationBehind(
            f"The database is newer than this program, which does not know {strangers[-1]}. "
            "Update the program, then try again."
        )
    for migration in files:
        if applied.get(migration.name, migration.checksum) != migration.checksum:
            raise MigrationBehind(
                f"{migration.name} was edited after it was applied to this database. "
                "Put the file back as it was and write the change as a new migration."
            )
    return [migration for migration in files if migration.name not in applied]


def _apply(connection: psycopg.Connection[Any], migration: Migration) -> None:
    with connection.transaction():
        # Without parameters the text goes as it is, so one file may hold many statements.
        connection.execute(migration.text.encode())
        connection.execute(
            "INSERT INTO refunds_meta.migrations (name, checksum) VALUES (%s, %s)",
            [migration.name, migration.checksum],
        )
