"""The processor's report: an itemized export as CSV text in; lines in minor units, and what is wrong, out.

Two exports are read, columns by name: balance change from activity, and payout reconciliation.
Source: Stripe, Report types; STACK, Stripe facts for refunds and reports.
"""

import csv
import re
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Final, TypeVar

from refundlib.domain.errors import BadFigure
from refundlib.domain.exchange import MINOR_MAX, CellError
from refundlib.domain.money import CURRENCIES, exponent, format_money

ROWS_MAX: Final = 1_000_000  # about 200 MB of text, and a minute
CELL_CHARACTERS_MAX: Final = 131_072  # what csv takes by itself; its limit is the whole process's
PROBLEMS_MAX: Final = 10_000  # beyond this a file is not the one meant

# What the desk knows a meaning for; a line of another category is read all the same.
KNOWN_CATEGORIES: Final = frozenset(
    {
        "charge",
        "refund",
        "refund_failure",
        "charge_failure",
        "partial_capture_reversal",
        "dispute",
        "dispute_reversal",
        "fee",
        "payout",
        "payout_reversal",
    }
)

_AMOUNTS: Final = ("gross", "fee", "net")
_REQUIRED: Final = ("balance_transaction_id", "currency", *_AMOUNTS, "reporting_category")
# When a line came about, the surest first; the export of payouts alone says when they took effect.
_CREATED: Final = ("created_utc", "created", "effective_at_utc", "effective_at")
_KNOWN: Final = frozenset(
    {
        *_REQUIRED,
        *_CREATED,
        *("available_on", "available_on_utc", "description"),
        *(
            "source_id",
            "payout_id",
            "charge_id",
            "payment_intent_id",
            "refund_metadata[payout_id]",
            "automatic_payout_id",
        ),
    }
)
# What nothing can be matched by, when the export has none of these columns.
_MATCHES: Final = (
    (("refund_metadata[payout_id]",), "Refunds cannot be matched by our payout ids"),
    (("source_id",), "Refunds cannot be matched by the processor's ids"),
    (
        ("charge_id", "source_id"),
        "Payments cannot be matched by their charge (ch_…), only proposed by amount and date",
    ),
    (
        ("payment_intent_id",),
        "Payments cannot be matched by their payment intent (pi_…), only proposed by amount and date",
    ),
)

_SIGNS: Final = (".", ",")
_DELIMITERS: Final = (",", ";", "\t")
_LINE: Final = re.compile(r"[^\r\n]*(?:\r\n?|\n)|[^\r\n]+")
_SURROGATE: Final = re.compile("[\ud800-\udfff]")
_TIME: Final = re.compile(
    r"[0-9]{4}-[0-9]{2}-[0-9]{2}"
    r"([T ][0-9]{2}:[0-9]{2}(:[0-9]{2}([.,][0-9]{1,9})?)?(Z|[+-][0-9]{2}:?[0-9]{2})?)?"
)
_NEVER: Final = datetime.min.replace(tzinfo=UTC)  # stands in a line that is thrown away
T = TypeVar("T")


def _shape(sign: str, other: str) -> re.Pattern[str]:
    """Amounts, without plus or minus, whose decimal sign is `sign`: thousands by one and the same mark."""
    thousands = rf"[1-9][0-9]{{0,2}}(?P<by>[ \u00a0\u202f'’{other}])[0-9]{{3}}(?:(?P=by)[0-9]{{3}})*"
    return re.compile(rf"(?P<whole>[0-9]+|{thousands})(?:[{sign}](?P<part>[0-9]+))?")


_SHAPES: Final = {".": _shape(".", ","), ",": _shape(",", ".")}


@dataclass(frozen=True, slots=True)
class ReportLine:
    """One movement on our balance at the processor.

    line: the physical line its record starts on, the header's being 1. Times are UTC; amounts are minor
    units, gross and net signed as seen from our balance, net = gross − fee. category: the processor's word
    in lower case, also one we do not know. payout_id is ours, bank_payout_ref the processor's payout to our
    bank. other: the columns nothing here knows, where they are filled, as they stand.
    """

    line: int
    line_id: str
    created_at: datetime
    available_at: datetime | None
    currency: str
    gross: int
    fee: int
    net: int
    category: str
    description: str
    source_id: str | None
    charge_ref: str | None
    intent_ref: str | None
    payout_id: str | None
    bank_payout_ref: str | None
    other: dict[str, str]


