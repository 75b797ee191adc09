"""`refunds import`: a folder in the exchange format, checked first, then taken whole or not at all."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sqlalchemy import Connection

from refundlib.db import staging
from refundlib.db.queries import queries
from refundlib.domain.errors import Refusal
from refundlib.domain.exchange import TABLES
from refundlib.services import rollup
from refundlib.services.desk import Desk
from refundlib.services.importing.folder import (
    Progress,
    RowError,
    Unreadable,
    files_of,
    stage,
    write_bad_rows,
)
from refundlib.services.importing.history import History
from refundlib.services.importing.writing import write


class ImportRefused(Refusal):
    """The folder has errors and nothing was imported. errors: {"file", "line", "column", "reason"}."""

    def __init__(self, errors: list[dict[str, Any]]) -> None:
        super().__init__(f"The folder has {len(errors)} errors; nothing was imported.")
        self.errors = errors


@dataclass(frozen=True)
class ImportResult:
    """What an import took: rows new or changed by file, notes, and where bad rows went."""

    counts: dict[str, int]
    notes: tuple[str, ...]
    bad_rows: int
    bad_dir: Path | None

    def to_json(self) -> dict[str, Any]:
        """For scripts."""
        return {
            "imported": self.counts,
            "notes": list(self.notes),
            "bad_rows": self.bad_rows,
            "bad_dir": None if self.bad_dir is None else str(self.bad_dir),
        }

    def sentence(self) -> str:
        """For people."""
        taken = ", ".join(
            f"{count:,} {name.replace('_', ' ')}" for name, count in self.counts.items() if count
        )
        lines = [f"Imported: {taken}." if taken else "Nothing new: everything was there already."]
        if self.bad_rows:
            lines.append(
                f"{self.bad_rows:,} bad rows were left out; they are in {self.bad_dir}, with the reasons."
            )
        return "\n".join([*lines, *self.notes])


def import_folder(
    desk: Desk,
    folder: Path,
    *,
    skip_bad_rows: bool = False,
    bad_dir: Path | None = None,
    progress: Progress = lambda _step, _done, _total: None,
) -> ImportResult:
    """Imports a folder in one transaction. The desk must be opened with the owner's rights.

    Raises ImportRefused with every error, and then nothing was written; with skip_bad_rows the good rows are
    taken, and the bad ones and those that depend on them go to bad_dir (FOLDER-bad unless given).
    """
    tables, notes = files_of(folder)
    with desk.transaction() as conn:
        staging.begin(conn)
        try:
            notes += stage(conn, folder, tables, progress)
        except Unreadable as unreadable:
            raise ImportRefused([error._asdict() for error in unreadable.errors]) from unreadable
        _check(conn, skip_bad_rows)
        history = History(conn)
        history.post(progress)
        _take_out_unposted(conn, history)
        errors = _errors(conn, skip_bad_rows)
        counts = write(conn, desk, history.payouts, progress)
        notes += _balance_notes(conn)
        where = _put_aside(folder, bad_dir, errors)
    rollup.catch_up(desk, limit=rollup.MARKS_FOR_REBUILD)
    bad_rows = len({(error.file, error.line) for error in errors})
    return ImportResult(counts, tuple(notes), bad_rows, where)


def _check(conn: Connection, skip_bad_rows: bool) -> None:
    """Finds bad rows file by file, in the order in which files refer to one another, and takes them out."""
    own = {
        "charges": [queries.import_check.find_foreign_payments],
        "reports": [queries.import_check.find_changed_reports],
        "decisions": [queries.import_check.find_changed_decisions, queries.import_check.find_bad_decisions],
        "card_refunds": [
            queries.import_check.find_changed_card_refunds,
            queries.import_check.find_bad_card_refunds,
        ],
    }
    for table in TABLES:
        staging.find_duplicates(conn, table)
        queries.import_check.find_dangling(conn, file=table.file)
        staging.find_changed(conn, table)
        for find in own.get(table.name, []):
            find(conn)
        staging.drop_bad(conn, table)
    _errors(conn, skip_bad_rows)


def _errors(conn: Connection, skip_bad_rows: bool) -> list[RowError]:
    """The errors so far. Raises ImportRefused when there are any and they may not be skipped."""
    rows = queries.import_check.errors(conn, with_derived=skip_bad_rows)
    errors = [RowError(row["file"], row["line"], row["column"], row["reason"]) for row in rows]
    if errors and not skip_bad_rows:
        raise ImportRefused([error._asdict() for error in errors])
    return errors


def _take_out_unposted(conn: Connection, history: History) -> None:
    """Rows that could not be posted, and rows that depend on them, leave the staging tables."""
    if not history.errors:
        return
    staging.note_errors(conn, ((*error, derived) for error, derived in history.errors))
    for table in TABLES[TABLES.index(next(t for t in TABLES if t.name == "charges")) :]:
        queries.import_check.find_dangling(conn, file=table.file)
        staging.drop_bad(conn, table)


def _balance_notes(conn: Connection) -> Sequence[str]:
    count = queries.import_write.balance_differences(conn)
    if not count:
        return ()
    balances = "balance differs" if count == 1 else "balances differ"
    return (f"{count} of the marketplace's {balances} from the ledger; compare them with the ledger's.",)


def _put_aside(folder: Path, bad_dir: Path | None, errors: list[RowError]) -> Path | None:
    if not errors:
        return None
    where = bad_dir or folder.with_name(f"{folder.resolve().name}-bad")
    write_bad_rows(folder, where, errors)
    return where
