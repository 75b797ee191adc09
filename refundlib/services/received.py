"""The mails pros wrote: those that propose a report, those nothing could place, and what became of each."""

from datetime import datetime
from typing import Any, Final

from sqlalchemy import Connection

from refundlib.db.queries import queries
from refundlib.domain.errors import BadFigure, NotFound, WrongState
from refundlib.domain.people import Person
from refundlib.services import audit
from refundlib.services.desk import Desk, command
from refundlib.services.files import File
from refundlib.services.triage import demand_reason

STATES: Final = ("proposed", "unplaced", "answer", "filed", "dismissed")
WAITING: Final = ("proposed", "unplaced")
PAGE_ROWS: Final = 50
_LAST_ID: Final = 2**63 - 1

Row = dict[str, Any]


@command("read_received")
def received(desk: Desk, actor: Person, state: str, *, before: int | None = None) -> list[Row]:
    """A page of the mails in one of STATES, the newest first, without their words. before: a received_id.

    Raises BadFigure for an unknown state.
    """
    if state not in STATES:
        raise BadFigure(f"There is no state {state!r} of a mail; the states are {', '.join(STATES)}.")
    with desk.reading() as conn:
        rows: list[Row] = queries.received.page(conn, state=state, before=before or _LAST_ID, limit=PAGE_ROWS)
    return rows


@command("read_received")
def waiting(desk: Desk, actor: Person) -> Row:
    """How many mails wait for a person: proposed, unplaced."""
    with desk.reading() as conn:
        row: Row = queries.received.waiting(conn)
    return row


@command("read_received")
def received_mail(desk: Desk, actor: Person, received_id: int) -> Row:
    """One mail with its words (`body`), and `files`, a list of File. Raises NotFound."""
    with desk.reading() as conn:
        row: Row | None = queries.received.mail(conn, received_id=received_id)
        if row is None:
            raise NotFound(f"There is no mail {received_id} here. Open it from the list of mails.")
        files = queries.received.files(conn, received_id=received_id)
    return {**row, "files": [File(f["name"], f["media_type"], bytes(f["content"])) for f in files]}


@command("dismiss_mail")
def dismiss(desk: Desk, actor: Person, received_id: int, reason: str) -> None:
    """Puts a waiting mail aside; it can still be read. Raises NotFound, WrongState, ReasonMissing."""
    text = demand_reason(reason, "Putting a mail aside")
    with desk.transaction() as conn:
        demand_waiting(conn, received_id)
        _handled(conn, desk, actor, received_id, "dismissed", text)


def file_mail(conn: Connection, desk: Desk, actor: Person, received_id: int, report_id: str) -> None:
    """Files a waiting mail with the report it became, in the caller's transaction; it lies beside the report.

    Raises NotFound, WrongState.
    """
    demand_waiting(conn, received_id)
    now = _handled(conn, desk, actor, received_id, "filed", f"Filed as {report_id}.", report_id)
    queries.received.attach_files(
        conn, received_id=received_id, report_id=report_id, added_by=actor.person_id, added_at=now
    )


def demand_waiting(conn: Connection, received_id: int) -> None:
    """Locks a mail. Raises NotFound, and WrongState unless it waits for a person."""
    row = queries.received.lock(conn, received_id=received_id)
    if row is None:
        raise NotFound(f"There is no mail {received_id} here. Open it from the list of mails.")
    if row["state"] not in WAITING:
        became = f"is filed as {row['report_id']}" if row["report_id"] else "was put aside"
        raise WrongState(f"Somebody was first: this mail {became}. Reload the page.")


def _handled(
    conn: Connection,
    desk: Desk,
    actor: Person,
    received_id: int,
    state: str,
    why: str,
    report_id: str | None = None,
) -> datetime:
    now = desk.clock()
    queries.received.set_handled(
        conn,
        received_id=received_id,
        state=state,
        why=why,
        report_id=report_id,
        handled_by=actor.person_id,
        handled_at=now,
    )
    subject = f"mail:{received_id}"
    audit.record(
        conn,
        actor,
        f"mail_{state}",
        now,
        subject=subject,
        report_id=report_id,
        reason=why,
        new={"state": state},
    )
    return now