@dataclass(frozen=True, slots=True)
class RowProblem:
    """One thing wrong: the physical line the record starts on, the column ("": the row), the reason."""

    line: int
    column: str
    reason: str


@dataclass(frozen=True)
class ParsedReport:
    """A report read. A record with a problem is in `problems` alone; notes are sentences for the operator.

    kind: "balance_change", or "payout_reconciliation" when every line names the payout it is in.
    """

    kind: str
    lines: tuple[ReportLine, ...]
    problems: tuple[RowProblem, ...]
    notes: tuple[str, ...]


def read_report(text: str, decimal_sign: str | None = None) -> ParsedReport:
    """Reads an export. decimal_sign: "." or ","; None: the one the amounts give away.

    Raises BadFigure when the text is no such report, or when its decimal sign cannot be told.
    """
    if decimal_sign not in (None, *_SIGNS):
        raise BadFigure("The decimal sign is a point or a comma. Name one of them.")
    sheet = _Sheet(text)
    reading = _Reading(sheet, decimal_sign or _decimal_sign(sheet))
    for line, cells in sheet.rows():
        reading.take(line, cells)
    lines = tuple(reading.lines.values())
    in_payouts = bool(lines) and all(line.bank_payout_ref for line in lines)
    return ParsedReport(
        "payout_reconciliation" if in_payouts else "balance_change",
        lines,
        tuple(reading.problems),
        tuple(_notes(reading)),
    )


# -- the text as rows ---------------------------------------------------------------------------------


class _Sheet:
    """The text as rows of cells under named columns. Rows are read anew each time, so none are kept."""

    def __init__(self, text: str) -> None:
        self._text = text.removeprefix("\ufeff")
        if not self._text.strip():
            raise BadFigure("The report is empty. Export it again, with its header.")
        if "\x00" in self._text:
            raise BadFigure("The report has a NUL character, which no text may have. Export it again as CSV.")
        self._delimiter, self.names = _header(self._text)
        self.places = {name.lower(): place for place, name in enumerate(self.names)}
        self._check_names()
        self.created = next((name for name in _CREATED if name in self.places), _CREATED[0])
        # The export of payouts alone calls their id by what they are.
        self.source = "source_id" if "source_id" in self.places else "payout_id"
        self.available = "available_on_utc" if "available_on_utc" in self.places else "available_on"
        self.others = [(place, name) for place, name in enumerate(self.names) if name.lower() not in _KNOWN]

    def _check_names(self) -> None:
        missing = [name for name in _REQUIRED if name not in self.places]
        if not self.places.keys() & {*_CREATED}:
            missing.append("created_utc or created")
        if missing:
            raise BadFigure(
                f"This is no itemized report of the processor: {_columns(missing)} missing. "
                "Export “Balance change from activity” or “Payout reconciliation”, itemized, as CSV."
            )
        twice = [name for name, count in Counter(map(str.lower, self.names)).items() if count > 1]
        if twice:
            raise BadFigure(f"The header names {_shown(twice[0])} more than once. Export the report again.")
        if _SURROGATE.search("".join(self.names)):
            raise BadFigure("The header is not UTF-8 text. Save the file as UTF-8.")

    def rows(self) -> Iterator[tuple[int, list[str]]]:
        """Each record after the header with the physical line it starts on. Raises BadFigure."""
        records = _records(self._text, self._delimiter)
        next(records, None)
        for count, record in enumerate(records, start=1):
            if count > ROWS_MAX:
                raise BadFigure(f"The report has more than {ROWS_MAX:,} rows. Export a shorter period.")
            yield record


