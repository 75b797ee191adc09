"""The policy lab on the screen: what can be tried on history, the runs there were, and the shadow runs."""

from datetime import UTC, date, timedelta
from typing import Any, Final

import pandas as pd
import streamlit as st

from refundlib.services import backtest, backtest_run, policy_drafts, shadow
from refundlib.services.backtest import StillRunning
from refundlib.services.ledger import start_of
from refundlib.ui import policy_lab_agreement, policy_lab_flips, policy_lab_moves, policy_lab_run, words
from refundlib.ui.figure_parts import chosen_row
from refundlib.ui.paging import first_page
from refundlib.ui.policy_lab_moves import numbers_of
from refundlib.ui.policy_lab_run import period
from refundlib.ui.shell import Visit, refusals, show_told
from refundlib.ui.text import quiet

HISTORY_DAYS: Final = 365
ROWS_SHOWN: Final = 8
_LAB: Final = "pages/policy_lab.py"
# What the calendar offers: it lists each year, and a browser's tab dies of ten thousand.
_EARLIEST: Final = date(1950, 1, 1)
_LATEST: Final = date(2149, 12, 31)
_NO_DAYS: Final = "Choose both days. Nothing is judged until then."

Row = dict[str, Any]


def show(visit: Visit) -> None:
    """The lab: ?draft=ID, ?run=ID; a run opens by itself too, whatever became of its draft."""
    show_told()
    with refusals():
        st.page_link("pages/policy.py", label="Policy", icon=":material/arrow_back:")
        wanted, number = (st.query_params.get(name, "") for name in ("draft", "run"))
        if not (wanted.isdecimal() or number.isdecimal()):
            _choose(visit)
            return
        run = _run_asked(visit, number, wanted)
        draft_id = run["draft_id"] if run and not wanted.isdecimal() else int(wanted)
        _of_draft(visit, backtest.draft(visit.desk, visit.person, draft_id), run)


def _run_asked(visit: Visit, number: str, draft_id: str) -> Row | None:
    """The run of the address; None when it names none, or, with a sentence, another draft's."""
    if not number.isdecimal():
        return None
    run = backtest.backtest(visit.desk, visit.person, int(number))
    if not draft_id.isdecimal() or run["draft_id"] == int(draft_id):
        return run
    with st.container(horizontal=True, vertical_alignment="center"):
        st.warning(
            f"Run {number} is not of this draft but of {words.plain(run['version'])}.",
            icon=":material/alt_route:",
        )
        st.page_link(_LAB, label=f"Open run {number}", query_params={"run": number})
    return None


def _of_draft(visit: Visit, draft: Row, run: Row | None) -> None:
    st.markdown(f"### {words.plain(draft['version'])} on history")
    quiet("Each claim’s frozen facts are judged again. What people decided is no ground truth.")
    if draft["state"] == "draft":
        _ask(visit, draft)
    else:
        quiet(f"The draft was {_became(draft)}; its runs and its shadow run stay here to be read.")
    if run is not None:
        policy_lab_run.show(visit, run)
    if rows := backtest.runs(visit.desk, visit.person, draft["draft_id"]):
        st.markdown("#### Earlier runs")
        _runs(visit, rows, "runs-of-draft")
    _shadow(visit, draft)


def _became(draft: Row) -> str:
    return f"published as {words.plain(draft['version'])}" if draft["state"] == "published" else "dropped"


# -- choosing ---------------------------------------------------------------------------------------------


def _choose(visit: Visit) -> None:
    """The drafts that can be tried, and every run there was."""
    if open_drafts := policy_drafts.drafts(visit.desk, visit.person):
        quiet("Choose a draft to try:")
        for row in open_drafts:
            label, query = words.plain(row["version"]), {"draft": str(row["draft_id"])}
            st.page_link(_LAB, label=label, icon=":material/science:", query_params=query)
    else:
        st.info("No draft is being written. Write one on the policy page.", icon=":material/science:")
    if rows := backtest.runs(visit.desk, visit.person):
        st.markdown("#### Runs")
        _runs(visit, rows, "runs")


