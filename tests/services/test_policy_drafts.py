"""Policies: drafted by one manager, published by another when the golden cases pass; what counts for what."""

from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

import pytest

from refundlib.domain.errors import BadFigure, NotAllowed, NotFound, ReasonMissing, SamePerson, WrongState
from refundlib.domain.golden import golden_cases
from refundlib.domain.people import Person
from refundlib.domain.policy import BUILT_IN, CLAUSES
from refundlib.services.checking import check
from refundlib.services.claims import claim
from refundlib.services.desk import Desk
from refundlib.services.intake import Draft as Report
from refundlib.services.intake import file_report
from refundlib.services.policy_drafts import (
    Draft,
    change_draft,
    drafts,
    drop_draft,
    policy_of,
    publish,
    published,
    write_draft,
)
from tests.conftest import Clock
from tests.market import Market

People = dict[str, Person]
LONGER = Draft(
    version="2026-12",
    window_days=45,
    job_changed_miles=25.0,
    sla_hours=24,
    card_refund_days=14,
    spend_order="fifo",
    approval_limit_minor=3000,
    clauses={},
    sources={"W1": "https://help.example/refunds"},
    note="Pros asked for more time",
)


def test_another_manager_publishes(desk: Desk, people: People, clock: Clock, market: Market) -> None:
    """Who wrote any of it cannot publish it; another manager can, and the version tells both."""
    draft = write_draft(desk, people["mo"], LONGER)
    with pytest.raises(SamePerson):
        publish(desk, people["mo"], draft, revision=1)
    change_draft(desk, people["noor"], draft, replace(LONGER, note="More time"), revision=1)
    with pytest.raises(SamePerson):
        publish(desk, people["noor"], draft, revision=2)
    third = Person("zoe", "Zoe", frozenset({"manager"}))
    with pytest.raises(WrongState, match="changed while you looked"):
        publish(desk, third, draft, revision=1)
    assert publish(desk, third, draft, revision=2) == "2026-12"
    newest, oldest = published(desk, people["vic"])
    assert (newest["version"], newest["author_name"], newest["published_by_name"]) == (
        "2026-12",
        "mo, noor",
        "zoe",
    )
    assert (newest["effective_from"], newest["note"], newest["sources"]) == (
        clock.now,
        "More time",
        {"W1": "https://help.example/refunds"},
    )
    assert (oldest["version"], drafts(desk, people["mo"])) == (BUILT_IN.version, [])
    with pytest.raises(WrongState, match="was published already"):
        publish(desk, third, draft, revision=2)
    assert check(market.owner)["ok"]


def test_golden_cases_guard_publishing(desk: Desk, people: People) -> None:
    """A text that names other days than the rule is not published; corrected it is."""
    wrong = replace(LONGER, clauses={"W1": "The report must arrive within 30 days."})
    draft = write_draft(desk, people["mo"], wrong)
    with pytest.raises(WrongState, match=r"1 golden case fails, so it is not published\. W1"):
        publish(desk, people["noor"], draft, revision=1)
    change_draft(
        desk, people["mo"], draft, replace(wrong, clauses={"W1": "You have {window_days} days."}), revision=1
    )
    assert publish(desk, people["noor"], draft, revision=2)


@pytest.mark.parametrize(
    ("field", "value", "clause"),
    [
        ("window_days", 45, None),
        ("job_changed_miles", 3000.0, "J1"),
        ("sla_hours", 2000, "S1"),
        ("spend_order", "refunds_first", None),
        ("spend_order", "refunds_last", None),
        ("card_refund_days", 1, None),
        ("clauses", {"S1": "Soon."}, "S1"),
        ("clauses", {"C1": "Within 15 days."}, "C1"),
    ],
)
def test_what_the_golden_cases_notice(desk: Desk, field: str, value: Any, clause: str | None) -> None:
    """Other numbers pass where they still mean the clause; what no longer means it is named."""
    cases = golden_cases(replace(BUILT_IN, **{field: value}), desk.gazetteer, desk.phone_book)
    assert {case.clause for case in cases if not case.passes} == ({clause} if clause else set())


def test_every_clause_has_a_golden_case(desk: Desk) -> None:
    """But for the mail, which no number of a policy changes."""
    cases = golden_cases(BUILT_IN, desk.gazetteer, desk.phone_book)
    missing = {*CLAUSES} - {"S2"} - {case.clause for case in cases}
    assert (missing, [case for case in cases if not case.passes]) == (set(), [])


