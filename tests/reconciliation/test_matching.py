"""Reports of every shape, and matches people make and undo."""

from datetime import date, timedelta

import pytest

from refundlib.domain.errors import BadFigure, NotAllowed, ReportRefused, WrongState
from refundlib.domain.people import Person
from refundlib.services import adjustments, reconciliation
from refundlib.services.desk import Desk
from tests.conftest import Clock
from tests.market import Market
from tests.reconciliation.month import Month, first, rows_of, written
from tests.reconciliation.test_month import FIRST_DAY, OVER, add, classes, take

pytestmark = pytest.mark.slow

People = dict[str, Person]
# What the processor exports unless somebody chooses columns.
DEFAULT = (
    "balance_transaction_id",
    "created",
    "available_on",
    "currency",
    "gross",
    "fee",
    "net",
    "reporting_category",
    "description",
)


def test_the_same_file_twice_and_overlapping_files(
    desk: Desk, people: People, month: Month, market: Market
) -> None:
    """The same file changes nothing; a file that overlaps brings only what is new."""
    rows = rows_of(month.report)
    early = written([row for row in rows if row["created_utc"] < "2026-03-20"])
    first_file = reconciliation.import_report(desk, people["fin"], "a.csv", early)
    again = reconciliation.import_report(desk, people["fin"], "b.csv", early)
    assert (again.file_id, again.rows_new) == (first_file.file_id, 0)
    assert "nothing changed" in again.notes[0]
    whole = take(desk, people, month.report.encode())
    assert whole.rows_new == len(rows) - first_file.rows_read
    assert market.one("SELECT count(*) FROM refunds.processor_lines") == len(rows)
    assert classes(desk, people) == []


def test_a_line_that_contradicts_an_earlier_file(desk: Desk, people: People, month: Month) -> None:
    """The same line with another amount is refused, with its line; nothing of the file is taken."""
    rows = rows_of(month.report)
    take(desk, people, written(rows))
    rows[4]["gross"], rows[4]["fee"], rows[4]["net"] = "1.00", "0.00", "1.00"
    with pytest.raises(ReportRefused, match="was a") as refused:
        take(desk, people, written(rows))
    assert [line for line, _, _ in refused.value.problems] == [6]
    assert len(reconciliation.files(desk, people["fin"])) == 1


def test_bad_lines_take_nothing(desk: Desk, people: People, month: Month, market: Market) -> None:
    """Every bad line is named, and nothing is written."""
    rows = rows_of(month.report)
    rows[0]["gross"] = "abc"
    rows[3]["currency"] = "xyz"
    with pytest.raises(ReportRefused) as refused:
        take(desk, people, written(rows))
    assert [(line, column) for line, column, _ in refused.value.problems] == [(2, "gross"), (5, "currency")]
    assert market.one("SELECT count(*) FROM refunds.processor_files") == 0


def test_a_day_that_is_not_complete(desk: Desk, people: People, month: Month, clock: Clock) -> None:
    """A day's data is complete at noon of the next day: until then it cannot be reconciled."""
    today = {**rows_of(month.report)[0], "created_utc": f"{clock():%Y-%m-%d} 01:00:00"}
    with pytest.raises(BadFigure, match="is complete at"):
        reconciliation.import_report(desk, people["fin"], "today.csv", written([today]))
    with pytest.raises(BadFigure, match="outside"):
        reconciliation.import_report(
            desk,
            people["fin"],
            "x.csv",
            month.report.encode(),
            from_day=FIRST_DAY,
            until_day=date(2026, 3, 5),
        )


def test_other_decimals_and_delimiters(desk: Desk, people: People, month: Month) -> None:
    """Comma decimals with semicolons are the same report."""
    rows = rows_of(month.report)
    for row in rows:
        for name in ("gross", "fee", "net"):
            row[name] = f'"{row[name].replace(".", ",")}"'
    names = [name for name in rows[0] if "," not in name]
    text = "\n".join(
        ";".join(row[name] for name in names) for row in [dict(zip(names, names, strict=True)), *rows]
    )
    take(desk, people, text.encode())
    assert classes(desk, people) == []


