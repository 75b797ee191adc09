"""A backtest that was asked for, carried out: begun, kept part by part, ended; also one that fell silent."""

import json
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import asdict
from datetime import datetime
from typing import Any, Final

import structlog

from refundlib.db.queries import queries
from refundlib.domain.errors import Refusal, WrongState
from refundlib.domain.people import Person
from refundlib.services import backtest
from refundlib.services.backtest import end, end_silent_runs
from refundlib.services.backtest_judging import Flip, Tally, judge_history
from refundlib.services.desk import Desk, command
from refundlib.services.policy_drafts import policy_of
from refundlib.services.work import Work

# So many claims are judged before the page is painted: a process takes longer to start than they take.
AT_ONCE_CLAIMS_MAX: Final = 1_000

Row = dict[str, Any]
log = structlog.get_logger("backtest")


@command("backtest")
def ask(desk: Desk, actor: Person, draft_id: int, since: datetime, until: datetime) -> int:
    """`backtest.begin`, judged at once where there is little to judge, else in a process of its own; the id.

    Raises what `begin` does, and WrongState when no process can be started. Judging that fails is kept with
    the run.
    """
    backtest_id = backtest.begin(desk, actor, draft_id, since, until)
    with desk.reading() as conn:
        claims: int = queries.backtests.claims_up_to(
            conn, since=since, until=until, most=AT_ONCE_CLAIMS_MAX + 1
        )
    if claims <= AT_ONCE_CLAIMS_MAX:
        _run_at_once(desk, actor, backtest_id)
    else:
        _start(desk, actor, backtest_id)
    return backtest_id


def _run_at_once(desk: Desk, actor: Person, backtest_id: int) -> None:
    try:
        run(desk, actor, backtest_id, processes=0)
    except Exception:
        # The run says that it failed; its process would have told the log, as is done here.
        log.exception("backtest failed", backtest_id=backtest_id)


def _start(desk: Desk, actor: Person, backtest_id: int) -> None:
    try:
        desk.starter.start(backtest_id, actor.person_id)
    except OSError as error:
        sentence = "Its process could not be started; whoever runs the desk finds why in its log."
        with desk.transaction() as conn:
            end(conn, desk, backtest_id, "failed", error=sentence)
        raise WrongState(f"{sentence} Nothing was judged.") from error


@command("backtest")
def run(desk: Desk, actor: Person, backtest_id: int, processes: int | None = None) -> Tally:
    """Judges what a backtest asks for and keeps what came of it, from the first claim on.

    What an earlier attempt kept is cleared, and its process can write no more. processes: as for
    judge_history. Raises NotFound, WrongState (ended).
    """
    row = backtest.backtest(desk, actor, backtest_id)
    with desk.transaction() as conn:
        attempt = queries.backtests.take(conn, backtest_id=backtest_id, at=desk.clock())
    if attempt is None:
        raise WrongState(f"Backtest {backtest_id} is {row['state']}. Start another one.")
    keeper = _Keeper(desk, backtest_id, attempt)
    try:
        policy = policy_of(row["policy"], row["since"])
        tally = judge_history(desk, policy, row["since"], row["until"], keeper.keep, processes)
    except Exception as error:
        # The database may be what failed; then the worker ends the run once it is silent.
        with suppress(Refusal):
            keeper.end("failed", error=_in_words(error))
        raise
    keeper.end("done", result=tally.to_json())
    return tally


def _in_words(error: Exception) -> str:
    """What a manager reads of a failure; only a refusal was written for people."""
    if isinstance(error, Refusal):
        return str(error)
    return "It broke off at a fault of the program; whoever runs the desk finds it in the log."


class _Keeper:
    """Writes what one attempt of a backtest finds: a part's progress and flips in one transaction."""

    def __init__(self, desk: Desk, backtest_id: int, attempt: int) -> None:
        self._desk, self._backtest_id, self._attempt = desk, backtest_id, attempt
        self._listed = 0

    def keep(self, judged: int, total: int, flips: Sequence[Flip]) -> bool:
        """False when the run was cancelled, failed as silent, or begun again meanwhile."""
        kept = flips[: backtest.FLIPS_KEPT_MAX - self._listed]
        with self._desk.transaction() as conn:
            still = queries.backtests.go_on(
                conn,
                backtest_id=self._backtest_id,
                attempt=self._attempt,
                claims_judged=judged,
                claims_total=total,
                flips_listed=self._listed + len(kept),
                at=self._desk.clock(),
            )
            if still is not None and kept:
                rows = [{"backtest_id": self._backtest_id, **asdict(each)} for each in kept]
                queries.backtests.keep_flips(conn, flips=json.dumps(rows))
        self._listed += len(kept)
        return still is not None

    def end(self, state: str, *, result: Row | None = None, error: str = "") -> None:
        with self._desk.transaction() as conn:
            end(conn, self._desk, self._backtest_id, state, attempt=self._attempt, result=result, error=error)


def end_silent(desk: Desk) -> Work:
    """A worker's job: a run whose process was killed does not say for ever that it runs. Safe to repeat."""
    with desk.transaction() as conn:
        return Work({"failed": end_silent_runs(conn, desk)})
