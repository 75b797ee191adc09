"""The background process: a round of jobs, again and again, until it is told to stop.

Each job is one idempotent function of services; any number of workers may run at once. A job that fails is
logged and rests a while, the others go on. While the database is down the whole round waits.
"""

import signal
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from types import FrameType
from typing import Any, Final

import structlog

from refundlib.domain.errors import DatabaseDown, Refusal
from refundlib.services import backtest_run, mailbox, mailing, marketplace_feed, payouts, rollup, shadow
from refundlib.services.desk import Desk
from refundlib.services.work import Work

ROUND_SECONDS: Final = 1.0
# A job that took long rests this many times as long, so that no job keeps the database busy.
REST_FACTOR: Final = 4.0
REST_MAX_SECONDS: Final = 15.0
FAILURE_REST_MAX_SECONDS: Final = 60.0
DATABASE_REST_MAX_SECONDS: Final = 30.0
SWEEP_SECONDS: Final = 3600.0
# After the signal the job under way may end by itself for this long, then it is interrupted.
GRACE_SECONDS: Final = 1.0
ONCE_ROUNDS_MAX: Final = 10_000

log = structlog.get_logger("worker")


class JobsFailed(Refusal):
    """Some job of a single pass failed; the message names the first and why."""


class _Interrupted(KeyboardInterrupt):
    """The grace after the signal is over: what is under way is rolled back."""


@dataclass(frozen=True)
class Job:
    """One kind of work: what it is called, what does it, and how often at most."""

    name: str
    do: Callable[[Desk], Work]
    every_seconds: float = ROUND_SECONDS


JOBS: Final = (
    Job("heartbeat", marketplace_feed.beat, 5.0),
    Job("post_missed", marketplace_feed.post_missed, SWEEP_SECONDS),
    Job("post_new", marketplace_feed.post_new),
    Job("post_unposted", marketplace_feed.post_unposted, 10.0),
    Job("resume_on_message", marketplace_feed.resume_on_message),
    Job("expire_leases", marketplace_feed.expire_leases),
    Job("roll_up", rollup.catch_up),
    Job("judge_in_shadow", shadow.judge_in_shadow, 5.0),
    Job("end_silent_backtests", backtest_run.end_silent, 10.0),
    Job("send_due", mailing.send_due),
    Job("read_mailbox", lambda desk: mailbox.read_mailbox(desk, desk.mailbox), 30.0),
    Job("send_card_refunds", payouts.send_released),
    Job("look_after_payouts", payouts.look_after, 10.0),
)


@dataclass
class Turn:
    """When a job is due next, and how often in a row it failed."""

    job: Job
    due_at: float = 0.0
    failures: int = 0

    def done(self, work: Work, took_seconds: float) -> None:
        """Puts the next time off; not at all when the job stopped at its limit."""
        self.failures = 0
        rest = max(self.job.every_seconds, min(took_seconds * REST_FACTOR, REST_MAX_SECONDS))
        self.due_at = time.monotonic() + (0.0 if work.more else rest)

    def failed(self) -> None:
        """Rests twice as long after each failure."""
        self.failures += 1
        rest = min(2.0 ** min(self.failures, 10), FAILURE_REST_MAX_SECONDS)
        self.due_at = time.monotonic() + rest


@dataclass
class Round:
    """What a round did: the counts of each job that did anything, the sentence of each that failed."""

    done: dict[str, dict[str, int]] = field(default_factory=dict)
    failed: dict[str, str] = field(default_factory=dict)

    @property
    def ok(self) -> bool:
        """Whether no job failed."""
        return not self.failed


def run(desk: Desk, once: bool = False, *, stop: threading.Event | None = None) -> Round:
    """Works until `stop` is set or SIGTERM or SIGINT comes; with `once`, does what is due now and returns.

    The last round. With `once`, raises JobsFailed when a job failed (all others were still done) and
    DatabaseDown when there is no database.
    """
    stopping = stop or threading.Event()
    turns = [Turn(job) for job in JOBS]
    set_up_log()
    with _stopped_by_signals(stopping):
        if once:
            return _run_once(desk, turns, stopping)
        return _run_until(desk, turns, stopping)


def _run_once(desk: Desk, turns: list[Turn], stopping: threading.Event) -> Round:
    total = Round()
    waiting = turns
    for _ in range(ONCE_ROUNDS_MAX):
        one, waiting = _pass(desk, waiting, stopping)
        _add(total, one)
        if not waiting or stopping.is_set():
            break
    if total.failed:
        job, why = next(iter(total.failed.items()))
        others = f" {len(total.failed) - 1} more jobs failed." if len(total.failed) > 1 else ""
        raise JobsFailed(f"The job {job} failed: {why}{others} The rest was done; run it again later.")
    return total


