"""The posting engine, on its own: every event, the spend orders, and what it refuses."""

from datetime import UTC, datetime, timedelta

import pytest

from refundlib.domain.errors import BadAmount, CardRefundRefused, CreditSpent, ShortOfCover
from refundlib.domain.journal import (
    Account,
    PaymentLeft,
    adjustment,
    bank_payout,
    payments_behind,
    plan_payouts,
    processor_fee,
)

DAY_0 = datetime(2026, 3, 1, tzinfo=UTC)


def day(number: int) -> datetime:
    """Midnight of the day with this number."""
    return DAY_0 + timedelta(days=number)


@pytest.fixture
def account() -> Account:
    """Two top-ups of $10.00 and a refund credit of $5.00 between them, all unspent."""
    account = Account("p1", "USD")
    account.pay("pay1", 1000, day(0))
    account.credit("r1.1", 500, day(1), ("pay0",), day(15))
    account.pay("pay2", 1000, day(2))
    return account


@pytest.mark.parametrize(
    ("order", "taken"),
    [
        ("fifo", [("payment:pay1", -1000), ("refund:r1.1", -200)]),
        ("refunds_first", [("refund:r1.1", -500), ("payment:pay1", -700)]),
        ("refunds_last", [("payment:pay1", -1000), ("payment:pay2", -200)]),
    ],
)
def test_charge_consumes_in_the_spend_order(
    account: Account, order: str, taken: list[tuple[str, int]]
) -> None:
    """A charge takes lots in the policy's spend order, oldest first among equals."""
    posting = account.charge("c1", 1200, day(3), spend_order=order)
    assert list(posting.movements) == taken
    assert posting.entries == (("pro_balance", 1200), ("lead_revenue", -1200))
    assert account.balance == 1300


def test_charge_knows_the_payments_behind_it(account: Account) -> None:
    """A charge's payments reach through refund credits back to the payments those remember."""
    assert account.charge("c1", 1200, day(3)).payment_ids == ("pay1", "pay0")


def test_charge_by_card_consumes_its_own_payment(account: Account) -> None:
    """A charge paid by card takes from its own payment's lot, however old the others are."""
    posting = account.charge("c1", 1000, day(3), payment_id="pay2")
    assert posting.movements == (("payment:pay2", -1000),)


def test_charge_without_cover_is_refused_with_the_shortfall(account: Account) -> None:
    """A charge above the balance is refused, names what is missing, and leaves the account as it was."""
    with pytest.raises(ShortOfCover) as refused:
        account.charge("c1", 2600, day(3))
    assert refused.value.shortfall_minor == 100
    assert (account.balance, sum(lot.remaining for lot in account.lots.values())) == (2500, 2500)


@pytest.mark.parametrize("amount", [0, -1, 2**63])
def test_amounts_are_positive_and_fit(account: Account, amount: int) -> None:
    """Zero, negative and too large amounts are refused before anything changes."""
    with pytest.raises(BadAmount):
        account.pay("pay3", amount, day(3))
    assert account.balance == 2500


def test_undo_needs_the_whole_credit(account: Account) -> None:
    """An approval is undone from its own lot, and only while all of the credit is there."""
    account.charge("c1", 100, day(3), spend_order="refunds_first")
    with pytest.raises(CreditSpent, match=r"\$4\.00 of the \$5\.00"):
        account.undo("r1.1", day(4))


def test_undo_takes_the_credit_back(account: Account) -> None:
    """Undoing debits the balance and credits refunds given."""
    posting = account.undo("r1.1", day(3))
    assert posting.entries == (("pro_balance", 500), ("refunds_given", -500))
    assert (account.balance, account.lots["refund:r1.1"].remaining) == (2000, 0)


def test_card_refund_moves_to_held_and_leaves_on_success(account: Account) -> None:
    """A request moves money from its lot to held; success takes it out of held."""
    account.request_card_refund("cr1", "refund:r1.1", 400, day(3))
    assert (account.balance, account.held) == (2100, 400)
    posting = account.succeed_payout("cr1.1", 400, day(4))
    assert posting.entries == (("pro_held", 400), ("processor_clearing", -400))
    assert account.held == 0


