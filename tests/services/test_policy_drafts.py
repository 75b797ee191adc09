"""Policies: drafted by one manager, published by another when the golden cases pass; what counts for what."""

import contextlib
import threading
from concurrent.futures import ThreadPoolExecutor
from dataclasses import fields, replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from refundlib.domain import policy
from refundlib.domain.errors import (
    BadFigure,
    NotAllowed,
    NotFound,
    ReasonMissing,
    Refusal,
    SamePerson,
    WrongState,
)
from refundlib.domain.golden import golden_cases
from refundlib.domain.people import Person
from refundlib.domain.policy import BUILT_IN, CLAUSES, FIGURES, LABELS, Policy, in_words
from refundlib.services import policy_drafts
from refundlib.services.checking import check
from refundlib.services.claims import claim
from refundlib.services.demo import load_demo
from refundlib.services.desk import Desk
from refundlib.services.intake import Draft as Report
from refundlib.services.intake import file_report
from refundlib.services.policies import policies
from refundlib.services.policy_drafts import (
    AHEAD_DAYS_MAX,
    Draft,
    change_draft,
    drafts,
    drop_draft,
    policy_of,
    publish,
    published,
    revoke,
    take_over,
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
    assert (newest["version"], newest["author_names"], newest["published_by_name"]) == (
        "2026-12",
        "Mo Haddad, Noor Aziz",
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
        ("clauses", {"C1": "Within 14-day terms (14)."}, None),
        ("clauses", {"W1": "Report within 45 days. Call 30 times."}, "W1"),
        ("clauses", {"W1": "You have a 30-day window."}, None),
        ("clauses", {"W1": "The days in which to report are (30)."}, None),
        ("clauses", {"J1": "Refundable: more than 10 miles away."}, "J1"),
        ("clauses", {"J1": "Refundable: more than 25.0 miles away."}, None),
        ("clauses", {"J1": "Refundable: more than {job_changed_miles} miles away."}, None),
        ("clauses", {"S2": "Nobody tells the pro."}, "S2"),
    ],
)
def test_what_the_golden_cases_notice(desk: Desk, field: str, value: Any, clause: str | None) -> None:
    """Other numbers pass where they still mean the clause; what no longer means it is named."""
    value = {**CLAUSES, **value} if field == "clauses" else value
    cases = golden_cases(replace(BUILT_IN, **{field: value}), desk.gazetteer, desk.phone_book)
    assert {case.clause for case in cases if not case.passes} == ({clause} if clause else set())


def test_every_clause_has_a_golden_case(desk: Desk) -> None:
    """And the built-in version passes them all."""
    cases = golden_cases(BUILT_IN, desk.gazetteer, desk.phone_book)
    missing = {*CLAUSES} - {case.clause for case in cases}
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
    with pytest.raises(
        BadFigure, match=r"2026-12 comes into force on .* choose a moment after it, or revoke"
    ):
        at(soon)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"window_days": 0}, "window_days must be a whole number from 1 to 3650"),
        ({"window_days": -1}, "window_days must be a whole number"),
        ({"job_changed_miles": float("nan")}, "job_changed_miles must be a number"),
        ({"job_changed_miles": 1e7}, "from 0.01 to 5000"),
        ({"job_changed_miles": 10**400}, "job_changed_miles must be a number"),
        ({"job_changed_miles": 10**5000}, "thousands of digits"),
        ({"job_changed_miles": 0.001}, "from 0.01 to 5000"),
        ({"job_changed_miles": 25.126}, "with at most 2 decimals"),
        ({"sla_hours": 8761}, "from 1 to 8760"),
        ({"approval_limit_minor": 2**63}, "approval_limit_minor must be a whole number"),
        ({"spend_order": "random"}, "spend_order must be one of"),
        ({"clauses": {"X9": "What"}}, "There is no clause 'X9'"),
        ({"clauses": {"W1": "x" * 1001}}, "can have 1000 characters"),
        ({"clauses": {"W1": "30 \ud800"}}, "signs that can be read"),
        ({"clauses": {"W1": "30 a\x00b"}}, "signs that can be read"),
        ({"clauses": {"W1": "Within {days} days."}}, r"W1 has \{days\}, which stands for nothing"),
        ({"clauses": {"W1": "Within {window_days days."}}, "a brace alone"),
        ({"sources": {"W1": "javascript:alert(1)"}}, "must be an address"),
        ({"version": "  "}, "needs a name"),
        ({"version": "x" * 41}, "needs a name"),
        ({"version": "*a* [x](http://y)"}, "letters, digits, hyphens and dots"),
        ({"version": "2026\u201002"}, "letters, digits, hyphens and dots"),
    ],
)
def test_what_no_policy_says(desk: Desk, people: People, change: dict[str, Any], words: str) -> None:
    """A sentence names the figure; nothing is kept."""
    with pytest.raises(BadFigure, match=words):
        write_draft(desk, people["mo"], replace(LONGER, **change))
    assert drafts(desk, people["mo"]) == []


