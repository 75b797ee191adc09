"""Drafts of the policy on the screen: what one changes, its golden cases, and publishing it."""

from datetime import UTC, date, timedelta
from typing import Any, Final

import streamlit as st

from refundlib.domain.golden import Golden
from refundlib.domain.policy_changes import changes
from refundlib.services import backtest, policy_drafts
from refundlib.services.ledger import start_of
from refundlib.services.policy_drafts import AHEAD_DAYS_MAX, newest
from refundlib.ui import policy_form, words
from refundlib.ui.dialogs import asked, posted, stay
from refundlib.ui.paging import open_part
from refundlib.ui.policy_parts import changed_clauses, golden_cases, numbers, run_link, told
from refundlib.ui.shell import Visit
from refundlib.ui.text import quiet

_NEW: Final = "new"
_LAB: Final = "pages/policy_lab.py"
NAMES_SHOWN: Final = 2

Row = dict[str, Any]


def show(visit: Visit, versions: list[Row], drafts: list[Row]) -> None:
    """The drafts; ?draft=ID opens one, ?draft=new a form for another."""
    opened = st.query_params.get("draft", "")
    if visit.may("draft_policy"):
        st.button("New draft", icon=":material/add:", on_click=_open_draft, args=(_NEW,))
    _choice(drafts, opened)
    if opened == _NEW and visit.may("draft_policy"):
        policy_form.new(visit, versions, drafts)
        return
    chosen = next((row for row in drafts if str(row["draft_id"]) == opened), None)
    if chosen is not None:
        _draft(visit, versions, chosen)
        return
    if opened not in ("", _NEW):
        st.warning(
            f"There is no open draft {words.plain(opened[:20])}: it was published or dropped, or never was.",
            icon=":material/search_off:",
        )
    quiet("Choose a draft to see what it changes." if drafts else "No draft is being written.")


def _choice(drafts: list[Row], opened: str) -> None:
    with st.container(horizontal=True):
        for row in drafts:
            st.button(
                words.plain(row["version"]),
                key=f"draft-{row['draft_id']}",
                type="primary" if str(row["draft_id"]) == opened else "secondary",
                on_click=_open_draft,
                args=(str(row["draft_id"]),),
            )


def _open_draft(name: str) -> None:
    st.query_params["draft"] = name


def _draft(visit: Visit, versions: list[Row], row: Row) -> None:
    when = words.moment(row["written_at"], visit.person)
    base = next(each for each in versions if each["version"] == row["based_on"])
    begun = words.plain(base["version"])
    quiet(
        f"Begun from {begun} by {words.plain(row['author_names'])}, last changed {when}. "
        f"{words.plain(row['note'])}"
    )
    _behind(visit, base, newest(versions), row)
    failing = _golden(visit, row)
    _actions(visit, versions, row)
    if visit.may("backtest") and not _tried(visit, row):
        quiet("Not tried on history as it is now.")
    numbers(base, row)
    st.markdown("#### What the pro will read otherwise")
    if not changed_clauses(visit, base, row):
        quiet(f"Nothing: every text is that of {begun}.")
    if visit.may("draft_policy"):
        policy_form.change(visit, row, failing)


def _behind(visit: Visit, base: Row, latest: Row, row: Row) -> None:
    """Another version came after the one the draft begins from: what it says would be undone."""
    if base["version"] == latest["version"]:
        return
    name, begun = words.plain(latest["version"]), words.plain(base["version"])
    if base["standing"] == "revoked":
        heading = f"{begun}, from which this draft begins, was revoked. What {name} says instead:"
    else:
        heading = (
            f"{name} is the newest version, and this draft begins from {begun}. "
            f"Published as it is, it would undo what {name} changed:"
        )
    lines = [told(change) for change in changes(base, latest)] or ["nothing but the name"]
    st.warning("  \n".join([heading, *lines]), icon=":material/call_split:")
    if visit.may("draft_policy") and st.button(
        f"Take over the changes of {name}",
        icon=":material/merge:",
        help="What the draft changed itself stays; all else becomes what the newest version says.",
    ):
        stay(lambda: _take_over(visit, row), f"The draft begins from {name} now.")


def _take_over(visit: Visit, row: Row) -> None:
    policy_drafts.take_over(visit.desk, visit.person, row["draft_id"], revision=row["revision"])
    policy_form.begin_anew(row["draft_id"])


def _actions(visit: Visit, versions: list[Row], row: Row) -> None:
    may_publish = visit.may("publish_policy")
    why = _why_not(visit, versions, row) if may_publish else ""
    with st.container(horizontal=True, vertical_alignment="center"):
        if may_publish and st.button(
            "Publish", type="primary", disabled=bool(why), icon=":material/publish:"
        ):
            _publish(visit, versions, row)
        if visit.may("backtest"):
            st.page_link(
                _LAB,
                label="Try it on history",
                icon=":material/science:",
                query_params={"draft": str(row["draft_id"])},
            )
        if visit.may("draft_policy"):
            _shadow(visit, row)
            if st.button("Drop", icon=":material/delete:"):
                _drop(visit, row)
    if why:
        quiet(why)


