"""A draft of the policy tried on history: every claim's frozen facts judged by the old and by the new rules.

What people decided is no ground truth: a claim of which the draft says another thing "would differ", no more.
Parts of the history are judged by processes of their own, on every core; between parts it can be stopped.
"""

import json
import os
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Future, ProcessPoolExecutor, as_completed
from dataclasses import dataclass, field
from datetime import datetime
from multiprocessing import get_context
from typing import Any, Final

from refundlib.db.engine import APP_ROLE, make_engine, translated
from refundlib.db.queries import queries
from refundlib.domain.claim import Bundle
from refundlib.domain.eligibility import (
    CLAUSE_OF_REASON,
    Assessment,
    Gazetteer,
    PhoneBook,
    assess,
    may_differ,
    reassess,
)
from refundlib.domain.errors import BadFigure, NotFound, WrongState
from refundlib.domain.people import Person
from refundlib.domain.policy import Policy
from refundlib.services import audit
from refundlib.services.desk import Desk, command
from refundlib.services.intake_snapshot import parse
from refundlib.services.policies import in_force, policies
from refundlib.services.policy_drafts import JUDGED_BY, drafts, policy_of
from refundlib.services.work import Work

PART_CLAIMS: Final = 4_000
PROCESSES_MAX: Final = 8
# Counted all, kept for the list so many.
FLIPS_KEPT_MAX: Final = 100_000
FLIPS_A_PAGE: Final = 50
BACKTESTS_SHOWN: Final = 10
SHADOW_A_PASS_MAX: Final = 500
# A run that gave no sign for so long has ended without saying so.
SILENT_SECONDS: Final = 60

Row = dict[str, Any]
OnProgress = Callable[[int, int], bool]


@dataclass(frozen=True)
class Flip:
    """A claim of which the draft says something else: amount in minor units, the checks that differ, why."""

    report_id: str
    reason: str
    category: str
    currency: str
    amount: int
    was: str
    becomes: str
    decision: str | None
    changed: list[Row]


def _none_yet() -> list[int]:
    return [0, 0]


@dataclass
class Tally:
    """What a backtest counts. moves: (was, becomes, reason, category, currency) to claims and minor units.

    agreement: clause to [n decided by people and advised either way, agreeing] by the old and by the draft.
    """

    judged: int = 0
    moves: dict[tuple[str, ...], list[int]] = field(default_factory=lambda: defaultdict(_none_yet))
    agreement: dict[tuple[str, str], list[int]] = field(default_factory=lambda: defaultdict(_none_yet))

    def add(self, other: "Tally") -> None:
        """Adds another part's counts."""
        self.judged += other.judged
        for move, (claims, amount) in other.moves.items():
            mine = self.moves[move]
            mine[:] = mine[0] + claims, mine[1] + amount
        for key, (n, agree) in other.agreement.items():
            counts = self.agreement[key]
            counts[:] = counts[0] + n, counts[1] + agree

    def to_json(self) -> Row:
        """As it is kept and printed."""
        names = ("was", "becomes", "reason", "category", "currency")
        return {
            "judged": self.judged,
            "moves": [
                {**dict(zip(names, key, strict=True)), "claims": n, "amount": amount}
                for key, (n, amount) in sorted(self.moves.items())
            ],
            "agreement": [
                {"clause": clause, "by": by, "n": n, "agree": agree}
                for (clause, by), (n, agree) in sorted(self.agreement.items())
            ],
        }


# -- asking for one -----------------------------------------------------------------------------------


@command("backtest")
def begin(desk: Desk, actor: Person, draft_id: int, since: datetime, until: datetime) -> int:
    """Asks for a backtest of a draft on the claims reported from `since` to before `until`; its id.

    Raises NotFound, BadFigure for a period that ends before it begins.
    """
    if until <= since:
        raise BadFigure("The period ends before it begins. Choose other days.")
    row = next((each for each in drafts(desk, actor) if each["draft_id"] == draft_id), None)
    if row is None:
        raise NotFound(f"There is no draft {draft_id}. Open it from the policy page.")
    now = desk.clock()
    with desk.transaction() as conn:
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
        subject = f"backtest:{backtest_id}"
        audit.record(conn, actor, "backtest_asked", now, subject=subject, new={"draft_id": draft_id})
    return backtest_id


