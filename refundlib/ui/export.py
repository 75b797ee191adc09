"""Tables to take away: CSV, and a workbook with a sheet a table. No cell becomes a formula."""

import io
import re
from collections.abc import Mapping
from typing import Any, Final

import pandas as pd
import xlsxwriter

from refundlib.domain.spreadsheet import neutral

_SHEET_CHARACTERS_MAX: Final = 31


def csv_of(frame: pd.DataFrame) -> bytes:
    """A table as CSV, UTF-8 with a mark, so that spreadsheets read it right."""
    safe = frame.map(neutral).rename(columns=neutral)
    return safe.to_csv(index=False).encode("utf-8-sig")


def workbook_of(tables: Mapping[str, pd.DataFrame]) -> bytes:
    """Tables as a workbook; text is written as text, whatever it begins with."""
    buffer = io.BytesIO()
    options = {"in_memory": True, "strings_to_formulas": False, "strings_to_urls": False}
    with xlsxwriter.Workbook(buffer, options) as book:
        bold = book.add_format({"bold": True})
        for number, (name, frame) in enumerate(tables.items(), start=1):
            sheet = book.add_worksheet(_sheet_name(name, number))
            for column, title in enumerate(frame.columns):
                sheet.write_string(0, column, str(title), bold)
                for row, value in enumerate(frame[title], start=1):
                    _write(sheet, row, column, value)
            sheet.autofit()
            sheet.freeze_panes(1, 0)
    return buffer.getvalue()


def _write(sheet: Any, row: int, column: int, value: Any) -> None:
    if pd.isna(value):
        return
    if isinstance(value, int | float) or hasattr(value, "item"):
        sheet.write_number(row, column, float(value))
    else:
        sheet.write_string(row, column, neutral(str(value)))


def _sheet_name(name: str, number: int) -> str:
    plain = re.sub(r"[\[\]:*?/\\']", " ", name)[: _SHEET_CHARACTERS_MAX - 3]
    return f"{number} {plain}"
