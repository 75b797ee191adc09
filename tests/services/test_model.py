"""The desk against a plain model: random events, and every invariant after each of them.

The model keeps dictionaries of numbers and knows nothing of the journal, of SQL or of the desk's code.
"""

import hashlib
from collections import Counter
from collections.abc import Iterable
from contextlib import ExitStack
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, time, timedelta
from typing import Any, TypeVar

import pytest
from hypothesis import HealthCheck
from hypothesis import settings as hypothesis_options
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    rule,
    run_state_machine_as_test,
)

from refundlib.config import Settings
from refundlib.domain.errors import (
    CardRefundRefused,
    CreditSpent,
    SamePerson,
    ShortOfCover,
    WrongState,
)
from refundlib.domain.people import WORKER
from refundlib.services import adjustments, batches, closing, ledger, reconciliation, rollup
from refundlib.services.card_refunds import decline, mark_submitted, record_outcome, request
from refundlib.services.checking import check
from refundlib.services.decisions import decide, second_approval, undo
from refundlib.services.intake import Draft, file_report
from tests.conftest import PEOPLE, Clock, cloned, opened_desk, save_people
from tests.market import Market
from tests.services.agreeing import TO_BANK, bank_line, fee_of, report

BEGIN = datetime(2026, 3, 1, tzinfo=UTC)
LIMIT = 3000
MOST = 4500
AMOUNTS = st.one_of(st.integers(1, MOST), st.sampled_from((1, LIMIT, LIMIT + 1, MOST)))
PARTS = st.one_of(st.just(100), st.integers(1, 100))
# How long ago a thing happened, in minutes: now, or up to three days back.
AGES = st.one_of(st.just(0), st.integers(1, 3 * 24 * 60))
AGAINST = ("refunds_given", "lead_revenue", "processor_fees", "bank", "processor_clearing")
DANA, MO, FIN, INES = (PEOPLE[name] for name in ("dana", "mo", "fin", "ines"))
# Each deed, what there must be some of before it can be done, and how often it is chosen.
DEEDS: dict[str, tuple[str | None, int]] = {
    "pay": (None, 2),
    "charge": (None, 4),
    "approve": ("charges", 3),
    "deny": ("charges", 1),
    "take_back": ("credits", 1),
    "ask_for_the_card": ("credits", 4),
    "decline": ("requested", 1),
    "send": ("requested", 4),
    "succeed": ("under_way", 3),
    "fail": ("under_way", 2),
    "reverse": ("succeeded", 3),
    "propose": (None, 2),
    "release": ("proposed", 2),
    "sum_up": (None, 1),
    "close": (None, 2),
}

Data = st.DataObject
T = TypeVar("T")


@dataclass
class Lot:
    """Money on the balance: its age (time, kind, id; the oldest is spent first), and what is left of it."""

    name: str
    age: tuple[datetime, int, str]
    amount: int
    left: int


@dataclass(frozen=True)
class Payout:
    """A card refund's part: its lot, amount, and since when it is as it is."""

    payout_id: str
    lot: str
    amount: int
    since: datetime


@dataclass(frozen=True)
class Proposal:
    """An adjustment that waits: up, from an account to the balance, or down."""

    adjustment_id: str
    amount: int
    account: str
    up: bool


def taken(data: Data, stock: list[T]) -> T:
    """One of some things, which is then gone."""
    return stock.pop(data.draw(st.integers(0, len(stock) - 1), "number"))


class Books:
    """Postings by the day they are booked on; of a closed day nothing is booked any more."""

    def __init__(self) -> None:
        self.days: list[tuple[date, str, int]] = []
        self.closed_until: date | None = None
        self.late: dict[tuple[str, str], tuple[date, date]] = {}

    def post(self, kind: str, source: str, at: datetime, amount: int, debit: str, credit: str) -> None:
        own_day = booked_on = at.date()
        if self.closed_until is not None and own_day <= self.closed_until:
            booked_on = self.closed_until + timedelta(days=1)
            self.late[kind, source] = (own_day, booked_on)
        self.days += [(booked_on, debit, amount), (booked_on, credit, -amount)]

    def until(self, day: date) -> dict[str, int]:
        """What is on each account of all that was booked before a day."""
        sums: Counter[str] = Counter()
        for booked_on, account, amount in self.days:
            if booked_on < day:
                sums[account] += amount
        return {account: amount for account, amount in sums.items() if amount}