def _header(text: str) -> tuple[str, list[str]]:
    """The delimiter by which the most columns are known, and the columns' names. Raises BadFigure."""
    headers = {delimiter: _first_record(text, delimiter) for delimiter in _DELIMITERS}
    best = max(_DELIMITERS, key=lambda delimiter: len(_KNOWN & {*map(str.lower, headers[delimiter])}))
    if not headers[best]:
        next(_records(text, best), None)  # says what keeps it from being read, if anything does
    return best, headers[best]


def _first_record(text: str, delimiter: str) -> list[str]:
    try:
        _, names = next(_records(text, delimiter), (1, []))
    except BadFigure:
        return []
    return [name.strip() for name in names]


def _records(text: str, delimiter: str) -> Iterator[tuple[int, list[str]]]:
    """Every record with the physical line it starts on; blank lines are no records. Raises BadFigure."""
    # Lines are cut here and not by splitlines, which also cuts where a spreadsheet does not.
    reader = csv.reader((match.group() for match in _LINE.finditer(text)), delimiter=delimiter, strict=True)
    start = 1
    try:
        for cells in reader:
            if len(cells) > 1 or any(map(str.strip, cells)):
                _check_lengths(start, cells)
                yield start, cells
            start = reader.line_num + 1
    except csv.Error as error:
        raise BadFigure(
            f"The report is no proper CSV from line {start} on: {error}. Export it again."
        ) from error


def _check_lengths(line: int, cells: list[str]) -> None:
    # csv's own limit may have been raised for another file meanwhile.
    if max(map(len, cells)) > CELL_CHARACTERS_MAX:
        raise BadFigure(
            f"The report is no proper CSV from line {line} on: a cell has more than "
            f"{CELL_CHARACTERS_MAX:,} characters. Export it again."
        )


# -- rows as lines ------------------------------------------------------------------------------------


class _Reading:
    """What has been read so far: lines by their id, problems, and what the notes are made of."""

    def __init__(self, sheet: _Sheet, sign: str) -> None:
        self.sheet = sheet
        self.sign = sign
        self.lines: dict[str, ReportLine] = {}
        self.problems: list[RowProblem] = []
        self.repeated = 0
        self.zoneless: set[str] = set()

    def take(self, line: int, cells: list[str]) -> None:
        """Reads a record into a line or into problems. Raises BadFigure when there are too many of these."""
        row = _Row(self, line, cells)
        found = row.read()
        if found is not None:
            self._keep(found)
        self.problems += row.problems
        if len(self.problems) > PROBLEMS_MAX:
            first = self.problems[0]
            words = f"{first.column}: {first.reason}" if first.column else first.reason
            raise BadFigure(
                f"More than {PROBLEMS_MAX:,} things are wrong with the report, so it is not the one meant. "
                f"The first is on line {first.line}, {words}."
            )

    def _keep(self, found: ReportLine) -> None:
        first = self.lines.setdefault(found.line_id, found)
        if first is found:
            return
        if replace(found, line=first.line) == first:
            self.repeated += 1
        else:
            reason = f"is {_shown(found.line_id)}, which line {first.line} has with other content"
            self.problems.append(RowProblem(found.line, "balance_transaction_id", reason))


