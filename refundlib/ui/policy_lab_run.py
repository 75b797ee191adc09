"""One run of the policy lab on the screen: how far it is, how it ended, what would differ and why."""

from datetime import timedelta
from typing import Any, Final

import streamlit as st

from refundlib.services import backtest
from refundlib.ui import policy_lab_agreement, policy_lab_flips, policy_lab_moves, policy_lab_sums, words
from refundlib.ui.policy_lab_moves import numbers_of
from refundlib.ui.shell import Visit, refusals, tell

REFRESH_SECONDS: Final = 1.0

Row = dict[str, Any]


def show(visit: Visit, row: Row) -> None:
    """A run, of whatever revision; row as from backtest.backtest."""
    _of_what(visit, row)
    if row["state"] == "running" and not row["is_silent"]:
        _running(visit, row["backtest_id"])
    elif row["state"] == "done":
        _done(visit, row)
    else:
        _ended(row)


def period(row: Row) -> str:
    """The days of a run, the last one included."""
    return f"{row['since']:%Y-%m-%d} to {row['until'] - timedelta(days=1):%Y-%m-%d}"


def _of_what(visit: Visit, row: Row) -> None:
    """Whose run, of which revision with which numbers, and whether the draft was changed since."""
    st.markdown(
        f"**Run {row['backtest_id']}** of revision {row['revision']} ({numbers_of(row['policy'])}), asked by "
        f"{words.plain(row['asked_by_name'])}, {words.moment(row['asked_at'], visit.person)}; reports of "
        f"{words.plain(period(row))} (UTC, both days included)."
    )
    if row["revision"] == row["draft_revision"]:
        return
    now = {"window_days": row["draft_window_days"], "job_changed_miles": row["draft_job_changed_miles"]}
    st.warning(
        f"The draft was changed since: revision {row['draft_revision']} has {numbers_of(now)}.",
        icon=":material/history:",
    )


@st.fragment(run_every=REFRESH_SECONDS)
def _running(visit: Visit, run: int) -> None:
    """How far it is, looked at again by itself; the whole page is painted anew when it ends."""
    with refusals():
        row = backtest.backtest(visit.desk, visit.person, run)
        if row["state"] != "running" or row["is_silent"]:
            st.rerun()
        judged, total = row["claims_judged"], row["claims_total"]
        share = judged / total if total else 0.0
        told = "Starting a process on every core: a few seconds …"
        if total is not None:
            told = f"{judged:,} of {total:,} claims judged; {row['flips_listed']:,} listed that would differ"
        st.progress(share, told)
        st.button("Cancel", on_click=_cancel, args=(visit, run))


def _cancel(visit: Visit, run: int) -> None:
    with refusals():
        backtest.cancel(visit.desk, visit.person, run)
        tell("It stops after the part under way.")


def _ended(row: Row) -> None:
    if row["state"] == "cancelled":
        st.info(f"It was stopped after {row['claims_judged']:,} claims.", icon=":material/cancel:")
    elif row["state"] == "failed":
        st.error(f"It failed. {words.plain(row['error'])} Start it again.", icon=":material/error:")
    else:
        st.error("It gives no sign any more. Start it again.", icon=":material/error:")


# -- what came of it --------------------------------------------------------------------------------------


def _done(visit: Visit, row: Row) -> None:
    result = row["result"]
    policy_lab_sums.show(result, row["policy"]["window_days"])
    if result["moves"]:
        policy_lab_moves.tables(result["moves"])
    if months := result.get("months"):
        policy_lab_sums.by_month(months)
    policy_lab_agreement.show(result)
    if result["differ"] or result["withdrawn"]["differ"]:
        policy_lab_flips.show(visit, row)
