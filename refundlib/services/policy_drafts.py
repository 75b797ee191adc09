"""Policies as dated versions: a draft by one manager, published by another once the golden cases pass."""

import json
import re
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Any, Final

from sqlalchemy import Connection

from refundlib.db.constraints import refusing
from refundlib.db.queries import queries
from refundlib.domain.errors import BadFigure, NotFound, SamePerson, WrongState
from refundlib.domain.golden import Golden, golden_cases
from refundlib.domain.people import Person
from refundlib.domain.policy import CLAUSES, Policy, policy_from_json
from refundlib.services import audit
from refundlib.services.desk import Desk, command
from refundlib.services.written import demand_reason

VERSION_CHARACTERS_MAX: Final = 40
CLAUSE_CHARACTERS_MAX: Final = 1000
_ADDRESS: Final = re.compile(r"https?://[^\s<>\"]{1,400}", re.ASCII)
_NUMBERS: Final = (
    "window_days",
    "job_changed_miles",
    "sla_hours",
    "card_refund_days",
    "spend_order",
    "approval_limit_minor",
)

# What of a version or draft makes a policy.
JUDGED_BY: Final = ("version", *_NUMBERS, "clauses")

Row = dict[str, Any]


@dataclass(frozen=True)
class Draft:
    """What a version is to say. clauses: texts other than the public help text's; sources: their pages."""

    version: str
    window_days: int
    job_changed_miles: float
    sla_hours: int
    card_refund_days: int
    spend_order: str
    approval_limit_minor: int
    clauses: dict[str, str]
    sources: dict[str, str]
    note: str


@command("read_policy")
def published(desk: Desk, actor: Person) -> list[Row]:
    """Every version, the latest in force first, with its author, who published it and why."""
    with desk.reading() as conn:
        rows: list[Row] = queries.policies.published(conn)
    return rows


@command("read_policy")
def drafts(desk: Desk, actor: Person) -> list[Row]:
    """The drafts that are neither published nor dropped, the newest first."""
    with desk.reading() as conn:
        rows: list[Row] = queries.policies.drafts(conn)
    return rows


def policy_of(row: Row, effective_from: datetime) -> Policy:
    """The policy a row of a version or draft is, in force from a moment. Raises BadFigure."""
    named = {name: row[name] for name in JUDGED_BY}
    return policy_from_json({**named, "effective_from": effective_from.isoformat()})


@command("draft_policy")
def write_draft(desk: Desk, actor: Person, draft: Draft) -> int:
    """Keeps a new draft; its id. Raises BadFigure, ReasonMissing (no note), WrongState (name in use)."""
    values = _checked(desk, draft)
    with refusing(_name_used(draft.version)), desk.transaction() as conn:
        _demand_new_name(conn, draft.version)
        draft_id = int(queries.policies.write_draft(conn, **values, author=actor.person_id, at=desk.clock()))
        _audit(conn, desk, actor, draft_id, "policy_drafted", None, asdict(draft), draft.note)
    return draft_id


@command("draft_policy")
def change_draft(desk: Desk, actor: Person, draft_id: int, draft: Draft, *, revision: int) -> None:
    """Changes a draft; who changes it is one of its authors. revision: the one that was looked at.

    Raises NotFound, WrongState (settled, changed meanwhile, name in use), BadFigure, ReasonMissing.
    """
    values = _checked(desk, draft)
    with refusing(_name_used(draft.version)), desk.transaction() as conn:
        old = _lock(conn, draft_id, revision)
        _demand_new_name(conn, draft.version)
        queries.policies.change_draft(
            conn, draft_id=draft_id, **values, author=actor.person_id, at=desk.clock()
        )
        _audit(conn, desk, actor, draft_id, "policy_changed", _told(old), asdict(draft), draft.note)


@command("draft_policy")
def drop_draft(desk: Desk, actor: Person, draft_id: int, reason: str) -> None:
    """Gives a draft up. Raises NotFound, WrongState, ReasonMissing."""
    text = demand_reason(reason, "Dropping a draft")
    with desk.transaction() as conn:
        old = _lock(conn, draft_id)
        queries.policies.set_draft_state(conn, draft_id=draft_id, state="dropped")
        _audit(conn, desk, actor, draft_id, "policy_dropped", _told(old), None, text)


@command("draft_policy")
def set_shadow(desk: Desk, actor: Person, draft_id: int, shadow: bool) -> None:
    """Lets a draft judge new reports silently beside the version in force, or no longer."""
    with desk.transaction() as conn:
        old = _lock(conn, draft_id)
        since = desk.clock() if shadow else None
        queries.policies.set_shadow(conn, draft_id=draft_id, shadow_since=since)
        was, new = {"shadow_since": old["shadow_since"]}, {"shadow_since": since}
        _audit(conn, desk, actor, draft_id, "policy_shadow", was, new, "")


@command("read_policy")
def golden(desk: Desk, actor: Person, policy: Policy) -> list[Golden]:
    """The golden cases judged by a policy."""
    return golden_cases(policy, desk.gazetteer, desk.phone_book)


