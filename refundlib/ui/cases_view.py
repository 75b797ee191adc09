"""The list behind a figure: what it counts, newest first; each row opens its claim, or its lead."""

from datetime import date
from typing import Any, Final

import pandas as pd
import streamlit as st

from refundlib.domain.errors import BadFigure
from refundlib.domain.money import format_money
from refundlib.services.metrics import METRICS, Cut, cases
from refundlib.ui import figure_parts, words
from refundlib.ui.export import csv_of
from refundlib.ui.figures import kept_figures, label, label_of
from refundlib.ui.paging import after, turn
from refundlib.ui.shell import Visit, refusals
from refundlib.ui.text import quiet

# What all are called, those that count, the moment, and what the amount that counts is called.
_TITLES: Final = {
    "refund_rate": ("charges", "charges that were refunded", "Charged", "Refunded"),
    "refund_activity": ("decisions", "approvals", "Decided", "Refunded"),
    "overrule": ("decisions", "decisions against our advice", "Decided", None),
    "check_overrule": ("decisions by the check behind our advice", "decisions against it", "Decided", None),
    "sla": ("reports by deadline", "reports that were late", "Deadline", None),
    "time_to_decision": ("reports", "reports decided", "Reported", None),
    "raw_time_to_decision": ("reports", "reports decided", "Reported", None),
    "payout_reversals": ("card refunds", "card refunds that came back", "Submitted", "Came back"),
    "payout_processor": ("card refunds", "card refunds that came back", "Submitted", "Came back"),
    "reversal_age": ("card refunds that came back", "card refunds that came back", "Submitted", "Came back"),
    "time_to_money": ("card refunds that arrived", "card refunds that arrived", "Submitted", None),
    "rework": ("undone and reopened", "undone and reopened", "When", None),
}
NOTHING: Final = "–"
_CUTS: Final = ("category", "reason", "kind", "region", "pro", "agent", "other")


def show(visit: Visit) -> None:
    """The page of cases."""
    with refusals():
        params = st.query_params.to_dict()
        metric = params.get("metric", "")
        if metric not in METRICS:
            raise BadFigure("This list belongs to a figure: open a page of figures and click a mark.")
        from_day, to_day = _day(params, "from"), _day(params, "to")
        hits = params.get("hits") == "1"
        cut = Cut(**{name: params[name] for name in _CUTS if params.get(name)})
        rows, following = cases(
            visit.desk, visit.person, metric, from_day, to_day, cut, hits=hits, after=after()
        )
        counted = kept_figures(visit, metric, from_day, to_day, None, None, cut)
        _head(metric, from_day, to_day, cut, counted, hits=hits)
        _list(visit, metric, rows)
        with st.container(horizontal=True):
            turn(following)


def _day(params: dict[str, str], name: str) -> date:
    try:
        return date.fromisoformat(params.get(name, ""))
    except ValueError:
        raise BadFigure(
            f"The address names no day as {name!r}; open the list from a page of figures."
        ) from None


def _head(
    metric: str, from_day: date, to_day: date, cut: Cut, counted: list[dict[str, Any]], *, hits: bool
) -> None:
    everything, only, *_ = _TITLES[metric]
    count, amount = ("k", "amount_k") if hits else ("n", "amount_n")
    sums = [words.money(row[amount], row["currency"]) for row in counted if row[count]]
    title = f"{sum(row[count] for row in counted):,} {only if hits else everything}"
    st.markdown(f"### {', '.join([title, *sums])}")
    own = METRICS[metric].other
    parts = [f"from {from_day} up to {to_day} (UTC days, the last not included)"]
    for name in sorted(cut.used()):
        shown = own if name == "other" and own else name
        parts.append(f"{label_of(shown).lower()} {words.plain(label(name, getattr(cut, name)))}")
    quiet(" · ".join(parts))


def _list(visit: Visit, metric: str, rows: list[dict[str, Any]]) -> None:
    if not rows:
        st.info("Nothing is counted here.", icon=":material/search_off:")
        return
    frame = pd.DataFrame([_cells(visit, metric, row) for row in rows])
    frame = frame.loc[:, (frame != NOTHING).any()]
    if (at := figure_parts.chosen_row(frame, "cases", rows_shown=18)) is not None:
        row = rows[at]
        if row["report_id"]:
            st.switch_page("pages/claim.py", query_params={"claim": row["report_id"]})
        st.switch_page("pages/lead.py", query_params={"lead": row["lead_id"]})
    with st.container(horizontal=True, vertical_alignment="center"):
        st.download_button(
            "CSV of this page",
            lambda: csv_of(frame),
            f"{metric}-cases.csv",
            "text/csv",
            on_click="ignore",
            icon=":material/download:",
        )
        quiet("Click a row to open its claim.")


def _cells(visit: Visit, metric: str, row: dict[str, Any]) -> dict[str, str]:
    _, _, moment, part = _TITLES[metric]
    counted = format_money(row["hit_amount"], row["currency"]) if row["hit"] else NOTHING
    return {
        moment: words.moment(row["at"], visit.person),
        "Report": row["report_id"] or NOTHING,
        "Pro": row["pro_name"],
        "Category": row["category"],
        "Reason": words.REASONS.get(row["report_reason"], NOTHING),
        "Amount": format_money(row["amount"], row["currency"]),
        **({part: counted} if part else {}),
        "Who": row["agent"] or NOTHING,
        "Now": words.STATES[row["state"]] if row["state"] else "not reported",
    }
