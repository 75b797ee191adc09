"""Deciding a claim: one call, one transaction; decision, money, audit row and mail together."""

import json
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any, Final, Literal

from sqlalchemy import Connection

from refundlib.db.constraints import refusing
from refundlib.db.queries import queries
from refundlib.domain.eligibility import Assessment
from refundlib.domain.errors import (
    AlreadyDecided,
    BadAmount,
    BadFigure,
    ForeignCurrency,
    NotFound,
    Refusal,
    SamePerson,
    WrongState,
)
from refundlib.domain.journal import Account, Posting, card_until
from refundlib.domain.money import format_money
from refundlib.domain.people import Person
from refundlib.domain.policy import Policy
from refundlib.services import audit, posting
from refundlib.services.desk import Desk, Letter, command
from refundlib.services.intake_snapshot import assess, parse
from refundlib.services.mailing import enqueue_for_report, letter_for_report
from refundlib.services.policies import in_force, policies
from refundlib.services.pro_view import deciding_clause, owes_reason
from refundlib.services.triage import (
    Row,
    demand_alone,
    demand_free,
    demand_other_judge,
    demand_state,
    lock_charge_of,
    lock_report,
    open_again,
    reported_again,
    stop_pause,
)
from refundlib.services.written import demand_reason

Verdict = Literal["approve", "deny"]
PAST_TENSE: Final = {"approve": "approved", "deny": "denied"}


@dataclass(frozen=True)
class Outcome:
    """What a call did: the report's new state, the decision (None while it waits), a sentence."""

    report_id: str
    state: str
    decision_id: str | None
    message: str


@dataclass(frozen=True)
class Preview:
    """What an approval would do now, shown before anybody presses the button (minor units)."""

    assessment: Assessment
    amount_minor: int
    currency: str
    entries: tuple[tuple[str, int], ...]
    balance_before_minor: int
    balance_after_minor: int
    needs_second_approval: bool
    approval_limit_minor: int
    card_until: datetime
    letter: Letter


@dataclass(frozen=True)
class _Case:
    """One claim on the table: the report's row, its file, the assessment now, the policies that count."""

    report: Row
    file: Row
    assessment: Assessment
    judging: Policy
    now_policy: Policy
    now: datetime


def _open_case(conn: Connection, desk: Desk, report: Row) -> _Case:
    now = desk.clock()
    file = queries.decisions.case_file(conn, report_id=report["report_id"])
    versions = policies(conn)
    judging = in_force(versions, report["charged_at"])
    bundle = parse(file["facts"])
    bundle = replace(bundle, charge=replace(bundle.charge, refunded_amount=int(file["refunded_before"])))
    return _Case(report, file, assess(desk, bundle, judging), judging, in_force(versions, now), now)


# -- before ---------------------------------------------------------------------------------------


@command("read_claim")
def preview(desk: Desk, actor: Person, report_id: str) -> Preview:
    """What an approval in full would do now: entries, balance, mail. Changes nothing. Raises NotFound."""
    with desk.reading() as conn:
        report = queries.decisions.report(conn, report_id=report_id)
        if report is None:
            raise NotFound(
                f"There is no report {report_id!r}. Check the id, or search the queue for the pro's name."
            )
        case = _open_case(conn, desk, report)
        credit = _credit(case, report["amount"])
        facts = _approval_facts(case, credit, report["amount"])
        letter = letter_for_report(conn, desk, "approved", report_id, facts)
    return _preview(case, credit, letter)


def _preview(case: _Case, credit: Posting, letter: Letter) -> Preview:
    amount, before = case.report["amount"], case.file["balance"]
    assert credit.new_lot is not None
    assert credit.new_lot.card_until is not None
    return Preview(
        assessment=case.assessment,
        amount_minor=amount,
        currency=case.report["currency"],
        entries=credit.entries,
        balance_before_minor=before,
        balance_after_minor=before + amount,
        needs_second_approval=amount > case.now_policy.approval_limit_minor,
        approval_limit_minor=case.now_policy.approval_limit_minor,
        card_until=credit.new_lot.card_until,
        letter=letter,
    )


# -- deciding -------------------------------------------------------------------------------------