@command("backtest")
def cancel(desk: Desk, actor: Person, backtest_id: int) -> None:
    """Stops a running backtest after the part under way. Nothing happens to one that has ended."""
    _finish(desk, backtest_id, "cancelled")


@command("backtest")
def backtest(desk: Desk, actor: Person, backtest_id: int) -> Row:
    """One backtest; `is_silent` when it says it runs and gave no sign for long. Raises NotFound."""
    row = _backtest(desk, backtest_id)
    quiet_seconds = (desk.clock() - row["seen_at"]).total_seconds()
    return {**row, "is_silent": row["state"] == "running" and quiet_seconds > SILENT_SECONDS}


@command("backtest")
def newest(desk: Desk, actor: Person, draft_id: int) -> list[Row]:
    """The newest backtests of a draft."""
    with desk.reading() as conn:
        rows: list[Row] = queries.backtests.newest(conn, draft_id=draft_id, limit=BACKTESTS_SHOWN)
    return rows


@command("backtest")
def flips(
    desk: Desk,
    actor: Person,
    backtest_id: int,
    *,
    was: str | None = None,
    becomes: str | None = None,
    reason: str | None = None,
    category: str | None = None,
    after: str = "",
) -> list[Row]:
    """A page of the claims of which the draft says something else, by id; None filters nothing."""
    with desk.reading() as conn:
        rows: list[Row] = queries.backtests.flips(
            conn,
            backtest_id=backtest_id,
            was=was,
            becomes=becomes,
            reason=reason,
            category=category,
            after_id=after,
            limit=FLIPS_A_PAGE,
        )
    return rows


def _backtest(desk: Desk, backtest_id: int) -> Row:
    with desk.reading() as conn:
        row: Row | None = queries.backtests.backtest(conn, backtest_id=backtest_id)
    if row is None:
        raise NotFound(f"There is no backtest {backtest_id}. Start one in the policy lab.")
    return row


@command("backtest")
def try_on_history(
    desk: Desk, actor: Person, policy: Policy, since: datetime, until: datetime, go_on: OnProgress
) -> tuple[Tally, list[Flip]]:
    """A backtest of any policy, nothing kept: the counts and the flips, FLIPS_KEPT_MAX at most."""
    found: list[Flip] = []
    tally = judge_history(
        desk, policy, since, until, lambda part: found.extend(part[: FLIPS_KEPT_MAX - len(found)]), go_on
    )
    return tally, found


# -- judging ------------------------------------------------------------------------------------------


@command("backtest")
def run(desk: Desk, actor: Person, backtest_id: int, processes: int | None = None) -> Tally:
    """Judges what a backtest asks for and keeps what came of it. Raises NotFound, WrongState (ended)."""
    row = _backtest(desk, backtest_id)
    if row["state"] != "running":
        raise WrongState(f"Backtest {backtest_id} is {row['state']}. Start another one.")
    kept = 0

    def keep(part: Sequence[Flip]) -> None:
        nonlocal kept
        shown = part[: FLIPS_KEPT_MAX - kept]
        kept += len(shown)
        if shown:
            with desk.transaction() as conn:
                flips_json = json.dumps([each.__dict__ for each in shown])
                queries.backtests.keep_flips(conn, backtest_id=backtest_id, flips=flips_json)

    def go_on(judged: int, total: int) -> bool:
        with desk.transaction() as conn:
            still = queries.backtests.go_on(
                conn, backtest_id=backtest_id, claims_judged=judged, claims_total=total, at=desk.clock()
            )
        return still is not None

    try:
        policy = policy_of(row["policy"], row["since"])
        tally = judge_history(desk, policy, row["since"], row["until"], keep, go_on, processes)
    except Exception as error:
        _finish(desk, backtest_id, "failed", error=f"{type(error).__name__}: {error}"[:500])
        raise
    _finish(desk, backtest_id, "done", json.dumps(tally.to_json()))
    return tally


