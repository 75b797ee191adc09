"""The three charts the desk exists for, each with its question, its answer, and the table behind it."""

from datetime import date, timedelta
from typing import Any

import pandas as pd
import streamlit as st

from refundlib.domain.money import format_money
from refundlib.domain.people import SUPPORT
from refundlib.domain.statistics import wilson
from refundlib.services import queue
from refundlib.services.metrics import maturing_from, metrics, newest_day
from refundlib.ui import charts, words
from refundlib.ui.shell import Visit, refusals
from refundlib.ui.text import quiet

_MONTHS = {"6": "6 months", "12": "12 months", "24": "24 months"}


def show(visit: Visit) -> None:
    """The metrics page."""
    with refusals():
        months = st.segmented_control(
            "Period",
            list(_MONTHS),
            format_func=_MONTHS.__getitem__,
            default="12",
            required=True,
            key="months",
            bind="query-params",
        )
        last = newest_day(visit.desk, visit.person)
        to_date = last + timedelta(days=1)
        from_date = _first_of_month(last, int(months or "12"))
        if visit.person.roles == {SUPPORT}:
            quiet("Your own decisions.")
        else:
            _refund_rate(visit, from_date, to_date)
        _sla(visit, from_date, to_date)
        if visit.person.roles != {SUPPORT}:
            _reversals(visit, from_date, to_date)


def _first_of_month(last: date, months: int) -> date:
    index = last.year * 12 + last.month - months
    return date(index // 12, index % 12 + 1, 1)


def _frame(rows: list[dict[str, Any]]) -> pd.DataFrame:
    """Rows of a metric over all currencies: counts add up, money does not and is left out."""
    frame = pd.DataFrame(rows, columns=["key", "currency", "n", "k"])
    summed = frame.groupby("key", as_index=False)[["n", "k"]].sum()
    bounds = [wilson(int(k), int(n)) for k, n in zip(summed["k"], summed["n"], strict=True)]
    return summed.assign(
        rate=summed["k"] / summed["n"], low=[low for low, _ in bounds], high=[high for _, high in bounds]
    )


def _refund_rate(visit: Visit, from_date: date, to_date: date) -> None:
    by_month = metrics(visit.desk, visit.person, "refund_rate", from_date, to_date, "month")["rows"]
    by_category = metrics(visit.desk, visit.person, "refund_rate", from_date, to_date, "category")["rows"]
    if not by_month:
        st.info("No charge was made in this period.", icon=":material/monitoring:")
        return
    young = maturing_from(visit.desk, visit.person).strftime("%Y-%m")
    frame = _frame(by_month)
    frame["maturing"] = frame["key"] >= young
    st.markdown(f"#### {_rate_in_words(frame)}")
    quiet("Charges with a standing refund, by month. Pale months can still be reported; 95 % intervals.")
    left, right = st.columns([2, 1])
    with left:
        st.plotly_chart(charts.rate_by_month(frame), key="rate", config={"displayModeBar": False})
    with right:
        _category_table(by_category)
    _behind("refund rate by month", by_month)


def _rate_in_words(frame: pd.DataFrame) -> str:
    ripe = frame[~frame["maturing"]]
    if len(ripe) < 2:
        return "Which share of charges is refunded?"
    now, before = ripe.iloc[-1], ripe.iloc[-2]
    points = (now["rate"] - before["rate"]) * 100
    way = "up" if points > 0 else "down"
    change = f"{way} {abs(points):.1f} points on the month before"
    return f"Refund rate is {now['rate']:.1%} in {now['key']}, {change}"


def _category_table(rows: list[dict[str, Any]]) -> None:
    frame = _frame(rows).sort_values("rate", ascending=False)
    shown = pd.DataFrame(
        {
            "Category": frame["key"],
            "Refunded": [f"{row.k} of {row.n}" for row in frame.itertuples()],
            "Rate": frame["rate"],
            "95 %": [f"{row.low:.0%} to {row.high:.0%}" for row in frame.itertuples()],
        }
    )
    st.dataframe(
        shown,
        hide_index=True,
        height=charts.HEIGHT_PIXELS,
        column_config={"Rate": st.column_config.NumberColumn(format="percent")},
    )


def _sla(visit: Visit, from_date: date, to_date: date) -> None:
    rows = metrics(visit.desk, visit.person, "sla", from_date, to_date, "week")["rows"]
    counts = queue.counters(visit.desk, visit.person)
    frame = _frame(rows)
    met = 1 - frame["k"].sum() / frame["n"].sum() if len(frame) else None
    st.markdown(f"#### {_sla_in_words(met)}")
    late = f":red[**{counts['late']} late**]" if counts["late"] else "none late"
    st.markdown(f"Now: {counts['open']} open, {late}, {counts['soon']} under 6 h.")
    st.page_link(
        "pages/queue.py", label="Open the late ones", icon=":material/alarm:", query_params={"state": "Late"}
    )
    if not len(frame):
        return
    frame = frame.assign(met=frame["n"] - frame["k"], breached=frame["k"])
    st.plotly_chart(charts.met_and_breached(frame), key="sla", config={"displayModeBar": False})
    _behind("SLA by week", rows)


def _sla_in_words(met: float | None) -> str:
    return "Do we decide in time?" if met is None else f"{met:.1%} of deadlines were met"


def _reversals(visit: Visit, from_date: date, to_date: date) -> None:
    rows = metrics(visit.desk, visit.person, "payout_reversals", from_date, to_date, "month")["rows"]
    if not rows:
        quiet("No card refund was submitted in this period.")
        return
    frame = _frame(rows).assign(maturing=False)
    share = frame["k"].sum() / frame["n"].sum()
    st.markdown(f"#### {share:.1%} of card refunds came back: {frame['k'].sum()} of {frame['n'].sum()}")
    quiet("Card refunds that failed or were reversed, by month of submission.")
    st.plotly_chart(charts.rate_by_month(frame), key="reversals", config={"displayModeBar": False})
    _behind("payout reversals by month", rows)


def _behind(name: str, rows: list[dict[str, Any]]) -> None:
    with st.expander(f"The table behind: {name}"):
        frame = pd.DataFrame(
            [
                {
                    "Key": row["key"],
                    "Currency": row["currency"],
                    "n": row["n"],
                    "k": row["k"],
                    "Rate": words.MARKS["not_applicable"] if row["rate"] is None else f"{row['rate']:.1%}",
                    "Amount": format_money(row["amount_n"], row["currency"]),
                    "Of it": format_money(row["amount_k"], row["currency"]),
                }
                for row in rows
            ]
        )
        st.dataframe(frame, hide_index=True)
