"""A draft in the shadow: it judges each new report silently beside the version in force, and is compared.

Only the report as it arrived is judged; what an appeal brings is for people to read.
"""

import json
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from sqlalchemy import Connection

from refundlib.db.queries import queries
from refundlib.domain.eligibility import assess, reassess
from refundlib.domain.people import Person
from refundlib.domain.policy import Policy
from refundlib.services.backtest_judging import EVERY_CLAUSE, PEOPLE_OF, agreement_json, changed_checks
from refundlib.services.desk import Desk, command
from refundlib.services.intake_snapshot import parse
from refundlib.services.policies import in_force, policies
from refundlib.services.policy_drafts import policy_of
from refundlib.services.work import Work

A_PASS_MAX: Final = 500
FLIPS_SHOWN: Final = 50

Row = dict[str, Any]


def judge_in_shadow(desk: Desk, limit: int = A_PASS_MAX) -> Work:
    """Judges new reports by every draft that runs in the shadow; count of judged. Safe to repeat.

    Each report comes with its draft as it is in that moment: what is judged is filed under that revision,
    whatever becomes of the draft meanwhile.
    """
    with desk.transaction() as conn:
        due = queries.shadows.due(conn, limit=limit)
        versions = policies(conn) if due else []
        for row in due:
            _judge(conn, desk, row, versions)
    return Work({"judged": len(due)}, more=len(due) == limit)


def _judge(conn: Connection, desk: Desk, row: Row, versions: list[Policy]) -> None:
    now, bundle = desk.clock(), parse(row["facts"])
    was = assess(bundle, in_force(versions, bundle.charge.charged_at), desk.gazetteer, desk.phone_book)
    becomes = reassess(was, bundle, policy_of(row, now), desk.gazetteer)
    queries.shadows.keep(
        conn,
        draft_id=row["draft_id"],
        revision=row["revision"],
        shadow_since=row["shadow_since"],
        report_id=row["report_id"],
        was=was.recommendation,
        becomes=becomes.recommendation,
        changed=json.dumps(changed_checks(was, becomes)),
        at=now,
    )


@dataclass(frozen=True)
class Shadow:
    """One comparison: a revision of a draft since it was switched on.

    is_on: whether it goes on. judged, withdrawn: reports, the withdrawn ones among them. moves: rows as in
    a backtest's result. flips: the newest reports that differ, FLIPS_SHOWN at most. decided, agreement: as in
    a backtest's result, by `old` and `draft`; empty where people decided nothing so advised.
    """

    revision: int
    since: datetime
    is_on: bool
    judged: int
    withdrawn: int
    moves: list[Row]
    flips: list[Row]
    decided: int
    agreement: dict[str, Row]

    @property
    def differ(self) -> int:
        """The reports of which the draft says something else, withdrawn ones not among them."""
        return sum(move["claims"] for move in self.moves)


@command("backtest")
def shadow(desk: Desk, actor: Person, draft_id: int) -> Shadow | None:
    """The comparison of a draft: the present one while it is open and switched on, the last of a settled one.

    None when there is none.
    """
    with desk.reading() as conn:
        row = queries.shadows.compared(conn, draft_id=draft_id)
        if row is None:
            return None
        which = {"draft_id": draft_id, "revision": row["revision"], "shadow_since": row["shadow_since"]}
        counted = queries.shadows.moves(conn, **which)
        newest = queries.shadows.flips(conn, **which, limit=FLIPS_SHOWN)
    standing = [each for each in counted if each["people"] != "withdrawn"]
    judged = sum(each["claims"] for each in counted)
    return Shadow(
        revision=row["revision"],
        since=row["shadow_since"],
        is_on=row["is_on"],
        judged=judged,
        withdrawn=judged - sum(each["claims"] for each in standing),
        moves=[each for each in standing if each["was"] != each["becomes"]],
        flips=newest,
        decided=sum(each["claims"] for each in standing if each["people"] != "undecided"),
        agreement=_agreement(standing),
    )


def _agreement(counted: list[Row]) -> dict[str, Row]:
    """By `old` and by `draft`, how often what either advised is what people decided; each report once."""
    found = {}
    for by, side in (("old", "was"), ("draft", "becomes")):
        advised = [row for row in counted if row["people"] != "undecided" and row[side] != "review"]
        if n := sum(row["claims"] for row in advised):
            k = sum(row["claims"] for row in advised if PEOPLE_OF[row[side]] == row["people"])
            found[by] = agreement_json(EVERY_CLAUSE, by, n, k)
    return found
