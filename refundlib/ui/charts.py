"""Charts: a frame in, a figure out. Few marks, direct words, axes from zero, uncertainty drawn.

Colours mean the same everywhere: petrol is what we look at, orange what went wrong, grey what it is compared
with. They are told apart by the colour-blind and, by lightness and shape, in print.
"""

from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import pandas as pd
import plotly.graph_objects as go
import streamlit as st

HEIGHT_PIXELS: Final = 300
ROW_PIXELS: Final = 26
PALE: Final = 0.45


@dataclass(frozen=True)
class Palette:
    """The colours of a theme."""

    main: str
    bad: str
    calm: str
    band: str


_LIGHT: Final = Palette("#0F6466", "#C2500A", "#7C8785", "rgba(15,100,102,0.10)")
_DARK: Final = Palette("#4FB3AE", "#F28E4B", "#8D9896", "rgba(79,179,174,0.14)")


def palette() -> Palette:
    """The colours of the reader's theme."""
    return _DARK if st.context.theme.type == "dark" else _LIGHT


def control(frame: pd.DataFrame) -> go.Figure:
    """A rate by period between its control limits.

    Columns: label, rate, k, n, centre, floor, roof, signal (bool), maturing (bool).
    """
    colours = palette()
    figure = go.Figure()
    for column, fill in (("roof", None), ("floor", "tonexty")):
        figure.add_scatter(
            x=frame["label"], y=frame[column], mode="lines", line={"width": 0}, fill=fill,
            fillcolor=colours.band, hoverinfo="skip", showlegend=False,
        )  # fmt: skip
    figure.add_scatter(
        x=frame["label"], y=frame["centre"], mode="lines",
        line={"color": colours.calm, "dash": "dot", "width": 1}, hoverinfo="skip", showlegend=False,
    )  # fmt: skip
    figure.add_scatter(
        x=frame["label"],
        y=frame["rate"],
        mode="lines+markers",
        line={"color": colours.main, "width": 1.5},
        marker={
            "color": [colours.bad if each else colours.main for each in frame["signal"]],
            "symbol": ["diamond" if each else "circle" for each in frame["signal"]],
            "size": [11 if each else 7 for each in frame["signal"]],
            "opacity": [PALE if each else 1.0 for each in frame["maturing"]],
        },
        customdata=frame[["k", "n"]],
        hovertemplate="%{x}: %{y:.1%}, %{customdata[0]:,} of %{customdata[1]:,}<extra></extra>",
        showlegend=False,
    )
    return _plain(figure, tick=".0%")


CONTROL_CURVE: Final = 3


def rates(frame: pd.DataFrame, *, compared: str = "before") -> go.Figure:
    """Rates of groups with their 95 % intervals, one below the other; beside each what it is compared with.

    Columns: label, rate, low, high, k, n, other (a rate or None); who has too few is left out before.
    """
    colours = palette()
    figure = go.Figure()
    figure.add_scatter(
        x=frame["rate"],
        y=frame["label"],
        mode="markers",
        marker={"color": colours.main, "size": 9},
        error_x={
            "type": "data", "symmetric": False, "array": frame["high"] - frame["rate"],
            "arrayminus": frame["rate"] - frame["low"], "thickness": 1.5, "width": 0, "color": colours.main,
        },
        customdata=frame[["k", "n"]],
        hovertemplate="%{y}: %{x:.1%}, %{customdata[0]:,} of %{customdata[1]:,}<extra></extra>",
        name="now",
    )  # fmt: skip
    if frame["other"].notna().any():
        figure.add_scatter(
            x=frame["other"], y=frame["label"], mode="markers", name=compared,
            marker={"color": colours.calm, "size": 8, "symbol": "line-ns-open", "line": {"width": 2}},
            hovertemplate="%{y}, " + compared + ": %{x:.1%}<extra></extra>",
        )  # fmt: skip
    _plain(figure, tick=None)
    figure.update_layout(
        height=max(120, 70 + ROW_PIXELS * len(frame)),
        xaxis={"rangemode": "tozero", "tickformat": ".0%", "type": "linear"},
        yaxis={"type": "category", "autorange": "reversed", "title": None},
        margin={"l": 8, "r": 8, "t": 34, "b": 8},
        legend={"orientation": "h", "y": 1.0, "yanchor": "bottom", "x": 0},
    )
    return figure


def stacked(frame: pd.DataFrame, parts: dict[str, str], *, money: str | None = None) -> go.Figure:
    """Stacked bars by period (label). parts: column → role (main, bad, calm); money: the currency."""
    colours = palette()
    patterns = {"main": "", "bad": "/", "calm": "."}
    figure = go.Figure(
        [
            go.Bar(
                x=frame["label"],
                y=frame[column],
                name=column,
                marker={
                    "color": getattr(colours, role),
                    "pattern": {"shape": patterns[role], "fillmode": "overlay", "size": 5, "solidity": 0.2},
                },
                hovertemplate="%{x}, "
                + column
                + ": %{y:,}"
                + (f" {money}" if money else "")
                + "<extra></extra>",
            )
            for column, role in parts.items()
        ]
    )
    figure.update_layout(barmode="stack")
    return _plain(figure, tick=None)


