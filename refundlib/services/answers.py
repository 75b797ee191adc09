"""What a pro answers when asked: it lands on the claim and starts the clock again, whichever way it comes.

An answer in the conversation about the lead is a message of the marketplace, found by the worker; what comes
by mail, by the API or on the phone is kept here.
"""

from collections.abc import Sequence
from typing import Any, Final

from sqlalchemy import Connection

from refundlib.db.constraints import refusing
from refundlib.db.queries import queries
from refundlib.domain.errors import BadFigure, KeyUsed, ReasonMissing
from refundlib.domain.people import Person
from refundlib.services import audit
from refundlib.services.desk import Desk, command
from refundlib.services.files import File, attach
from refundlib.services.intake import demand_text
from refundlib.services.triage import demand_state, lock_report, resume

CHANNELS: Final = ("email", "phone", "api")
ANSWER_CHARACTERS_MAX: Final = 20_000
_HOW: Final = {"email": "by mail", "phone": "on the phone", "api": "in the product"}
_KEY_USED: Final = "This idempotency key was used for another answer. Use a new one."

Row = dict[str, Any]


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
) -> None:
    """Keeps what the pro answered about a report that is not decided; a pause ends now.

    The same request_key again does nothing. Raises NotFound, WrongState (decided or withdrawn), BadFigure,
    BadFile, ReasonMissing for an empty answer, KeyUsed when the key belongs to another answer.
    """
    used = {"answers_request_key_key": KeyUsed(_KEY_USED)}
    with refusing(used), desk.transaction() as conn:
        land(conn, desk, actor, report_id, body, channel=channel, files=files, request_key=request_key)


def land(
    conn: Connection,
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
    """An answer lands on its claim, in the caller's transaction: `record_answer` has the refusals."""
    text = _demand_words(body, channel)
    now = desk.clock()
    report = lock_report(conn, report_id)
    if request_key is not None and (earlier := queries.answers.by_key(conn, request_key=request_key)):
        if (earlier["report_id"], earlier["body"]) != (report_id, text):
            raise KeyUsed(_KEY_USED)
        return
    demand_state(report, "answered about", "open", "waiting_on_pro", "awaiting_second_approval")
    queries.answers.write_answer(
        conn,
        report_id=report_id,
        channel=channel,
        body=text,
        answered_at=now,
        recorded_by=actor.person_id,
        received_id=received_id,
        request_key=request_key,
    )
    attach(conn, actor, report_id, files, now)
    why, by = f"The pro answered {_HOW[channel]}.", {"channel": channel}
    if not resume(conn, actor, report, now, now, why, by):
        audit.record(conn, actor, "answered", now, subject=report_id, report_id=report_id, reason=why, new=by)


def _demand_words(body: str, channel: str) -> str:
    if channel not in CHANNELS:
        raise BadFigure(f"There is no channel {channel!r}; the channels are {', '.join(CHANNELS)}.")
    demand_text("An answer", body, ANSWER_CHARACTERS_MAX)
    if not (text := body.strip()):
        raise ReasonMissing("The answer is empty. Write down what the pro says.")
    return text
