"""Who works on which claim, and the clock: take, release, ask the pro, withdraw, reopen, reassign."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any, Final

from sqlalchemy import Connection

from refundlib.db.constraints import refusing
from refundlib.db.queries import queries
from refundlib.domain.errors import BadFigure, NotFound, Refusal, SamePerson, TakenByOther, WrongState
from refundlib.domain.people import Person, may
from refundlib.services import audit
from refundlib.services.desk import Desk, command
from refundlib.services.files import File, attach
from refundlib.services.mailing import enqueue_for_report
from refundlib.services.people import person
from refundlib.services.policies import in_force, policies
from refundlib.services.received import hand_over, lock_waiting
from refundlib.services.written import demand_reason

LEASE_MINUTES: Final = 15
ASSIGNED_MAX: Final = 500

STATE_WORDS: Final = {
    "open": "open",
    "waiting_on_pro": "waiting on the pro",
    "awaiting_second_approval": "awaiting a second approval",
    "approved": "approved",
    "denied": "denied",
    "withdrawn": "withdrawn",
}

Row = dict[str, Any]


def lock_report(conn: Connection, report_id: str) -> Row:
    """Locks one report for a change; its row. Raises NotFound."""
    row: Row | None = queries.triage.lock_report(conn, report_id=report_id)
    if row is None:
        raise NotFound(
            f"There is no report {report_id!r}. Check the id, or search the queue for the pro's name."
        )
    return row


def demand_state(report: Row, deed: str, *states: str) -> None:
    """Raises WrongState unless the report is in one of the states; deed: "asked about", "withdrawn"."""
    if report["state"] not in states:
        raise WrongState(
            f"Report {report['report_id']} is {STATE_WORDS[report['state']]} and cannot be {deed} now. "
            "Reload the page to see what happened to it."
        )


def demand_free(report: Row, actor: Person, now: datetime) -> None:
    """Raises TakenByOther when another person holds the claim and the lease still runs."""
    holder = report["holder"]
    if holder not in (None, actor.person_id) and report["lease_until"] > now:
        raise TakenByOther(
            f"{holder} works on {report['report_id']} until {report['lease_until']:%H:%M} UTC. "
            "Take another claim, or ask a manager to reassign this one."
        )


def demand_other_judge(conn: Connection, report: Row, person: Person) -> None:
    """Raises SamePerson when the person denied an earlier round: an appeal is judged by another one."""
    if report["round"] > 1 and queries.triage.has_denied(
        conn, report_id=report["report_id"], person_id=person.person_id
    ):
        raise SamePerson(
            f"{person.name} denied {report['report_id']} before; an appeal is judged by another person. "
            "Release it to the queue."
        )


def _lease_end(now: datetime) -> datetime:
    return now + timedelta(minutes=LEASE_MINUTES)


@command("take_next")
def take_next(desk: Desk, actor: Person) -> str | None:
    """Gives the most urgent free open claim to the actor for LEASE_MINUTES; its id, None when none is."""
    now = desk.clock()
    with desk.transaction() as conn:
        row = queries.triage.take_next(conn, actor=actor.person_id, now=now, lease_until=_lease_end(now))
        if row is None:
            return None
        _audit_holder(conn, actor, "taken", now, row["report_id"], row["old_holder"], actor.person_id)
        return str(row["report_id"])


@command("take")
def take(desk: Desk, actor: Person, report_id: str) -> None:
    """Gives one claim to the actor, or renews the lease.

    Raises NotFound, WrongState, TakenByOther, SamePerson for an appeal of the actor's own denial.
    """
    now = desk.clock()
    with desk.transaction() as conn:
        report = lock_report(conn, report_id)
        demand_state(report, "taken", "open", "waiting_on_pro", "awaiting_second_approval")
        demand_free(report, actor, now)
        demand_other_judge(conn, report, actor)
        queries.triage.set_holder(
            conn, report_id=report_id, holder=actor.person_id, lease_until=_lease_end(now)
        )
        if report["holder"] != actor.person_id:
            _audit_holder(conn, actor, "taken", now, report_id, report["holder"], actor.person_id)


@command("release")
def release(desk: Desk, actor: Person, report_id: str) -> None:
    """Returns a claim to the queue. Nothing happens when nobody holds it. Raises NotFound, TakenByOther."""
    now = desk.clock()
    with desk.transaction() as conn:
        report = lock_report(conn, report_id)
        demand_free(report, actor, now)
        if report["holder"] is not None:
            queries.triage.set_holder(conn, report_id=report_id, holder=None, lease_until=None)
            _audit_holder(conn, actor, "released", now, report_id, report["holder"], None)


@command("reassign")
def reassign(desk: Desk, actor: Person, report_id: str, to_person: str) -> None:
    """Gives a claim to another person, whoever holds it.

    Raises NotFound, UnknownPerson, BadFigure (nobody who decides), WrongState, SamePerson.
    """
    receiver = _receiver(desk, to_person)
    with desk.transaction() as conn:
        _give(conn, desk, actor, report_id, receiver)


@command("reassign")
def reassign_all(desk: Desk, actor: Person, report_ids: Sequence[str], to_person: str) -> list[str]:
    """Gives claims to one person in one transaction; those they cannot have stay as they are and come back.

    Raises NotFound, UnknownPerson, BadFigure (nobody who decides, too many claims): then none is given.
    """
    if not 0 < len(report_ids) <= ASSIGNED_MAX:
        raise BadFigure(f"Choose 1 to {ASSIGNED_MAX} claims to assign, not {len(report_ids)}.")
    receiver = _receiver(desk, to_person)
    left = []
    with desk.transaction() as conn:
        # One order for everybody: two managers never wait in a ring.
        for report_id in sorted(set(report_ids)):
            try:
                _give(conn, desk, actor, report_id, receiver)
            except (WrongState, SamePerson):
                left.append(report_id)
    return left


def _receiver(desk: Desk, to_person: str) -> Person:
    receiver = person(desk, to_person)
    if not may(receiver, "take"):
        raise BadFigure(f"{receiver.name} does not decide claims; choose somebody of support or a manager.")
    return receiver


def _give(conn: Connection, desk: Desk, actor: Person, report_id: str, receiver: Person) -> None:
    now = desk.clock()
    report = lock_report(conn, report_id)
    demand_state(report, "reassigned", "open", "waiting_on_pro", "awaiting_second_approval")
    demand_other_judge(conn, report, receiver)
    queries.triage.set_holder(
        conn, report_id=report_id, holder=receiver.person_id, lease_until=_lease_end(now)
    )
    _audit_holder(conn, actor, "reassigned", now, report_id, report["holder"], receiver.person_id)


def _audit_holder(
    conn: Connection,
    actor: Person,
    action: str,
    now: datetime,
    report_id: str,
    old: str | None,
    new: str | None,
) -> None:
    audit.record(
        conn,
        actor,
        action,
        now,
        subject=report_id,
        report_id=report_id,
        old={"holder": old},
        new={"holder": new},
    )


@command("ask_pro")
def ask_pro(desk: Desk, actor: Person, report_id: str, question: str) -> None:
    """Asks the pro what is missing: a mail, and the clock stops until a message from the pro.

    Raises NotFound, WrongState, TakenByOther, ReasonMissing.
    """
    now = desk.clock()
    text = demand_reason(question, "A question to the pro")
    with desk.transaction() as conn:
        report = lock_report(conn, report_id)
        demand_state(report, "asked about", "open")
        demand_free(report, actor, now)
        queries.triage.set_waiting(conn, report_id=report_id, at=now)
        _audit_state(conn, actor, "asked_pro", now, report, "waiting_on_pro", text)
        enqueue_for_report(conn, desk, "question", report_id, created_at=now, facts={"question": text})


@command("withdraw")
def withdraw(desk: Desk, actor: Person, report_id: str, reason: str) -> None:
    """Takes a report back for the pro.

    Raises NotFound, WrongState, TakenByOther, ReasonMissing, SamePerson for who denied it before an appeal.
    """
    now = desk.clock()
    text = demand_reason(reason, "A withdrawal")
    with desk.transaction() as conn:
        report = lock_report(conn, report_id)
        demand_state(report, "withdrawn", "open", "waiting_on_pro")
        demand_free(report, actor, now)
        demand_other_judge(conn, report, actor)
        queries.triage.set_withdrawn(conn, report_id=report_id)
        _audit_state(conn, actor, "withdrawn", now, report, "withdrawn", text)
        enqueue_for_report(conn, desk, "withdrawn", report_id, created_at=now, facts={"reason": text})


@command("reopen")
def reopen(
    desk: Desk,
    actor: Person,
    report_id: str,
    reason: str,
    files: Sequence[File] = (),
    *,
    received_id: int | None = None,
) -> None:
    """Opens a denied report again, once: a new round with its own deadline, for another person to decide.

    reason, files, received_id (a mail of the pro): the new evidence. Raises NotFound, WrongState (reopened
    before, another report on the charge is open or approved, the mail was handled), ReasonMissing, BadFile.
    """
    text = demand_reason(reason, "Reopening a denied report")
    with refusing(reported_again(report_id)), desk.transaction() as conn:
        lock_charge_of(conn, report_id)
        mail = None if received_id is None else lock_waiting(conn, received_id)
        report = lock_report(conn, report_id)
        now = desk.clock()
        demand_state(report, "reopened", "denied")
        _demand_first_appeal(conn, report)
        demand_alone(conn, report)
        attach(conn, actor, report_id, files, now)
        if mail is not None:
            hand_over(conn, desk, actor, mail, report_id, report["pro_id"])
        open_again(conn, report, now)
        _audit_state(conn, actor, "reopened", now, report, "open", text)
        enqueue_for_report(conn, desk, "reopened", report_id, created_at=now, facts={"reason": text})


def lock_charge_of(conn: Connection, report_id: str) -> None:
    """Holds up reports on the charge of a report: before the report's own lock, as a filing does."""
    if charge_id := queries.triage.charge_of(conn, report_id=report_id):
        queries.intake.lock_charge(conn, charge_id=charge_id)


