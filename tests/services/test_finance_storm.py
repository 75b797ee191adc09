"""Eight people and workers at once on a handful of pros: whatever they do to each other, the books hold."""

import hashlib
import threading
from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from random import Random
from typing import Any

import pytest
from sqlalchemy import text

from refundlib.config import Settings
from refundlib.domain.errors import DatabaseSlow, ProcessorSilent, Refusal
from refundlib.domain.payout import PayoutNews, PayoutOrder
from refundlib.domain.people import Person
from refundlib.domain.reconciling import UNEXPLAINED_DAYS, complete_until
from refundlib.services import adjustments, batches, closing, ledger, reconciliation, rollup
from refundlib.services.card_refunds import decline, request
from refundlib.services.checking import check
from refundlib.services.decisions import decide, second_approval, undo
from refundlib.services.desk import Desk
from refundlib.services.intake import Draft, file_report
from refundlib.services.payouts import look_after, send_released
from tests.conftest import PEOPLE, Clock, opened_desk, save_people
from tests.market import Market
from tests.services.agreeing import report

BEGIN = datetime(2026, 3, 1, tzinfo=UTC)
SEED = 20_260_301
HANDS = 8
DEEDS_EACH = 350
PROS = ("amy", "bob", "cas", "dee")
CURRENCIES = ("USD", "USD", "EUR")
AGAINST = ("refunds_given", "lead_revenue", "processor_fees", "bank")
FIN = PEOPLE["fin"]
CREDITED = """SELECT r.report_id FROM refunds.reports r
    JOIN refunds.lots l ON l.lot_id = 'refund:' || r.standing_decision_id WHERE {}"""

pytestmark = pytest.mark.slow


class FastClock(Clock):
    """Two minutes go by whenever somebody looks."""

    def __init__(self, now: datetime) -> None:
        super().__init__(now)
        self.lock = threading.Lock()
        self.pace = timedelta(minutes=2)

    def __call__(self) -> datetime:
        with self.lock:
            self.now += self.pace
            return self.now


class MoodyProcessor:
    """A processor in memory: often silent, before or after it acted; what it says may change later."""

    is_set = True

    def __init__(self, clock: Clock) -> None:
        self.clock = clock
        self.lock = threading.Lock()
        self.random = Random(SEED)
        self.silent = 0.1
        self.refunds: dict[str, PayoutNews] = {}

    def submit(self, order: PayoutOrder) -> PayoutNews:
        with self.lock:
            mood = self.random.random()
            if mood < self.silent:
                raise ProcessorSilent("It did nothing.")
            news = self.refunds.setdefault(order.payout_id, self._news(order))
            if mood < 2 * self.silent:
                raise ProcessorSilent("It did something.")
            return news

    def _news(self, order: PayoutOrder) -> PayoutNews:
        state: Any = self.random.choice(("pending", "succeeded", "succeeded", "failed"))
        ref, amount = f"re_{order.payout_id}", order.amount_minor
        return PayoutNews(ref, order.payout_id, state, amount, order.currency, self.clock())

    def look_up(self, order: PayoutOrder, processor_ref: str | None = None) -> PayoutNews | None:
        with self.lock:
            if self.random.random() < self.silent:
                raise ProcessorSilent("It is asked in vain.")
            return self.refunds.get(order.payout_id)

    def change_one(self) -> None:
        """A pending refund arrives or fails, or one that arrived comes back."""
        with self.lock:
            open_ones = [each for each in self.refunds.values() if each.state != "failed"]
            if open_ones:
                news = self.random.choice(open_ones)
                state: Any = (
                    self.random.choice(("succeeded", "failed")) if news.state == "pending" else "failed"
                )
                assert news.payout_id is not None
                self.refunds[news.payout_id] = replace(news, state=state, at=self.clock())


