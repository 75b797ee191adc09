"""Deciding a claim: one decision, one refund, one mail, whoever presses what, however often."""

import random
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from uuid import uuid4

import pytest

from refundlib.domain.errors import (
    AlreadyDecided,
    BadAmount,
    CreditSpent,
    ForeignCurrency,
    NotAllowed,
    NotFound,
    ReasonMissing,
    Refusal,
    SamePerson,
    WrongState,
)
from refundlib.domain.people import WORKER, Person
from refundlib.services import triage
from refundlib.services.card_refunds import record_outcome, request
from refundlib.services.checking import check
from refundlib.services.decisions import decide, preview, second_approval, send_back, undo
from refundlib.services.desk import Desk
from refundlib.services.intake import Draft, file_report
from tests.conftest import Clock
from tests.market import Market

People = dict[str, Person]


def key() -> str:
    """A fresh idempotency key."""
    return uuid4().hex


def test_approval_does_everything_at_once(market: Market, desk: Desk, people: People) -> None:
    """An approval credits the balance, writes decision, entries, audit row and mail."""
    report = market.claim(people["dana"])
    before = preview(desk, people["dana"], report)
    outcome = decide(desk, people["dana"], report, "approve", idempotency_key=key())
    assert outcome.state == "approved"
    assert market.balance("pro-a") == before.balance_after_minor == 2500
    assert market.one("SELECT count(*) FROM refunds.ledger_transactions WHERE kind = 'refund'") == 1
    assert market.one("SELECT count(*) FROM refunds.audit WHERE action = 'approved' AND actor = 'dana'") == 1
    assert market.one("SELECT body FROM refunds.outbox WHERE kind = 'approved'") == before.letter.body
    assert check(desk)["ok"]


def test_denial_needs_words_and_moves_no_money(market: Market, desk: Desk, people: People) -> None:
    """A denial without a reason is refused and changes nothing; with one it is mailed, and no money moves."""
    report = market.claim(people["dana"])
    with pytest.raises(ReasonMissing):
        decide(desk, people["dana"], report, "deny", idempotency_key=key(), reason="  ")
    decide(desk, people["dana"], report, "deny", idempotency_key=key(), reason="The chat shows a booking.")
    assert market.balance("pro-a") == 0
    assert market.one("SELECT count(*) FROM refunds.outbox WHERE kind = 'denied'") == 1
    assert check(desk)["ok"]


def test_overruling_a_denial_needs_words(market: Market, desk: Desk, people: People) -> None:
    """Where the checks advise to deny, an approval without a written reason is refused."""
    report = market.claim(people["dana"], reply="Yes please, come on Monday")
    with pytest.raises(ReasonMissing):
        decide(desk, people["dana"], report, "approve", idempotency_key=key())
    decide(desk, people["dana"], report, "approve", idempotency_key=key(), reason="Goodwill after an outage.")
    assert market.one("SELECT overruled FROM refunds.decisions") is True


@pytest.mark.parametrize(
    ("amount", "currency", "refusal"),
    [(2501, None, BadAmount), (0, None, BadAmount), (-1, None, BadAmount), (2500, "EUR", ForeignCurrency)],
)
def test_wrong_amounts(
    market: Market, desk: Desk, people: People, amount: int, currency: str | None, refusal: type[Refusal]
) -> None:
    """More than the charge, nothing, less than nothing or another currency: refused, and nothing changed."""
    report = market.claim(people["dana"])
    with pytest.raises(refusal):
        decide(
            desk,
            people["dana"],
            report,
            "approve",
            idempotency_key=key(),
            amount_minor=amount,
            currency=currency,
            reason="Part of it.",
        )
    assert market.balance("pro-a") == 0
    assert market.one("SELECT count(*) FROM refunds.decisions") == 0


def test_unknown_and_decided_claims(market: Market, desk: Desk, people: People) -> None:
    """An unknown claim is not found; a decided one names who decided."""
    with pytest.raises(NotFound, match="R-nope"):
        decide(desk, people["dana"], "R-nope", "approve", idempotency_key=key())
    report = market.claim(people["dana"])
    decide(desk, people["dana"], report, "approve", idempotency_key=key())
    with pytest.raises(AlreadyDecided, match="Dana Reyes"):
        decide(desk, people["eli"], report, "deny", idempotency_key=key(), reason="No.")


def test_a_retry_gives_the_first_outcome(market: Market, desk: Desk, people: People) -> None:
    """The same key again gives the same decision and posts nothing."""
    report, same = market.claim(people["dana"]), key()
    first = decide(desk, people["dana"], report, "approve", idempotency_key=same)
    again = decide(desk, people["dana"], report, "approve", idempotency_key=same)
    assert again.decision_id == first.decision_id
    assert market.balance("pro-a") == 2500


def test_above_the_limit_takes_two_managers_eyes(market: Market, desk: Desk, people: People) -> None:
    """An approval above 3000 waits; its proposer cannot release it, another manager can."""
    report = market.claim(people["dana"], amount=3001)
    outcome = decide(desk, people["mo"], report, "approve", idempotency_key=key())
    assert (outcome.state, market.balance("pro-a")) == ("awaiting_second_approval", 0)
    with pytest.raises(SamePerson):
        second_approval(desk, people["mo"], report, idempotency_key=key())
    with pytest.raises(NotAllowed):
        second_approval(desk, people["eli"], report, idempotency_key=key())
    second_approval(desk, people["noor"], report, idempotency_key=key())
    assert market.balance("pro-a") == 3001
    assert check(desk)["ok"]


