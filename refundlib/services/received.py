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
from refundlib.services.written import demand_reason

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
def waiting_page(desk: Desk, actor: Person, *, after: int | None = None) -> list[Row]:
    """A page of the mails that wait for a person, who waits longest first. after: a received_id."""
    with desk.reading() as conn:
        rows: list[Row] = queries.received.waiting_page(conn, after=after or 0, limit=PAGE_ROWS)
    return rows


@command("read_received")
def waiting(desk: Desk, actor: Person) -> Row:
    """How many mails wait for a person: proposed, unplaced."""
    with desk.reading() as conn:
        row: Row = queries.received.waiting(conn)
    return row


@command("read_received")
def received_mail(desk: Desk, actor: Person, received_id: int) -> Row:
    """One mail with its words (`body`), and `files` without their content. Raises NotFound.

    files: rows of name, media_type, size_bytes, sha256; the mail as it came is the last.
    """
    with desk.reading() as conn:
        row: Row | None = queries.received.mail(conn, received_id=received_id)
        if row is None:
            raise _no_mail(received_id)
        files = queries.received.files(conn, received_id=received_id)
    return {**row, "files": files}


@command("read_received")
def received_file(desk: Desk, actor: Person, received_id: int, sha256: str) -> File:
    """One file of a mail, or the mail as it came. Raises NotFound."""
    with desk.reading() as conn:
        row = queries.received.file(conn, received_id=received_id, sha256=sha256)
    if row is None:
        raise NotFound(f"Mail {received_id} has no such file. Open it from the list of mails.")
    return File(row["name"], row["media_type"], bytes(row["content"]))


@command("dismiss_mail")
def dismiss(desk: Desk, actor: Person, received_id: int, reason: str) -> None:
    """Puts a waiting mail aside; it can still be read. Raises NotFound, WrongState, ReasonMissing."""
    text = demand_reason(reason, "Putting a mail aside")
    with desk.transaction() as conn:
        lock_waiting(conn, received_id)
        _handled(conn, desk, actor, received_id, "dismissed", text)


@command("dismiss_mail")
def take_up_again(desk: Desk, actor: Person, received_id: int, reason: str) -> None:
    """A mail that was put aside waits again, to be placed. Raises NotFound, WrongState, ReasonMissing."""
    text = demand_reason(reason, "Taking a mail up again")
    with desk.transaction() as conn:
        if _lock(conn, received_id)["state"] != "dismissed":
            raise WrongState("Only a mail that was put aside can be taken up again. Reload the page.")
        queries.received.set_taken_up_again(conn, received_id=received_id, why=text)
        audit.record(
            conn,
            actor,
            "mail_taken_up",
            desk.clock(),
            subject=f"mail:{received_id}",
            reason=text,
            old={"state": "dismissed"},
            new={"state": "unplaced"},
        )


def lock_waiting(conn: Connection, received_id: int) -> Row:
    """Locks a mail that waits; its row. Raises NotFound, WrongState when somebody handled it."""
    row = _lock(conn, received_id)
    if row["state"] not in WAITING:
        became = f"is filed as {row['report_id']}" if row["report_id"] else "was put aside"
        raise WrongState(f"Somebody was first: this mail {became}. Reload the page.")
    return row


def _lock(conn: Connection, received_id: int) -> Row:
    row: Row | None = queries.received.lock(conn, received_id=received_id)
    if row is None:
        raise _no_mail(received_id)
    return row


def _no_mail(received_id: int) -> NotFound:
    return NotFound(f"There is no mail {received_id} here. Open it from the list of mails.")


def hand_over(
    conn: Connection,
    desk: Desk,
    actor: Person,
    mail: Row,
    report_id: str,
    pro_id: str,
    charge_id: str | None = None,
) -> None:
    """Files a locked mail with a report of its pro, in the caller's transaction; it lies beside the report.

    charge_id: the charge of a report that is new: the mail must propose it still. Raises WrongState when the
    mail is another pro's, or was placed elsewhere.
    """
    if charge_id is not None and (mail["state"], mail["charge_id"]) != ("proposed", charge_id):
        raise WrongState("This mail was placed elsewhere meanwhile. Open it from the list of mails.")
    if mail["pro_id"] not in (None, pro_id):
        raise WrongState(f"This mail is of another pro than {report_id}. Place it by hand first.")
    received_id = mail["received_id"]
    now = _handled(conn, desk, actor, received_id, "filed", f"Filed with {report_id}.", report_id)
    queries.received.attach_files(
        conn, received_id=received_id, report_id=report_id, added_by=actor.person_id, added_at=now
    )


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
