"""Parts of a page of figures: a chart whose marks open what they count, and the tables behind all charts."""

import hashlib
from collections.abc import Mapping, Sequence
from datetime import date
from typing import Any, Final

import pandas as pd
import streamlit as st

from refundlib.ui import charts
from refundlib.ui.export import csv_of, workbook_of
from refundlib.ui.figures import Lens, each, label
from refundlib.ui.text import quiet

Door = dict[str, str]
Doors = Mapping[int, Sequence[Door | None]]
_CONFIG: Final = {"displayModeBar": False}
ROW_PIXELS: Final = 35
HEAD_PIXELS: Final = 37


def chart(figure: Any, name: str, doors: Doors, *, alt: str) -> None:
    """A chart; a click on mark `index` of curve `curve` opens doors[curve][index]."""
    chosen: Any = st.plotly_chart(
        figure,
        key=f"{name}-{st.session_state.get('charts', 0)}",
        on_select="rerun",
        selection_mode="points",
        config=_CONFIG,
        alt=alt,
    )
    for point in chosen["selection"]["points"]:
        through = doors.get(point["curve_number"], ())
        index = point["point_index"]
        if isinstance(index, int) and index < len(through) and (door := through[index]):
            # A fresh chart when we come back: the old selection would open the list again.
            st.session_state["charts"] = st.session_state.get("charts", 0) + 1
            st.switch_page("pages/cases.py", query_params=door)


def picture(figure: Any, name: str, *, alt: str) -> None:
    """A chart whose marks open nothing."""
    st.plotly_chart(figure, key=name, config=_CONFIG, alt=alt)


def chosen_row(frame: pd.DataFrame, name: str, *, rows_shown: int) -> int | None:
    """A table; the row that was clicked, once."""
    count = f"{name}-opened"
    chosen: Any = st.dataframe(
        frame,
        hide_index=True,
        height=min(len(frame), rows_shown) * ROW_PIXELS + HEAD_PIXELS,
        row_height=ROW_PIXELS,
        on_select="rerun",
        selection_mode="single-cell",
        key=f"{name}-{st.session_state.get(count, 0)}",
    )
    cells = chosen["selection"]["cells"]
    if not cells:
        return None
    # A fresh table when we come back: the old selection would open the row again.
    st.session_state[count] = st.session_state.get(count, 0) + 1
    row: int = cells[0][0]
    return row


def digest_of(ids: Sequence[str]) -> str:
    """A short name for a list of rows: another list is another table, and no choice moves to another row."""
    return hashlib.sha256("|".join(ids).encode()).hexdigest()[:12]


def kept_row(frame: pd.DataFrame, ids: Sequence[str], kept_in: str, *, rows_shown: int) -> str | None:
    """A table of which one row stays chosen; its id, also when it was chosen at an earlier run."""
    chosen: Any = st.dataframe(
        frame,
        hide_index=True,
        height=min(len(frame), rows_shown) * ROW_PIXELS + HEAD_PIXELS,
        row_height=ROW_PIXELS,
        on_select="rerun",
        selection_mode="single-cell",
        key=f"{kept_in}-{digest_of(ids)}",
    )
    if cells := chosen["selection"]["cells"]:
        st.session_state[kept_in] = ids[cells[0][0]]
    kept = st.session_state.get(kept_in)
    return kept if kept in ids else None


def rates(
    lens: Lens, metric: str, dimension: str, *, title: str, note: str = "", column: str | None = None
) -> pd.DataFrame:
    """Rates by a dimension beside those of the period before, most cases first; the table behind."""
    frame = lens.frame(lens.rows(metric, dimension)).sort_values("n", ascending=False)
    other = lens.frame(lens.before(metric, dimension)).set_index("key")["rate"]
    frame = frame.assign(
        label=[label(dimension, key) for key in frame["key"]], other=frame["key"].map(other).astype(float)
    )
    if title:
        st.markdown(f"#### {title}")
    shown = frame[frame["n"] >= 10]
    few = frame[frame["n"] < 10]
    if len(shown):
        # Where nothing was hit the mark opens what was counted: an empty list would tell nobody anything.
        doors = [lens.door(metric, hits=bool(row.k), **{column or dimension: row.key}) for row in each(shown)]
        chart(
            charts.rates(shown, compared=lens.compared),
            f"{metric}-{dimension}",
            {0: doors, 1: doors},
            alt=f"{title or metric} by {dimension}, with 95 % intervals; the table is below.",
        )
    if len(few):
        quiet("Too few for a rate: " + ", ".join(f"{row.label} {row.k} of {row.n}" for row in each(few)))
    if note:
        quiet(note)
    return table_of(frame)


def table_of(frame: pd.DataFrame) -> pd.DataFrame:
    """A frame of rates as people read it."""
    table = pd.DataFrame(
        {
            "group": frame["label"] if "other" in frame else frame["key"],
            "n": frame["n"],
            "k": frame["k"],
            "rate": frame["rate"].round(4),
            "95 % from": frame["low"].round(4),
            "95 % to": frame["high"].round(4),
        }
    )
    return table.assign(before=frame["other"].round(4)) if "other" in frame else table


def tables(named: Mapping[str, pd.DataFrame], name: str, day: date) -> None:
    """The tables behind the charts: one is shown, it or all can be taken away."""
    st.markdown("#### The figures behind")
    with st.container(horizontal=True, vertical_alignment="bottom"):
        chosen = st.selectbox("Table", list(named), key="table", bind="query-params", width=280)
        frame = named[chosen]
        st.download_button(
            "CSV",
            lambda: csv_of(frame),
            f"{name}-{chosen.replace(' ', '-')}-{day}.csv",
            "text/csv",
            on_click="ignore",
            icon=":material/download:",
        )
        st.download_button(
            "Excel, all tables",
            lambda: workbook_of(named),
            f"{name}-{day}.xlsx",
            "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet",
            on_click="ignore",
            icon=":material/table_view:",
        )
    if len(frame):
        st.dataframe(frame, hide_index=True)
    else:
        quiet("Nothing in this period.")
