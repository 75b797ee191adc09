"""The metrics: one definition each (view refunds.facts), read by pages, charts, exports, `refunds metrics`.

Source: DOMAIN, Metrics; docs/metrics.md says what each counts and why so.
"""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from datetime import UTC, date, datetime, time, timedelta
from typing import Any, Final

from sqlalchemy import Connection

from refundlib.db.queries import queries
from refundlib.domain.errors import BadFigure, NotAllowed
from refundlib.domain.people import SUPPORT, Person, zone_of
from refundlib.domain.statistics import FUNNEL_DEVIATIONS, survival_hour
from refundlib.services.desk import Desk, command
from refundlib.services.places import named, place
from refundlib.services.policies import in_force, policies

_DATES: Final = ("month", "week", "day")
_CLAIM: Final = ("category", "reason", "kind", "pro", "agent")
DAYS_MAX: Final = 3_700
CASES_A_PAGE: Final = 50


@dataclass(frozen=True)
class Metric:
    """Where a metric's facts are, and by what it is kept.

    other: what the facts call `other`, under the name people use. shared: nobody's own decisions, not for
    support by itself.
    """

    sources: tuple[str, ...]
    dimensions: tuple[str, ...]
    other: str | None = None
    shared: bool = False

    def column(self, dimension: str) -> str:
        """The facts' name of a dimension."""
        return "other" if dimension == self.other else dimension


METRICS: Final[Mapping[str, Metric]] = {
    "refund_rate": Metric(
        ("charges", "refunds"), ("category", "kind", "region", "pro", *_DATES), shared=True
    ),
    "refund_activity": Metric(("decisions",), (*_CLAIM, "region", "alike", *_DATES), "alike"),
    "time_to_decision": Metric(("arrivals",), (*_CLAIM, "hour", *_DATES), "hour"),
    "raw_time_to_decision": Metric(("arrivals",), (*_CLAIM, "hour", *_DATES), "hour"),
    "sla": Metric(("deadlines",), (*_CLAIM, "region", "arrival", *_DATES), "arrival"),
    "payout_reversals": Metric(
        ("payouts",), ("category", "reason", "kind", "pro", "outcome", *_DATES), "outcome", shared=True
    ),
    "payout_processor": Metric(("payouts",), ("processor", "reason", *_DATES), "processor", shared=True),
    "reversal_age": Metric(("payouts",), ("days", "reason", *_DATES), "days", shared=True),
    "time_to_money": Metric(("payouts",), ("days", "reason", *_DATES), "days", shared=True),
    "overrule": Metric(("decisions",), (*_CLAIM, "region", *_DATES)),
    "check_overrule": Metric(("decisions",), ("check", "reason", *_DATES), "check"),
    "rework": Metric(("rework",), ("deed", "reason", "agent", *_DATES), "deed", shared=True),
}
DIMENSIONS: Final = {name: metric.dimensions for name, metric in METRICS.items()}

# The sums are kept in slices (migration 0008); the first that has every dimension asked for is read.
_SLICES: Final[Mapping[str, frozenset[str]]] = {
    "work": frozenset({"category", "reason", "kind"}),
    "place": frozenset({"region", "category"}),
    "agent": frozenset({"agent", "reason"}),
    "other": frozenset({"other", "reason"}),
    "agent_other": frozenset({"agent", "other"}),
    "cube": frozenset({"category", "reason", "kind", "region", "agent"}),
}
# Not every metric is kept in every slice.
_ONLY: Final = {
    "agent": (*(name for name in METRICS if name != "refund_rate"),),
    "other": (*(name for name in METRICS if name != "refund_rate"),),
    "agent_other": ("refund_activity", "time_to_decision"),
    "cube": ("refund_rate", "refund_activity", "overrule", "sla"),
}

Row = dict[str, Any]


@dataclass(frozen=True)
class Cut:
    """Only a part of what a metric counts; None leaves nothing out. other: the metric's own dimension."""

    category: str | None = None
    reason: str | None = None
    kind: str | None = None
    region: str | None = None
    pro: str | None = None
    agent: str | None = None
    other: str | None = None

    def used(self) -> set[str]:
        """The dimensions that leave something out."""
        return {field.name for field in fields(self) if getattr(self, field.name) is not None}


WHOLE: Final = Cut()


@command("read_metrics")
def metrics(
    desk: Desk, actor: Person, name: str, from_date: date, to_date: date, by: str | None = None
) -> Row:
    """One metric over the UTC days from `from_date` up to but without `to_date`, by a dimension or whole.

    Rows: key, currency, n, k, rate (k of n; null when n is 0), amount_n, amount_k, amount_rate (minor units),
    and what a metric adds: pending (sla: undecided, deadline still ahead), median_hours, p90_hours,
    median_raw_hours (time_to_decision: hours within which half, nine in ten are decided, undecided ones
    counted as such; null while fewer are).
    Support sees only what they decided themselves. Raises BadFigure, NotAllowed.
    """
    rows = figures(desk, actor, name, from_date, to_date, by)
    if name == "time_to_decision":
        _add_hours(desk, actor, rows, from_date, to_date, by)
    return {
        "metric": name,
        "from": from_date.isoformat(),
        "to": to_date.isoformat(),
        "rows": [_told(name, row) for row in rows],
    }


