"""A report arrives: what it says is checked, the facts around it are frozen, the clock starts."""

from collections import Counter
from datetime import datetime, timedelta
from typing import Any, Final

from sqlalchemy import Connection

from refundlib.db.queries import queries
from refundlib.domain.eligibility import Assessment
from refundlib.domain.errors import BadFigure, NotFound, WrongState
from refundlib.domain.people import Person
from refundlib.services import audit
from refundlib.services.desk import Desk, command
from refundlib.services.intake_snapshot import assess, canonical, freeze, live_facts, parse
from refundlib.services.policies import in_force, policies

REASONS: Final = ("job_changed", "terms_violation", "invalid_phone", "clear_no", "not_hired", "other")
CHANNELS: Final = ("chat", "email", "phone")
DETAILS_CHARACTERS_MAX: Final = 10_000


@command("file_report")
def file_report(
    desk: Desk,
    actor: Person,
    *,
    charge_id: str,
    reason: str,
    details: str = "",
    changed_zip: str | None = None,
    changed_category: str | None = None,
    channel: str = "chat",
) -> str:
    """Files a report on a charge for the pro who paid it; the new report's id.

    Raises NotFound, BadFigure, and WrongState when the charge has a report that is still to be decided.
    """
    _check_words(reason, channel, details)
    with desk.transaction() as conn:
        charge = _demand_charge(conn, charge_id)
        now = desk.clock()
        sla = timedelta(hours=in_force(policies(conn), now).sla_hours)
        report_id = _new_id(conn)
        queries.intake.write_report(
            conn,
            **charge,
            report_id=report_id,
            reason=reason,
            details=details,
            changed_zip=changed_zip or None,
            changed_category=changed_category or None,
            channel=channel,
            reported_at=now,
            filed_by=actor.person_id,
            deadline_at=now + sla,
        )
        freeze_and_assess(conn, desk, report_id, now)
        _audit(conn, actor, report_id, charge, reason, now)
    return report_id


def _check_words(reason: str, channel: str, details: str) -> None:
    if reason not in REASONS:
        raise BadFigure(f"There is no reason {reason!r}; the reasons are {', '.join(REASONS)}.")
    if channel not in CHANNELS:
        raise BadFigure(f"There is no channel {channel!r}; the channels are {', '.join(CHANNELS)}.")
    if len(details) > DETAILS_CHARACTERS_MAX:
        raise BadFigure(
            f"The details have {len(details)} characters; {DETAILS_CHARACTERS_MAX} is the most. Shorten them."
        )


def _demand_charge(conn: Connection, charge_id: str) -> dict[str, Any]:
    charge: dict[str, Any] | None = queries.intake.charge(conn, charge_id=charge_id)
    if charge is None:
        raise NotFound(f"There is no charge {charge_id!r}. Check the id on the lead's page.")
    if open_report := queries.intake.open_report(conn, charge_id=charge_id):
        raise WrongState(
            f"Charge {charge_id} has a report already: {open_report} is still to be decided. Open it."
        )
    return charge


def _new_id(conn: Connection) -> str:
    while (report_id := queries.intake.next_number(conn)) is None:
        pass  # an imported report has that id; the sequence goes on
    return str(report_id)


def freeze_and_assess(conn: Connection, desk: Desk, report_id: str, now: datetime) -> Assessment:
    """Freezes a new report's facts and keeps what the checks say of them on its row."""
    facts = live_facts(conn, [report_id])[report_id]
    freeze(conn, report_id, 1, facts, now)
    bundle = parse(canonical(facts))
    assessment = assess(desk, bundle, in_force(policies(conn), bundle.charge.charged_at))
    queries.intake.set_assessment(conn, report_id=report_id, **summary(assessment))
    return assessment


def summary(assessment: Assessment) -> dict[str, Any]:
    """What the queue shows of an assessment: recommendation, passes, unsures, fails."""
    statuses = Counter(check.status for check in assessment.checks)
    return {
        "recommendation": assessment.recommendation,
        "passes": statuses["pass"],
        "unsures": statuses["unsure"],
        "fails": statuses["fail"],
    }


def _audit(
    conn: Connection, actor: Person, report_id: str, charge: dict[str, Any], reason: str, now: datetime
) -> None:
    audit.record(
        conn,
        actor,
        "filed",
        now,
        subject=report_id,
        report_id=report_id,
        new={"state": "open", "charge_id": charge["charge_id"], "reason": reason},
    )
