"""The mail pros get: written in the transaction that causes it, sent by the worker, readable at the desk.

A mail is sent at least once, always under the same Message-ID: a worker that dies between the server's
yes and our note of it leaves a mail that is handed over again when its lease ends, and the receiving side
can tell that it is the same. A mail is never called sent unless the server accepted it.
"""

import time
from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any, Final, Protocol, runtime_checkable
from uuid import uuid4

from sqlalchemy import Connection

from refundlib.db.queries import queries
from refundlib.domain.errors import BadFigure, MailDelayed, MailRefused, NotFound
from refundlib.domain.masking import HIDDEN, mask_text
from refundlib.domain.people import Person, is_masked
from refundlib.services.desk import Desk, Letter, command
from refundlib.services.work import Work

# Longer than one mail can take at the adapter's time-outs: no second worker takes a mail still under way.
LEASE_MINUTES: Final = 10
# 1, 2, 4 … minutes, then every 6 hours: 24 tries are four days, as long as mail servers themselves try.
BACK_OFF_FIRST_MINUTES: Final = 1
BACK_OFF_MAX_MINUTES: Final = 360
ATTEMPTS_MAX: Final = 24
MAILS_A_PASS_MAX: Final = 50
PASS_SECONDS_MAX: Final = 10
MAILS_A_PAGE_MAX: Final = 500
ERROR_CHARACTERS_MAX: Final = 500

STATES: Final = ("queued", "sent", "refused", "historic")
NO_SERVER: Final = "not sent: no mail server set"
_NO_DOMAIN: Final = "refund-desk.example"
_LAST_ID: Final = 2**63 - 1

Row = dict[str, Any]


@runtime_checkable
class _Placed(Protocol):
    """A mailer that knows the domain it writes from."""

    @property
    def domain(self) -> str: ...


# -- writing ----------------------------------------------------------------------------------------


def letter_for_report(
    conn: Connection, desk: Desk, kind: str, report_id: str, facts: Mapping[str, Any]
) -> Letter:
    """The letter of a kind (outbox.kind) about a report as it would be written now; writes nothing.

    facts: what the kind's template names beyond the report, the lead and the charge. Raises NotFound.
    """
    return _compose(desk, kind, _letter_facts(conn, report_id), facts)


def enqueue_for_report(
    conn: Connection,
    desk: Desk,
    kind: str,
    report_id: str,
    *,
    created_at: datetime,
    facts: Mapping[str, Any] | None = None,
    decision_id: str | None = None,
    payout_id: str | None = None,
) -> int:
    """Writes the letter into the outbox, in the caller's transaction; the mail's id. Raises NotFound.

    The words are fixed here, with the facts of this moment; sending changes nothing about them.
    """
    known = _letter_facts(conn, report_id)
    letter = _compose(desk, kind, known, facts or {})
    return int(
        queries.outbox.enqueue(
            conn,
            message_id=_new_message_id(desk, kind),
            kind=kind,
            report_id=report_id,
            decision_id=decision_id,
            payout_id=payout_id,
            to_name=known["to_name"],
            to_address=known["to_address"],
            subject=letter.subject,
            body=letter.body,
            created_at=created_at,
        )
    )


def _letter_facts(conn: Connection, report_id: str) -> Row:
    known: Row | None = queries.outbox.letter_facts(conn, report_id=report_id)
    if known is None:
        raise NotFound(f"There is no report {report_id!r}, so there is nobody to write to. Check the id.")
    return known


def _compose(desk: Desk, kind: str, known: Row, facts: Mapping[str, Any]) -> Letter:
    return desk.letters.compose(kind, {**known, "written_at": desk.clock(), **facts})


def _new_message_id(desk: Desk, kind: str) -> str:
    """The whole Message-ID header, angle brackets included: drawn once, kept with the mail."""
    domain = desk.mailer.domain if isinstance(desk.mailer, _Placed) else _NO_DOMAIN
    return f"<{kind}.{uuid4().hex}@{domain}>"


# -- sending ----------------------------------------------------------------------------------------


def send_due(desk: Desk, limit: int = MAILS_A_PASS_MAX) -> Work:
    """Sends the mails that are due, oldest first, one at a time; counts of sent, delayed and refused.

    Any number of workers may run it at once. When the server is down the pass ends; the others wait.
    """
    counts = {"sent": 0, "delayed": 0, "refused": 0}
    if not desk.mailer.is_set:
        return Work(counts)
    ends_at = time.monotonic() + PASS_SECONDS_MAX
    for _ in range(limit):
        if time.monotonic() > ends_at:  # a slow server must not keep the worker from its other jobs
            break
        mail = _claim(desk)
        if mail is None:
            return Work(counts)
        outcome, server_down = _try(desk, mail)
        counts[outcome] += 1
        if server_down:
            return Work(counts)
    return Work(counts, more=True)


def _claim(desk: Desk) -> Row | None:
    now = desk.clock()
    with desk.transaction() as conn:
        mail: Row | None = queries.outbox.claim(
            conn, now=now, lease_until=now + timedelta(minutes=LEASE_MINUTES)
        )
    return mail