@command("read_metrics")
def figures(
    desk: Desk,
    actor: Person,
    name: str,
    from_date: date,
    to_date: date,
    by: str | None = None,
    by_two: str | None = None,
    cut: Cut = WHOLE,
) -> list[Row]:
    """A metric by up to two dimensions: rows of key, key_two, currency, n, k, pending, amount_n, amount_k.

    Raises BadFigure, NotAllowed.
    """
    metric = _metric(name, from_date, to_date, by, by_two)
    cut = _own(actor, name, metric, cut)
    with desk.reading() as conn:
        if name == "refund_rate" and by == "pro" and by_two is None and not cut.used():
            rows: list[Row] = queries.metrics.by_pro(conn, from_day=from_date, to_day=to_date)
            return rows
        return _read(conn, desk, name, metric, from_date, to_date, by, by_two, cut)


@command("read_metrics")
def spread_of_pros(desk: Desk, actor: Person, from_date: date, to_date: date) -> list[Row]:
    """How pros spread over charges made (n) and refunded (k) in the UTC days up to but without `to_date`.

    Rows: pro_id, pros, n, k, outside. A row each (pros 1) for those outside the funnel's limits; the others
    are counted by (n, k), with one of them as pro_id. Raises BadFigure, NotAllowed.
    """
    _own(actor, "refund_rate", _metric("refund_rate", from_date, to_date, "pro"), WHOLE)
    with desk.reading() as conn:
        rows: list[Row] = queries.metrics.spread_of_pros(
            conn, from_day=from_date, to_day=to_date, deviations=FUNNEL_DEVIATIONS
        )
    return rows


def _read(
    conn: Connection,
    desk: Desk,
    name: str,
    metric: Metric,
    from_date: date,
    to_date: date,
    by: str | None,
    by_two: str | None,
    cut: Cut,
) -> list[Row]:
    now = desk.clock()
    columns = {metric.column(each) for each in (by, by_two) if each and each not in _DATES}
    kept = _slice(name, columns | cut.used())
    rows: list[Row] = queries.metrics.figures(
        conn,
        sources=list(metric.sources),
        metric=name,
        slice=kept,
        live_from=now.astimezone(UTC).date() if kept else from_date,
        from_day=from_date,
        to_day=to_date,
        now=now,
        by=metric.column(by) if by else "all",
        by_two=metric.column(by_two) if by_two else "all",
        **asdict(cut),
    )
    return rows


def _slice(name: str, columns: set[str]) -> str | None:
    """The slice of the daily sums that has these dimensions; None when none has, and the facts are read."""
    fitting = (each for each, kept in _SLICES.items() if columns <= kept and name in _ONLY.get(each, METRICS))
    return next(fitting, None)


def _metric(name: str, from_date: date, to_date: date, *by: str | None) -> Metric:
    if name not in METRICS:
        raise BadFigure(f"There is no metric {name!r}; the metrics are {', '.join(METRICS)}.")
    for dimension in by:
        if dimension is not None and dimension not in DIMENSIONS[name]:
            raise BadFigure(
                f"{name} is not kept by {dimension!r}; choose one of {', '.join(DIMENSIONS[name])}."
            )
    if to_date <= from_date:
        raise BadFigure(
            f"The period ends on {to_date} before it has begun on {from_date}; `to` is exclusive."
        )
    if (to_date - from_date).days > DAYS_MAX:
        raise BadFigure(f"The period is longer than {DAYS_MAX} days; ask for a shorter one.")
    return METRICS[name]


def _own(actor: Person, name: str, metric: Metric, cut: Cut) -> Cut:
    """What the person may see: everything, or for support by itself what they decided."""
    if actor.roles != {SUPPORT}:
        return cut
    if metric.shared:
        raise NotAllowed(f"{actor.name} may read their own figures; {name} is nobody's own. Ask a manager.")
    return Cut(**{**asdict(cut), "agent": actor.person_id})


def _told(name: str, row: Row) -> Row:
    extra = ("median_hours", "p90_hours", "median_raw_hours", *(("pending",) if name == "sla" else ()))
    return {
        "key": row["key"],
        "currency": row["currency"],
        "n": row["n"],
        "k": row["k"],
        "rate": row["k"] / row["n"] if row["n"] else None,
        "amount_n": row["amount_n"],
        "amount_k": row["amount_k"],
        "amount_rate": row["amount_k"] / row["amount_n"] if row["amount_n"] else None,
        **{each: row[each] for each in extra if each in row},
    }


