"""What two people do at one moment, put in order by locks.

A marked test is red and says what is wrong. Once it is mended the mark must go: it is strict.
"""

import time
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import text

from refundlib.domain.errors import DayNotReady, WrongState
from refundlib.domain.people import WORKER
from refundlib.payments.null import NullProcessor
from refundlib.services import adjustments, batches, card_refunds, closing, payouts, reconciliation, rollup
from refundlib.services.checking import check
from refundlib.services.decisions import decide, second_approval
from refundlib.services.desk import Desk
from refundlib.services.intake import Draft, file_report
from tests.conftest import PEOPLE
from tests.market import Market

FIN, INES, DANA = PEOPLE["fin"], PEOPLE["ines"], PEOPLE["dana"]
DAY = date(2026, 3, 18)
# A payment of ours, and money that moved for a reason nobody knows.
REPORT = b"""balance_transaction_id,created_utc,currency,gross,fee,net,reporting_category,source_id
txn_1,2026-03-18 09:00:00,usd,25.00,0.00,25.00,charge,ch_t
txn_2,2026-03-18 10:00:00,usd,-9.00,0.00,-9.00,mystery,x_1
"""


def fault(reason: str) -> Any:
    """Marks a test that a fault of the desk keeps red."""
    return pytest.mark.xfail(strict=True, reason=reason)


def until(is_so: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 30
    while not is_so():
        assert time.monotonic() < deadline, "it did not happen in half a minute"
        time.sleep(0.01)


def waiting(market: Market) -> int:
    """How many connections wait for a lock."""
    return int(
        market.one("SELECT count(*) FROM pg_stat_activity WHERE cardinality(pg_blocking_pids(pid)) > 0")
    )


def twice_at_once(market: Market, lock: str, do: Callable[[], Any]) -> list[Any]:
    """Two presses of one button, both stopped by a lock until both are there; what each gave."""
    with ThreadPoolExecutor(2) as pool:
        with market.owner.transaction() as conn:
            conn.execute(text(lock))
            presses: list[Future[Any]] = [pool.submit(do) for _ in range(2)]
            until(lambda: waiting(market) == 2)
        return [press.result() for press in presses]


def requested(market: Market, amount: int) -> str:
    """A card refund that is asked for; its payout's id."""
    report = market.claim(DANA, amount=amount)
    if decide(market.desk, DANA, report, "approve", idempotency_key="k").decision_id is None:
        second_approval(market.desk, PEOPLE["mo"], report, idempotency_key="k2")
    (payout,) = card_refunds.request(market.desk, DANA, report).payout_ids
    return payout


def test_a_close_signs_no_report_it_has_not_looked_at(
    market: Market, desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A report imported while a day is being closed either counts wholly, or not at all."""
    market.pay("t", market.pro("p"), 2500, at=datetime(2026, 3, 18, 9, tzinfo=UTC))
    look = reconciliation.breaks_now
    days = {"from_day": DAY, "until_day": DAY + timedelta(days=1)}
    with ThreadPoolExecutor(1) as pool:

        def look_and_import(*given: Any) -> Any:
            found = look(*given)
            other = pool.submit(reconciliation.import_report, desk, INES, "r", REPORT, **days)
            until(lambda: other.done() or waiting(market) > 0)
            return found

        monkeypatch.setattr(reconciliation, "breaks_now", look_and_import)
        with pytest.raises(DayNotReady):
            closing.close(desk, FIN, DAY)


def test_what_waits_for_a_second_person_is_not_sent(market: Market, desk: Desk) -> None:
    """A payout in a batch above the limit is not sent before another person released the batch."""
    payout = requested(market, 5000)
    assert batches.make(desk, FIN, [payout], idempotency_key="b").needs_second
    with pytest.raises(WrongState):
        card_refunds.mark_submitted(desk, WORKER, payout)


def test_one_proposal_however_often_pressed(market: Market, desk: Desk) -> None:
    """An adjustment proposed twice at one moment under one key is one, and both are told its id."""
    market.pro("p")
    lock = "LOCK TABLE refunds.adjustments IN SHARE ROW EXCLUSIVE MODE"

    def propose() -> str:
        return adjustments.propose(
            desk, FIN, debit="bank", credit="pro_balance", amount_minor=5, currency="USD", reason="x",
            pro_id="p", idempotency_key="k",
        )  # fmt: skip

    first, second = twice_at_once(market, lock, propose)
    assert first == second


def test_one_batch_however_often_pressed(market: Market, desk: Desk) -> None:
    """A batch made twice at one moment under one key is one, and both are told its id."""
    payout = requested(market, 2000)
    lock = "SELECT FROM refunds.payouts FOR UPDATE"
    first, second = twice_at_once(
        market, lock, lambda: batches.make(desk, FIN, [payout], idempotency_key="k")
    )
    assert first == second


def test_one_open_report_a_charge(market: Market, desk: Desk) -> None:
    """A report filed twice at one moment is one: the second is refused with the first one's id."""
    market.pay("t", market.pro("p"), 2500)
    market.charge("c", market.lead("l"), "p", 1000)
    lock = "LOCK TABLE refunds.reports IN SHARE ROW EXCLUSIVE MODE"
    with pytest.raises(WrongState):
        twice_at_once(market, lock, lambda: file_report(desk, DANA, Draft(charge_id="c", reason="other")))
    assert market.one("SELECT count(*) FROM refunds.reports") == 1


@fault("the daily sums count what the marketplace wrote, the mark comes only when it is posted")
def test_a_charge_not_posted_yet_breaks_no_invariant(market: Market, desk: Desk) -> None:
    """`refunds check` passes between the marketplace's writing a charge and the worker's posting it."""
    market.pay("t", market.pro("p"), 2500)
    market.charge("c", market.lead("l"), "p", 1000)
    while rollup.catch_up(desk).more:
        pass
    assert check(desk)["ok"]
    market.write(
        """INSERT INTO marketplace.charges
        (charge_id, lead_id, pro_id, amount, currency, charged_at, paid_with)
        VALUES ('d', 'l', 'p', 100, 'USD', :at, 'balance')""",
        at=desk.clock(),
    )
    assert [each["id"] for each in check(desk)["invariants"] if not each["ok"]] == []


class SetProcessor(NullProcessor):
    """One that is there and is never asked."""

    is_set = True


def test_what_another_worker_sends_is_not_counted(
    market: Market, desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of two workers that find the same payout due, one counts it as sent."""
    payout = requested(market, 2000)
    batches.make(desk, FIN, [payout], idempotency_key="b")
    mark = card_refunds.mark_submitted

    def mark_after_another(*given: Any) -> bool:
        assert mark(desk, WORKER, payout)
        return mark(*given)

    monkeypatch.setattr(card_refunds, "mark_submitted", mark_after_another)
    assert payouts.send_released(replace(desk, processor=SetProcessor())).counts["sent"] == 0
