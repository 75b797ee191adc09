"""Consistent decisions: how claims like this one were decided; the other pros who paid for the lead."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final, Literal

from sqlalchemy import Connection

from refundlib.db.constraints import refusing
from refundlib.db.queries import queries
from refundlib.domain.claim import bundle_from_json
from refundlib.domain.errors import NotFound, ReportedBefore, WrongState
from refundlib.domain.likeness import Likeness, Traits, likeness, rarity, traits, words_said
from refundlib.domain.masking import mask_text
from refundlib.domain.people import Person, is_masked
from refundlib.domain.reasons import SHARED_REASONS
from refundlib.services.desk import Desk, command
from refundlib.services.intake import Draft, lock_charge, look_ahead, write
from refundlib.services.intake_snapshot import assess, parse
from refundlib.services.policies import in_force, policies
from refundlib.services.triage import lock_report

# Of the newest decided claims of the reason so many are looked through, so many compared closely.
SEARCHED_MAX: Final = 2_000
COMPARED_MAX: Final = 100
SHOWN: Final = 5
WORDS_MAX: Final = 30
SIBLINGS_MAX: Final = 50
# Nobody told it in a chat, by mail or on the phone: the desk opens these reports by itself.
CHANNEL: Final = "desk"

Row = dict[str, Any]


# -- precedents ---------------------------------------------------------------------------------------


@command("read_claim")
def precedents(desk: Desk, actor: Person, report_id: str) -> list[Row]:
    """The SHOWN decided claims of the same reason most like this one, the most alike first. Raises NotFound.

    Each row has the decision, its note, by whom and when, and `alike`: in a few words each, why it is alike.
    """
    with desk.reading() as conn:
        claim = queries.precedents.claim(conn, report_id=report_id)
        if claim is None:
            raise NotFound(f"There is no report {report_id!r}. Check the id, or search the queue.")
        mine, words = _traits_now(conn, desk, claim)
        rows: list[Row] = queries.precedents.candidates(
            conn, **claim, words=" | ".join(words) or None, rows=SEARCHED_MAX, limit=COMPARED_MAX
        )
    return [_told(row, found, is_masked(actor)) for row, found in _most_alike(desk, mine, rows)]


def _traits_now(conn: Connection, desk: Desk, claim: Row) -> tuple[Traits, list[str]]:
    """The claim's traits as the checks have it now, and the words to search for."""
    bundle = parse(claim.pop("facts"))
    judged = assess(desk, bundle, in_force(policies(conn), claim.pop("charged_at")))
    statuses = {check.id: check.status for check in judged.checks}
    return traits(bundle, statuses, desk.gazetteer, desk.phone_book), words_said(bundle)[:WORDS_MAX]


def _most_alike(desk: Desk, mine: Traits, rows: list[Row]) -> list[tuple[Row, Likeness]]:
    """The rows most alike, most first; of two as much alike the newer one first, as they come."""
    theirs = []
    for row in rows:
        row["facts"] = json.loads(row["facts"])
        bundle = bundle_from_json(row["facts"])
        theirs.append(traits(bundle, row.pop("statuses") or {}, desk.gazetteer, desk.phone_book))
    weights = rarity(theirs)
    found = [(row, likeness(mine, each, weights)) for row, each in zip(rows, theirs, strict=True)]
    return sorted(found, key=lambda pair: -pair[1].score)[:SHOWN]


def _told(row: Row, found: Likeness, masked: bool) -> Row:
    """A row as it leaves: without the facts it was compared by; masked, nobody can be reached by its note."""
    facts = row.pop("facts")
    names = (facts["customer"]["name"], facts["pro"]["name"])
    note = mask_text(row["note"], *names) if masked else row["note"]
    return {**row, "note": note, "alike": found.why}


# -- siblings -----------------------------------------------------------------------------------------

Standing = Literal["to_open", "reported", "refunded", "denied", "late", "gone"]
_STANDING_OF_STATE: Final[Mapping[str, Standing]] = {"approved": "refunded", "denied": "denied"}


@dataclass(frozen=True)
class Sibling:
    """A charge of another pro for the same lead, and whether a claim can be opened on it.

    standing: "to_open"; "reported": a report is to be decided, for whatever reason; "refunded"; "denied": for
    the same reason; "late": past report_until (W1, by the policy of its own charge); "gone": the pro or the
    customer is no longer on file. report_id, state: of the report that stands in the way, if one does.
    """

    charge_id: str
    pro_id: str
    pro_name: str
    amount_minor: int
    currency: str
    charged_at: datetime
    report_until: datetime
    window_days: int
    standing: Standing
    report_id: str | None
    state: str | None


