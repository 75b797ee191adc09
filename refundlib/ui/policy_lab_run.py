"""One run of the policy lab on the screen: how far it is, how it ended, what would differ and why."""

from typing import Any, Final

import pandas as pd
import streamlit as st

from refundlib.domain.money import by_currency, format_sums
from refundlib.services import backtest
from refundlib.ui import policy_lab_flips, policy_lab_moves, words
from refundlib.ui.policy_lab_moves import numbers_of
from refundlib.ui.shell import Visit, refusals, tell
from refundlib.ui.text import quiet

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


def _of_what(visit: Visit, row: Row) -> None:
    """Whose run, of which revision with which numbers, and whether the draft was changed since."""
    days = f"{row['since']:%Y-%m-%d} to {row['until']:%Y-%m-%d}"
    st.markdown(
        f"**Run {row['backtest_id']}** of revision {row['revision']} ({numbers_of(row['policy'])}), asked by "
        f"{words.plain(row['asked_by_name'])}, {words.moment(row['asked_at'], visit.person)}; reports from "
        f"{words.plain(days)} (UTC, the last day not included)."
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
        st.progress(share, f"{judged:,} of {total:,} claims" if total is not None else "Starting …")
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
    st.markdown(f"#### {_in_words(result)}")
    withdrawn = result["withdrawn"]
    quiet(
        f"{policy_lab_moves.COUNTED_ONCE} Withdrawn reports are counted apart and move no money: "
        f"{withdrawn['judged']:,}, of which {withdrawn['differ']:,} would differ."
    )
    if result["moves"]:
        policy_lab_moves.tables(result["moves"])
    _agreement(result["agreement"])
    if result["differ"] or withdrawn["differ"]:
        policy_lab_flips.show(visit, row)


def _in_words(result: Row) -> str:
    """The answer in a sentence: how many would differ, and the money of those advised to be paid."""
    count, judged = result["differ"], result["judged"] - result["withdrawn"]["judged"]
    if not count:
        return f"Nothing would differ: {judged:,} claims, the same advice for each"
    more, fewer = (
        by_currency(m for m in result["moves"] if m[side] == "approve") for side in ("becomes", "was")
    )
    parts = [f"{count:,} of {judged:,} claims would differ"]
    if more:
        parts.append(f"{words.plain(format_sums(more))} more advised to approve")
    if fewer:
        parts.append(f"{words.plain(format_sums(fewer))} less")
    return "; ".join(parts)


def _agreement(rows: list[Row]) -> None:
    """How often what is advised is what people decided, by the clauses it rests on; counts and interval."""
    if not rows:
        return
    st.markdown("#### What people decided")
    sides = {"old": "By the old rules", "draft": "By the draft"}
    table: dict[str, Row] = {}
    for row in rows:
        told = f"{row['k']:,} of {row['n']:,} ({row['low']:.0%} to {row['high']:.0%})"
        empty = {"Clause": row["clause"], **dict.fromkeys(sides.values(), "–")}
        table.setdefault(row["clause"], empty)[sides[row["by"]]] = told
    st.dataframe(pd.DataFrame(list(table.values())), hide_index=True)
    quiet(
        "Decided claims whose advice rests on the clause, and how many of them people decided like that; "
        "95 % interval. A denial rests on each check that fails, an approval on its reason. Both read the "
        "facts as they were reported: what an appeal brought is not among them."
    )