@pytest.mark.parametrize("kind", ["card_refund_failed", "card_refund_declined"])
def test_failed_card_refund_restores_its_lot_with_its_date(account: Account, kind: str) -> None:
    """What the processor did not send returns from held to its own lot, which keeps its date."""
    account.request_card_refund("cr1", "refund:r1.1", 500, day(3))
    account.return_payout("cr1.1", "refund:r1.1", 500, day(4), kind)  # type: ignore[arg-type]
    lot = account.lots["refund:r1.1"]
    assert (account.balance, account.held, lot.remaining, lot.opened_at) == (2500, 0, 500, day(1))
    assert account.charge("c1", 1200, day(5)).movements[1] == ("refund:r1.1", -200)


def test_reversed_card_refund_comes_from_clearing(account: Account) -> None:
    """Money returned after success comes from the processor, not from held."""
    account.request_card_refund("cr1", "refund:r1.1", 500, day(3))
    account.succeed_payout("cr1.1", 500, day(4))
    posting = account.return_payout("cr1.1", "refund:r1.1", 500, day(9), "card_refund_reversed")
    assert posting.entries == (("processor_clearing", 500), ("pro_balance", -500))
    assert (account.balance, account.held) == (2500, 0)


def test_card_refund_never_exceeds_what_remains(account: Account) -> None:
    """What was spent on leads cannot go to the card (C2); the refusal has both figures."""
    account.charge("c1", 300, day(3), spend_order="refunds_first")
    with pytest.raises(CardRefundRefused, match=r"\$5\.00 is more than the \$2\.00"):
        account.request_card_refund("cr1", "refund:r1.1", 500, day(4))


def test_adjustments_open_and_consume_lots(account: Account) -> None:
    """A credit adjustment is a lot no payment stands behind; a debit adjustment consumes like a charge."""
    up = account.adjust_up("a1", 300, day(3), "refunds_given")
    assert up.new_lot is not None
    assert up.new_lot.payment_ids == ()
    down = account.adjust_down("a2", 1100, day(4), "bank")
    assert down.movements == (("payment:pay1", -1000), ("refund:r1.1", -100))


def test_payouts_go_to_the_newest_payment_first() -> None:
    """A card refund is split over its payments, newest first, at most what each has left."""
    left = [PaymentLeft("old", day(0), 900), PaymentLeft("new", day(5), 300), PaymentLeft("done", day(9), 0)]
    plan = plan_payouts("cr1", 1000, left)
    assert [(p.payout_id, p.payment_id, p.amount) for p in plan] == [
        ("cr1.1", "new", 300),
        ("cr1.2", "old", 700),
    ]


def test_payouts_above_what_is_left_are_refused() -> None:
    """When the payments together have less left, nothing is planned and the figure is named."""
    with pytest.raises(CardRefundRefused, match=r"only \$3\.00 can go back"):
        plan_payouts("cr1", 1000, [PaymentLeft("new", day(5), 300)])


def test_postings_that_are_no_pros() -> None:
    """Fees, payouts to the bank and adjustments between own accounts balance and touch no pro."""
    for posting in (
        processor_fee("f1", 30, "USD", day(0)),
        bank_payout("b1", 970, "USD", day(0)),
        adjustment("a1", "processor_fees", "bank", 10, "USD", day(0)),
    ):
        assert posting.pro_id is None
        assert sum(amount for _, amount in posting.entries) == 0


def test_adjustment_refuses_a_pros_account() -> None:
    """An adjustment of a pro's balance goes through its lots, not past them."""
    with pytest.raises(BadAmount):
        adjustment("a1", "pro_balance", "bank", 10, "USD", day(0))


def test_payments_behind_lots_are_named_once(account: Account) -> None:
    """Each payment appears once however many lots it stands behind."""
    account.credit("r2.1", 100, day(4), ("pay1", "pay0"), day(18))
    assert payments_behind(account.lots.values()) == ("pay1", "pay0", "pay2")
