"""The policy lab on the screen: asked, run, read; whose run it is; its claims, and the way there and back."""

import json
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import text
from streamlit.testing.v1 import AppTest

from refundlib.domain.people import Person
from refundlib.services import backtest
from refundlib.services.backtest_run import run as carry_out
from refundlib.services.decisions import decide
from refundlib.services.demo import load_demo
from refundlib.services.desk import Desk
from refundlib.services.intake import Draft as Report
from refundlib.services.intake import file_report
from refundlib.services.policy_drafts import change_draft, drop_draft, publish, set_shadow, write_draft
from refundlib.services.shadow import judge_in_shadow
from refundlib.ui import desk as ui_desk
from refundlib.ui import policy_lab_flips, policy_lab_sums
from refundlib.ui.shell import Visit
from tests.conftest import Clock
from tests.market import Market
from tests.pages.test_pages import labels, run, said
from tests.services.test_policy_drafts import LONGER

People = dict[str, Person]
EVER = (datetime(2000, 1, 1, tzinfo=UTC), datetime(2100, 1, 1, tzinfo=UTC))


class AtOnce:
    """Runs what is asked for before it returns."""

    def __init__(self, desk: Desk, person: Person) -> None:
        self.desk, self.person = desk, person

    def start(self, backtest_id: int, person_id: str) -> None:
        assert person_id == self.person.person_id
        carry_out(self.desk, self.person, backtest_id, processes=0)


@pytest.fixture
def draft(desk: Desk, people: People) -> int:
    """A draft of 45 days, by Mo."""
    return write_draft(desk, people["mo"], LONGER)


@pytest.fixture
def late(market: Market, desk: Desk, people: People, clock: Clock) -> str:
    """A report of an invalid phone on the 41st day, denied."""
    market.lead("l", phone="000-000-0000")
    market.pay("p", market.pro("moss"), 5000)
    market.charge("c", "l", "moss", 2500)
    market.say("m1", "l", "moss", "pro", "Hi!")
    clock.advance(timedelta(days=40))
    report = file_report(desk, people["dana"], Report("c", "invalid_phone"))
    decide(desk, people["dana"], report, "deny", idempotency_key="k", reason="late")
    return report


def tried(desk: Desk, people: People, draft: int) -> int:
    """A run of all history that is done."""
    number = backtest.begin(desk, people["mo"], draft, *EVER)
    carry_out(desk, people["mo"], number, processes=0)
    return number


def lab(**params: int | str) -> AppTest:
    """The lab as Mo sees it."""
    return run("policy_lab", "mo", **{name: str(value) for name, value in params.items()})


def links(at: AppTest) -> list[str]:
    """The labels of the links to pages."""
    return [each.proto.label for each in at.get("page_link")]