class Model:
    """What one pro has, and what is in the books, by the rules on paper."""

    def __init__(self) -> None:
        self.lots: list[Lot] = []
        self.books = Books()
        self.held = 0
        self.charges: dict[str, int] = {}
        self.waiting: dict[str, tuple[datetime, int]] = {}
        self.fees: dict[str, tuple[datetime, int]] = {}
        self.paid_to_bank: set[date] = set()

    @property
    def balance(self) -> int:
        return sum(lot.left for lot in self.lots)

    def open(self, kind: str, source: str, amount: int, at: datetime, debit: str) -> None:
        rank = ("payment", "refund", "adjustment").index(kind)
        self.lots.append(Lot(f"{kind}:{source}", (at, rank, source), amount, amount))
        self.books.post(kind, source, at, amount, debit, "pro_balance")

    def spend(self, kind: str, source: str, amount: int, at: datetime, credit: str) -> bool:
        """Takes from the oldest lots, all of it or nothing."""
        if amount > self.balance:
            return False
        self.books.post(kind, source, at, amount, "pro_balance", credit)
        for lot in sorted(self.lots, key=lambda lot: lot.age):
            part = min(lot.left, amount)
            lot.left -= part
            amount -= part
        return True

    def pay(self, name: str, amount: int, at: datetime) -> None:
        """A payment brings up what waits for cover, in the order of time, and then all of it once more."""
        self.retry(name for name, (charged_at, _) in self.waiting.items() if charged_at < at)
        self.open("payment", name, amount, at, "processor_clearing")
        self.fees[name] = (at, fee_of(amount))
        self.retry(name for name, (charged_at, _) in self.waiting.items() if charged_at >= at)
        self.retry(self.waiting)

    def retry(self, charges: Iterable[str]) -> None:
        for charge in list(charges):
            at, price = self.waiting.pop(charge)
            self.charge(charge, price, at)
        self.waiting = dict(sorted(self.waiting.items(), key=lambda item: item[1]))

    def charge(self, name: str, amount: int, at: datetime) -> bool:
        if not self.spend("charge", name, amount, at, "lead_revenue"):
            self.waiting[name] = (at, amount)
            return False
        self.charges[name] = amount
        return True

    def lot(self, name: str) -> Lot:
        return next(lot for lot in self.lots if lot.name == name)

    def take(self, kind: str, source: str, lot: str, amount: int, at: datetime, credit: str) -> None:
        """Money leaves its own lot: held for the card, or taken back."""
        self.lot(lot).left -= amount
        self.held += amount if credit == "pro_held" else 0
        self.books.post(kind, source, at, amount, "pro_balance", credit)

    def arrives(self, payout: Payout, at: datetime) -> None:
        self.held -= payout.amount
        self.books.post(
            "card_refund_succeeded", payout.payout_id, at, payout.amount, "pro_held", "processor_clearing"
        )

    def comes_back(self, payout: Payout, state: str, at: datetime) -> None:
        held = state != "reversed"
        self.held -= payout.amount if held else 0
        self.lot(payout.lot).left += payout.amount
        came_from = "pro_held" if held else "processor_clearing"
        self.books.post(f"card_refund_{state}", payout.payout_id, at, payout.amount, came_from, "pro_balance")

    def post_report(self, until: date) -> tuple[int, int]:
        """What only the processor knows of the days before `until`; how many fees and payouts to our bank."""
        fees = [name for name, (at, _) in self.fees.items() if at.date() < until]
        for name in fees:
            at, fee = self.fees.pop(name)
            self.books.post("processor_fee", f"in_{name}", at, fee, "processor_fees", "processor_clearing")
        span = (BEGIN.date() + timedelta(days=number) for number in range((until - BEGIN.date()).days))
        days = [day for day in span if day not in self.paid_to_bank]
        for day in days:
            self.paid_to_bank.add(day)
            self.books.post("bank_payout", *bank_line(day), TO_BANK, "bank", "processor_clearing")
        return len(fees), len(days)