def _finish(desk: Desk, backtest_id: int, state: str, result: str | None = None, error: str = "") -> None:
    with desk.transaction() as conn:
        queries.backtests.finish(
            conn, backtest_id=backtest_id, state=state, result=result, error=error, at=desk.clock()
        )


def judge_history(
    desk: Desk,
    draft: Policy,
    since: datetime,
    until: datetime,
    keep: Callable[[Sequence[Flip]], None],
    go_on: OnProgress,
    processes: int | None = None,
) -> Tally:
    """Judges every claim reported in a period by its version and by a draft; the counts of all parts.

    keep gets the flips of each part; go_on(judged, total) is asked after each and stops it with False.
    processes: 0 judges in this one, None uses every core up to PROCESSES_MAX.
    """
    with desk.reading() as conn:
        parts = queries.backtests.parts(conn, since=since, until=until, size=PART_CLAIMS)
        versions = policies(conn)
    total, tally = sum(part["claims"] for part in parts), Tally()
    if not go_on(0, total):
        return tally
    orders = [
        _Order(part["first_id"], part["last_id"], since, until, tuple(versions), draft) for part in parts
    ]
    for counts, part_flips in _judged(desk, orders, processes):
        tally.add(counts)
        keep(part_flips)
        if not go_on(tally.judged, total):
            break
    return tally


@dataclass(frozen=True)
class _Order:
    """One part of a backtest, as it goes to another process."""

    first_id: str
    last_id: str
    since: datetime
    until: datetime
    versions: tuple[Policy, ...]
    draft: Policy


_Part = tuple[Tally, list[Flip]]


def _judged(desk: Desk, orders: Sequence[_Order], processes: int | None) -> Iterator[_Part]:
    """Each part judged, as they get ready; the rest is given up when nobody asks for more."""
    count = min(processes if processes is not None else os.cpu_count() or 1, PROCESSES_MAX, len(orders))
    if count < 2:
        with desk.reading() as conn:
            for order in orders:
                yield _judge_part(conn, order, desk.gazetteer, desk.phone_book)
        return
    url = desk.engine.url.render_as_string(hide_password=False)
    pool = ProcessPoolExecutor(
        count, get_context("spawn"), initializer=_open, initargs=(url, desk.gazetteer, desk.phone_book)
    )
    try:
        running: list[Future[_Part]] = [pool.submit(_judge_there, order) for order in orders]
        for done in as_completed(running):
            yield done.result()
    finally:
        pool.shutdown(wait=True, cancel_futures=True)


# What a judging process has, opened once.
_here: Row = {}


def _open(url: str, gazetteer: Gazetteer, phone_book: PhoneBook) -> None:
    _here.update(engine=make_engine(url, APP_ROLE, pool_size=1), gazetteer=gazetteer, phone_book=phone_book)


def _judge_there(order: _Order) -> _Part:
    with translated(), _here["engine"].connect() as conn:
        return _judge_part(conn, order, _here["gazetteer"], _here["phone_book"])


def _judge_part(conn: Any, order: _Order, gazetteer: Gazetteer, phone_book: PhoneBook) -> _Part:
    rows = queries.backtests.claims(
        conn, first_id=order.first_id, last_id=order.last_id, since=order.since, until=order.until
    )
    tally, changed = Tally(), []
    for row in rows:
        bundle = parse(row["facts"])
        was = assess(bundle, in_force(order.versions, bundle.charge.charged_at), gazetteer, phone_book)
        becomes = was
        if may_differ(was, bundle, order.draft):
            becomes = reassess(was, bundle, order.draft, gazetteer)
        _count(tally, bundle, row, was, becomes)
        if was.recommendation != becomes.recommendation:
            changed.append(_flip(bundle, row, was, becomes))
    return tally, changed