@command("decide")
def decide(
    desk: Desk,
    actor: Person,
    report_id: str,
    decision: str,
    *,
    expected_version: int | None = None,
    idempotency_key: str,
    amount_minor: int | None = None,
    currency: str | None = None,
    reason: str = "",
) -> Outcome:
    """Approves or denies one report; above the limit an approval waits for a second person.

    amount_minor: the whole charge unless given. expected_version: the version the person looked at; None
    skips the check. The same idempotency_key again gives the first outcome and does nothing.
    Raises NotFound, AlreadyDecided, WrongState, TakenByOther, ReasonMissing, BadAmount, ForeignCurrency,
    SamePerson.
    """
    if decision not in PAST_TENSE:
        raise BadFigure(f"A decision is approve or deny, not {decision!r}.")
    with refusing(_races(report_id)), desk.transaction() as conn:
        report = lock_report(conn, report_id)
        if earlier := _earlier_outcome(conn, report, idempotency_key, decision):
            return earlier
        _demand_decidable(conn, report, actor, expected_version, desk.clock())
        stop_pause(conn, report, desk.clock())
        case = _open_case(conn, desk, report)
        if decision == "deny":
            return _deny(conn, desk, actor, case, reason, idempotency_key)
        amount = _demand_amount(report, amount_minor, currency)
        return _approve(conn, desk, actor, case, amount, reason, idempotency_key)


def _races(report_id: str) -> dict[str, Refusal]:
    """The database's own guards against two refunds or two decisions, in words."""
    decided = AlreadyDecided(f"Report {report_id} was decided a moment ago. Reload the page to see by whom.")
    refunded = AlreadyDecided(f"The charge of {report_id} was refunded on another report. Reload the page.")
    return {
        "one_refund_a_charge": refunded,
        "decisions_pkey": decided,
        "decisions_report_id_round_key": decided,
        "decisions_idempotency_key_key": decided,
        "proposals_idempotency_key_key": decided,
    }


def _earlier_outcome(conn: Connection, report: Row, key: str, decision: str) -> Outcome | None:
    if not key.strip():
        raise BadFigure("A decision needs an idempotency key: any text that is new for each decision.")
    earlier = queries.decisions.by_key(conn, idempotency_key=key)
    if earlier is None:
        return None
    if earlier["report_id"] != report["report_id"] or earlier["decision"] != decision:
        raise BadFigure(
            f"This idempotency key was used for another decision (on {earlier['report_id']}). Use a new key."
        )
    state = PAST_TENSE[decision] if earlier["decision_id"] else "awaiting_second_approval"
    return Outcome(
        report["report_id"], state, earlier["decision_id"], _told(report, state, earlier["refund_amount"])
    )


def _demand_decidable(
    conn: Connection, report: Row, actor: Person, expected_version: int | None, now: datetime
) -> None:
    if report["state"] in ("approved", "denied"):
        raise AlreadyDecided(_who_decided(conn, report))
    demand_state(report, "decided", "open", "waiting_on_pro")
    demand_free(report, actor, now)
    if expected_version not in (None, report["version"]):
        raise WrongState(
            f"Report {report['report_id']} changed while you looked at it. Reload the page and decide again."
        )
    demand_other_judge(conn, report, actor)


def _who_decided(conn: Connection, report: Row) -> str:
    standing = queries.decisions.decision(conn, decision_id=report["standing_decision_id"])
    return (
        f"{standing['decided_by_name']} {PAST_TENSE[standing['decision']]} {report['report_id']} "
        f"at {standing['decided_at']:%Y-%m-%d %H:%M} UTC. "
        "Nothing was done a second time; open the next claim."
    )


def _demand_amount(report: Row, amount_minor: int | None, currency: str | None) -> int:
    if currency not in (None, report["currency"]):
        raise ForeignCurrency(
            f"The charge was in {report['currency']}, so the refund is too; "
            f"{currency} cannot be refunded here."
        )
    amount = report["amount"] if amount_minor is None else amount_minor
    if isinstance(amount, bool) or not isinstance(amount, int) or not 0 < amount <= report["amount"]:
        shown = format_money(amount, report["currency"]) if isinstance(amount, int) else repr(amount)
        raise BadAmount(
            "A refund is more than zero and at most the charge of "
            f"{format_money(report['amount'], report['currency'])}; {shown} is not."
        )
    return int(amount)


def _deny(
    conn: Connection, desk: Desk, actor: Person, case: _Case, reason: str, idempotency_key: str
) -> Outcome:
    text = demand_reason(reason, "A denial")
    decision_id = _write(conn, case, "deny", 0, text, actor.person_id, None, idempotency_key)
    _audit_decision(conn, actor, case, "denied", 0, text)
    enqueue_for_report(
        conn,
        desk,
        "denied",
        case.report["report_id"],
        created_at=case.now,
        facts={"reason": text, **_clause_facts(case, "deny")},
        decision_id=decision_id,
    )
    return Outcome(case.report["report_id"], "denied", decision_id, _told(case.report, "denied", 0))


def _approve(
    conn: Connection, desk: Desk, actor: Person, case: _Case, amount: int, reason: str, idempotency_key: str
) -> Outcome:
    text = reason.strip()
    if why := _reason_due(case, amount):
        text = demand_reason(reason, why)
    if amount > case.now_policy.approval_limit_minor:
        return _propose(conn, actor, case, amount, text, idempotency_key)
    return _grant(conn, desk, actor, case, amount, text, actor.person_id, None, idempotency_key)


