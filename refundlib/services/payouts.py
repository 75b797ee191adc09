"""Card refunds at the processor: sent once, and watched until their outcome can no longer change.

A payout is marked submitted, and that is committed, before the processor is asked: whoever dies then leaves a
payout that is looked up before it is sent again, under the same idempotency key.
"""

from contextlib import suppress
from datetime import datetime, timedelta
from typing import Any, Final

from refundlib.db.queries import queries
from refundlib.domain.errors import NotFound, ProcessorRefused, ProcessorSilent, ProcessorUnset, WrongState
from refundlib.domain.payout import PayoutNews, PayoutOrder
from refundlib.domain.people import WORKER, Person
from refundlib.services import card_refunds
from refundlib.services.card_refunds import next_look
from refundlib.services.desk import Desk, command
from refundlib.services.work import Work

LEASE_MINUTES: Final = 5
LOOKS_A_PASS_MAX: Final = 50
# A pass stays short, so that the worker's other jobs have their turn.
SENT_A_PASS_MAX: Final = 20
_OVER: Final = ("failed", "reversed", "declined")

Row = dict[str, Any]


@command("submit_card_refund")
def send(desk: Desk, actor: Person, payout_id: str) -> str:
    """Sends a requested payout to the processor; its state afterwards. A second call sends nothing.

    Raises ProcessorUnset, NotFound, WrongState.
    """
    if not desk.processor.is_set:
        raise ProcessorUnset
    order, row = _order(desk, payout_id)
    if card_refunds.mark_submitted(desk, actor, payout_id):
        _submit(desk, order, {**row, "state": "submitted"})
    return _state(desk, payout_id)


def send_released(desk: Desk, limit: int = SENT_A_PASS_MAX) -> Work:
    """Sends what released batches hold and was not sent yet; counts of sent and silent.

    Any number of workers may run it at once: who marks a payout submitted sends it. When the processor does
    not answer the pass ends.
    """
    counts = {"sent": 0, "silent": 0}
    if not desk.processor.is_set:
        return Work(counts)
    with desk.reading() as conn:
        due = [row["payout_id"] for row in queries.batches.due(conn, limit=limit)]
    for payout_id in due:
        with suppress(WrongState):  # another worker was faster, or it was declined meanwhile
            state = send(desk, WORKER, payout_id)
            if state == "unknown":
                counts["silent"] += 1
                return Work(counts)
            counts["sent"] += state != "submitted"  # else another worker marked it, and is sending it
    return Work(counts, more=len(due) == limit)


def look_after(desk: Desk, limit: int = LOOKS_A_PASS_MAX) -> Work:
    """Asks the processor about the payouts whose look is due; counts of changed, same and silent.

    Any number of workers may run it at once. When the processor does not answer the pass ends.
    """
    counts = {"changed": 0, "same": 0, "silent": 0}
    if not desk.processor.is_set:
        return Work(counts)
    for _ in range(limit):
        now = desk.clock()
        with desk.transaction() as conn:
            payout_id = queries.card_refunds.claim_look(
                conn, now=now, lease_until=now + timedelta(minutes=LEASE_MINUTES)
            )
        if payout_id is None:
            return Work(counts)
        found = _look(desk, payout_id)
        counts[found] += 1
        if found == "silent":  # neither will it answer for the others, and each would be waited for
            return Work(counts)
    return Work(counts, more=True)


def hear(desk: Desk, body: bytes, signature: str) -> str | None:
    """A webhook: what it says is recorded, once, in any order; the payout's id, None when it is not ours.

    Raises ForgedEvent; ProcessorSilent when it cannot be asked now, so that the event is sent again.
    """
    news = desk.processor.read_event(body, signature)
    if news is None:
        return None
    with desk.reading() as conn:
        payout_id: str | None = queries.card_refunds.of_processor(
            conn, payout_id=news.payout_id, processor_ref=news.processor_ref
        )
    # The event may be late and others before it: what holds is what the processor says when it is asked.
    if payout_id is not None and _look(desk, payout_id) == "silent":
        raise ProcessorSilent(f"The processor does not answer about {payout_id} now.")
    return payout_id


def _look(desk: Desk, payout_id: str) -> str:
    order, row = _order(desk, payout_id)
    try:
        news = desk.processor.look_up(order, row["processor_ref"])
    except ProcessorSilent:
        return _look_again(desk, row, "silent")
    if news is not None and _record(desk, row, news):
        return "changed"
    if news is None and row["state"] in ("submitted", "unknown"):
        return _submit(desk, order, row)
    return _look_again(desk, row, "same")


def _look_again(desk: Desk, row: Row, found: str) -> str:
    """Nothing changed: the next look takes its time."""
    now = desk.clock()
    with desk.transaction() as conn:
        queries.card_refunds.set_look(
            conn, payout_id=row["payout_id"], look_at=next_look(row["state"], row["settled_at"], now)
        )
    return found


def _submit(desk: Desk, order: PayoutOrder, row: Row) -> str:
    """Asks the processor for a payout that is marked submitted, and records its answer: changed or silent."""
    try:
        news = desk.processor.submit(order)
    except ProcessorRefused as refusal:
        _outcome(desk, row, "failed", failure_reason=str(refusal))
    except ProcessorSilent:
        if row["state"] == "submitted":
            _outcome(desk, row, "unknown")
            return "silent"
        return _look_again(desk, row, "silent")
    else:
        _record(desk, row, news)
    return "changed"


def _record(desk: Desk, row: Row, news: PayoutNews) -> bool:
    """Records what the processor says; whether it is news."""
    late = row["state"] == "succeeded" and news.state == "failed"
    state = "reversed" if late else news.state
    if row["state"] in (state, *_OVER):
        return False
    # Somebody recorded a later state since we looked: ours is old, and cannot follow it.
    with suppress(WrongState):
        _outcome(
            desk, row, state, at=news.at, processor_ref=news.processor_ref, failure_reason=news.failure_reason
        )
    return True


def _outcome(desk: Desk, row: Row, state: str, *, at: datetime | None = None, **more: str) -> None:
    card_refunds.record_outcome(desk, WORKER, row["payout_id"], state, at=at or desk.clock(), **more)


def _order(desk: Desk, payout_id: str) -> tuple[PayoutOrder, Row]:
    with desk.reading() as conn:
        row = queries.card_refunds.order_of(conn, payout_id=payout_id)
    if row is None:
        raise NotFound(f"There is no payout {payout_id!r}. Check the id on the card refunds page.")
    names = ("payout_id", "card_refund_id", "report_id", "payment_ref", "amount_minor", "currency")
    return PayoutOrder(**{name: row[name] for name in names}), row


def _state(desk: Desk, payout_id: str) -> str:
    return str(_order(desk, payout_id)[1]["state"])
