"""The daily close: what must hold, who signs, what is frozen, and where later events go."""

import csv
import hashlib
import io
from datetime import UTC, date, datetime, timedelta

import pytest

from refundlib.domain.errors import DayNotReady, NotAllowed, SamePerson, WrongState
from refundlib.domain.people import WORKER, Person
from refundlib.services import closing, ledger, reconciliation
from refundlib.services.card_refunds import record_outcome
from refundlib.services.checking import check
from refundlib.services.desk import Desk
from refundlib.services.rollup import catch_up
from tests.market import Market
from tests.reconciliation.month import Month, rows_of, written
from tests.reconciliation.test_month import add, classes, take

pytestmark = pytest.mark.slow

People = dict[str, Person]
DAY = date(2026, 3, 20)
WITH_DECISIONS = date(2026, 3, 21)


@pytest.fixture
def reconciled(desk: Desk, people: People, month: Month) -> Desk:
    """The month with its report imported, fees and payouts posted."""
    take(desk, people, month.report.encode())
    reconciliation.post_fees_and_payouts(desk, people["fin"])
    return desk


def test_a_day_is_signed_and_frozen(reconciled: Desk, people: People, market: Market) -> None:
    """The journal of the day is kept with its SHA-256, equals the export, and debits equal credits."""
    sha256 = closing.close(reconciled, people["fin"], DAY)
    journal = closing.frozen_journal(reconciled, people["vic"], DAY)
    assert hashlib.sha256(journal.encode()).hexdigest() == sha256
    assert journal == ledger.journal_csv(reconciled, people["fin"], DAY, DAY + timedelta(days=1))
    rows = list(csv.DictReader(io.StringIO(journal)))
    assert {row["date"] for row in rows} == {"2026-03-20"}
    cents = {side: sum(round(float(row[side] or 0) * 100) for row in rows) for side in ("debit", "credit")}
    assert cents["debit"] == cents["credit"] > 0
    (row,) = closing.listing(reconciled, people["mo"])
    assert (row["day"], row["signed_by_name"], row["sha256"]) == (DAY, "Fin Larsen", sha256)
    assert check(market.owner)["ok"]


def test_a_close_covers_the_days_since_the_last(reconciled: Desk, people: People) -> None:
    """The second close begins where the first ended; a closed day is not closed again."""
    closing.close(reconciled, people["fin"], DAY)
    with pytest.raises(WrongState, match="closed already"):
        closing.close(reconciled, people["fin"], DAY)
    assert closing.next_day(reconciled, people["fin"]) == DAY + timedelta(days=1)
    closing.close(reconciled, people["fin"], DAY + timedelta(days=3))
    newest, _ = closing.listing(reconciled, people["fin"])
    assert (newest["from_day"], newest["day"]) == (DAY + timedelta(days=1), DAY + timedelta(days=3))


def test_what_comes_later_is_booked_on_the_next_open_day(
    reconciled: Desk, people: People, market: Market
) -> None:
    """A failure dated into a closed day leaves it as it was signed: it is booked later, with a link."""
    fin = people["fin"]
    sha256 = closing.close(reconciled, fin, DAY)
    end = datetime(2026, 3, 21, tzinfo=UTC)
    before = ledger.trial_balance(reconciled, fin, end)
    payout = market.one("SELECT min(payout_id) FROM refunds.payouts WHERE state = 'succeeded'")
    record_outcome(
        reconciled,
        WORKER,
        payout,
        "reversed",
        at=datetime(2026, 3, 19, 9, tzinfo=UTC),
        failure_reason="closed",
    )
    catch_up(reconciled)
    assert ledger.trial_balance(reconciled, fin, end) == before
    journal = ledger.journal_csv(reconciled, fin, DAY, DAY + timedelta(days=1))
    assert hashlib.sha256(journal.encode()).hexdigest() == sha256
    (late,) = closing.late(reconciled, fin)
    assert (late["own_day"], late["booked_on"]) == (date(2026, 3, 19), date(2026, 3, 21))
    following = ledger.journal_csv(reconciled, fin, date(2026, 3, 21), date(2026, 3, 22))
    assert "of 2026-03-19, which was closed" in following
    assert "late_failure_after_close" in classes(reconciled, people)
    assert check(market.owner)["ok"]


def test_nothing_is_closed_over_a_gap(desk: Desk, people: People, month: Month) -> None:
    """No report, fees that are not posted, an open proposal: each is named, with what to do."""
    with pytest.raises(DayNotReady, match="No report tells of 2026-03-20"):
        closing.close(desk, people["fin"], DAY)
    take(desk, people, month.report.encode())
    with pytest.raises(DayNotReady, match="are not in the ledger"):
        closing.close(desk, people["fin"], DAY)
    assert closing.listing(desk, people["fin"]) == []


