"""What a pro answers when asked: it lands on the claim and starts the clock again, whichever way it comes.

An answer in the conversation about the lead is a message of the marketplace, found by the worker; what comes
by mail, by the API or on the phone is kept here.
"""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

from sqlalchemy import Connection

from refundlib.db.constraints import refusing
from refundlib.db.queries import queries
from refundlib.domain.errors import BadFigure, KeyUsed, ReasonMissing, Refusal, WrongState
from refundlib.domain.people import Person
from refundlib.services import audit
from refundlib.services.desk import Desk, command
from refundlib.services.files import File, attach
from refundlib.services.received import hand_over, lock_waiting
from refundlib.services.triage import demand_state, lock_report, resume
from refundlib.services.written import demand_text

CHANNELS: Final = ("email", "phone", "api")
ANSWER_CHARACTERS_MAX: Final = 20_000
# A report with more is for a person to end, not for a conversation.
ANSWERS_MAX: Final = 100
HOW: Final = {"email": "by mail", "phone": "on the phone", "api": "in the product"}
_KEY_USED: Final = "This idempotency key was used for another answer. Use a new one."

Row = dict[str, Any]


@dataclass(frozen=True)
class Answer:
    """What the pro said, how (one of CHANNELS), and with what.

    request_key: a request that is sent again with it does nothing. received_id: the mail it came in.
    """

    body: str
    channel: str
    files: Sequence[File] = ()
    request_key: str | None = None
    received_id: int | None = None

    @property
    def request_sha256(self) -> str:
        """What was sent under a key: the words and the files."""
        parts = [self.body.strip(), *(file.sha256 for file in self.files)]
        return hashlib.sha256("\n".join(parts).encode()).hexdigest()


@command("record_answer")
def record_answer(
    desk: Desk,
    actor: Person,
    report_id: str,
    body: str,
    *,
    channel: str,
    files: Sequence[File] = (),
    request_key: str | None = None,
    received_id: int | None = None,
) -> None:
    """Keeps what the pro answered about a report that is not decided; a pause ends now.

    received_id: a mail of the pro that waits; it is filed with the report. The same request_key again does
    nothing. Raises NotFound, WrongState (decided, withdrawn, mail handled), BadFigure, BadFile, ReasonMissing
    for an empty answer, KeyUsed when the key belongs to another answer.
    """
    answer = Answer(body, channel, files, request_key, received_id)
    with refusing(key_used()), desk.transaction() as conn:
        mail = None if received_id is None else lock_waiting(conn, received_id)
        report = land(conn, desk, actor, report_id, answer)
        if mail is not None and report is not None:
            hand_over(conn, desk, actor, mail, report_id, report["pro_id"])


def key_used() -> dict[str, Refusal]:
    """The database's own guard against two answers under one key, in words."""
    return {"answers_request_key_key": KeyUsed(_KEY_USED)}


def land(conn: Connection, desk: Desk, actor: Person, report_id: str, answer: Answer) -> Row | None:
    """An answer lands on its claim, in the caller's transaction: `record_answer` has the refusals.

    The report as it was; None when that request was answered before.
    """
    text = _demand_words(answer)
    report = lock_report(conn, report_id)
    now = desk.clock()
    if answer.request_key is not None and (
        earlier := queries.answers.by_key(conn, request_key=answer.request_key)
    ):
        if (earlier["report_id"], earlier["request_sha256"]) != (report_id, answer.request_sha256):
            raise KeyUsed(_KEY_USED)
        return None
    demand_state(report, "answered about", "open", "waiting_on_pro", "awaiting_second_approval")
    _demand_few(conn, report_id)
    queries.answers.write_answer(
        conn,
        report_id=report_id,
        channel=answer.channel,
        body=text,
        answered_at=now,
        recorded_by=actor.person_id,
        received_id=answer.received_id,
        request_key=answer.request_key,
        request_sha256=answer.request_sha256 if answer.request_key else None,
    )
    attach(conn, actor, report_id, answer.files, now)
    why, by = f"The pro answered {HOW[answer.channel]}.", {"channel": answer.channel}
    if not resume(conn, actor, report, now, now, why, by):
        queries.triage.set_answered(conn, report_id=report_id)
        audit.record(conn, actor, "answered", now, subject=report_id, report_id=report_id, reason=why, new=by)
    return report


def _demand_few(conn: Connection, report_id: str) -> None:
    if queries.answers.count(conn, report_id=report_id) >= ANSWERS_MAX:
        raise WrongState(f"Report {report_id} has {ANSWERS_MAX} answers, which is the most. Decide it.")


def _demand_words(answer: Answer) -> str:
    if answer.channel not in CHANNELS:
        raise BadFigure(f"There is no channel {answer.channel!r}; the channels are {', '.join(CHANNELS)}.")
    demand_text("An answer", answer.body, ANSWER_CHARACTERS_MAX)
    if not (text := answer.body.strip()):
        raise ReasonMissing("The answer is empty. Write down what the pro says.")
    return text