def _why_not(visit: Visit, versions: list[Row], row: Row) -> str:
    """Why this person does not publish this draft now, and who does; the service asks again."""
    if visit.person.person_id in row["written_by"]:
        return _who_else(policy_drafts.publishers(visit.desk, visit.person, row["written_by"]))
    latest = newest(versions)["version"]
    return "" if row["based_on"] == latest else f"Take over the changes of {words.plain(latest)} first."


def _who_else(names: list[str]) -> str:
    """Who publishes what one wrote: whoever wrote none of it."""
    if not names:
        return (
            "Every manager wrote a part of it, so nobody here can publish it: drop it, let one of you write "
            "it anew, and another one publish that."
        )
    some = [words.plain(name) for name in names[:NAMES_SHOWN]]
    others = [*some, "another manager"] if len(names) > len(some) else some
    return f"You wrote a part of it: {' or '.join(others)} publishes it."


def _tried(visit: Visit, row: Row) -> bool:
    """The newest finished run of this revision on history; whether there is one."""
    for run in backtest.runs(visit.desk, visit.person, row["draft_id"]):
        if run["state"] == "done" and run["revision"] == row["revision"]:
            run_link(run)
            return True
    return False


def _shadow(visit: Visit, row: Row) -> None:
    on = row["shadow_since"] is not None
    label = "Stop the shadow run" if on else "Run in the shadow"
    if st.button(label, help="It judges new reports silently beside the version in force"):
        stay(
            lambda: policy_drafts.set_shadow(visit.desk, visit.person, row["draft_id"], not on),
            "It judges new reports no longer." if on else "It judges new reports silently from now on.",
        )


def _golden(visit: Visit, row: Row) -> list[Golden]:
    """Whether the golden cases pass; those that fail."""
    cases = golden_cases(visit, row)
    failing = [case for case in cases if not case.passes]
    if not failing:
        st.success(f"All {len(cases)} golden cases pass.", icon=":material/verified:")
        return []
    heading = f"{len(failing)} of {len(cases)} golden cases fail; it cannot be published."
    lines = [policy_form.case_in_words(case) for case in failing]
    st.error("  \n".join([heading, *lines]), icon=":material/error:")
    return failing


# -- dialogs ----------------------------------------------------------------------------------------------


@st.dialog("Publish the policy", width="large")
def _publish(visit: Visit, versions: list[Row], row: Row) -> None:
    """A version for good: what it changes, from when on, and what that means."""
    version, latest = words.plain(row["version"]), newest(versions)
    st.markdown(
        f"**{version}** becomes a version for good. Charges made from then on are judged by its window and "
        "miles, reports filed from then on get its hours, credits its days for the card. The rest stays."
    )
    figures = [told(change) for change in changes(latest, row) if change.kind == "figure"]
    st.markdown("  \n".join(figures or ["No number changes."]))
    if visit.may("backtest") and not _tried(visit, row):
        label, query = "Not tried on history as it is now: open the lab", {"draft": str(row["draft_id"])}
        st.page_link(_LAB, label=label, icon=":material/science:", query_params=query)
    count = changed_clauses(visit, latest, row)
    is_read = not count or st.checkbox(
        f"I have read the {'changed text' if count == 1 else f'{count} changed texts'}: "
        "what the pro reads is what the rule does"
    )
    day = _day(visit, latest)
    if posted("Publish"):
        if not is_read:
            st.error("Read what the pro will read otherwise, and tick that you have.")
            return
        stay(lambda: _publish_from(visit, row, day), f"{version} is published.")


def _day(visit: Visit, latest: Row) -> date:
    """From when on: a UTC day from today, or from the day after the version that is scheduled."""
    today = visit.desk.clock().astimezone(UTC).date()
    last = today + timedelta(days=AHEAD_DAYS_MAX)
    first = today
    if latest["standing"] == "scheduled":
        first = min(last, latest["effective_from"].astimezone(UTC).date() + timedelta(days=1))
        quiet(f"{words.plain(latest['version'])} is scheduled: this one comes after it.")
    label = "In force from (UTC, midnight); today: at once"
    return st.date_input(label, value=first, min_value=first, max_value=last, format="YYYY-MM-DD")


def _publish_from(visit: Visit, row: Row, day: date) -> None:
    is_today = day == visit.desk.clock().astimezone(UTC).date()
    policy_drafts.publish(
        visit.desk,
        visit.person,
        row["draft_id"],
        revision=row["revision"],
        effective_from=None if is_today else start_of(day),
    )
    st.query_params.pop("draft", None)
    open_part("view", "Versions")


@st.dialog("Drop the draft", width="medium")
def _drop(visit: Visit, row: Row) -> None:
    """A draft is given up."""
    reason, is_posted = asked("Why?", "Drop it")
    if is_posted:
        stay(
            lambda: policy_drafts.drop_draft(visit.desk, visit.person, row["draft_id"], reason),
            "The draft is dropped.",
        )
