"""Audit rows: written in the same transaction as the change they tell of."""

import json
from datetime import datetime
from typing import Any

from sqlalchemy import Connection

from refundlib.db.queries import queries
from refundlib.domain.people import Person


def record(
    conn: Connection,
    actor: Person,
    action: str,
    at: datetime,
    *,
    subject: str,
    report_id: str | None = None,
    reason: str = "",
    old: dict[str, Any] | None = None,
    new: dict[str, Any] | None = None,
) -> None:
    """Writes one audit row. subject: the id of what changed; old, new: the values that changed, JSON-able."""
    queries.people.write_audit(
        conn,
        at=at,
        actor=actor.person_id,
        roles=sorted(actor.roles),
        action=action,
        report_id=report_id,
        subject=subject,
        reason=reason,
        old=None if old is None else json.dumps(old, default=str),
        new=None if new is None else json.dumps(new, default=str),
    )
