"""The exchange format on the sample: a right import, a grown folder, bad cells, and rows left out."""

import csv
import json
import shutil
from collections.abc import Callable
from datetime import datetime, timedelta
from pathlib import Path

import pytest

from refundlib.domain.people import WORKER
from refundlib.services.card_refunds import record_outcome
from refundlib.services.checking import check
from refundlib.services.desk import Desk
from refundlib.services.importing import ImportRefused, import_folder
from refundlib.services.status import status
from tests.conftest import DATA

SAMPLE = DATA / "sample"
EXPECTED = json.loads((SAMPLE / "expected.json").read_text())
NOTHING = dict.fromkeys(EXPECTED, 0)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A copy of the sample to spoil."""
    return shutil.copytree(SAMPLE, tmp_path / "sample")


def edit(path: Path, change: Callable[[list[list[str]]], None]) -> None:
    """Changes a file's rows (header first) and writes them back."""
    with path.open(newline="", encoding="utf-8") as file:
        rows = list(csv.reader(file))
    change(rows)
    with path.open("w", newline="", encoding="utf-8") as file:
        csv.writer(file, lineterminator="\n").writerows(rows)


def cell(path: Path, row: int, column: str, value: str) -> None:
    """Puts a value into a cell of the n-th record (1 is the first after the header)."""

    def change(rows: list[list[str]]) -> None:
        rows[row][rows[0].index(column)] = value

    edit(path, change)


def triples(refused: ImportRefused) -> list[tuple[str, int, str]]:
    """File, line and column of every error."""
    return [(error["file"], error["line"], error["column"]) for error in refused.errors]


def figures(desk: Desk) -> dict[str, int]:
    """The figures of expected.json."""
    answer = status(desk)
    return {name: answer[name] for name in EXPECTED}


def test_sample_gives_its_figures(owner_desk: Desk) -> None:
    """The sample in an empty home gives expected.json, and every invariant holds."""
    import_folder(owner_desk, SAMPLE)
    assert figures(owner_desk) == EXPECTED
    assert check(owner_desk)["ok"]


def test_again_changes_nothing(owner_desk: Desk) -> None:
    """The same folder twice: no row is new, the figures stay."""
    import_folder(owner_desk, SAMPLE)
    again = import_folder(owner_desk, SAMPLE)
    assert set(again.counts.values()) == {0}
    assert figures(owner_desk) == EXPECTED


def test_grown_in_two_steps_equals_whole(owner_desk: Desk, tmp_path: Path) -> None:
    """The folder as it was on a day, then whole: the same figures as at once, and the invariants hold."""
    import_folder(owner_desk, folder_until(SAMPLE, tmp_path / "before", days=20))
    assert figures(owner_desk)["charges"] < EXPECTED["charges"]
    import_folder(owner_desk, SAMPLE)
    assert figures(owner_desk) == EXPECTED
    assert check(owner_desk)["ok"]


TIMES = {
    "payments": "paid_at",
    "charges": "charged_at",
    "messages": "sent_at",
    "reports": "reported_at",
    "decisions": "decided_at",
    "card_refunds": "requested_at",
}


def folder_until(source: Path, target: Path, *, days: int) -> Path:
    """The folder as the marketplace would have written it some days before its end."""
    shutil.copytree(source, target)
    with (source / "charges.csv").open(newline="", encoding="utf-8") as file:
        end = max(datetime.fromisoformat(row["charged_at"]) for row in csv.DictReader(file))
    cut = end - timedelta(days=days)
    for name, column in TIMES.items():

        def keep(rows: list[list[str]], column: str = column) -> None:
            place = rows[0].index(column)
            rows[1:] = [row for row in rows[1:] if datetime.fromisoformat(row[place]) <= cut]

        edit(target / f"{name}.csv", keep)
    edit(target / "card_refunds.csv", lambda rows: hide_outcomes(rows, cut))
    return target


def hide_outcomes(rows: list[list[str]], cut: datetime) -> None:
    """Card refunds settled later were pending then."""
    place = {name: rows[0].index(name) for name in rows[0]}
    for row in rows[1:]:
        settled = row[place["settled_at"]]
        if settled and datetime.fromisoformat(settled) > cut:
            row[place["settled_at"]] = row[place["failure_reason"]] = ""
            row[place["outcome"]] = "pending"


@pytest.mark.parametrize(
    ("file", "row", "column", "value"),
    [
        ("charges.csv", 7, "amount", "12.50"),
        ("charges.csv", 7, "amount", "NaN"),
        ("charges.csv", 7, "charged_at", "2026-03-04T15:00:00"),
        ("charges.csv", 7, "currency", "usd"),
        ("charges.csv", 7, "lead_id", "nowhere"),
        ("payments.csv", 3, "amount", "-5"),
        ("payments.csv", 3, "pro_id", "nobody"),
        ("leads.csv", 9, "kind", "prospect"),
        ("reports.csv", 4, "reason", "bored"),
        ("reports.csv", 4, "charge_id", "nowhere"),
        ("decisions.csv", 2, "decision", "maybe"),
        ("decisions.csv", 2, "decided_at", "2001-01-01T00:00:00Z"),
        ("card_refunds.csv", 2, "outcome", "lost"),
        ("messages.csv", 5, "sender", "robot"),
    ],
)
def test_one_bad_cell(owner_desk: Desk, folder: Path, file: str, row: int, column: str, value: str) -> None:
    """One bad cell: exactly its file, line and column, and nothing is imported."""
    line = line_of(folder / file, row)
    cell(folder / file, row, column, value)
    with pytest.raises(ImportRefused) as refused:
        import_folder(owner_desk, folder)
    assert triples(refused.value) == [(file, line, column)]
    assert figures(owner_desk) == NOTHING


