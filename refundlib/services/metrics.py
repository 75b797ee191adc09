"""The metrics: one SQL block each, read by pages, charts and `refunds metrics`. Source: DOMAIN, Metrics."""

from datetime import UTC, date, datetime, time, timedelta
from typing import Any, Final

from refundlib.db.queries import queries
from refundlib.domain.errors import BadFigure, NotAllowed
from refundlib.domain.people import SUPPORT, Person
from refundlib.services.desk import Desk, command
from refundlib.services.policies import in_force, policies

_DATES: Final = ("month", "week", "day")
DIMENSIONS: Final[dict[str, tuple[str, ...]]] = {
    "refund_rate": ("category", "kind", "region", "pro", *_DATES),
    "refund_activity": ("category", "reason", "kind", "region", "pro", "agent", *_DATES),
    "time_to_decision": ("category", "reason", "kind", "pro", "agent", *_DATES),
    "sla": ("category", "reason", "kind", "region", "pro", "agent", *_DATES),
    "payout_reversals": ("category", "reason", "kind", "pro", *_DATES),
    "overrule": ("category", "reason", "kind", "region", "pro", "agent", *_DATES),
}
# Nobody's own: figures that no single person's decisions make.
_SHARED: Final = ("refund_rate", "payout_reversals")

Row = dict[str, Any]


@command("read_metrics")
def metrics(
    desk: Desk, actor: Person, name: str, from_date: date, to_date: date, by: str | None = None
) -> Row:
    """One metric over the UTC days from `from_date` up to but without `to_date`, by a dimension or whole.

    Rows: key, currency, n, k, rate (k of n; null when n is 0), amount_n, amount_k, amount_rate (minor units).
    Support sees only what they decided themselves. Raises BadFigure, NotAllowed.
    """
    _check(name, from_date, to_date, by)
    parameters = {
        "from_at": _midnight(from_date),
        "to_at": _midnight(to_date),
        "by": by or "all",
        "agent": _own(actor, name),
        **({"now": desk.clock()} if name == "sla" else {}),
    }
    with desk.reading() as conn:
        rows = getattr(queries.metrics, name)(conn, **parameters)
    return {
        "metric": name,
        "from": from_date.isoformat(),
        "to": to_date.isoformat(),
        "rows": [_rated(row) for row in rows],
    }


def _check(name: str, from_date: date, to_date: date, by: str | None) -> None:
    if name not in DIMENSIONS:
        raise BadFigure(f"There is no metric {name!r}; the metrics are {', '.join(DIMENSIONS)}.")
    if by is not None and by not in DIMENSIONS[name]:
        raise BadFigure(f"{name} is not kept by {by!r}; choose one of {', '.join(DIMENSIONS[name])}.")
    if to_date <= from_date:
        raise BadFigure(
            f"The period ends on {to_date} before it has begun on {from_date}; `to` is exclusive."
        )


def _own(actor: Person, name: str) -> str | None:
    """Whose decisions are counted: everybody's (None), or for support their own."""
    if actor.roles != {SUPPORT}:
        return None
    if name in _SHARED:
        raise NotAllowed(f"{actor.name} may read their own figures; {name} is nobody's own. Ask a manager.")
    return actor.person_id


def _midnight(day: date) -> datetime:
    return datetime.combine(day, time(), UTC)


def _rated(row: Row) -> Row:
    hours: tuple[str, ...] = ("median_hours", "p90_hours", "median_raw_hours")
    extra: Row = {name: row[name] for name in hours if name in row}
    return {
        "key": row["key"],
        "currency": row["currency"],
        "n": row["n"],
        "k": row["k"],
        "rate": row["k"] / row["n"] if row["n"] else None,
        "amount_n": row["amount_n"],
        "amount_k": row["amount_k"],
        "amount_rate": row["amount_k"] / row["amount_n"] if row["amount_n"] else None,
        **extra,
    }


@command("read_metrics")
def maturing_from(desk: Desk, actor: Person) -> datetime:
    """Charges made since then can still be reported and decided in time: window + SLA before now."""
    now = desk.clock()
    with desk.reading() as conn:
        policy = in_force(policies(conn), now)
    return now - timedelta(days=policy.window_days, hours=policy.sla_hours)


@command("read_metrics")
def newest_charge(desk: Desk, actor: Person) -> datetime:
    """When the newest charge was made: where the charts end."""
    with desk.reading() as conn:
        newest: datetime = queries.metrics.newest_month(conn, now=desk.clock())
    return newest
