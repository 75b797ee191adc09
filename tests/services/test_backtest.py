"""A draft on history: flips, money and agreement equal a count made another way; begun, stopped, failed."""

import json
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any, NamedTuple

import psycopg
import pytest
from click.testing import CliRunner
from hypothesis import given, settings
from hypothesis import strategies as st
from sqlalchemy import text

from refundlib import bootstrap
from refundlib.cli import main
from refundlib.domain.eligibility import CLAUSE_OF_REASON, assess, may_differ, reassess
from refundlib.domain.errors import BadFigure, NotAllowed, NotFound, WrongState
from refundlib.domain.golden import CHARGED, golden_claim
from refundlib.domain.people import Person
from refundlib.domain.policy import BUILT_IN, Policy
from refundlib.reference.phones import PhoneNumbers
from refundlib.reference.zips import ZipTable
from refundlib.services import backtest, backtest_judging, backtest_run
from refundlib.services.backtest import StillRunning, begin, cancel, flips, runs, runs_of_version
from refundlib.services.backtest_judging import EVERY_CLAUSE, Flip, Tally, credits_of, judge_history
from refundlib.services.backtest_run import ask, end_silent, run
from refundlib.services.decisions import decide
from refundlib.services.demo import load_demo
from refundlib.services.desk import Desk
from refundlib.services.intake import Draft as Report
from refundlib.services.intake import file_report
from refundlib.services.intake_snapshot import parse
from refundlib.services.policy_drafts import change_draft, drop_draft, publish, write_draft
from refundlib.services.triage import withdraw
from tests.conftest import Clock
from tests.market import Market
from tests.services.test_policy_drafts import LONGER

People = dict[str, Person]
AS_OF = datetime(2026, 3, 20, 12, tzinfo=UTC)
EVER = (datetime(2000, 1, 1, tzinfo=UTC), datetime(2100, 1, 1, tzinfo=UTC))
ZIPS, PHONES = ZipTable(), PhoneNumbers()
FORTY_FIVE = replace(BUILT_IN, version="45", window_days=45)


class Told(NamedTuple):
    """A claim of the demo: its frozen facts, what people decided, and whether it was withdrawn."""

    facts: dict[str, Any]
    decision: str | None
    is_withdrawn: bool


@pytest.fixture
def history(owner_desk: Desk, desk: Desk) -> list[Told]:
    """Demo claims."""
    load_demo(owner_desk, charges=3000, seed=11, as_of=AS_OF)
    with desk.reading() as conn:
        rows = conn.execute(
            text(
                """SELECT s.facts, d.decision, r.state
                FROM refunds.snapshots s JOIN refunds.reports r USING (report_id)
                LEFT JOIN refunds.decisions d ON d.decision_id = r.standing_decision_id"""
            )
        ).all()
    return [Told(json.loads(facts), decision, state == "withdrawn") for facts, decision, state in rows]


def age_days(facts: dict[str, Any]) -> float:
    """Days from charge to report."""
    reported, charged = (
        datetime.fromisoformat(facts[part][name])
        for part, name in (("report", "reported_at"), ("charge", "charged_at"))
    )
    return (reported - charged) / timedelta(days=1)


def advised(facts: dict[str, Any], window_days: int) -> tuple[str, set[str]]:
    """What a window advises, and the clauses that decide: judged without one, the window by hand."""
    endless = assess(parse(json.dumps(facts)), replace(BUILT_IN, window_days=3650), ZIPS, PHONES)
    failing = {check.clause for check in endless.checks if check.status == "fail"}
    if age_days(facts) > window_days:
        failing.add("W1")
    if failing:
        return "deny", failing
    if endless.recommendation == "approve":
        return "approve", {CLAUSE_OF_REASON[facts["report"]["reason"]]}
    return "review", set()


def counting(history: list[Told]) -> set[str]:
    """The reports by which their charges are counted: the last of each that was not withdrawn."""
    last: dict[str, tuple[str, str]] = {}
    for facts, _decision, is_withdrawn in history:
        if not is_withdrawn:
            report = facts["report"]
            mine = report["reported_at"], report["report_id"]
            charge = facts["charge"]["charge_id"]
            last[charge] = max(mine, last.get(charge, mine))
    return {report_id for _at, report_id in last.values()}


