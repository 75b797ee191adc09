"""A draft on history: flips, money and agreement equal a count made another way; stopped; in the shadow."""

import json
from collections import Counter
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sqlalchemy import text

from refundlib.domain.eligibility import assess, may_differ, reassess
from refundlib.domain.errors import BadFigure, NotAllowed, NotFound, WrongState
from refundlib.domain.golden import CHARGED, golden_claim
from refundlib.domain.people import Person
from refundlib.domain.policy import BUILT_IN, Policy
from refundlib.reference.phones import PhoneNumbers
from refundlib.reference.zips import ZipTable
from refundlib.services import backtest
from refundlib.services.backtest import begin, cancel, flips, judge_history, judge_in_shadow, run, shadow
from refundlib.services.demo import load_demo
from refundlib.services.desk import Desk
from refundlib.services.intake import Draft as Report
from refundlib.services.intake import file_report
from refundlib.services.intake_snapshot import parse
from refundlib.services.policy_drafts import change_draft, publish, set_shadow, write_draft
from tests.conftest import Clock
from tests.market import Market
from tests.services.test_policy_drafts import LONGER

People = dict[str, Person]
AS_OF = datetime(2026, 3, 20, 12, tzinfo=UTC)
EVER = (datetime(2000, 1, 1, tzinfo=UTC), datetime(2100, 1, 1, tzinfo=UTC))
ZIPS, PHONES = ZipTable(), PhoneNumbers()
FORTY_FIVE = replace(BUILT_IN, version="45", window_days=45)


@pytest.fixture
def history(owner_desk: Desk, desk: Desk) -> list[tuple[dict[str, Any], str | None]]:
    """Demo claims: their frozen facts, and what people decided."""
    load_demo(owner_desk, charges=3000, seed=11, as_of=AS_OF)
    with desk.reading() as conn:
        rows = conn.execute(
            text(
                """SELECT s.facts, d.decision
                FROM refunds.snapshots s JOIN refunds.reports r USING (report_id)
                LEFT JOIN refunds.decisions d ON d.decision_id = r.standing_decision_id"""
            )
        ).all()
    return [(json.loads(facts), decision) for facts, decision in rows]


def age_days(facts: dict[str, Any]) -> float:
    """Days from charge to report."""
    reported, charged = (
        datetime.fromisoformat(facts[part][name])
        for part, name in (("report", "reported_at"), ("charge", "charged_at"))
    )
    return (reported - charged) / timedelta(days=1)


def without_window(facts: dict[str, Any]) -> str:
    """What is advised when the window lets everything in."""
    bundle = parse(json.dumps(facts))
    return assess(bundle, replace(BUILT_IN, window_days=3650), ZIPS, PHONES).recommendation


def judge(desk: Desk, policy: Policy, processes: int = 0) -> tuple[backtest.Tally, list[backtest.Flip]]:
    """The counts and flips of all history."""
    found: list[backtest.Flip] = []
    return judge_history(desk, policy, *EVER, found.extend, lambda _n, _all: True, processes), found


def test_thirty_days_to_forty_five(desk: Desk, history: list[tuple[dict[str, Any], str | None]]) -> None:
    """Flips each way, money, reasons, categories and agreement equal the same counted by hand."""
    tally, found = judge(desk, FORTY_FIVE)
    wanted = Counter()
    money = Counter()
    for facts, _decision in history:
        becomes = without_window(facts)
        if 30 < age_days(facts) <= 45 and becomes != "deny":
            key = ("deny", becomes, facts["report"]["reason"], facts["lead"]["category"], "USD")
            wanted[key] += 1
            money[key] += facts["charge"]["amount"]
    assert len(wanted) > 3
    assert {key: tuple(counts) for key, counts in tally.moves.items()} == {
        key: (n, money[key]) for key, n in wanted.items()
    }
    assert (tally.judged, len(found)) == (len(history), wanted.total())
    agree = Counter()
    for facts, decision in history:
        said = without_window(facts) if age_days(facts) <= 45 else "deny"
        if decision and said != "review":
            agree[facts["report"]["reason"]] += said == decision
    assert tally.agreement["N1", "draft"][1] == agree["clear_no"]
    assert tally.agreement["P1", "draft"][1] == agree["invalid_phone"]
    for flip in found:
        (changed,) = flip.changed
        assert (changed["id"], changed["was"], changed["becomes"]) == ("within_window", "fail", "pass")
        assert "the window is 30 days" in changed["why_was"]
        assert "of 45" in changed["why_becomes"]


