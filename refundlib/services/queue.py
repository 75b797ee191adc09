"""The queue: undecided reports by time left, filtered, a page at a time, and the counters above it."""

import json
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, Final

from refundlib.db.queries import queries
from refundlib.domain.errors import BadFigure
from refundlib.domain.money import format_money
from refundlib.domain.people import Person
from refundlib.services.desk import Desk, command
from refundlib.services.written import containing

PAGE_ROWS: Final = 50
PAGE_ROWS_MAX: Final = 500
SOON_HOURS: Final = 6
SEARCH_CHARACTERS_MAX: Final = 100
# Of a common word, so many claims are looked at; the newest of them are shown.
WORD_HITS_MAX: Final = 2_000
SAVED_MAX: Final = 20
NAME_CHARACTERS_MAX: Final = 40

STATES: Final = ("open", "late", "soon", "waiting", "second", "decided")
_BEGINNING: Final = (datetime(1, 1, 2, tzinfo=UTC), "")
_END: Final = (datetime(9999, 1, 1, tzinfo=UTC), "")

Row = dict[str, Any]


@dataclass(frozen=True)
class Filters:
    """What the queue shows; None filters nothing. Amounts in minor units; whose: "mine" or "free"."""

    state: str = "open"
    reason: str | None = None
    category: str | None = None
    recommendation: str | None = None
    whose: str | None = None
    amount_from: int | None = None
    amount_to: int | None = None
    search: str | None = None


@dataclass(frozen=True)
class Page:
    """Rows of the queue, and where the next page begins (None at the end)."""

    rows: list[Row]
    next_after: str | None


@command("read_queue")
def page(
    desk: Desk, actor: Person, filters: Filters, *, after: str | None = None, limit: int = PAGE_ROWS
) -> Page:
    """A page of reports. after: the next_after of the page before. Raises BadFigure."""
    if filters.state not in STATES:
        raise BadFigure(f"There is no state {filters.state!r}; choose one of {', '.join(STATES)}.")
    limit = min(limit, PAGE_ROWS_MAX)
    rows = (
        _decided(desk, after, limit + 1)
        if filters.state == "decided"
        else _open(desk, actor, filters, after, limit + 1)
    )
    more = len(rows) > limit
    shown = [_told(row) for row in rows[:limit]]
    return Page(shown, _place(shown[-1], filters.state) if more else None)


@command("read_queue")
def listing(desk: Desk, actor: Person, *, state: str = "open", limit: int = PAGE_ROWS) -> list[Row]:
    """The first reports of a state, for the command line."""
    return page(desk, actor, Filters(state=state), limit=limit).rows


@command("read_queue")
def counters(desk: Desk, actor: Person) -> dict[str, int]:
    """How many reports are open, late, soon (6 h), waiting, at the second approval, and mine."""
    now = desk.clock()
    with desk.reading() as conn:
        counts: dict[str, int] = queries.queue.counters(
            conn, now=now, soon_at=now + timedelta(hours=SOON_HOURS), actor=actor.person_id
        )
    return counts


@command("read_queue")
def categories(desk: Desk, actor: Person) -> list[str]:
    """The categories of the undecided reports."""
    with desk.reading() as conn:
        return [row["category"] for row in queries.queue.categories(conn)]


def _open(desk: Desk, actor: Person, filters: Filters, after: str | None, limit: int) -> list[Row]:
    now = desk.clock()
    deadline, report_id = _read_place(after) if after else _BEGINNING
    search = (filters.search or "").strip()[:SEARCH_CHARACTERS_MAX]
    with desk.reading() as conn:
        rows: list[Row] = queries.queue.page(
            conn,
            state=filters.state,
            now=now,
            soon_at=now + timedelta(hours=SOON_HOURS),
            actor=actor.person_id,
            reason=filters.reason,
            category=filters.category,
            recommendation=filters.recommendation,
            whose=filters.whose,
            amount_from=filters.amount_from,
            amount_to=filters.amount_to,
            pattern=containing(search) if search else None,
            words=search,
            after_deadline=deadline,
            after_id=report_id,
            limit=limit,
        )
        if search and not after:
            rows += queries.queue.named(
                conn, id=search, words=search, looked_at=WORD_HITS_MAX, limit=PAGE_ROWS
            )
    return rows


def _decided(desk: Desk, after: str | None, limit: int) -> list[Row]:
    decided, decision_id = _read_place(after) if after else _END
    with desk.reading() as conn:
        rows: list[Row] = queries.queue.decided(
            conn, after_decided=decided, after_id=decision_id, limit=limit
        )
    return rows


def _place(row: Row, state: str) -> str:
    """Where a page ends, as a text for the address."""
    if state == "decided":
        return f"{row['decided_at'].isoformat()}~{row['decision_id']}"
    return f"{row['deadline_at'].isoformat()}~{row['report_id']}"


def _read_place(after: str) -> tuple[datetime, str]:
    moment, _, row_id = after.partition("~")
    try:
        return datetime.fromisoformat(moment).astimezone(UTC), row_id
    except (ValueError, OverflowError):
        raise BadFigure(
            "That page of the queue does not exist. Open the queue from its first page."
        ) from None


def _told(row: Row) -> Row:
    return {**row, "amount_text": format_money(row["amount"], row["currency"])}


# -- who looks at what, and filters kept --------------------------------------------------------------


@command("read_queue")
def look(desk: Desk, actor: Person, report_id: str) -> list[str]:
    """Notes that the person has a claim open; the names of the others who have. Lasts 45 s unless renewed."""
    now = desk.clock()
    with desk.transaction() as conn:
        queries.queue.look(conn, person_id=actor.person_id, report_id=report_id, now=now)
        rows = queries.queue.lookers(conn, person_id=actor.person_id, report_id=report_id, now=now)
    return [row["name"] for row in rows]


@command("read_queue")
def saved_filters(desk: Desk, actor: Person) -> dict[str, dict[str, str]]:
    """The person's filters by name, each as the address has it."""
    with desk.reading() as conn:
        rows = queries.queue.saved_filters(conn, person_id=actor.person_id)
    return {row["name"]: row["filters"] for row in rows}


@command("read_queue")
def save_filter(desk: Desk, actor: Person, name: str, filters: dict[str, str]) -> None:
    """Keeps filters under a name, in place of the same name's before. Raises BadFigure."""
    name = name.strip()
    if not 0 < len(name) <= NAME_CHARACTERS_MAX:
        raise BadFigure(f"Give the filters a name of 1 to {NAME_CHARACTERS_MAX} characters.")
    if not filters:
        raise BadFigure("Nothing is filtered now; set a filter first, then keep it.")
    kept = saved_filters(desk, actor)
    if name not in kept and len(kept) >= SAVED_MAX:
        raise BadFigure(f"There are {SAVED_MAX} saved filters already; remove one first.")
    with desk.transaction() as conn:
        queries.queue.save_filter(conn, person_id=actor.person_id, name=name, filters=json.dumps(filters))


@command("read_queue")
def forget_filter(desk: Desk, actor: Person, name: str) -> None:
    """Removes filters kept under a name; without them nothing happens."""
    with desk.transaction() as conn:
        queries.queue.forget_filter(conn, person_id=actor.person_id, name=name)
