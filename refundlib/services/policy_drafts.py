"""Policies as dated versions: a draft by one manager, published by another once the golden cases pass.

A version that is scheduled can be revoked until it comes into force; nothing else of a version ever changes.
"""

import json
import re
from collections.abc import Container, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Any, Final

from sqlalchemy import Connection

from refundlib.db.constraints import refusing
from refundlib.db.queries import queries
from refundlib.domain.errors import BadFigure, NotFound, ReasonMissing, Refusal, SamePerson, WrongState
from refundlib.domain.golden import Golden, golden_cases
from refundlib.domain.people import Person, may
from refundlib.domain.policy import CLAUSES, LABELS, Policy, policy_from_json
from refundlib.domain.policy_changes import Change, changes, taken_over
from refundlib.services import audit
from refundlib.services.desk import Desk, command
from refundlib.services.written import demand_reason, demand_text

VERSION_CHARACTERS_MAX: Final = 40
CLAUSE_CHARACTERS_MAX: Final = 1000
# A version cannot be changed once it is there: a slip in the year would stand in the way of every other.
AHEAD_DAYS_MAX: Final = 365
_NAME: Final = re.compile(r"[A-Za-z0-9.-]+", re.ASCII)
_ADDRESS: Final = re.compile(r"https?://[^\s<>\"]{1,400}", re.ASCII)

# What of a version or draft makes a policy.
JUDGED_BY: Final = ("version", *LABELS, "clauses")
# What a version keeps of a draft.
_KEPT: Final = ("version", *LABELS, "clauses", "sources", "note")

Row = dict[str, Any]


class DraftChanged(WrongState):
    """Somebody changed the draft after the revision that was looked at."""


@dataclass(frozen=True)
class Draft:
    """What a version is to say; numbers as in Policy.

    clauses, sources: texts and their pages where they are other than those of the version the draft begins
    from; an empty text is that version's, an empty page is none.
    """

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
    """Every version, the latest in force first, with who wrote, published or revoked it, and why.

    standing: `in force`, `scheduled`, `past` or `revoked`.
    """
    now = desk.clock()
    with desk.reading() as conn:
        rows: list[Row] = queries.policies.published(conn)
    current = next(row["version"] for row in rows if row["effective_from"] <= now and not row["revoked_at"])
    return [{**row, "standing": _standing(row, now, current)} for row in rows]


def _standing(row: Row, now: datetime, in_force: str) -> str:
    if row["revoked_at"]:
        return "revoked"
    if row["version"] == in_force:
        return "in force"
    return "scheduled" if row["effective_from"] > now else "past"


def newest(rows: Sequence[Row]) -> Row:
    """The version that comes into force last, of `published`: what a new draft begins from."""
    return next(row for row in rows if not row["revoked_at"])


@command("read_policy")
def drafts(desk: Desk, actor: Person) -> list[Row]:
    """The drafts that are neither published nor dropped, the newest first, with who changed each last."""
    with desk.reading() as conn:
        rows: list[Row] = queries.policies.drafts(conn)
    return rows


@command("read_policy")
def publishers(desk: Desk, actor: Person, written_by: Container[str]) -> list[str]:
    """The names of those who may publish a draft: none of its authors."""
    with desk.reading() as conn:
        rows = queries.people.people(conn)
    return [
        row["name"]
        for row in rows
        if row["active"]
        and row["person_id"] not in written_by
        and may(Person(row["person_id"], row["name"], frozenset(row["roles"])), "publish_policy")
    ]


def free_name(taken: Container[str], day: date) -> str:
    """A name that no version or draft has: the day, or the day with the first number from 2 on."""
    name, turn = str(day), 1
    while name in taken:
        turn += 1
        name = f"{day}-{turn}"
    return name


def policy_of(row: Mapping[str, Any], effective_from: datetime) -> Policy:
    """The policy a row of a version or draft is, in force from a moment."""
    named = {name: row[name] for name in JUDGED_BY}
    # Backtests that were asked for before texts were kept in full have some of them.
    named["clauses"] = {**CLAUSES, **row["clauses"]}
    return Policy(**named, effective_from=effective_from)