def test_on_both_cores_the_same(desk: Desk, history: list[Any], monkeypatch: pytest.MonkeyPatch) -> None:
    """Judged by two processes in many parts the counts and flips are those of one."""
    one, first = judge(desk, FORTY_FIVE)
    monkeypatch.setattr(backtest, "PART_CLAIMS", 20)
    two, second = judge(desk, FORTY_FIVE, processes=2)
    assert (two.to_json(), {f.report_id: f for f in second}) == (
        one.to_json(),
        {f.report_id: f for f in first},
    )


def test_miles_flip_both_ways(desk: Desk, history: list[Any]) -> None:
    """Fewer miles approve more, more miles fewer: each the other's mirror."""
    near, _ = judge(desk, replace(BUILT_IN, version="n", job_changed_miles=5.0))
    far, _ = judge(desk, replace(BUILT_IN, version="f", job_changed_miles=2400.0))
    assert {(key[0], key[1], key[2]) for key in near.moves} <= {("deny", "approve", "job_changed")}
    assert {(key[0], key[1], key[2]) for key in far.moves} == {("approve", "deny", "job_changed")}


@settings(max_examples=60, deadline=None)
@given(
    days=st.integers(1, 100),
    miles=st.floats(0.5, 3000, allow_nan=False),
    age=st.integers(-1, 110),
    reason=st.sampled_from(["job_changed", "clear_no", "not_hired", "other", "invalid_phone"]),
    new_zip=st.sampled_from([None, "10002", "07030", "90012", "09001", "?"]),
    category=st.sampled_from([None, "plumbing", "roofing"]),
)
def test_judged_again_is_judged_anew(
    days: int, miles: float, age: int, reason: str, new_zip: str | None, category: str | None
) -> None:
    """What is reused of the first assessment is what judging all of it again would say."""
    bundle = golden_claim(
        BUILT_IN, reason=reason, age=timedelta(days=age), changed_zip=new_zip, changed_category=category
    )
    assert bundle.charge.charged_at == CHARGED
    other = replace(BUILT_IN, window_days=days, job_changed_miles=miles)
    first = assess(bundle, BUILT_IN, ZIPS, PHONES)
    anew = assess(bundle, other, ZIPS, PHONES)
    assert reassess(first, bundle, other, ZIPS) == anew
    if not may_differ(first, bundle, other):
        assert [check.status for check in anew.checks] == [check.status for check in first.checks]


# -- kept, stopped ------------------------------------------------------------------------------------


@pytest.fixture
def asked(desk: Desk, people: People, history: list[Any]) -> int:
    """A backtest of 45 days on all history."""
    return begin(desk, people["mo"], write_draft(desk, people["mo"], LONGER), *EVER)


def test_what_came_of_it_is_kept(desk: Desk, people: People, asked: int, history: list[Any]) -> None:
    """Counts and flips can be read afterwards, filtered and a page at a time."""
    tally = run(desk, people["mo"], asked, processes=0)
    row = backtest.backtest(desk, people["noor"], asked)
    assert (row["state"], row["result"], row["claims_judged"]) == ("done", tally.to_json(), len(history))
    seen: list[str] = []
    while page := flips(desk, people["mo"], asked, after=seen[-1] if seen else ""):
        seen += [flip["report_id"] for flip in page]
    assert len(set(seen)) == sum(n for n, _ in tally.moves.values())
    some = flips(desk, people["mo"], asked, was="deny", becomes="approve", reason="invalid_phone")
    assert {(f["was"], f["becomes"], f["reason"]) for f in some} == {("deny", "approve", "invalid_phone")}
    with pytest.raises(WrongState, match="is done"):
        run(desk, people["mo"], asked, processes=0)