def _try(desk: Desk, mail: Row) -> tuple[str, bool]:
    """Hands one claimed mail over, outside any transaction, and notes what came of it."""
    letter = Letter(mail["subject"], mail["body"])
    try:
        if mail["attempts"] > ATTEMPTS_MAX:  # workers died over it, again and again
            raise MailRefused(f"Given up after {ATTEMPTS_MAX} tries that never ended.")
        desk.mailer.send(mail["message_id"], mail["to_name"], mail["to_address"], letter)
    except MailRefused as refusal:
        return _note_refused(desk, mail, str(refusal)), False
    except MailDelayed as refusal:
        return _note_failure(desk, mail, str(refusal)), refusal.server_down
    except Exception as error:  # one mail that cannot be built must not stop the others
        return _note_failure(desk, mail, f"{type(error).__name__}: {error}"), False
    with desk.transaction() as conn:
        queries.outbox.set_sent(conn, mail_id=mail["mail_id"], at=desk.clock())
    return "sent", False


def _note_failure(desk: Desk, mail: Row, why: str) -> str:
    if mail["attempts"] >= ATTEMPTS_MAX:
        return _note_refused(desk, mail, f"Given up after {mail['attempts']} tries. The last: {why}")
    with desk.transaction() as conn:
        queries.outbox.set_delayed(
            conn,
            mail_id=mail["mail_id"],
            attempts=mail["attempts"],
            next_attempt_at=desk.clock() + back_off(mail["attempts"]),
            last_error=why[:ERROR_CHARACTERS_MAX],
        )
    return "delayed"


def _note_refused(desk: Desk, mail: Row, why: str) -> str:
    with desk.transaction() as conn:
        queries.outbox.set_refused(
            conn,
            mail_id=mail["mail_id"],
            attempts=mail["attempts"],
            last_error=why[:ERROR_CHARACTERS_MAX],
        )
    return "refused"


def back_off(attempts: int) -> timedelta:
    """How long a mail rests after its `attempts`-th try (1 and up): doubling, up to the longest rest."""
    doubled = BACK_OFF_FIRST_MINUTES * 2 ** min(attempts - 1, 16)
    return timedelta(minutes=min(doubled, BACK_OFF_MAX_MINUTES))


# -- reading ----------------------------------------------------------------------------------------


@command("read_mail")
def mails(
    desk: Desk,
    actor: Person,
    *,
    report_id: str | None = None,
    state: str | None = None,
    before: int | None = None,
    limit: int = 50,
) -> list[Row]:
    """The mails, newest first, without their bodies; of one report or one state (STATES) when given.

    before: a mail_id; the page goes on below it. Each row has `status`, a phrase that says where the mail is.
    Viewers get it masked. Raises BadFigure for an unknown state.
    """
    if state is not None and state not in STATES:
        raise BadFigure(f"There is no mail state {state!r}; the states are {', '.join(STATES)}.")
    page = {"before": before or _LAST_ID, "limit": max(1, min(limit, MAILS_A_PAGE_MAX))}
    with desk.reading() as conn:
        rows = _page(conn, report_id, state, page)
    return [_for_reader(desk, actor, row) for row in rows]


def _page(conn: Connection, report_id: str | None, state: str | None, page: dict[str, int]) -> list[Row]:
    rows: list[Row]
    if report_id is not None:
        rows = queries.outbox.of_report(conn, report_id=report_id, state=state, **page)
    elif state == "queued":
        rows = queries.outbox.newest_queued(conn, **page)
    elif state is not None:
        rows = queries.outbox.newest_in_state(conn, state=state, **page)
    else:
        rows = queries.outbox.newest(conn, **page)
    return rows


@command("read_mail")
def mail(desk: Desk, actor: Person, outbox_id: int) -> Row:
    """One mail with its words (`subject`, `body`), its Message-ID and its `status`. Raises NotFound."""
    with desk.reading() as conn:
        row: Row | None = queries.outbox.mail(conn, mail_id=outbox_id)
    if row is None:
        raise NotFound(f"There is no mail {outbox_id}. Open it from the mail page or from its claim.")
    return _for_reader(desk, actor, row)


@command("read_mail")
def waiting(desk: Desk, actor: Person) -> Row:
    """How much mail waits: queued, due, oldest_created_at (None when nothing waits), server_is_set."""
    with desk.reading() as conn:
        row: Row = queries.outbox.waiting(conn, now=desk.clock())
    return {**row, "server_is_set": desk.mailer.is_set}


def _for_reader(desk: Desk, actor: Person, row: Row) -> Row:
    told = {**row, "status": status_of(row, server_is_set=desk.mailer.is_set)}
    return _masked(told) if is_masked(actor) else told


def status_of(row: Mapping[str, Any], *, server_is_set: bool) -> str:
    """Where a mail is, as the operator reads it; never more than is true."""
    if row["state"] == "sent":
        return f"sent {row['sent_at']:%Y-%m-%d %H:%M} UTC"
    if row["state"] == "refused":
        return f"refused: {row['last_error']}"
    if row["state"] == "historic":
        return "historic: from before this desk, never sent from here"
    if not server_is_set:
        return NO_SERVER
    if row["last_error"]:
        return (
            f"try {row['attempts'] + 1} at {row['next_attempt_at']:%Y-%m-%d %H:%M} UTC: {row['last_error']}"
        )
    return "being sent" if row["attempts"] else "queued"


def _masked(row: Row) -> Row:
    """The mail for a viewer: no name, no address, no number that could be a phone's."""
    texts: Row = {key: mask_text(row[key], row["to_name"]) for key in ("subject", "body") if key in row}
    status = row["status"]
    if row["last_error"]:  # the server's words, mostly with the address in them
        status = status.partition(": ")[0]
    hidden = {"to_name": HIDDEN, "to_address": HIDDEN, "status": status, "last_error": None}
    return {**row, **texts, **hidden}