def test_an_unexplained_break_stops_it_and_an_explanation_lets_it_pass(
    desk: Desk, people: People, month: Month
) -> None:
    """A break older than the limit is explained before the day is closed."""
    rows = rows_of(month.report)
    add("refund", "-4.20", created_utc="2026-03-18 08:00:00")(rows)
    take(desk, people, written(rows))
    reconciliation.post_fees_and_payouts(desk, people["fin"])
    with pytest.raises(DayNotReady, match="Explain theirs, not ours txn_new"):
        closing.close(desk, people["fin"], DAY)
    (found,) = reconciliation.breaks(desk, people["fin"])
    reconciliation.keep_case(desk, people["fin"], found["break_key"], explanation="The owner's doing.")
    ready = closing.readiness(desk, people["fin"], DAY)
    (usd,) = ready.clearing
    assert (usd.broken, usd.unexplained) == (420, ())
    assert usd.ours - usd.theirs == usd.broken + usd.expected
    assert closing.close(desk, people["fin"], DAY)


def test_who_decided_does_not_sign(reconciled: Desk, people: People) -> None:
    """Who decided one of the day's claims cannot sign the day; neither can who is not of finance."""
    both = Person("dana", "Dana Reyes", frozenset({"support", "finance"}))
    with pytest.raises(SamePerson, match="another person signs"):
        closing.close(reconciled, both, WITH_DECISIONS)
    with pytest.raises(NotAllowed):
        closing.close(reconciled, people["mo"], WITH_DECISIONS)
    ready = closing.readiness(reconciled, people["fin"], WITH_DECISIONS)
    assert ready.ok


def test_a_day_that_is_not_over(reconciled: Desk, people: People) -> None:
    """A day is closed when the processor's data of it is complete, not before."""
    today = reconciled.clock().date()
    with pytest.raises(WrongState, match="cannot be closed yet"):
        closing.close(reconciled, people["fin"], today)


def test_the_frozen_days_are_guarded(reconciled: Desk, people: People, market: Market) -> None:
    """A close cannot be changed, and `refunds check` sees when the books no longer are what was signed."""
    closing.close(reconciled, people["fin"], DAY)
    with pytest.raises(Exception, match="append-only"):
        market.write("UPDATE refunds.closes SET signed_by = 'mo'")
    market.write("ALTER TABLE refunds.late_postings DISABLE TRIGGER append_only")
    market.write(
        """INSERT INTO refunds.late_postings
        SELECT min(transaction_id), DATE '2026-03-01', DATE '2026-03-25' FROM refunds.ledger_transactions"""
    )
    market.write("ALTER TABLE refunds.late_postings ENABLE TRIGGER append_only")
    market.write("DELETE FROM refunds.rollup_marks")
    market.write("DELETE FROM refunds.ledger_days")
    market.write("INSERT INTO refunds.ledger_days SELECT * FROM refunds.sum_ledger('-infinity', 'infinity')")
    broken = {each["id"] for each in check(market.owner)["invariants"] if not each["ok"]}
    assert "history" in broken


def test_the_marketplaces_balances(reconciled: Desk, people: People, market: Market) -> None:
    """Its figures beside ours at their moment; each difference is explained or open, nothing is posted."""
    counted, rows = reconciliation.balances(reconciled, people["fin"])
    assert (counted["pros"], rows) == (0, [])
    market.write(
        """INSERT INTO refunds.marketplace_balances
        SELECT pro_id, currency, balance, TIMESTAMPTZ '2026-03-25 00:00Z' FROM (
            SELECT t.pro_id, t.currency, -sum(e.amount) AS balance
            FROM refunds.ledger_transactions t JOIN refunds.ledger_entries e USING (transaction_id)
            WHERE e.account = 'pro_balance' AND t.occurred_at <= TIMESTAMPTZ '2026-03-25 00:00Z'
            GROUP BY t.pro_id, t.currency) AS x"""
    )
    market.write("UPDATE refunds.marketplace_balances SET balance = balance + 5 WHERE pro_id = 'pro-d00'")
    counted, rows = reconciliation.balances(reconciled, people["fin"])
    assert counted["pros"] > 10
    (row,) = rows
    assert (row["pro_id"], row["theirs"] - row["ours"]) == ("pro-d00", 5)
    reconciliation.keep_case(reconciled, people["fin"], row["break_key"], explanation="Rounding of theirs.")
    _, (row,) = reconciliation.balances(reconciled, people["mo"])
    assert row["explanation"] == "Rounding of theirs."