def _runs(visit: Visit, rows: list[Row], name: str) -> None:
    """Runs with what they were of, who asked for them and what came of them; a click opens one."""
    frame = pd.DataFrame(
        [
            {
                "Draft": row["version"],
                "It is": _standing(row),
                "Revision": f"{row['revision']} ({numbers_of(row['policy'])})",
                "Asked by": row["asked_by_name"],
                "When": words.moment(row["asked_at"], visit.person),
                "Reports of": period(row),
                "Result": _result(row),
            }
            for row in rows
        ]
    )
    if (at := chosen_row(frame, name, rows_shown=ROWS_SHOWN)) is not None:
        _open(rows[at]["backtest_id"])
    quiet("Click a row to open the run.")


def _open(run: int) -> None:
    """The run on this page, named in its address, which a page that is switched to itself would not keep."""
    st.query_params["run"] = str(run)
    first_page()
    st.rerun()


def _standing(row: Row) -> str:
    named = {"draft": "being written", "published": f"published as {row['version']}", "dropped": "dropped"}
    return named[row["draft_state"]]


def _result(row: Row) -> str:
    if row["state"] == "done":
        return f"{row['result']['differ']:,} of {row['result']['judged']:,} would differ"
    if row["is_silent"]:
        return "gives no sign"
    if row["state"] == "cancelled":
        return f"cancelled after {row['claims_judged']:,}"
    return str(row["state"])


# -- asking -----------------------------------------------------------------------------------------------


def _ask(visit: Visit, draft: Row) -> None:
    today = visit.desk.clock().astimezone(UTC).date()
    with st.container(horizontal=True, vertical_alignment="bottom"):
        first = _day("Reported from", "first", today - timedelta(days=HISTORY_DAYS - 1))
        last = _day("to", "last", today)
        is_asked = st.button("Try it on history", type="primary", icon=":material/play_arrow:")
    if first is None or last is None or (wrong := _wrong(first, last, today)):
        st.error(wrong if first and last else _NO_DAYS, icon=":material/event_busy:")
        return
    # A field shows red what no calendar has, and its day stays the one before: what is tried is said.
    quiet(f"Tried on the reports of {first} to {last}: UTC days, both included.")
    if is_asked:
        _ask_for(visit, draft, first, last)


def _day(label: str, key: str, default: date) -> date | None:
    """A day, to come as well: a field that refused it would keep the one before, and say so in red only."""
    day: date | None = st.date_input(
        label,
        default,
        min_value=_EARLIEST,
        max_value=_LATEST,
        format="YYYY-MM-DD",
        key=key,
        bind="query-params",
        width=150,
    )
    return day


def _wrong(first: date, last: date, today: date) -> str:
    """What is wrong with a period, in a sentence; empty when nothing is."""
    if last < first:
        return f"The period ends before it begins: {first} to {last}. Choose other days."
    if last > today:
        return f"Nothing is reported yet after today, {today}. Choose an earlier last day."
    return ""


def _ask_for(visit: Visit, draft: Row, first: date, last: date) -> None:
    since, until = start_of(first), start_of(last + timedelta(days=1))
    try:
        with st.spinner("Judging …"):
            run = backtest_run.ask(visit.desk, visit.person, draft["draft_id"], since, until)
    except StillRunning as refusal:
        st.warning(str(refusal), icon=":material/hourglass_top:")
        if refusal.backtest_id is not None:
            query = {"run": str(refusal.backtest_id)}
            st.page_link(_LAB, label=f"Open run {refusal.backtest_id}, which is running", query_params=query)
        return
    _open(run)


# -- in the shadow ----------------------------------------------------------------------------------------


def _shadow(visit: Visit, draft: Row) -> None:
    """The comparison with what was in force: as a run's, counted by the same rules."""
    seen = shadow.shadow(visit.desk, visit.person, draft["draft_id"])
    if seen is None:
        return
    since = words.moment(seen.since, visit.person)
    st.markdown(
        f"#### In the shadow since {since}: {seen.differ:,} of {seen.judged - seen.withdrawn:,} would differ"
        if seen.is_on
        else f"#### It was in the shadow from {since}: "
        f"{seen.differ:,} of {seen.judged - seen.withdrawn:,} would have differed"
    )
    quiet(
        f"New reports judged by revision {seen.revision} since it was switched on, as they arrived; a change "
        "of the draft, or switching it on again, begins anew. "
        f"{policy_lab_moves.COUNTED_ONCE} Withdrawn reports: {seen.withdrawn:,}."
    )
    if seen.moves:
        policy_lab_moves.tables(seen.moves)
    if seen.agreement:
        st.markdown(policy_lab_agreement.sentence(seen.decided, seen.agreement))
    if seen.flips:
        policy_lab_flips.table(seen.flips, "shadow", {})
