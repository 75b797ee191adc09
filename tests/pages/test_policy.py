"""The pages of the policy: versions side by side, a draft with its golden cases; the lab, asked to read."""

from dataclasses import replace
from datetime import timedelta

import pytest
from streamlit.testing.v1 import AppTest

from refundlib.domain.errors import BadFigure
from refundlib.domain.people import Person
from refundlib.domain.policy import CLAUSES, FIGURES
from refundlib.services.desk import Desk
from refundlib.services.policy_drafts import drafts, publish, revoke, write_draft
from refundlib.ui import policy_draft_view
from refundlib.ui.shell import Visit
from tests.conftest import Clock
from tests.pages.test_pages import labels, run, said
from tests.services.test_policy_drafts import LONGER

People = dict[str, Person]


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
    """The form begins as the newest version; its author sees the golden cases and cannot publish."""
    at = run("policy", "mo", view="Drafts", draft="new")
    next(each for each in at.number_input if each.label == "Days to report").set_value(45)
    next(each for each in at.text_input if each.label == "Why it changes").set_value("More time")
    next(each for each in at.text_input if each.label == "W1: the words").set_value("Within 30 days.")
    next(each for each in at.button if each.label == "Save the draft").click().run()
    (row,) = drafts(desk, people["mo"])
    kept = {**CLAUSES, "W1": "Within 30 days."}
    assert (row["window_days"], row["note"], row["clauses"]) == (45, "More time", kept)
    assert row["approval_limit_minor"] == 3000
    shown = run("policy", "mo", view="Drafts", draft=str(row["draft_id"]))
    assert any("1 of 35 golden cases fail" in str(error.value) for error in shown.error)
    assert [b.disabled for b in shown.button if b.label == "Publish"] == [True]
    other = run("policy", "noor", view="Drafts", draft=str(row["draft_id"]))
    assert [b.disabled for b in other.button if b.label == "Publish"] == [False]


def test_bad_figures_stay_in_the_form(desk: Desk) -> None:
    """A draft that cannot be is told beside its form; nothing is kept."""
    at = run("policy", "mo", view="Drafts", draft="new")
    next(each for each in at.button if each.label == "Save the draft").click().run()
    assert any("needs a written reason" in str(error.value) for error in at.error)


def press(at: AppTest, label: str) -> AppTest:
    """Presses the last button of that name: a dialog's is painted after the page's."""
    return next(b for b in reversed(at.button) if b.label == label).click().run()


def test_money_is_asked_as_money(desk: Desk, people: People) -> None:
    """The limit is typed as 45.50 and kept as 4550; what is no amount is told, and nothing is kept."""
    at = run("policy", "mo", view="Drafts", draft="new")
    limit = next(each for each in at.text_input if each.label == "One person’s limit ($)")
    assert limit.value == "30.00"
    next(each for each in at.text_input if each.label == "Why it changes").set_value("Dearer leads")
    limit.set_value("12,5")
    assert any("is no amount in USD" in str(error.value) for error in press(at, "Save the draft").error)
    assert drafts(desk, people["mo"]) == []
    next(each for each in at.text_input if each.label == "One person’s limit ($)").set_value("45.50")
    press(at, "Save the draft")
    (row,) = drafts(desk, people["mo"])
    assert row["approval_limit_minor"] == 4550
    table = run("policy", "mo", view="Drafts", draft=str(row["draft_id"])).dataframe[0].value
    assert list(table.iloc[-1]) == ["One person’s limit", "$30.00", "$45.50", "≠"]


def test_highest_figures_are_shown(desk: Desk, people: People) -> None:
    """What the service takes the form can show: the bounds are one table."""
    most = {name: type(getattr(LONGER, name))(bounds.most) for name, bounds in FIGURES.items()}
    draft = write_draft(desk, people["mo"], replace(LONGER, **most))
    at = run("policy", "mo", view="Drafts", draft=str(draft))
    assert next(each for each in at.number_input if each.label == "Hours to decide").value == 8760


def test_a_changed_text_is_shown_and_read(desk: Desk, people: People) -> None:
    """A draft that changes words only: old beside new, on the page and before publishing."""
    wrong = replace(LONGER, window_days=30, sla_hours=48, clauses={"H1": "Always refundable."}, sources={})
    draft = write_draft(desk, people["mo"], wrong)
    at = run("policy", "noor", view="Drafts", draft=str(draft))
    assert "**:orange-background[Never]** refundable" in said(at)
    assert "**:orange-background[Always]**" in said(at)
    press(at, "Publish")
    assert said(at).count("**:orange-background[Never]** refundable") == 2
    assert [each.label for each in at.checkbox] == [
        "I have read the changed text: what the pro reads is what the rule does"
    ]


