"""Live postings: lock a pro's account, let the journal decide, write through the one door."""

import json
from collections.abc import Iterable
from typing import Any

from sqlalchemy import Connection

from refundlib.db.queries import queries
from refundlib.domain.journal import Account, Lot, PaymentLeft, Posting


def load_account(conn: Connection, pro_id: str, currency: str, also: Iterable[str] = ()) -> Account:
    """Locks the pro's balance row (made when new) and loads the unspent lots, and the lots named in `also`.

    Lock order of the desk: report, balance, lots; a caller who needs a report locks it first.
    """
    row = queries.ledger.lock_account(conn, pro_id=pro_id, currency=currency)
    if row is None:
        queries.ledger.open_account(conn, pro_id=pro_id, currency=currency)
        row = queries.ledger.lock_account(conn, pro_id=pro_id, currency=currency)
    lots = queries.ledger.lots(conn, pro_id=pro_id, currency=currency, also=list(also))
    return Account(pro_id, currency, row["balance"], row["held"], {lot["lot_id"]: _lot(lot) for lot in lots})


def _lot(row: dict[str, Any]) -> Lot:
    return Lot(**{**row, "payment_ids": tuple(row["payment_ids"])})


def write(conn: Connection, posting: Posting, actor: str, note: str = "") -> int:
    """Writes one posting; the ledger's transaction id. The pro's balance row is locked by the caller."""
    return int(queries.ledger.post(conn, **door_arguments(posting, actor, note)))


def door_arguments(posting: Posting, actor: str, note: str) -> dict[str, Any]:
    """The arguments of refunds.post for a posting."""
    return {
        "kind": posting.kind,
        "source_id": posting.source_id,
        "pro_id": posting.pro_id,
        "currency": posting.currency,
        "occurred_at": posting.occurred_at,
        "actor": actor,
        "note": note,
        "accounts": [account for account, _ in posting.entries],
        "amounts": [amount for _, amount in posting.entries],
        "lot_ids": [lot_id for lot_id, _ in posting.movements],
        "lot_amounts": [amount for _, amount in posting.movements],
        "new_lot": _new_lot(posting.new_lot),
    }


def _new_lot(lot: Lot | None) -> str | None:
    if lot is None:
        return None
    until = lot.card_until.isoformat() if lot.card_until else None
    return json.dumps(
        {
            "kind": lot.kind,
            "source_id": lot.source_id,
            "opened_at": lot.opened_at.isoformat(),
            "payment_ids": lot.payment_ids,
            "card_until": until,
        }
    )


def payments_left(conn: Connection, payment_ids: Iterable[str]) -> list[PaymentLeft]:
    """What may still go back to each payment, newest first (minor units)."""
    rows = queries.ledger.payments_left(conn, payment_ids=list(payment_ids))
    return [PaymentLeft(row["payment_id"], row["paid_at"], row["left_minor"]) for row in rows]
