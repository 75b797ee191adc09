"""The dated policy versions, and which of them counts at a moment."""

from collections.abc import Sequence
from datetime import datetime

from sqlalchemy import Connection

from refundlib.db.queries import queries
from refundlib.domain.policy import Policy


def policies(conn: Connection) -> list[Policy]:
    """Every version that counts or will, the latest in force first; revoked ones are left out."""
    return [Policy(**row) for row in queries.policies.versions(conn)]


def in_force(versions: Sequence[Policy], at: datetime) -> Policy:
    """The version in force at a moment; the first one is in force from the beginning of time."""
    return next(policy for policy in versions if policy.effective_from <= at)