def judge(desk: Desk, policy: Policy, processes: int = 0) -> tuple[Tally, list[Flip]]:
    """The counts and flips of all history."""
    found: list[Flip] = []

    def part(_judged: int, _total: int, some: Any) -> bool:
        found.extend(some)
        return True

    return judge_history(desk, policy, *EVER, part, processes), found


def at_part(monkeypatch: pytest.MonkeyPatch, turn: int, do: Callable[[], object]) -> list[int]:
    """History in small parts; something happens just before one of them is judged. The turns that came."""
    original, turns = backtest_judging.judge_part, list[int]()

    def part(*args: Any) -> Any:
        turns.append(len(turns) + 1)
        if len(turns) == turn:
            do()
        return original(*args)

    monkeypatch.setattr(backtest_judging, "PART_CLAIMS", 20)
    monkeypatch.setattr(backtest_judging, "judge_part", part)
    return turns


def killed() -> None:
    """The process ends here."""
    raise KeyboardInterrupt


def test_thirty_days_to_forty_five(desk: Desk, history: list[Told]) -> None:
    """Flips each way, money, reasons, categories, people and agreement equal the same counted by hand."""
    tally, found = judge(desk, FORTY_FIVE)
    wanted, charges, money = Counter(), Counter(), Counter()
    agree, decided = Counter(), Counter()
    months, reported, settled = Counter(), 0, 0
    counts = counting(history)
    for facts, decision, is_withdrawn in history:
        (was, old), (becomes, new) = advised(facts, 30), advised(facts, 45)
        if is_withdrawn:
            continue
        months[facts["report"]["reported_at"][:7]] += 1
        if facts["report"]["report_id"] in counts:
            reported += facts["charge"]["amount"]
            settled += facts["charge"]["amount"] * (decision is not None)
        if was != becomes:
            people = {"approve": "refunded", "deny": "denied", None: "undecided"}[decision]
            key = (was, becomes, facts["report"]["reason"], facts["lead"]["category"], "USD", people)
            wanted[key] += 1
            if facts["report"]["report_id"] in counts:
                charges[key] += 1
                money[key] += facts["charge"]["amount"]
        if decision:
            for by, said, clauses in (("old", was, old), ("draft", becomes, new)):
                all_of = {*clauses, EVERY_CLAUSE} if clauses else set()
                decided.update((clause, by) for clause in all_of)
                agree.update((clause, by) for clause in all_of if said == decision)
    assert len(wanted) > 3
    assert {key: tuple(n) for key, n in tally.moves.items()} == {
        key: (n, charges[key], money[key]) for key, n in wanted.items()
    }
    assert {key: tuple(n) for key, n in tally.agreement.items()} == {
        key: (n, agree[key]) for key, n in decided.items()
    }
    assert {"W1", "N1", "P1", "H1"} <= {clause for clause, _by in decided}
    assert (tally.judged, tally.differ) == (len(history), wanted.total())
    assert len(found) == tally.differ + tally.withdrawn_differ
    assert tally.withdrawn.total() == sum(told.is_withdrawn for told in history)
    assert tally.decided == sum(told.decision is not None and not told.is_withdrawn for told in history)
    assert {month: n for (month,), (n, _differ) in tally.months.items()} == months
    assert sum(differ for _n, differ in tally.months.values()) == tally.differ
    assert dict(tally.money) == {("USD",): [reported, settled]}
    assert dict(tally.windows) == {30: months.total()}
    for flip in found:
        (changed,) = flip.changed
        assert (changed["id"], changed["was"], changed["becomes"]) == ("within_window", "fail", "pass")
        assert "the window is 30 days" in changed["why_was"]
        assert "of 45" in changed["why_becomes"]


# -- what is counted ----------------------------------------------------------------------------------


def late_charge(market: Market, clock: Clock, name: str = "c", phone: str = "000-000-0000") -> None:
    """A charge of $25, 40 days old, with a customer who said no."""
    market.lead(f"lead-{name}", phone=phone)
    market.pay(f"pay-{name}", market.pro(f"pro-{name}"), 5000)
    market.charge(name, f"lead-{name}", f"pro-{name}", 2500)
    clock.advance(timedelta(days=40))
    market.say(f"m1-{name}", f"lead-{name}", f"pro-{name}", "pro", "Hi! I can do it for $240.")
    market.say(f"m2-{name}", f"lead-{name}", f"pro-{name}", "customer", "No thanks")
    clock.advance(timedelta(minutes=1))