def test_the_day_is_the_desks(desk: Desk, people: People, clock: Clock) -> None:
    """The days on offer are from the desk's today to a year ahead, whatever the server's date."""
    draft = write_draft(desk, people["mo"], replace(LONGER, window_days=30, sources={}))
    at = press(run("policy", "noor", view="Drafts", draft=str(draft)), "Publish")
    (day,) = at.date_input
    today = clock.now.date()
    assert (day.value, day.min, day.max) == (today, today, today + timedelta(days=365))


def test_a_day_that_passed_meanwhile(desk: Desk, people: People, clock: Clock) -> None:
    """A past day is refused in a sentence, not taken for today."""
    write_draft(desk, people["mo"], LONGER)
    (row,) = drafts(desk, people["noor"])
    with pytest.raises(BadFigure, match=r"2026-03-19 00:00 UTC is past"):
        policy_draft_view._publish_from(
            Visit(desk, people["noor"]), row, clock.now.date() - timedelta(days=1)
        )


def test_a_draft_that_fell_behind(desk: Desk, people: People, clock: Clock) -> None:
    """Another version came: the page shows what it changed, and takes it over at a press."""
    first = write_draft(desk, people["mo"], LONGER)
    behind = replace(LONGER, version="hours", window_days=30, sla_hours=12, sources={})
    second = write_draft(desk, people["mo"], behind)
    publish(desk, people["noor"], first, revision=1, effective_from=clock.now + timedelta(days=5))
    at = run("policy", "noor", view="Drafts", draft=str(second))
    assert "Days to report: 30 → **45**" in at.warning[0].value
    assert [b.disabled for b in at.button if b.label == "Publish"] == [True]
    press(at, r"Take over the changes of 2026\-12")
    (row,) = drafts(desk, people["mo"])
    assert (row["window_days"], row["sla_hours"], row["revision"]) == (45, 12, 2)
    assert "Take over" not in "".join(labels(run("policy", "noor", view="Drafts", draft=str(second))))


def test_a_new_draft_begins_from_what_is_scheduled(desk: Desk, people: People, clock: Clock) -> None:
    """Not from the version in force, which the scheduled one changes; a revoked one is passed over."""
    first = write_draft(desk, people["mo"], LONGER)
    publish(desk, people["noor"], first, revision=1, effective_from=clock.now + timedelta(days=5))

    def begins() -> int:
        at = run("policy", "mo", view="Drafts", draft="new")
        return int(next(each for each in at.number_input if each.label == "Days to report").value)

    assert begins() == 45
    revoke(desk, people["mo"], "2026-12", "A mistake")
    assert begins() == 30


def test_standing_is_shown(desk: Desk, people: People, clock: Clock) -> None:
    """In force, scheduled, and revoked by whom and why (what the dialog posts: the browser's tests)."""
    first = write_draft(desk, people["mo"], LONGER)
    publish(desk, people["noor"], first, revision=1, effective_from=clock.now + timedelta(days=5))
    at = run("policy", "mo")
    assert at.selectbox[0].options == ["2026-12 (scheduled)", "2026-02 (in force)"]
    assert at.selectbox[0].value == "2026-02"
    assert "comes into force 2026-03-25 12:00 UTC" in said(at)
    assert "Revoke" not in labels(run("policy", "vic"))
    assert "will never come into force" in said(press(at, "Revoke"))
    revoke(desk, people["mo"], "2026-12", "The *wrong* year")
    at = run("policy", "vic")
    assert at.selectbox[0].options == ["2026-12 (revoked)", "2026-02 (in force)"]
    shown = said(at)
    assert "revoked by Mo Haddad" in shown
    assert r"The \*wrong\* year" in shown


def test_pages_of_both_versions(desk: Desk, people: People) -> None:
    """The page a text comes from is shown for either version, marked where it differs."""
    publish(desk, people["noor"], write_draft(desk, people["mo"], LONGER), revision=1)
    at = run("policy", "mo")
    for left in ("2026-12", "2026-02"):
        at.selectbox[0].set_value(left).run()
        assert "**:orange-background[https" in said(at)
        assert "No page" in said(at)


def test_who_may_not(desk: Desk, people: People) -> None:
    """A viewer reads drafts and does nothing; support and finance are told who may."""
    draft = write_draft(desk, people["mo"], LONGER)
    offered = labels(run("policy", "vic", view="Drafts", draft=str(draft)))
    assert not {"New draft", "Publish", "Drop", "Save the draft"} & set(offered)
    for person in ("dana", "fin"):
        assert "may not read the policy" in said(run("policy", person))
    assert "may not try a policy on history" in said(run("policy_lab", "vic"))
