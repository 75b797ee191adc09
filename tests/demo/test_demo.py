"""The demo marketplace: the same seed gives the same rows, and what is loaded holds every invariant."""

from collections import Counter, defaultdict
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from refundlib.bootstrap import judge_without_database
from refundlib.demo.cases import CASES
from refundlib.demo.market import Scale, rows
from refundlib.demo.notes import LATE, NOTES
from refundlib.domain.errors import WrongState
from refundlib.domain.people import Person
from refundlib.domain.policy import BUILT_IN
from refundlib.services import demo
from refundlib.services.checking import check
from refundlib.services.demo import load_demo
from refundlib.services.desk import Desk
from refundlib.services.policy_drafts import drafts
from refundlib.services.status import status
from tests.market import Market

AS_OF = datetime(2026, 3, 20, 12, tzinfo=UTC)
Row = dict[str, Any]


class Made:
    """The rows of a demo marketplace, by file and found by id."""

    def __init__(self, charges: int) -> None:
        self.files: dict[str, list[Row]] = defaultdict(list)
        for file, row in rows(Scale(charges, 7, AS_OF)):
            self.files[file].append(row)
        self.charges = {row["charge_id"]: row for row in self.files["charges"]}
        self.leads = {row["lead_id"]: row for row in self.files["leads"]}
        self.pros = {row["pro_id"]: row for row in self.files["pros"]}
        self.customers = {row["customer_id"]: row for row in self.files["customers"]}
        self.decisions = {row["report_id"]: row for row in self.files["decisions"]}
        self.chats: dict[tuple[str, str], list[Row]] = defaultdict(list)
        for row in self.files["messages"]:
            self.chats[row["lead_id"], row["pro_id"]].append(row)
        self.sold_to = Counter(row["lead_id"] for row in self.files["charges"])

    def lead_of(self, report: Row) -> str:
        """The lead of a report's charge."""
        return str(self.charges[report["charge_id"]]["lead_id"])

    def is_late(self, report: Row) -> bool:
        """Whether a report came after the window."""
        times = (report["reported_at"], self.charges[report["charge_id"]]["charged_at"])
        reported, charged = map(datetime.fromisoformat, times)
        return reported - charged > timedelta(days=BUILT_IN.window_days)

    def claim(self, report: Row) -> Row:
        """A report with the facts around it, as the checks read them."""
        charge = self.charges[report["charge_id"]]
        lead, pro = self.leads[charge["lead_id"]], self.pros[charge["pro_id"]]
        changed = {name: report[name] or None for name in ("changed_zip", "changed_category")}
        return {
            "report": {**report, **changed},
            "charge": {**charge, "refunded_amount": 0},
            "lead": lead,
            "pro": {**pro, "categories": pro["categories"].split("|")},
            "customer": self.customers[lead["customer_id"]],
            "messages": self.chats[lead["lead_id"], pro["pro_id"]],
        }


@pytest.fixture(scope="module")
def made() -> Made:
    """8,000 charges."""
    return Made(8000)


def test_same_seed_same_rows() -> None:
    """Seed, size and time make the marketplace; another seed makes another."""
    first = list(rows(Scale(500, 7, AS_OF)))
    assert first == list(rows(Scale(500, 7, AS_OF)))
    assert first != list(rows(Scale(500, 8, AS_OF)))


@pytest.mark.parametrize("charges", [1, 7, 300, 2001])
def test_as_many_charges_as_asked(charges: int) -> None:
    """Leads are sold in ones to fours, and the charges are still exactly those asked for."""
    assert sum(file == "charges" for file, _row in rows(Scale(charges, 7, AS_OF))) == charges


def test_leads_are_shared(made: Made) -> None:
    """Some 30 % of leads have two to four pros, each once, with a conversation of their own."""
    assert set(made.sold_to.values()) == {1, 2, 3, 4}
    assert 0.25 < sum(pros > 1 for pros in made.sold_to.values()) / len(made.leads) < 0.36
    paid = Counter((row["lead_id"], row["pro_id"]) for row in made.files["charges"])
    assert paid.keys() == made.chats.keys()
    assert set(paid.values()) == {1}
    for (lead_id, pro_id), chat in made.chats.items():
        lead = made.leads[lead_id]
        assert lead["category"] in made.pros[pro_id]["categories"].split("|")
        assert {message["sender"] for message in chat} == {"pro", "customer"}
        assert min(message["sent_at"] for message in chat) > lead["created_at"]


def test_a_bad_lead_is_reported_by_one_or_two(made: Made) -> None:
    """What is wrong with the lead itself several pros report, alike; also among what is open in time."""
    by_lead: dict[str, list[Row]] = defaultdict(list)
    for report in made.files["reports"]:
        by_lead[made.lead_of(report)].append(report)
    bad = {
        lead_id: reports
        for lead_id, reports in by_lead.items()
        if made.sold_to[lead_id] > 1
        and {report["reason"] for report in reports} <= {"invalid_phone", "terms_violation"}
    }
    pairs = [reports for reports in bad.values() if len(reports) > 1]
    assert 0.2 < len(pairs) / len(bad) < 0.8
    assert max(map(len, pairs)) == 2
    assert all(one["reason"] == other["reason"] for one, other in pairs)
    is_open = [
        report
        for reports in bad.values()
        for report in reports
        if report["report_id"] not in made.decisions and not made.is_late(report)
    ]
    assert len(is_open) > 10


