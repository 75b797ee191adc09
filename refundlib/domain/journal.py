"""The posting engine: an event and a pro's account give a balanced posting. Source: DOMAIN, Ledger.

Stored amounts: debit positive, credit negative; integer minor units of one currency. The account is
the state in memory; the caller has locked it and writes the posting (services/posting.py, or in bulk
the import). Nothing here knows the clock or the database.
"""

from bisect import insort
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Final, Literal

from refundlib.domain.errors import BadAmount, CardRefundRefused, CreditSpent, ShortOfCover
from refundlib.domain.money import format_money

CLEARING: Final = "processor_clearing"
BALANCE: Final = "pro_balance"
HELD: Final = "pro_held"
REVENUE: Final = "lead_revenue"
GIVEN: Final = "refunds_given"
FEES: Final = "processor_fees"
BANK: Final = "bank"
ACCOUNTS: Final = (CLEARING, BALANCE, HELD, REVENUE, GIVEN, FEES, BANK)

MINOR_MAX: Final = 2**63 - 1  # bigint
_KIND_RANK: Final = {"payment": 0, "refund": 1, "adjustment": 2}

ReturnKind = Literal["card_refund_declined", "card_refund_failed", "card_refund_reversed"]
Entry = tuple[str, int]
Movement = tuple[str, int]


@dataclass(slots=True, eq=False)
class Lot:
    """Money on a balance by where it came from; `remaining` of `amount` is unspent (minor units).

    payment_ids: the card payments behind it, through chains of credits. card_until: the last moment at
    which a card refund of a refund's lot may be requested; None for other lots.
    """

    lot_id: str
    kind: str
    source_id: str
    opened_at: datetime
    amount: int
    remaining: int
    payment_ids: tuple[str, ...] = ()
    card_until: datetime | None = None

    @property
    def age_order(self) -> tuple[datetime, int, str]:
        """Sorts oldest first; at one instant payments before refund credits, then by id."""
        return (self.opened_at, _KIND_RANK[self.kind], self.source_id)


@dataclass(frozen=True, slots=True)
class Posting:
    """One ledger transaction: entries sum to zero, movements change lots, a new lot may open.

    payment_ids: for a charge, the payments that paid for it. The new lot's own opening movement is implied.
    """

    kind: str
    source_id: str
    pro_id: str | None
    currency: str
    occurred_at: datetime
    entries: tuple[Entry, ...]
    movements: tuple[Movement, ...] = ()
    new_lot: Lot | None = None
    payment_ids: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class PaymentLeft:
    """A payment a card refund may go to, and how much of it may still go back (minor units)."""

    payment_id: str
    paid_at: datetime
    left: int


@dataclass(frozen=True, slots=True)
class PlannedPayout:
    """A part of a card refund that goes to one payment (minor units)."""

    payout_id: str
    payment_id: str
    amount: int


def _demand_positive(amount: int) -> None:
    if not 0 < amount <= MINOR_MAX:
        raise BadAmount(f"The amount must be a whole number of minor units above zero, not {amount}.")


