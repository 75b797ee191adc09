"""Consistent decisions: how claims like this one were decided; the other pros who paid for the lead."""

import json
import re
from dataclasses import dataclass
from typing import Any, Final

from refundlib.db.queries import queries
from refundlib.domain.errors import NotFound, ReportedBefore, WrongState
from refundlib.domain.masking import mask_text
from refundlib.domain.people import Person, is_masked
from refundlib.services.desk import Desk, command
from refundlib.services.intake import Draft, file_report, prospect

# Of the newest decided claims of the reason, so many are compared.
COMPARED_MAX: Final = 2_000
SHOWN: Final = 5
WORDS_MAX: Final = 30
SIBLINGS_MAX: Final = 50
# What is wrong with a lead for one pro is wrong for every pro who paid for it.
SHARED_REASONS: Final = ("invalid_phone", "terms_violation")
_WORD: Final = re.compile(r"[^\W\d_]{4,}")

Row = dict[str, Any]


@command("read_claim")
def precedents(desk: Desk, actor: Person, report_id: str) -> list[Row]:
    """The decided claims most like this one: same reason, alike words, category, advice. Raises NotFound."""
    with desk.reading() as conn:
        claim = queries.precedents.claim(conn, report_id=report_id)
        if claim is None:
            raise NotFound(f"There is no report {report_id!r}. Check the id, or search the queue.")
        words = _words(json.loads(claim.pop("facts")))
        rows: list[Row] = queries.precedents.nearest(
            conn, **claim, words=" | ".join(words) or None, rows=COMPARED_MAX, limit=SHOWN
        )
    if is_masked(actor):
        return [{**row, "note": mask_text(row["note"])} for row in rows]
    return rows


def _words(facts: Row) -> list[str]:
    """The words a claim is compared by: of the report and of the customer, the longer ones, each once."""
    said = [facts["report"]["details"]]
    said += [message["body"] for message in facts["messages"] if message["sender"] == "customer"]
    return list(dict.fromkeys(_WORD.findall(" ".join(said).lower())))[:WORDS_MAX]


@dataclass(frozen=True)
class Siblings:
    """Reports opened for the other pros of a lead, and the charges left out because their days are over."""

    opened: list[str]
    too_late: list[str]


@command("file_report")
def open_for_siblings(desk: Desk, actor: Person, report_id: str) -> Siblings:
    """Opens a claim for every other pro who paid for the lead and has reported nothing.

    Safe to repeat. Raises NotFound, WrongState unless the report was approved for one of SHARED_REASONS.
    """
    with desk.reading() as conn:
        report = queries.decisions.report(conn, report_id=report_id)
        if report is None:
            raise NotFound(f"There is no report {report_id!r}. Check the id, or search the queue.")
        if report["state"] != "approved" or report["reason"] not in SHARED_REASONS:
            raise WrongState(
                f"Claims for the other pros follow an approval for what is wrong with the lead itself; "
                f"{report_id} is none."
            )
        charges = queries.claims.lead_charges(conn, lead_id=report["lead_id"], limit=SIBLINGS_MAX)
    opened, too_late = [], []
    for charge in charges:
        if charge["report_id"] is not None:
            continue
        words = f"Opened after {report_id}, about the same lead, was approved."
        draft = Draft(charge["charge_id"], report["reason"], words)
        if prospect(desk, actor, draft).is_late:
            too_late.append(charge["charge_id"])
            continue
        try:
            opened.append(file_report(desk, actor, draft))
        except ReportedBefore:
            continue  # the pro was first
    return Siblings(opened, too_late)
