"""The folder's files: read row by row, each cell checked by itself, what can be read goes into staging."""

import csv
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Final, NamedTuple, TextIO

from sqlalchemy import Connection

from refundlib.db import staging
from refundlib.domain.errors import NotFound
from refundlib.domain.exchange import BY_NAME, TABLES, CellError, Column, Table, contradictions

CELL_CHARACTERS_MAX: Final = 16 * 1024 * 1024
ERRORS_A_FILE_MAX: Final = 10_000  # beyond this a file is not the one meant
ROWS_A_REPORT: Final = 5_000

Progress = Callable[[str, int, int | None], None]


class RowError(NamedTuple):
    """One thing wrong: the physical line where the record starts, the column, the reason."""

    file: str
    line: int
    column: str
    reason: str


class Unreadable(Exception):  # noqa: N818 - an answer, not a programming error
    """Files whose shape is wrong (header, quotes): nothing of the folder can be taken."""

    def __init__(self, errors: list[RowError]) -> None:
        super().__init__(f"{len(errors)} errors")
        self.errors = errors


def files_of(folder: Path) -> tuple[list[Table], list[str]]:
    """The files that are there, in the order they are taken in, and notes about others. Raises NotFound."""
    if not folder.is_dir():
        raise NotFound(f"There is no folder {str(folder)!r}. Name the folder that holds the CSV files.")
    tables = [table for table in TABLES if (folder / table.file).is_file()]
    others = sorted(path.name for path in folder.iterdir() if path.is_file() and path.stem not in BY_NAME)
    others += sorted(f"{table.name}" for table in TABLES if (folder / table.file).is_dir())
    if not tables:
        raise NotFound(
            f"{str(folder)!r} holds none of the files of the exchange format, such as charges.csv."
        )
    return tables, [f"{name} is not a file of the exchange format; it was left alone." for name in others]


def stage(connection: Connection, folder: Path, tables: Sequence[Table], progress: Progress) -> list[str]:
    """Reads every file into staging; rows that cannot be read become errors there. Notes come back.

    Raises Unreadable when a file has no proper header or broken quotes.
    """
    notes: list[str] = []
    broken: list[RowError] = []
    for table in tables:
        try:
            notes += _stage_file(connection, folder / table.file, table, progress)
        except Unreadable as error:
            broken += error.errors
    if broken:
        raise Unreadable(broken)
    return notes


def _stage_file(connection: Connection, path: Path, table: Table, progress: Progress) -> list[str]:
    errors: list[RowError] = []
    lost: list[tuple[str, str | None]] = []
    with _opened(path) as file:
        records = _records(file, table.file)
        header = _Header(table, next(records, (1, [])))
        with staging.rows_into(connection, table) as copy:
            for count, (line, cells) in enumerate(records, start=1):
                reading = header.read(line, cells)
                if reading.errors:
                    errors += reading.errors
                    lost.append((table.name, reading.key))
                    _limit(errors)
                else:
                    copy.write_row((line, *reading.values))
                if count % ROWS_A_REPORT == 0:
                    progress(f"reading {table.file}", count, None)
    staging.note_errors(connection, ((*error, False) for error in errors))
    staging.note_lost(connection, lost)
    staging.analyze(connection, table)
    return header.notes


def _limit(errors: list[RowError]) -> None:
    if len(errors) > ERRORS_A_FILE_MAX:
        raise Unreadable(errors)


def _opened(path: Path) -> TextIO:
    """Bytes that are no UTF-8 stay recognisable, so that the cell can be named."""
    return path.open(encoding="utf-8-sig", errors="surrogateescape", newline="")


def _records(file: TextIO, name: str) -> Iterator[tuple[int, list[str]]]:
    """Records with the physical line each starts on; blank lines are no records."""
    previous = csv.field_size_limit(CELL_CHARACTERS_MAX)
    reader = csv.reader(file, strict=True)
    start = 1
    try:
        for cells in reader:
            if cells:
                yield start, cells
            start = reader.line_num + 1
    except csv.Error as error:
        raise Unreadable([RowError(name, start, "", f"is no proper CSV: {error}")]) from error
    finally:
        csv.field_size_limit(previous)


class _Reading(NamedTuple):
    """A record read: its values in the table's order, or what is wrong; key None when it cannot be read."""

    values: Sequence[Any]
    errors: list[RowError]
    key: str | None


class _Header:
    """Where each column stands in a file."""

    def __init__(self, table: Table, first: tuple[int, list[str]]) -> None:
        self.table = table
        self.names = first[1]
        self.notes = [
            f"{table.file} has a column {name[:40]!r} that the format does not know; it was left alone."
            for name in self.names
            if name not in {column.name for column in table.columns}
        ]
        errors = list(self._errors())
        if errors:
            raise Unreadable(errors)
        self.places = {name: place for place, name in enumerate(self.names)}

    def _errors(self) -> Iterator[RowError]:
        counts = Counter(self.names)
        for column in self.table.columns:
            if not counts[column.name] and not column.optional:
                yield RowError(self.table.file, 1, column.name, "is missing from the header")
            elif counts[column.name] > 1:
                yield RowError(self.table.file, 1, column.name, "is in the header more than once")

    def read(self, line: int, cells: list[str]) -> _Reading:
        """One record."""
        if len(cells) != len(self.names):
            why = f"the row has {len(cells)} cells, the header {len(self.names)}"
            column = self.names[len(cells)] if len(cells) < len(self.names) else ""
            key_place = self.places[self.table.key[0]]
            key = cells[key_place] if key_place < len(cells) else None
            return _Reading((), [RowError(self.table.file, line, column, why)], key)
        return self._read_cells(line, cells)

    def _read_cells(self, line: int, cells: list[str]) -> _Reading:
        values: dict[str, Any] = {}
        errors: list[RowError] = []
        for column in self.table.columns:
            try:
                values[column.name] = self._cell(column, cells)
            except CellError as error:
                errors.append(RowError(self.table.file, line, column.name, str(error)))
        if not errors:
            errors = [
                RowError(self.table.file, line, column_name, reason)
                for column_name, reason in contradictions(self.table.name, values)
            ]
        return _Reading(list(values.values()), errors, values.get(self.table.key[0]))

    def _cell(self, column: Column, cells: list[str]) -> Any:
        place = self.places.get(column.name)
        if place is None:
            return None
        cell = cells[place]
        if not cell.isascii() and any("\ud800" <= character <= "\udfff" for character in cell):
            raise CellError("is not UTF-8 text; save the file as UTF-8")
        return column.read(cell)


# -- bad rows ------------------------------------------------------------------------------------------


def write_bad_rows(folder: Path, bad_dir: Path, errors: Iterable[RowError]) -> None:
    """Writes the bad rows as they were, with a reason column, to files of the same names."""
    reasons: dict[str, dict[int, list[str]]] = {}
    for error in errors:
        words = f"{error.column}: {error.reason}" if error.column else error.reason
        reasons.setdefault(error.file, {}).setdefault(error.line, []).append(words)
    bad_dir.mkdir(parents=True, exist_ok=True)
    for name, by_line in reasons.items():
        _write_bad_file(folder / name, bad_dir / name, by_line)


def _write_bad_file(source: Path, target: Path, reasons: Mapping[int, list[str]]) -> None:
    with (
        _opened(source) as file,
        target.open("w", encoding="utf-8", errors="surrogateescape", newline="") as out,
    ):
        writer = csv.writer(out, lineterminator="\n")
        records = _records(file, source.name)
        writer.writerow([*next(records)[1], "reason"])
        for line, cells in records:
            if line in reasons:
                writer.writerow([*cells, "; ".join(reasons[line])])
