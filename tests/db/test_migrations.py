"""Migrations: applied once, in order; an edited, a failing or a foreign one is refused in a sentence."""

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy import Engine, text

from refundlib.db.engine import make_engine
from refundlib.db.files import sql_folder
from refundlib.db.migrate import migrate, pending, read_migrations, require_current
from refundlib.domain.errors import MigrationBehind, Refusal
from tests.conftest import cloned


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A copy of the project's migrations."""
    return Path(shutil.copytree(sql_folder("migrations"), tmp_path / "migrations"))


@pytest.fixture
def engine(database_url: str) -> Iterator[Engine]:
    """The owner's engine on a migrated database."""
    engine = make_engine(database_url, statement_timeout_ms=0)
    yield engine
    engine.dispose()


def exists(engine: Engine, table: str) -> bool:
    """Whether the table is there."""
    with engine.connect() as conn:
        return bool(conn.execute(text("SELECT to_regclass(:t) IS NOT NULL"), {"t": table}).scalar())


def test_from_nothing_in_order(server_url: str) -> None:
    """An empty database gets every file, in order; a second run applies none."""
    with cloned(server_url, "template0") as url:
        engine = make_engine(url, statement_timeout_ms=0)
        with pytest.raises(MigrationBehind, match="refunds migrate"):
            require_current(engine)
        assert migrate(engine) == [migration.name for migration in read_migrations()]
        assert migrate(engine) == []
        require_current(engine)
        engine.dispose()


def test_an_edited_file_is_refused(engine: Engine, folder: Path) -> None:
    """A file changed after it was applied is named, and nothing runs."""
    path = folder / "0003_ledger.sql"
    path.write_text(path.read_text() + "\n-- a later thought\n")
    with pytest.raises(MigrationBehind, match=r"0003_ledger\.sql was edited"):
        migrate(engine, folder)


def test_a_failing_file_changes_nothing(engine: Engine, folder: Path) -> None:
    """A file that fails half way leaves nothing behind, and counts as not applied."""
    (folder / "9001_good.sql").write_text("CREATE TABLE refunds.good (x int);")
    (folder / "9002_bad.sql").write_text("CREATE TABLE refunds.half (x int); SELECT 1 / 0;")
    with pytest.raises((Refusal, Exception), match="zero"):
        migrate(engine, folder)
    assert exists(engine, "refunds.good")
    assert not exists(engine, "refunds.half")
    assert [migration.name for migration in pending(engine, folder)] == ["9002_bad.sql"]


def test_a_newer_database_is_refused(engine: Engine, folder: Path) -> None:
    """A program older than the database says that it must be updated."""
    (folder / "9001_new.sql").write_text("CREATE TABLE refunds.later (x int);")
    migrate(engine, folder)
    with pytest.raises(MigrationBehind, match=r"does not know 9001_new\.sql"):
        require_current(engine)


def test_names_and_numbers(tmp_path: Path) -> None:
    """A badly named file and a number used twice are programmer's errors, found at once."""
    (tmp_path / "0001_a.sql").touch()
    (tmp_path / "0001_b.sql").touch()
    with pytest.raises(ValueError, match="carry one number"):
        read_migrations(tmp_path)
    (tmp_path / "later.sql").touch()
    with pytest.raises(ValueError, match="NNNN_name"):
        read_migrations(tmp_path)
