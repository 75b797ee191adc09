"""The daily close: what must hold before a day is signed, the signature, and the export frozen with it.

A close covers every day since the last one. What comes later of a closed day is booked on the first open day
(migration 0013), so that what was signed stays as it was.
"""

import json
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from typing import Any, Final

from sqlalchemy import Connection

from refundlib.db.engine import read_whole_tables
from refundlib.db.queries import queries
from refundlib.domain.errors import DayNotReady, NotFound, SamePerson, WrongState
from refundlib.domain.journal import CLEARING
from refundlib.domain.money import by_currency, format_sums
from refundlib.domain.people import Person
from refundlib.domain.reconciling import BREAKS, UNEXPLAINED_DAYS, complete_at, complete_until
from refundlib.services import audit, reconciliation
from refundlib.services.desk import Desk, command
from refundlib.services.ledger import balances_at, journal_text, start_of

SHOWN_MAX: Final = 60
LATE_SHOWN_MAX: Final = 200
NAMED_MAX: Final = 3

Row = dict[str, Any]


@dataclass(frozen=True)
class Step:
    """One thing that must hold: its id and name, whether it does, and a sentence of what to do."""

    id: str
    name: str
    ok: bool
    words: str


@dataclass(frozen=True)
class Clearing:
    """Our account at the processor over the days of a close (minor units): start + moved = end.

    ours, theirs: what it did since both sides are compared, by the ledger and by the processor's lines; their
    difference is what is expected, broken (named by a break or a proposal) and unexplained, thing by thing.
    """

    currency: str
    start: int
    moved: dict[str, int]
    end: int
    ours: int
    theirs: int
    expected: int
    broken: int
    unexplained: tuple[str, ...]


@dataclass(frozen=True)
class Readiness:
    """Whether days can be closed, from from_day to day, and all that was looked at."""

    day: date
    from_day: date
    steps: tuple[Step, ...]
    trial_balance: list[Row]
    clearing: tuple[Clearing, ...]

    @property
    def ok(self) -> bool:
        """Whether everything holds."""
        return all(step.ok for step in self.steps)


@command("read_reconciliation")
def readiness(desk: Desk, actor: Person, day: date) -> Readiness:
    """What stands in the way of this person closing the days up to `day`. Changes nothing.

    Raises WrongState when the day is closed already, or is not over.
    """
    with desk.reading() as conn:
        return _look(conn, actor, day, desk.clock())


def _look(conn: Connection, actor: Person, day: date, now: datetime) -> Readiness:
    closed: date | None = queries.closes.closed_until(conn)
    if closed is not None and day <= closed:
        following = closed + timedelta(days=1)
        raise WrongState(
            f"{day} is closed already. The next day to close is {following}: the processor's data of it is "
            f"complete at {complete_at(following):%Y-%m-%d %H:%M} UTC."
        )
    if day > now.date():
        raise WrongState(f"{day} lies in the future and cannot be closed.")
    if day >= complete_until(now):
        raise WrongState(
            f"{day} cannot be closed yet: the processor's data of it is complete at "
            f"{complete_at(day):%Y-%m-%d %H:%M} UTC."
        )
    from_day = closed + timedelta(days=1) if closed else day
    until = start_of(day + timedelta(days=1))
    trial = balances_at(conn, until)
    since = reconciliation.horizon(conn).since_moment
    waiting = reconciliation.proposed(conn, since)
    found = reconciliation.breaks_now(conn, now, since, waiting)
    named = {row[name] for row in (*found, *waiting) for name in ("subject_id", "line_id")}
    sides = _sides(conn, since, until, named)
    clearing = tuple(_clearing(conn, from_day, until, trial, sides))
    steps = (
        _zero(trial),
        _covered(conn, from_day, day),
        _posted(conn, since, until),
        _adds_up(clearing),
        _explained(found, until),
        _confirmed(waiting, until),
        _other_hands(conn, actor, from_day, until),
    )
    return Readiness(day, from_day, steps, trial, clearing)


def _zero(trial: list[Row]) -> Step:
    off = {currency: amount for currency, amount in by_currency(trial).items() if amount}
    words = f"It is off by {format_sums(off)}: run refunds check." if off else "Debits equal credits."
    return Step("zero", "Trial balance is zero", not off, words)


