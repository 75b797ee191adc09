"""The books to be read: trial balance at any moment, journal, statements that add up, adjustments by two."""

import csv
import io
from collections import defaultdict
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from refundlib.domain.errors import (
    BadAmount,
    BadFigure,
    NotFound,
    ReasonMissing,
    SamePerson,
    ShortOfCover,
    WrongState,
)
from refundlib.domain.people import Person
from refundlib.services import adjustments, ledger, statements
from refundlib.services.checking import check
from refundlib.services.decisions import decide
from refundlib.services.desk import Desk
from refundlib.services.importing import import_folder
from refundlib.services.rollup import catch_up
from refundlib.ui.dialogs import minor_units
from tests.conftest import DATA, Clock
from tests.market import Market

People = dict[str, Person]
LONG_AGO = datetime(2020, 1, 1, tzinfo=UTC)
FAR_AHEAD = datetime(2030, 1, 1, tzinfo=UTC)


@pytest.fixture
def sample(owner_desk: Desk, desk: Desk) -> Desk:
    """A desk on the sample."""
    import_folder(owner_desk, DATA / "sample")
    return desk


def sums(market: Market, until: datetime) -> dict[tuple[str, str], int]:
    """What each account has, added up from its entries one by one."""
    with market.owner.reading() as conn:
        rows = conn.exec_driver_sql(
            "SELECT t.occurred_at, e.account, e.currency, e.amount "
            "FROM refunds.ledger_transactions t JOIN refunds.ledger_entries e USING (transaction_id)"
        ).all()
    totals: dict[tuple[str, str], int] = defaultdict(int)
    for at, account, currency, amount in rows:
        if at < until:
            totals[account, currency] += amount
    return {key: amount for key, amount in totals.items() if amount}


@pytest.mark.parametrize(
    "until", ["2025-11-01T00:00:00Z", "2026-01-15T13:45:30Z", "2026-02-10T00:00:00Z", "2030-01-01T00:00:00Z"]
)
@pytest.mark.parametrize("summed", [False, True])
def test_trial_balance_at_any_moment(
    sample: Desk, market: Market, people: People, until: str, *, summed: bool
) -> None:
    """At midnight and within a day, with sums kept up or not, it is the sum of the entries; zero."""
    moment = datetime.fromisoformat(until)
    if not summed:
        market.write(
            "INSERT INTO refunds.rollup_marks (source, day) SELECT DISTINCT 'ledger', day "
            "FROM refunds.ledger_days"
        )
    rows = ledger.trial_balance(sample, people["fin"], moment)
    found = {(row["account"], row["currency"]): row["amount"] for row in rows if row["amount"]}
    assert found == sums(market, moment)
    assert sum(row["amount"] for row in rows) == 0
    assert all(row["debit"] >= 0 and row["credit"] >= 0 for row in rows)


def test_the_samples_card_refunds_and_trial_balance(sample: Desk, market: Market, people: People) -> None:
    """The sample's card refunds are in the states of its file, nothing is held for those that ended; zero."""
    with (DATA / "sample" / "card_refunds.csv").open(encoding="utf-8") as file:
        outcomes = {row["card_refund_id"]: row["outcome"] for row in csv.DictReader(file)}
    with market.owner.reading() as conn:
        rows = conn.exec_driver_sql("SELECT card_refund_id, state FROM refunds.card_refund_states").all()
    assert dict(rows) == outcomes
    pending = market.one("SELECT coalesce(sum(amount), 0) FROM refunds.payouts WHERE state = 'pending'")
    trial = ledger.trial_balance(sample, people["vic"], FAR_AHEAD)
    held = {row["account"]: row["amount"] for row in trial}.get("pro_held", 0)
    assert held == -pending
    assert sum(row["amount"] for row in trial) == 0


def journal(desk: Desk, people: People, **search: Any) -> list[ledger.Row]:
    """All pages of a search."""
    rows: list[ledger.Row] = []
    after = None
    while True:
        page = ledger.journal(
            desk, people["fin"], ledger.Search(LONG_AGO, FAR_AHEAD, **search), after=after, limit=40
        )
        rows += page.rows
        after = page.next_after
        if after is None:
            return rows


def test_the_journal_page_by_page(sample: Desk, market: Market, people: People) -> None:
    """Every entry comes once, newest first; filters leave what they say."""
    rows = journal(sample, people)
    keys = [(row["transaction_id"], row["leg"]) for row in rows]
    assert len(keys) == len(set(keys)) == market.one("SELECT count(*) FROM refunds.ledger_entries")
    assert [row["occurred_at"] for row in rows] == sorted((row["occurred_at"] for row in rows), reverse=True)
    refunds = journal(sample, people, kind="refund")
    assert {row["kind"] for row in refunds} == {"refund"}
    assert len(refunds) == 2 * 71
    held = journal(sample, people, account="pro_held")
    assert {row["kind"] for row in held} <= {
        "card_refund_requested",
        "card_refund_succeeded",
        "card_refund_failed",
    }
    pro = rows[0]["pro_id"]
    assert {row["pro_id"] for row in journal(sample, people, pro_id=pro)} == {pro}