@command("publish_policy")
def publish(
    desk: Desk, actor: Person, draft_id: int, *, revision: int, effective_from: datetime | None = None
) -> str:
    """Makes a draft a version in force from a moment, at once unless given; the version's name.

    Raises NotFound, WrongState (another revision, a golden case that fails), SamePerson for whoever wrote
    any of it, BadFigure for a moment that is past or before another version's.
    """
    now = desk.clock()
    begins = effective_from or now
    with refusing(_name_used(str(draft_id))), desk.transaction() as conn:
        row = _lock(conn, draft_id, revision)
        if actor.person_id in row["written_by"]:
            raise SamePerson("You wrote this draft, or a part of it; another manager publishes it.")
        _demand_moment(conn, begins, now)
        _demand_new_name(conn, row["version"])
        _demand_golden(desk, row, begins)
        queries.policies.publish(
            conn,
            **{name: row[name] for name in (*_NUMBERS, "version", "note")},
            clauses=json.dumps(row["clauses"]),
            sources=json.dumps(row["sources"]),
            effective_from=begins,
            author=", ".join(row["written_by"]),
            published_by=actor.person_id,
        )
        queries.policies.set_draft_state(conn, draft_id=draft_id, state="published")
        new = {**_told(row), "effective_from": begins}
        _audit(conn, desk, actor, draft_id, "policy_published", None, new, row["note"])
    return str(row["version"])


# -- what is demanded ---------------------------------------------------------------------------------


def _checked(desk: Desk, draft: Draft) -> Row:
    """The columns of a draft. Raises BadFigure for what no policy can say, ReasonMissing without a note."""
    note = demand_reason(draft.note, "A policy")
    name = draft.version.strip()
    if not 0 < len(name) <= VERSION_CHARACTERS_MAX or not name.isprintable():
        raise BadFigure(f"A version needs a name of 1 to {VERSION_CHARACTERS_MAX} signs, such as 2026-12.")
    clauses = {clause: text.strip() for clause, text in draft.clauses.items() if text.strip()}
    sources = {clause: page.strip() for clause, page in draft.sources.items() if page.strip()}
    _check_texts(clauses, sources)
    values = {**{each: getattr(draft, each) for each in _NUMBERS}, "version": name, "clauses": clauses}
    policy_of(values, desk.clock())
    for each in ("window_days", "job_changed_miles", "sla_hours", "card_refund_days"):
        if values[each] <= 0:
            raise BadFigure(f"{each} must be more than zero.")
    if values["job_changed_miles"] >= 1_000_000:
        raise BadFigure("job_changed_miles is farther than the earth is round.")
    return {**values, "clauses": json.dumps(clauses), "sources": json.dumps(sources), "note": note}


def _check_texts(clauses: dict[str, str], sources: dict[str, str]) -> None:
    if strange := sorted({*clauses, *sources} - set(CLAUSES)):
        raise BadFigure(f"There is no clause {strange[0]!r}; the clauses are {', '.join(CLAUSES)}.")
    for clause, text in clauses.items():
        if len(text) > CLAUSE_CHARACTERS_MAX:
            raise BadFigure(f"The text of {clause} can have {CLAUSE_CHARACTERS_MAX} characters.")
    for clause, page in sources.items():
        if not _ADDRESS.fullmatch(page):
            raise BadFigure(f"The page of {clause} must be an address such as https://help.example/refunds.")


def _lock(conn: Connection, draft_id: int, revision: int | None = None) -> Row:
    row: Row | None = queries.policies.lock_draft(conn, draft_id=draft_id)
    if row is None:
        raise NotFound(f"There is no draft {draft_id}. Open it from the policy page.")
    if row["state"] != "draft":
        raise WrongState(f"The draft {row['version']} was {row['state']} already. Reload the page.")
    if revision not in (None, row["revision"]):
        raise WrongState(f"The draft {row['version']} changed while you looked at it. Reload the page.")
    return row


def _demand_new_name(conn: Connection, version: str) -> None:
    if version.strip() in queries.policies.latest_effective(conn)["versions"]:
        raise WrongState(f"There is a version {version.strip()} already. Give the draft another name.")


def _name_used(version: str) -> dict[str, WrongState]:
    """The database's own guards against two versions of one name or moment, in words."""
    taken = WrongState(f"There is another draft or version like {version}. Reload the page.")
    names = ("one_draft_a_version", "policy_versions_pkey", "policy_versions_effective_from_key")
    return dict.fromkeys(names, taken)


def _demand_moment(conn: Connection, begins: datetime, now: datetime) -> None:
    if begins < now:
        raise BadFigure("A policy comes into force now or later, never for what already happened.")
    latest = queries.policies.latest_effective(conn)["effective_from"]
    if begins <= latest:
        raise BadFigure(
            f"Another version comes into force on {latest:%Y-%m-%d %H:%M} UTC; choose a moment after it."
        )


def _demand_golden(desk: Desk, row: Row, begins: datetime) -> None:
    failing = [
        case
        for case in golden_cases(policy_of(row, begins), desk.gazetteer, desk.phone_book)
        if not case.passes
    ]
    if failing:
        first = failing[0]
        raise WrongState(
            f"{len(failing)} golden {'case fails' if len(failing) == 1 else 'cases fail'}, so it is not "
            f"published. {first.clause}, {first.title}: {first.found} instead of {first.wanted}."
        )


# -- audit --------------------------------------------------------------------------------------------


def _told(row: Row) -> Row:
    return {name: row[name] for name in (*_NUMBERS, "version", "clauses", "sources")}


def _audit(
    conn: Connection,
    desk: Desk,
    actor: Person,
    draft_id: int,
    action: str,
    old: Row | None,
    new: Row | None,
    reason: str,
) -> None:
    subject = f"policy:{draft_id}"
    audit.record(conn, actor, action, desk.clock(), subject=subject, reason=reason, old=old, new=new)
