"""Reconciling and closing without a browser."""

import hashlib
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from refundlib import config
from refundlib.cli import main
from tests.reconciliation.month import Month, rows_of, written
from tests.reconciliation.test_month import add

pytestmark = pytest.mark.slow


@pytest.fixture(autouse=True)
def environment(database_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """The command line on the month's database."""
    monkeypatch.setenv("REFUNDS_DATABASE_URL", database_url)
    monkeypatch.setenv("REFUNDS_HOME", str(tmp_path))
    config.settings.cache_clear()
    yield
    config.settings.cache_clear()


def refunds(*words: Any) -> Result:
    """`refunds …`."""
    return CliRunner().invoke(main, [str(word) for word in words])


def test_a_month_end_on_the_command_line(month: Month, tmp_path: Path) -> None:
    """Reconcile, post the fees, close, export: the export is the frozen journal."""
    report = tmp_path / "march.csv"
    report.write_text(month.report)
    days = ("--from", "2026-03-01", "--to", "2026-04-02")
    first = refunds("reconcile", report, *days, "--as", "fin")
    assert (first.exit_code, "No break." in first.output) == (0, True)
    assert "Posted: " in refunds("post-fees", "--as", "fin").output
    closed = refunds("close", "2026-03-20", "--as", "fin", "--json")
    assert closed.exit_code == 0, closed.output
    journal = refunds("journal", "--from", "2026-03-20", "--to", "2026-03-21", "--as", "mo").output
    assert json.loads(closed.output)["sha256"] == hashlib.sha256(journal.encode()).hexdigest()
    again = refunds("close", "2026-03-20", "--as", "fin")
    assert again.exit_code == 1
    assert "closed already" in again.output


def test_a_break_is_exit_status_1(month: Month, tmp_path: Path) -> None:
    """What does not agree is printed, in JSON too, and the exit status says so; without a person nothing."""
    rows = rows_of(month.report)
    add("refund", "-4.20")(rows)
    report = tmp_path / "march.csv"
    report.write_bytes(written(rows))
    assert "--as PERSON" in refunds("reconcile", report).output
    answer = refunds("reconcile", report, "--to", "2026-04-02", "--as", "fin", "--json")
    assert answer.exit_code == 1
    assert [row["class"] for row in json.loads(answer.output)["breaks"]] == ["theirs_not_ours"]
    assert "theirs_not_ours" in refunds("reconcile", report, "--as", "ines").output


def test_a_bad_report_is_a_sentence(month: Month, tmp_path: Path) -> None:
    """No report at all, and one with a bad line: what is wrong and where, exit status 1."""
    report = tmp_path / "march.csv"
    report.write_text("a,b\n1,2\n")
    assert refunds("reconcile", report, "--as", "fin").exit_code == 1
    rows = rows_of(month.report)
    rows[2]["gross"] = "NaN"
    report.write_bytes(written(rows))
    answer = refunds("reconcile", report, "--as", "fin")
    assert answer.exit_code == 1
    assert "Line 4, column gross" in answer.output