def test_which_version_counts(desk: Desk, people: People, market: Market, clock: Clock) -> None:
    """Charged before the new version: the old window; reported after it: the new hours."""
    market.pay("pay", market.pro("moss"), 5000)
    market.charge("old", market.lead("l1"), "moss", 1000)
    early = file_report(desk, people["dana"], Report("old", "other"))
    clock.advance(timedelta(days=1))
    publish(desk, people["noor"], write_draft(desk, people["mo"], LONGER), revision=1)
    clock.advance(timedelta(hours=1))
    market.charge("new", market.lead("l2"), "moss", 1000)
    clock.advance(timedelta(days=40))
    late = file_report(desk, people["dana"], Report("new", "other"))

    def window(report: str) -> tuple[str, str]:
        it = claim(desk, people["dana"], report)
        return it.policy.version, it.assessment.checks[0].status

    assert window(late) == ("2026-12", "pass")
    assert window(early) == (BUILT_IN.version, "pass")
    deadline = claim(desk, people["dana"], late).report["deadline_at"]
    assert deadline == clock.now + timedelta(hours=24)
    kept = claim(desk, people["dana"], early).report
    assert kept["deadline_at"] - kept["reported_at"] == timedelta(hours=48)


def test_never_for_what_already_happened(desk: Desk, people: People, clock: Clock) -> None:
    """Not before now, not before another version's beginning; a day to come is fine."""
    draft = write_draft(desk, people["mo"], LONGER)

    def at(moment: datetime) -> str:
        return publish(desk, people["noor"], draft, revision=1, effective_from=moment)

    with pytest.raises(BadFigure, match="never for what already happened"):
        at(clock.now - timedelta(seconds=1))
    soon = clock.now + timedelta(days=7)
    assert at(soon) == "2026-12"
    draft = write_draft(desk, people["mo"], replace(LONGER, version="2027-01"))
    with pytest.raises(BadFigure, match="choose a moment after it"):
        at(soon)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"window_days": 0}, "more than zero"),
        ({"window_days": -1}, "window_days must be a whole number"),
        ({"job_changed_miles": float("nan")}, "job_changed_miles must be a number"),
        ({"job_changed_miles": 1e7}, "farther than the earth"),
        ({"approval_limit_minor": 2**63}, "approval_limit_minor must be a whole number"),
        ({"spend_order": "random"}, "spend_order must be one of"),
        ({"clauses": {"X9": "What"}}, "There is no clause 'X9'"),
        ({"clauses": {"W1": "x" * 1001}}, "can have 1000 characters"),
        ({"sources": {"W1": "javascript:alert(1)"}}, "must be an address"),
        ({"version": "  "}, "needs a name"),
        ({"version": "x" * 41}, "needs a name"),
    ],
)
def test_what_no_policy_says(desk: Desk, people: People, change: dict[str, Any], words: str) -> None:
    """A sentence names the figure; nothing is kept."""
    with pytest.raises(BadFigure, match=words):
        write_draft(desk, people["mo"], replace(LONGER, **change))
    assert drafts(desk, people["mo"]) == []


def test_names_notes_and_roles(desk: Desk, people: People, market: Market) -> None:
    """A name is one draft's and never an old version's; a note is due; only managers write."""
    first = write_draft(desk, people["mo"], LONGER)
    for name in (LONGER.version, BUILT_IN.version):
        with pytest.raises(WrongState):
            write_draft(desk, people["noor"], replace(LONGER, version=name))
    with pytest.raises(ReasonMissing):
        write_draft(desk, people["mo"], replace(LONGER, version="x", note=" "))
    for person in ("dana", "fin", "vic", "ada"):
        with pytest.raises(NotAllowed):
            write_draft(desk, people[person], LONGER)
        with pytest.raises(NotAllowed):
            publish(desk, people[person], first, revision=1)
    drop_draft(desk, people["noor"], first, "Not now")
    with pytest.raises(WrongState, match="was dropped already"):
        publish(desk, people["noor"], first, revision=1)
    with pytest.raises(NotFound):
        publish(desk, people["noor"], 999, revision=1)
    again = write_draft(desk, people["noor"], LONGER)
    row = drafts(desk, people["vic"])[0]
    assert (row["draft_id"], row["author_names"]) == (again, "Noor Aziz")
    assert policy_of(row, desk.clock()).window_days == 45
    told = market.one(
        "SELECT string_agg(action, ' ' ORDER BY audit_id) FROM refunds.audit WHERE subject LIKE 'policy:%'"
    )
    assert told == "policy_drafted policy_dropped policy_drafted"