def _count(tally: Tally, bundle: Bundle, row: Row, was: Assessment, becomes: Assessment) -> None:
    tally.judged += 1
    report, charge = bundle.report, bundle.charge
    if was.recommendation != becomes.recommendation:
        key = (was.recommendation, becomes.recommendation, report.reason, row["category"], charge.currency)
        counts = tally.moves[key]
        counts[0] += 1
        counts[1] += charge.amount
    if row["decision"] is None:
        return
    for by, said in (("old", was.recommendation), ("draft", becomes.recommendation)):
        if said != "review":
            agreed = tally.agreement[CLAUSE_OF_REASON[report.reason], by]
            agreed[0] += 1
            agreed[1] += said == row["decision"]


def _flip(bundle: Bundle, row: Row, was: Assessment, becomes: Assessment) -> Flip:
    return Flip(
        report_id=bundle.report.report_id,
        reason=bundle.report.reason,
        category=row["category"],
        currency=bundle.charge.currency,
        amount=bundle.charge.amount,
        was=was.recommendation,
        becomes=becomes.recommendation,
        decision=row["decision"],
        changed=changed_checks(was, becomes),
    )


def changed_checks(was: Assessment, becomes: Assessment) -> list[Row]:
    """The checks that differ: id, clause, status and sentence by the old and by the new."""
    return [
        {
            "id": old.id,
            "clause": old.clause,
            "was": old.status,
            "becomes": new.status,
            "why_was": old.why,
            "why_becomes": new.why,
        }
        for old, new in zip(was.checks, becomes.checks, strict=True)
        if old.status != new.status
    ]


# -- in the shadow ------------------------------------------------------------------------------------


def judge_in_shadow(desk: Desk, limit: int = SHADOW_A_PASS_MAX) -> Work:
    """Judges new reports by every draft that runs in the shadow; count of judged. Safe to repeat."""
    with desk.reading() as conn:
        due = queries.backtests.shadow_due(conn, limit=limit)
        if not due:
            return Work()
        versions = policies(conn)
        shadows = {row["draft_id"]: row for row in queries.policies.drafts(conn)}
    now = desk.clock()
    with desk.transaction() as conn:
        for row in due:
            bundle = parse(row["facts"])
            draft = policy_of(shadows[row["draft_id"]], now)
            live = in_force(versions, bundle.charge.charged_at)
            was = assess(bundle, live, desk.gazetteer, desk.phone_book)
            becomes = reassess(was, bundle, draft, desk.gazetteer)
            queries.backtests.keep_shadow(
                conn,
                draft_id=row["draft_id"],
                revision=row["revision"],
                report_id=row["report_id"],
                was=was.recommendation,
                becomes=becomes.recommendation,
                changed=json.dumps(changed_checks(was, becomes)),
                at=now,
            )
    return Work({"judged": len(due)}, more=len(due) == limit)


@dataclass(frozen=True)
class Shadow:
    """How a draft in the shadow compares so far: (was, becomes) to claims, and the newest that differ."""

    counts: Counter[tuple[str, str]]
    flips: list[Row]


@command("backtest")
def shadow(desk: Desk, actor: Person, draft_id: int, revision: int) -> Shadow:
    """The running comparison of a draft that judges new reports silently."""
    with desk.reading() as conn:
        rows: Iterable[Row] = queries.backtests.shadow_counts(conn, draft_id=draft_id, revision=revision)
        newest_flips = queries.backtests.shadow_flips(
            conn, draft_id=draft_id, revision=revision, limit=FLIPS_A_PAGE
        )
    return Shadow(Counter({(row["was"], row["becomes"]): row["claims"] for row in rows}), newest_flips)