def test_at_most_a_year_ahead(desk: Desk, people: People, clock: Clock) -> None:
    """A slip in the year is refused; a year is fine."""
    draft = write_draft(desk, people["mo"], LONGER)
    year = timedelta(days=AHEAD_DAYS_MAX)

    def at(moment: datetime) -> str:
        return publish(desk, people["noor"], draft, revision=1, effective_from=moment)

    with pytest.raises(BadFigure, match=r"2036-03-20 00:00 UTC is more than 365 days ahead"):
        at(datetime(2036, 3, 20, tzinfo=UTC))
    with pytest.raises(BadFigure, match="days ahead"):
        at(clock.now + year + timedelta(seconds=1))
    assert at(clock.now + year) == "2026-12"


def test_a_scheduled_version_is_revoked(
    desk: Desk, people: People, clock: Clock, market: Market, owner_desk: Desk
) -> None:
    """With a reason, until it comes into force; then nothing that asks which version counts finds it."""
    soon = clock.now + timedelta(days=7)
    draft = write_draft(desk, people["mo"], LONGER)
    publish(desk, people["noor"], draft, revision=1, effective_from=soon)
    with pytest.raises(ReasonMissing):
        revoke(desk, people["noor"], "2026-12", " ")
    with pytest.raises(NotAllowed):
        revoke(desk, people["dana"], "2026-12", "No")
    with pytest.raises(NotFound):
        revoke(desk, people["noor"], "2026-13", "No")
    revoke(desk, people["noor"], "2026-12", "The wrong year")
    with pytest.raises(WrongState, match="was revoked already, by Noor Aziz"):
        revoke(desk, people["mo"], "2026-12", "Again")
    row = published(desk, people["vic"])[0]
    assert (row["standing"], row["revoked_by_name"], row["revoked_because"]) == (
        "revoked",
        "Noor Aziz",
        "The wrong year",
    )
    with desk.reading() as conn:
        assert policies(conn) == [BUILT_IN]
    told = market.one("SELECT actor || ' ' || reason FROM refunds.audit WHERE action = 'policy_revoked'")
    assert told == "noor The wrong year"
    # Its moment is free again, its name is not; and the old window still counts after that moment.
    with pytest.raises(WrongState, match="There is a version 2026-12 already"):
        write_draft(desk, people["mo"], LONGER)
    again = write_draft(desk, people["mo"], replace(LONGER, version="again", window_days=60))
    publish(desk, people["noor"], again, revision=1, effective_from=soon)
    revoke(desk, people["mo"], "again", "Not this one either")
    clock.advance(timedelta(days=8))
    load_demo(owner_desk, charges=50, seed=3, as_of=clock.now)
    assert check(market.owner)["ok"]
    market.pay("pay", market.pro("moss"), 5000)
    market.charge("new", market.lead("l1"), "moss", 1000)
    clock.advance(timedelta(days=1))
    report = claim(desk, people["dana"], file_report(desk, people["dana"], Report("new", "other")))
    assert report.policy.version == BUILT_IN.version
    assert report.report["deadline_at"] == clock.now + timedelta(hours=48)


def test_what_is_in_force_is_not_revoked(desk: Desk, people: People, clock: Clock) -> None:
    """Neither the first version nor one that came into force this moment."""
    publish(desk, people["noor"], write_draft(desk, people["mo"], LONGER), revision=1)
    for version in (BUILT_IN.version, "2026-12"):
        with pytest.raises(WrongState, match="cannot be revoked"):
            revoke(desk, people["noor"], version, "Late")
    assert [row["standing"] for row in published(desk, people["vic"])] == ["in force", "past"]