def _covered(conn: Connection, from_day: date, day: date) -> Step:
    missing = queries.reconciliation.days_missing(conn, from_day=from_day, until_day=day + timedelta(days=1))
    named = ", ".join(str(row["day"]) for row in missing[:NAMED_MAX])
    words = f"No report tells of {_more(named, missing)}. Import it." if missing else "Every day is there."
    return Step("covered", "The processor's report is imported", not missing, words)


def _posted(conn: Connection, since: datetime, until: datetime) -> Step:
    count = len(reconciliation.due_to_post(conn, since, until))
    words = f"{count} are not in the ledger. Post them." if count else "The ledger has them all."
    return Step("posted", "Fees and payouts are posted", not count, words)


def _adds_up(clearing: Iterable[Clearing]) -> Step:
    off = [each.currency for each in clearing if each.start + sum(each.moved.values()) != each.end]
    odd = [thing for each in clearing for thing in each.unexplained]
    words = "In every currency, and each difference to the processor is known."
    if off:
        words = f"Not in {', '.join(off)}: run refunds check."
    elif odd:
        named = ", ".join(odd[:NAMED_MAX])
        words = f"Both sides have other amounts, and no break says why: {_more(named, odd)}."
    return Step("adds_up", "Start + activity − payouts = end", not (off or odd), words)


def _explained(found: list[Row], until: datetime) -> Step:
    """No break of these days without an explanation for too long; an unknown category never waits."""
    open_breaks = [row for row in found if row["at"] < until and not row["explanation"]]
    stops = [
        row
        for row in open_breaks
        if row["age_days"] >= UNEXPLAINED_DAYS or row["class"] == "unknown_category"
    ]
    named = ", ".join(f"{BREAKS[row['class']][0].lower()} {row['subject_id']}" for row in stops[:NAMED_MAX])
    words = f"Explain {_more(named, stops)}." if stops else f"{len(open_breaks)} younger ones are open."
    return Step("explained", f"No break older than {UNEXPLAINED_DAYS} days is unexplained", not stops, words)


def _confirmed(waiting: list[Row], until: datetime) -> Step:
    lines = {row["line_id"] for row in waiting if row["created_at"] < until}
    words = f"To be confirmed: {len(lines)}." if lines else "None waits."
    return Step("confirmed", "Proposed matches are confirmed or refused", not lines, words)


def _other_hands(conn: Connection, actor: Person, from_day: date, until: datetime) -> Step:
    own = queries.closes.decided_by(conn, person_id=actor.person_id, since=start_of(from_day), until=until)
    named = ", ".join(row["report_id"] for row in own)
    words = f"{actor.name} decided {named}: another person signs." if own else f"{actor.name} decided none."
    return Step("other_hands", "Signed by somebody who decided none of these claims", not own, words)


def _more(named: str, rows: Sequence[Any]) -> str:
    return f"{named} and {len(rows) - NAMED_MAX} more" if len(rows) > NAMED_MAX else named


# -- our account at the processor -------------------------------------------------------------------------


def _clearing(
    conn: Connection, from_day: date, until: datetime, trial: list[Row], sides: "dict[str, _Side]"
) -> Iterable[Clearing]:
    since = start_of(from_day)
    start = _clearing_of(balances_at(conn, since))
    end = _clearing_of(trial)
    moved: dict[str, dict[str, int]] = {}
    for row in queries.closes.movements(conn, since=since, until=until):
        moved.setdefault(row["currency"], {})[row["kind"]] = row["amount"]
    for currency in sorted({*start, *end, *sides}):
        side = sides.get(currency, _Side())
        yield Clearing(
            currency,
            start.get(currency, 0),
            moved.get(currency, {}),
            end.get(currency, 0),
            side.ours,
            side.theirs,
            side.expected,
            side.broken,
            tuple(side.unexplained),
        )


@dataclass
class _Side:
    """One currency of both sides (minor units)."""

    ours: int = 0
    theirs: int = 0
    expected: int = 0
    broken: int = 0
    unexplained: list[str] = field(default_factory=list)


def _clearing_of(trial: list[Row]) -> dict[str, int]:
    return {row["currency"]: row["amount"] for row in trial if row["account"] == CLEARING}


def _sides(conn: Connection, since: datetime, until: datetime, named: set[str]) -> dict[str, _Side]:
    """By currency: what the ledger and the processor say, and what their difference is made of.

    named: the things of which a break or a proposal tells.
    """
    sides: dict[str, _Side] = defaultdict(_Side)
    if since >= until:
        return sides
    for currency, amount in by_currency(queries.closes.movements(conn, since=since, until=until)).items():
        sides[currency].ours = amount
    activity = queries.reconciliation.activity(conn, since=since, until=until)
    for currency, amount in by_currency(activity, "net").items():
        sides[currency].theirs = amount
    for row in queries.reconciliation.two_sides(conn, since=since, until=until):
        _sort(sides[row["currency"]], row, named)
    return sides


