"""Card refunds sent together: chosen by one person of finance, above the limit released by another.

A batch sends nothing itself: once it is released the worker sends its payouts, each once.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final

from sqlalchemy import Connection

from refundlib.db.queries import queries
from refundlib.domain.errors import BadFigure, NotFound, SamePerson, WrongState
from refundlib.domain.money import by_currency
from refundlib.domain.people import Person
from refundlib.services import audit
from refundlib.services.desk import Desk, command
from refundlib.services.places import named, place
from refundlib.services.policies import in_force, policies
from refundlib.services.written import demand_reason

PAYOUTS_MAX: Final = 500
SHOWN_MAX: Final = 500
BATCHES_SHOWN_MAX: Final = 50
RETURNED_DAYS: Final = 30
ON_THE_WAY: Final = ("to_send", "second", "under_way")
SETTLED: Final = ("returned", "done")

Row = dict[str, Any]


@dataclass(frozen=True)
class Batch:
    """A batch: its id, its sums by currency (minor units), and whether another person has to release it."""

    batch_id: str
    totals: dict[str, int]
    needs_second: bool


@dataclass(frozen=True)
class Page:
    """Payouts of one stage; next_after names the following page, None when there is none."""

    rows: list[Row]
    next_after: str | None = None


# -- reading ----------------------------------------------------------------------------------------------


@command("read_card_refunds")
def stages(desk: Desk, actor: Person) -> list[Row]:
    """Each stage with currency, payouts and amount (minor units); what came back within RETURNED_DAYS."""
    since = desk.clock() - timedelta(days=RETURNED_DAYS)
    with desk.reading() as conn:
        rows: list[Row] = queries.batches.stages(conn, returned_since=since)
    return rows


@command("read_card_refunds")
def on_the_way(desk: Desk, actor: Person, stage: str, *, by_age: bool = False) -> list[Row]:
    """Payouts at a stage of ON_THE_WAY: by the time left of the right to ask, or by age."""
    if stage not in ON_THE_WAY:
        raise BadFigure(f"There is no stage {stage!r}; there are {', '.join(ON_THE_WAY)}.")
    with desk.reading() as conn:
        rows: list[Row] = queries.batches.on_the_way(conn, stage=stage, by_age=by_age, limit=SHOWN_MAX)
    return rows


@command("read_card_refunds")
def settled(desk: Desk, actor: Person, stage: str, *, after: str | None = None, limit: int = 100) -> Page:
    """Payouts that came back (returned) or arrived (done), the newest first. after: of the page before."""
    if stage not in SETTLED:
        raise BadFigure(f"There is no stage {stage!r}; there are {', '.join(SETTLED)}.")
    before, before_id = place(after, "", str, "The address names no page of this list; open the list anew.")
    with desk.reading() as conn:
        rows: list[Row] = queries.batches.settled(
            conn, stage=stage, before=before, before_id=before_id, limit=min(limit, SHOWN_MAX)
        )
    following = named(rows[-1]["at"], rows[-1]["payout_id"]) if len(rows) == limit else None
    return Page(rows, following)


@command("read_card_refunds")
def listing(desk: Desk, actor: Person) -> list[Row]:
    """The newest batches: who, when, state, and by currency what became of their payouts."""
    with desk.reading() as conn:
        rows: list[Row] = queries.batches.listing(conn, limit=BATCHES_SHOWN_MAX)
    return rows


@command("read_card_refunds")
def payouts_of(desk: Desk, actor: Person, batch_id: str) -> list[Row]:
    """What a batch held, and where each payout is now."""
    with desk.reading() as conn:
        rows: list[Row] = queries.batches.payouts_of(conn, batch_id=batch_id)
    return rows


@command("read_card_refunds")
def one_persons_limit(desk: Desk, actor: Person) -> int:
    """Up to what sum, in minor units of each currency, one person sends a batch alone."""
    with desk.reading() as conn:
        return _limit(conn, desk.clock())


def _limit(conn: Connection, now: datetime) -> int:
    return in_force(policies(conn), now).approval_limit_minor


# -- making and releasing ---------------------------------------------------------------------------------


@command("make_batch")
def make(desk: Desk, actor: Person, payout_ids: Sequence[str], *, idempotency_key: str) -> Batch:
    """Puts requested payouts into a batch; it is released at once unless a currency's sum is above the limit.

    The same idempotency key again gives the first batch. Raises BadFigure, NotFound, WrongState.
    """
    chosen = sorted(set(payout_ids))
    if not 0 < len(chosen) <= PAYOUTS_MAX:
        raise BadFigure(f"A batch holds 1 to {PAYOUTS_MAX} card refunds, not {len(chosen)}.")
    now = desk.clock()
    with desk.transaction() as conn:
        queries.batches.lock_key(conn, idempotency_key=idempotency_key)
        if earlier := queries.batches.by_key(conn, idempotency_key=idempotency_key):
            return _made(conn, earlier["batch_id"], chosen)
        rows = _free_payouts(conn, chosen)
        totals = by_currency(rows)
        needs_second = max(totals.values()) > _limit(conn, now)
        batch_id = queries.batches.next_id(conn)
        queries.batches.write(
            conn,
            batch_id=batch_id,
            made_by=actor.person_id,
            made_at=now,
            needs_second=needs_second,
            state="waiting" if needs_second else "released",
            settled_by=None if needs_second else actor.person_id,
            settled_at=None if needs_second else now,
            idempotency_key=idempotency_key,
        )
        queries.batches.put_in(conn, batch_id=batch_id, payout_ids=chosen)
        new = {"payouts": chosen, "totals": totals, "needs_second": needs_second}
        audit.record(conn, actor, "batch_made", now, subject=batch_id, new=new)
    return Batch(batch_id, totals, needs_second)


def _made(conn: Connection, batch_id: str, chosen: list[str]) -> Batch:
    """The batch a key made before. BadFigure when it was of other payouts."""
    rows = queries.batches.payouts_of(conn, batch_id=batch_id)
    if [row["payout_id"] for row in rows] != chosen:
        raise BadFigure(f"This idempotency key made {batch_id} of other payouts. Use a new key.")
    needs_second = queries.batches.lock(conn, batch_id=batch_id)["needs_second"]
    return Batch(batch_id, by_currency(rows), needs_second)


def _free_payouts(conn: Connection, payout_ids: list[str]) -> list[Row]:
    """The payouts, locked; refuses whole when one is gone, sent, declined or in another batch."""
    rows: list[Row] = queries.batches.lock_payouts(conn, payout_ids=payout_ids)
    if missing := set(payout_ids) - {row["payout_id"] for row in rows}:
        raise NotFound(f"There is no payout {min(missing)!r}. Reload the page and choose again.")
    for row in rows:
        where = f"in batch {row['batch_id']}" if row["batch_id"] else row["state"]
        if row["state"] != "requested" or row["batch_id"]:
            raise WrongState(
                f"{row['payout_id']} is {where} already, so nothing was sent. "
                "Reload the page: somebody was faster."
            )
    return rows


@command("release_batch")
def release(desk: Desk, actor: Person, batch_id: str) -> None:
    """Another person releases a batch above the limit. Raises NotFound, WrongState, SamePerson."""
    with desk.transaction() as conn:
        batch = _waiting(conn, batch_id)
        if batch["made_by"] == actor.person_id:
            raise SamePerson(f"You made {batch_id}; above the limit another person of finance releases it.")
        _settle(conn, desk, actor, batch_id, "released", "")


@command("release_batch")
def send_back(desk: Desk, actor: Person, batch_id: str, reason: str) -> None:
    """Takes a waiting batch apart: its payouts can be chosen again.

    Raises NotFound, WrongState, ReasonMissing.
    """
    text = demand_reason(reason, "Sending a batch back")
    with desk.transaction() as conn:
        _waiting(conn, batch_id)
        _settle(conn, desk, actor, batch_id, "sent_back", text)
        queries.batches.take_out(conn, batch_id=batch_id)


def _waiting(conn: Connection, batch_id: str) -> Row:
    batch: Row | None = queries.batches.lock(conn, batch_id=batch_id)
    if batch is None:
        raise NotFound(f"There is no batch {batch_id!r}. Reload the page.")
    if batch["state"] != "waiting":
        raise WrongState(f"{batch_id} is {batch['state'].replace('_', ' ')} already. Reload the page.")
    return batch


def _settle(conn: Connection, desk: Desk, actor: Person, batch_id: str, state: str, reason: str) -> None:
    now = desk.clock()
    queries.batches.settle(
        conn, batch_id=batch_id, state=state, settled_by=actor.person_id, settled_at=now, reason=reason
    )
    old, new = {"state": "waiting"}, {"state": state}
    audit.record(conn, actor, f"batch_{state}", now, subject=batch_id, reason=reason, old=old, new=new)