def test_sent_back_is_open_again(market: Market, desk: Desk, people: People) -> None:
    """An approval sent back can be decided anew, in the same round."""
    report = market.claim(people["dana"], amount=5000)
    decide(desk, people["dana"], report, "approve", idempotency_key=key())
    send_back(desk, people["mo"], report, "The chat does not show it.")
    decide(desk, people["dana"], report, "deny", idempotency_key=key(), reason="Not shown.")
    assert check(desk)["ok"]


def test_undo_while_unspent(market: Market, desk: Desk, people: People, clock: Clock) -> None:
    """An undone approval takes its credit back, and the claim can be decided again."""
    report = market.claim(people["dana"])
    decide(desk, people["dana"], report, "approve", idempotency_key=key())
    clock.advance(timedelta(minutes=5))
    undo(desk, people["mo"], report, "Wrong claim.")
    assert market.balance("pro-a") == 0
    decide(desk, people["eli"], report, "deny", idempotency_key=key(), reason="The customer booked.")
    assert check(desk)["ok"]


def test_no_undo_once_spent(market: Market, desk: Desk, people: People, clock: Clock) -> None:
    """A credit of which a lead was paid cannot be undone."""
    report = market.claim(people["dana"])
    decide(desk, people["dana"], report, "approve", idempotency_key=key())
    clock.advance(timedelta(minutes=5))
    market.charge("charge-next", market.lead("lead-next"), "pro-a", 100)
    with pytest.raises(CreditSpent):
        undo(desk, people["mo"], report, "Wrong claim.")
    assert check(desk)["ok"]


def test_appeal_by_another_person(market: Market, desk: Desk, people: People, clock: Clock) -> None:
    """A reopened report has a new deadline and is judged by another person than denied it."""
    report = market.claim(people["dana"])
    decide(desk, people["dana"], report, "deny", idempotency_key=key(), reason="No.")
    clock.advance(timedelta(days=3))
    triage.reopen(desk, people["mo"], report, "The pro sent a photo.")
    assert market.one("SELECT deadline_at FROM refunds.reports") == clock() + timedelta(hours=48)
    with pytest.raises(SamePerson):
        decide(desk, people["dana"], report, "approve", idempotency_key=key())
    decide(desk, people["eli"], report, "approve", idempotency_key=key())
    assert check(desk)["ok"]


def test_card_refund_fails_and_comes_back(market: Market, desk: Desk, people: People, clock: Clock) -> None:
    """A failed card refund returns to its lot and can be asked for again, for 14 more days."""
    report = market.claim(people["dana"])
    decide(desk, people["dana"], report, "approve", idempotency_key=key())
    clock.advance(timedelta(days=10))
    refund = request(desk, people["dana"], report)
    (payout,) = refund.payout_ids
    from refundlib.services.card_refunds import mark_submitted

    mark_submitted(desk, WORKER, payout, "re_1")
    record_outcome(desk, WORKER, payout, "failed", at=clock(), failure_reason="expired_card")
    record_outcome(desk, WORKER, payout, "failed", at=clock(), failure_reason="expired_card")
    assert market.balance("pro-a") == 2500
    clock.advance(timedelta(days=13))
    again = request(desk, people["dana"], report)
    assert again.amount_minor == 2500
    assert check(desk)["ok"]


def test_stale_version_is_refused(market: Market, desk: Desk, people: People) -> None:
    """Who looked at an older version of the claim is told to reload."""
    report = market.claim(people["dana"])
    triage.ask_pro(desk, people["dana"], report, "Which number did you call?")
    with pytest.raises(WrongState):
        decide(desk, people["dana"], report, "approve", expected_version=1, idempotency_key=key())


def test_storm_of_decisions(market: Market, desk: Desk, people: People) -> None:
    """200 random decisions by 8 workers, many doubled: one decision a report, every invariant holds."""
    pro = market.pro("busy")
    market.pay("busy-pay", pro, 100_000)
    reports = []
    for number in range(60):
        lead = market.lead(f"busy-{number}")
        market.charge(f"busy-{number}", lead, pro, 1000)
        reports.append(
            file_report(desk, people["dana"], Draft(charge_id=f"busy-{number}", reason="invalid_phone"))
        )
    chance = random.Random(5)
    orders = [
        (
            chance.choice(["dana", "eli", "mo"]),
            chance.choice(reports),
            chance.choice(["approve", "deny"]),
            key(),
        )
        for _ in range(150)
    ]
    orders += [chance.choice(orders) for _ in range(50)]
    chance.shuffle(orders)

    def run(order: tuple[str, str, str, str]) -> str:
        who, report, decision, same_key = order
        try:
            return decide(
                desk, people[who], report, decision, idempotency_key=same_key, reason="Judged."
            ).state  # fmt: skip
        except Refusal as refusal:
            return type(refusal).__name__

    with ThreadPoolExecutor(8) as workers:
        outcomes = Counter(workers.map(run, orders))
    decided = len({report for _who, report, _decision, _key in orders})
    assert market.one("SELECT count(*) FROM refunds.decisions") == decided
    assert set(outcomes) <= {"approved", "denied", "AlreadyDecided"}
    assert sum(outcomes.values()) == 200
    approved = market.one("SELECT count(*) FROM refunds.reports WHERE state = 'approved'")
    assert market.balance(pro) == 40_000 + 1000 * approved
    assert check(desk)["ok"]