def test_the_default_export_is_proposed_not_matched(desk: Desk, people: People, month: Month) -> None:
    """Without ids nothing is matched by itself: the same amounts are proposed, a person confirms them."""
    rows = rows_of(month.report)
    without = tuple(name for name in rows[0] if name not in DEFAULT)
    done = take(desk, people, written(rows, without=without))
    assert done.matched == 0
    assert any("our payout ids" in note for note in done.notes)
    proposals = reconciliation.proposals(desk, people["fin"])
    assert proposals
    assert {row["what"] for row in proposals} == {"payment", "payout"}
    for row in proposals:
        if row["category"] == "charge":
            reconciliation.confirm(desk, people["fin"], row["line_id"], row["what"], row["subject_id"])
    assert "ours_not_theirs" not in classes(desk, people)


def test_a_longer_export_fills_in_what_a_shorter_left_out(desk: Desk, people: People, month: Month) -> None:
    """The ids that come later match what could not be matched before."""
    rows = rows_of(month.report)
    without = tuple(name for name in rows[0] if name not in DEFAULT)
    take(desk, people, written(rows, without=without))
    assert take(desk, people, month.report.encode()).matched > 0
    assert reconciliation.proposals(desk, people["fin"]) == []
    assert classes(desk, people) == []


def test_undone_stays_undone(desk: Desk, people: People, month: Month) -> None:
    """A match that a person undid is history: the next file does not make it again; a person can."""
    fin = people["fin"]
    take(desk, people, month.report.encode())
    line = first(rows_of(month.report), "refund")["balance_transaction_id"]
    (matched,) = reconciliation.history_of(desk, fin, line)
    reconciliation.undo_match(desk, fin, line, "Looks like another one.")
    assert reconciliation.match_again(desk, fin) == 0
    assert sorted(classes(desk, people)) == ["sent_not_found", "theirs_not_ours"]
    with pytest.raises(WrongState, match="matched with nothing"):
        reconciliation.undo_match(desk, fin, line, "Once more.")
    reconciliation.confirm(desk, fin, line, "payout", matched["subject_id"])
    assert classes(desk, people) == []
    assert [row["how"] for row in reconciliation.history_of(desk, fin, line)] == ["our_id", "confirmed"]


def test_only_equal_amounts_are_confirmed(desk: Desk, people: People, month: Month) -> None:
    """A line is matched by hand with exactly its amount, or not at all; not twice, and not by everybody."""
    rows = rows_of(month.report)
    add("refund", "-4.20")(rows)
    take(desk, people, written(rows))
    payout = first(rows, "refund")["refund_metadata[payout_id]"]
    with pytest.raises(BadFigure, match="not exactly equal"):
        reconciliation.confirm(desk, people["fin"], "txn_new", "payout", payout)
    matched = first(rows, "refund")["balance_transaction_id"]
    with pytest.raises(WrongState, match="already"):
        reconciliation.confirm(desk, people["fin"], matched, "payout", payout)
    with pytest.raises(BadFigure, match="never a payout"):
        reconciliation.confirm(desk, people["fin"], rows[0]["balance_transaction_id"], "payout", payout)
    with pytest.raises(NotAllowed):
        reconciliation.confirm(desk, people["mo"], "txn_new", "payout", payout)


def test_a_dispute_is_adjusted_and_matched(desk: Desk, people: People, month: Month) -> None:
    """What only the processor knows is adjusted by two people, and the adjustment matched with the line."""
    fin = people["fin"]
    rows = rows_of(month.report)
    add("dispute", "-4.20")(rows)
    take(desk, people, written(rows))
    proposed = adjustments.propose(
        desk,
        fin,
        debit="lead_revenue",
        credit="processor_clearing",
        amount_minor=420,
        currency="USD",
        reason="Dispute lost.",
        idempotency_key="d",
    )
    adjustments.release(desk, people["ines"], proposed)
    (row,) = reconciliation.proposals(desk, fin)
    assert (row["line_id"], row["what"], row["subject_id"]) == ("txn_new", "adjustment", proposed)
    reconciliation.confirm(desk, fin, "txn_new", "adjustment", proposed)
    assert classes(desk, people) == []
    again = rows_of(month.report)
    add("dispute", "-4.20", balance_transaction_id="txn_newer")(again)
    take(desk, people, written(again))
    with pytest.raises(WrongState, match="matched with txn_new already"):
        reconciliation.confirm(desk, fin, "txn_newer", "adjustment", proposed)
    assert classes(desk, people) == ["theirs_not_ours"]


