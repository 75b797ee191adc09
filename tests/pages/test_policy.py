"""The pages of the policy: versions side by side, a draft with its golden cases; the lab, asked to read."""

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from streamlit.testing.v1 import AppTest

from refundlib.domain.errors import BadFigure
from refundlib.domain.people import Person
from refundlib.domain.policy import CLAUSES, FIGURES
from refundlib.services import backtest
from refundlib.services.desk import Desk
from refundlib.services.policy_drafts import change_draft, drafts, publish, published, revoke, write_draft
from refundlib.ui import policy_draft_view, policy_view
from refundlib.ui.shell import Visit
from tests.conftest import PEOPLE, Clock
from tests.pages.test_pages import labels, run, said
from tests.services.test_policy_drafts import LONGER

People = dict[str, Person]


def test_the_first_version(desk: Desk) -> None:
    """The version in force, its numbers, and each clause's words beside its rule; a viewer reads it too."""
    for person in ("mo", "vic"):
        at = run("policy", person)
        assert "in force from the beginning" in said(at)
        assert "migration" not in said(at)
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
    fill(at, "Days to report", "45")
    fill(at, "Why it changes", "More time")
    fill(at, "W1: the words", "Within 30 days.")
    press(at, "Save the draft")
    (row,) = drafts(desk, people["mo"])
    kept = {**CLAUSES, "W1": "Within 30 days."}
    assert (row["window_days"], row["note"], row["clauses"]) == (45, "More time", kept)
    assert row["approval_limit_minor"] == 3000
    assert at.toast[0].value == "The draft is saved; it can’t be published yet: W1."
    shown = run("policy", "mo", view="Drafts", draft=str(row["draft_id"]))
    assert "It is saved, and cannot be published yet." in shown.error[-1].value
    assert "You wrote a part of it: Noor Aziz publishes it." in said(shown)
    assert any("1 of 35 golden cases fail" in str(error.value) for error in shown.error)
    assert [b.disabled for b in shown.button if b.label == "Publish"] == [True]
    other = run("policy", "noor", view="Drafts", draft=str(row["draft_id"]))
    assert [b.disabled for b in other.button if b.label == "Publish"] == [False]


def test_bad_figures_stay_in_the_form(desk: Desk) -> None:
    """A draft that cannot be is told beside its form; nothing is kept."""
    at = run("policy", "mo", view="Drafts", draft="new")
    fill(at, "Hours to decide", "9")
    press(at, "Save the draft")
    assert "it is kept with the version" in at.error[0].value
    assert field(at, "Hours to decide").value == "9"
    assert drafts(desk, PEOPLE["mo"]) == []


def field(at: AppTest, label: str) -> Any:
    """A line to fill."""
    return next(each for each in at.text_input if each.label == label)


def fill(at: AppTest, label: str, text: str) -> None:
    """Types into a line of a form, which is not sent yet."""
    field(at, label).set_value(text)


def press(at: AppTest, label: str) -> AppTest:
    """Presses the last button of that name: a dialog's is painted after the page's."""
    return next(b for b in reversed(at.button) if b.label == label).click().run()


def test_money_is_asked_as_money(desk: Desk, people: People) -> None:
    """The limit is typed as 45.50 and kept as 4550; what is no amount is told, and nothing is kept."""
    at = run("policy", "mo", view="Drafts", draft="new")
    assert field(at, "One person’s limit ($)").value == "30.00"
    fill(at, "Why it changes", "Dearer leads")
    fill(at, "One person’s limit ($)", "12,5")
    assert any("is no amount in USD" in str(error.value) for error in press(at, "Save the draft").error)
    assert drafts(desk, people["mo"]) == []
    fill(at, "One person’s limit ($)", "45.50")
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
    assert field(at, "Hours to decide").value == "8760"


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
        return int(field(at, "Days to report").value)

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
    far = Person("far", "Far", frozenset({"manager"}), "America/Bogota")
    first = published(desk, far)[-1]
    assert policy_view.period(Visit(desk, far), first) == "in force from the beginning"
    assert policy_view.lasting(clock.now, far) == "2026-03-20 07:00 (2026-03-20 12:00 UTC)"
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
        link = r"[**:orange-background[https\://help\.example/refunds]**](https://help.example/refunds)"
        assert link in said(at)
        assert ("No page" in said(at)) == (at.selectbox[1].value is not None)


