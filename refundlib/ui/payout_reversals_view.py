"""Payout reversals: card refunds that came back, how often, why, when, and what returned to balances."""

from typing import Final

import pandas as pd
import streamlit as st

from refundlib.domain.statistics import survival, survival_hour
from refundlib.ui import charts, figure_parts, words
from refundlib.ui.figures import CLAIMS, Lens, bar, foot, points
from refundlib.ui.shell import Visit, refusals
from refundlib.ui.text import quiet

_OUTCOMES: Final = {"succeeded": "main", "pending": "calm", "failed": "bad", "reversed": "bad"}

Tables = dict[str, pd.DataFrame]


def show(visit: Visit) -> None:
    """The page of payout reversals."""
    with refusals():
        lens = bar(visit, ("category", "reason"), "payout_reversals")
        tables: Tables = {}
        if not lens.rows("payout_reversals"):
            st.info(
                "No card refund was submitted in this period with these filters.",
                icon=":material/credit_card:",
            )
            return
        st.markdown(f"### {_answer(lens)}")
        _over_time(lens, tables)
        left, right = st.columns(2)
        with left:
            tables["by reason"] = figure_parts.rates(
                lens, "payout_reversals", "reason", title="Share that came back, by reason of the claim"
            )
            if not lens.cut.category:
                tables["by processor"] = figure_parts.rates(
                    lens, "payout_processor", "processor", title="By processor", column="other"
                )
        with right:
            if not lens.cut.category:
                _ages(lens, tables)
                _time_to_money(lens, tables)
        figure_parts.tables(tables, "payout-reversals", lens.to_day)
        foot(lens)


def _answer(lens: Lens) -> str:
    k, n = lens.total(lens.rows("payout_reversals"))
    before_k, before_n = lens.total(lens.before("payout_reversals"))
    change = f", {points(k / n - before_k / before_n)} on {lens.compared}" if n and before_n else ""
    share = k / n if n else 0.0
    if lens.measure != CLAIMS:
        money = f"{words.money(k, lens.measure)} of {words.money(n, lens.measure)}"
        return f"{share:.1%} of what was sent to cards came back: {money}{change}"
    return f"{share:.1%} of card refunds came back: {k:,} of {n:,}{change}"


def _over_time(lens: Lens, tables: Tables) -> None:
    grain = lens.coarse_grain
    rows = lens.rows("payout_reversals", grain, "outcome")
    frame = lens.parts(rows, list(_OUTCOMES), grain)
    returned = sum(row["amount_k"] for row in rows if lens.measure in (CLAIMS, row["currency"]))
    currencies = sorted({row["currency"] for row in rows})
    if len(currencies) == 1:
        st.markdown(f"#### {words.money(returned, currencies[0])} returned to balances")
    else:
        st.markdown("#### What became of card refunds")
    doors = {
        curve: [lens.door("payout_reversals", period=key, grain=grain, other=outcome) for key in frame["key"]]
        for curve, outcome in enumerate(_OUTCOMES)
    }
    money = None if lens.measure == CLAIMS else lens.measure
    figure_parts.chart(
        charts.stacked(frame, _OUTCOMES, money=money),
        "payouts",
        doors,
        alt=f"Card refunds by {grain} of submission: succeeded, pending, failed, reversed.",
    )
    quiet(
        "By the day of submission. Failed: never arrived. Reversed: arrived, and the processor took it back."
    )
    tables[f"card refunds by {grain}"] = frame.drop(columns="label")


def _ages(lens: Lens, tables: Tables) -> None:
    frame = lens.frame(lens.rows("reversal_age", "days"))
    if not len(frame):
        return
    frame = frame.assign(day=frame["key"].astype(int)).sort_values("day")
    shown = pd.DataFrame({"label": frame["day"].astype(str), "n": frame["n"]})
    st.markdown("#### Days from submission until it came back")
    doors = [lens.door("reversal_age", other=key) for key in frame["key"]]
    figure_parts.chart(charts.bars(shown, "came back"), "ages", {0: doors}, alt="Age at reversal in days.")
    tables["age at reversal"] = frame[["day", "n"]]


def _time_to_money(lens: Lens, tables: Tables) -> None:
    if lens.measure != CLAIMS:
        return
    frame = lens.frame(lens.rows("time_to_money", "days"))
    if not len(frame):
        return
    counts = sorted((int(key), int(n), 0) for key, n in zip(frame["key"], frame["n"], strict=True))
    half, nine = survival_hour(counts, 0.5), survival_hour(counts, 0.9)
    st.markdown(
        f"#### Of what arrived, half did within {half} days of the request, nine in ten within {nine}"
    )
    figure = charts.curves({"arrived": [(unit, 1 - left) for unit, left in survival(counts)]}, "days")
    figure_parts.picture(figure, "money", alt="Days from request to money.")
    tables["days to money"] = pd.DataFrame(counts, columns=["days", "n", "running"])[["days", "n"]]
