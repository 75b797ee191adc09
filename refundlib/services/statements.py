"""What one pro has and how it came about: the statement that adds up, and the credits behind the balance."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from refundlib.db.queries import queries
from refundlib.domain.errors import BadFigure, NotFound
from refundlib.domain.people import Person
from refundlib.services.desk import Desk, command
from refundlib.services.written import containing

LINES_MAX: Final = 5_000
CREDITS_MAX: Final = 200
USES_MAX: Final = 200
PROS_FOUND_MAX: Final = 20

Row = dict[str, Any]


@dataclass(frozen=True)
class Statement:
    """A pro's account in one currency over a stretch of time (minor units).

    lines: rows with kind, source_id, occurred_at, balance and held (what the posting did to each) and
    balance_after, held_after; each line's after is the one before plus its own. credits: the lots.
    """

    pro_id: str
    pro_name: str
    currency: str
    since: datetime
    until: datetime
    opening_balance: int
    opening_held: int
    lines: list[Row]
    balance_now: int
    held_now: int
    credits: list[Row]

    @property
    def closing_balance(self) -> int:
        """What was on the balance at the end of the stretch."""
        return int(self.lines[-1]["balance_after"]) if self.lines else self.opening_balance

    @property
    def closing_held(self) -> int:
        """What was held at the end of the stretch."""
        return int(self.lines[-1]["held_after"]) if self.lines else self.opening_held


@command("read_statement")
def statement(
    desk: Desk,
    actor: Person,
    pro_id: str,
    since: datetime,
    until: datetime,
    currency: str | None = None,
) -> Statement:
    """A pro's statement from `since` until `until` (not included); the first currency unless given.

    Raises NotFound; BadFigure above LINES_MAX lines.
    """
    with desk.reading() as conn:
        pro = queries.statements.pro(conn, pro_id=pro_id)
        if pro is None:
            raise NotFound(f"There is no pro {pro_id!r}. Search by the pro's name.")
        accounts = {row["currency"]: row for row in queries.statements.accounts(conn, pro_id=pro_id)}
        chosen = currency or next(iter(accounts), "USD")
        key = {"pro_id": pro_id, "currency": chosen}
        opening = queries.statements.opening(conn, **key, since=since)
        lines = queries.statements.lines(conn, **key, since=since, until=until, limit=LINES_MAX + 1)
        credits = queries.statements.credits(conn, **key, limit=CREDITS_MAX)
    if len(lines) > LINES_MAX:
        raise BadFigure(f"That stretch has more than {LINES_MAX:,} lines; choose a shorter one.")
    now = accounts.get(chosen, {"balance": 0, "held": 0})
    return Statement(
        pro_id,
        pro["name"],
        chosen,
        since,
        until,
        opening["balance"],
        opening["held"],
        _running(lines, opening["balance"], opening["held"]),
        now["balance"],
        now["held"],
        credits,
    )


def _running(lines: list[Row], balance: int, held: int) -> list[Row]:
    """The lines, each with what there was after it."""
    for line in lines:
        balance += line["balance"]
        held += line["held"]
        line |= {"balance_after": balance, "held_after": held}
    return lines


@command("read_statement")
def currencies(desk: Desk, actor: Person, pro_id: str) -> list[str]:
    """The currencies in which a pro has, or had, anything."""
    with desk.reading() as conn:
        return [row["currency"] for row in queries.statements.accounts(conn, pro_id=pro_id)]


@command("read_statement")
def uses_of(desk: Desk, actor: Person, lot_id: str) -> list[Row]:
    """What took from a credit and what came back to it: kind, source_id, occurred_at, amount, lead_id."""
    with desk.reading() as conn:
        rows: list[Row] = queries.statements.uses_of(conn, lot_id=lot_id, limit=USES_MAX)
    return rows


@command("read_statement")
def find_pros(desk: Desk, actor: Person, text: str) -> list[Row]:
    """Pros by a part of their name, or by id: pro_id and name, PROS_FOUND_MAX at most."""
    words = text.strip()
    if not words:
        return []
    with desk.reading() as conn:
        rows: list[Row] = queries.statements.find_pros(
            conn, like=containing(words), exact=words, limit=PROS_FOUND_MAX
        )
    return rows