class _Row:
    """One record being read, and what is wrong with it."""

    def __init__(self, reading: _Reading, line: int, cells: list[str]) -> None:
        self.reading = reading
        self.sheet = reading.sheet
        self.line = line
        self.cells = cells
        self.problems: list[RowProblem] = []

    def read(self) -> ReportLine | None:
        """The record as a line, or None and problems."""
        self._check_cells()
        if self.problems:
            return None
        created, available = self.sheet.created, self.sheet.available
        currency = self._take("currency", _currency, "")
        gross, fee, net = self._amounts(currency) if currency else (0, 0, 0)
        line = ReportLine(
            line=self.line,
            line_id=self._take("balance_transaction_id", _filled, ""),
            created_at=self._time(created),
            available_at=self._time(available) if self._cell(available) else None,
            currency=currency,
            gross=gross,
            fee=fee,
            net=net,
            category=self._take("reporting_category", _filled, "").lower(),
            description=self._raw("description"),
            source_id=self._cell(self.sheet.source) or None,
            charge_ref=self._cell("charge_id") or None,
            intent_ref=self._cell("payment_intent_id") or None,
            payout_id=self._cell("refund_metadata[payout_id]") or None,
            bank_payout_ref=self._cell("automatic_payout_id") or None,
            other={name: self.cells[place] for place, name in self.sheet.others if self.cells[place].strip()},
        )
        return None if self.problems else line

    def _raw(self, column: str) -> str:
        place = self.sheet.places.get(column)
        return "" if place is None else self.cells[place]

    def _cell(self, column: str) -> str:
        return self._raw(column).strip()

    def _problem(self, column: str, reason: str) -> None:
        self.problems.append(RowProblem(self.line, column, reason))

    def _take(self, column: str, read: Callable[[str], T], blank: T) -> T:
        """What a cell says; `blank` and a problem when it cannot be read."""
        try:
            return read(self._cell(column))
        except CellError as error:
            self._problem(column, str(error))
            return blank

    def _check_cells(self) -> None:
        names = self.sheet.names
        if len(self.cells) != len(names):
            column = names[len(self.cells)] if len(self.cells) < len(names) else ""
            self._problem(column, f"the row has {len(self.cells)} cells, the header {len(names)}")
            return
        for name, cell in zip(names, self.cells, strict=True):
            if not cell.isascii() and _SURROGATE.search(cell):
                self._problem(name, "is not UTF-8 text; save the file as UTF-8")

    def _time(self, column: str) -> datetime:
        at, has_zone = self._take(column, _time, (_NEVER, True))
        if not has_zone:
            self.reading.zoneless.add(column)
        return at

    def _amounts(self, currency: str) -> tuple[int, int, int]:
        before = len(self.problems)
        gross, fee, net = (
            self._take(column, lambda cell: _minor(cell, currency, self.reading.sign), 0)
            for column in _AMOUNTS
        )
        if net != gross - fee and len(self.problems) == before:
            has, less, leaves, due = (format_money(each, currency) for each in (net, fee, gross, gross - fee))
            self._problem("net", f"is {has}; gross {leaves} less fee {less} is {due}")
        return gross, fee, net


# -- cells --------------------------------------------------------------------------------------------


def _filled(cell: str) -> str:
    if not cell:
        raise CellError("is empty; it must be filled")
    return cell


def _currency(cell: str) -> str:
    # Ascii first: the capital of a dotless i is I.
    currency = cell.upper() if cell.isascii() else cell
    if currency not in CURRENCIES:
        raise CellError(f"is {_shown(cell)}; it must be an ISO 4217 currency, such as usd")
    return currency


def _time(cell: str) -> tuple[datetime, bool]:
    """The time in UTC, and whether the cell named a zone; without one it is UTC. Raises CellError."""
    if not _TIME.fullmatch(_filled(cell)):
        raise CellError(f"is {_shown(cell)}; it must be a time, such as 2026-03-04 15:00:00")
    try:
        at = datetime.fromisoformat(cell)
        return (at.replace(tzinfo=UTC), False) if at.tzinfo is None else (at.astimezone(UTC), True)
    except (ValueError, OverflowError):
        raise CellError(f"is {_shown(cell)}, which no calendar has") from None


def _minor(cell: str, currency: str, sign: str) -> int:
    """An amount in major units as minor units. Raises CellError."""
    is_negative, number = _unsigned(_filled(cell))
    digits = exponent(currency)
    found = _SHAPES[sign].fullmatch(number)
    if found is None:
        raise CellError(
            f"is {_shown(cell)}; it must be an amount, such as 25{sign + '0' * digits if digits else ''}"
        )
    part = (found["part"] or "").rstrip("0")
    if len(part) > digits:
        places = f"{digits} decimal places" if digits else "no decimal places"
        raise CellError(f"is {_short(cell)}; {currency} has {places}")
    whole = found["whole"].replace(found["by"], "") if found["by"] else found["whole"]
    minor_digits = (whole + part.ljust(digits, "0")).lstrip("0") or "0"
    # Measured as text before it is counted: int() refuses thousands of digits with an error of its own.
    if len(minor_digits) > len(str(MINOR_MAX)) or int(minor_digits) > MINOR_MAX:
        raise CellError(f"is {_short(cell)}, which is too large")
    return -int(minor_digits) if is_negative else int(minor_digits)