@dataclass
class Storm:
    """What all hands work on, and what came of it: deeds done, and refusals by deed and class."""

    desk: Desk
    market: Market
    clock: FastClock
    processor: MoodyProcessor
    done: Counter[str] = field(default_factory=Counter)
    refused: Counter[tuple[str, str]] = field(default_factory=Counter)
    deadlocks: list[str] = field(default_factory=list)
    lock: threading.Lock = field(default_factory=threading.Lock)

    def note(self, deed: str, refusal: Refusal | None = None) -> None:
        with self.lock:
            if refusal is None:
                self.done[deed] += 1
                return
            self.refused[deed, type(refusal).__name__] += 1
            if isinstance(refusal, DatabaseSlow) and "Deadlock" in repr(refusal.__cause__):
                self.deadlocks.append(f"{deed}: {refusal.__cause__}")

    def rows(self, statement: str, **values: Any) -> list[Any]:
        with self.market.owner.reading() as conn:
            return [tuple(row) for row in conn.execute(text(statement), values)]


class Nothing(Exception):  # noqa: N818 - no error
    """There is nothing yet that the deed could be done to."""


class Hand:
    """One thread with its own luck."""

    def __init__(self, storm: Storm, number: int) -> None:
        self.storm, self.desk, self.market = storm, storm.desk, storm.market
        self.luck = Random(f"{SEED} {number}")
        self.number, self.count = number, 0

    def live(self) -> None:
        deeds = [deed for deed, weight in DEEDS.items() for _ in range(weight)]
        for _ in range(DEEDS_EACH):
            deed = self.luck.choice(deeds)
            try:
                deed(self)
            except Refusal as refusal:
                self.storm.note(deed.__name__, refusal)
            except Nothing:
                continue
            else:
                self.storm.note(deed.__name__)

    def name(self) -> str:
        self.count += 1
        return f"{self.number}-{self.count:04}"

    def one(self, statement: str) -> Any:
        """One of the things a statement gives."""
        return self.some(statement, 1)[0]

    def some(self, statement: str, most: int) -> list[Any]:
        found = [row[0] for row in self.storm.rows(f"{statement} ORDER BY 1")]
        if not found:
            raise Nothing
        return self.luck.sample(found, min(len(found), self.luck.randint(1, most)))

    def who(self, *names: str) -> Person:
        return PEOPLE[self.luck.choice(names)]

    def whose(self) -> tuple[str, int, str]:
        """A pro, an amount and its currency."""
        return self.luck.choice(PROS), self.luck.randint(1, 4500), self.luck.choice(CURRENCIES)


# -- deeds ------------------------------------------------------------------------------------------------


def top_up(hand: Hand) -> None:
    """Now and then the marketplace tells of it days later."""
    late = timedelta(days=hand.luck.choice((0, 0, 0, 1, 2)))
    at = max(BEGIN, hand.desk.clock() - late)
    hand.market.pay(hand.name(), *hand.whose(), at=at)


def charge(hand: Hand) -> None:
    name = hand.name()
    hand.market.charge(name, hand.market.lead(name), *hand.whose())


def file(hand: Hand) -> None:
    charge_id = hand.one("SELECT source_id FROM refunds.ledger_transactions WHERE kind = 'charge'")
    file_report(hand.desk, hand.who("dana", "eli"), Draft(charge_id=charge_id, reason="other"))


def judge(hand: Hand) -> None:
    report_id = hand.one("SELECT report_id FROM refunds.reports WHERE state = 'open'")
    verdict = hand.luck.choice(("approve", "approve", "approve", "deny"))
    decide(
        hand.desk, hand.who("dana", "eli"), report_id, verdict, idempotency_key=hand.name(), reason="Fair."
    )


def second(hand: Hand) -> None:
    report_id = hand.one("SELECT report_id FROM refunds.reports WHERE state = 'awaiting_second_approval'")
    second_approval(hand.desk, hand.who("mo", "noor"), report_id, idempotency_key=hand.name())


def take_back(hand: Hand) -> None:
    report_id = hand.one(CREDITED.format("l.remaining = l.amount"))
    undo(hand.desk, hand.who("mo", "noor"), report_id, "A mistake.")


def ask_for_the_card(hand: Hand) -> None:
    report_id = hand.one(CREDITED.format("l.remaining > 0"))
    request(hand.desk, hand.who("dana", "eli"), report_id, hand.luck.choice((None, None, 700)))


