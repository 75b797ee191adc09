"""A month and the processor's own report of it agree; each damage to the report is the right break."""

from collections import Counter
from collections.abc import Callable
from datetime import date, timedelta

import pytest

from refundlib.domain.people import Person
from refundlib.services import closing, ledger, reconciliation
from refundlib.services.checking import check
from refundlib.services.desk import Desk
from tests.market import Market
from tests.reconciliation.month import BEGIN, DAYS, Month, Row, first, rows_of, written

pytestmark = pytest.mark.slow

People = dict[str, Person]
FIRST_DAY = BEGIN.date()
BEFORE = FIRST_DAY - timedelta(days=1)
OVER = FIRST_DAY + timedelta(days=DAYS + 2)


def take(desk: Desk, people: People, content: bytes) -> reconciliation.Imported:
    """Imports a report of the whole month."""
    return reconciliation.import_report(
        desk,
        people["fin"],
        "march.csv",
        content,
        from_day=BEFORE,
        until_day=OVER,
    )


def classes(desk: Desk, people: People) -> list[str]:
    """The classes of the breaks there are."""
    return [row["class"] for row in reconciliation.breaks(desk, people["fin"])]


def test_a_month_reconciles(desk: Desk, people: People, month: Month, market: Market) -> None:
    """No break, every line matched or posted; the two sides differ by what is on its way."""
    done = take(desk, people, month.report.encode())
    assert done.matched == sum(
        row["reporting_category"] in ("charge", "refund", "refund_failure") for row in rows_of(month.report)
    )
    fin = people["fin"]
    assert reconciliation.breaks(desk, fin) == []
    assert reconciliation.proposals(desk, fin) == []
    posted = reconciliation.post_fees_and_payouts(desk, fin)
    assert posted["bank_payout"] == DAYS // 7
    assert reconciliation.to_post(desk, fin) == []
    ready = closing.readiness(desk, fin, OVER - timedelta(days=1))
    assert ready.ok, ready.steps
    (usd,) = ready.clearing
    on_its_way = sum(row["amount"] for row in reconciliation.in_flight(desk, fin))
    assert (usd.ours - usd.theirs, usd.expected, usd.broken) == (on_its_way, on_its_way, 0)
    assert check(market.owner)["ok"]


def lose(category: str) -> Callable[[list[Row]], None]:
    """A line is missing."""
    return lambda rows: rows.remove(first(rows, category))


def double(category: str) -> Callable[[list[Row]], None]:
    """A line comes a second time, under another id."""
    return lambda rows: rows.append({**first(rows, category), "balance_transaction_id": "txn_again"})


def other_amount(category: str) -> Callable[[list[Row]], None]:
    """A line has another amount."""

    def spoil(rows: list[Row]) -> None:
        row = first(rows, category)
        row["gross"], row["fee"], row["net"] = "7.77", "0.00", "7.77"

    return spoil


def other_currency(rows: list[Row]) -> None:
    """A refund in another currency."""
    first(rows, "refund")["currency"] = "eur"


def add(category: str, gross: str, **more: str) -> Callable[[list[Row]], None]:
    """A line of something we know nothing of."""
    nobodys = {
        "balance_transaction_id": "txn_new",
        "reporting_category": category,
        "gross": gross,
        "fee": "0.00",
        "net": gross,
        "source_id": "xx_nobody",
        "charge_id": "",
        "payment_intent_id": "",
        "refund_metadata[payout_id]": "",
        "description": "",
    }
    return lambda rows: rows.append({**first(rows, "charge"), **nobodys, **more})


def fails_after_all(rows: list[Row]) -> None:
    """A refund that succeeded for us failed there."""
    gone = {row["source_id"] for row in rows if row["reporting_category"] == "refund_failure"}
    sent = first(rows, "refund", lambda row: row["source_id"] not in gone)
    back = {"reporting_category": "refund_failure", "balance_transaction_id": "txn_back"}
    amount = sent["gross"].removeprefix("-")
    rows.append({**sent, **back, "gross": amount, "net": amount})


def never_came_back(rows: list[Row]) -> None:
    """A refund that failed for us is paid there: the line of its failure is missing."""
    rows.remove(first(rows, "refund_failure"))


def nameless_category(rows: list[Row]) -> None:
    """A refund's line under a category nobody knows."""
    first(rows, "refund")["reporting_category"] = "climate_order"


