"""Manual adjustments of the ledger: proposed by one person with a reason, posted by another."""

from typing import Any, Final

from sqlalchemy import Connection

from refundlib.db.queries import queries
from refundlib.domain.errors import BadAmount, BadFigure, NotFound, SamePerson, WrongState
from refundlib.domain.journal import ACCOUNTS, BALANCE, HELD, Posting, adjustment
from refundlib.domain.money import CURRENCIES
from refundlib.domain.people import Person
from refundlib.services import audit, posting
from refundlib.services.desk import Desk, command
from refundlib.services.policies import in_force, policies
from refundlib.services.written import demand_reason

SHOWN_MAX: Final = 200
# Ten thousand million dollars: sums of the ledger stay far below what a bigint holds.
AMOUNT_MAX: Final = 10**12
# Held money is moved by card refunds alone.
ADJUSTABLE: Final = tuple(account for account in ACCOUNTS if account != HELD)

Row = dict[str, Any]


@command("adjust")
def propose(
    desk: Desk,
    actor: Person,
    *,
    debit: str,
    credit: str,
    amount_minor: int,
    currency: str,
    reason: str,
    pro_id: str | None = None,
    idempotency_key: str,
) -> str:
    """Writes down an adjustment that waits for a second person; its id. Nothing is posted yet.

    pro_id: whose balance, when `pro_balance` is debited or credited. The same idempotency key again gives the
    first one. Raises ReasonMissing, BadAmount, BadFigure, NotFound.
    """
    text = demand_reason(reason, "An adjustment")
    _demand_accounts(debit, credit, pro_id)
    _demand_amount(amount_minor, currency)
    now = desk.clock()
    with desk.transaction() as conn:
        queries.batches.lock_key(conn, idempotency_key=idempotency_key)
        if earlier := queries.adjustments.by_key(conn, idempotency_key=idempotency_key):
            return str(earlier)
        if pro_id is not None and not queries.adjustments.pro_exists(conn, pro_id=pro_id):
            raise NotFound(f"There is no pro {pro_id!r}. Take the id from a claim of theirs.")
        adjustment_id: str = queries.adjustments.next_id(conn)
        what = {
            "debit": debit,
            "credit": credit,
            "pro_id": pro_id,
            "amount": amount_minor,
            "currency": currency,
        }
        queries.adjustments.write(
            conn,
            adjustment_id=adjustment_id,
            reason=text,
            proposed_by=actor.person_id,
            proposed_at=now,
            idempotency_key=idempotency_key,
            **what,
        )
        audit.record(conn, actor, "adjustment_proposed", now, subject=adjustment_id, reason=text, new=what)
    return adjustment_id


def _demand_accounts(debit: str, credit: str, pro_id: str | None) -> None:
    for account in (debit, credit):
        if account not in ADJUSTABLE:
            raise BadFigure(f"{account!r} cannot be adjusted; choose one of {', '.join(ADJUSTABLE)}.")
    if debit == credit:
        raise BadFigure("An adjustment moves money between two different accounts; these are the same.")
    if (BALANCE in (debit, credit)) != (pro_id is not None):
        raise BadFigure(
            "Name the pro whose balance it is."
            if pro_id is None
            else "No pro's balance is adjusted here, so no pro may be named."
        )


def _demand_amount(amount_minor: int, currency: str) -> None:
    if currency not in CURRENCIES:
        raise BadFigure(f"{currency!r} is no currency in use; write its ISO 4217 code, like USD.")
    if not 0 < amount_minor <= AMOUNT_MAX:
        raise BadAmount(
            f"The amount must be a whole number of minor units above zero and at most {AMOUNT_MAX:,}, "
            f"not {amount_minor:,}."
        )


@command("release_adjustment")
def release(desk: Desk, actor: Person, adjustment_id: str) -> None:
    """Posts an adjustment somebody else proposed. Raises NotFound, WrongState, SamePerson, ShortOfCover."""
    now = desk.clock()
    with desk.transaction() as conn:
        row = _waiting(conn, adjustment_id)
        if row["proposed_by"] == actor.person_id:
            raise SamePerson(f"You proposed {adjustment_id}; another person of finance posts it.")
        new = _posting(conn, row, desk)
        posting.write(conn, new, actor.person_id, f"{row['reason']} (proposed by {row['proposed_by']})")
        _settle(conn, desk, actor, adjustment_id, "posted", "")
        audit.record(
            conn,
            actor,
            "adjustment_posted",
            now,
            subject=adjustment_id,
            reason=row["reason"],
            old={"state": "waiting"},
            new={"state": "posted", "proposed_by": row["proposed_by"]},
        )


def _posting(conn: Connection, row: Row, desk: Desk) -> Posting:
    adjustment_id, amount, currency, now = row["adjustment_id"], row["amount"], row["currency"], desk.clock()
    if row["pro_id"] is None:
        return adjustment(adjustment_id, row["debit"], row["credit"], amount, currency, now)
    account = posting.load_account(conn, row["pro_id"], currency)
    if row["credit"] == BALANCE:
        return account.adjust_up(adjustment_id, amount, now, row["debit"])
    spend_order = in_force(policies(conn), now).spend_order
    return account.adjust_down(adjustment_id, amount, now, row["credit"], spend_order)


@command("release_adjustment")
def refuse(desk: Desk, actor: Person, adjustment_id: str, reason: str) -> None:
    """Drops a proposed adjustment, also one's own. Raises NotFound, WrongState, ReasonMissing."""
    text = demand_reason(reason, "Refusing an adjustment")
    with desk.transaction() as conn:
        _waiting(conn, adjustment_id)
        _settle(conn, desk, actor, adjustment_id, "refused", text)
        old, new = {"state": "waiting"}, {"state": "refused"}
        audit.record(
            conn,
            actor,
            "adjustment_refused",
            desk.clock(),
            subject=adjustment_id,
            reason=text,
            old=old,
            new=new,
        )


def _waiting(conn: Connection, adjustment_id: str) -> Row:
    row: Row | None = queries.adjustments.lock(conn, adjustment_id=adjustment_id)
    if row is None:
        raise NotFound(f"There is no adjustment {adjustment_id!r}. Reload the page.")
    if row["state"] != "waiting":
        raise WrongState(f"{adjustment_id} is {row['state']} already. Reload the page to see by whom.")
    return row


def _settle(conn: Connection, desk: Desk, actor: Person, adjustment_id: str, state: str, why: str) -> None:
    queries.adjustments.settle(
        conn,
        adjustment_id=adjustment_id,
        state=state,
        settled_by=actor.person_id,
        settled_at=desk.clock(),
        settled_why=why,
    )


@command("read_ledger")
def listing(desk: Desk, actor: Person, state: str | None = None) -> list[Row]:
    """Adjustments, the newest first: waiting, posted or refused, or all; SHOWN_MAX at most."""
    with desk.reading() as conn:
        rows: list[Row] = queries.adjustments.listing(conn, state=state, limit=SHOWN_MAX)
    return rows