@command("draft_policy")
def write_draft(desk: Desk, actor: Person, draft: Draft, begun_from: str | None = None) -> int:
    """Keeps a new draft; its id. begun_from: the version its writer looked at, the newest one unless given.

    Raises BadFigure, ReasonMissing (no note), WrongState (name in use), NotFound (no such version).
    """
    with refusing(_name_used(draft.version)), desk.transaction() as conn:
        rows = queries.policies.published(conn)
        base = newest(rows) if begun_from is None else _named(rows, begun_from)
        kept = _checked(draft, base)
        _demand_new_name(rows, kept["version"])
        draft_id = int(
            queries.policies.write_draft(
                conn, **_columns(kept), based_on=base["version"], author=actor.person_id, at=desk.clock()
            )
        )
        _audit(conn, desk, actor, draft_id, "policy_drafted", None, kept, kept["note"])
    return draft_id


@command("draft_policy")
def change_draft(desk: Desk, actor: Person, draft_id: int, draft: Draft, *, revision: int) -> None:
    """Changes a draft; who changes it is one of its authors, who saves it unchanged is not.

    revision: the one that was looked at. Raises NotFound, DraftChanged, WrongState (settled, name in use),
    BadFigure, ReasonMissing.
    """
    with refusing(_name_used(draft.version)), desk.transaction() as conn:
        old = _lock(conn, draft_id, revision)
        rows = queries.policies.published(conn)
        kept = _checked(draft, _named(rows, old["based_on"]))
        if kept == _told(old):
            return
        _demand_new_name(rows, kept["version"])
        _rewrite(conn, desk, draft_id, kept, based_on=old["based_on"], author=actor)
        _audit(conn, desk, actor, draft_id, "policy_changed", _told(old), kept, kept["note"])


@command("draft_policy")
def take_over(desk: Desk, actor: Person, draft_id: int, *, revision: int) -> list[Change]:
    """Lets a draft begin from the newest version: what it changed itself stays, all else is that version's.

    Of a draft begun from a version revoked since, everything stays: whose words they are can't be told. Gives
    what changed of the draft. Nobody becomes an author by it: every word was somebody's before. Raises
    NotFound, WrongState (settled, changed meanwhile, nothing newer).
    """
    with desk.transaction() as conn:
        old = _lock(conn, draft_id, revision)
        rows = queries.policies.published(conn)
        base, latest = _named(rows, old["based_on"]), newest(rows)
        if latest["version"] == base["version"]:
            raise WrongState(f"{old['version']} begins from the newest version already, {base['version']}.")
        kept = _told(old)
        if not base["revoked_at"]:
            kept |= taken_over(base, old, latest)
        _demand_policy(kept)
        _rewrite(conn, desk, draft_id, kept, based_on=latest["version"], author=None)
        why = f"The changes of {latest['version']}"
        _audit(conn, desk, actor, draft_id, "policy_taken_over", _told(old), kept, why)
    return changes(old, kept)


@command("draft_policy")
def drop_draft(desk: Desk, actor: Person, draft_id: int, reason: str) -> None:
    """Gives a draft up. Raises NotFound, WrongState, ReasonMissing."""
    text = _reason(reason, "Why is it dropped?", "draft")
    with desk.transaction() as conn:
        old = _lock(conn, draft_id)
        queries.policies.drop_draft(conn, draft_id=draft_id)
        _audit(conn, desk, actor, draft_id, "policy_dropped", _told(old), None, text)