DAMAGE: dict[str, tuple[Callable[[list[Row]], None], str]] = {
    "a refund is missing": (lose("refund"), "sent_not_found"),
    "a payment is missing": (lose("charge"), "ours_not_theirs"),
    "a refund twice": (double("refund"), "duplicate"),
    "a payment twice": (double("charge"), "duplicate"),
    "a failure twice": (double("refund_failure"), "duplicate"),
    "a refund of another amount": (other_amount("refund"), "amount_differs"),
    "a payment of another amount": (other_amount("charge"), "amount_differs"),
    "a refund in another currency": (other_currency, "amount_differs"),
    "a refund by hand": (add("refund", "-4.20"), "theirs_not_ours"),
    "a payment nobody made": (add("charge", "4.20"), "theirs_not_ours"),
    "a dispute": (add("dispute", "-4.20"), "theirs_not_ours"),
    "a charge that failed later": (add("charge_failure", "-4.20"), "theirs_not_ours"),
    "a partial capture": (add("partial_capture_reversal", "-4.20"), "theirs_not_ours"),
    "a refund that failed there": (fails_after_all, "failed_not_restored"),
    "a failure that never came back": (never_came_back, "status_differs"),
    "an unknown category": (add("climate_order", "-4.20"), "unknown_category"),
    "a refund of unknown category": (nameless_category, "unknown_category"),
}


@pytest.mark.parametrize("name", DAMAGE)
def test_damage_is_the_right_break(desk: Desk, people: People, month: Month, name: str) -> None:
    """Each damage, alone, gives exactly one break, of its class; nothing is adjusted by itself."""
    spoil, expected = DAMAGE[name]
    rows = rows_of(month.report)
    spoil(rows)
    before = ledger.trial_balance(desk, people["fin"])
    take(desk, people, written(rows))
    assert classes(desk, people) == [expected]
    assert ledger.trial_balance(desk, people["fin"]) == before


def test_a_payout_that_is_not_its_sum(desk: Desk, people: People, month: Month) -> None:
    """Where every line names its payout, a payout of another amount than its lines is a break."""
    rows = rows_of(month.report)
    last = [row for row in rows if row["reporting_category"] == "payout"][-1]
    for row in rows:
        row["automatic_payout_id"] = last["source_id"]
    take(desk, people, written(rows))
    assert Counter(classes(desk, people)) == {"amount_differs": 1}


def test_what_is_not_due_is_expected(desk: Desk, people: People, month: Month) -> None:
    """A report that ends earlier leaves the days after it expected, not broken."""
    rows = [row for row in rows_of(month.report) if row["created_utc"] < "2026-03-16"]
    reconciliation.import_report(
        desk, people["fin"], "half.csv", written(rows), from_day=BEFORE, until_day=date(2026, 3, 16)
    )
    assert classes(desk, people) == []


def test_three_sides_of_one_refund(desk: Desk, people: People, month: Month) -> None:
    """From the processor's line back to the decision: decided, credited, requested, sent, arrived."""
    take(desk, people, month.report.encode())
    payout = first(rows_of(month.report), "refund")["refund_metadata[payout_id]"]
    steps = reconciliation.chain(desk, people["mo"], payout)
    assert [step["step"] for step in steps] == [
        "approved",
        "refund",
        "card_refund_requested",
        "sent",
        "card_refund_succeeded",
        "line",
    ]
    assert {abs(step["amount"]) for step in steps} == {1500}
    assert steps[0]["who"] == "dana"


def test_decided_not_credited_and_the_reverse(
    desk: Desk, people: People, month: Month, market: Market
) -> None:
    """Damage in our own books is found from the other side: no credit, no decision, no money back."""
    take(desk, people, month.report.encode())
    market.write("ALTER TABLE refunds.ledger_transactions DISABLE TRIGGER append_only")
    market.write(
        """UPDATE refunds.ledger_transactions SET source_id = 'R-nobody.1'
        WHERE kind = 'refund' AND transaction_id = (
            SELECT min(transaction_id) FROM refunds.ledger_transactions WHERE kind = 'refund')"""
    )
    market.write(
        """UPDATE refunds.ledger_transactions SET source_id = 'nobody'
        WHERE kind = 'card_refund_failed' AND transaction_id = (
            SELECT min(transaction_id) FROM refunds.ledger_transactions WHERE kind = 'card_refund_failed')"""
    )
    assert Counter(classes(desk, people)) == {
        "decided_not_credited": 1,
        "credited_without_decision": 1,
        "failed_not_restored": 1,
    }