def give_up(hand: Hand) -> None:
    payout = hand.one("SELECT payout_id FROM refunds.payouts WHERE state = 'requested'")
    decline(hand.desk, FIN, payout, "The card is gone.")


def make_batch(hand: Hand) -> None:
    """Chosen from an old page: some may be in a batch already."""
    payouts = hand.some("SELECT payout_id FROM refunds.payouts WHERE state = 'requested'", 4)
    batches.make(hand.desk, hand.who("fin", "ines"), payouts, idempotency_key=hand.name())


def release_batch(hand: Hand) -> None:
    batch_id = hand.one("SELECT batch_id FROM refunds.batches WHERE state = 'waiting'")
    batches.release(hand.desk, hand.who("fin", "ines"), batch_id)


def send_batch_back(hand: Hand) -> None:
    batch_id = hand.one("SELECT batch_id FROM refunds.batches WHERE state = 'waiting'")
    batches.send_back(hand.desk, hand.who("fin", "ines"), batch_id, "Not today.")


def work(hand: Hand) -> None:
    """What the worker does for card refunds."""
    send_released(hand.desk, limit=3)
    look_after(hand.desk, limit=3)


def change_at_the_processor(hand: Hand) -> None:
    hand.storm.processor.change_one()


def propose(hand: Hand) -> None:
    sides = [hand.luck.choice(AGAINST), "pro_balance"]
    hand.luck.shuffle(sides)
    pro, amount, currency = hand.whose()
    adjustments.propose(
        hand.desk, hand.who("fin", "ines"), debit=sides[0], credit=sides[1], amount_minor=amount,
        currency=currency, reason="A correction.", pro_id=pro, idempotency_key=hand.name(),
    )  # fmt: skip


def adjust(hand: Hand) -> None:
    adjustment_id = hand.one("SELECT adjustment_id FROM refunds.adjustments WHERE state = 'waiting'")
    adjustments.release(hand.desk, hand.who("fin", "ines"), adjustment_id)


def drop(hand: Hand) -> None:
    adjustment_id = hand.one("SELECT adjustment_id FROM refunds.adjustments WHERE state = 'waiting'")
    adjustments.refuse(hand.desk, hand.who("fin", "ines"), adjustment_id, "Not needed.")


def close(hand: Hand) -> None:
    """All that belongs to it, the report of the processor included."""
    person, until = hand.who("fin", "ines"), complete_until(hand.desk.clock())
    if until <= BEGIN.date():
        raise Nothing
    content = report(hand.market.owner, BEGIN.date(), until)
    reconciliation.import_report(
        hand.desk, person, hand.name(), content, from_day=BEGIN.date(), until_day=until
    )
    reconciliation.post_fees_and_payouts(hand.desk, person)
    for row in reconciliation.breaks(hand.desk, person):
        if row["age_days"] >= UNEXPLAINED_DAYS - 1 and not row["explanation"]:
            reconciliation.keep_case(hand.desk, person, row["break_key"], explanation="Known.")
    closing.close(hand.desk, person, closing.next_day(hand.desk, person))


def sum_up(hand: Hand) -> None:
    rollup.catch_up(hand.desk, limit=20)


def look(hand: Hand) -> None:
    """The invariants of money hold also while the others work."""
    # Not the daily sums: a charge the marketplace wrote and the feed has not posted yet is in no sum.
    assert [each for each in broken(hand.market.owner) if each["id"] != "rollups"] == []


DEEDS: dict[Callable[[Hand], None], int] = {
    top_up: 6,
    charge: 8,
    file: 8,
    judge: 8,
    second: 3,
    take_back: 2,
    ask_for_the_card: 9,
    give_up: 1,
    make_batch: 6,
    release_batch: 5,
    send_batch_back: 3,
    work: 6,
    change_at_the_processor: 2,
    propose: 3,
    adjust: 3,
    drop: 1,
    close: 2,
    sum_up: 2,
    look: 1,
}


def broken(desk: Desk) -> list[Any]:
    """The invariants that do not hold, with their rows."""
    return [each for each in check(desk)["invariants"] if not each["ok"]]


