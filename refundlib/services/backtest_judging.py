"""History judged twice: every claim by the version that counted and by a draft, and what is counted of it.

What people decided is no ground truth: a claim of which the draft says another thing "would differ", no more.
Parts of the history are judged by processes of their own, on every core; between parts it can be stopped.
"""

import os
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
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
from refundlib.domain.money import by_currency
from refundlib.domain.policy import Policy
from refundlib.domain.statistics import wilson
from refundlib.services.desk import Desk
from refundlib.services.intake_snapshot import parse
from refundlib.services.policies import in_force, policies

PART_CLAIMS: Final = 4_000
PROCESSES_MAX: Final = 8
# Parts handed out ahead of what was taken in, a process: so much is in memory, however long the history.
PARTS_AHEAD: Final = 2
# Agreement whatever the clause: each decided claim once, which a denial on two clauses is not in their sum.
EVERY_CLAUSE: Final = "all"
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


def _neither() -> list[int]:
    return [0, 0]


@dataclass
class Tally:
    """What a backtest counts.

    moves: (was, becomes, reason, category, currency, people) to claims, charges and minor units; people is
    what they decided: `refunded`, `denied` or `undecided`. A charge is counted once, by its last claim.
    withdrawn: (was, becomes) of reports that were withdrawn, equal advice too; they are in no move.
    agreement: (clause or EVERY_CLAUSE, `old` or `draft`) to [n decided by people and advised either way, k
    agreeing]; decided: the claims people decided, advised or not.
    months: (month) of the reports, UTC, to [claims, claims that differ].
    money: (currency) to the charges reported and those of them that are decided, in minor units.
    windows: the days to report of the versions that counted, to claims. Withdrawn ones are in none of these.
    """

    judged: int = 0
    moves: dict[tuple[str, ...], list[int]] = field(default_factory=lambda: defaultdict(_none_yet))
    withdrawn: Counter[tuple[str, str]] = field(default_factory=Counter)
    agreement: dict[tuple[str, str], list[int]] = field(default_factory=lambda: defaultdict(_neither))
    decided: int = 0
    months: dict[tuple[str], list[int]] = field(default_factory=lambda: defaultdict(_neither))
    money: dict[tuple[str], list[int]] = field(default_factory=lambda: defaultdict(_neither))
    windows: Counter[int] = field(default_factory=Counter)

    def add(self, other: "Tally") -> None:
        """Adds another part's counts."""
        self.judged += other.judged
        self.decided += other.decided
        self.withdrawn += other.withdrawn
        self.windows += other.windows
        _add(self.moves, other.moves)
        _add(self.agreement, other.agreement)
        _add(self.months, other.months)
        _add(self.money, other.money)

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
            "decided": self.decided,
            "agreement": [
                agreement_json(clause, by, n, k) for (clause, by), (n, k) in sorted(self.agreement.items())
            ],
            "months": [
                {"month": month, "claims": claims, "differ": differ}
                for (month,), (claims, differ) in sorted(self.months.items())
            ],
            "money": [
                {"currency": currency, "reported": reported, "decided": decided}
                for (currency,), (reported, decided) in sorted(self.money.items())
            ],
            "windows": [{"days": days, "claims": n} for days, n in sorted(self.windows.items())],
        }


def _add(mine: dict[Key, list[int]], theirs: dict[Key, list[int]]) -> None:
    for key, counts in theirs.items():
        mine[key] = [sum(pair) for pair in zip(mine[key], counts, strict=True)]


def agreement_json(clause: str, by: str, n: int, k: int) -> Row:
    """How often an advice agrees with people: k of n, and the 95 % interval of the rate."""
    low, high = wilson(k, n)
    return {"clause": clause, "by": by, "n": n, "k": k, "low": round(low, 4), "high": round(high, 4)}


@dataclass(frozen=True)
class Credits:
    """What the advice on credits comes to: sums by currency, in minor units.

    more: denied by the old advice, approved by the draft's; less: the other way round.
    to_person: advised either way, and left to a person by the draft, with its claims; from_person: no longer.
    """

    more: dict[str, int]
    less: dict[str, int]
    to_person: dict[str, int]
    from_person: dict[str, int]
    to_person_claims: int
    from_person_claims: int


def credits_of(moves: Sequence[Row]) -> Credits:
    """The sums of moves as in a result: a claim left to a person is no credit, and no denial."""
    to_person = [move for move in moves if move["becomes"] == "review"]
    from_person = [move for move in moves if move["was"] == "review"]
    settled = [move for move in moves if "review" not in (move["was"], move["becomes"])]
    return Credits(
        more=by_currency(move for move in settled if move["becomes"] == "approve"),
        less=by_currency(move for move in settled if move["was"] == "approve"),
        to_person=by_currency(to_person),
        from_person=by_currency(from_person),
        to_person_claims=sum(move["claims"] for move in to_person),
        from_person_claims=sum(move["claims"] for move in from_person),
    )


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
        version = in_force(order.versions, bundle.charge.charged_at)
        was = assess(bundle, version, gazetteer, phone_book)
        becomes = was
        if may_differ(was, bundle, order.draft):
            becomes = reassess(was, bundle, order.draft, gazetteer)
        _count(tally, bundle, row, was, becomes)
        if not row["is_withdrawn"]:
            tally.windows[version.window_days] += 1
        if was.recommendation != becomes.recommendation:
            changed.append(_flip(bundle, row, was, becomes))
    return tally, changed


def _count(tally: Tally, bundle: Bundle, row: Row, was: Assessment, becomes: Assessment) -> None:
    tally.judged += 1
    if row["is_withdrawn"]:
        tally.withdrawn[was.recommendation, becomes.recommendation] += 1
        return
    differs = was.recommendation != becomes.recommendation
    _count_all(tally, bundle, row, differs=differs)
    if differs:
        what = (bundle.report.reason, row["category"], bundle.charge.currency, PEOPLE_OF[row["decision"]])
        counts = tally.moves[(was.recommendation, becomes.recommendation, *what)]
        counts[0] += 1
        counts[1] += row["moves_money"]
        counts[2] += bundle.charge.amount * row["moves_money"]
    if row["decision"] is not None:
        _count_agreement(tally, bundle.report.reason, row["decision"], {"old": was, "draft": becomes})


def _count_all(tally: Tally, bundle: Bundle, row: Row, *, differs: bool) -> None:
    """What a claim adds whatever is advised: its month, and its charge's money."""
    reported_at = bundle.report.reported_at
    month = tally.months[(f"{reported_at.year}-{reported_at.month:02}",)]
    month[0] += 1
    month[1] += differs
    if row["moves_money"]:
        money = tally.money[(bundle.charge.currency,)]
        money[0] += bundle.charge.amount
        money[1] += bundle.charge.amount * (row["decision"] is not None)


def _count_agreement(tally: Tally, reason: str, decision: str, sides: Mapping[str, Assessment]) -> None:
    tally.decided += 1
    for by, said in sides.items():
        if clauses := deciding_clauses(said, reason):
            for clause in (*clauses, EVERY_CLAUSE):
                agreed = tally.agreement[clause, by]
                agreed[0] += 1
                agreed[1] += said.recommendation == decision


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
