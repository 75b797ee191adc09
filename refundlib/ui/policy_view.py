"""The policy on the screen: versions side by side, the words a pro reads beside the rule; drafts."""

from collections.abc import Mapping
from typing import Any, Final

import pandas as pd
import streamlit as st

from refundlib.domain.policy import CLAUSES, SPEND_ORDERS, rule_in_words
from refundlib.services import policy_drafts
from refundlib.services.ledger import start_of
from refundlib.services.policy_drafts import Draft, policy_of
from refundlib.ui import words
from refundlib.ui.dialogs import asked, posted, stay
from refundlib.ui.paging import open_part, part
from refundlib.ui.shell import Visit, refusals, show_told, tell
from refundlib.ui.text import quiet

_PARTS: Final = ("Versions", "Drafts")
_NEW: Final = "new"
_SPENT: Final[Mapping[str, str]] = {
    "fifo": "oldest money first",
    "refunds_first": "refund credits first",
    "refunds_last": "refund credits last",
}
_NUMBERS: Final[Mapping[str, str]] = {
    "window_days": "Days to report",
    "job_changed_miles": "Miles for a changed job",
    "sla_hours": "Hours to decide",
    "card_refund_days": "Days to ask for the card",
    "spend_order": "What is spent first",
    "approval_limit_minor": "One person’s limit (minor units)",
}

Row = dict[str, Any]


def show(visit: Visit) -> None:
    """The policy page: ?view=Versions or Drafts, ?draft=ID opens one."""
    show_told()
    with refusals():
        versions = policy_drafts.published(visit.desk, visit.person)
        drafts = policy_drafts.drafts(visit.desk, visit.person)
        if part(_PARTS, "view") == "Versions":
            _versions(visit, versions, drafts)
        else:
            _drafts(visit, versions, drafts)


# -- side by side ---------------------------------------------------------------------------------------


def _versions(visit: Visit, versions: list[Row], drafts: list[Row]) -> None:
    named = {_name(row): row for row in (*drafts, *versions)}
    with st.container(horizontal=True, vertical_alignment="bottom"):
        in_force = _in_force(visit, versions)
        left = st.selectbox("Version", list(named), index=list(named).index(_name(in_force)), width=300)
        others = [name for name in named if name != left]
        right = st.selectbox("Beside", others, index=0 if others else None, width=300)
    one, other = named[left], named.get(right or "")
    _about(visit, one)
    if other is not None:
        _about(visit, other)
    _numbers(one, other)
    _clauses(visit, one, other)


def _in_force(visit: Visit, versions: list[Row]) -> Row:
    now = visit.desk.clock()
    return next(row for row in versions if row["effective_from"] <= now)


def _name(row: Row) -> str:
    return f"{row['version']} (draft)" if "draft_id" in row else str(row["version"])


def _about(visit: Visit, row: Row) -> None:
    name = words.plain(row["version"])
    if "draft_id" in row:
        quiet(f"{name}: a draft by {words.plain(row['author_names'])}. {words.plain(row['note'])}")
        return
    begins = row["effective_from"]
    since = "from the beginning" if begins.year < 1900 else f"since {begins:%Y-%m-%d %H:%M} UTC"
    if begins > visit.desk.clock():
        since = f"from {begins:%Y-%m-%d %H:%M} UTC on"
    by = f"by {words.plain(row['author_name'])}, published by {words.plain(row['published_by_name'])}"
    quiet(f"{name}: in force {since}, {by}. {words.plain(row['note'])}")


def _numbers(one: Row, other: Row | None) -> None:
    st.markdown("#### The numbers")
    rows = []
    for name, label in _NUMBERS.items():
        row = {"Rule": label, _name(one): _number(name, one)}
        if other is not None:
            row |= {_name(other): _number(name, other), "Differs": "≠" if one[name] != other[name] else ""}
        rows.append(row)
    st.dataframe(pd.DataFrame(rows), hide_index=True)


