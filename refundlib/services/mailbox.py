"""Mails of pros, read from a mailbox: each kept as it came, placed, and in one list, once.

One transaction a mail keeps the mail, what became of it, and how far the mailbox is read: whoever is stopped
anywhere leaves all of it or nothing. Two readers of one mailbox are held apart by its row: the second finds
that the mailbox is further than it thought, and lets the first go on. The mailbox itself is only read.
"""

import time
from collections.abc import Generator, Iterable
from contextlib import closing, suppress
from dataclasses import dataclass
from datetime import timedelta
from functools import cached_property
from typing import Any, Final

from sqlalchemy import Connection

from refundlib.db.queries import queries
from refundlib.domain.errors import BadFile, DatabaseDown, DatabaseSlow, Refusal, WrongState
from refundlib.domain.people import MAILBOX, Person, authorize
from refundlib.domain.placing import (
    Candidate,
    Known,
    KnownPro,
    KnownReport,
    Placement,
    clues,
    place,
    sender_addresses,
)
from refundlib.domain.received_mail import EnoughRead, Fetched, Position, ReadMail
from refundlib.services import audit
from refundlib.services.answers import Answer, land
from refundlib.services.desk import Desk, Mailbox, command
from refundlib.services.files import File, examined, keep, mail_file
from refundlib.services.intake import Draft, look_ahead
from refundlib.services.received import lock_waiting
from refundlib.services.triage import lock_report
from refundlib.services.work import Work

KINDS: Final = ("proposed", "unplaced", "answer", "known")
MAILS_A_PASS_MAX: Final = 50
PASS_SECONDS_MAX: Final = 10
RECENT_DAYS: Final = 60
CANDIDATES_MAX: Final = 500
PROS_MAX: Final = 20
REPORTS_MAX: Final = 20
LEFT_OUT_CHARACTERS_MAX: Final = 500
WHY_CHARACTERS_MAX: Final = 1_000
_NO_WORDS: Final = "The mail has no words of the pro's own. It lies beside the claim as it came."
_NOT_KEPT: Final = "Nobody wrote it, so the mail as it came was not kept; it is still in the mailbox."

Row = dict[str, Any]


@dataclass(frozen=True)
class _Arrived:
    """A mail that is ready to be kept: what of it may be kept as files, what was left out and why."""

    mail: ReadMail
    files: tuple[File, ...]
    left_out: tuple[str, ...]

    @cached_property
    def whole(self) -> File | None:
        """The mail as it came; None when nobody wrote it, when it was too large to be fetched, or empty."""
        return mail_file(self.mail.raw) if self.mail.raw and not self.mail.is_automatic else None

    @property
    def all_files(self) -> tuple[File, ...]:
        """What it carries, and the mail itself."""
        return (*self.files, *((self.whole,) if self.whole else ()))


def read_mailbox(desk: Desk, mailbox: Mailbox, limit: int = MAILS_A_PASS_MAX) -> Work:
    """Reads the new mails of a mailbox, at most `limit`; counts of proposed, unplaced, answer and known.

    After PASS_SECONDS_MAX no other mail is asked for; one is taken in any case.
    Safe to repeat, to stop and to run by several at once. Raises MailboxClosed, DatabaseDown, DatabaseSlow;
    what was read by then stays.
    """
    authorize(MAILBOX, "receive_mail")
    counts = dict.fromkeys(KINDS, 0)
    if not mailbox.is_set:
        return Work(counts)
    position = _position(desk, mailbox.name)
    ends_at = time.monotonic() + PASS_SECONDS_MAX
    with closing(mailbox.mails(position, limit)) as mails:
        for fetched in mails:
            kind = _take(desk, mailbox.name, position, fetched)
            if kind is None:
                return Work(counts)
            counts[kind] += 1
            position = fetched.position
            # The worker has other jobs. Asked only now: else a slow mail would be fetched again for ever.
            if time.monotonic() > ends_at:
                _end(mails)
                return Work(counts, more=True)
    return Work(counts, more=sum(counts.values()) >= limit)