def test_a_draft_that_fell_behind(desk: Desk, people: People, clock: Clock) -> None:
    """It would undo the newer version, and says so; it takes the rest over and keeps what it changed."""
    first = write_draft(
        desk,
        people["mo"],
        replace(LONGER, clauses={"D1": "A person decides."}, sources={"D1": "https://d.example"}),
    )
    mine = replace(
        LONGER, version="hours", window_days=30, sla_hours=12, clauses={"H1": "Never for that."}, sources={}
    )
    second = write_draft(desk, people["mo"], mine)
    publish(desk, people["noor"], first, revision=1)
    clock.advance(timedelta(minutes=1))
    with pytest.raises(
        WrongState, match=r"it would undo what 2026-12 says\. Take over the changes of 2026-12"
    ):
        publish(desk, people["noor"], second, revision=1)
    changed = take_over(desk, people["noor"], second, revision=1)
    assert [(change.kind, change.name) for change in changed] == [
        ("figure", "window_days"),
        ("text", "D1"),
        ("page", "D1"),
    ]
    (row,) = drafts(desk, people["mo"])
    assert (row["window_days"], row["sla_hours"], row["revision"], row["based_on"]) == (45, 12, 2, "2026-12")
    assert (row["clauses"]["H1"], row["clauses"]["D1"]) == ("Never for that.", "A person decides.")
    assert (row["sources"], row["written_by"]) == ({"D1": "https://d.example"}, ["mo"])
    with pytest.raises(WrongState, match="begins from the newest version already"):
        take_over(desk, people["noor"], second, revision=2)
    # Who took it over added nothing of their own, and can publish.
    assert publish(desk, people["noor"], second, revision=2) == "hours"


def test_a_draft_of_a_revoked_version_keeps_its_words(desk: Desk, people: People, clock: Clock) -> None:
    """What the revoked version said as well is not taken away from the draft that wanted it first."""
    mine = write_draft(desk, people["mo"], replace(LONGER, version="mine"))
    soon = clock.now + timedelta(days=7)
    same = write_draft(desk, people["noor"], replace(LONGER, version="same"))
    publish(desk, people["mo"], same, revision=1, effective_from=soon)
    assert take_over(desk, people["mo"], mine, revision=1) == []
    revoke(desk, people["mo"], "same", "The wrong year")
    assert take_over(desk, people["mo"], mine, revision=2) == []
    (row,) = drafts(desk, people["mo"])
    assert (row["window_days"], row["based_on"]) == (LONGER.window_days, BUILT_IN.version)


def test_a_draft_begins_from_the_version_that_was_looked_at(desk: Desk, people: People, clock: Clock) -> None:
    """A version published while the form was open is not undone by it."""
    publish(desk, people["noor"], write_draft(desk, people["mo"], LONGER), revision=1)
    clock.advance(timedelta(minutes=1))
    late = replace(LONGER, version="late", window_days=30)
    draft = write_draft(desk, people["mo"], late, begun_from=BUILT_IN.version)
    with pytest.raises(WrongState, match="Take over the changes of 2026-12"):
        publish(desk, people["noor"], draft, revision=1)


@pytest.mark.parametrize("days", [(30, 10), (0, 0)])
def test_two_at_once(
    desk: Desk, people: People, clock: Clock, monkeypatch: pytest.MonkeyPatch, days: tuple[int, int]
) -> None:
    """Two publish at once: the second is judged against the first, and is refused."""
    numbers = [write_draft(desk, people["mo"], replace(LONGER, version=f"v{name}")) for name in "ab"]
    started = threading.Barrier(2, timeout=20)
    judge = policy_drafts._demand_other_person

    def meet(*args: Any) -> None:
        # The first waits in vain for the second, which stands at the lock.
        with contextlib.suppress(threading.BrokenBarrierError):
            started.wait(1)
        judge(*args)

    monkeypatch.setattr(policy_drafts, "_demand_other_person", meet)

    def attempt(draft: int, ahead: int) -> str:
        moment = clock.now + timedelta(days=ahead) if ahead else None
        try:
            return publish(desk, people["noor"], draft, revision=1, effective_from=moment)
        except Refusal as refusal:
            return str(refusal)

    with ThreadPoolExecutor(2) as pool:
        told = list(pool.map(attempt, numbers, days))
    done = [answer for answer in told if answer in ("va", "vb")]
    (refused,) = [answer for answer in told if answer not in done]
    assert len(done) == 1
    assert f"{done[0]} comes into force" in refused or f"Take over the changes of {done[0]}" in refused
    assert len(published(desk, people["vic"])) == 2