def test_two_in_one_draft(desk: Desk, people: People) -> None:
    """The second one is told who changed what; what they typed stays, and saved again lies over it."""
    draft = write_draft(desk, people["mo"], LONGER)
    at = run("policy", "mo", view="Drafts", draft=str(draft))
    change_draft(desk, people["noor"], draft, replace(LONGER, sla_hours=12), revision=1)
    fill(at, "Days to report", "60")
    press(at, "Save the draft")
    assert at.toast[0].value == "Not saved: this draft was changed meanwhile."
    warning = at.warning[-1].value
    assert "Noor Aziz changed this draft" in warning
    assert "Hours to decide: 24 → **12**" in warning
    assert (field(at, "Days to report").value, field(at, "Hours to decide").value) == ("60", "24")
    assert [row["window_days"] for row in drafts(desk, people["mo"])] == [45]
    press(at, "Save the draft")
    (row,) = drafts(desk, people["mo"])
    assert (row["window_days"], row["sla_hours"], row["revision"]) == (60, 24, 3)
    assert "changed this draft" not in said(at)
    assert field(at, "Days to report").value == "60"


def test_two_in_one_draft_and_the_other_counts(desk: Desk, people: People) -> None:
    """What is saved can be taken instead of what was typed; another window of one’s own is named so."""
    draft = write_draft(desk, people["mo"], LONGER)
    at = run("policy", "mo", view="Drafts", draft=str(draft))
    change_draft(desk, people["mo"], draft, replace(LONGER, note="*Less*"), revision=1)
    fill(at, "Days to report", "60")
    press(at, "Save the draft")
    assert "You changed this draft in another window" in at.warning[-1].value
    assert r"Why it changes: Pros asked for more time → **\*Less\***" in at.warning[-1].value
    press(at, "Take what is saved")
    assert (field(at, "Days to report").value, field(at, "Why it changes").value) == ("45", "*Less*")
    assert not at.warning


@pytest.mark.parametrize(
    ("label", "typed", "sentence"),
    [
        ("Days to report", "0", "Days to report: a whole number from 1 to 3,650, not “0”."),
        ("Days to report", "4.5", "Days to report: a whole number from 1 to 3,650, not “4\\.5”."),
        ("Hours to decide", "1000000", "Hours to decide: a whole number from 1 to 8,760, not “1000000”."),
        ("Hours to decide", "9" * 19, "not “"),
        (
            "Days to ask for the card",
            "",
            "Days to ask for the card: a whole number from 1 to 3,650, not empty.",
        ),
        (
            "Miles for a changed job",
            "-5",
            "Miles for a changed job: a number with at most 2 decimals from 0.01",
        ),
        ("Miles for a changed job", "*x*", r"not “\*x\*”."),
        ("One person’s limit ($)", "10000000.01", r"One person’s limit\: from \$0\.00 to \$10,000,000\.00"),
        ("W1: the words", "In {window_day} days.", "has {window_day}, which stands for nothing"),
        ("W1: the public page", "help.example", "The page of W1 must be an address"),
    ],
)
def test_what_no_policy_can_say(desk: Desk, people: People, label: str, typed: str, sentence: str) -> None:
    """A number out of its range, letters, a wrong placeholder or page: a sentence that names the field."""
    at = run("policy", "mo", view="Drafts", draft="new")
    fill(at, "Why it changes", "More time")
    fill(at, label, typed)
    press(at, "Save the draft")
    assert sentence in at.error[-1].value
    assert field(at, label).value == typed[: field(at, label).proto.max_chars or None]
    assert drafts(desk, people["mo"]) == []


