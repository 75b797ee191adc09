"""The processor's reports and the marketplace's balances on the screen: what the other sides say."""

from datetime import date, timedelta
from typing import Any, Final

import pandas as pd
import streamlit as st

from refundlib.domain.errors import Refusal, ReportRefused
from refundlib.domain.money import format_money
from refundlib.services import reconciliation
from refundlib.ui import words
from refundlib.ui.dialogs import asked, stay
from refundlib.ui.figure_parts import kept_row
from refundlib.ui.reconciliation_lines import doors
from refundlib.ui.shell import Visit
from refundlib.ui.text import quiet

_SIGNS: Final = {None: "as the file tells", ".": "point: 1,234.50", ",": "comma: 1.234,50"}
_KINDS: Final = {
    "balance_change": "Balance change from activity",
    "payout_reconciliation": "Payout reconciliation",
}
PROBLEMS_SHOWN_MAX: Final = 200

Row = dict[str, Any]


# -- reports ----------------------------------------------------------------------------------------------


def reports(visit: Visit) -> None:
    if done := st.session_state.pop("imported", None):
        st.success(done, icon=":material/task_alt:")
    if visit.may("reconcile"):
        _import(visit)
    rows = reconciliation.files(visit.desk, visit.person)
    if not rows:
        quiet("No report was imported yet.")
        return
    st.dataframe(
        pd.DataFrame(
            [
                {
                    "File": row["file_id"],
                    "Name": row["name"],
                    "Kind": _KINDS[row["kind"]],
                    "From": str(row["from_day"]),
                    "To": str(row["until_day"] - timedelta(days=1)),
                    "Lines": row["rows_read"],
                    "New": row["rows_new"],
                    "Imported": words.moment(row["imported_at"], visit.person),
                    "By": row["imported_by_name"],
                    "Notes": " ".join(row["notes"]),
                }
                for row in rows
            ]
        ),
        hide_index=True,
    )


def _import(visit: Visit) -> None:
    with st.form("import-report", border=True, clear_on_submit=True):
        file = st.file_uploader("The processor’s report, as CSV", type=["csv"])
        with st.container(horizontal=True, vertical_alignment="bottom"):
            first = st.date_input(
                "Tells everything from", None, format="YYYY-MM-DD", width=190, help="Its first line’s day"
            )
            last = st.date_input("to", None, format="YYYY-MM-DD", width=190, help="Its last line’s day")
            sign = st.selectbox("Decimal sign", list(_SIGNS), format_func=_SIGNS.__getitem__, width=220)
            is_posted = st.form_submit_button("Import", type="primary", icon=":material/upload_file:")
    if is_posted and file is not None:
        _take(visit, file.name, file.getvalue(), first, last, sign)
    elif is_posted:
        st.warning("Choose the file first, then import it.", icon=":material/upload_file:")
    if st.button("Match again", help="What came to us after a report was imported", icon=":material/sync:"):
        count = reconciliation.match_again(visit.desk, visit.person)
        _say(f"{count} more lines found their counterpart.")


def _say(done: str) -> None:
    """Says it on the page painted anew: the counts above have changed."""
    st.session_state["imported"] = done
    st.rerun()


def _take(
    visit: Visit, name: str, content: bytes, first: date | None, last: date | None, sign: str | None
) -> None:
    until = last + timedelta(days=1) if last else None
    try:
        done = reconciliation.import_report(
            visit.desk, visit.person, name, content, from_day=first, until_day=until, decimal_sign=sign
        )
    except ReportRefused as refused:
        st.error(str(refused), icon=":material/error:")
        problems = [
            {"Line": line, "Column": column, "What is wrong": reason}
            for line, column, reason in refused.problems[:PROBLEMS_SHOWN_MAX]
        ]
        st.dataframe(pd.DataFrame(problems), hide_index=True)
        return
    except Refusal as refusal:
        st.error(str(refusal), icon=":material/error:")
        return
    last_day = done.until_day - timedelta(days=1)
    _say(
        f"{done.file_id}: {done.rows_read} lines from {done.from_day} to {last_day}, "
        f"{done.rows_new} of them new; {done.matched} matched by an id. " + " ".join(done.notes)
    )


# -- the marketplace's balances ---------------------------------------------------------------------------


def balances(visit: Visit) -> None:
    counted, rows = reconciliation.balances(visit.desk, visit.person)
    if not counted["pros"]:
        quiet("The marketplace gave no balances (balances.csv of an import).")
        return
    if not rows:
        st.success(
            f"All {counted['pros']:,} balances of the marketplace are the ledger’s.",
            icon=":material/task_alt:",
        )
        return
    st.markdown(
        f"**{len(rows):,} of {counted['pros']:,}** balances of the marketplace differ from the ledger."
    )
    frame = pd.DataFrame(
        [
            {
                "Pro": row["pro_name"] or row["pro_id"],
                "As of": words.moment(row["as_of"], visit.person),
                "Theirs": format_money(row["theirs"], row["currency"]),
                "Ours": format_money(row["ours"], row["currency"]),
                "Difference": format_money(row["theirs"] - row["ours"], row["currency"]),
                "Explanation": row["explanation"],
                "By": row["explained_by_name"] or "",
            }
            for row in rows
        ]
    )
    kept = kept_row(frame, [row["break_key"] for row in rows], "balance", rows_shown=12)
    picked = next((row for row in rows if row["break_key"] == kept), None)
    if picked is not None:
        with st.container(horizontal=True, vertical_alignment="center"):
            st.markdown(f"**{words.plain(picked['pro_name'] or picked['pro_id'])}**", width="content")
            if visit.may("reconcile") and st.button("Explain", icon=":material/edit_note:"):
                _explain(visit, picked)
            doors({"report_id": None, "line_id": None, "pro_id": picked["pro_id"]})


@st.dialog("Explain the difference", width="medium")
def _explain(visit: Visit, row: Row) -> None:
    """In words; nothing is posted."""
    text, is_posted = asked("Why do the two differ?", "Keep")
    if is_posted:
        stay(
            lambda: reconciliation.keep_case(visit.desk, visit.person, row["break_key"], explanation=text),
            "Kept.",
        )