def _pass(desk: Desk, turns: list[Turn], stopping: threading.Event) -> tuple[Round, list[Turn]]:
    """Each job once; what was done, and the jobs that have more to do at once."""
    one = Round()
    again = []
    for turn in turns:
        if stopping.is_set():
            break
        work = _do(desk, turn, one)
        if work is not None and work.more:
            again.append(turn)
    return one, again


def _add(total: Round, one: Round) -> None:
    for job, counts in one.done.items():
        sums = total.done.setdefault(job, {})
        for kind, count in counts.items():
            sums[kind] = sums.get(kind, 0) + count
    total.failed |= one.failed


def _run_until(desk: Desk, turns: list[Turn], stopping: threading.Event) -> Round:
    last = Round()
    down = 0
    log.info("worker started", jobs=[turn.job.name for turn in turns])
    with suppress(_Interrupted):
        while not stopping.is_set():
            try:
                last = _round(desk, turns, stopping)
                down = _up_again(down)
            except DatabaseDown as refusal:
                down = _wait_for_database(down, refusal, stopping)
            else:
                stopping.wait(_pause(turns))
    log.info("worker stopped")
    return last


def _round(desk: Desk, turns: list[Turn], stopping: threading.Event) -> Round:
    one = Round()
    for turn in turns:
        if stopping.is_set():
            break
        if turn.due_at <= time.monotonic():
            _do(desk, turn, one)
    return one


def _do(desk: Desk, turn: Turn, one: Round) -> Work | None:
    """One job, its result noted in the round; None when it failed. Raises DatabaseDown only."""
    started = time.monotonic()
    try:
        work = turn.job.do(desk)
    except DatabaseDown:
        raise
    except Refusal as refusal:
        _note_failure(turn, one, str(refusal))
    except Exception as error:
        _note_failure(turn, one, f"{type(error).__name__}: {error}", exc_info=True)
    else:
        turn.done(work, time.monotonic() - started)
        if work.is_anything:
            one.done[turn.job.name] = dict(work.counts)
            log.info("job done", job=turn.job.name, **work.counts)
        return work
    return None


def _note_failure(turn: Turn, one: Round, why: str, **more: Any) -> None:
    turn.failed()
    one.failed[turn.job.name] = why
    log.error("job failed", job=turn.job.name, why=why, failures=turn.failures, **more)


def _pause(turns: list[Turn]) -> float:
    """Until the next job is due, at most one round."""
    return min(max(min(turn.due_at for turn in turns) - time.monotonic(), 0.0), ROUND_SECONDS)


def _wait_for_database(down: int, refusal: DatabaseDown, stopping: threading.Event) -> int:
    rest = min(2.0**down, DATABASE_REST_MAX_SECONDS)
    log.warning("database down", why=str(refusal), next_try_seconds=rest)
    stopping.wait(rest)
    return min(down + 1, 10)


def _up_again(down: int) -> int:
    if down:
        log.info("database up again")
    return 0


# -- stopping ---------------------------------------------------------------------------------------


@contextmanager
def _stopped_by_signals(stopping: threading.Event) -> Iterator[None]:
    """Inside, SIGTERM and SIGINT set `stopping`, and interrupt what is still under way GRACE_SECONDS later.

    Python lets only the main thread handle signals; elsewhere the caller sets the event.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return

    def ask(_number: int, _frame: FrameType | None) -> None:
        if not stopping.is_set() and hasattr(signal, "setitimer"):
            signal.setitimer(signal.ITIMER_REAL, GRACE_SECONDS)
        stopping.set()

    def interrupt(_number: int, _frame: FrameType | None) -> None:
        raise _Interrupted

    handlers: dict[int, Any] = {signal.SIGTERM: ask, signal.SIGINT: ask}
    if hasattr(signal, "SIGALRM"):
        handlers[signal.SIGALRM] = interrupt
    before = {number: signal.signal(number, handler) for number, handler in handlers.items()}
    try:
        yield
    finally:
        if hasattr(signal, "setitimer"):
            signal.setitimer(signal.ITIMER_REAL, 0)
        for number, handler in before.items():
            signal.signal(number, handler)


def set_up_log() -> None:
    """One line an event on stderr: time, level, event, then name=value."""
    structlog.configure(
        processors=[
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            structlog.processors.format_exc_info,
            structlog.processors.LogfmtRenderer(key_order=["timestamp", "level", "event"]),
        ],
        logger_factory=structlog.PrintLoggerFactory(sys.stderr),
    )
