"""A draft tried on history: asked for, stopped, and what came of it read, also after the draft is settled.

Which process judges, and how: backtest_run; what it counts: backtest_judging.
"""

import json
from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any, Final

from sqlalchemy import Connection

from refundlib.db.constraints import refusing
from refundlib.db.queries import queries
from refundlib.domain.errors import BadFigure, NotFound, WrongState
from refundlib.domain.people import Person
from refundlib.domain.policy import Policy
from refundlib.services import audit
from refundlib.services.backtest_judging import Flip, OnPart, Tally, judge_history
from refundlib.services.desk import Desk, command
from refundlib.services.policy_drafts import JUDGED_BY

# Counted all, kept for the list so many.
FLIPS_KEPT_MAX: Final = 100_000
FLIPS_A_PAGE: Final = 50
RUNS_SHOWN: Final = 20
# A run that gave no sign for so long has ended without saying so; one part takes about a second.
SILENT_SECONDS: Final = 60
SILENT: Final = f"It gave no sign for {SILENT_SECONDS} seconds; its process was most likely stopped."
_ID_MAX: Final = 2**63 - 1

Row = dict[str, Any]


class StillRunning(WrongState):
    """Another backtest runs; there is one at a time. backtest_id: that one."""

    def __init__(self, backtest_id: int | None) -> None:
        super().__init__(
            "A backtest is running, and there is one at a time: it uses every core. "
            "Wait until it ends, or cancel it."
        )
        self.backtest_id = backtest_id


# -- asking for one ---------------------------------------------------------------------------------------


@command("backtest")
def begin(desk: Desk, actor: Person, draft_id: int, since: datetime, until: datetime) -> int:
    """Asks for a backtest of a draft on the claims reported from `since` to before `until`; its id.

    Raises NotFound, WrongState for a settled draft, StillRunning, BadFigure for a period that ends before it
    begins or lies in days to come.
    """
    _demand_period(since, until, desk.clock())
    _demand_id(draft_id, "draft")
    still_running = StillRunning(None)
    try:
        with refusing({"one_running_backtest": still_running}), desk.transaction() as conn:
            return _begin(conn, desk, actor, draft_id, since, until)
    except StillRunning as refusal:
        # Read once the failed transaction is over.
        with desk.reading() as conn:
            raise StillRunning(queries.backtests.running(conn)) from refusal


def _begin(
    conn: Connection, desk: Desk, actor: Person, draft_id: int, since: datetime, until: datetime
) -> int:
    now = desk.clock()
    row: Row | None = queries.policies.lock_draft(conn, draft_id=draft_id)
    if row is None:
        raise NotFound(f"There is no draft {draft_id}. Open it from the policy page.")
    if row["state"] != "draft":
        raise WrongState(f"The draft {row['version']} was {row['state']}; it is tried on history no more.")
    end_silent_runs(conn, desk)
    backtest_id = int(
        queries.backtests.begin(
            conn,
            draft_id=draft_id,
            revision=row["revision"],
            policy=json.dumps({name: row[name] for name in JUDGED_BY}),
            since=since,
            until=until,
            asked_by=actor.person_id,
            at=now,
        )
    )
    new = {"draft_id": draft_id, "revision": row["revision"], "since": since, "until": until}
    audit.record(conn, actor, "backtest_asked", now, subject=f"backtest:{backtest_id}", new=new)
    return backtest_id


def _demand_period(since: datetime, until: datetime, now: datetime) -> None:
    """Raises BadFigure. A last day that is not over yet is one of today's; one after it is a mistake."""
    if until <= since:
        raise BadFigure("The period ends before it begins. Choose other days. Nothing was judged.")
    if since > now:
        raise BadFigure("The period is still to come: nothing is reported in it. Nothing was judged.")


def _demand_id(number: int, what: str) -> None:
    """Raises NotFound for what no row can be called."""
    if not 0 < number <= _ID_MAX:
        raise NotFound(f"There is no {what} {str(number)[:20]}. Open one from the policy lab.")


@command("backtest")
def cancel(desk: Desk, actor: Person, backtest_id: int) -> None:
    """Stops a running backtest after the part under way. Raises NotFound, WrongState (ended before)."""
    _demand_id(backtest_id, "backtest")
    with desk.transaction() as conn:
        if not end(conn, desk, backtest_id, "cancelled"):
            state = _one(conn, backtest_id)["state"]
            raise WrongState(f"Backtest {backtest_id} is {state} already; there is nothing to cancel.")
        subject, new = f"backtest:{backtest_id}", {"state": "cancelled"}
        audit.record(conn, actor, "backtest_cancelled", desk.clock(), subject=subject, new=new)


@command("backtest")
def try_on_history(
    desk: Desk, actor: Person, policy: Policy, since: datetime, until: datetime, on_part: OnPart
) -> tuple[Tally, list[Flip]]:
    """A backtest of any policy, nothing kept: the counts and the flips, FLIPS_KEPT_MAX at most.

    Raises BadFigure for a period that ends before it begins or lies in days to come.
    """
    _demand_period(since, until, desk.clock())
    found: list[Flip] = []

    def part(judged: int, total: int, flips: Any) -> bool:
        found.extend(flips[: FLIPS_KEPT_MAX - len(found)])
        return on_part(judged, total, flips)

    return judge_history(desk, policy, since, until, part), found


