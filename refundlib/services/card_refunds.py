"""Card refunds: from a credit's lot to held, to the original payments, and back.

Each call is one transaction and safe to repeat: a payout already in the state is left alone.
Lock order: report, balance, payout.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final

from sqlalchemy import Connection

from refundlib.db.queries import queries
from refundlib.domain.errors import CardRefundRefused, NotFound, WrongState
from refundlib.domain.journal import (
    Account,
    PaymentLeft,
    Posting,
    ReturnKind,
    card_until,
    plan_payouts,
)
from refundlib.domain.money import format_money
from refundlib.domain.people import Person
from refundlib.services import audit, posting
from refundlib.services.desk import Desk, command
from refundlib.services.mailing import enqueue_for_report
from refundlib.services.policies import in_force, policies
from refundlib.services.triage import Row, demand_state, lock_report
from refundlib.services.written import demand_reason

# Which state may follow which (DOMAIN, States): the processor may skip steps, never go back.
_FOLLOWS: Final = {
    "declined": {"requested"},
    "submitted": {"requested"},
    "unknown": {"submitted"},
    "pending": {"submitted", "unknown"},
    "succeeded": {"submitted", "unknown", "pending"},
    "failed": {"submitted", "unknown", "pending"},
    "reversed": {"succeeded"},
}
# Longer than the processor's adapter waits: a request still under way is not looked up yet.
SILENT_MINUTES: Final = 2
PENDING_HOURS: Final = 1
# A processor can still return money after success; it is asked for so long (DOMAIN, States).
SUCCEEDED_DAYS_WATCHED: Final = 35
USES_MAX: Final = 100


def next_look(state: str, settled_at: datetime | None, now: datetime) -> datetime | None:
    """When the processor is asked again about a payout; None when nothing can change any more."""
    if state in ("submitted", "unknown"):
        return now + timedelta(minutes=SILENT_MINUTES)
    if state == "pending":
        return now + timedelta(hours=PENDING_HOURS)
    if state == "succeeded" and settled_at and now < settled_at + timedelta(days=SUCCEEDED_DAYS_WATCHED):
        return now + timedelta(days=1)
    return None


@dataclass(frozen=True)
class CardRefund:
    """A requested card refund: its id, amount (minor units) and the payouts it is split into."""

    card_refund_id: str
    amount_minor: int
    currency: str
    payout_ids: tuple[str, ...]


@dataclass(frozen=True)
class Offer:
    """What of a report's credit may go to the card now (minor units), and why not when nothing may.

    payments: what may still go back to each payment behind the credit, newest first. uses: what took from the
    credit, and what came back to it.
    """

    currency: str
    credit_minor: int
    remaining_minor: int
    most_minor: int
    card_until: datetime
    payments: tuple[PaymentLeft, ...]
    uses: list[Row]
    why_not: str | None


@command("read_claim")
def offer(desk: Desk, actor: Person, report_id: str) -> Offer | None:
    """What a card refund of a report could be now; None when the report has no standing credit."""
    return offered(desk, report_id)


def offered(desk: Desk, report_id: str) -> Offer | None:
    """`offer`, for another use case that asked for its own permission."""
    with desk.reading() as conn:
        credit = queries.card_refunds.credit_of(conn, report_id=report_id)
        if credit is None:
            return None
        payments = tuple(posting.payments_left(conn, credit["payment_ids"]))
        uses = queries.statements.uses_of(conn, lot_id=credit["lot_id"], limit=USES_MAX)
    most = min(credit["remaining"], sum(payment.left for payment in payments))
    return Offer(
        currency=credit["currency"],
        credit_minor=credit["amount"],
        remaining_minor=credit["remaining"],
        most_minor=most,
        card_until=credit["card_until"],
        payments=payments,
        uses=uses,
        why_not=_why_not(credit, payments, most, desk.clock()),
    )


def _why_not(credit: Row, payments: Sequence[PaymentLeft], most: int, now: datetime) -> str | None:
    """Why nothing of a credit may go to the card: too late, spent, or the payments have no more left."""
    try:
        _demand_in_time(credit, now)
    except CardRefundRefused as refusal:
        return str(refusal)
    amount = format_money(credit["amount"], credit["currency"])
    if not credit["remaining"]:
        return f"Nothing of the {amount} credit is unspent. What was spent on leads cannot go back (C2)."
    if not payments:
        return (
            "No card payment stands behind this credit, so it cannot go to a card. It stays on the balance."
        )
    if not most:
        return "The card payments behind this credit have no more left to go back. It stays on the balance."
    return None


@command("request_card_refund")
def request(desk: Desk, actor: Person, report_id: str, amount_minor: int | None = None) -> CardRefund:
    """Moves a credit, or a part of it, to held and plans its payouts; all that is unspent unless given.

    Raises NotFound, WrongState, CardRefundRefused (C1, C2, the payments' remainder) with the figures.
    """
    now = desk.clock()
    with desk.transaction() as conn:
        report = lock_report(conn, report_id)
        demand_state(report, "refunded to a card", "approved")
        account = posting.load_account(conn, report["pro_id"], report["currency"])
        credit = queries.card_refunds.credit_of(conn, report_id=report_id)
        _demand_in_time(credit, now)
        amount = credit["remaining"] if amount_minor is None else amount_minor
        _demand_unspent(credit, amount, report["currency"])
        return _request(conn, actor, report, account, credit, amount, now)


def _demand_in_time(credit: Row, now: datetime) -> None:
    if now > credit["card_until"]:
        raise CardRefundRefused(
            "A card refund of this credit had to be requested by "
            f"{credit['card_until']:%Y-%m-%d %H:%M} UTC (C1). The credit stays on the balance."
        )


def _demand_unspent(credit: Row, amount: int, currency: str) -> None:
    if not 0 < amount <= credit["remaining"]:
        left = format_money(credit["remaining"], currency)
        raise CardRefundRefused(
            f"{left} of this credit is unspent; {format_money(amount, currency)} cannot go to the card. "
            "What was spent on leads cannot go back (C2)."
        )


def _request(
    conn: Connection, actor: Person, report: Row, account: Account, credit: Row, amount: int, now: datetime
) -> CardRefund:
    number = queries.card_refunds.count_of(conn, report_id=report["report_id"]) + 1
    card_refund_id = f"CR-{report['report_id']}-{number}"
    left = posting.payments_left(conn, credit["payment_ids"])
    planned = plan_payouts(card_refund_id, amount, left, report["currency"])
    queries.card_refunds.write_card_refund(
        conn,
        card_refund_id=card_refund_id,
        report_id=report["report_id"],
        lot_id=credit["lot_id"],
        pro_id=report["pro_id"],
        amount=amount,
        currency=report["currency"],
        requested_by=actor.person_id,
        requested_at=now,
    )
    for payout in planned:
        queries.card_refunds.write_payout(
            conn,
            payout_id=payout.payout_id,
            card_refund_id=card_refund_id,
            payment_id=payout.payment_id,
            amount=payout.amount,
            currency=report["currency"],
        )
    held = account.request_card_refund(card_refund_id, credit["lot_id"], amount, now)
    posting.write(conn, held, actor.person_id)
    audit.record(
        conn,
        actor,
        "card_refund_requested",
        now,
        subject=card_refund_id,
        report_id=report["report_id"],
        new={"amount": amount, "currency": report["currency"], "payouts": [p.payout_id for p in planned]},
    )
    return CardRefund(card_refund_id, amount, report["currency"], tuple(p.payout_id for p in planned))


@command("submit_card_refund")
def mark_submitted(desk: Desk, actor: Person, payout_id: str, processor_ref: str | None = None) -> bool:
    """The payout goes to the processor, which has not taken it yet. Whether it had not gone before.

    Raises NotFound, WrongState.
    """
    with desk.transaction() as conn:
        change = _Change.open(conn, desk, actor, payout_id, "submitted")
        if change.is_news and change.payout["batch_state"] not in (None, "released"):
            raise WrongState(f"{payout_id} waits in a batch for a second person, so it is not sent.")
        if change.is_news:
            change.apply(processor_ref=processor_ref)
            queries.card_refunds.set_submitted(
                conn, payout_id=payout_id, card_refund_id=change.owner["card_refund_id"], at=change.now
            )
        return change.is_news


@command("decline_card_refund")
def decline(desk: Desk, actor: Person, payout_id: str, reason: str) -> None:
    """The payout is not sent: its money returns to its lot. Raises NotFound, WrongState, ReasonMissing."""
    _return(
        desk, actor, payout_id, "declined", desk.clock(), demand_reason(reason, "Declining a card refund")
    )


@command("record_card_refund_outcome")
def record_outcome(
    desk: Desk,
    actor: Person,
    payout_id: str,
    state: str,
    *,
    at: datetime,
    processor_ref: str | None = None,
    failure_reason: str = "",
) -> None:
    """What the processor says of a payout: unknown, pending, succeeded, failed or reversed, at its time.

    The pro is told that it was sent once the processor has taken it, and not before.
    Safe to repeat. Raises NotFound, WrongState for a step that cannot follow.
    """
    if state in ("failed", "reversed"):
        _return(desk, actor, payout_id, state, at, failure_reason, processor_ref)
        return
    with desk.transaction() as conn:
        change = _Change.open(conn, desk, actor, payout_id, state)
        if not change.is_news:
            return
        change.apply(processor_ref=processor_ref, settled_at=at if state == "succeeded" else None)
        if change.was_on_its_way and state != "unknown":
            change.mail("card_refund_sent", {})
        if state == "succeeded":
            change.post(change.account.succeed_payout(payout_id, change.payout["amount"], at))


def _return(
    desk: Desk,
    actor: Person,
    payout_id: str,
    state: str,
    at: datetime,
    reason: str,
    processor_ref: str | None = None,
) -> None:
    """Declined, failed or reversed: the money returns to its lot, the right to ask is open again."""
    kinds: dict[str, ReturnKind] = {
        "declined": "card_refund_declined",
        "failed": "card_refund_failed",
        "reversed": "card_refund_reversed",
    }
    with desk.transaction() as conn:
        change = _Change.open(conn, desk, actor, payout_id, state)
        if not change.is_news:
            return
        times = {"reversed_at": at} if state == "reversed" else {"settled_at": at}
        change.apply(processor_ref=processor_ref, failure_reason=reason, **times)
        lot_id, amount = change.owner["lot_id"], change.payout["amount"]
        change.post(change.account.return_payout(payout_id, lot_id, amount, at, kinds[state]))
        if state != "declined":
            until = _right_until(conn, change.account, lot_id, at)
            queries.card_refunds.extend_right(conn, lot_id=lot_id, card_until=until)
            was_sent = bool(processor_ref or change.payout["processor_ref"])
            told = {"failure_reason": reason, "card_until": until, "was_sent": was_sent}
            change.mail("card_refund_returned", told)


def _right_until(conn: Connection, account: Account, lot_id: str, at: datetime) -> datetime:
    """Until when returned money may be asked for: from the return, card days by the credit's time."""
    days = in_force(policies(conn), account.lots[lot_id].opened_at).card_refund_days
    return card_until(at, days)


@dataclass
class _Change:
    """One change of one payout, with the locks it needs held."""

    conn: Connection
    desk: Desk
    actor: Person
    owner: Row
    payout: Row
    account: Account
    state: str
    now: datetime

    @classmethod
    def open(cls, conn: Connection, desk: Desk, actor: Person, payout_id: str, state: str) -> "_Change":
        owner = queries.card_refunds.payout_owner(conn, payout_id=payout_id)
        if owner is None:
            raise NotFound(f"There is no payout {payout_id!r}. Check the id on the card refunds page.")
        lock_report(conn, owner["report_id"])
        account = posting.load_account(conn, owner["pro_id"], owner["currency"], also=[owner["lot_id"]])
        payout = queries.card_refunds.lock_payout(conn, payout_id=payout_id)
        change = cls(conn, desk, actor, owner, payout, account, state, desk.clock())
        change._demand_possible()
        return change

    @property
    def is_news(self) -> bool:
        """Whether the payout is not in that state already."""
        return bool(self.payout["state"] != self.state)

    @property
    def was_on_its_way(self) -> bool:
        """Whether the processor had not said yet that it took it."""
        return self.payout["state"] in ("submitted", "unknown")

    def _demand_possible(self) -> None:
        if self.is_news and self.payout["state"] not in _FOLLOWS.get(self.state, set()):
            raise WrongState(
                f"Payout {self.payout['payout_id']} is {self.payout['state']} "
                f"and cannot become {self.state}. Look it up at the processor before anything else."
            )

    def apply(
        self,
        *,
        processor_ref: str | None = None,
        settled_at: datetime | None = None,
        reversed_at: datetime | None = None,
        failure_reason: str | None = None,
    ) -> None:
        """Writes the new state and its audit row."""
        payout_id = self.payout["payout_id"]
        queries.card_refunds.set_payout(
            self.conn,
            payout_id=payout_id,
            state=self.state,
            processor_ref=processor_ref,
            settled_at=settled_at,
            reversed_at=reversed_at,
            failure_reason=failure_reason,
            look_at=next_look(self.state, settled_at, self.now),
        )
        audit.record(
            self.conn,
            self.actor,
            f"card_refund_{self.state}",
            self.now,
            subject=payout_id,
            report_id=self.owner["report_id"],
            reason=failure_reason or "",
            old={"state": self.payout["state"]},
            new={"state": self.state, "processor_ref": processor_ref},
        )

    def post(self, new: Posting) -> None:
        """Writes the posting that goes with the change."""
        posting.write(self.conn, new, self.actor.person_id)

    def mail(self, kind: str, facts: dict[str, Any]) -> None:
        """Queues the letter that tells the pro."""
        amount = {"amount_minor": self.payout["amount"], "currency": self.owner["currency"]}
        enqueue_for_report(
            self.conn,
            self.desk,
            kind,
            self.owner["report_id"],
            created_at=self.now,
            facts={**amount, **facts},
            payout_id=self.payout["payout_id"],
        )
