"""History judged twice: every claim by the version that counted and by a draft, and what is counted of it.

What people decided is no ground truth: a claim of which the draft says another thing "would differ", no more.
Parts of the history are judged by processes of their own, on every core; between parts it can be stopped.
"""

import os
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from dataclasses import dataclass, field
from datetime import datetime
from itertools import islice
from multiprocessing import get_context
from typing import Any, Final, TypeVar

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
from refundlib.domain.policy import Policy
from refundlib.domain.statistics import wilson
from refundlib.services.desk import Desk
from refundlib.services.intake_snapshot import parse
from refundlib.services.policies import in_force, policies

PART_CLAIMS: Final = 4_000
PROCESSES_MAX: Final = 8
# Parts handed out ahead of what was taken in, a process: so much is in memory, however long the history.
PARTS_AHEAD: Final = 2
PEOPLE_OF: Final = {"approve": "refunded", "deny": "denied", None: "undecided"}

Row = dict[str, Any]
Key = TypeVar("Key", bound=tuple[str, ...])


@dataclass(frozen=True)
class Flip:
    """A claim of which the draft says something else: amount in minor units, the checks that differ, why.

    moves_money: whether the charge is counted by this claim: its last in the period that was not withdrawn.
    """

    report_id: str
    charge_id: str
    reason: str
    category: str
    currency: str
    amount: int
    was: str
    becomes: str
    decision: str | None
    is_withdrawn: bool
    moves_money: bool
    changed: list[Row]


# How many are judged, of how many, and the flips of the part that was; False stops it.
OnPart = Callable[[int, int, Sequence[Flip]], bool]


def _none_yet() -> list[int]:
    return [0, 0, 0]


def _no_agreement() -> list[int]:
    return [0, 0]


@dataclass
class Tally:
    """What a backtest counts.

    moves: (was, becomes, reason, category, currency, people) to claims, charges and minor units; people is
    what they decided: `refunded`, `denied` or `undecided`. A charge is counted once, by its last claim.
    withdrawn: (was, becomes) of reports that were withdrawn, equal advice too; they are in no move.
    agreement: (clause, `old` or `draft`) to [n decided by people and advised either way, k agreeing].
    """

    judged: int = 0
    moves: dict[tuple[str, ...], list[int]] = field(default_factory=lambda: defaultdict(_none_yet))
    withdrawn: Counter[tuple[str, str]] = field(default_factory=Counter)
    agreement: dict[tuple[str, str], list[int]] = field(default_factory=lambda: defaultdict(_no_agreement))

    def add(self, other: "Tally") -> None:
        """Adds another part's counts."""
        self.judged += other.judged
        self.withdrawn += other.withdrawn
        _add(self.moves, other.moves)
        _add(self.agreement, other.agreement)

    @property
    def differ(self) -> int:
        """The claims of which the draft says something else, withdrawn ones not among them."""
        return sum(claims for claims, _charges, _amount in self.moves.values())

    @property
    def withdrawn_differ(self) -> int:
        """The withdrawn reports of which it does."""
        return sum(n for (was, becomes), n in self.withdrawn.items() if was != becomes)

    def to_json(self) -> Row:
        """As it is kept and printed."""
        names = ("was", "becomes", "reason", "category", "currency", "people")
        return {
            "judged": self.judged,
            "differ": self.differ,
            "moves": [
                {**dict(zip(names, key, strict=True)), "claims": claims, "charges": charges, "amount": amount}
                for key, (claims, charges, amount) in sorted(self.moves.items())
            ],
            "withdrawn": {"judged": self.withdrawn.total(), "differ": self.withdrawn_differ},
            "agreement": [
                agreement_json(clause, by, n, k) for (clause, by), (n, k) in sorted(self.agreement.items())
            ],
        }


def _add(mine: dict[Key, list[int]], theirs: dict[Key, list[int]]) -> None:
    for key, counts in theirs.items():
        mine[key] = [sum(pair) for pair in zip(mine[key], counts, strict=True)]


def agreement_json(clause: str, by: str, n: int, k: int) -> Row:
    """How often an advice agrees with people: k of n, and the 95 % interval of the rate."""
    low, high = wilson(k, n)
    return {"clause": clause, "by": by, "n": n, "k": k, "low": round(low, 4), "high": round(high, 4)}