def _end(mails: Generator[Fetched]) -> None:
    """Ends a pass after a mail that was kept: a folder remembers that it has to read that one no more."""
    with suppress(EnoughRead, StopIteration):
        mails.throw(EnoughRead())


def read_all(desk: Desk, mailbox: Mailbox) -> dict[str, int]:
    """Reads a mailbox to its end, pass by pass; the counts of all passes."""
    counts = dict.fromkeys(KINDS, 0)
    more = True
    while more:
        work = read_mailbox(desk, mailbox)
        counts = {kind: counts[kind] + work[kind] for kind in KINDS}
        more = work.more
    return counts


def _position(desk: Desk, name: str) -> Position:
    with desk.transaction() as conn:
        queries.mailbox.open_mailbox(conn, mailbox=name)
        return Position(**queries.mailbox.position(conn, mailbox=name))


# -- one mail -------------------------------------------------------------------------------------------


def _take(desk: Desk, name: str, read_until: Position, fetched: Fetched) -> str | None:
    """Takes one mail in; what became of it, None when somebody else reads this mailbox just now.

    A mail that the desk cannot place, for whatever reason, waits for a person: it must not stop the next.
    """
    arrived = _arrived(fetched.mail)
    try:
        return _take_in_one(desk, name, read_until, fetched.position, arrived, None)
    except (DatabaseDown, DatabaseSlow):
        raise
    except Refusal as refusal:
        why = str(refusal)
    except Exception as error:  # a fault of ours, and no reason to lose the mail
        why = f"The desk could not place it by itself ({type(error).__name__})."
    unplaced = Placement("unplaced", why[:WHY_CHARACTERS_MAX])
    return _take_in_one(desk, name, read_until, fetched.position, arrived, unplaced)


def _arrived(mail: ReadMail) -> _Arrived:
    files, left_out = [], list(mail.left_out)
    for attached in mail.attachments:
        try:
            files.append(examined(attached.name, attached.content))
        except BadFile as refusal:
            left_out.append(str(refusal))
    if mail.is_automatic and mail.raw:
        left_out.append(_NOT_KEPT)
    return _Arrived(mail, tuple(files), tuple(each[:LEFT_OUT_CHARACTERS_MAX] for each in left_out))


def _take_in_one(
    desk: Desk, name: str, read_until: Position, now_at: Position, arrived: _Arrived, given: Placement | None
) -> str | None:
    """The one transaction of a mail; given: where it goes, when that is settled."""
    with desk.transaction() as conn:
        if Position(**queries.mailbox.lock_position(conn, mailbox=name)) != read_until:
            return None
        queries.mailbox.advance(
            conn, mailbox=name, uid_validity=now_at.uid_validity, last_uid=now_at.last_uid
        )
        if queries.mailbox.is_known(conn, fingerprint=arrived.mail.fingerprint):
            return "known"
        placement = given or place(arrived.mail, _look_up(conn, desk, arrived.mail))
        return _keep(conn, desk, name, arrived, placement)


def _keep(conn: Connection, desk: Desk, name: str, arrived: _Arrived, placement: Placement) -> str:
    is_answer = placement.state == "answer" and placement.report_id is not None
    if is_answer:
        lock_report(conn, str(placement.report_id))
    _keep_files(conn, arrived.all_files)
    received_id = _write_mail(conn, desk, name, arrived, placement)
    if received_id is None:
        return "known"  # another mailbox has it too, and its reader was first
    for file in arrived.files:
        queries.mailbox.write_file(conn, received_id=received_id, sha256=file.sha256, name=file.name)
    if is_answer:
        _land(conn, desk, arrived, str(placement.report_id), received_id)
    return placement.state


def _keep_files(conn: Connection, files: Iterable[File]) -> None:
    """Keeps a mail's files by their hash, in the order everybody keeps files: a report first, then these.

    Whoever keeps the same file waits until this transaction ends; in one order nobody waits in a ring.
    """
    for file in sorted(files, key=lambda each: each.sha256):
        keep(conn, file)


