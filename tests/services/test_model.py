"""The desk against a plain model: random events, and every invariant after each of them.

The model keeps dictionaries of numbers and knows nothing of the journal, of SQL or of the desk's code.
"""

from contextlib import ExitStack
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import HealthCheck
from hypothesis import settings as hypothesis_options
from hypothesis import strategies as st
from hypothesis.stateful import (
    Bundle,
    RuleBasedStateMachine,
    consumes,
    invariant,
    multiple,
    rule,
    run_state_machine_as_test,
)

from refundlib.config import Settings
from refundlib.domain.errors import CardRefundRefused, CreditSpent
from refundlib.services.card_refunds import decline, mark_submitted, record_outcome, request
from refundlib.services.checking import check
from refundlib.services.decisions import decide, undo
from refundlib.services.intake import file_report
from tests.conftest import PEOPLE, Clock, cloned, opened_desk, save_people
from tests.market import Market

AMOUNTS = st.integers(min_value=1, max_value=3000)


class Model:
    """What one pro has, by the rules on paper: lots in order of age, each [name, amount, remaining]."""

    def __init__(self) -> None:
        self.lots: list[list[Any]] = []
        self.held = 0
        self.charges: dict[str, int] = {}
        self.waiting: dict[str, int] = {}

    @property
    def balance(self) -> int:
        return sum(lot[2] for lot in self.lots)

    def credit(self, name: str, amount: int) -> None:
        self.lots.append([name, amount, amount])

    def pay(self, name: str, amount: int) -> None:
        """A payment brings up what waits for cover: as it is, and once more with the new money."""
        self.retry()
        self.credit(name, amount)
        self.retry()

    def retry(self) -> None:
        for charge, price in list(self.waiting.items()):
            if price <= self.balance:
                del self.waiting[charge]
                self.charge(charge, price)

    def charge(self, name: str, amount: int) -> bool:
        if amount > self.balance:
            self.waiting[name] = amount
            return False
        self.charges[name] = amount
        for lot in self.lots:
            part = min(lot[2], amount)
            lot[2] -= part
            amount -= part
        return True

    def lot(self, name: str) -> list[Any]:
        return next(lot for lot in self.lots if lot[0] == name)


