"""Drafts of the policy on the screen: what one changes, its golden cases, its form, and publishing it."""

from datetime import UTC, date, timedelta
from typing import Any, Final

import streamlit as st

from refundlib.domain.money import decimal_text
from refundlib.domain.policy import CLAUSES, FIGURES, LABELS, SPEND_ORDERS
from refundlib.domain.policy_changes import changes
from refundlib.services import policy_drafts
from refundlib.services.ledger import start_of
from refundlib.services.policy_drafts import (
    AHEAD_DAYS_MAX,
    CLAUSE_CHARACTERS_MAX,
    VERSION_CHARACTERS_MAX,
    Draft,
    newest,
    policy_of,
)
from refundlib.ui import words
from refundlib.ui.dialogs import AMOUNT_CHARACTERS_MAX, asked, minor_units, posted, stay
from refundlib.ui.paging import open_part
from refundlib.ui.policy_parts import LIMIT_CURRENCY, changed_clauses, numbers, told
from refundlib.ui.shell import Visit, refusals, tell
from refundlib.ui.text import quiet

_NEW: Final = "new"

Row = dict[str, Any]


def show(visit: Visit, versions: list[Row], drafts: list[Row]) -> None:
    """The drafts; ?draft=ID opens one, ?draft=new a form for another."""
    opened = st.query_params.get("draft", "")
    if visit.may("draft_policy"):
        st.button("New draft", icon=":material/add:", on_click=_open_draft, args=(_NEW,))
    if not drafts and opened != _NEW:
        quiet("No draft is being written.")
        return
    _choice(drafts, opened)
    if opened == _NEW and visit.may("draft_policy"):
        start = newest(versions)
        quiet(f"It begins from {words.plain(start['version'])}, the newest version ({start['standing']}).")
        _form(visit, start, None)
        return
    chosen = next((row for row in drafts if str(row["draft_id"]) == opened), None)
    if chosen is None:
        quiet("Choose a draft to see what it changes.")
        return
    _draft(visit, versions, chosen)


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
    _golden(visit, row)
    _actions(visit, versions, row)
    numbers(base, row)
    st.markdown("#### What the pro will read otherwise")
    if not changed_clauses(visit, base, row):
        quiet(f"Nothing: every text is that of {begun}.")
    if visit.may("draft_policy"):
        _form(visit, row, row)


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
        stay(
            lambda: policy_drafts.take_over(
                visit.desk, visit.person, row["draft_id"], revision=row["revision"]
            ),
            f"The draft begins from {name} now.",
        )


def _actions(visit: Visit, versions: list[Row], row: Row) -> None:
    with st.container(horizontal=True, vertical_alignment="center"):
        if visit.may("publish_policy"):
            why = _why_not(visit, versions, row)
            is_off = why is not None
            if st.button("Publish", type="primary", disabled=is_off, help=why, icon=":material/publish:"):
                _publish(visit, versions, row)
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


def _why_not(visit: Visit, versions: list[Row], row: Row) -> str | None:
    """Why this person does not publish this draft now; the service asks again."""
    if visit.person.person_id in row["written_by"]:
        return "A manager who changed nothing of it publishes it."
    latest = newest(versions)["version"]
    return None if row["based_on"] == latest else f"Take over the changes of {latest} first."


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
    heading = f"{len(failing)} of {len(cases)} golden cases fail; it cannot be published."
    st.error("  \n".join([heading, *lines]), icon=":material/error:")


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


# -- the form ---------------------------------------------------------------------------------------------


def _form(visit: Visit, start: Row, draft: Row | None) -> None:
    """A draft's fields; they begin as the newest version, or as the draft is."""
    key = f"policy-{draft['draft_id']}-{draft['revision']}" if draft else f"policy-new-{start['version']}"
    with st.form(key):
        values: Row = {}
        with st.container(horizontal=True):
            name = draft["version"] if draft else f"{visit.desk.clock():%Y-%m-%d}"
            values["version"] = st.text_input(
                "Name of the version", name, max_chars=VERSION_CHARACTERS_MAX, width=200
            )
            for each in ("window_days", "sla_hours", "card_refund_days", "job_changed_miles"):
                values[each] = _figure(each, start[each])
            values["spend_order"] = st.selectbox(
                LABELS["spend_order"],
                list(SPEND_ORDERS),
                index=list(SPEND_ORDERS).index(start["spend_order"]),
                format_func=SPEND_ORDERS.__getitem__,
                width=200,
            )
            limit = _limit(start["approval_limit_minor"])
        values["note"] = st.text_input("Why it changes", draft["note"] if draft else "", max_chars=2000)
        values |= _texts(start)
        if st.form_submit_button("Save the draft", type="primary"):
            with refusals():
                values["approval_limit_minor"] = minor_units(limit, LIMIT_CURRENCY)
                _save(visit, Draft(**values), draft, start)


def _figure(name: str, value: float) -> float:
    """A number's field, within the bounds that the services and the database hold too."""
    bounds = FIGURES[name]
    number = float if bounds.decimals else int
    least, most = number(bounds.least), number(bounds.most)
    return st.number_input(
        bounds.label,
        least,
        most,
        min(max(number(value), least), most),
        format=f"%.{bounds.decimals}f" if bounds.decimals else None,
        width=180,
    )


def _limit(value: int) -> str:
    return st.text_input(
        f"{LABELS['approval_limit_minor']} ($)",
        decimal_text(value, LIMIT_CURRENCY),
        max_chars=AMOUNT_CHARACTERS_MAX,
        help="The same count of the smallest unit in every currency: 30.00 is $30.00, €30.00 and ¥3,000.",
        width=180,
    )


def _texts(start: Row) -> dict[str, dict[str, str]]:
    """The words a pro reads, and the public page of each."""
    known = words.plain(", ".join(f"{{{name}}}" for name in LABELS))
    quiet(f"What the pro reads. For a number write its placeholder: {known}.")
    clauses, sources = {}, {}
    with st.expander("Clauses"):
        for clause in CLAUSES:
            left, right = st.columns([3, 2])
            clauses[clause] = left.text_input(
                f"{clause}: the words", start["clauses"][clause], max_chars=CLAUSE_CHARACTERS_MAX
            )
            sources[clause] = right.text_input(
                f"{clause}: the public page", start["sources"].get(clause, ""), placeholder="https://…"
            )
    return {"clauses": clauses, "sources": sources}


def _save(visit: Visit, values: Draft, draft: Row | None, start: Row) -> None:
    if draft is None:
        draft_id = policy_drafts.write_draft(visit.desk, visit.person, values, begun_from=start["version"])
    else:
        draft_id = draft["draft_id"]
        policy_drafts.change_draft(visit.desk, visit.person, draft_id, values, revision=draft["revision"])
    st.query_params["draft"] = str(draft_id)
    tell("The draft is saved.")
    st.rerun()