@dataclass(frozen=True)
class Opened:
    """What one press did: the charges a claim was opened on, with the new report's id; and those left."""

    opened: list[tuple[Sibling, str]]
    left: list[Sibling]


@command("read_claim")
def siblings(desk: Desk, actor: Person, report_id: str) -> list[Sibling]:
    """The charges of the other pros who paid for the lead, the first charged first. Raises NotFound.

    None unless the report was approved for one of SHARED_REASONS. The rules of a second report are intake's:
    one denied for another reason, or withdrawn, is not in the way. The pro's own other charges on the lead
    are no other pro's: that pro knows.
    """
    with desk.reading() as conn:
        report = _report(conn, report_id)
        return _siblings(conn, desk, report) if _is_shared(report) else []


@command("file_report")
def open_for_siblings(desk: Desk, actor: Person, report_id: str) -> Opened:
    """Opens a claim on every charge of another pro on which one can be opened: all of them or none.

    Safe to repeat. Raises NotFound, WrongState unless the report was approved for one of SHARED_REASONS,
    ReportedBefore when one was reported meanwhile past the desk's locks.
    """
    with refusing(_reported_meanwhile()), desk.transaction() as conn:
        report = _report(conn, report_id)
        # Locks as a filing has them: charges before reports; in one order for everybody.
        locked = sorted(
            each.charge_id for each in _siblings(conn, desk, report) if each.standing == "to_open"
        )
        for charge_id in locked:
            lock_charge(conn, charge_id)
        _demand_shared(lock_report(conn, report_id))
        opened, left = [], []
        for each in _siblings(conn, desk, report):
            if each.standing == "to_open" and each.charge_id in locked:
                opened.append((each, _open(conn, desk, actor, report, each.charge_id)))
            else:
                left.append(each)
    return Opened(opened, left)


def _open(conn: Connection, desk: Desk, actor: Person, report: Row, charge_id: str) -> str:
    words = f"Opened after {report['report_id']}, about the same lead, was approved."
    ahead = look_ahead(conn, desk, Draft(charge_id, report["reason"], words))
    return write(conn, desk, actor, ahead, CHANNEL)


def _report(conn: Connection, report_id: str) -> Row:
    report: Row | None = queries.decisions.report(conn, report_id=report_id)
    if report is None:
        raise NotFound(f"There is no report {report_id!r}. Check the id, or search the queue.")
    return report


def _is_shared(report: Row) -> bool:
    return report["state"] == "approved" and report["reason"] in SHARED_REASONS


def _demand_shared(report: Row) -> None:
    if not _is_shared(report):
        raise WrongState(
            f"Claims for the other pros follow an approval for what is wrong with the lead itself; "
            f"{report['report_id']} is none."
        )


def _reported_meanwhile() -> dict[str, ReportedBefore]:
    """The database's own guard against two open reports on a charge, in words."""
    words = (
        "One of the charges was reported a moment ago, so no claim was opened. Reload the page and try again."
    )
    return {"one_open_report_a_charge": ReportedBefore(words, "")}


def _siblings(conn: Connection, desk: Desk, report: Row) -> list[Sibling]:
    versions = policies(conn)
    rows = queries.precedents.siblings(
        conn,
        lead_id=report["lead_id"],
        pro_id=report["pro_id"],
        reason=report["reason"],
        limit=SIBLINGS_MAX,
    )
    now = desk.clock()
    return [_sibling(row, in_force(versions, row["charged_at"]).window_days, now) for row in rows]


def _sibling(row: Row, window_days: int, now: datetime) -> Sibling:
    until = row["charged_at"] + timedelta(days=window_days)
    standing: Standing = "to_open"
    if row["state"] is not None:
        standing = _STANDING_OF_STATE.get(row["state"], "reported")
    elif not row["is_here"]:
        standing = "gone"
    elif now > until:
        standing = "late"
    return Sibling(
        charge_id=row["charge_id"],
        pro_id=row["pro_id"],
        pro_name=row["pro_name"],
        amount_minor=row["amount"],
        currency=row["currency"],
        charged_at=row["charged_at"],
        report_until=until,
        window_days=window_days,
        standing=standing,
        report_id=row["report_id"],
        state=row["state"],
    )