def test_an_entry_is_traced_to_its_claim_and_back(sample: Desk, market: Market, people: People) -> None:
    """From an entry to the report; and by the report all that belongs to it, from charge to card."""
    report = market.one("SELECT report_id FROM refunds.card_refunds ORDER BY card_refund_id LIMIT 1")
    kinds = {row["kind"] for row in journal(sample, people, reference=report)}
    assert {"charge", "refund", "card_refund_requested"} <= kinds
    of_it = [row for row in journal(sample, people, reference=report) if row["kind"] != "charge"]
    assert {row["report_id"] for row in of_it} == {report}
    number = str(of_it[0]["transaction_id"])
    assert {row["transaction_id"] for row in journal(sample, people, reference=number)} == {int(number)}


def test_unknown_names_are_sentences(sample: Desk, people: People) -> None:
    """An unknown account, event or page is refused in words."""
    for search in ({"account": "cash"}, {"kind": "gift"}):
        with pytest.raises(BadFigure, match="there are"):
            journal(sample, people, **search)
    with pytest.raises(BadFigure, match="names no page"):
        ledger.journal(sample, people["fin"], ledger.Search(LONG_AGO, FAR_AHEAD), after="nonsense")
    with pytest.raises(BadFigure, match="must come after"):
        ledger.journal_csv(sample, people["fin"], LONG_AGO.date(), LONG_AGO.date())


def test_the_export_balances_and_runs_no_formula(market: Market, desk: Desk, people: People) -> None:
    """Debits equal credits in the CSV; text that a spreadsheet would run is quoted."""
    market.claim(people["dana"])
    proposed = propose(desk, people, reason="=HYPERLINK(1)")
    adjustments.release(desk, people["ines"], proposed)
    day = desk.clock().date()
    rows = list(
        csv.DictReader(io.StringIO(ledger.journal_csv(desk, people["fin"], day, day + timedelta(days=1))))
    )
    assert len(rows) == market.one("SELECT count(*) FROM refunds.ledger_entries")
    cents = {side: sum(round(float(row[side] or 0) * 100) for row in rows) for side in ("debit", "credit")}
    assert cents["debit"] == cents["credit"] == 2500 + 2500 + 700
    assert any(row["note"].startswith("'=HYPERLINK") for row in rows)


# -- statements -------------------------------------------------------------------------------------------


