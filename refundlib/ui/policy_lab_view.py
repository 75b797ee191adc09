"""The policy lab on the screen: a draft tried on history, what would differ and why; its shadow run."""

from collections.abc import Mapping
from datetime import UTC, timedelta
from typing import Any, Final

import pandas as pd
import streamlit as st

from refundlib.bootstrap import start_backtest
from refundlib.domain.money import by_currency, format_money, format_sums
from refundlib.domain.statistics import wilson
from refundlib.services import backtest, policy_drafts
from refundlib.services.ledger import start_of
from refundlib.ui import words
from refundlib.ui.figure_parts import chosen_row
from refundlib.ui.filters import choice, days
from refundlib.ui.paging import after, first_page, turn
from refundlib.ui.shell import Visit, refusals, show_told
from refundlib.ui.text import quiet

HISTORY_DAYS: Final = 365
REFRESH_SECONDS: Final = 1.0
_MOVES: Final[Mapping[str, str]] = {
    "deny approve": "denied → approved",
    "deny review": "denied → looked at",
    "review approve": "looked at → approved",
    "review deny": "looked at → denied",
    "approve review": "approved → looked at",
    "approve deny": "approved → denied",
}

Row = dict[str, Any]


def show(visit: Visit) -> None:
    """The lab: ?draft=ID, ?run=ID."""
    show_told()
    with refusals():
        drafts = policy_drafts.drafts(visit.desk, visit.person)
        wanted = st.query_params.get("draft", "")
        draft = next((row for row in drafts if str(row["draft_id"]) == wanted), None)
        st.page_link("pages/policy.py", label="Policy", icon=":material/arrow_back:")
        if draft is None:
            _choose(drafts)
            return
        st.markdown(f"### {words.plain(draft['version'])} on history")
        quiet("Each claim’s frozen facts are judged again. What people decided is no ground truth.")
        _ask(visit, draft)
        run = st.query_params.get("run", "")
        if run.isdecimal():
            _watch(visit, int(run))
        _earlier(visit, draft)
        _shadow(visit, draft)


def _choose(drafts: list[Row]) -> None:
    if not drafts:
        st.info("No draft is being written. Write one on the policy page.", icon=":material/science:")
        return
    quiet("Choose a draft to try:")
    for row in drafts:
        st.page_link(
            "pages/policy_lab.py",
            label=words.plain(row["version"]),
            icon=":material/science:",
            query_params={"draft": str(row["draft_id"])},
        )


def _ask(visit: Visit, draft: Row) -> None:
    today = visit.desk.clock().astimezone(UTC).date()
    with st.container(horizontal=True, vertical_alignment="bottom"):
        first, until = days("Reported (UTC days)", today, HISTORY_DAYS)
        if st.button("Try it on history", type="primary", icon=":material/play_arrow:"):
            run = backtest.begin(
                visit.desk, visit.person, draft["draft_id"], start_of(first), start_of(until)
            )
            start_backtest(run, visit.person.person_id)
            st.query_params["run"] = str(run)
            first_page()
            st.rerun()


def _earlier(visit: Visit, draft: Row) -> None:
    rows = backtest.newest(visit.desk, visit.person, draft["draft_id"])
    if not rows:
        return
    quiet("Earlier runs of this draft:")
    with st.container(horizontal=True):
        for row in rows:
            last = row["until"] - timedelta(days=1)
            st.page_link(
                "pages/policy_lab.py",
                label=f"{row['since']:%Y-%m-%d} to {last:%Y-%m-%d} · {row['state']}",
                query_params={"draft": str(draft["draft_id"]), "run": str(row["backtest_id"])},
            )


# -- one run ----------------------------------------------------------------------------------------------


def _watch(visit: Visit, run: int) -> None:
    row = backtest.backtest(visit.desk, visit.person, run)
    if row["state"] == "running" and not row["is_silent"]:
        _running(visit, run)
    elif row["state"] == "done":
        _done(visit, row)
    else:
        _ended(row)


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
        st.button("Cancel", on_click=backtest.cancel, args=(visit.desk, visit.person, run))


def _ended(row: Row) -> None:
    if row["state"] == "cancelled":
        st.info(f"It was stopped after {row['claims_judged']:,} claims.", icon=":material/cancel:")
    elif row["state"] == "failed":
        st.error(f"It failed: {words.plain(row['error'])}. Start it again.", icon=":material/error:")
    else:
        st.error("It gives no sign any more. Start it again.", icon=":material/error:")


def _done(visit: Visit, row: Row) -> None:
    result = row["result"]
    moves = result["moves"]
    st.markdown(f"#### {_in_words(result)}")
    if moves:
        left, right = st.columns(2, gap="medium")
        with left:
            _table(moves, "reason", words.REASONS)
        with right:
            _table(moves, "category", {})
    _agreement(result["agreement"])
    if moves:
        _flips(visit, row, moves)