def test_a_new_draft_has_a_free_name(desk: Desk, people: People, clock: Clock) -> None:
    """Today, or today with the next number; a name that is taken leaves the form as it is; Cancel leaves."""
    today = str(clock.now.date())
    write_draft(desk, people["mo"], replace(LONGER, version=today))
    at = run("policy", "noor", view="Drafts", draft="new")
    assert field(at, "Name of the version").value == f"{today}-2"
    fill(at, "Name of the version", today)
    fill(at, "Why it changes", "More time")
    press(at, "Save the draft")
    assert "Choose another name" in at.error[-1].value
    assert field(at, "Why it changes").value == "More time"
    press(at, "Cancel")
    assert "Save the draft" not in labels(at)
    assert len(drafts(desk, people["mo"])) == 1


def test_no_such_draft(desk: Desk, people: People) -> None:
    """An address of a draft that is not open is told, whether or not there are others."""
    sentence = "There is no open draft 99: it was published or dropped, or never was."
    assert sentence in said(run("policy", "mo", view="Drafts", draft="99"))
    write_draft(desk, people["mo"], LONGER)
    assert sentence in said(run("policy", "vic", view="Drafts", draft="99"))


def test_beside(desk: Desk, people: People) -> None:
    """Beside a version stands the one before it, not a draft; only what differs, when that is asked for."""
    at = run("policy", "mo")
    assert "There is one version only" in said(at)
    assert [box.label for box in at.selectbox] == ["Version"]
    publish(desk, people["noor"], write_draft(desk, people["mo"], LONGER), revision=1)
    write_draft(desk, people["mo"], replace(LONGER, version="draft", window_days=9))
    at = run("policy", "mo")
    assert [box.value for box in at.selectbox] == ["2026-12", "2026-02"]
    at.toggle[0].set_value(True).run()
    assert list(at.dataframe[0].value["Rule"]) == ["Days to report", "Hours to decide"]
    assert "Never refundable" not in said(at)
    at.selectbox[0].set_value("draft (draft)").run()
    assert at.selectbox[1].value == "2026-12"


def tried(desk: Desk, person: Person, draft: int) -> int:
    """A run that ended well: 64 of 350 claims; its id."""
    until = desk.clock()
    run_id = backtest.begin(desk, person, draft, until - timedelta(days=365), until)
    result = {"judged": 353, "differ": 64, "moves": [], "withdrawn": {"judged": 3, "differ": 0}}
    with desk.transaction() as conn:
        backtest.end(conn, desk, run_id, "done", result=result)
    return run_id


def test_what_history_said(desk: Desk, people: People) -> None:
    """Whether this revision was tried, on its page and before publishing; the version tells it later."""
    draft = write_draft(desk, people["mo"], LONGER)

    def links(at: AppTest) -> list[str]:
        return [link.proto.label for link in at.get("page_link") if "ried" in link.proto.label]

    opened = {"view": "Drafts", "draft": str(draft)}
    not_tried = "Not tried on history as it is now"
    assert not_tried in said(run("policy", "noor", **opened))
    tried(desk, people["mo"], draft)
    change_draft(desk, people["mo"], draft, replace(LONGER, sla_hours=12), revision=1)
    at = press(run("policy", "noor", **opened), "Publish")
    assert (links(at), not_tried in said(at)) == ([f"{not_tried}: open the lab"], True)
    tried(desk, people["mo"], draft)
    sentence = r"Tried on 2025\-03\-20 to 2026\-03\-19: 64 of 350 claims would differ"
    at = press(run("policy", "noor", **opened), "Publish")
    assert links(at) == [sentence, sentence]
    assert said(at).count("Days to report: 30 → **45**") == 1
    publish(desk, people["noor"], draft, revision=2)
    assert links(run("policy", "mo")) == [sentence, sentence]
    assert links(run("policy", "vic")) == []


def test_who_may_not(desk: Desk, people: People) -> None:
    """A viewer reads drafts and does nothing; support and finance are told who may."""
    draft = write_draft(desk, people["mo"], LONGER)
    offered = labels(run("policy", "vic", view="Drafts", draft=str(draft)))
    assert not {"New draft", "Publish", "Drop", "Save the draft"} & set(offered)
    for person in ("dana", "fin"):
        assert "may not read the policy" in said(run("policy", person))
    assert "may not try a policy on history" in said(run("policy_lab", "vic"))