class DeskAgainstModel(RuleBasedStateMachine):
    """One pro, one currency, a clock that moves a minute a step and some days at a close."""

    server: tuple[str, str]
    desk_settings: Settings

    def __init__(self) -> None:
        super().__init__()
        self.stack = ExitStack()
        url = self.stack.enter_context(cloned(*self.server))
        self.clock = Clock(BEGIN)
        self.desk = self.stack.enter_context(opened_desk(url, self.clock, self.desk_settings))
        owner = self.stack.enter_context(opened_desk(url, self.clock, self.desk_settings, as_owner=True))
        save_people(self.desk)
        self.market = Market(owner, self.desk)
        self.pro = self.market.pro("pro")
        self.model = Model()
        self.charges: list[str] = []
        self.credits: list[tuple[str, str]] = []
        self.requested: list[Payout] = []
        self.under_way: list[Payout] = []
        self.succeeded: list[Payout] = []
        self.proposed: list[Proposal] = []
        self.frozen: dict[date, str] = {}
        self.count = 0

    def teardown(self) -> None:
        self.stack.close()

    @initialize(data=st.data())
    def begin(self, data: Data) -> None:
        """Two credits and a card refund of each, so that there is something to do from the first step on."""
        for _ in range(2):
            self.paid(MOST, self.clock())
            self.charge(data)
            self.approve(data)
            self.ask_for_the_card(data)

    @rule(data=st.data())
    def step(self, data: Data) -> None:
        """One of the deeds that are possible now.

        One rule for all: Hypothesis switches rules off for a whole example, and hardly came to long chains.
        """
        possible = [
            deed
            for deed, (needs, weight) in DEEDS.items()
            for _ in range(weight)
            if needs is None or getattr(self, needs)
        ]
        getattr(self, data.draw(st.sampled_from(possible), "deed"))(data)

    def next(self, kind: str) -> str:
        self.count += 1
        self.clock.advance(timedelta(minutes=1))
        return f"{kind}{self.count:04}"

    def earlier(self, data: Data, since: datetime = BEGIN) -> datetime:
        """Now, or a moment before, and not before another."""
        return max(since, self.clock() - timedelta(minutes=data.draw(AGES, "minutes ago")))

    # -- the pro and the people of support ------------------------------------------------------------

    def pay(self, data: Data) -> None:
        self.paid(data.draw(AMOUNTS, "amount"), self.earlier(data))

    def paid(self, amount: int, at: datetime) -> None:
        name = self.next("p")
        self.market.pay(name, self.pro, amount, at=at)
        self.model.pay(name, amount, at)

    def charge(self, data: Data) -> None:
        name, amount = self.next("c"), data.draw(AMOUNTS, "amount")
        self.market.charge(name, self.market.lead(name), self.pro, amount)
        if self.model.charge(name, amount, self.clock()):
            self.charges.append(name)

    def approve(self, data: Data) -> None:
        charge = taken(data, self.charges)
        report = file_report(self.desk, DANA, Draft(charge_id=charge, reason="other"))
        amount = max(1, self.model.charges[charge] * data.draw(PARTS, "percent") // 100)
        self.next("d")
        for _ in range(2):  # the second press is a retry
            outcome = decide(
                self.desk,
                DANA,
                report,
                "approve",
                idempotency_key=report,
                amount_minor=amount,
                reason="Fair.",
            )
        assert (outcome.decision_id is None) == (amount > LIMIT)
        if outcome.decision_id is None:
            outcome = second_approval(self.desk, MO, report, idempotency_key=f"{report} again")
        self.model.open("refund", outcome.decision_id, amount, self.clock(), "refunds_given")
        self.credits.append((report, f"refund:{outcome.decision_id}"))

    def deny(self, data: Data) -> None:
        report = file_report(self.desk, DANA, Draft(charge_id=taken(data, self.charges), reason="not_hired"))
        self.next("d")
        decide(self.desk, DANA, report, "deny", idempotency_key=report, reason="Never a reason.")

    def take_back(self, data: Data) -> None:
        report, lot_name = taken(data, self.credits)
        self.next("u")
        lot = self.model.lot(lot_name)
        if lot.left != lot.amount:
            with pytest.raises(CreditSpent):
                undo(self.desk, MO, report, "A mistake.")
            return
        undo(self.desk, MO, report, "A mistake.")
        decision = lot_name.partition(":")[2]
        self.model.take("refund_undone", decision, lot_name, lot.amount, self.clock(), "refunds_given")
        decide(self.desk, PEOPLE["eli"], report, "deny", idempotency_key=self.next("k"), reason="After all.")

    def ask_for_the_card(self, data: Data) -> None:
        report, lot_name = data.draw(st.sampled_from(self.credits), "credit")
        self.next("r")
        amount = max(1, self.model.lot(lot_name).left * data.draw(PARTS, "percent") // 100)
        try:
            refund = request(self.desk, DANA, report, amount)
        except CardRefundRefused:
            # Too late, or too little left on the lot or on the payments behind it; refused whole.
            return
        self.model.take(
            "card_refund_requested", refund.card_refund_id, lot_name, amount, self.clock(), "pro_held"
        )
        for payout in refund.payout_ids:
            self.requested.append(Payout(payout, lot_name, self.amount_of(payout), self.clock()))

    def amount_of(self, payout: str) -> int:
        return int(self.market.one("SELECT amount FROM refunds.payouts WHERE payout_id = :p", p=payout))

    # -- card refunds at the processor ----------------------------------------------------------------

    def decline(self, data: Data) -> None:
        payout = taken(data, self.requested)
        self.next("x")
        decline(self.desk, FIN, payout.payout_id, "The card is gone.")
        self.model.comes_back(payout, "declined", self.clock())

    def send(self, data: Data) -> None:
        """Through a batch, which above the limit another person releases or sends back first."""
        most = min(3, len(self.requested))
        chosen = [taken(data, self.requested) for _ in range(data.draw(st.integers(1, most), "payouts"))]
        batch_id = self.batched(chosen)
        if batch_id and data.draw(st.booleans(), "sent back"):
            batches.send_back(self.desk, INES, batch_id, "Not today.")
            batch_id = self.batched(chosen)
        if batch_id:
            with pytest.raises(SamePerson):
                batches.release(self.desk, FIN, batch_id)
            batches.release(self.desk, INES, batch_id)
        with pytest.raises(WrongState):
            batches.make(self.desk, INES, [chosen[0].payout_id], idempotency_key=self.next("k"))
        for payout in chosen:
            assert mark_submitted(self.desk, WORKER, payout.payout_id)
        self.under_way += [replace(payout, since=self.clock()) for payout in chosen]

    def batched(self, chosen: list[Payout]) -> str | None:
        """Makes a batch, twice; its id when it waits for another person."""
        key, ids = self.next("b"), [payout.payout_id for payout in chosen]
        batch, again = (batches.make(self.desk, FIN, ids, idempotency_key=key) for _ in range(2))
        total = sum(payout.amount for payout in chosen)
        assert batch == again
        assert (batch.totals, batch.needs_second) == ({"USD": total}, total > LIMIT)
        return batch.batch_id if batch.needs_second else None

    def succeed(self, data: Data) -> None:
        payout = taken(data, self.under_way)
        self.next("s")
        at = self.earlier(data, payout.since)
        self.say(payout, "succeeded", at)
        self.model.arrives(payout, at)
        self.succeeded.append(replace(payout, since=at))

    def fail(self, data: Data) -> None:
        self.comes_back(data, taken(data, self.under_way), "failed")

    def reverse(self, data: Data) -> None:
        self.comes_back(data, taken(data, self.succeeded), "reversed")

    def comes_back(self, data: Data, payout: Payout, state: str) -> None:
        self.next("v")
        at = self.earlier(data, payout.since)
        self.say(payout, state, at)
        self.model.comes_back(payout, state, at)

    def say(self, payout: Payout, state: str, at: datetime) -> None:
        for _ in range(2):  # the processor says it twice
            record_outcome(
                self.desk, WORKER, payout.payout_id, state, at=at, processor_ref=f"re_{payout.payout_id}"
            )

    # -- adjustments ----------------------------------------------------------------------------------

    def propose(self, data: Data) -> None:
        """Nothing is posted yet, as the invariants see."""
        account, amount = data.draw(st.sampled_from(AGAINST), "against"), data.draw(AMOUNTS, "amount")
        up = data.draw(st.booleans(), "up")
        debit, credit = (account, "pro_balance") if up else ("pro_balance", account)
        adjustment_id = adjustments.propose(
            self.desk, FIN, debit=debit, credit=credit, amount_minor=amount, currency="USD",
            reason="A correction.", pro_id=self.pro, idempotency_key=self.next("a"),
        )  # fmt: skip
        self.proposed.append(Proposal(adjustment_id, amount, account, up))

    def release(self, data: Data) -> None:
        """Another person posts it; a debit above the balance stays proposed, and changes nothing."""
        it = taken(data, self.proposed)
        self.next("j")
        with pytest.raises(SamePerson):
            adjustments.release(self.desk, FIN, it.adjustment_id)
        if it.up:
            self.model.open("adjustment", it.adjustment_id, it.amount, self.clock(), it.account)
        elif not self.model.spend("adjustment", it.adjustment_id, it.amount, self.clock(), it.account):
            with pytest.raises(ShortOfCover):
                adjustments.release(self.desk, INES, it.adjustment_id)
            self.proposed.append(it)
            return
        adjustments.release(self.desk, INES, it.adjustment_id)
        with pytest.raises(WrongState):
            adjustments.refuse(self.desk, FIN, it.adjustment_id, "Too late.")

    # -- days -----------------------------------------------------------------------------------------

    def sum_up(self, data: Data) -> None:
        """The worker sums the days that changed."""
        while rollup.catch_up(self.desk).more:
            pass

    def close(self, data: Data) -> None:
        """Some days later the last complete day is closed, with a report that agrees in everything."""
        days = timedelta(days=data.draw(st.integers(1, 4), "days"))
        self.clock.now = datetime.combine(self.clock().date() + days, time(12, 1), UTC)
        today = self.clock().date()
        day = today - timedelta(days=1)
        content = report(self.market.owner, BEGIN.date(), today)
        reconciliation.import_report(
            self.desk, FIN, f"until {today}", content, from_day=BEGIN.date(), until_day=today
        )
        fees, to_bank = self.model.post_report(today)
        posted = reconciliation.post_fees_and_payouts(self.desk, FIN)
        assert posted == {"processor_fee": fees, "bank_payout": to_bank}
        self.explain()
        closing.close(self.desk, FIN, day)
        self.model.books.closed_until = day
        self.frozen[day] = closing.frozen_journal(self.desk, FIN, day)
        with pytest.raises(WrongState):
            closing.close(self.desk, INES, day)

    def explain(self) -> None:
        """The breaks there may be: what nobody sent, what came late, what the processor has no line of."""
        for row in reconciliation.breaks(self.desk, FIN):
            expected = {"requested_not_sent", "late_failure_after_close"}
            assert row["class"] in expected or (row["class"], row["detail"]) == (
                "ours_not_theirs",
                "adjustment",
            )
            reconciliation.keep_case(self.desk, FIN, row["break_key"], explanation="Known.")

    # -- after every step -----------------------------------------------------------------------------

    @invariant()
    def same_money(self) -> None:
        with self.market.owner.reading() as conn:
            row = conn.exec_driver_sql("SELECT balance, held FROM refunds.balances").one_or_none()
            lots = {
                row[0]: row[1] for row in conn.exec_driver_sql("SELECT lot_id, remaining FROM refunds.lots")
            }
        assert (row or (0, 0)) == (self.model.balance, self.model.held)
        assert lots == {lot.name: lot.left for lot in self.model.lots}

    @invariant()
    def same_books(self) -> None:
        """Every account is the model's, now and at the end of each closed day, and it all sums to zero."""
        tomorrow = self.clock().date() + timedelta(days=1)
        for day in (tomorrow, *(closed + timedelta(days=1) for closed in self.frozen)):
            assert self.trial_balance(day) == self.model.books.until(day)
        late = {
            (row["kind"], row["source_id"]): (row["own_day"], row["booked_on"])
            for row in closing.late(self.desk, FIN)
        }
        assert late == self.model.books.late

    def trial_balance(self, day: date) -> dict[str, int]:
        rows = ledger.trial_balance(self.desk, FIN, ledger.start_of(day))
        assert sum(row["amount"] for row in rows) == 0
        return {row["account"]: row["amount"] for row in rows if row["amount"]}

    @invariant()
    def closed_days_stay(self) -> None:
        """What was frozen is as it was, has its hash, and is what the journal of those days still says."""
        closes = closing.listing(self.desk, FIN)
        assert {row["day"] for row in closes} == self.frozen.keys()
        for row in closes:
            journal = self.frozen[row["day"]]
            assert row["sha256"] == hashlib.sha256(journal.encode()).hexdigest()
            assert closing.frozen_journal(self.desk, FIN, row["day"]) == journal
            days = (row["from_day"], row["day"] + timedelta(days=1))
            assert ledger.journal_csv(self.desk, FIN, *days) == journal

    @invariant()
    def invariants_hold(self) -> None:
        answer = check(self.market.owner)
        assert answer["ok"], answer


def test_desk_against_model(server_url: str, template: str, settings: Settings) -> None:
    """Whatever comes in whatever order, the desk has the model's money, and `refunds check` passes."""

    class Machine(DeskAgainstModel):
        server = (server_url, template)
        desk_settings = settings

    run_state_machine_as_test(
        Machine,
        settings=hypothesis_settings(max_examples=10, stateful_step_count=40),
    )


def hypothesis_settings(**values: int) -> Any:
    """No deadline, since a step is several transactions; derandomized, so that a red run can be repeated."""
    return hypothesis_options(
        deadline=None,
        derandomize=True,
        suppress_health_check=list(HealthCheck),
        **values,  # type: ignore[arg-type]
    )