class DeskAgainstModel(RuleBasedStateMachine):
    """One pro, one currency, a clock that moves a minute a step."""

    server: tuple[str, str]
    desk_settings: Settings
    charges = Bundle("charges")
    approved = Bundle("approved")
    payouts = Bundle("payouts")
    succeeded = Bundle("succeeded")

    def __init__(self) -> None:
        super().__init__()
        self.stack = ExitStack()
        url = self.stack.enter_context(cloned(*self.server))
        self.clock = Clock(datetime(2026, 3, 1, tzinfo=UTC))
        self.desk = self.stack.enter_context(opened_desk(url, self.clock, self.desk_settings))
        owner = self.stack.enter_context(opened_desk(url, self.clock, self.desk_settings, as_owner=True))
        save_people(self.desk)
        self.market = Market(owner, self.desk)
        self.pro = self.market.pro("pro")
        self.model = Model()
        self.count = 0

    def teardown(self) -> None:
        self.stack.close()

    def next(self, kind: str) -> str:
        self.count += 1
        self.clock.advance(timedelta(minutes=1))
        return f"{kind}{self.count:04}"

    @rule(amount=AMOUNTS)
    def pay(self, amount: int) -> None:
        name = self.next("p")
        self.market.pay(name, self.pro, amount)
        self.model.pay(f"payment:{name}", amount)

    @rule(target=charges, amount=AMOUNTS)
    def charge(self, amount: int) -> Any:
        name = self.next("c")
        self.market.charge(name, self.market.lead(name), self.pro, amount)
        return name if self.model.charge(name, amount) else multiple()

    @rule(target=approved, charge=consumes(charges), part=st.integers(1, 100))
    def approve(self, charge: str, part: int) -> Any:
        report = file_report(self.desk, PEOPLE["dana"], charge_id=charge, reason="other")
        amount = max(1, self.model.charges[charge] * part // 100)
        self.next("d")
        for _ in range(2):  # the second press is a retry
            decide(
                self.desk, PEOPLE["dana"], report, "approve", idempotency_key=report, amount_minor=amount,
                reason="Fair.",
            )  # fmt: skip
        lot = self.market.one(
            "SELECT 'refund:' || standing_decision_id FROM refunds.reports WHERE report_id = :r", r=report
        )
        self.model.credit(lot, amount)
        return (report, charge, lot)

    @rule(charge=consumes(charges))
    def deny(self, charge: str) -> None:
        report = file_report(self.desk, PEOPLE["dana"], charge_id=charge, reason="not_hired")
        self.next("d")
        decide(self.desk, PEOPLE["dana"], report, "deny", idempotency_key=report, reason="Never a reason.")

    @rule(target=charges, case=consumes(approved))
    def take_back(self, case: tuple[str, str, str]) -> Any:
        report, _charge, lot_name = case
        self.next("u")
        lot = self.model.lot(lot_name)
        if lot[2] != lot[1]:
            with pytest.raises(CreditSpent):
                undo(self.desk, PEOPLE["mo"], report, "A mistake.")
            return multiple()
        undo(self.desk, PEOPLE["mo"], report, "A mistake.")
        lot[2] = 0
        decide(self.desk, PEOPLE["eli"], report, "deny", idempotency_key=self.next("k"), reason="After all.")
        return multiple()

    @rule(target=payouts, case=approved, part=st.integers(1, 100))
    def ask_for_the_card(self, case: tuple[str, str, str], part: int) -> Any:
        report, _charge, lot_name = case
        self.next("r")
        try:
            lot = self.model.lot(lot_name)
        except StopIteration:
            return multiple()
        amount = max(1, lot[2] * part // 100)
        try:
            refund = request(self.desk, PEOPLE["dana"], report, amount)
        except CardRefundRefused:
            # Too little left on the lot, or on the payments behind it; refused whole.
            return multiple()
        assert amount <= lot[2]
        lot[2] -= amount
        self.model.held += amount
        return multiple(*((payout, lot_name) for payout in refund.payout_ids))

    def amount_of(self, payout: str) -> int:
        return int(self.market.one("SELECT amount FROM refunds.payouts WHERE payout_id = :p", p=payout))

    @rule(payout=consumes(payouts))
    def decline(self, payout: tuple[str, str]) -> None:
        self.next("x")
        decline(self.desk, PEOPLE["fin"], payout[0], "The card is gone.")
        self.comes_back(payout, held=True)

    @rule(target=succeeded, payout=consumes(payouts))
    def send(self, payout: tuple[str, str]) -> Any:
        self.next("s")
        mark_submitted(self.desk, PEOPLE["fin"], payout[0], f"re_{payout[0]}")
        for _ in range(2):  # the processor says it twice
            record_outcome(self.desk, PEOPLE["fin"], payout[0], "succeeded", at=self.clock())
        self.model.held -= self.amount_of(payout[0])
        return payout

    @rule(payout=consumes(payouts))
    def fail(self, payout: tuple[str, str]) -> None:
        self.next("f")
        mark_submitted(self.desk, PEOPLE["fin"], payout[0])
        record_outcome(
            self.desk, PEOPLE["fin"], payout[0], "failed", at=self.clock(), failure_reason="expired"
        )
        self.comes_back(payout, held=True)

    @rule(payout=consumes(succeeded))
    def reverse(self, payout: tuple[str, str]) -> None:
        self.next("v")
        record_outcome(
            self.desk, PEOPLE["fin"], payout[0], "reversed", at=self.clock(), failure_reason="closed"
        )
        self.comes_back(payout, held=False)

    def comes_back(self, payout: tuple[str, str], *, held: bool) -> None:
        amount = self.amount_of(payout[0])
        self.model.held -= amount if held else 0
        self.model.lot(payout[1])[2] += amount

    @invariant()
    def same_money(self) -> None:
        with self.market.owner.reading() as conn:
            row = conn.exec_driver_sql("SELECT balance, held FROM refunds.balances").one_or_none()
            lots = {
                row[0]: row[1] for row in conn.exec_driver_sql("SELECT lot_id, remaining FROM refunds.lots")
            }
        assert (row or (0, 0)) == (self.model.balance, self.model.held)
        assert lots == {lot[0]: lot[2] for lot in self.model.lots}

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
        settings=hypothesis_settings(max_examples=12, stateful_step_count=25),
    )


def hypothesis_settings(**values: int) -> Any:
    """No deadline, since a step is several transactions; derandomized, so that a red run can be repeated."""
    return hypothesis_options(
        deadline=None,
        derandomize=True,
        suppress_health_check=list(HealthCheck),
        **values,  # type: ignore[arg-type]
    )