def _sort(side: _Side, thing: Row, named: set[str]) -> None:
    """A thing on which the two sides differ: a break says so, or it is expected, or nobody knows why."""
    difference = thing["ours"] - thing["theirs"]
    if thing["id"] in named:
        side.broken += difference
    elif _is_expected(thing):
        side.expected += difference
    else:
        side.unexplained.append(f"{thing['kind']} {thing['id']}")


def _is_expected(thing: Row) -> bool:
    """Whether only time is between the two: not posted, not due yet, on its way, from before the first day.

    Were it due, a break would name it.
    """
    if thing["kind"] == "line":
        return True
    if thing["kind"] == "payout":
        return not (thing["ours"] and thing["theirs"])
    return thing["kind"] in ("payment", "adjustment") and not thing["theirs"]


# -- closing ----------------------------------------------------------------------------------------------


@command("close_day")
def close(desk: Desk, actor: Person, day: date) -> str:
    """Signs the days up to `day` and freezes their journal; its SHA-256.

    Raises WrongState, SamePerson, DayNotReady with all that stands in the way.
    """
    now = desk.clock()
    with desk.transaction() as conn:
        read_whole_tables(conn)
        # No report comes in while this looks, and no posting: what is signed is what was looked at.
        queries.reconciliation.lock_imports(conn)
        queries.closes.hold(conn)
        ready = _look(conn, actor, day, now)
        _demand_ready(ready)
        journal = journal_text(conn, ready.from_day, day + timedelta(days=1))
        queries.closes.write(
            conn,
            day=day,
            from_day=ready.from_day,
            signed_by=actor.person_id,
            signed_at=now,
            figures=json.dumps(_figures(ready)),
            journal=journal,
        )
        sha256: str = queries.closes.journal_of(conn, day=day)["sha256"]
        new = {"from_day": ready.from_day, "sha256": sha256}
        audit.record(conn, actor, "day_closed", now, subject=str(day), new=new)
    return sha256


def _demand_ready(ready: Readiness) -> None:
    *others, hands = ready.steps
    in_the_way = [f"{step.name}: {step.words}" for step in others if not step.ok]
    if in_the_way:
        raise DayNotReady(f"{ready.day} cannot be closed. " + " ".join(in_the_way))
    if not hands.ok:
        raise SamePerson(f"{ready.day} cannot be closed by you. {hands.words}")


def _figures(ready: Readiness) -> Row:
    return {
        "trial_balance": [
            {name: row[name] for name in ("account", "currency", "amount", "debit", "credit")}
            for row in ready.trial_balance
        ],
        "clearing": [each.__dict__ for each in ready.clearing],
        "steps": [step.__dict__ for step in ready.steps],
    }


@command("read_reconciliation")
def listing(desk: Desk, actor: Person) -> list[Row]:
    """The newest closes: days, who signed and when, figures, SHA-256 of the journal, what came late."""
    with desk.reading() as conn:
        rows: list[Row] = queries.closes.listing(conn, limit=SHOWN_MAX)
    return rows


@command("read_reconciliation")
def late(desk: Desk, actor: Person) -> list[Row]:
    """What came after its day was closed, the newest first, and the day it is booked on."""
    with desk.reading() as conn:
        rows: list[Row] = queries.closes.late(conn, limit=LATE_SHOWN_MAX)
    return rows


@command("read_reconciliation")
def frozen_journal(desk: Desk, actor: Person, day: date) -> str:
    """The journal as it was frozen with the close of a day. Raises NotFound."""
    with desk.reading() as conn:
        row = queries.closes.journal_of(conn, day=day)
    if row is None:
        raise NotFound(f"No close ends with {day}. The closes are listed on the daily close page.")
    return str(row["journal"])


@command("read_reconciliation")
def next_day(desk: Desk, actor: Person) -> date:
    """The day to close next: the one after the last closed, else the last that is complete."""
    with desk.reading() as conn:
        closed: date | None = queries.closes.closed_until(conn)
    newest = complete_until(desk.clock()) - timedelta(days=1)
    return min(closed + timedelta(days=1), newest) if closed else newest
