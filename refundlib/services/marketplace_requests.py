"""What the marketplace's product asks for a pro: what a report would say, to file it, to answer, its state.

A request that is sent again with its key does what it did, once. The marketplace names the pro who asks.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from sqlalchemy import Connection

from refundlib.db.constraints import refusing
from refundlib.db.queries import queries
from refundlib.domain.errors import KeyUsed, NotYours, Refusal, TooLate
from refundlib.domain.people import Person
from refundlib.services.answers import Answer, key_used, land
from refundlib.services.desk import Desk, command
from refundlib.services.files import File
from refundlib.services.intake import Draft, Prospect, lock_charge, look_ahead, same_moment, write
from refundlib.services.pro_view import ProView, no_report, see_as_pro

_KEY_USED = "This idempotency key was used for another request. Use a new one."


@dataclass(frozen=True)
class Filed:
    """What a request to file did: the report's id, and whether this request made it."""

    report_id: str
    is_new: bool


@command("file_for_marketplace")
def check_for_marketplace(desk: Desk, actor: Person, pro_id: str, draft: Draft) -> Prospect:
    """What a report by this pro would be now. Changes nothing. Raises NotFound, NotYours, BadFigure."""
    with desk.reading() as conn:
        return _look_ahead(conn, desk, pro_id, draft)


@command("file_for_marketplace")
def file_for_marketplace(
    desk: Desk,
    actor: Person,
    pro_id: str,
    draft: Draft,
    files: Sequence[File] = (),
    *,
    request_key: str,
    request_sha256: str,
) -> Filed:
    """Files a report for the pro who paid.

    request_sha256: of what was asked, so that a key is not used twice.

    Raises NotFound, NotYours, TooLate, ReportedBefore, RefundedBefore, BadFigure, BadFile, KeyUsed.
    """
    guards = {**same_moment(draft.charge_id), "filed_requests_pkey": KeyUsed(_KEY_USED)}
    with refusing(guards), desk.transaction() as conn:
        lock_charge(conn, draft.charge_id)
        if earlier := queries.filed_requests.by_key(conn, request_key=request_key):
            if earlier["request_sha256"] != request_sha256:
                raise KeyUsed(_KEY_USED)
            return Filed(earlier["report_id"], is_new=False)
        ahead = _look_ahead(conn, desk, pro_id, draft)
        if obstacle := what_stands_against(ahead):
            raise obstacle
        report_id = write(conn, desk, actor, ahead, draft.channel, files)
        queries.filed_requests.keep(
            conn,
            request_key=request_key,
            request_sha256=request_sha256,
            report_id=report_id,
            filed_at=ahead.reported_at,
        )
    return Filed(report_id, is_new=True)


@command("file_for_marketplace")
def answer_for_marketplace(
    desk: Desk,
    actor: Person,
    pro_id: str,
    report_id: str,
    body: str,
    files: Sequence[File] = (),
    *,
    request_key: str,
) -> None:
    """Keeps the pro's answer to their report. Raises NotFound, NotYours and what `record_answer` raises."""
    with refusing(key_used()), desk.transaction() as conn:
        report = queries.pro_view.report(conn, report_id=report_id)
        _demand_own(None if report is None else report["pro_id"], pro_id, report_id)
        land(conn, desk, actor, report_id, Answer(body, "api", files, request_key))


@command("file_for_marketplace")
def see_for_marketplace(desk: Desk, actor: Person, pro_id: str, report_id: str) -> ProView:
    """How a report of this pro stands. Raises NotFound, NotYours."""
    seen = see_as_pro(desk, actor, report_id)
    _demand_own(seen.pro_id, pro_id, report_id)
    return seen


def _demand_own(owner_id: str | None, pro_id: str, report_id: str) -> None:
    """Raises NotFound for a report that nobody owns, NotYours for another pro's."""
    if owner_id is None:
        raise no_report(report_id)
    if owner_id != pro_id:
        raise NotYours(f"Report {report_id} is another pro’s.")


def what_stands_against(ahead: Prospect) -> Refusal | None:
    """Why a pro cannot file this now: reported or refunded before, or too late; None when nothing does."""
    if ahead.obstacle is not None:
        return ahead.obstacle
    if ahead.is_late:
        until = ahead.report_until
        return TooLate(
            f"This charge could be reported until {until.day} {until:%B %Y, %H:%M} UTC, "
            f"{ahead.policy.window_days} days after it was made. "
            "Write to support if something kept you from it."
        )
    return None


def _look_ahead(conn: Connection, desk: Desk, pro_id: str, draft: Draft) -> Prospect:
    ahead = look_ahead(conn, desk, draft)
    if ahead.facts["pro"]["pro_id"] != pro_id:
        raise NotYours(f"Charge {draft.charge_id} is another pro’s.")
    return ahead