def _land(conn: Connection, desk: Desk, arrived: _Arrived, report_id: str, received_id: int) -> None:
    """The answer lands on its claim; who is said to have written it is kept, as anybody can write a From."""
    words = arrived.mail.words or _NO_WORDS
    land(conn, desk, MAILBOX, report_id, Answer(words, "email", arrived.all_files, None, received_id))
    audit.record(
        conn,
        MAILBOX,
        "mail_answer",
        desk.clock(),
        subject=f"mail:{received_id}",
        report_id=report_id,
        new={"received_id": received_id, "from_address": arrived.mail.from_address},
    )


def _write_mail(
    conn: Connection, desk: Desk, name: str, arrived: _Arrived, placement: Placement
) -> int | None:
    mail, now = arrived.mail, desk.clock()
    is_answer = placement.state == "answer"
    received_id: int | None = queries.mailbox.write_mail(
        conn,
        fingerprint=mail.fingerprint,
        mailbox=name,
        message_id=mail.message_id,
        from_name=mail.from_name,
        from_address=mail.from_address,
        subject=mail.subject,
        body=mail.body,
        sent_at=mail.sent_at,
        received_at=now,
        raw_sha256=arrived.whole.sha256 if arrived.whole else None,
        left_out=list(arrived.left_out),
        state=placement.state,
        why=placement.why,
        pro_id=placement.pro_id,
        charge_id=placement.charge_id,
        reason=placement.reason,
        report_id=placement.report_id if is_answer else None,
        handled_by=MAILBOX.person_id if is_answer else None,
        handled_at=now if is_answer else None,
    )
    return received_id


def _look_up(conn: Connection, desk: Desk, mail: ReadMail) -> Known:
    """The rows a mail may be about: pros, reports, charges with their customers."""
    named = clues(mail)
    addresses = [address for group in sender_addresses(mail) for address in group]
    pros = queries.mailbox.pros(conn, addresses=addresses, ids=list(named.ids), limit=PROS_MAX)
    reports = queries.mailbox.reports(
        conn, message_ids=list(mail.answers_to), ids=list(named.ids), limit=REPORTS_MAX
    )
    candidates = queries.mailbox.candidates(
        conn,
        ids=list(named.ids),
        pro_ids=[pro["pro_id"] for pro in pros],
        addresses=list(named.addresses),
        numbers=list(named.numbers),
        since=desk.clock() - timedelta(days=RECENT_DAYS),
        limit=CANDIDATES_MAX,
    )
    return Known(
        [KnownPro(**row) for row in pros],
        [KnownReport(**row) for row in reports],
        [Candidate(**row) for row in candidates],
    )


# -- by hand --------------------------------------------------------------------------------------------


@command("file_report")
def propose_again(desk: Desk, actor: Person, received_id: int, charge_id: str, reason: str) -> None:
    """Places a waiting mail by hand: on a charge, for a reason (claim.REASONS). Files nothing.

    Raises NotFound, WrongState (the mail was handled, or is of another pro), BadFigure, ReportedBefore.
    """
    with desk.transaction() as conn:
        mail = lock_waiting(conn, received_id)
        ahead = look_ahead(conn, desk, Draft(charge_id=charge_id, reason=reason), mail["received_at"])
        if mail["pro_id"] not in (None, ahead.facts["pro"]["pro_id"]):
            raise WrongState(
                f"This mail is of another pro: charge {charge_id} was paid by {ahead.facts['pro']['name']}. "
                "Check the id."
            )
        if ahead.obstacle is not None:
            raise ahead.obstacle
        why = f"{actor.name} chose the charge."
        queries.mailbox.set_proposed(
            conn,
            received_id=received_id,
            pro_id=ahead.facts["pro"]["pro_id"],
            charge_id=charge_id,
            reason=reason,
            why=why,
        )
        new = {"state": "proposed", "charge_id": charge_id, "reason": reason}
        subject = f"mail:{received_id}"
        audit.record(conn, actor, "mail_placed", desk.clock(), subject=subject, reason=why, new=new)