def test_saved_unchanged_makes_no_author(desk: Desk, people: People, market: Market) -> None:
    """Who saves a draft as it is changes nothing and can publish it; the author is told the way out."""
    draft = write_draft(desk, people["mo"], LONGER)
    change_draft(desk, people["noor"], draft, replace(LONGER, note=" Pros asked for more time "), revision=1)
    (row,) = drafts(desk, people["mo"])
    assert (row["revision"], row["written_by"]) == (1, ["mo"])
    assert market.one("SELECT count(*) FROM refunds.audit WHERE action = 'policy_changed'") == 0
    with pytest.raises(SamePerson, match="Ask a manager who changed nothing of it"):
        publish(desk, people["mo"], draft, revision=1)
    assert publish(desk, people["noor"], draft, revision=1)


def test_the_words_of_a_version_stay(
    desk: Desk, people: People, monkeypatch: pytest.MonkeyPatch, market: Market
) -> None:
    """A version keeps every text in full, with its own numbers filled in, whatever the program says."""
    texts = {
        "J1": "Over {job_changed_miles} miles away.",
        "D1": "{spend_order}; one person gives {approval_limit_minor}.",
    }
    draft = write_draft(desk, people["mo"], replace(LONGER, clauses=texts))
    publish(desk, people["noor"], draft, revision=1)
    monkeypatch.setattr(policy, "CLAUSES", dict.fromkeys(CLAUSES, "Another text"))
    with desk.reading() as conn:
        newest, first = policies(conn)
    assert newest.clause("J1") == "Over 25 miles away."
    assert newest.clause("D1") == "oldest money first; one person gives 30.00."
    assert newest.clause("W1") == "The report must arrive within 45 days of the charge."
    assert first == BUILT_IN
    assert market.one("SELECT count(*) FROM refunds.policy_versions WHERE NOT clauses ? 'C2'") == 0


def test_one_list_of_what_a_version_says() -> None:
    """Policy and Draft have each of it as a field, and there is a placeholder for each."""
    for kind in (Policy, Draft):
        assert {*LABELS} <= {each.name for each in fields(kind)}
    assert {*LABELS} == {*FIGURES, "spend_order"} == {*in_words(BUILT_IN)}


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


def test_who_may_publish(desk: Desk, people: People) -> None:
    """Managers who work here and wrote none of it; nobody else is named."""
    assert policy_drafts.publishers(desk, people["mo"], ["mo"]) == ["Noor Aziz"]
    assert policy_drafts.publishers(desk, people["vic"], ["mo", "noor"]) == []


def test_a_free_name() -> None:
    """The day, or the day with the first number that nothing has."""
    day = datetime(2026, 3, 20, tzinfo=UTC).date()
    assert policy_drafts.free_name({"2026-02"}, day) == "2026-03-20"
    assert policy_drafts.free_name({"2026-03-20", "2026-03-20-2"}, day) == "2026-03-20-3"


def test_who_changed_a_draft_last(desk: Desk, people: People) -> None:
    """Also when they were among its authors before."""
    draft = write_draft(desk, people["mo"], LONGER)
    for turn, name in enumerate(("noor", "mo"), start=1):
        change_draft(desk, people[name], draft, replace(LONGER, sla_hours=10 + turn), revision=turn)
        (row,) = drafts(desk, people["vic"])
        assert row["changed_by_name"] == people[name].name
    with pytest.raises(policy_drafts.DraftChanged):
        change_draft(desk, people["noor"], draft, LONGER, revision=1)


def test_what_a_reason_is_for(desk: Desk, people: People) -> None:
    """Without one the sentence asks for it, and says with what it is kept."""
    with pytest.raises(ReasonMissing, match=r"Why does the policy change\? .* kept with the version"):
        write_draft(desk, people["mo"], replace(LONGER, note=" "))
    draft = write_draft(desk, people["mo"], LONGER)
    with pytest.raises(ReasonMissing, match="kept with the draft"):
        drop_draft(desk, people["mo"], draft, "")