def _demand_first_appeal(conn: Connection, report: Row) -> None:
    if queries.triage.denials(conn, report_id=report["report_id"]) > 1:
        raise WrongState(
            f"Report {report['report_id']} was reopened before and denied again; an appeal is judged once. "
            "It stays denied."
        )


def demand_alone(conn: Connection, report: Row) -> None:
    """Raises WrongState while another report on the charge is open or approved."""
    if other := queries.triage.other_report(conn, **{k: report[k] for k in ("report_id", "charge_id")}):
        raise WrongState(
            f"Charge {report['charge_id']} has another report, {other['report_id']}, which is "
            f"{STATE_WORDS[other['state']]}. Go on with that one."
        )


def reported_again(report_id: str) -> dict[str, Refusal]:
    """The database's own guard against two open reports on a charge, in words."""
    words = f"The charge of {report_id} was reported again; go on with that report."
    return {"one_open_report_a_charge": WrongState(words)}


def open_again(conn: Connection, report: Row, now: datetime) -> None:
    """Starts the report's next round with a deadline of its own: the SLA by the time of the report."""
    hours = in_force(policies(conn), report["reported_at"]).sla_hours
    queries.triage.set_open_again(
        conn, report_id=report["report_id"], opened_at=now, deadline_at=now + timedelta(hours=hours)
    )