@command("draft_policy")
def set_shadow(desk: Desk, actor: Person, draft_id: int, shadow: bool) -> None:
    """Lets a draft judge new reports silently beside the version in force, or no longer.

    One that does so already goes on: the comparison under way is not begun anew. Raises NotFound, WrongState.
    """
    with desk.transaction() as conn:
        old = _lock(conn, draft_id)
        if shadow == (old["shadow_since"] is not None):
            return
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

    Raises NotFound, WrongState (another revision, begun from another version than the newest, a golden case
    that fails), SamePerson for whoever wrote any of it, BadFigure for a moment that is past, not after every
    other version's, or more than AHEAD_DAYS_MAX days ahead.
    """
    with refusing({**_name_used(str(draft_id)), **_CLOCKS}), desk.transaction() as conn:
        # Two at once: the second is judged against the first, and by the time after it.
        queries.policies.lock_policies(conn)
        row = _lock(conn, draft_id, revision)
        _demand_other_person(actor, row)
        rows = queries.policies.published(conn)
        _demand_new_name(rows, row["version"])
        latest, now = newest(rows), desk.clock()
        begins = effective_from or now
        _demand_moment(begins, now, latest)
        _demand_newest(row, latest)
        _demand_golden(desk, row, begins)
        queries.policies.publish(conn, draft_id=draft_id, effective_from=begins, published_by=actor.person_id)
        new = {**_told(row), "effective_from": begins}
        _audit(conn, desk, actor, draft_id, "policy_published", None, new, row["note"])
    return str(row["version"])


@command("publish_policy")
def revoke(desk: Desk, actor: Person, version: str, reason: str) -> None:
    """A scheduled version will never come into force; it stays on file with who revoked it and why.

    Raises NotFound, WrongState (in force, or revoked before), ReasonMissing.
    """
    text = _reason(reason, "Why is it revoked?", "version")
    with refusing(_CLOCKS), desk.transaction() as conn:
        queries.policies.lock_policies(conn)
        row, now = _named(queries.policies.published(conn), version), desk.clock()
        if row["revoked_at"]:
            raise WrongState(f"{version} was revoked already, by {row['revoked_by_name']}.")
        if row["effective_from"] <= now:
            raise WrongState(
                f"{version} came into force on {_when(row['effective_from'])} and cannot be revoked. "
                "Write a draft that says otherwise from now on."
            )
        queries.policies.revoke(conn, version=version, revoked_by=actor.person_id, reason=text, at=now)
        told = {"version": version, "effective_from": row["effective_from"]}
        subject = f"policy_version:{version}"
        audit.record(conn, actor, "policy_revoked", now, subject=subject, reason=text, old=told)


# -- what is demanded ---------------------------------------------------------------------------------


def _checked(draft: Draft, base: Row) -> Row:
    """What is kept of a draft begun from a version: _KEPT, the texts in full.

    Raises BadFigure for what no policy can say, ReasonMissing without a note.
    """
    note = _reason(draft.note, "Why does the policy change?", "version")
    name = draft.version.strip()
    if not _NAME.fullmatch(name) or len(name) > VERSION_CHARACTERS_MAX:
        raise BadFigure(
            f"A version needs a name of 1 to {VERSION_CHARACTERS_MAX} letters, digits, hyphens and dots, "
            "such as 2026-12."
        )
    clauses = {clause: text.strip() for clause, text in draft.clauses.items() if text.strip()}
    sources = {clause: page.strip() for clause, page in draft.sources.items()}
    _check_texts(clauses, sources)
    pages = {**base["sources"], **sources}
    kept = {
        **{each: getattr(draft, each) for each in LABELS},
        "version": name,
        "clauses": {**base["clauses"], **clauses},
        "sources": {clause: page for clause, page in pages.items() if page},
        "note": note,
    }
    _demand_policy(kept)
    return kept


def _reason(text: str, question: str, kept_with: str) -> str:
    """A written reason. Raises ReasonMissing with the question that has no answer yet."""
    if not text.strip():
        raise ReasonMissing(f"{question} Write one sentence; it is kept with the {kept_with}.")
    return demand_reason(text, question)


def _demand_policy(kept: Row) -> None:
    """Raises BadFigure for figures and placeholders that no policy can have."""
    policy_from_json({name: kept[name] for name in JUDGED_BY})


def _check_texts(clauses: dict[str, str], sources: dict[str, str]) -> None:
    if strange := sorted({*clauses, *sources} - set(CLAUSES)):
        raise BadFigure(f"There is no clause {strange[0]!r}; the clauses are {', '.join(CLAUSES)}.")
    for clause, text in clauses.items():
        demand_text(f"The text of {clause}", text, CLAUSE_CHARACTERS_MAX)
    for clause, page in sources.items():
        if page and not _ADDRESS.fullmatch(page):
            raise BadFigure(f"The page of {clause} must be an address such as https://help.example/refunds.")


def _lock(conn: Connection, draft_id: int, revision: int | None = None) -> Row:
    row: Row | None = queries.policies.lock_draft(conn, draft_id=draft_id)
    if row is None:
        raise NotFound(f"There is no draft {draft_id}. Open it from the policy page.")
    if row["state"] != "draft":
        raise WrongState(f"The draft {row['version']} was {row['state']} already. Reload the page.")
    if revision not in (None, row["revision"]):
        raise DraftChanged(f"The draft {row['version']} changed while you looked at it. Look at it again.")
    return row


def _named(rows: Sequence[Row], version: str) -> Row:
    row = next((each for each in rows if each["version"] == version), None)
    if row is None:
        raise NotFound(f"There is no version {version}. Choose one on the policy page.")
    return row


def _demand_new_name(rows: Sequence[Row], version: str) -> None:
    if any(row["version"] == version for row in rows):
        raise WrongState(f"There is a version {version} already. Choose another name for the draft.")


def _name_used(version: str) -> dict[str, Refusal]:
    """The database's own guards against two drafts or versions of one name, in words."""
    taken = WrongState(f"There is a draft or version {version[:60]} already. Choose another name.")
    return dict.fromkeys(("one_draft_a_version", "policy_versions_pkey"), taken)