@dataclass(slots=True)
class Account:
    """What one pro has in one currency: balance, held, and the lots the balance lies in (minor units)."""

    pro_id: str
    currency: str
    balance: int = 0
    held: int = 0
    lots: dict[str, Lot] = field(default_factory=dict)
    _unspent: list[Lot] = field(default_factory=list)

    def __post_init__(self) -> None:
        self._unspent = sorted((lot for lot in self.lots.values() if lot.remaining), key=_by_age)

    # -- events -------------------------------------------------------------------------------

    def pay(self, payment_id: str, amount: int, at: datetime) -> Posting:
        """A payment by card, for the balance or for a charge: opens a lot. Raises BadAmount."""
        lot = self._open("payment", payment_id, amount, at, (payment_id,), None)
        return self._post("payment", payment_id, at, (CLEARING, amount), (BALANCE, -amount), new_lot=lot)

    def charge(
        self,
        charge_id: str,
        amount: int,
        at: datetime,
        payment_id: str | None = None,
        spend_order: str = "fifo",
    ) -> Posting:
        """A lead is paid for: from its own payment's lot when paid by card, else in the spend order.

        Raises ShortOfCover with the shortfall; the account is unchanged then.
        """
        _demand_positive(amount)
        queue = self._own(payment_id) if payment_id else self._in_order(spend_order)
        movements = self._consume(queue, amount, f"charge {charge_id}")
        behind = payments_behind(self.lots[lot_id] for lot_id, _ in movements)
        return self._post(
            "charge",
            charge_id,
            at,
            (BALANCE, amount),
            (REVENUE, -amount),
            movements=movements,
            payment_ids=behind,
        )

    def credit(
        self, decision_id: str, amount: int, at: datetime, payment_ids: Sequence[str], card_until: datetime
    ) -> Posting:
        """A refund is approved: a new lot that remembers the payments behind the refunded charge."""
        lot = self._open("refund", decision_id, amount, at, tuple(payment_ids), card_until)
        return self._post("refund", decision_id, at, (GIVEN, amount), (BALANCE, -amount), new_lot=lot)

    def undo(self, decision_id: str, at: datetime) -> Posting:
        """Takes an approval's credit back, from its own lot. Raises CreditSpent unless it is wholly there."""
        lot = self.lots[f"refund:{decision_id}"]
        if lot.remaining != lot.amount:
            left = format_money(lot.remaining, self.currency)
            raise CreditSpent(
                f"Only {left} of the {format_money(lot.amount, self.currency)} credit is still unspent: "
                "an approval can be undone only while all of it is there."
            )
        amount = lot.amount
        movement = self._take(lot, amount)
        return self._post(
            "refund_undone", decision_id, at, (BALANCE, amount), (GIVEN, -amount), movements=(movement,)
        )

    def request_card_refund(self, card_refund_id: str, lot_id: str, amount: int, at: datetime) -> Posting:
        """Moves money from its credit's lot to held. Raises CardRefundRefused when more than remains."""
        _demand_positive(amount)
        lot = self.lots[lot_id]
        if amount > lot.remaining:
            raise CardRefundRefused(
                f"{format_money(amount, self.currency)} is more than the "
                f"{format_money(lot.remaining, self.currency)} of this credit that is still unspent; "
                "what was spent on leads cannot go to the card (C2)."
            )
        movement = self._take(lot, amount)
        self.held += amount
        return self._post(
            "card_refund_requested",
            card_refund_id,
            at,
            (BALANCE, amount),
            (HELD, -amount),
            movements=(movement,),
        )

    def succeed_payout(self, payout_id: str, amount: int, at: datetime) -> Posting:
        """The processor sent the money: it leaves held. Raises ShortOfCover when less is held."""
        self._release_held(amount, payout_id)
        return self._post("card_refund_succeeded", payout_id, at, (HELD, amount), (CLEARING, -amount))

    def return_payout(
        self, payout_id: str, lot_id: str, amount: int, at: datetime, kind: ReturnKind
    ) -> Posting:
        """The money stays with or comes back to us: it returns to its lot, which keeps its date."""
        came_from = CLEARING if kind == "card_refund_reversed" else HELD
        if came_from == HELD:
            self._release_held(amount, payout_id)
        movement = self._put_back(self.lots[lot_id], amount)
        return self._post(kind, payout_id, at, (came_from, amount), (BALANCE, -amount), movements=(movement,))

    def adjust_up(self, adjustment_id: str, amount: int, at: datetime, against: str) -> Posting:
        """A manual credit: debit `against`, credit the balance. Its lot has no payment behind it."""
        lot = self._open("adjustment", adjustment_id, amount, at, (), None)
        return self._post("adjustment", adjustment_id, at, (against, amount), (BALANCE, -amount), new_lot=lot)

    def adjust_down(
        self, adjustment_id: str, amount: int, at: datetime, against: str, spend_order: str = "fifo"
    ) -> Posting:
        """A manual debit: consumes like a charge. Raises ShortOfCover."""
        _demand_positive(amount)
        movements = self._consume(self._in_order(spend_order), amount, f"adjustment {adjustment_id}")
        return self._post(
            "adjustment", adjustment_id, at, (BALANCE, amount), (against, -amount), movements=movements
        )

    # -- lots ---------------------------------------------------------------------------------

    def _open(
        self,
        kind: str,
        source_id: str,
        amount: int,
        at: datetime,
        payments: tuple[str, ...],
        until: datetime | None,
    ) -> Lot:
        _demand_positive(amount)
        lot = Lot(f"{kind}:{source_id}", kind, source_id, at, amount, amount, payments, until)
        assert lot.lot_id not in self.lots, f"lot {lot.lot_id} exists"
        self.lots[lot.lot_id] = lot
        insort(self._unspent, lot, key=_by_age)
        self.balance += amount
        return lot

    def _own(self, payment_id: str) -> list[Lot]:
        lot = self.lots.get(f"payment:{payment_id}")
        return [lot] if lot else []

    def _in_order(self, spend_order: str) -> list[Lot]:
        if spend_order == "fifo":
            return self._unspent
        first = spend_order == "refunds_first"
        return sorted(self._unspent, key=lambda lot: ((lot.kind == "refund") != first, lot.age_order))

    def _consume(self, queue: Sequence[Lot], amount: int, what: str) -> tuple[Movement, ...]:
        chosen: list[tuple[Lot, int]] = []
        missing = amount
        for lot in queue:
            part = min(lot.remaining, missing)
            if part:
                chosen.append((lot, part))
                missing -= part
            if not missing:
                break
        if missing:
            raise ShortOfCover(
                f"{what[0].upper()}{what[1:]} of {format_money(amount, self.currency)} is short of cover by "
                f"{format_money(missing, self.currency)} ({missing}).",
                missing,
            )
        return tuple(self._take(lot, part) for lot, part in chosen)

    def _take(self, lot: Lot, amount: int) -> Movement:
        assert 0 < amount <= lot.remaining, f"{amount} from lot {lot.lot_id} with {lot.remaining}"
        lot.remaining -= amount
        self.balance -= amount
        if not lot.remaining:
            self._unspent.remove(lot)
        return (lot.lot_id, -amount)

    def _put_back(self, lot: Lot, amount: int) -> Movement:
        assert 0 < amount <= lot.amount - lot.remaining, f"{amount} back to lot {lot.lot_id}"
        if not lot.remaining:
            insort(self._unspent, lot, key=_by_age)
        lot.remaining += amount
        self.balance += amount
        return (lot.lot_id, amount)

    def _release_held(self, amount: int, payout_id: str) -> None:
        _demand_positive(amount)
        if amount > self.held:
            raise ShortOfCover(
                f"Payout {payout_id} is more than what is held for the pro.", amount - self.held
            )
        self.held -= amount

    def _post(
        self,
        kind: str,
        source_id: str,
        at: datetime,
        debit: Entry,
        credit: Entry,
        *,
        movements: tuple[Movement, ...] = (),
        new_lot: Lot | None = None,
        payment_ids: tuple[str, ...] = (),
    ) -> Posting:
        assert debit[1] + credit[1] == 0 < debit[1]
        return Posting(
            kind, source_id, self.pro_id, self.currency, at, (debit, credit), movements, new_lot, payment_ids
        )