def stop_pause(conn: Connection, report: Row, until: datetime) -> datetime | None:
    """Ends a pause: open again, the deadline moved by the pause; the new deadline, None without a pause."""
    if report["paused_at"] is None:
        return None
    pause = max(until - report["paused_at"], timedelta(0))
    deadline: datetime = report["deadline_at"] + pause
    queries.triage.set_resumed(
        conn,
        report_id=report["report_id"],
        deadline_at=deadline,
        paused_seconds=report["paused_seconds"] + int(pause.total_seconds()),
    )
    return deadline


def resume(
    conn: Connection, actor: Person, report: Row, until: datetime, now: datetime, why: str, by: Row
) -> bool:
    """Ends a locked report's pause and writes the audit row; by: what ended it. False when there was none."""
    deadline = stop_pause(conn, report, until)
    if deadline is None:
        return False
    audit.record(
        conn,
        actor,
        "resumed",
        now,
        subject=report["report_id"],
        report_id=report["report_id"],
        reason=why,
        old={"state": report["state"], "deadline_at": report["deadline_at"]},
        new={"state": "open", "deadline_at": deadline, **by},
    )
    return True


def _audit_state(
    conn: Connection, actor: Person, action: str, now: datetime, report: Row, new_state: str, reason: str
) -> None:
    audit.record(
        conn,
        actor,
        action,
        now,
        subject=report["report_id"],
        report_id=report["report_id"],
        reason=reason,
        old={"state": report["state"]},
        new={"state": new_state},
    )