def judge_history(
    desk: Desk,
    draft: Policy,
    since: datetime,
    until: datetime,
    on_part: OnPart,
    processes: int | None = None,
) -> Tally:
    """Judges every claim reported in a period by its version and by a draft; the counts of all parts.

    on_part is asked before the first part, with no flips, and after each.
    processes: 0 judges in this one, None uses every core up to PROCESSES_MAX.
    """
    with desk.reading() as conn:
        parts = queries.backtests.parts(conn, since=since, until=until, size=PART_CLAIMS)
        versions = policies(conn)
    total, tally = sum(part["claims"] for part in parts), Tally()
    if not on_part(0, total, ()):
        return tally
    orders = [
        Order(part["first_id"], part["last_id"], since, until, tuple(versions), draft) for part in parts
    ]
    for counts, flips in _judged(desk, orders, processes):
        tally.add(counts)
        if not on_part(tally.judged, total, flips):
            break
    return tally


# -- parts, and the processes that judge them -------------------------------------------------------------


@dataclass(frozen=True)
class Order:
    """One part of a backtest, as it goes to another process."""

    first_id: str
    last_id: str
    since: datetime
    until: datetime
    versions: tuple[Policy, ...]
    draft: Policy


_Part = tuple[Tally, list[Flip]]


def _judged(desk: Desk, orders: Sequence[Order], processes: int | None) -> Iterator[_Part]:
    """Each part judged, as they get ready; the rest is given up when nobody asks for more."""
    count = min(processes if processes is not None else os.cpu_count() or 1, PROCESSES_MAX, len(orders))
    if count < 2:
        for order in orders:
            with desk.reading() as conn:
                part = judge_part(conn, order, desk.gazetteer, desk.phone_book)
            yield part
        return
    url = desk.engine.url.render_as_string(hide_password=False)
    pool = ProcessPoolExecutor(
        count, get_context("spawn"), initializer=_open, initargs=(url, desk.gazetteer, desk.phone_book)
    )
    try:
        waiting = iter(orders)
        running = {pool.submit(_judge_there, order) for order in islice(waiting, count * PARTS_AHEAD)}
        while running:
            done, running = wait(running, return_when=FIRST_COMPLETED)
            running |= {pool.submit(_judge_there, order) for order in islice(waiting, len(done))}
            yield from _results(done)
    finally:
        pool.shutdown(wait=True, cancel_futures=True)


def _results(done: set[Future[_Part]]) -> Iterator[_Part]:
    """Each result, let go of when it was taken."""
    while done:
        yield done.pop().result()


# What a judging process has, opened once.
_here: Row = {}


def _open(url: str, gazetteer: Gazetteer, phone_book: PhoneBook) -> None:
    _here.update(engine=make_engine(url, APP_ROLE, pool_size=1), gazetteer=gazetteer, phone_book=phone_book)


def _judge_there(order: Order) -> _Part:
    with translated(), _here["engine"].connect() as conn:
        return judge_part(conn, order, _here["gazetteer"], _here["phone_book"])


# -- one part ---------------------------------------------------------------------------------------------


def judge_part(conn: Any, order: Order, gazetteer: Gazetteer, phone_book: PhoneBook) -> _Part:
    """The counts of a part's claims, and those of which the draft says something else."""
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
    if row["is_withdrawn"]:
        tally.withdrawn[was.recommendation, becomes.recommendation] += 1
        return
    report, charge = bundle.report, bundle.charge
    if was.recommendation != becomes.recommendation:
        what = (was.recommendation, becomes.recommendation, report.reason, row["category"], charge.currency)
        counts = tally.moves[(*what, PEOPLE_OF[row["decision"]])]
        counts[0] += 1
        counts[1] += row["moves_money"]
        counts[2] += charge.amount * row["moves_money"]
    if row["decision"] is None:
        return
    for by, said in (("old", was), ("draft", becomes)):
        for clause in deciding_clauses(said, report.reason):
            agreed = tally.agreement[clause, by]
            agreed[0] += 1
            agreed[1] += said.recommendation == row["decision"]


def deciding_clauses(said: Assessment, reason: str) -> set[str]:
    """The clauses an advice rests on: of every check that fails, or the reason's own for an approval.

    None for a look: it advises neither. W2 is never among them: without a conversation a person looks.
    """
    if said.recommendation == "approve":
        return {CLAUSE_OF_REASON[reason]}
    return {check.clause for check in said.checks if check.status == "fail"}


def _flip(bundle: Bundle, row: Row, was: Assessment, becomes: Assessment) -> Flip:
    return Flip(
        report_id=bundle.report.report_id,
        charge_id=bundle.charge.charge_id,
        reason=bundle.report.reason,
        category=row["category"],
        currency=bundle.charge.currency,
        amount=bundle.charge.amount,
        was=was.recommendation,
        becomes=becomes.recommendation,
        decision=row["decision"],
        is_withdrawn=row["is_withdrawn"],
        moves_money=row["moves_money"],
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