def test_a_proposal_that_is_not_so(desk: Desk, people: People, month: Month) -> None:
    """Refused with a reason it is not proposed again, and both sides are breaks of their own."""
    rows = rows_of(month.report)
    nameless = first(rows, "charge", lambda row: row["created_utc"] > "2026-03-10")
    for name in ("source_id", "charge_id", "payment_intent_id"):
        nameless[name] = ""
    take(desk, people, written(rows))
    (row,) = reconciliation.proposals(desk, people["fin"])
    assert classes(desk, people) == []
    line, what, subject = row["line_id"], row["what"], row["subject_id"]
    reconciliation.refuse(desk, people["fin"], line, what, subject, "Another pro paid it.")
    assert reconciliation.proposals(desk, people["fin"]) == []
    assert sorted(classes(desk, people)) == ["ours_not_theirs", "theirs_not_ours"]


def test_quiet_days_and_days_named_later(desk: Desk, people: People, month: Month, market: Market) -> None:
    """Two reports without a line, byte for byte the same, tell of two days; odd days are refused."""
    header = written(rows_of(month.report)).splitlines()[0] + b"\n"
    for day in (date(2026, 3, 5), date(2026, 3, 6)):
        reconciliation.import_report(
            desk, people["fin"], "q.csv", header, from_day=day, until_day=day + timedelta(days=1)
        )
    with market.owner.reading() as conn:
        days = conn.exec_driver_sql("SELECT from_day FROM refunds.processor_files ORDER BY 1").scalars().all()
    assert days == [date(2026, 3, 5), date(2026, 3, 6)]
    with pytest.raises(BadFigure, match="its days must be named"):
        reconciliation.import_report(desk, people["fin"], "q.csv", header)
    with pytest.raises(BadFigure, match="no day of a report"):
        reconciliation.import_report(
            desk, people["fin"], "q.csv", header, from_day=date(9999, 12, 31), until_day=date(9999, 12, 31)
        )


def test_a_break_has_an_owner_a_date_and_an_explanation(
    desk: Desk, people: People, month: Month, market: Market
) -> None:
    """Who looks into it, until when, and why it is so; each change is in the audit."""
    rows = rows_of(month.report)
    add("refund", "-4.20")(rows)
    take(desk, people, written(rows))
    (found,) = reconciliation.breaks(desk, people["fin"])
    assert found["age_days"] > 0
    due = OVER + timedelta(days=5)
    reconciliation.keep_case(desk, people["fin"], found["break_key"], owner="ines", due_on=due)
    reconciliation.keep_case(desk, people["ines"], found["break_key"], explanation="A gift by the owner.")
    (found,) = reconciliation.breaks(desk, people["fin"])
    assert (found["owner_name"], found["due_on"]) == ("Ines Ferro", due)
    assert (found["explanation"], found["explained_by_name"]) == ("A gift by the owner.", "Ines Ferro")
    assert market.one("SELECT count(*) FROM refunds.audit WHERE action = 'break_kept'") == 2


def test_fees_and_payouts_are_posted_once(desk: Desk, people: People, month: Month, market: Market) -> None:
    """What only the processor knows goes into the ledger at its own time, once."""
    take(desk, people, month.report.encode())
    due = reconciliation.to_post(desk, people["fin"])
    reconciliation.post_fees_and_payouts(desk, people["fin"])
    assert reconciliation.post_fees_and_payouts(desk, people["fin"]) == {"processor_fee": 0, "bank_payout": 0}
    fees = sum(row["fee"] - (row["gross"] if row["category"] == "fee" else 0) for row in due)
    assert (
        market.one("SELECT sum(amount) FROM refunds.ledger_entries WHERE account = 'processor_fees'") == fees
    )
    paid = -sum(row["gross"] for row in due if row["category"] == "payout")
    assert market.one("SELECT sum(amount) FROM refunds.ledger_entries WHERE account = 'bank'") == paid