# The database asks its own clock once more.
_CLOCKS: Final[Mapping[str, Refusal]] = dict.fromkeys(
    ("policy_in_order", "policy_not_yet_in_force"),
    WrongState(
        "By the database's clock that moment is past. If it lies ahead, the clocks of the desk and of its "
        "database differ by minutes: set them right, then try again."
    ),
)


def _demand_other_person(actor: Person, row: Row) -> None:
    if actor.person_id in row["written_by"]:
        raise SamePerson(
            "You wrote this draft, or a part of it. Ask a manager who changed nothing of it to publish it; "
            "if every manager did, drop it, let one of you write it anew, and another one publish that."
        )


def _demand_moment(begins: datetime, now: datetime, latest: Row) -> None:
    if begins < now:
        raise BadFigure(
            f"{_when(begins)} is past. A policy comes into force now or later, never for what already "
            "happened. Choose today or a day to come."
        )
    if begins > now + timedelta(days=AHEAD_DAYS_MAX):
        raise BadFigure(
            f"{_when(begins)} is more than {AHEAD_DAYS_MAX} days ahead. Choose a day until "
            f"{now + timedelta(days=AHEAD_DAYS_MAX):%Y-%m-%d}."
        )
    if begins <= latest["effective_from"]:
        revoke_it = ", or revoke it first" if latest["effective_from"] > now else ""
        raise BadFigure(
            f"{latest['version']} comes into force on {_when(latest['effective_from'])}; "
            f"choose a moment after it{revoke_it}."
        )


def _when(moment: datetime) -> str:
    return f"{moment:%Y-%m-%d %H:%M} UTC"


def _demand_newest(row: Row, latest: Row) -> None:
    version = latest["version"]
    if row["based_on"] != version:
        raise WrongState(
            f"The draft begins from {row['based_on']}, and the newest version is {version}: published as "
            f"it is, it would undo what {version} says. Take over the changes of {version} first."
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


# -- rows ---------------------------------------------------------------------------------------------


def _rewrite(
    conn: Connection, desk: Desk, draft_id: int, kept: Row, *, based_on: str, author: Person | None
) -> None:
    """A new revision of a draft. author: who becomes one of its authors, if anybody does."""
    queries.policies.change_draft(
        conn,
        draft_id=draft_id,
        **_columns(kept),
        based_on=based_on,
        author=author.person_id if author else None,
        at=desk.clock(),
    )


def _columns(kept: Row) -> Row:
    """_KEPT as the database takes it."""
    return {**kept, "clauses": json.dumps(kept["clauses"]), "sources": json.dumps(kept["sources"])}


def _told(row: Row) -> Row:
    return {name: row[name] for name in _KEPT}


# -- audit --------------------------------------------------------------------------------------------


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