# -- the test ---------------------------------------------------------------------------------------------


def test_storm(database_url: str, settings: Settings) -> None:
    """Refusals are the only thing anybody meets; at the end every figure agrees with every other."""
    clock = FastClock(BEGIN)
    processor = MoodyProcessor(clock)
    with (
        opened_desk(database_url, clock, settings) as plain,
        opened_desk(database_url, clock, settings, as_owner=True) as owner,
    ):
        desk = replace(plain, processor=processor)
        save_people(desk)
        storm = Storm(desk, Market(owner, desk), clock, processor)
        for pro in PROS:
            storm.market.pro(pro)
        with ThreadPoolExecutor(HANDS) as pool:
            for life in [pool.submit(Hand(storm, number).live) for number in range(HANDS)]:
                life.result()
        assert storm.deadlocks == []
        everything_happened(storm)
        books_hold(storm)
        closed_days_stay(storm)
        both_sides_agree(storm)


def everything_happened(storm: Storm) -> None:
    """The storm was one: each deed was done, and several days were closed meanwhile."""
    assert storm.done.keys() == {deed.__name__ for deed in DEEDS}, storm.refused
    assert storm.done["close"] >= 3
    assert storm.rows("SELECT count(*) FROM refunds.late_postings")[0][0] > 0


def books_hold(storm: Storm) -> None:
    """With days still to be summed, and when they are; the balances are the ledger's."""
    assert broken(storm.desk) == []
    while rollup.catch_up(storm.desk).more:
        pass
    assert broken(storm.desk) == []
    trial = {
        (row["currency"], row["account"]): row["amount"] for row in ledger.trial_balance(storm.desk, FIN)
    }
    kept = storm.rows("SELECT currency, sum(balance), sum(held) FROM refunds.balances GROUP BY currency")
    assert [currency for currency, _, _ in sorted(kept)] == ["EUR", "USD"]
    for currency, balance, held in kept:
        assert sum(amount for (of, _), amount in trial.items() if of == currency) == 0
        assert balance == -trial[currency, "pro_balance"]
        assert held == -trial[currency, "pro_held"]
    twice = """SELECT h.payout_id FROM refunds.batch_payouts h JOIN refunds.batches b USING (batch_id)
        WHERE b.state IN ('waiting', 'released') GROUP BY h.payout_id HAVING count(*) > 1"""
    assert storm.rows(twice) == []


def closed_days_stay(storm: Storm) -> None:
    """Each close follows the one before; text, hash and sums are still those that were signed."""
    closes = sorted(closing.listing(storm.desk, FIN), key=lambda row: row["day"])
    for before, row in pairwise(closes):
        assert row["from_day"] == before["day"] + timedelta(days=1)
    for row in closes:
        journal = closing.frozen_journal(storm.desk, FIN, row["day"])
        assert row["sha256"] == hashlib.sha256(journal.encode()).hexdigest()
        until = row["day"] + timedelta(days=1)
        assert ledger.journal_csv(storm.desk, FIN, row["from_day"], until) == journal
        now = ledger.trial_balance(storm.desk, FIN, ledger.start_of(until))
        signed = row["figures"]["trial_balance"]
        assert [{name: each[name] for name in signed[0]} for each in now] == signed


def both_sides_agree(storm: Storm) -> None:
    """When the worker has asked about everything, each payout is what the processor has of it."""
    storm.processor.silent, storm.clock.pace = 0.0, timedelta(0)
    for _ in range(9):  # what succeeded is asked about daily
        storm.clock.advance(timedelta(hours=6))
        while send_released(storm.desk).more or look_after(storm.desk).more:
            pass
    words = {"succeeded": {"succeeded"}, "pending": {"pending"}, "failed": {"failed", "reversed"}}
    ours = dict(storm.rows("SELECT payout_id, state FROM refunds.payouts WHERE sent_at IS NOT NULL"))
    assert ours.keys() == storm.processor.refunds.keys()
    for payout_id, news in storm.processor.refunds.items():
        assert ours[payout_id] in words[news.state]
    assert broken(storm.desk) == []
