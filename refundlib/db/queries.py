"""The named blocks of sql/queries: `queries.claims.get(connection, id=…)` runs block `get` of claims.sql.

A block's suffix says what comes back: none a list of rows, `^` one row or None, `$` one value or None,
`!` how many rows were changed, `<!` the row that RETURNING gives, `*!` one run for each of many parameters.
Rows are dicts.
"""

from collections.abc import Callable, Iterable, Mapping
from functools import cache
from pathlib import Path
from typing import Any

import aiosql
import psycopg
from aiosql.adapters.pyformat import PyFormatAdapter
from psycopg.rows import dict_row
from sqlalchemy import Connection

from refundlib.db.files import sql_folder

Row = dict[str, Any]


class _DictRows(PyFormatAdapter):
    """Runs blocks through psycopg with rows as dicts, fetched whole: a block's limit is in its SQL.

    aiosql hands results through untouched; its own adapters give tuples and generators: the ignores.
    """

    def _run(self, connection: psycopg.Connection[Any], sql: str, parameters: Any) -> psycopg.Cursor[Row]:
        return connection.cursor(row_factory=dict_row).execute(sql, parameters)

    def select(  # type: ignore[override]
        self, conn: Any, query_name: str, sql: str, parameters: Any, record_class: Any = None
    ) -> list[Row]:
        return self._run(conn, sql, parameters).fetchall()

    def select_one(  # type: ignore[override]
        self, conn: Any, query_name: str, sql: str, parameters: Any, record_class: Any = None
    ) -> Row | None:
        return self._run(conn, sql, parameters).fetchone()

    def select_value(self, conn: Any, query_name: str, sql: str, parameters: Any) -> Any:
        row = conn.execute(sql, parameters).fetchone()
        return None if row is None else row[0]

    def insert_returning(self, conn: Any, query_name: str, sql: str, parameters: Any) -> Row | None:
        return self._run(conn, sql, parameters).fetchone()

    def insert_update_delete(self, conn: Any, query_name: str, sql: str, parameters: Any) -> int:
        return self._run(conn, sql, parameters).rowcount


class Blocks:
    """The blocks of one file, as functions of a SQLAlchemy connection and the block's parameters."""

    def __init__(self, path: Path) -> None:
        self._loaded = aiosql.from_str(path.read_text(encoding="utf-8"), _DictRows)
        self.names: list[str] = sorted(
            name for name in self._loaded.available_queries if not name.endswith("_cursor")
        )
        self._file = path.name

    def __getattr__(self, block: str) -> Callable[..., Any]:
        if block.startswith("_") or block not in self.names:
            raise AttributeError(f"{self._file} has no block {block}")
        function = _bound(getattr(self._loaded, block))
        setattr(self, block, function)  # the next call finds it without coming here
        return function


def _bound(block: Callable[..., Any]) -> Callable[..., Any]:
    def run(connection: Connection, /, *many: Iterable[Mapping[str, Any]], **parameters: Any) -> Any:
        return block(driver_connection(connection), *many, **parameters)

    run.__doc__ = block.__doc__
    return run


def driver_connection(connection: Connection) -> psycopg.Connection[Any]:
    """The psycopg connection inside SQLAlchemy's, whose transaction is begun, so that its commit counts."""
    if not connection.in_transaction():
        connection.begin()
    driver = connection.connection.driver_connection
    assert isinstance(driver, psycopg.Connection)
    return driver


class Queries:
    """The files of sql/queries, each read at its first use."""

    def __init__(self, folder: Path | None = None) -> None:
        self._folder = folder

    @property
    def folder(self) -> Path:
        """Where the files are."""
        return self._folder or sql_folder("queries")

    @property
    def files(self) -> list[str]:
        """Names of the files, without .sql."""
        return sorted(path.stem for path in self.folder.glob("*.sql"))

    def __getattr__(self, file: str) -> Blocks:
        if file.startswith("_") or not (self.folder / f"{file}.sql").is_file():
            raise AttributeError(f"sql/queries has no {file}.sql")
        blocks = Blocks(self.folder / f"{file}.sql")
        setattr(self, file, blocks)
        return blocks


queries = Queries()


@cache
def block_names() -> tuple[str, ...]:
    """Every block as file.block; reads all files, so a block that does not parse raises here."""
    return tuple(f"{file}.{name}" for file in queries.files for name in getattr(queries, file).names)
