"""A report arrives: what it says is checked, the facts around it are frozen, the clock starts."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final

from sqlalchemy import Connection

from refundlib.db.constraints import refusing
from refundlib.db.queries import queries
from refundlib.domain.claim import REASONS
from refundlib.domain.eligibility import Assessment
from refundlib.domain.errors import BadFigure, DeniedBefore, NotFound, RefundedBefore, ReportedBefore
from refundlib.domain.money import format_money
from refundlib.domain.people import Person
from refundlib.domain.policy import Policy
from refundlib.services import audit
from refundlib.services.desk import Desk, command
from refundlib.services.files import File, attach
from refundlib.services.intake_snapshot import assess, canonical, draft_facts, parse
from refundlib.services.policies import in_force, policies
from refundlib.services.received import hand_over, lock_waiting
from refundlib.services.written import demand_text

CHANNELS: Final = ("chat", "email", "phone")
DETAILS_CHARACTERS_MAX: Final = 10_000
SHORT_CHARACTERS_MAX: Final = 100
CATEGORY_PROS_MAX: Final = 5_000

Row = dict[str, Any]


@dataclass(frozen=True)
class Draft:
    """A report before it is filed: on which charge, why, and what the reason needs.

    details: the pro's own words. number_tried: the number that was called, when it is not the lead's.
    channel: how the pro told it, one of CHANNELS.
    """

    charge_id: str
    reason: str
    details: str = ""
    changed_zip: str | None = None
    changed_category: str | None = None
    number_tried: str | None = None
    channel: str = "chat"


@dataclass(frozen=True)
class Prospect:
    """What a report would be if it were filed now.

    facts: what would be frozen; reported_at: now, or when the pro's mail came; report_until: the last moment
    the charge can be reported (W1); decide_by: the deadline it would get; obstacle: why it cannot be filed,
    None when it can.
    """

    facts: Row
    assessment: Assessment
    policy: Policy
    reported_at: datetime
    report_until: datetime
    decide_by: datetime
    obstacle: ReportedBefore | None

    @property
    def is_late(self) -> bool:
        """Whether the days in which the charge can be reported are over."""
        return self.reported_at > self.report_until


@command("file_report")
def prospect(desk: Desk, actor: Person, draft: Draft, reported_at: datetime | None = None) -> Prospect:
    """What the checks say of a report before it is filed. Changes nothing. Raises NotFound, BadFigure.

    reported_at: when the pro's mail came; now unless given.
    """
    with desk.reading() as conn:
        return look_ahead(conn, desk, draft, reported_at)


@command("file_report")
def file_report(
    desk: Desk, actor: Person, draft: Draft, files: Sequence[File] = (), *, received_id: int | None = None
) -> str:
    """Files a report for the pro who paid the charge; the new report's id.

    received_id: the pro's mail it is of: the pro reported it when the mail came. A late one is filed too:
    that it is late is among its checks. Raises NotFound, BadFigure, BadFile, ReportedBefore while a report on
    the charge is to be decided or was denied for the same reason, RefundedBefore, WrongState (the mail was
    handled, or placed elsewhere).
    """
    with refusing(same_moment(draft.charge_id)), desk.transaction() as conn:
        lock_charge(conn, draft.charge_id)
        mail = None if received_id is None else lock_waiting(conn, received_id)
        ahead = look_ahead(conn, desk, draft, mail["received_at"] if mail else None)
        report_id = write(conn, desk, actor, ahead, draft.channel, files)
        if mail is not None:
            hand_over(conn, desk, actor, mail, report_id, ahead.facts["pro"]["pro_id"], draft.charge_id)
    return report_id


@command("file_report")
def known_categories(desk: Desk, actor: Person) -> list[str]:
    """The categories pros offer, of CATEGORY_PROS_MAX pros, by name: what a new category is compared with."""
    with desk.reading() as conn:
        rows = queries.intake.known_categories(conn, pros=CATEGORY_PROS_MAX)
    return [row["category"] for row in rows]


def lock_charge(conn: Connection, charge_id: str) -> None:
    """Holds up any other report on the charge until this transaction ends; the first lock of a filing."""
    queries.intake.lock_charge(conn, charge_id=charge_id)


def same_moment(charge_id: str) -> dict[str, ReportedBefore]:
    """The database's own guard against two open reports on a charge, in words."""
    words = f"Charge {charge_id} was reported a moment ago. Reload the page and open that report."
    return {"one_open_report_a_charge": ReportedBefore(words, "")}