def test_a_charge_counts_once(market: Market, desk: Desk, people: People, clock: Clock) -> None:
    """Reported three times, denied, withdrawn and open: two claims differ, $25 move, by the last of them."""
    late_charge(market, clock)
    first = file_report(desk, people["dana"], Report("c", "invalid_phone"))
    decide(desk, people["dana"], first, "deny", idempotency_key="k", reason="late")
    second = file_report(desk, people["dana"], Report("c", "clear_no"))
    withdraw(desk, people["dana"], second, "The pro took it back")
    third = file_report(desk, people["dana"], Report("c", "clear_no"))
    tally, found = judge(desk, FORTY_FIVE)
    assert dict(tally.moves) == {
        ("deny", "approve", "invalid_phone", "plumbing", "USD", "denied"): [1, 0, 0],
        ("deny", "approve", "clear_no", "plumbing", "USD", "undecided"): [1, 1, 2500],
    }
    assert tally.to_json()["withdrawn"] == {"judged": 1, "differ": 1}
    assert {flip.report_id: (flip.is_withdrawn, flip.moves_money) for flip in found} == {
        first: (False, False),
        second: (True, False),
        third: (False, True),
    }


def test_the_last_claim_of_the_period_counts(
    market: Market, desk: Desk, people: People, clock: Clock
) -> None:
    """What was reported after the period does not take the money of the claim within."""
    late_charge(market, clock)
    first = file_report(desk, people["dana"], Report("c", "invalid_phone"))
    decide(desk, people["dana"], first, "deny", idempotency_key="k", reason="late")
    until = clock.now + timedelta(seconds=1)
    clock.advance(timedelta(hours=1))
    file_report(desk, people["dana"], Report("c", "clear_no"))
    tally = judge_history(desk, FORTY_FIVE, EVER[0], until, lambda *_: True, 0)
    assert list(tally.moves.values()) == [[1, 1, 2500]]


def test_agreement_is_by_what_decides(market: Market, desk: Desk, people: People, clock: Clock) -> None:
    """A late claim was denied: the old rules deny by W1 and agree, the draft approves by P1 and does not."""
    late_charge(market, clock)
    report = file_report(desk, people["dana"], Report("c", "invalid_phone"))
    decide(desk, people["dana"], report, "deny", idempotency_key="k", reason="late")
    tally, _ = judge(desk, FORTY_FIVE)
    assert dict(tally.agreement) == {
        ("W1", "old"): [1, 1],
        ("all", "old"): [1, 1],
        ("P1", "draft"): [1, 0],
        ("all", "draft"): [1, 0],
    }
    row = next(each for each in tally.to_json()["agreement"] if each["by"] == "old")
    assert row == {"clause": "W1", "by": "old", "n": 1, "k": 1, "low": 0.2065, "high": 1.0}


def test_what_a_person_decides_is_no_credit() -> None:
    """Denied that becomes approved is more, the other way less; to and from a person stand beside."""

    def move(was: str, becomes: str, amount: int, currency: str = "USD") -> dict[str, Any]:
        return {"was": was, "becomes": becomes, "claims": 2, "amount": amount, "currency": currency}

    sums = credits_of(
        [
            move("deny", "approve", 100),
            move("deny", "approve", 30, "JPY"),
            move("approve", "deny", 7),
            move("approve", "review", 20),
            move("deny", "review", 5),
            move("review", "approve", 1000),
        ]
    )
    assert (sums.more, sums.less) == ({"JPY": 30, "USD": 100}, {"USD": 7})
    assert (sums.to_person, sums.to_person_claims) == ({"USD": 25}, 4)
    assert (sums.from_person, sums.from_person_claims) == ({"USD": 1000}, 2)


