"""The worked examples of docs/ledger.md: one account through every event, rendered from real postings.

`python -m tests.ledger.examples` prints the section of the document; a test holds the two together.
"""

from datetime import UTC, datetime, timedelta

from refundlib.domain.journal import (
    Account,
    PaymentLeft,
    Posting,
    adjustment,
    bank_payout,
    plan_payouts,
    processor_fee,
)
from refundlib.domain.money import format_money

DAY_0 = datetime(2026, 3, 1, 9, tzinfo=UTC)


def day(number: int) -> datetime:
    """Nine in the morning of the day with this number."""
    return DAY_0 + timedelta(days=number)


def story() -> list[tuple[str, Posting, str]]:
    """Every event once, in an order that makes sense: title, posting, and the account after it."""
    account = Account("Moss & Sons", "USD")
    told: list[tuple[str, Posting, str]] = []

    def tell(title: str, posting: Posting) -> Posting:
        told.append((title, posting, _state(account)))
        return posting

    tell("Payment: a top-up by card", account.pay("PAY1", 2000, day(0)))
    tell("Payment: the card pays for one charge", account.pay("PAY2", 2500, day(1)))
    tell("Charge paid by card: from its own payment's lot", account.charge("CH2", 2500, day(1), "PAY2"))
    tell("Payment: another top-up", account.pay("PAY3", 3000, day(2)))
    charge = tell("Charge from the balance: oldest lot first", account.charge("CH1", 2400, day(3)))
    tell(
        "Refund approved: a credit that remembers the payments",
        account.credit("R1.1", 2400, day(4), charge.payment_ids, day(18)),
    )
    tell(
        "Card refund requested: from its own credit's lot to held",
        account.request_card_refund("CR1", "refund:R1.1", 2400, day(5)),
    )
    tell("Card refund succeeded: the part that went to PAY3", account.succeed_payout("CR1.1", 1300, day(7)))
    tell(
        "Card refund failed: the part for PAY1 returns to its lot",
        account.return_payout("CR1.2", "refund:R1.1", 1100, day(8), "card_refund_failed"),
    )
    tell(
        "Card refund reversed: PAY3's bank sends it back after all",
        account.return_payout("CR1.1", "refund:R1.1", 1300, day(20), "card_refund_reversed"),
    )
    tell("A second request", account.request_card_refund("CR2", "refund:R1.1", 500, day(21)))
    tell(
        "Card refund declined: finance does not send it",
        account.return_payout("CR2.1", "refund:R1.1", 500, day(22), "card_refund_declined"),
    )
    tell("Refund undone: while the credit is wholly unspent", account.undo("R1.1", day(23)))
    tell(
        "Adjustment up: two people, a reason; no payment stands behind it",
        account.adjust_up("ADJ1", 700, day(24), "refunds_given"),
    )
    tell("Adjustment down: consumes like a charge", account.adjust_down("ADJ2", 900, day(25), "bank"))
    tell("Processor fee", processor_fee("FEE1", 59, "USD", day(26)))
    tell("Processor fee given back", processor_fee("FEE2", -20, "USD", day(26)))
    tell("Payout to our bank", bank_payout("PO1", 4000, "USD", day(27)))
    tell("Payout to our bank that came back", bank_payout("PO2", -1000, "USD", day(27)))
    tell(
        "Adjustment between accounts that are no pro's",
        adjustment("ADJ3", "processor_fees", "bank", 15, "USD", day(28)),
    )
    return told


def _state(account: Account) -> str:
    lots = [
        f"{lot.lot_id} {_usd(lot.remaining)} of {_usd(lot.amount)}"
        for lot in account.lots.values()
        if lot.remaining
    ]
    unspent = "; ".join(lots) or "none"
    return f"balance {_usd(account.balance)}, held {_usd(account.held)}; unspent lots: {unspent}"


def _usd(amount: int) -> str:
    return format_money(amount, "USD")


def render() -> str:
    """The examples as Markdown."""
    return "\n".join(_section(*told) for told in story()) + "\n" + _plan()


def _section(title: str, posting: Posting, state: str) -> str:
    rows = [
        f"| {account} | {_usd(amount) if amount > 0 else ''} | {_usd(-amount) if amount < 0 else ''} |"
        for account, amount in posting.entries
    ]
    moves = [
        f"{lot_id} {'+' if amount > 0 else '−'}{_usd(abs(amount))}" for lot_id, amount in posting.movements
    ]
    if posting.new_lot:
        behind = ", ".join(posting.new_lot.payment_ids) or "none"
        moves.append(f"new lot {posting.new_lot.lot_id} (payments behind it: {behind})")
    return "\n".join(
        [
            f"### {title}",
            f"`{posting.kind}` of `{posting.source_id}`, {posting.occurred_at:%Y-%m-%d}",
            "",
            "| account | debit | credit |",
            "|---|---:|---:|",
            *rows,
            "",
            *([f"Lots: {'; '.join(moves)}.  "] if moves else []),
            *([f"After it: {state}."] if posting.pro_id else ["No pro's account is touched."]),
            "",
        ]
    )


def _plan() -> str:
    left = [PaymentLeft("PAY1", day(0), 2000), PaymentLeft("PAY3", day(2), 1300)]
    parts = plan_payouts("CR1", 2400, left)
    lines = [f"- {part.payout_id}: {_usd(part.amount)} to {part.payment_id}" for part in parts]
    return "\n".join(
        [
            "### How a card refund is split over payments",
            "CR1 is $24.00; PAY1 (Mar 1) may still get $20.00 back and PAY3 (Mar 3) $13.00. Newest first:",
            "",
            *lines,
            "",
        ]
    )


if __name__ == "__main__":
    print(render())  # noqa: T201 - a command