def test_notes_follow_reason_and_outcome(made: Made) -> None:
    """Every note is one of its reason and outcome, a dozen of each; late claims speak of the time."""
    said: dict[tuple[str, str], set[str]] = defaultdict(set)
    for case in CASES:
        said[case.reason, "approve"] |= set(NOTES[case.name].approved)
        said[case.reason, "deny"] |= set(NOTES[case.name].denied)
    assert min(map(len, said.values())) >= 12
    assert sum(map(len, said.values())) == len(set().union(*said.values())), "no note serves two reasons"
    silent = 0
    for report in made.files["reports"]:
        decision = made.decisions.get(report["report_id"])
        if decision is None:
            continue
        outcome, note = decision["decision"], decision["note"]
        if not note:
            assert outcome == "approve"
            assert report["reason"] != "other"
            silent += 1
        elif made.is_late(report):
            assert note in (LATE.approved if outcome == "approve" else LATE.denied)
        else:
            assert note in said[report["reason"], outcome], report
    assert silent < len(made.decisions) / 4
    other = [row["report_id"] for row in made.files["reports"] if row["reason"] == "other"]
    discretionary = [made.decisions[each]["decision"] for each in other if each in made.decisions]
    assert min(Counter(discretionary).values()) > len(discretionary) / 4, "discretion goes both ways"


def test_the_checks_read_each_case_as_it_is_meant(made: Made) -> None:
    """Advice is what the case says; staff mostly follow it, and sometimes do not."""
    judge = judge_without_database(BUILT_IN)
    meant: dict[str, set[str]] = defaultdict(set)
    for case in CASES:
        meant[case.reason].add(case.advice)
    found: dict[str, set[str]] = defaultdict(set)
    followed = Counter[bool]()
    for report in made.files["reports"]:
        advice = judge(made.claim(report))["recommendation"]
        assert advice in meant[report["reason"]] or (advice == "deny" and made.is_late(report)), report
        found[report["reason"]].add(advice)
        decision = made.decisions.get(report["report_id"])
        if decision and advice != "review":
            followed[advice == decision["decision"]] += 1
            assert decision["note"] or advice == decision["decision"], "who overrules says why"
    assert all(meant[reason] <= found[reason] for reason in meant)
    assert 0.88 < followed[True] / followed.total() < 0.98


def test_demo_is_whole(owner_desk: Desk, market: Market) -> None:
    """2,000 charges: all six reasons, every outcome, claims in every state, and every invariant holds."""
    load_demo(owner_desk, charges=2000, seed=7, as_of=AS_OF)
    figures = status(owner_desk)
    assert figures["charges"] == 2000
    assert 10 <= figures["open_reports"] <= 80
    assert market.one("SELECT count(DISTINCT reason) FROM refunds.reports") == 6
    assert market.one("SELECT count(*) FROM refunds.reports WHERE decided_at > deadline_at") > 0
    assert market.one("SELECT count(*) FROM refunds.reports WHERE state = 'waiting_on_pro'") > 0
    assert market.one("SELECT count(*) FROM refunds.people") == 8
    answer = check(owner_desk)
    assert answer["ok"], answer


def test_a_large_demo_is_made_of_copies(
    owner_desk: Desk, market: Market, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Four markets of one: four times the charges, the first's open claims, and every invariant holds."""
    monkeypatch.setattr(demo, "FIRST_MAX", 500)
    load_demo(owner_desk, charges=2000, seed=7, as_of=AS_OF)
    figures = status(owner_desk)
    assert figures["charges"] == 2000
    assert figures["reports"] - figures["decisions"] == figures["open_reports"] < 20
    assert market.one("SELECT count(DISTINCT left(charge_id, 2)) FROM marketplace.charges") == 4
    answer = check(owner_desk)
    assert answer["ok"], answer
    load_demo(owner_desk, charges=2000, seed=7, as_of=AS_OF)
    assert status(owner_desk) == figures


def test_again_changes_nothing_and_another_is_refused(owner_desk: Desk) -> None:
    """The same demo twice is there once; another one on top is refused with a sentence."""
    load_demo(owner_desk, charges=300, seed=7, as_of=AS_OF)
    before = status(owner_desk)
    load_demo(owner_desk, charges=300, seed=7, as_of=AS_OF)
    assert status(owner_desk) == before
    with pytest.raises(WrongState, match="already"):
        load_demo(owner_desk, charges=300, seed=8, as_of=AS_OF)


def test_a_draft_waits_to_be_tried(owner_desk: Desk) -> None:
    """One manager's draft of 45 days is there, once, and another manager can publish it."""
    for _ in range(2):
        load_demo(owner_desk, charges=300, seed=7, as_of=AS_OF)
    noor = Person("noor", "Noor Aziz", frozenset({"manager"}))
    (draft,) = drafts(owner_desk, noor)
    assert (draft["version"], draft["window_days"], draft["written_by"]) == ("2026-04", 45, ["mo"])


@pytest.mark.parametrize("hours", [0, 7, 31, 100])
def test_it_loads_whenever_it_is_made(owner_desk: Desk, hours: int) -> None:
    """Card refunds ask no payment for more than it has left, at whatever moment the market ends."""
    loaded = load_demo(owner_desk, charges=1000, seed=7, as_of=AS_OF + timedelta(hours=hours))
    assert loaded.counts["charges"] == 1000
    assert loaded.counts["card_refunds"] > 0
