"""Reconciliation on the screen: what does not agree first, then what a person can settle."""

from datetime import timedelta
from typing import Any, Final

import pandas as pd
import streamlit as st

from refundlib.domain.money import by_currency, format_money, format_sums
from refundlib.domain.reconciling import BREAKS
from refundlib.services import reconciliation
from refundlib.services.people import people
from refundlib.services.reconciliation import Overview
from refundlib.ui import reconciliation_lines, reconciliation_reports, words
from refundlib.ui.dialogs import stay
from refundlib.ui.export import csv_of
from refundlib.ui.figure_parts import kept_row
from refundlib.ui.paging import part
from refundlib.ui.reconciliation_lines import doors
from refundlib.ui.shell import Visit, refusals, show_told
from refundlib.ui.text import quiet

_PARTS: Final = ("Breaks", "To confirm", "To post", "Lines", "Reports", "Balances")

Row = dict[str, Any]


def show(visit: Visit) -> None:
    """The reconciliation page."""
    show_told()
    with refusals():
        it = reconciliation.overview(visit.desk, visit.person)
        _head(it)
        shown = part(_PARTS, "view")
        match shown:
            case "To confirm":
                reconciliation_lines.proposals(visit, it.proposals)
            case "To post":
                reconciliation_lines.to_post(visit, it.to_post)
            case "Lines":
                reconciliation_lines.lines(visit)
            case "Reports":
                reconciliation_reports.reports(visit)
            case "Balances":
                reconciliation_reports.balances(visit)
            case _:
                _breaks(visit, it)


def _head(it: Overview) -> None:
    over, found = it.over, it.breaks
    if over.since is None:
        st.info(
            "No report of the card processor was imported yet. Export “balance change from activity, "
            "itemized” or “payout reconciliation, itemized” there as CSV, and import it under Reports.",
            icon=":material/upload_file:",
        )
        return
    unexplained = sum(1 for row in found if not row["explanation"])
    many = "1 break" if unexplained == 1 else f"{unexplained} breaks"
    breaks = f":red[**{many} to explain**]" if unexplained else "**No break to explain**"
    explained = f" ({len(found) - unexplained} explained)" if len(found) > unexplained else ""
    lines = len({row["line_id"] for row in it.proposals})
    compared = (
        f"compared from {over.since} to {over.until_day - timedelta(days=1)}"
        if over.until_day
        else "no whole day is compared yet: that needs a balance change report"
    )
    st.markdown(
        f"{breaks}{explained} · {lines} to confirm · {len(it.to_post)} fees and payouts to post · "
        f"{_expected(it.in_flight)} · {compared}"
    )


def _expected(rows: list[Row]) -> str:
    """Card refunds whose outcome is still to come, in words."""
    amounts = words.plain(format_sums(by_currency(rows)))
    count = sum(row["payouts"] for row in rows)
    return f"{count} expected ({amounts})" if count else "nothing expected"


# -- breaks -----------------------------------------------------------------------------------------------


def _breaks(visit: Visit, it: Overview) -> None:
    found = it.breaks
    if not found and it.over.since is None:
        quiet("Nothing is compared yet.")
        return
    if not found:
        st.success("Decisions, ledger and processor agree.", icon=":material/task_alt:")
        return
    with st.container(horizontal=True, vertical_alignment="bottom"):
        classes = {row["class"] for row in found}
        chosen = st.selectbox(
            "Kind",
            [name for name in BREAKS if name in classes],
            format_func=lambda name: BREAKS[name][0],
            index=None,
            placeholder="any",
            key="kind",
            bind="query-params",
            width=240,
        )
        only_open = st.toggle("Without an explanation only", key="unexplained", bind="query-params")
    rows = [row for row in found if chosen in (None, row["class"]) and not (only_open and row["explanation"])]
    if not rows:
        quiet("No break is like this.")
        return
    frame = pd.DataFrame([_break(visit, row) for row in rows])
    kept = kept_row(frame, [row["break_key"] for row in rows], "break", rows_shown=12)
    with st.container(horizontal=True, vertical_alignment="center"):
        st.download_button(
            "CSV",
            lambda: csv_of(frame),
            "breaks.csv",
            "text/csv",
            on_click="ignore",
            icon=":material/download:",
        )
        quiet("Click a break to see what it is and to keep a note of it.")
    picked = next((row for row in rows if row["break_key"] == kept), None)
    if picked is not None:
        _break_in_full(visit, picked)


def _break(visit: Visit, row: Row) -> Row:
    ours = "–" if row["amount"] is None else format_money(row["amount"], row["currency"])
    theirs = "–" if row["their_amount"] is None else format_money(row["their_amount"], row["currency"])
    return {
        "What": BREAKS[row["class"]][0],
        "Of": row["subject_id"],
        "Ours": ours,
        "Theirs": theirs,
        "When": words.moment(row["at"], visit.person),
        "Age": f"{row['age_days']} d",
        "Report": row["report_id"] or "",
        "Owner": row["owner_name"] or row["owner"] or "",
        "Due": str(row["due_on"] or ""),
        "Explanation": row["explanation"],
    }


def _break_in_full(visit: Visit, row: Row) -> None:
    title, advice = BREAKS[row["class"]]
    with st.container(border=True):
        st.markdown(
            f"**{title}** · {words.plain(row['subject_id'])} · {words.plain(str(row['detail'] or ''))}"
        )
        quiet(advice)
        if row["explanation"]:
            st.markdown(f"“{words.plain(row['explanation'])}”, {words.plain(row['explained_by_name'])}")
        with st.container(horizontal=True, vertical_alignment="center"):
            if visit.may("reconcile") and st.button(
                "Owner, due date, explanation", icon=":material/edit_note:"
            ):
                _keep(visit, row)
            doors(row)


@st.dialog("A break", width="medium")
def _keep(visit: Visit, row: Row) -> None:
    """Who looks into it, until when, and how it is explained."""
    who = {each["person_id"]: each["name"] for each in people(visit.desk) if each["active"]}
    names = ["", *who]
    st.markdown(f"**{BREAKS[row['class']][0]}** · {words.plain(row['subject_id'])}")
    with st.form("keep-case", border=False):
        owner = st.selectbox(
            "Owner",
            names,
            index=names.index(row["owner"]) if row["owner"] in who else 0,
            format_func=lambda name: who.get(name, "nobody yet"),
        )
        due = st.date_input("Due", row["due_on"], format="YYYY-MM-DD")
        explanation = st.text_area("Explanation", row["explanation"], max_chars=2000)
        is_posted = st.form_submit_button("Keep", type="primary")
    if is_posted:
        stay(
            lambda: reconciliation.keep_case(
                visit.desk, visit.person, row["break_key"], owner=owner, due_on=due, explanation=explanation
            ),
            "Kept.",
        )