def test_on_both_cores_the_same(desk: Desk, history: list[Told], monkeypatch: pytest.MonkeyPatch) -> None:
    """Judged by two processes in many parts the counts and flips are those of one."""
    one, first = judge(desk, FORTY_FIVE)
    monkeypatch.setattr(backtest_judging, "PART_CLAIMS", 20)
    two, second = judge(desk, FORTY_FIVE, processes=2)
    assert (two.to_json(), {f.report_id: f for f in second}) == (
        one.to_json(),
        {f.report_id: f for f in first},
    )


def test_miles_flip_both_ways(desk: Desk, history: list[Told]) -> None:
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
def asked(desk: Desk, people: People, history: list[Told]) -> int:
    """A backtest of 45 days on all history."""
    return begin(desk, people["mo"], write_draft(desk, people["mo"], LONGER), *EVER)


def test_what_came_of_it_is_kept(desk: Desk, people: People, asked: int, history: list[Told]) -> None:
    """Counts and flips can be read afterwards, filtered and a page at a time."""
    tally = run(desk, people["mo"], asked, processes=0)
    row = backtest.backtest(desk, people["noor"], asked)
    assert (row["state"], row["result"], row["claims_judged"]) == ("done", tally.to_json(), len(history))
    seen: list[str] = []
    while page := flips(desk, people["mo"], asked, after=seen[-1] if seen else ""):
        seen += [flip["report_id"] for flip in page]
    assert len(set(seen)) == tally.differ + tally.withdrawn_differ == row["flips_listed"]
    wanted = {"was": "deny", "becomes": "approve", "reason": "invalid_phone"}
    some = flips(desk, people["mo"], asked, wanted)
    assert {(f["was"], f["becomes"], f["reason"]) for f in some} == {("deny", "approve", "invalid_phone")}
    assert backtest.flip(desk, people["mo"], asked, seen[0])["report_id"] == seen[0]
    assert backtest.flip(desk, people["mo"], asked, "R-none") is None
    with pytest.raises(WrongState, match="is done"):
        run(desk, people["mo"], asked, processes=0)


def test_a_bounded_list_says_so(
    desk: Desk, people: People, asked: int, history: list[Told], monkeypatch: pytest.MonkeyPatch
) -> None:
    """More flips than are kept are counted all, and how many are listed is kept."""
    monkeypatch.setattr(backtest, "FLIPS_KEPT_MAX", 3)
    monkeypatch.setattr(backtest_judging, "PART_CLAIMS", 20)
    tally = run(desk, people["mo"], asked, processes=0)
    assert tally.differ > 3
    assert backtest.backtest(desk, people["mo"], asked)["flips_listed"] == 3
    assert len(flips(desk, people["mo"], asked)) == 3