def _reason_due(case: _Case, amount: int) -> str | None:
    """What an approval owes a reason for: overruling, discretion (D1), a part of the price; else None."""
    if case.assessment.recommendation == "deny":
        return "Approving against the recommendation"
    if case.report["reason"] == "other":
        return "A discretionary refund (D1)"
    return "Refunding a part of the price" if amount < case.report["amount"] else None


def _propose(
    conn: Connection, actor: Person, case: _Case, amount: int, text: str, idempotency_key: str
) -> Outcome:
    report = case.report
    queries.decisions.write_proposal(
        conn,
        report_id=report["report_id"],
        round=report["round"],
        refund_amount=amount,
        note=text,
        proposed_by=actor.person_id,
        proposed_at=case.now,
        idempotency_key=idempotency_key,
    )
    _audit_decision(conn, actor, case, "proposed", amount, text, state="awaiting_second_approval")
    state = "awaiting_second_approval"
    return Outcome(report["report_id"], state, None, _told(report, state, amount))


def _grant(
    conn: Connection,
    desk: Desk,
    actor: Person,
    case: _Case,
    amount: int,
    text: str,
    decided_by: str,
    second_by: str | None,
    idempotency_key: str,
) -> Outcome:
    """Writes a standing approval: decision, credit, audit row, mail."""
    report = case.report
    if not case.file["charge_posted"]:
        raise WrongState(
            f"Charge {report['charge_id']} is not in the ledger yet, so it cannot be refunded. "
            "The worker posts new charges within seconds; try again, or see whether the worker runs."
        )
    credit = _credit(case, amount)
    decision_id = _write(conn, case, "approve", amount, text, decided_by, second_by, idempotency_key)
    posting.write(conn, credit, actor.person_id, f"refund of charge {report['charge_id']}")
    _audit_decision(conn, actor, case, "approved", amount, text)
    facts = _approval_facts(case, credit, amount, text)
    enqueue_for_report(
        conn, desk, "approved", report["report_id"], created_at=case.now, facts=facts, decision_id=decision_id
    )
    return Outcome(report["report_id"], "approved", decision_id, _told(report, "approved", amount))


def _credit(case: _Case, amount: int) -> Posting:
    """The refund's posting. A credit only adds to the account, so what is on it need not be loaded."""
    report = case.report
    until = card_until(case.now, case.now_policy.card_refund_days)
    account = Account(report["pro_id"], report["currency"])
    return account.credit(_decision_id(report), amount, case.now, case.file["payment_ids"], until)


def _clause_facts(case: _Case, decision: Verdict) -> dict[str, Any]:
    """The clause a decision rests on, with its words by the policy that judges it: for the letter."""
    checks = case.assessment.to_json(case.report["report_id"])["checks"]
    clause = deciding_clause(decision, case.report["reason"], checks)
    return {"clause": clause, "clause_text": case.judging.clause(clause)}


def _approval_facts(case: _Case, credit: Posting, amount: int, text: str = "") -> dict[str, Any]:
    assert credit.new_lot is not None
    return {
        **_clause_facts(case, "approve"),
        "reason": text if owes_reason("approve", amount, case.report["amount"]) else "",
        "amount_minor": amount,
        "currency": case.report["currency"],
        "card_until": credit.new_lot.card_until if case.file["payment_ids"] else None,
        "balance_minor": case.file["balance"] + amount,
    }


def _decision_id(report: Row) -> str:
    return f"{report['report_id']}.{report['round']}"


def _write(
    conn: Connection,
    case: _Case,
    decision: Verdict,
    amount: int,
    text: str,
    decided_by: str,
    second_by: str | None,
    idempotency_key: str,
) -> str:
    report, assessment = case.report, case.assessment
    decision_id = _decision_id(report)
    queries.decisions.write_decision(
        conn,
        decision_id=decision_id,
        report_id=report["report_id"],
        round=report["round"],
        decision=decision,
        refund_amount=amount,
        currency=report["currency"],
        note=text,
        decided_by=decided_by,
        second_by=second_by,
        decided_at=case.now,
        policy_version=case.judging.version,
        recommendation=assessment.recommendation,
        overruled=assessment.recommendation not in (decision, "review"),
        checks=json.dumps(assessment.to_json(report["report_id"])["checks"]),
        snapshot_sha256=case.file["sha256"],
        idempotency_key=idempotency_key,
        state=PAST_TENSE[decision],
    )
    return decision_id


