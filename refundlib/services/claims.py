"""One claim with all that is known of it: what the claim page and `refunds show` read."""

import json
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import Any, Final

from sqlalchemy import Connection

from refundlib.db.queries import queries
from refundlib.domain.claim import Bundle
from refundlib.domain.eligibility import Assessment, first_response
from refundlib.domain.errors import NotFound
from refundlib.domain.masking import HIDDEN, mask_phone, mask_text
from refundlib.domain.money import format_money
from refundlib.domain.nearest import what_would_change
from refundlib.domain.people import Person, is_masked
from refundlib.domain.policy import Policy
from refundlib.services.answers import ANSWERS_MAX
from refundlib.services.desk import Desk, command
from refundlib.services.intake_snapshot import assess, differences, live_facts, parse
from refundlib.services.policies import in_force, policies

MESSAGES_MAX: Final = 500
HISTORY_CHARGES_MAX: Final = 1_000
OTHERS_MAX: Final = 20
TIMELINE_MAX: Final = 200

Row = dict[str, Any]


@dataclass(frozen=True)
class Claim:
    """A claim. report: the row; facts: the frozen facts; messages: the live conversation.

    nearest: what would change the advice. changes: (path, then, now) where live facts differ from the
    frozen ones. history: charges, reported and refunded of this pro among the newest. decisions: of every
    round, first to last. answers: what the pro answered outside the conversation. The lists are rows of
    sql/queries.
    """

    report: Row
    facts: Row
    assessment: Assessment
    policy: Policy
    messages: list[Row]
    first_response_ids: frozenset[str]
    changes: list[tuple[str, Any, Any]]
    nearest: str
    history: Row
    pro_reports: list[Row]
    lead_charges: list[Row]
    customer_reports: list[Row]
    timeline: list[Row]
    entries: list[Row]
    card_refunds: list[Row]
    answers: list[Row]
    decisions: list[Row]
    attachments: list[Row]

    @property
    def amount_text(self) -> str:
        """The charge as an operator reads it."""
        return format_money(self.report["amount"], self.report["currency"])


@command("read_claim")
def claim(desk: Desk, actor: Person, report_id: str) -> Claim:
    """A claim in one read-only transaction. Raises NotFound."""
    with desk.reading() as conn:
        report = queries.claims.claim(conn, report_id=report_id, now=desk.clock())
        if report is None:
            raise NotFound(f"There is no report {report_id!r}. Check the id, or search the queue.")
        return _masked(_read(conn, desk, report)) if is_masked(actor) else _read(conn, desk, report)


def _read(conn: Connection, desk: Desk, report: Row) -> Claim:
    report_id = report["report_id"]
    facts = json.loads(report.pop("facts"))
    policy = in_force(policies(conn), report["charged_at"])
    bundle = _with_refunds(conn, parse(json.dumps(facts)), report_id)
    assessment = assess(desk, bundle, policy)
    source_ids = [row["source_id"] for row in queries.claims.source_ids(conn, report_id=report_id)]
    live = live_facts(conn, [report_id]).get(report_id, {})
    of = queries.claims
    return Claim(
        report=report,
        facts=facts,
        assessment=assessment,
        policy=policy,
        messages=of.conversation(
            conn, lead_id=report["lead_id"], pro_id=report["pro_id"], limit=MESSAGES_MAX
        ),
        first_response_ids=frozenset(each.message_id for each in first_response(bundle.conversation())),
        changes=differences(facts, live),
        nearest=what_would_change(assessment, bundle, policy, desk.gazetteer, desk.phone_book),
        history=of.pro_history(conn, pro_id=report["pro_id"], limit=HISTORY_CHARGES_MAX),
        pro_reports=of.pro_reports(conn, pro_id=report["pro_id"], report_id=report_id, limit=OTHERS_MAX),
        lead_charges=of.lead_charges(conn, lead_id=report["lead_id"], limit=OTHERS_MAX),
        customer_reports=of.customer_reports(
            conn, customer_id=report["customer_id"], report_id=report_id, limit=OTHERS_MAX
        ),
        timeline=of.timeline(conn, report_id=report_id, limit=TIMELINE_MAX),
        entries=queries.ledger.entries_of(conn, source_ids=source_ids),
        card_refunds=of.card_refunds(conn, report_id=report_id),
        answers=queries.answers.of_report(conn, report_id=report_id, limit=ANSWERS_MAX),
        decisions=queries.pro_view.decisions(conn, report_id=report_id),
        attachments=queries.attachments.of_report(conn, report_id=report_id),
    )


def _with_refunds(conn: Connection, bundle: Bundle, report_id: str) -> Bundle:
    """The frozen claim with what was refunded on its charge by now."""
    file = queries.decisions.case_file(conn, report_id=report_id)
    return replace(bundle, charge=replace(bundle.charge, refunded_amount=int(file["refunded_before"])))


def _masked(it: Claim) -> Claim:
    """The claim for who reads masked: nobody can be reached by it."""
    names = (it.facts["customer"]["name"], it.facts["pro"]["name"])

    def hidden(text: Any) -> Any:
        return mask_text(text, *names) if isinstance(text, str) else text

    def rows(of: list[Row], *columns: str) -> list[Row]:
        return [{**row, **{column: hidden(row[column]) for column in columns}} for row in of]

    facts = json.loads(json.dumps(it.facts))
    facts["customer"] |= {"name": HIDDEN, "email": "", "phone": mask_phone(facts["customer"]["phone"])}
    facts["pro"] |= {"email": "", "phone": mask_phone(facts["pro"]["phone"])}
    facts["report"] |= {name: hidden(facts["report"].get(name)) for name in ("details", "number_tried")}
    facts["lead"]["description"] = hidden(facts["lead"]["description"])
    facts["messages"] = rows(facts["messages"], "body")
    checks = tuple(replace(check, why=hidden(check.why), evidence=()) for check in it.assessment.checks)
    (report,) = rows([it.report], "details", "number_tried", "decision_note", "proposal_note")
    return replace(
        it,
        report=report,
        facts=facts,
        messages=rows(it.messages, "body"),
        assessment=replace(it.assessment, checks=checks, headline=hidden(it.assessment.headline)),
        answers=rows(it.answers, "body"),
        decisions=[{**row, "checks": []} for row in rows(it.decisions, "note")],
        timeline=[{**row, "old": None, "new": None} for row in rows(it.timeline, "reason")],
        attachments=[{**row, "name": HIDDEN} for row in it.attachments],
        changes=[],
    )


def seconds_left(it: Row, now: Any) -> float:
    """Seconds to a report's deadline, negative when late; what was left at the pause while it waits."""
    until = it["paused_at"] if it["paused_at"] is not None else now
    left: timedelta = it["deadline_at"] - until
    return left.total_seconds()


@command("read_claim")
def claim_json(desk: Desk, actor: Person, report_id: str) -> Row:
    """A claim for scripts: report, amount_text, recommendation, headline, checks, timeline."""
    it = claim(desk, actor, report_id)
    return {
        "report": it.report,
        "amount_text": it.amount_text,
        "recommendation": it.assessment.recommendation,
        "headline": it.assessment.headline,
        "checks": it.assessment.to_json(report_id)["checks"],
        "snapshot_sha256": it.report["sha256"],
        "timeline": it.timeline,
    }