def _by_age(lot: Lot) -> tuple[datetime, int, str]:
    return lot.age_order


def payments_behind(lots: Iterable[Lot]) -> tuple[str, ...]:
    """The payments that stand behind some lots: each once, in the order met."""
    return tuple(dict.fromkeys(payment_id for lot in lots for payment_id in lot.payment_ids))


def plan_payouts(
    card_refund_id: str, amount: int, payments: Iterable[PaymentLeft], currency: str = "USD"
) -> tuple[PlannedPayout, ...]:
    """Splits a card refund over the payments behind its credit: newest first, at most what each has left.

    Raises CardRefundRefused, with the figures, when together they have less left.
    """
    _demand_positive(amount)
    payouts: list[PlannedPayout] = []
    missing = amount
    for payment in sorted(payments, key=lambda p: (p.paid_at, p.payment_id), reverse=True):
        part = min(payment.left, missing)
        if part > 0:
            payouts.append(PlannedPayout(f"{card_refund_id}.{len(payouts) + 1}", payment.payment_id, part))
            missing -= part
    if missing:
        raise CardRefundRefused(
            f"Of {format_money(amount, currency)} only {format_money(amount - missing, currency)} "
            "can go back: the card payments behind this credit have no more left."
        )
    return tuple(payouts)


def card_until(credited_at: datetime, card_refund_days: int) -> datetime:
    """The last moment at which a card refund of a credit may be requested (C1)."""
    return credited_at + timedelta(days=card_refund_days)


def processor_fee(fee_id: str, amount: int, currency: str, at: datetime) -> Posting:
    """The processor keeps a fee: debit processor fees, credit clearing; below zero it gives it back."""
    _demand_positive(abs(amount))
    return Posting("processor_fee", fee_id, None, currency, at, _sides(FEES, CLEARING, amount))


def bank_payout(payout_id: str, amount: int, currency: str, at: datetime) -> Posting:
    """The processor pays out to our bank: debit bank, credit clearing; below zero it comes back."""
    _demand_positive(abs(amount))
    return Posting("bank_payout", payout_id, None, currency, at, _sides(BANK, CLEARING, amount))


def _sides(debit: str, credit: str, amount: int) -> tuple[Entry, Entry]:
    """The two entries, the debit first; an amount below zero goes the other way."""
    return ((debit, amount), (credit, -amount)) if amount > 0 else ((credit, -amount), (debit, amount))


def adjustment(
    adjustment_id: str, debit: str, credit: str, amount: int, currency: str, at: datetime
) -> Posting:
    """A manual adjustment between two accounts that are no pro's. Raises BadAmount."""
    _demand_positive(amount)
    if not {debit, credit} <= set(ACCOUNTS) - {BALANCE, HELD} or debit == credit:
        raise BadAmount(
            f"An adjustment needs two different accounts that are no pro's, not {debit} and {credit}."
        )
    return Posting("adjustment", adjustment_id, None, currency, at, ((debit, amount), (credit, -amount)))