def _number(name: str, row: Row) -> str:
    value = row[name]
    return (
        _SPENT[value] if name == "spend_order" else f"{value:g}" if isinstance(value, float) else str(value)
    )


def _clauses(visit: Visit, one: Row, other: Row | None) -> None:
    """What the pro reads, and the rule it becomes; what differs is marked."""
    st.markdown("#### What the pro reads, and the rule it becomes")
    now = visit.desk.clock()
    policies = [policy_of(row, now) for row in (one, other) if row is not None]
    for clause in CLAUSES:
        texts = [(policy.clause(clause), rule_in_words(policy, clause)) for policy in policies]
        with st.container(border=True):
            columns = st.columns([1, *([6] * len(policies))], gap="small")
            with columns[0]:
                st.badge(clause, color="orange" if len({*texts}) > 1 else "gray")
                if len({*texts}) > 1:
                    quiet("differs")
            for column, policy, (text, rule) in zip(columns[1:], policies, texts, strict=True):
                with column:
                    st.markdown(f"“{words.plain(text)}”")
                    quiet(f"{words.plain(policy.version)}: {words.plain(rule)}")
        if page := one["sources"].get(clause):
            quiet(f"From {words.plain(page)}")


# -- drafts -----------------------------------------------------------------------------------------------


def _drafts(visit: Visit, versions: list[Row], drafts: list[Row]) -> None:
    opened = st.query_params.get("draft", "")
    if visit.may("draft_policy"):
        st.button("New draft", icon=":material/add:", on_click=_open_draft, args=(_NEW,))
    if not drafts and opened != _NEW:
        quiet("No draft is being written.")
        return
    with st.container(horizontal=True):
        for row in drafts:
            st.button(
                words.plain(row["version"]),
                key=f"draft-{row['draft_id']}",
                type="primary" if str(row["draft_id"]) == opened else "secondary",
                on_click=_open_draft,
                args=(str(row["draft_id"]),),
            )
    if opened == _NEW and visit.may("draft_policy"):
        _form(visit, _in_force(visit, versions), None)
        return
    chosen = next((row for row in drafts if str(row["draft_id"]) == opened), None)
    if chosen is None:
        quiet("Choose a draft to see what it changes.")
        return
    _draft(visit, versions, chosen)


def _open_draft(name: str) -> None:
    st.query_params["draft"] = name


def _draft(visit: Visit, versions: list[Row], row: Row) -> None:
    when = words.moment(row["written_at"], visit.person)
    quiet(f"By {words.plain(row['author_names'])}, last changed {when}. {words.plain(row['note'])}")
    _golden(visit, row)
    with st.container(horizontal=True, vertical_alignment="center"):
        if visit.may("publish_policy"):
            mine = visit.person.person_id in row["written_by"]
            why = "Another manager publishes what you wrote." if mine else None
            if st.button("Publish", type="primary", disabled=mine, help=why, icon=":material/publish:"):
                _publish(visit, row)
        if visit.may("backtest"):
            st.page_link(
                "pages/policy_lab.py",
                label="Try it on history",
                icon=":material/science:",
                query_params={"draft": str(row["draft_id"])},
            )
        if visit.may("draft_policy"):
            _shadow(visit, row)
            if st.button("Drop", icon=":material/delete:"):
                _drop(visit, row)
    _numbers(_in_force(visit, versions), row)
    if visit.may("draft_policy"):
        _form(visit, row, row)


def _shadow(visit: Visit, row: Row) -> None:
    on = row["shadow_since"] is not None
    label = "Stop the shadow run" if on else "Run in the shadow"
    if st.button(label, help="It judges new reports silently beside the version in force"):
        stay(
            lambda: policy_drafts.set_shadow(visit.desk, visit.person, row["draft_id"], not on),
            "It judges new reports no longer." if on else "It judges new reports silently from now on.",
        )