def _in_words(result: Row) -> str:
    """The answer in a sentence: how many would differ, and the money of those advised to be paid."""
    count = sum(move["claims"] for move in result["moves"])
    if not count:
        return f"Nothing would differ: {result['judged']:,} claims, the same advice for each"
    more, fewer = (
        by_currency(m for m in result["moves"] if m[side] == "approve") for side in ("becomes", "was")
    )
    parts = [f"{count:,} of {result['judged']:,} claims would differ"]
    if more:
        parts.append(f"{words.plain(format_sums(more))} more advised to approve")
    if fewer:
        parts.append(f"{words.plain(format_sums(fewer))} less")
    return "; ".join(parts)


def _table(moves: list[Row], by: str, names: Mapping[str, str]) -> None:
    frame = pd.DataFrame(moves)
    frame["Move"] = [_MOVES[f"{row['was']} {row['becomes']}"] for row in moves]
    sums = frame.groupby([by, "Move", "currency"], as_index=False)[["claims", "amount"]].sum()
    table = pd.DataFrame(
        {
            by.capitalize(): [names.get(key, key) for key in sums[by]],
            "Move": sums["Move"],
            "Claims": sums["claims"],
            "Charges": [
                format_money(int(amount), currency)
                for amount, currency in zip(sums["amount"], sums["currency"], strict=True)
            ],
        }
    )
    st.dataframe(table, hide_index=True)


def _agreement(rows: list[Row]) -> None:
    """How often what is advised is what people decided, by clause; counts and interval."""
    if not rows:
        return
    st.markdown("#### What people decided")
    table: dict[str, Row] = {}
    for row in rows:
        low, high = wilson(row["agree"], row["n"])
        by = "By the old rules" if row["by"] == "old" else "By the draft"
        told = f"{row['agree']:,} of {row['n']:,} ({low:.0%} to {high:.0%})"
        table.setdefault(row["clause"], {"Clause": row["clause"]})[by] = told
    st.dataframe(pd.DataFrame(list(table.values())), hide_index=True)
    quiet("Decided claims with an advice to approve or deny that agrees; 95 % interval.")


def _flips(visit: Visit, row: Row, moves: list[Row]) -> None:
    st.markdown("#### The claims that would differ")
    kinds = {f"{m['was']} {m['becomes']}": _MOVES[f"{m['was']} {m['becomes']}"] for m in moves}
    with st.container(horizontal=True, vertical_alignment="bottom"):
        move = choice("Move", "move", kinds, on_change=first_page, width=230)
        reasons = {m["reason"]: words.REASONS[m["reason"]] for m in moves}
        reason = choice("Reason", "reason", reasons, on_change=first_page, width=200)
        categories = {m["category"]: m["category"] for m in moves}
        category = choice("Category", "category", categories, on_change=first_page, width=200)
    was, becomes = move.split() if move else (None, None)
    found = backtest.flips(
        visit.desk, visit.person, row["backtest_id"], was=was, becomes=becomes, reason=reason,
        category=category, after=after() or "",
    )  # fmt: skip
    if not found:
        quiet("No claim like this.")
        return
    _list(found, "flips")
    turn(found[-1]["report_id"] if len(found) == backtest.FLIPS_A_PAGE else None)


def _list(found: list[Row], name: str) -> None:
    """The claims, each with the check that makes the difference; a click opens the claim."""
    frame = pd.DataFrame(
        [
            {
                "Report": flip["report_id"],
                "Reason": words.REASONS[flip["reason"]],
                "Category": flip["category"],
                "Charge": format_money(flip["amount"], flip["currency"]),
                "Would differ": _MOVES[f"{flip['was']} {flip['becomes']}"],
                "People": {"approve": "approved", "deny": "denied", None: "undecided"}[flip["decision"]],
                "Why": _why(flip),
            }
            for flip in found
        ]
    )
    if (at := chosen_row(frame, name, rows_shown=12)) is not None:
        st.switch_page("pages/claim.py", query_params={"claim": found[at]["report_id"]})
    quiet("Click a row to open the claim.")


def _why(flip: Row) -> str:
    """Check by check: what it said, and what it would say."""
    return "; ".join(
        f"{words.CHECKS[each['id']]} ({each['clause']}): {each['why_was']} → {each['why_becomes']}"
        for each in flip["changed"]
    )


# -- in the shadow --------------------------------------------------------------------------------------


def _shadow(visit: Visit, draft: Row) -> None:
    if draft["shadow_since"] is None:
        return
    seen = backtest.shadow(visit.desk, visit.person, draft["draft_id"], draft["revision"])
    since = words.moment(draft["shadow_since"], visit.person)
    differ = sum(n for (was, becomes), n in seen.counts.items() if was != becomes)
    st.markdown(f"#### In the shadow since {since}: {differ:,} of {seen.counts.total():,} would differ")
    if seen.flips:
        _list(seen.flips, "shadow")