def _add_hours(
    desk: Desk, actor: Person, rows: list[Row], from_date: date, to_date: date, by: str | None
) -> None:
    net = clocks(desk, actor, "time_to_decision", from_date, to_date, by)
    raw = clocks(desk, actor, "raw_time_to_decision", from_date, to_date, by)
    for row in rows:
        place = (row["key"], row["currency"])
        row["median_hours"] = survival_hour(net.get(place, []), 0.5)
        row["p90_hours"] = survival_hour(net.get(place, []), 0.9)
        row["median_raw_hours"] = survival_hour(raw.get(place, []), 0.5)


@command("read_metrics")
def clocks(
    desk: Desk,
    actor: Person,
    name: str,
    from_date: date,
    to_date: date,
    by: str | None = None,
    cut: Cut = WHOLE,
) -> dict[tuple[str, str], list[tuple[int, int, int]]]:
    """Durations for a survival curve, by (key, currency).

    Each: (hour or day, how many ended in it, how many of those still running have run that long).
    name: time_to_decision, raw_time_to_decision or time_to_money. Raises BadFigure, NotAllowed.
    """
    unit = METRICS[name].other
    by = None if by == unit else by
    found: dict[tuple[str, str], list[tuple[int, int, int]]] = {}
    for row in figures(desk, actor, name, from_date, to_date, by, unit, cut):
        counts = (int(row["key_two"]), row["k"], row["n"] - row["k"])
        found.setdefault((row["key"], row["currency"]), []).append(counts)
    return {place: sorted(rows) for place, rows in found.items()}


@command("read_metrics")
def cases(
    desk: Desk,
    actor: Person,
    name: str,
    from_date: date,
    to_date: date,
    cut: Cut = WHOLE,
    *,
    hits: bool = False,
    after: str | None = None,
    limit: int = CASES_A_PAGE,
) -> tuple[list[Row], str | None]:
    """What a figure counts, newest first: a page of rows, and where the next begins (None at the end).

    hits: only the k of the n. after: the second value of the page before. Raises BadFigure, NotAllowed.
    """
    metric = _metric(name, from_date, to_date)
    cut = _own(actor, name, metric, cut)
    at, case_id = place(
        after, "", str, "That page of the list does not exist. Open the list from its beginning."
    )
    newest = min(to_date, at.astimezone(UTC).date() + timedelta(days=1)) if after else to_date
    rows: list[Row] = []
    days = 1
    with desk.reading() as conn:
        # From the newest day backwards in growing steps: a page never sorts a year to show its last day.
        while newest > from_date and len(rows) <= limit:
            oldest = max(from_date, newest - timedelta(days=days))
            rows += queries.metrics.cases(
                conn,
                metric=name,
                from_day=oldest,
                to_day=newest,
                now=desk.clock(),
                hits=hits,
                after_at=at,
                after_id=case_id,
                limit=limit + 1 - len(rows),
                **asdict(cut),
            )
            newest, days = oldest, days * 2
    more = len(rows) > limit
    return rows[:limit], named(rows[limit - 1]["at"], rows[limit - 1]["case_id"]) if more else None


@command("read_metrics")
def maturing_from(desk: Desk, actor: Person) -> datetime:
    """Charges made since then can still be reported and decided in time: window + SLA before now."""
    now = desk.clock()
    with desk.reading() as conn:
        policy = in_force(policies(conn), now)
    return now - timedelta(days=policy.window_days, hours=policy.sla_hours)


@command("read_metrics")
def newest_day(desk: Desk, actor: Person) -> date:
    """The UTC day where the charts end: today, or the last day with a charge when that is over a week ago."""
    with desk.reading() as conn:
        newest: date = queries.metrics.newest_day(conn, today=desk.clock().astimezone(UTC).date())
    return newest


WEEKS_LOOKED_BACK: Final = 8


@command("read_metrics")
def at_the_desk(desk: Desk, actor: Person) -> Row:
    """The undecided reports now: open, oldest_at, late, under_6, under_12, under_24, beyond, waiting.

    due_tonight: those whose deadline falls before midnight in the reader's zone. usual_arrivals: how many
    more came by then on this weekday, on average of the last eight weeks.
    """
    now = desk.clock()
    local = now.astimezone(zone_of(actor))
    tonight = datetime.combine(local.date() + timedelta(days=1), time(), local.tzinfo)
    with desk.reading() as conn:
        row: Row = queries.metrics.undecided(conn, now=now, tonight=tonight)
        row["usual_arrivals"] = queries.metrics.usual_arrivals(
            conn, now=now, tonight=tonight, weeks=WEEKS_LOOKED_BACK
        )
    return row


@command("read_metrics")
def pauses(desk: Desk, actor: Person, from_date: date, to_date: date) -> Row:
    """Questions asked of pros (n), and those whose pro had written since the report already (k)."""
    with desk.reading() as conn:
        row: Row = queries.metrics.pauses(conn, from_day=from_date, to_day=to_date)
    return row


@command("read_metrics")
def mail_delay(desk: Desk, actor: Person, from_date: date, to_date: date) -> Row:
    """Mails written in the period and sent (n), with the minutes it took: median_minutes, p90_minutes."""
    with desk.reading() as conn:
        row: Row = queries.metrics.mail_delay(conn, from_day=from_date, to_day=to_date)
    return row