def _golden(visit: Visit, row: Row) -> None:
    cases = policy_drafts.golden(visit.desk, visit.person, policy_of(row, visit.desk.clock()))
    failing = [case for case in cases if not case.passes]
    if not failing:
        st.success(f"All {len(cases)} golden cases pass.", icon=":material/verified:")
        return
    lines = [
        words.plain(f"{case.clause}, {case.title}: {case.found} instead of {case.wanted}") for case in failing
    ]
    told = f"{len(failing)} of {len(cases)} golden cases fail; it cannot be published."
    st.error("  \n".join([told, *lines]), icon=":material/error:")


@st.dialog("Publish the policy", width="medium")
def _publish(visit: Visit, row: Row) -> None:
    """A version for good: from when on, and what that means."""
    version = words.plain(row["version"])
    st.markdown(
        f"**{version}** becomes a version for good. Charges made from then on are judged by its window and "
        "miles, reports filed from then on get its hours, credits its days for the card. The rest stays."
    )
    day = st.date_input("In force from (UTC, midnight); today: at once", value="today", format="YYYY-MM-DD")
    if posted("Publish"):
        stay(lambda: _publish_from(visit, row, day), f"{row['version']} is published.")


def _publish_from(visit: Visit, row: Row, day: Any) -> None:
    now = visit.desk.clock()
    begins = None if day <= now.date() else start_of(day)
    policy_drafts.publish(
        visit.desk, visit.person, row["draft_id"], revision=row["revision"], effective_from=begins
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


def _form(visit: Visit, start: Row, draft: Row | None) -> None:
    """A draft's fields; they begin as the version in force, or as the draft is."""
    key = f"policy-{draft['draft_id']}-{draft['revision']}" if draft else "policy-new"
    with st.form(key):
        values: Row = {}
        with st.container(horizontal=True):
            name = draft["version"] if draft else f"{visit.desk.clock():%Y-%m-%d}"
            values["version"] = st.text_input("Name of the version", name, max_chars=40, width=200)
            for each in ("window_days", "sla_hours", "card_refund_days"):
                values[each] = st.number_input(_NUMBERS[each], 1, 3650, start[each], width=150)
            values["job_changed_miles"] = st.number_input(
                _NUMBERS["job_changed_miles"], 0.1, 5000.0, float(start["job_changed_miles"]), width=180
            )
            values["spend_order"] = st.selectbox(
                _NUMBERS["spend_order"],
                SPEND_ORDERS,
                index=SPEND_ORDERS.index(start["spend_order"]),
                format_func=_SPENT.__getitem__,
                width=200,
            )
            values["approval_limit_minor"] = st.number_input(
                _NUMBERS["approval_limit_minor"], 0, 10_000_000, start["approval_limit_minor"], width=220
            )
        values["note"] = st.text_input("Why it changes", draft["note"] if draft else "", max_chars=2000)
        values |= _texts(start)
        if st.form_submit_button("Save the draft", type="primary"):
            with refusals():
                _save(visit, Draft(**values), draft)


def _texts(start: Row) -> dict[str, dict[str, str]]:
    """The words a pro reads, and the public page of each; left empty, the public help text counts."""
    quiet("Words that differ from the public help text; {window_days} and the like stand for the number.")
    clauses, sources = {}, {}
    with st.expander("Clauses"):
        for clause, text in CLAUSES.items():
            left, right = st.columns([3, 2])
            clauses[clause] = left.text_input(
                f"{clause}: the words", start["clauses"].get(clause, ""), placeholder=text, max_chars=1000
            )
            sources[clause] = right.text_input(
                f"{clause}: the public page", start["sources"].get(clause, ""), placeholder="https://…"
            )
    return {"clauses": clauses, "sources": sources}


def _save(visit: Visit, values: Draft, draft: Row | None) -> None:
    if draft is None:
        draft_id = policy_drafts.write_draft(visit.desk, visit.person, values)
    else:
        draft_id = draft["draft_id"]
        policy_drafts.change_draft(visit.desk, visit.person, draft_id, values, revision=draft["revision"])
    st.query_params["draft"] = str(draft_id)
    tell("The draft is saved.")
    st.rerun()