# -- ending ------------------------------------------------------------------------------------------------


def end(
    conn: Connection,
    desk: Desk,
    backtest_id: int,
    state: str,
    *,
    attempt: int | None = None,
    result: Row | None = None,
    error: str = "",
) -> bool:
    """Ends a running backtest; False when it had ended, or runs in another attempt than the one named."""
    ended = queries.backtests.finish(
        conn,
        backtest_id=backtest_id,
        attempt=attempt,
        state=state,
        result=None if result is None else json.dumps(result),
        error=error,
        at=desk.clock(),
    )
    return ended is not None


def end_silent_runs(conn: Connection, desk: Desk) -> int:
    """A run that gave no sign for SILENT_SECONDS has failed; how many. One that lives on writes no more."""
    silent_since = desk.clock() - timedelta(seconds=SILENT_SECONDS)
    ended: int = queries.backtests.end_silent(conn, silent_since=silent_since, error=SILENT)
    return ended


# -- reading -----------------------------------------------------------------------------------------------


@command("backtest")
def backtest(desk: Desk, actor: Person, backtest_id: int) -> Row:
    """One backtest, with its draft's version, state and revision; what `runs` gives. Raises NotFound."""
    _demand_id(backtest_id, "backtest")
    with desk.reading() as conn:
        return _with_signs(desk, _one(conn, backtest_id))


def _one(conn: Connection, backtest_id: int) -> Row:
    rows = queries.backtests.runs(conn, backtest_id=backtest_id, draft_id=None, version=None, limit=1)
    if not rows:
        raise NotFound(f"There is no backtest {backtest_id}. Open one from the policy lab.")
    row: Row = rows[0]
    return row


def _with_signs(desk: Desk, row: Row) -> Row:
    """is_silent: it says it runs and gave no sign for long."""
    quiet_seconds = (desk.clock() - row["seen_at"]).total_seconds()
    return {**row, "is_silent": row["state"] == "running" and quiet_seconds > SILENT_SECONDS}


@command("backtest")
def draft(desk: Desk, actor: Person, draft_id: int) -> Row:
    """A draft whatever became of it: version, window_days, job_changed_miles, revision, state, shadow_since.

    state: `draft`, `published` or `dropped`. Raises NotFound.
    """
    _demand_id(draft_id, "draft")
    with desk.reading() as conn:
        row: Row | None = queries.backtests.draft(conn, draft_id=draft_id)
    if row is None:
        raise NotFound(f"There is no draft {draft_id}. Open one from the policy lab.")
    return row


@command("backtest")
def runs(desk: Desk, actor: Person, draft_id: int | None = None) -> list[Row]:
    """The newest RUNS_SHOWN backtests of a draft, or of all, settled ones too; columns as in `backtest`."""
    with desk.reading() as conn:
        rows = queries.backtests.runs(
            conn, backtest_id=None, draft_id=draft_id, version=None, limit=RUNS_SHOWN
        )
    return [_with_signs(desk, row) for row in rows]


@command("backtest")
def runs_of_version(desk: Desk, actor: Person, version: str) -> list[Row]:
    """The newest RUNS_SHOWN backtests of the draft that became a version; columns as in `backtest`."""
    with desk.reading() as conn:
        rows = queries.backtests.runs(
            conn, backtest_id=None, draft_id=None, version=version, limit=RUNS_SHOWN
        )
    return [_with_signs(desk, row) for row in rows]


@command("backtest")
def flips(
    desk: Desk,
    actor: Person,
    backtest_id: int,
    filters: Mapping[str, str | None] | None = None,
    *,
    after: str = "",
    limit: int = FLIPS_A_PAGE,
) -> list[Row]:
    """Claims of which the draft says something else, by id.

    filters: was, becomes, reason, category; None, or left out, filters nothing.
    """
    with desk.reading() as conn:
        return _flips(conn, backtest_id, filters or {}, after, min(limit, FLIPS_KEPT_MAX))


@command("backtest")
def flip(desk: Desk, actor: Person, backtest_id: int, report_id: str) -> Row | None:
    """What a backtest listed of one claim; None when it lists no such claim, or there is no such backtest."""
    if not 0 < backtest_id <= _ID_MAX:
        return None
    with desk.reading() as conn:
        rows = _flips(conn, backtest_id, {"report_id": report_id}, "", 1)
    return rows[0] if rows else None


def _flips(
    conn: Connection, backtest_id: int, filters: Mapping[str, str | None], after: str, limit: int
) -> list[Row]:
    names = ("report_id", "was", "becomes", "reason", "category")
    rows: list[Row] = queries.backtests.flips(
        conn,
        backtest_id=backtest_id,
        **{name: filters.get(name) for name in names},
        after_id=after,
        limit=limit,
    )
    return rows