def test_it_can_be_stopped(
    desk: Desk, people: People, asked: int, history: list[Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Cancelled while it runs, it ends after the part under way and says so."""
    monkeypatch.setattr(backtest, "PART_CLAIMS", 20)
    original, parts = backtest._judge_part, []

    def part(*args: Any) -> Any:
        parts.append(args)
        if len(parts) == 2:
            cancel(desk, people["noor"], asked)
        return original(*args)

    monkeypatch.setattr(backtest, "_judge_part", part)
    run(desk, people["mo"], asked, processes=0)
    row = backtest.backtest(desk, people["mo"], asked)
    assert (row["state"], row["result"], len(parts)) == ("cancelled", None, 2)


def test_a_failure_is_told(
    desk: Desk, people: People, asked: int, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What breaks is kept as the reason; one that gives no sign any more is called silent."""
    assert not backtest.backtest(desk, people["mo"], asked)["is_silent"]
    clock.advance(timedelta(minutes=2))
    assert backtest.backtest(desk, people["mo"], asked)["is_silent"]

    def broken(*_args: Any) -> Iterator[Any]:
        raise RuntimeError("the disk is full")

    monkeypatch.setattr(backtest, "_judge_part", broken)
    with pytest.raises(RuntimeError):
        run(desk, people["mo"], asked, processes=0)
    row = backtest.backtest(desk, people["mo"], asked)
    assert (row["state"], row["error"]) == ("failed", "RuntimeError: the disk is full")


def test_what_is_refused(desk: Desk, people: People) -> None:
    """A period that ends before it begins, a draft that is not there, somebody who may not."""
    draft = write_draft(desk, people["mo"], LONGER)
    with pytest.raises(BadFigure):
        begin(desk, people["mo"], draft, EVER[1], EVER[0])
    with pytest.raises(NotFound):
        begin(desk, people["mo"], 999, *EVER)
    for person in ("dana", "fin", "vic"):
        with pytest.raises(NotAllowed):
            begin(desk, people[person], draft, *EVER)


def test_nothing_happened_then(desk: Desk, people: People) -> None:
    """A period without a claim is judged at once, and counts nothing."""
    draft = write_draft(desk, people["mo"], LONGER)
    tally = run(desk, people["mo"], begin(desk, people["mo"], draft, *EVER))
    assert tally.to_json() == {"judged": 0, "moves": [], "agreement": []}


# -- in the shadow ------------------------------------------------------------------------------------


def test_in_the_shadow(market: Market, desk: Desk, people: People, clock: Clock) -> None:
    """A draft judges reports filed since it was set to, once a revision, and no claim shows it."""
    market.claim(people["dana"], "before")
    clock.advance(timedelta(days=1))
    draft = write_draft(desk, people["mo"], replace(LONGER, window_days=1))
    set_shadow(desk, people["mo"], draft, shadow=True)
    clock.advance(timedelta(minutes=1))
    market.claim(people["dana"], "same")
    late = market.lead("lead-late")
    market.pay("pay-late", "pro-same", 2500)
    market.charge("charge-late", late, "pro-same", 2500)
    clock.advance(timedelta(days=2))
    report = file_report(desk, people["dana"], Report("charge-late", "other"))
    assert judge_in_shadow(desk)["judged"] == 2
    assert judge_in_shadow(desk)["judged"] == 0
    seen = shadow(desk, people["mo"], draft, 1)
    assert seen.counts == {("approve", "approve"): 1, ("review", "deny"): 1}
    assert [(row["report_id"], row["changed"][0]["id"]) for row in seen.flips] == [(report, "within_window")]
    change_draft(desk, people["mo"], draft, replace(LONGER, window_days=30), revision=1)
    assert judge_in_shadow(desk)["judged"] == 2
    assert shadow(desk, people["mo"], draft, 2).counts == {("approve", "approve"): 1, ("review", "review"): 1}
    publish(desk, people["noor"], draft, revision=2)
    market.claim(people["dana"], "after")
    assert judge_in_shadow(desk)["judged"] == 0