def test_every_statement_adds_up(sample: Desk, market: Market, people: People) -> None:
    """Line by line, from nothing to the balance there is; cut anywhere, the two parts meet."""
    with market.owner.reading() as conn:
        pros = [row[0] for row in conn.exec_driver_sql("SELECT DISTINCT pro_id FROM refunds.balances")]
    for pro in pros:
        whole = statements.statement(sample, people["dana"], pro, LONG_AGO, FAR_AHEAD)
        assert (whole.opening_balance, whole.opening_held) == (0, 0)
        assert (whole.closing_balance, whole.closing_held) == (whole.balance_now, whole.held_now)
        running = 0
        for line in whole.lines:
            running += line["balance"]
            assert line["balance_after"] == running
        middle = whole.lines[len(whole.lines) // 2]["occurred_at"]
        early = statements.statement(sample, people["dana"], pro, LONG_AGO, middle)
        late = statements.statement(sample, people["dana"], pro, middle, FAR_AHEAD)
        assert early.closing_balance == late.opening_balance
        assert sum(lot["remaining"] for lot in whole.credits) == whole.balance_now


def test_uses_of_a_credit(market: Market, desk: Desk, people: People) -> None:
    """What took from a credit and came back to it sums to what is left of it."""
    report = market.claim(people["dana"])
    decide(desk, people["dana"], report, "approve", idempotency_key="k")
    market.charge("c2", market.lead("l2"), "pro-a", 900)
    uses = statements.uses_of(desk, people["dana"], f"refund:{report}.1")
    assert [use["amount"] for use in uses] == [2500, -900]
    assert uses[1]["lead_id"] == "l2"


def test_pros_are_found_by_name_or_id(market: Market, desk: Desk, people: People) -> None:
    """A part of the name, the id, nothing for nothing; signs of the search language stand for themselves."""
    market.pro("moss")
    assert [row["pro_id"] for row in statements.find_pros(desk, people["dana"], "oss serv")] == ["moss"]
    assert [row["pro_id"] for row in statements.find_pros(desk, people["dana"], "moss")] == ["moss"]
    assert statements.find_pros(desk, people["dana"], "%") == []
    assert statements.find_pros(desk, people["dana"], " ") == []
    with pytest.raises(NotFound):
        statements.statement(desk, people["dana"], "nobody", LONG_AGO, FAR_AHEAD)


# -- adjustments ------------------------------------------------------------------------------------------


def propose(desk: Desk, people: People, **more: Any) -> str:
    """An adjustment by Fin: $7 to pro-a's balance unless said otherwise."""
    what: dict[str, Any] = {
        "debit": "refunds_given",
        "credit": "pro_balance",
        "pro_id": "pro-a",
        "amount_minor": 700,
        "currency": "USD",
        "reason": "A goodwill credit.",
        "idempotency_key": "k",
        **more,
    }
    return adjustments.propose(desk, people["fin"], **what)


def test_an_adjustment_needs_two_people(market: Market, desk: Desk, people: People) -> None:
    """Proposed it changes nothing; not posted by who proposed it; posted once by another."""
    market.pro("pro-a")
    proposed = propose(desk, people)
    assert propose(desk, people) == proposed
    assert market.balance("pro-a") == 0
    with pytest.raises(SamePerson):
        adjustments.release(desk, people["fin"], proposed)
    adjustments.release(desk, people["ines"], proposed)
    with pytest.raises(WrongState, match="posted already"):
        adjustments.release(desk, people["ines"], proposed)
    assert market.balance("pro-a") == 700
    (row,) = adjustments.listing(desk, people["mo"])
    assert (row["state"], row["settled_by_name"]) == ("posted", "Ines Ferro")
    assert market.one("SELECT payment_ids FROM refunds.lots") == []
    catch_up(desk)
    assert check(market.owner)["ok"]


def test_a_debit_needs_cover(market: Market, desk: Desk, people: People, clock: Clock) -> None:
    """Taking more than there is is refused, and the adjustment still waits; less consumes the oldest lot."""
    market.pro("pro-a")
    market.pay("p1", "pro-a", 500)
    clock.advance(timedelta(minutes=1))
    market.pay("p2", "pro-a", 100)
    down = {"debit": "pro_balance", "credit": "lead_revenue", "reason": "Billed twice."}
    much = propose(desk, people, **down, amount_minor=601)
    with pytest.raises(ShortOfCover):
        adjustments.release(desk, people["ines"], much)
    assert [row["state"] for row in adjustments.listing(desk, people["fin"])] == ["waiting"]
    adjustments.refuse(desk, people["ines"], much, "Too much.")
    little = propose(desk, people, **down, amount_minor=550, idempotency_key="l")
    adjustments.release(desk, people["ines"], little)
    assert market.one("SELECT array_agg(remaining ORDER BY lot_id) FROM refunds.lots") == [0, 50]


@pytest.mark.parametrize(
    ("change", "refusal"),
    [
        ({"reason": " "}, ReasonMissing),
        ({"amount_minor": 0}, BadAmount),
        ({"amount_minor": 2**63}, BadAmount),
        ({"currency": "usd"}, BadFigure),
        ({"debit": "pro_held"}, BadFigure),
        ({"debit": "pro_balance"}, BadFigure),
        ({"pro_id": None}, BadFigure),
        ({"pro_id": "nobody"}, NotFound),
        ({"credit": "bank"}, BadFigure),
    ],
)
def test_what_cannot_be_proposed(
    market: Market, desk: Desk, people: People, change: dict[str, Any], refusal: type[Exception]
) -> None:
    """No reason, no amount, no such account, currency or pro: a sentence, and nothing is written."""
    market.pro("pro-a")
    with pytest.raises(refusal):
        propose(desk, people, **change)
    assert market.one("SELECT count(*) FROM refunds.adjustments") == 0


def test_signs_no_database_takes(sample: Desk, people: People) -> None:
    """A NUL, half a character, a number out of range: a sentence, wherever they come from."""
    for text in ("\x00", "\ud800"):
        with pytest.raises(BadFigure, match="cannot be taken"):
            journal(sample, people, reference=text)
        with pytest.raises(BadFigure, match="cannot be taken"):
            statements.find_pros(sample, people["dana"], f"a{text}")
    after = f"2026-01-01T00:00:00+00:00~{10**30}"
    with pytest.raises(BadFigure):
        ledger.journal(sample, people["fin"], ledger.Search(LONG_AGO, FAR_AHEAD), after=after)


@pytest.mark.parametrize(
    ("text", "currency", "minor"),
    [("12.50", "USD", 1250), ("$1,234.5", "USD", 123450), ("7", "USD", 700), ("1200", "JPY", 1200)],
)
def test_amounts_typed(text: str, currency: str, minor: int) -> None:
    """An amount as people type it."""
    assert minor_units(text, currency) == minor


@pytest.mark.parametrize("text", ["12,50", "1e9999", "", "-5", "1.005", "12 50", "\u0663", "9" * 30, "NaN"])
def test_amounts_that_are_none(text: str) -> None:
    """A comma that could be a decimal sign, an exponent, too many digits: asked about, never guessed."""
    with pytest.raises(BadAmount, match=r"Write it like 12\.50"):
        minor_units(text, "USD")