def look_ahead(conn: Connection, desk: Desk, draft: Draft, reported_at: datetime | None = None) -> Prospect:
    """The prospect of a draft, in the caller's transaction. Raises NotFound, BadFigure."""
    _check_words(draft)
    now = reported_at or desk.clock()
    charge: Row | None = queries.intake.charge(
        conn, charge_id=draft.charge_id, reason=draft.reason, now=desk.clock()
    )
    if charge is None:
        raise NotFound(
            f"There is no charge {draft.charge_id!r} here, or not all of its lead, pro and customer. "
            "Check the id on the lead's page."
        )
    facts = draft_facts(conn, charge, _said(draft, now))
    bundle = parse(canonical(facts))
    versions = policies(conn)
    policy = in_force(versions, charge["charged_at"])
    return Prospect(
        facts=facts,
        assessment=assess(desk, bundle, policy),
        policy=policy,
        reported_at=now,
        report_until=charge["charged_at"] + timedelta(days=policy.window_days),
        decide_by=now + timedelta(hours=in_force(versions, now).sla_hours),
        obstacle=_obstacle(charge),
    )


def write(
    conn: Connection,
    desk: Desk,
    actor: Person,
    ahead: Prospect,
    channel: str,
    files: Sequence[File] = (),
) -> str:
    """Writes the report of a prospect, with its files; its id. Raises ReportedBefore, BadFile."""
    if ahead.obstacle is not None:
        raise ahead.obstacle
    now = desk.clock()
    facts, report_id = ahead.facts, _new_id(conn)
    said = facts["report"] | {"report_id": report_id}
    charge, lead = facts["charge"], facts["lead"]
    queries.intake.write_report(
        conn,
        report_id=report_id,
        charge_id=charge["charge_id"],
        pro_id=facts["pro"]["pro_id"],
        lead_id=lead["lead_id"],
        customer_id=facts["customer"]["customer_id"],
        kind=lead["kind"],
        category=lead["category"],
        amount=charge["amount"],
        currency=charge["currency"],
        charged_at=charge["charged_at"],
        reason=said["reason"],
        details=said["details"],
        changed_zip=said["changed_zip"],
        changed_category=said["changed_category"],
        number_tried=said.get("number_tried"),
        channel=channel,
        reported_at=ahead.reported_at,
        taken_at=now,
        filed_by=actor.person_id,
        deadline_at=ahead.decide_by,
        facts=canonical(facts | {"report": said}),
        **summary(ahead.assessment),
    )
    attach(conn, actor, report_id, files, now)
    new = {"state": "open", "charge_id": charge["charge_id"], "reason": said["reason"], "channel": channel}
    audit.record(conn, actor, "filed", now, subject=report_id, report_id=report_id, new=new)
    return report_id


def _said(draft: Draft, now: datetime) -> Row:
    """The report's own columns, as the facts read them."""
    return {
        "report_id": "",
        "reason": draft.reason,
        "details": draft.details.strip(),
        "reported_at": now,
        "changed_zip": (draft.changed_zip or "").strip() or None,
        "changed_category": (draft.changed_category or "").strip() or None,
        "number_tried": (draft.number_tried or "").strip() or None,
    }


def _check_words(draft: Draft) -> None:
    if draft.reason not in REASONS:
        raise BadFigure(f"There is no reason {draft.reason!r}; the reasons are {', '.join(REASONS)}.")
    if draft.channel not in CHANNELS:
        raise BadFigure(f"There is no channel {draft.channel!r}; the channels are {', '.join(CHANNELS)}.")
    lengths = {
        "The details": (draft.details, DETAILS_CHARACTERS_MAX),
        "The charge's id": (draft.charge_id, SHORT_CHARACTERS_MAX),
        "The new zip": (draft.changed_zip, SHORT_CHARACTERS_MAX),
        "The new category": (draft.changed_category, SHORT_CHARACTERS_MAX),
        "The number tried": (draft.number_tried, SHORT_CHARACTERS_MAX),
    }
    for what, (text, most) in lengths.items():
        demand_text(what, text or "", most)


def _obstacle(charge: Row) -> ReportedBefore | None:
    """What stands in the way of a report: one to be decided, a refund, a denial for the same reason."""
    if first := charge["open_report"]:
        return ReportedBefore(
            f"Charge {charge['charge_id']} has a report already: {first} is still to be decided. Open it.",
            first,
        )
    if first := charge["refunded_report"]:
        money = format_money(charge["refunded_before"], charge["currency"])
        return RefundedBefore(
            f"Charge {charge['charge_id']} was refunded before: {money} on report {first}. Open it.", first
        )
    if first := charge["denied_report"]:
        return DeniedBefore(
            f"Charge {charge['charge_id']} was reported for this reason before, and denied: {first}. "
            "With new evidence that report can be opened once more (appeal).",
            first,
        )
    return None


def _new_id(conn: Connection) -> str:
    while (report_id := queries.intake.next_number(conn)) is None:
        pass  # an imported report has that id; the sequence goes on
    return str(report_id)


def summary(assessment: Assessment) -> Row:
    """What the queue shows of an assessment: recommendation, passes, unsures, fails."""
    statuses = Counter(check.status for check in assessment.checks)
    return {
        "recommendation": assessment.recommendation,
        "passes": statuses["pass"],
        "unsures": statuses["unsure"],
        "fails": statuses["fail"],
    }