def test_it_can_be_stopped(
    desk: Desk, people: People, asked: int, history: list[Told], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Cancelled while it runs, it ends after the part under way and says so; who did it is on the audit."""
    turns = at_part(monkeypatch, 2, lambda: cancel(desk, people["noor"], asked))
    run(desk, people["mo"], asked, processes=0)
    row = backtest.backtest(desk, people["mo"], asked)
    assert (row["state"], row["result"], len(turns)) == ("cancelled", None, 2)
    with desk.reading() as conn:
        by = text("SELECT actor, subject FROM refunds.audit WHERE action = 'backtest_cancelled'")
        assert [tuple(each) for each in conn.execute(by)] == [("noor", f"backtest:{asked}")]


def test_what_cannot_be_cancelled(desk: Desk, people: People) -> None:
    """One that is not there, or has ended, gets a sentence."""
    number = begin(desk, people["mo"], write_draft(desk, people["mo"], LONGER), *EVER)
    cancel(desk, people["mo"], number)
    with pytest.raises(WrongState, match="is cancelled already"):
        cancel(desk, people["mo"], number)
    for unknown in (12345, 10**30):
        with pytest.raises(NotFound, match="There is no backtest 1"):
            cancel(desk, people["mo"], unknown)
        with pytest.raises(NotFound):
            backtest.backtest(desk, people["mo"], unknown)


def test_a_killed_run_is_run_again(
    desk: Desk, people: People, asked: int, history: list[Told], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A process that was killed half-way leaves rows; run again they are cleared, the counts are whole."""
    at_part(monkeypatch, 8, killed)
    with pytest.raises(KeyboardInterrupt):
        run(desk, people["mo"], asked, processes=0)
    left = backtest.backtest(desk, people["mo"], asked)
    assert left["state"] == "running"
    assert left["flips_listed"] == len(flips(desk, people["mo"], asked)) > 0
    tally = run(desk, people["mo"], asked, processes=0)
    assert tally.to_json() == judge(desk, FORTY_FIVE)[0].to_json()
    assert len(flips(desk, people["mo"], asked, limit=9999)) == tally.differ + tally.withdrawn_differ


def test_a_run_that_is_done_is_not_touched(
    desk: Desk, people: People, asked: int, history: list[Told]
) -> None:
    """Run again by mistake it is refused, and its list is still there."""
    run(desk, people["mo"], asked, processes=0)
    listed = flips(desk, people["mo"], asked, limit=9999)
    assert listed
    with pytest.raises(WrongState, match="is done"):
        run(desk, people["mo"], asked, processes=0)
    assert flips(desk, people["mo"], asked, limit=9999) == listed


def test_an_earlier_attempt_writes_no_more(
    desk: Desk, people: People, asked: int, history: list[Told], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Begun again by another process, the first one stops at its next part and ends nothing."""
    at_part(monkeypatch, 3, lambda: run(desk, people["mo"], asked, processes=0))
    run(desk, people["mo"], asked, processes=0)
    row = backtest.backtest(desk, people["mo"], asked)
    assert (row["state"], row["attempt"]) == ("done", 2)
    assert row["result"] == judge(desk, FORTY_FIVE)[0].to_json()


def test_a_silent_run_fails(desk: Desk, people: People, clock: Clock) -> None:
    """The worker ends a run that gave no sign; one that gives signs goes on."""
    draft = write_draft(desk, people["mo"], LONGER)
    number = begin(desk, people["mo"], draft, *EVER)
    clock.advance(timedelta(seconds=50))
    assert end_silent(desk)["failed"] == 0
    assert not backtest.backtest(desk, people["mo"], number)["is_silent"]
    clock.advance(timedelta(seconds=20))
    assert backtest.backtest(desk, people["mo"], number)["is_silent"]
    assert end_silent(desk)["failed"] == 1
    row = backtest.backtest(desk, people["mo"], number)
    assert (row["state"], row["is_silent"]) == ("failed", False)
    assert "gave no sign" in row["error"]


def test_one_at_a_time(desk: Desk, people: People, clock: Clock) -> None:
    """A second request names the first; the database holds it. A silent one stands in nobody's way."""
    draft = write_draft(desk, people["mo"], LONGER)
    first = begin(desk, people["mo"], draft, *EVER)
    with pytest.raises(StillRunning, match="one at a time") as refused:
        begin(desk, people["noor"], draft, *EVER)
    assert refused.value.backtest_id == first
    clock.advance(timedelta(minutes=2))
    assert begin(desk, people["noor"], draft, *EVER) > first
    assert backtest.backtest(desk, people["mo"], first)["state"] == "failed"


@pytest.mark.parametrize(
    ("broken", "told"),
    [
        (RuntimeError("the disk is full at /var/lib"), "It broke off at a fault of the program"),
        (psycopg.errors.UniqueViolation("duplicate key … DETAIL: Key (x)=(1)"), "It broke off at a fault"),
        (WrongState("The sentence."), "The sentence."),
    ],
)
def test_a_failure_is_told(
    desk: Desk,
    people: People,
    history: list[Told],
    asked: int,
    monkeypatch: pytest.MonkeyPatch,
    broken: Exception,
    told: str,
) -> None:
    """A refusal is kept as the reason; the words of a program's or a driver's fault stay in the log."""

    def breaks(*_args: Any) -> Iterator[Any]:
        raise broken

    monkeypatch.setattr(backtest_judging, "judge_part", breaks)
    with pytest.raises(type(broken)):
        run(desk, people["mo"], asked, processes=0)
    row = backtest.backtest(desk, people["mo"], asked)
    assert row["state"] == "failed"
    assert row["error"].startswith(told)
    assert "DETAIL" not in row["error"]
    assert "/var" not in row["error"]


class Starter:
    """Notes what is to be started; or cannot start anything."""

    def __init__(self, error: OSError | None = None) -> None:
        self.error, self.started = error, list[tuple[int, str]]()

    def start(self, backtest_id: int, person_id: str) -> None:
        if self.error:
            raise self.error
        self.started.append((backtest_id, person_id))


def test_little_is_judged_at_once(
    desk: Desk, people: People, market: Market, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A short history needs no process: it is done when it was asked for; a fault is kept with the run."""
    late_charge(market, clock)
    file_report(desk, people["dana"], Report("c", "invalid_phone"))
    draft, starter = write_draft(desk, people["mo"], LONGER), Starter()
    quick = replace(desk, starter=starter)
    done = backtest.backtest(desk, people["mo"], ask(quick, people["mo"], draft, *EVER))
    assert (done["state"], done["result"]["judged"], starter.started) == ("done", 1, [])

    def breaks(*_args: Any) -> Any:
        raise RuntimeError("the disk is full")

    monkeypatch.setattr(backtest_judging, "judge_part", breaks)
    failed = backtest.backtest(desk, people["mo"], ask(quick, people["mo"], draft, *EVER))
    assert (failed["state"], "fault of the program" in failed["error"]) == ("failed", True)


def test_asked_for_it_is_started(desk: Desk, people: People, monkeypatch: pytest.MonkeyPatch) -> None:
    """The desk's starter gets the run that was kept; one that cannot be started has failed at once."""
    monkeypatch.setattr(backtest_run, "AT_ONCE_CLAIMS_MAX", -1)
    draft = write_draft(desk, people["mo"], LONGER)
    starter = Starter()
    number = ask(replace(desk, starter=starter), people["mo"], draft, *EVER)
    assert starter.started == [(number, "mo")]
    cancel(desk, people["mo"], number)
    with pytest.raises(WrongState, match="could not be started"):
        ask(replace(desk, starter=Starter(OSError("no memory"))), people["mo"], draft, *EVER)
    assert [row["state"] for row in runs(desk, people["mo"])] == ["failed", "cancelled"]


def test_what_is_refused(desk: Desk, people: People) -> None:
    """A period turned round or to come, a draft that is not there or is settled, somebody who may not."""
    draft = write_draft(desk, people["mo"], LONGER)
    to_come = datetime(2099, 1, 1, tzinfo=UTC), EVER[1]
    for bad in (EVER[::-1], (EVER[0], EVER[0]), to_come):
        with pytest.raises(BadFigure):
            begin(desk, people["mo"], draft, *bad)
    for unknown in (999, 10**30):
        with pytest.raises(NotFound):
            begin(desk, people["mo"], unknown, *EVER)
    for person in ("dana", "fin", "vic"):
        with pytest.raises(NotAllowed):
            begin(desk, people[person], draft, *EVER)
    drop_draft(desk, people["mo"], draft, "Not now")
    with pytest.raises(WrongState, match="was dropped"):
        begin(desk, people["mo"], draft, *EVER)


def test_nothing_happened_then(desk: Desk, people: People) -> None:
    """A period without a claim is judged at once, and counts nothing."""
    draft = write_draft(desk, people["mo"], LONGER)
    tally = run(desk, people["mo"], begin(desk, people["mo"], draft, *EVER))
    assert tally.to_json() == {
        "judged": 0,
        "differ": 0,
        "moves": [],
        "withdrawn": {"judged": 0, "differ": 0},
        "decided": 0,
        "agreement": [],
        "months": [],
        "money": [],
        "windows": [],
    }


def test_runs_outlive_their_draft(desk: Desk, people: People) -> None:
    """Published or dropped, a draft's runs can be read, by the version too, each with its own revision."""
    draft = write_draft(desk, people["mo"], LONGER)
    run(desk, people["mo"], begin(desk, people["mo"], draft, *EVER), processes=0)
    change_draft(desk, people["mo"], draft, replace(LONGER, window_days=31), revision=1)
    run(desk, people["mo"], begin(desk, people["mo"], draft, *EVER), processes=0)
    other = write_draft(desk, people["mo"], replace(LONGER, version="other"))
    run(desk, people["mo"], begin(desk, people["mo"], other, *EVER), processes=0)
    drop_draft(desk, people["mo"], other, "Not now")
    publish(desk, people["noor"], draft, revision=2)
    mine = runs_of_version(desk, people["noor"], "2026-12")
    assert [(row["revision"], row["policy"]["window_days"]) for row in mine] == [(2, 31), (1, 45)]
    assert [row["backtest_id"] for row in runs(desk, people["mo"], draft)] == [
        row["backtest_id"] for row in mine
    ]
    assert [(row["version"], row["draft_state"]) for row in runs(desk, people["mo"])] == [
        ("other", "dropped"),
        ("2026-12", "published"),
        ("2026-12", "published"),
    ]
    assert runs_of_version(desk, people["mo"], "2026-02") == []


# -- on the command line ------------------------------------------------------------------------------


@pytest.fixture
def at_the_command_line(
    market: Market, desk: Desk, people: People, clock: Clock, monkeypatch: pytest.MonkeyPatch, tmp_path: Any
) -> Any:
    """`refunds backtest` of 45 days on one late claim that people denied, with more arguments."""
    late_charge(market, clock)
    report = file_report(desk, people["dana"], Report("c", "invalid_phone"))
    decide(desk, people["dana"], report, "deny", idempotency_key="k", reason="late")
    draft = tmp_path / "draft.json"
    draft.write_text('{"version": "45", "window_days": 45}')
    url = desk.engine.url.render_as_string(hide_password=False)
    monkeypatch.setattr(bootstrap, "settings", lambda: bootstrap.Settings(database_url=url))
    return lambda *more: CliRunner().invoke(main, ["backtest", "--draft", str(draft), *more])


def test_the_command_line_tells_all(at_the_command_line: Any) -> None:
    """Text and JSON have the moves by people, agreement with n, k and interval, and how many are listed."""
    days = ("--from", "2026-01-01", "--to", "2027-01-01")
    told = at_the_command_line(*days).output
    assert "1 claims judged; 1 would differ" in told
    assert "advise deny → approve" in told
    assert "$25.00 more would be credited than by the version in force" in told
    assert "W1  by the old rules: people agree with 1 of 1 (21% to 100%)" in told
    assert "all by the draft: people agree with 0 of 1 (0% to 79%)" in told
    answer = json.loads(at_the_command_line(*days, "--json").stdout)
    assert answer["flips_listed"] == {"listed": 1, "of": 1}
    assert [(move["people"], move["charges"], move["amount"]) for move in answer["moves"]] == [
        ("denied", 1, 2500)
    ]
    assert {"clause": "P1", "by": "draft", "n": 1, "k": 0, "low": 0.0, "high": 0.7935} in answer["agreement"]


def test_a_period_turned_round_is_refused(at_the_command_line: Any) -> None:
    """As on the page: a sentence, and an exit status that scripts see."""
    refused = at_the_command_line("--from", "2030-01-01", "--to", "2020-01-01")
    assert refused.exit_code == 1
    assert "The period ends before it begins." in refused.stderr


def test_what_is_needed_is_said() -> None:
    """--help names what is needed, and that the last day is not judged; without it, how to call it."""
    told = " ".join(CliRunner().invoke(main, ["backtest", "--help"]).output.split())
    assert told.count("Needed: ") == 3
    assert "the day after the last, which is not judged" in told
    assert "as the operator of this machine" in told
    refused = CliRunner().invoke(main, ["backtest", "--from", "2026-01-01"])
    assert (refused.exit_code, "--draft FILE --from D --to D" in refused.stderr) == (1, True)


def test_reading_makes_no_database(monkeypatch: pytest.MonkeyPatch, tmp_path: Any) -> None:
    """Where there is none it says where it looked and what to set, and leaves nothing behind."""
    draft, home = tmp_path / "draft.json", tmp_path / "home"
    draft.write_text('{"version": "45", "window_days": 45}')
    monkeypatch.setattr(bootstrap, "settings", lambda: bootstrap.Settings(home=home, database_url=None))
    days = ("--from", "2026-01-01", "--to", "2026-02-01")
    refused = CliRunner().invoke(main, ["backtest", "--draft", str(draft), *days])
    assert refused.exit_code == 1
    assert f"There is no database in {home}. Set REFUNDS_HOME" in refused.stderr
    assert not home.exists()