def line_of(path: Path, row: int) -> int:
    """The physical line on which the n-th record starts."""
    with path.open(newline="", encoding="utf-8") as file:
        reader = csv.reader(file)
        for _ in range(row):
            next(reader)
        return reader.line_num + 1


def test_line_after_a_quoted_line_break(owner_desk: Desk, folder: Path) -> None:
    """After a field of several lines, an error names the physical line where its record starts."""
    edit(folder / "messages.csv", lambda rows: rows[1].__setitem__(rows[0].index("body"), "one\ntwo\nthree"))
    cell(folder / "messages.csv", 2, "sender", "robot")
    with pytest.raises(ImportRefused) as refused:
        import_folder(owner_desk, folder)
    assert triples(refused.value) == [("messages.csv", 5, "sender")]


def test_a_changed_row_is_refused(owner_desk: Desk, folder: Path) -> None:
    """A charge imported before must come back identical."""
    import_folder(owner_desk, folder)
    cell(folder / "charges.csv", 7, "charged_at", "2026-01-01T00:00:00Z")
    with pytest.raises(ImportRefused) as refused:
        import_folder(owner_desk, folder)
    assert triples(refused.value) == [("charges.csv", line_of(folder / "charges.csv", 7), "charged_at")]
    assert figures(owner_desk) == EXPECTED


def test_a_changed_pro_is_taken(owner_desk: Desk, folder: Path) -> None:
    """Pros are upserted: a new name is one changed row."""
    import_folder(owner_desk, folder)
    cell(folder / "pros.csv", 1, "name", "Another Name")
    assert import_folder(owner_desk, folder).counts["pros"] == 1


def test_charge_without_cover(owner_desk: Desk, folder: Path) -> None:
    """A charge that the balance does not cover is a bad row in column amount, with the shortfall."""
    path = folder / "charges.csv"

    def too_dear(rows: list[list[str]]) -> None:
        place = {name: rows[0].index(name) for name in rows[0]}
        last = max(
            (row for row in rows[1:] if row[place["paid_with"]] == "balance"),
            key=lambda row: row[place["charged_at"]],
        )
        last[place["amount"]] = "99999999"

    edit(path, too_dear)
    with pytest.raises(ImportRefused) as refused:
        import_folder(owner_desk, folder)
    (error,) = refused.value.errors
    assert (error["file"], error["column"]) == ("charges.csv", "amount")
    assert "short of it by" in error["reason"]


def test_bad_rows_put_aside(owner_desk: Desk, folder: Path, tmp_path: Path) -> None:
    """--skip-bad-rows takes the good rows; bad ones and their dependents go to the bad folder."""
    cell(folder / "charges.csv", 7, "amount", "12.50")
    with (folder / "charges.csv").open(newline="", encoding="utf-8") as file:
        charge = list(csv.DictReader(file))[6]["charge_id"]
    with (folder / "reports.csv").open(newline="", encoding="utf-8") as file:
        dependents = [row["report_id"] for row in csv.DictReader(file) if row["charge_id"] == charge]
    result = import_folder(owner_desk, folder, skip_bad_rows=True, bad_dir=tmp_path / "bad")
    with (tmp_path / "bad" / "charges.csv").open(newline="", encoding="utf-8") as file:
        (bad,) = csv.DictReader(file)
    assert bad["charge_id"] == charge
    assert bad["reason"].startswith("amount: ")
    assert figures(owner_desk)["charges"] == EXPECTED["charges"] - 1
    assert figures(owner_desk)["reports"] == EXPECTED["reports"] - len(dependents)
    assert result.bad_rows >= 1
    assert check(owner_desk)["ok"]


def test_what_the_desk_learned_before_the_folder_told_it(owner_desk: Desk, folder: Path) -> None:
    """The worker learns an imported refund's outcome: that folder, and one that tells it later, are taken."""
    import_folder(owner_desk, folder)
    with owner_desk.reading() as conn:
        payout, refund = conn.exec_driver_sql(
            "SELECT payout_id, card_refund_id FROM refunds.payouts WHERE state = 'pending' ORDER BY 1 LIMIT 1"
        ).one()
    at = owner_desk.clock() + timedelta(days=30)
    record_outcome(owner_desk, WORKER, payout, "succeeded", at=at)
    import_folder(owner_desk, folder)

    def settle(rows: list[list[str]]) -> None:
        header = rows[0]
        row = next(row for row in rows if row[header.index("card_refund_id")] == refund)
        row[header.index("outcome")] = "succeeded"
        row[header.index("settled_at")] = "2026-03-21T00:00:00Z"

    edit(folder / "card_refunds.csv", settle)
    import_folder(owner_desk, folder)
    with owner_desk.reading() as conn:
        state = conn.exec_driver_sql(
            f"SELECT state, settled_at FROM refunds.payouts WHERE payout_id = '{payout}'"
        ).one()
    assert tuple(state) == ("succeeded", at)
    assert check(owner_desk)["ok"]