def funnel(marks: pd.DataFrame, limits: pd.DataFrame, centre: float) -> go.Figure:
    """Groups by how many cases they have and their rate, within the limits of chance.

    marks columns: label, n, k, rate, outside (bool), pros (how many are alike); limits: n, low, high.
    """
    colours = palette()
    figure = go.Figure()
    for column in ("low", "high"):
        figure.add_scatter(
            x=limits["n"], y=limits[column], mode="lines", line={"color": colours.calm, "width": 1},
            hoverinfo="skip", showlegend=False,
        )  # fmt: skip
    figure.add_hline(y=centre, line={"color": colours.calm, "dash": "dot", "width": 1})
    figure.add_scatter(
        x=marks["n"],
        y=marks["rate"],
        mode="markers",
        marker={
            "color": [colours.bad if each else colours.main for each in marks["outside"]],
            "symbol": ["diamond" if each else "circle" for each in marks["outside"]],
            "size": np.where(marks["outside"], 9, 5 + 2 * np.log2(marks["pros"].astype(float))),
            "opacity": [1.0 if each else PALE for each in marks["outside"]],
        },
        customdata=marks[["label", "k", "n"]],
        hovertemplate="%{customdata[0]}: %{y:.1%}, %{customdata[1]} of %{customdata[2]}<extra></extra>",
        showlegend=False,
    )
    _plain(figure, tick=".0%")
    ticks = [each * 10**power for power in range(1, 7) for each in (1, 2, 5)]
    figure.update_layout(
        xaxis={"type": "log", "title": {"text": "charges (log)"}, "tickvals": ticks},
        height=HEIGHT_PIXELS + 40,
    )
    return figure


FUNNEL_CURVE: Final = 2


def curves(lines: dict[str, list[tuple[float, float]]], unit: str) -> go.Figure:
    """Shares done within so many hours or days, one step line a name: [(unit, share done)]."""
    colours = palette()
    looks = [(colours.main, "solid"), (colours.bad, "dash"), (colours.calm, "dot")]
    figure = go.Figure()
    for (name, points), (colour, dash) in zip(lines.items(), looks, strict=False):
        figure.add_scatter(
            x=[0, *(at for at, _ in points)], y=[0, *(share for _, share in points)], mode="lines", name=name,
            line={"shape": "hv", "color": colour, "dash": dash},
            hovertemplate="%{y:.0%} within %{x} " + unit + "<extra>" + name + "</extra>",
        )  # fmt: skip
    _plain(figure, tick=".0%")
    figure.update_layout(xaxis={"type": "linear", "title": {"text": unit}, "rangemode": "tozero"})
    figure.update_yaxes(range=[0, 1.02])
    return figure


def heat(frame: pd.DataFrame) -> go.Figure:
    """A rate by weekday (rows) and hour (columns). Columns: day, hour, rate, k, n."""
    days = ["Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun"]
    grid = frame.pivot_table(index="day", columns="hour", values=["rate", "k", "n"], aggfunc="sum")
    wide: dict[str, Any] = {
        name: pd.DataFrame(grid[name]).reindex(index=range(1, 8), columns=range(24))
        for name in ("rate", "k", "n")
    }
    dark = st.context.theme.type == "dark"
    scale = st.get_option(f"theme.{'dark' if dark else 'light'}.chartSequentialColors")
    figure = go.Figure(
        go.Heatmap(
            z=wide["rate"], x=list(range(24)), y=days, xgap=1, ygap=1, zmin=0,
            colorscale=list(scale), colorbar={"tickformat": ".0%", "thickness": 10, "outlinewidth": 0},
            customdata=np.dstack([wide["k"], wide["n"]]),
            hovertemplate="%{y} %{x} h: %{z:.0%} late, %{customdata[0]} of %{customdata[1]}<extra></extra>",
        )
    )  # fmt: skip
    _plain(figure, tick=None)
    figure.update_layout(
        xaxis={"type": "linear", "dtick": 3}, yaxis={"type": "category", "autorange": "reversed"}, height=240
    )
    return figure


def bars(frame: pd.DataFrame, what: str) -> go.Figure:
    """Counts by a number or a word. Columns: label, n."""
    figure = go.Figure(
        go.Bar(
            x=frame["label"], y=frame["n"], marker={"color": palette().main},
            hovertemplate="%{x}: %{y:,} " + what + "<extra></extra>",
        )
    )  # fmt: skip
    return _plain(figure, tick=None)


def _plain(figure: go.Figure, *, tick: str | None) -> go.Figure:
    axis: dict[str, Any] = {"rangemode": "tozero"} | ({"tickformat": tick} if tick else {})
    figure.update_layout(
        height=HEIGHT_PIXELS,
        margin={"l": 8, "r": 8, "t": 8, "b": 8},
        yaxis=axis,
        xaxis={"type": "category"},
        legend={"orientation": "h", "y": 1.14, "x": 0},
        bargap=0.25,
        dragmode=False,
    )
    return figure
