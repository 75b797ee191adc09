"""Second, blind looks: a sample of decisions, judged once more by people who do not see the first."""

import json
from dataclasses import dataclass
from datetime import date
from typing import Any, Final

from refundlib.db.queries import queries
from refundlib.domain.errors import AlreadyDecided, BadFigure, NotFound, ReasonMissing, SamePerson
from refundlib.domain.masking import mask_text
from refundlib.domain.people import Person, is_masked
from refundlib.domain.statistics import cohens_kappa
from refundlib.services import audit
from refundlib.services.desk import Desk, command

SAMPLE_MAX: Final = 1_000
ROWS_MAX: Final = 100

Row = dict[str, Any]


@dataclass(frozen=True)
class Agreement:
    """What second looks say: table (first, second) → n; kappa with its 95 % interval, or None."""

    table: dict[tuple[str, str], int]
    kappa: tuple[float, float, float] | None
    differing: list[Row]

    @property
    def n(self) -> int:
        """How many were looked at twice."""
        return sum(self.table.values())


@command("draw_sample")
def draw(desk: Desk, actor: Person, from_day: date, to_day: date, size: int, seed: str) -> int:
    """Draws decisions of some UTC days (to_day exclusive); how many. The same seed draws the same ones.

    Raises BadFigure for a size outside 1 to SAMPLE_MAX, an empty seed or days that end before they begin.
    """
    if not 1 <= size <= SAMPLE_MAX:
        raise BadFigure(f"A sample has 1 to {SAMPLE_MAX} decisions, not {size}.")
    if not seed.strip():
        raise BadFigure("A sample needs a seed, any word: it makes the drawing repeatable.")
    if to_day <= from_day:
        raise BadFigure(f"The sample's days end on {to_day} before they have begun on {from_day}.")
    now = desk.clock()
    with desk.transaction() as conn:
        sample_id = queries.second_looks.add_sample(
            conn,
            seed=seed,
            from_day=from_day,
            to_day=to_day,
            size=size,
            drawn_by=actor.person_id,
            drawn_at=now,
        )
        count: int = queries.second_looks.draw(conn, sample_id=sample_id)
        drawn = {"seed": seed, "from": from_day, "to": to_day, "size": size, "drawn": count}
        audit.record(conn, actor, "sample_drawn", now, subject=f"sample {sample_id}", new=drawn)
    return count


@command("second_look")
def following(desk: Desk, actor: Person) -> Row | None:
    """The next claim to look at, without who decided it and how; None when there is none for this person."""
    with desk.reading() as conn:
        row = queries.second_looks.next(conn, actor=actor.person_id)
    return None if row is None else {**row, "facts": json.loads(row["facts"])}


@command("second_look")
def record(desk: Desk, actor: Person, decision_id: str, decision: str, note: str) -> None:
    """Keeps what this person would have decided. note: why, due for every look.

    Raises NotFound, SamePerson (their own decision), AlreadyDecided (looked at already), ReasonMissing,
    BadFigure.
    """
    if decision not in ("approve", "deny"):
        raise BadFigure(f"A second look says approve or deny, not {decision!r}.")
    if not note.strip():
        raise ReasonMissing("Say in a few words why: it is what the two of you will talk about.")
    now = desk.clock()
    with desk.transaction() as conn:
        row = queries.second_looks.one(conn, decision_id=decision_id)
        if row is None:
            raise NotFound(f"No sample has the decision {decision_id!r}. Take the next one from the page.")
        if actor.person_id in (row["decided_by"], row["second_by"]):
            raise SamePerson(f"{actor.name} decided this claim; the second look is somebody else's.")
        look = {"looked_by": actor.person_id, "looked_at": now, "decision": decision, "note": note.strip()}
        if not queries.second_looks.add_look(conn, decision_id=decision_id, **look):
            raise AlreadyDecided(
                f"{decision_id} was looked at meanwhile by somebody else. Take the next one."
            )
        audit.record(
            conn,
            actor,
            "looked_again",
            now,
            subject=decision_id,
            report_id=row["report_id"],
            reason=note.strip(),
        )


@command("read_metrics")
def agreement(desk: Desk, actor: Person, from_day: date, to_day: date) -> Agreement:
    """How the second looks at decisions of some UTC days agree with the first."""
    with desk.reading() as conn:
        rows = queries.second_looks.compared(conn, from_day=from_day, to_day=to_day)
        differing = queries.second_looks.differing(conn, from_day=from_day, to_day=to_day, limit=ROWS_MAX)
    table = {(row["first"], row["second"]): row["n"] for row in rows}
    return Agreement(table, cohens_kappa(table), differing)


@command("read_metrics")
def waiting(desk: Desk, actor: Person) -> Row:
    """How many sampled decisions wait for a look (all), and how many this person may take (yours)."""
    with desk.reading() as conn:
        row: Row = queries.second_looks.waiting(conn, actor=actor.person_id)
    return row


@command("read_metrics")
def discretionary(desk: Desk, actor: Person, from_day: date, to_day: date) -> list[Row]:
    """Refunds no clause names, and parts of a price, with the reason written, newest first (ROWS_MAX)."""
    with desk.reading() as conn:
        rows: list[Row] = queries.second_looks.discretionary(
            conn, from_day=from_day, to_day=to_day, limit=ROWS_MAX
        )
    masked = is_masked(actor)
    return [{**row, "note": mask_text(row["note"])} for row in rows] if masked else rows