def _unsigned(cell: str) -> tuple[bool, str]:
    """Whether an amount is negative, and the rest of it: −5, -5 and (5) are; 5 and +5 are not."""
    text = cell.strip()
    if text[:1] == "(" and text[-1:] == ")":
        return True, text[1:-1]
    if text[:1] in ("-", "−"):
        return True, text[1:]
    return False, text.removeprefix("+")


def _short(cell: str) -> str:
    return cell if len(cell) <= 60 else f"{cell[:57]}…"


def _shown(cell: str) -> str:
    return repr(_short(cell)) if cell else "empty"


# -- the decimal sign ---------------------------------------------------------------------------------


def _decimal_sign(sheet: _Sheet) -> str:
    """The one sign that can be the decimal sign of every amount. Raises BadFigure."""
    evidence: dict[str, str] = {}
    unclear = ""
    for where, cell, currency in _all_amounts(sheet):
        possible = _possible_signs(cell, currency)
        if len(possible) == 1:
            evidence.setdefault(possible, f"line {where} has {_short(cell)}")
            if len(evidence) > 1:
                raise BadFigure(
                    f"The decimal sign cannot be told: {evidence['.']}, {evidence[',']}. "
                    "Export the report again, or name its decimal sign."
                )
        elif possible:
            unclear = unclear or f"line {where} has {_short(cell)}"
    if unclear and not evidence:
        raise BadFigure(
            f"The decimal sign cannot be told: {unclear}, and no other amount shows whether that is a "
            "decimal sign or one for thousands. Name the decimal sign, a point or a comma."
        )
    return next(iter(evidence), ".")


def _all_amounts(sheet: _Sheet) -> Iterator[tuple[int, str, str]]:
    """Each amount of the whole rows: line, cell, currency."""
    places = [sheet.places[column] for column in _AMOUNTS]
    currency = sheet.places["currency"]
    for line, cells in sheet.rows():
        if len(cells) == len(sheet.names):
            for place in places:
                yield line, cells[place].strip(), cells[currency].strip().upper()


def _possible_signs(cell: str, currency: str) -> str:
    """The signs that can be an amount's decimal sign: one is evidence; none when it has neither sign.

    "25.00", "1,234.5" and "1,234,567" can only be read with a point; "1,234" with either. So can "1.234",
    but where the currency has three decimals it is read with a point, for the report writes them all.
    """
    number = _unsigned(cell)[1]
    if "." not in number and "," not in number:
        return ""
    possible = "".join(sign for sign in _SIGNS if _SHAPES[sign].fullmatch(number))
    return "." if len(possible) == 2 and "." in number and exponent(currency) == 3 else possible


# -- notes --------------------------------------------------------------------------------------------


def _notes(reading: _Reading) -> Iterator[str]:
    """What the operator should know of the report, in sentences."""
    sheet = reading.sheet
    for columns, what in _MATCHES:
        if not any(column in sheet.places for column in columns):
            yield f"{what}: {_columns(columns)} missing."
    for column in (sheet.created, sheet.available):
        if column in reading.zoneless and not column.endswith("_utc"):
            yield f"{column} has no zone and is read as UTC."
    if reading.sign == ",":
        yield "Amounts are read with a comma as the decimal sign."
    if reading.repeated == 1:
        yield "A line that is there twice was taken once."
    elif reading.repeated:
        yield f"{reading.repeated:,} lines that repeat an earlier one were left out."
    if not reading.lines and not reading.problems:
        yield "The report has no rows."


def _columns(names: Sequence[str]) -> str:
    """The column a is; the columns a, b and c are."""
    if len(names) == 1:
        return f"the column {names[0]} is"
    return f"the columns {', '.join(names[:-1])} and {names[-1]} are"