def test_from_asking_to_flips(
    owner_desk: Desk, desk: Desk, people: People, draft: int, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Asked for, run, read: the sentence, the tables, each claim with the check that differs."""
    load_demo(owner_desk, charges=2000, seed=11, as_of=clock.now)
    with_starter = replace(desk, starter=AtOnce(desk, people["mo"]))
    ui_desk.desk.clear()
    monkeypatch.setattr(ui_desk, "open_desk_for_app", lambda: with_starter)
    at = lab(draft=draft)
    next(each for each in at.button if each.label == "Try it on history").click().run()
    (row,) = backtest.runs(desk, people["mo"], draft)
    at = lab(draft=draft, run=row["backtest_id"])
    assert "claims would differ" in said(at)
    kept = row["result"]
    tables = [each.value for each in at.dataframe]
    flips = next(each for each in tables if "Why" in each)
    assert len(flips) == min(kept["differ"] + kept["withdrawn"]["differ"], backtest.FLIPS_A_PAGE)
    assert flips["Why"].str.fullmatch(r"day \d+: outside 30, inside 45").all()
    months = next(each for each in tables if "Reported in" in each)
    assert months["Would differ"].sum() == kept["differ"]
    moves = next(each for each in tables if "Refunded by people" in each)
    assert moves["Claims"].sum() == kept["differ"]
    assert set(moves["Would differ"]) <= {"advise deny → advise approve", "advise deny → advise a look"}


def test_advice_and_decision_are_told_apart(desk: Desk, people: People, draft: int, late: str) -> None:
    """What is advised is called so, beside what people decided; money is split by it."""
    at = lab(run=tried(desk, people, draft))
    tables = [each.value for each in at.dataframe]
    (move,) = next(each for each in tables if "Refunded by people" in each).to_dict("records")
    assert move == {
        "Would differ": "advise deny → advise approve",
        "Claims": 1,
        "Refunded by people": "$0.00",
        "Denied by people": "$25.00",
        "Undecided": "$0.00",
        "Charges in total": "$25.00",
    }
    (flip,) = next(each for each in tables if "Why" in each).to_dict("records")
    assert (flip["Would differ"], flip["People"]) == ("advise deny → advise approve", "denied")
    agreement = next(each for each in tables if "Advice rests on" in each)
    assert agreement.to_dict("split")["data"] == [
        ["W1 reported in time", "1 of 1 (21% to 100%)", "no claim"],
        ["P1 phone is not valid", "no claim", "0 of 1 (0% to 79%)"],
        ["All, each claim once", "1 of 1 (21% to 100%)", "0 of 1 (0% to 79%)"],
    ]
    shown = said(at)
    assert (
        "Of 1 claim that people decided, the old version agreed with 1 of the 1 it advises on "
        "(21% to 100%), the draft agreed with 0 of the 1 it advises on (0% to 79%)."
    ) in shown
    assert (
        r"1 of 1 claims would differ: \$25\.00 more would be credited than by the version in force" in shown
    )
    assert r"\$25\.00 is 100.0% of the \$25\.00 of charges reported in the period" in shown
    assert "Pros who were told 30 days did not report on days 31 to 45" in shown
    assert "→ approved" not in str(tables)


def test_whose_run_it_is(desk: Desk, people: People, draft: int, late: str) -> None:
    """A run of an earlier revision says so; another draft's is not shown as this one's."""
    number = tried(desk, people, draft)
    shown = said(lab(draft=draft, run=number))
    assert f"**Run {number}** of revision 1 (45 days, 25 miles), asked by Mo Haddad" in shown
    assert "changed since" not in shown
    change_draft(desk, people["mo"], draft, replace(LONGER, window_days=31), revision=1)
    shown = said(lab(draft=draft, run=number))
    assert "of revision 1 (45 days, 25 miles)" in shown
    assert "The draft was changed since: revision 2 has 31 days, 25 miles." in shown
    other = write_draft(desk, people["mo"], replace(LONGER, version="other", window_days=60))
    at = lab(draft=other, run=number)
    assert rf"Run {number} is not of this draft but of 2026\-12." in said(at)
    assert "would differ" not in said(at)
    assert f"Open run {number}" in links(at)


def test_earlier_runs(desk: Desk, people: People, draft: int, late: str, clock: Clock) -> None:
    """Revision, who, when, which reports, what came of it; the newest first."""
    tried(desk, people, draft)
    cancelled = backtest.begin(desk, people["noor"], draft, *EVER)
    backtest.cancel(desk, people["noor"], cancelled)
    table = next(each.value for each in lab(draft=draft).dataframe if "Result" in each.value)
    assert table[["Revision", "Asked by", "Reports of", "Result"]].to_dict("split")["data"] == [
        ["1 (45 days, 25 miles)", "Noor Aziz", "2000-01-01 to 2099-12-31", "cancelled after 0"],
        ["1 (45 days, 25 miles)", "Mo Haddad", "2000-01-01 to 2099-12-31", "1 of 1 would differ"],
    ]


def test_settled_drafts_keep_their_runs(desk: Desk, people: People, draft: int, late: str) -> None:
    """Published or dropped, a run opens by itself, says what became of the draft, and asks for no other."""
    number = tried(desk, people, draft)
    other = write_draft(desk, people["mo"], replace(LONGER, version="other", window_days=60))
    tried(desk, people, other)
    drop_draft(desk, people["mo"], other, "Not now")
    publish(desk, people["noor"], draft, revision=1)
    at = lab(run=number)
    assert r"The draft was published as 2026\-12" in said(at)
    assert "1 of 1 claims would differ" in said(at)
    assert "Try it on history" not in labels(at)
    assert "The draft was dropped" in said(lab(draft=other))
    table = next(each.value for each in lab().dataframe if "Result" in each.value)
    assert list(table["It is"]) == ["dropped", "published as 2026-12"]


def test_what_cannot_be_a_period(desk: Desk, people: People, draft: int, clock: Clock) -> None:
    """Turned round, or in days to come: a sentence, and nothing is tried whatever is pressed."""
    today = clock.now.date()
    for last, told in (
        (today - timedelta(days=900), "The period ends before it begins"),
        (today + timedelta(days=900), "Nothing is reported yet after today"),
        (None, "Choose both days."),
    ):
        at = lab(draft=draft)
        at.date_input(key="last").set_value(last).run()
        next(each for each in at.button if each.label == "Try it on history").click().run()
        assert told in said(at)
        assert "Tried on the reports of" not in said(at)
    assert backtest.runs(desk, people["mo"]) == []
    assert f"to {today}: UTC days, both included" in said(lab(draft=draft))


def test_a_run_opened_from_the_list_stays(desk: Desk, people: People, draft: int, late: str) -> None:
    """The address gets the run, so that a filter or another click does not lose it."""
    number = tried(desk, people, draft)
    at = lab(draft=draft)
    (key,) = (each.key for each in at.dataframe if each.key and each.key.startswith("runs-of-draft"))
    at.session_state[key] = {"selection": {"rows": [], "columns": [], "cells": [(0, "Draft")]}}
    at.run()
    assert at.query_params["run"] in (str(number), [str(number)])
    assert "1 of 1 claims would differ" in said(at.run())


@pytest.mark.parametrize(
    ("was", "becomes", "told"),
    [
        (
            ("fail", "Reported on day 36; the window is 30 days."),
            ("pass", "Reported on day 36 of 45."),
            "day 36: outside 30, inside 45",
        ),
        (
            ("pass", "The job moved: Reno, NV 89501 is 12.3 miles from Sparks, NV 89431, over 10."),
            (
                "fail",
                "The job is still near: Reno, NV 89501 is 12.3 miles from Sparks, NV 89431, not over 25.",
            ),
            "12.3 miles: over 10, not over 25",
        ),
        (("unsure", "It is unclear."), ("pass", "It is clear."), "It is clear."),
    ],
)
def test_why_fits_its_column(was: tuple[str, str], becomes: tuple[str, str], told: str) -> None:
    """The figures of the checks that can differ; what is not known is told in its own words."""
    check = {"was": was[0], "why_was": was[1], "becomes": becomes[0], "why_becomes": becomes[1]}
    assert policy_lab_flips.in_short(check) == told


@pytest.mark.parametrize(("days", "told"), [(45, "will cost more"), (20, "will save less"), (30, "")])
def test_what_history_cannot_tell(days: int, told: str) -> None:
    """Only of another window, in its direction, beside the one most claims had."""
    windows = [{"days": 30, "claims": 90}, {"days": 14, "claims": 3}]
    assert told in policy_lab_sums.caveat(windows, days)
    assert bool(policy_lab_sums.caveat(windows, days)) == bool(told)


def test_runs_kept_before_have_less_to_show(desk: Desk, people: People, draft: int, late: str) -> None:
    """A result without the later counts is shown as far as it goes."""
    number = tried(desk, people, draft)
    result = backtest.backtest(desk, people["mo"], number)["result"]
    for name in ("months", "money", "windows", "decided"):
        del result[name]
    result["agreement"] = [row for row in result["agreement"] if row["clause"] != "all"]
    with desk.transaction() as conn:
        conn.execute(text("UPDATE refunds.backtests SET result = :r"), {"r": json.dumps(result)})
    at = lab(run=number)
    assert "1 of 1 claims would differ" in said(at)
    assert not at.exception


def test_how_a_run_ends(desk: Desk, people: People, draft: int, clock: Clock) -> None:
    """Running, cancelled, silent, failed, nothing to differ, not there: a sentence each."""
    number = backtest.begin(desk, people["mo"], draft, *EVER)
    at = lab(draft=draft, run=number)
    next(each for each in at.button if each.label == "Cancel").click().run()
    assert "It was stopped after 0 claims." in said(lab(run=number))
    silent = backtest.begin(desk, people["mo"], draft, *EVER)
    clock.advance(timedelta(minutes=5))
    assert "It gives no sign any more." in said(lab(run=silent))
    number = backtest.begin(desk, people["mo"], draft, *EVER)
    assert "It failed. It gave no sign for 60 seconds" in said(lab(run=silent))
    carry_out(desk, people["mo"], number, processes=0)
    assert "Nothing would differ: 0 claims" in said(lab(run=number))
    assert "There is no backtest 999" in said(lab(draft=draft, run=999))
    assert "There is no backtest 9999" in said(lab(run="9" * 30))
    assert "There is no draft 999" in said(lab(draft=999))
    assert "Choose a draft to try" in said(lab())


def test_a_second_request_is_led_to_the_first(desk: Desk, people: People, draft: int) -> None:
    """While one runs the button says so, with a link to it, and starts nothing."""
    first = backtest.begin(desk, people["noor"], draft, *EVER)
    at = lab(draft=draft)
    next(each for each in at.button if each.label == "Try it on history").click().run()
    assert "there is one at a time" in said(at)
    assert f"Open run {first}, which is running" in links(at)
    assert len(backtest.runs(desk, people["mo"])) == 1


def test_a_bounded_list_says_so(
    desk: Desk, people: People, draft: int, late: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where not all are listed the page says how many are."""
    monkeypatch.setattr(backtest, "FLIPS_KEPT_MAX", 0)
    assert "0 of 1 are listed; all are counted above." in said(lab(run=tried(desk, people, draft)))


def test_withdrawn_reports_are_told_apart(desk: Desk, people: People, draft: int, late: str) -> None:
    """How many were withdrawn, that they move no money, and that a charge counts once."""
    shown = said(lab(run=tried(desk, people, draft)))
    assert "A charge’s money counts once, by its last claim that was not withdrawn." in shown
    assert "Withdrawn reports are counted apart and move no money: 0, of which 0 would differ." in shown


def test_flips_as_csv(desk: Desk, people: People, draft: int, late: str) -> None:
    """Every listed claim that the filters let through, with its money and why; offered on the page."""
    number = tried(desk, people, draft)
    assert "CSV" in [each.proto.label for each in lab(run=number).get("download_button")]
    visit = Visit(desk, people["mo"])
    told = policy_lab_flips._csv(visit, number, {"was": "deny"}).decode("utf-8-sig")
    head, row = told.splitlines()
    assert head.startswith(
        "report,charge,reason,category,currency,amount,counted,advised,would_advise,people"
    )
    assert row.startswith(f"{late},c,invalid_phone,plumbing,USD,25.00,yes,deny,approve,denied,")
    assert len(policy_lab_flips._csv(visit, number, {"was": "approve"}).splitlines()) == 1


def test_the_claim_says_what_the_draft_says(desk: Desk, people: People, draft: int, late: str) -> None:
    """Opened from a run a claim has one line of it, and the way back with the same filters."""
    number = tried(desk, people, draft)
    at = run("claim", "mo", claim=late, run=str(number), lab_move="m n", lab_reason="invalid phone")
    line = r"By draft 2026\-12 (revision 1): advise approve instead of deny: reported on day 40 of 45"
    assert line in said(at)
    (back,) = (each.proto for each in at.get("page_link") if each.proto.label == f"Back to run {number}")
    assert back.page == "policy_lab"
    assert sorted(back.query_string.split("&")) == [
        "move=m+n",
        "reason=invalid+phone",
        f"run={number}",
    ]
    for params in ({}, {"run": "999"}, {"run": "9" * 30}, {"run": "x"}):
        assert "By draft" not in said(run("claim", "mo", claim=late, **params))
    assert "By draft" not in said(run("claim", "dana", claim=late, run=str(number)))


def test_the_shadow_is_compared(market: Market, desk: Desk, people: People, clock: Clock, late: str) -> None:
    """How many new reports would differ, with money by reason and category; after publishing too."""
    clock.advance(timedelta(minutes=1))
    draft = write_draft(desk, people["mo"], replace(LONGER, window_days=1))
    set_shadow(desk, people["mo"], draft, shadow=True)
    clock.advance(timedelta(minutes=1))
    market.claim(people["dana"])
    market.charge("c2", market.lead("l2"), "moss", 1000)
    clock.advance(timedelta(days=2))
    file_report(desk, people["dana"], Report("c2", "other"))
    judge_in_shadow(desk)
    at = lab(draft=draft)
    assert "1 of 2 would differ" in said(at)
    assert "judged by revision 1 since it was switched on" in said(at)
    assert "a change of the draft, or switching it on again, begins anew" in said(at)
    money = next(each.value for each in at.dataframe if "Refunded by people" in each.value)
    assert list(money["Charges in total"]) == ["$10.00"]
    assert {"Reason", "Category"} <= {column for each in at.dataframe for column in each.value.columns}
    publish(desk, people["noor"], draft, revision=1)
    assert "1 of 2 would have differed" in said(lab(draft=draft))
