"""The pages of the policy: versions side by side, a draft with its golden cases; the lab, asked to read."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from refundlib.domain.people import Person
from refundlib.services import backtest
from refundlib.services.demo import load_demo
from refundlib.services.desk import Desk
from refundlib.services.policy_drafts import drafts, publish, set_shadow, write_draft
from refundlib.ui import policy_lab_view
from tests.conftest import Clock
from tests.market import Market
from tests.pages.test_pages import labels, run, said
from tests.services.test_policy_drafts import LONGER

People = dict[str, Person]
EVER = (datetime(2000, 1, 1, tzinfo=UTC), datetime(2100, 1, 1, tzinfo=UTC))


def test_the_first_version(desk: Desk) -> None:
    """The version in force, its numbers, and each clause's words beside its rule; a viewer reads it too."""
    for person in ("mo", "vic"):
        at = run("policy", person)
        assert "in force from the beginning" in said(at)
        assert "exactly 30 counts" in said(at)
        assert dict(at.dataframe[0].value.itertuples(index=False))["Days to report"] == "30"


def test_side_by_side(desk: Desk, people: People) -> None:
    """A new version beside the old: what differs is marked."""
    publish(desk, people["noor"], write_draft(desk, people["mo"], LONGER), revision=1)
    at = run("policy", "mo")
    table = at.dataframe[0].value
    assert list(table.columns) == ["Rule", "2026-12", "2026-02", "Differs"]
    differs = dict(zip(table["Rule"], table["Differs"], strict=True))
    assert {rule for rule, mark in differs.items() if mark} == {"Days to report", "Hours to decide"}
    assert "by Mo Haddad, published by Noor Aziz" in said(at)


def test_a_draft_is_written(desk: Desk, people: People) -> None:
    """The form begins as the version in force; its author sees the golden cases and cannot publish."""
    at = run("policy", "mo", view="Drafts", draft="new")
    next(each for each in at.number_input if each.label == "Days to report").set_value(45)
    next(each for each in at.text_input if each.label == "Why it changes").set_value("More time")
    next(each for each in at.text_input if each.label == "W1: the words").set_value("Within 30 days.")
    next(each for each in at.button if each.label == "Save the draft").click().run()
    (row,) = drafts(desk, people["mo"])
    assert (row["window_days"], row["note"], row["clauses"]) == (45, "More time", {"W1": "Within 30 days."})
    shown = run("policy", "mo", view="Drafts", draft=str(row["draft_id"]))
    assert any("1 of 32 golden cases fail" in str(error.value) for error in shown.error)
    assert [b.disabled for b in shown.button if b.label == "Publish"] == [True]
    other = run("policy", "noor", view="Drafts", draft=str(row["draft_id"]))
    assert [b.disabled for b in other.button if b.label == "Publish"] == [False]


def test_bad_figures_stay_in_the_form(desk: Desk) -> None:
    """A draft that cannot be is told beside its form; nothing is kept."""
    at = run("policy", "mo", view="Drafts", draft="new")
    next(each for each in at.button if each.label == "Save the draft").click().run()
    assert any("needs a written reason" in str(error.value) for error in at.error)


def test_who_may_not(desk: Desk, people: People) -> None:
    """A viewer reads drafts and does nothing; support and finance are told who may."""
    draft = write_draft(desk, people["mo"], LONGER)
    offered = labels(run("policy", "vic", view="Drafts", draft=str(draft)))
    assert not {"New draft", "Publish", "Drop", "Save the draft"} & set(offered)
    for person in ("dana", "fin"):
        assert "may not read the policy" in said(run("policy", person))
    assert "may not try a policy on history" in said(run("policy_lab", "vic"))


def test_the_lab_from_asking_to_flips(
    owner_desk: Desk, desk: Desk, people: People, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Asked for, run, read: the sentence, the tables, each claim with the check that differs."""
    load_demo(owner_desk, charges=2000, seed=11, as_of=clock.now)
    draft = write_draft(desk, people["mo"], LONGER)
    monkeypatch.setattr(
        policy_lab_view, "start_backtest", lambda it, _who: backtest.run(desk, people["mo"], it, processes=0)
    )
    at = run("policy_lab", "mo", draft=str(draft))
    next(each for each in at.button if each.label == "Try it on history").click().run()
    (row,) = backtest.newest(desk, people["mo"], draft)
    at = run("policy_lab", "mo", draft=str(draft), run=str(row["backtest_id"]))
    assert "claims would differ" in said(at)
    kept = backtest.backtest(desk, people["mo"], row["backtest_id"])["result"]
    flips = at.dataframe[-1].value
    assert len(flips) == sum(move["claims"] for move in kept["moves"])
    assert flips["Why"].str.contains("the window is 30 days").all()


def test_how_a_run_ends(desk: Desk, people: People, clock: Clock) -> None:
    """Running, cancelled, silent, nothing to differ, not there: a sentence each."""
    draft = write_draft(desk, people["mo"], LONGER)

    def page(number: int) -> str:
        return said(run("policy_lab", "mo", draft=str(draft), run=str(number)))

    number = backtest.begin(desk, people["mo"], draft, *EVER)
    assert "Cancel" in labels(run("policy_lab", "mo", draft=str(draft), run=str(number)))
    backtest.cancel(desk, people["mo"], number)
    assert "It was stopped after 0 claims." in page(number)
    number = backtest.begin(desk, people["mo"], draft, *EVER)
    clock.advance(timedelta(minutes=5))
    assert "It gives no sign any more." in page(number)
    backtest.run(desk, people["mo"], number, processes=0)
    assert "Nothing would differ: 0 claims" in page(number)
    assert "There is no backtest 999" in page(999)
    assert "Choose a draft to try" in said(run("policy_lab", "mo"))


def test_the_shadow_is_compared(market: Market, desk: Desk, people: People, clock: Clock) -> None:
    """A draft in the shadow tells how many new reports would differ, and which."""
    draft = write_draft(desk, people["mo"], replace(LONGER, job_changed_miles=1.0))
    set_shadow(desk, people["mo"], draft, shadow=True)
    clock.advance(timedelta(minutes=1))
    market.claim(people["dana"])
    backtest.judge_in_shadow(desk)
    assert "0 of 1 would differ" in said(run("policy_lab", "mo", draft=str(draft)))