def _audit_decision(
    conn: Connection,
    actor: Person,
    case: _Case,
    action: str,
    amount: int,
    text: str,
    state: str | None = None,
) -> None:
    report = case.report
    audit.record(
        conn,
        actor,
        action,
        case.now,
        subject=_decision_id(report),
        report_id=report["report_id"],
        reason=text,
        old={"state": report["state"], "version": report["version"]},
        new={
            "state": state or action,
            "refund_amount": amount,
            "currency": report["currency"],
            "recommendation": case.assessment.recommendation,
        },
    )


def _told(report: Row, state: str, amount: int) -> str:
    money = format_money(amount, report["currency"])
    words = {
        "approved": f"approved: {money} is on the pro's balance, and a mail is on its way.",
        "denied": "denied: a mail with your reason is on its way to the pro.",
        "awaiting_second_approval": f"waits for a manager: {money} is above the limit of one person.",
    }
    return f"{report['report_id']} {words[state]}"


# -- the second person ------------------------------------------------------------------------------


@command("second_approval")
def second_approval(
    desk: Desk, actor: Person, report_id: str, *, expected_version: int | None = None, idempotency_key: str
) -> Outcome:
    """Releases an approval above the limit: the same credit, by another person than proposed it.

    Raises NotFound, AlreadyDecided, WrongState, SamePerson.
    """
    with refusing(_races(report_id)), desk.transaction() as conn:
        report = lock_report(conn, report_id)
        if earlier := _earlier_outcome(conn, report, idempotency_key, "approve"):
            return earlier
        proposal = _demand_proposal(conn, report, actor, expected_version)
        case = _open_case(conn, desk, report)
        return _grant(
            conn,
            desk,
            actor,
            case,
            proposal["refund_amount"],
            proposal["note"],
            proposal["proposed_by"],
            actor.person_id,
            idempotency_key,
        )


def _demand_proposal(conn: Connection, report: Row, actor: Person, expected_version: int | None) -> Row:
    if report["state"] in ("approved", "denied"):
        raise AlreadyDecided(_who_decided(conn, report))
    demand_state(report, "released", "awaiting_second_approval")
    if expected_version not in (None, report["version"]):
        raise WrongState(f"Report {report['report_id']} changed while you looked at it. Reload the page.")
    proposal: Row = queries.decisions.standing_proposal(
        conn, report_id=report["report_id"], round=report["round"]
    )
    if proposal["proposed_by"] == actor.person_id:
        raise SamePerson(
            f"You approved {report['report_id']} first; the second look must be another manager's."
        )
    demand_other_judge(conn, report, actor)
    return proposal


@command("send_back")
def send_back(desk: Desk, actor: Person, report_id: str, reason: str) -> None:
    """Returns an approval above the limit to the queue.

    Raises NotFound, WrongState, ReasonMissing, SamePerson for who denied it before an appeal.
    """
    text = demand_reason(reason, "Sending an approval back")
    with desk.transaction() as conn:
        report = lock_report(conn, report_id)
        demand_state(report, "sent back", "awaiting_second_approval")
        demand_other_judge(conn, report, actor)
        queries.decisions.set_sent_back(conn, report_id=report_id)
        audit.record(
            conn,
            actor,
            "sent_back",
            desk.clock(),
            subject=report_id,
            report_id=report_id,
            reason=text,
            old={"state": report["state"]},
            new={"state": "open"},
        )


# -- undo -----------------------------------------------------------------------------------------


@command("undo")
def undo(desk: Desk, actor: Person, report_id: str, reason: str) -> None:
    """Takes an approval back while its credit is wholly unspent: the report is open again, the pro is told.

    Raises NotFound, WrongState, ReasonMissing, CreditSpent.
    """
    text = demand_reason(reason, "Undoing an approval")
    with refusing(reported_again(report_id)), desk.transaction() as conn:
        lock_charge_of(conn, report_id)
        report = lock_report(conn, report_id)
        now = desk.clock()
        demand_state(report, "undone", "approved")
        demand_alone(conn, report)
        decision_id, amount = report["standing_decision_id"], report["refunded_amount"]
        account = posting.load_account(
            conn, report["pro_id"], report["currency"], also=[f"refund:{decision_id}"]
        )
        posting.write(conn, account.undo(decision_id, now), actor.person_id, text)
        open_again(conn, report, now)
        audit.record(
            conn,
            actor,
            "undone",
            now,
            subject=decision_id,
            report_id=report_id,
            reason=text,
            old={"state": "approved", "refund_amount": amount},
            new={"state": "open", "refund_amount": 0},
        )
        facts = {"reason": text, "amount_minor": amount, "currency": report["currency"]}
        enqueue_for_report(
            conn, desk, "undone", report_id, created_at=now, facts=facts, decision_id=decision_id
        )
