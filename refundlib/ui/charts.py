"""Charts: a frame in, a figure out. Few marks, direct words, axes from zero."""

from typing import Any, Final

import pandas as pd
import plotly.graph_objects as go

ACCENT: Final = "#0F6466"
LATE: Final = "#C0392B"
PALE: Final = 0.4
HEIGHT_PIXELS: Final = 330


def rate_by_month(frame: pd.DataFrame) -> go.Figure:
    """Bars of a rate with its 95 % interval. Columns: key, rate, low, high, n, k, maturing (bool)."""
    figure = go.Figure(
        go.Bar(
            x=frame["key"],
            y=frame["rate"],
            marker={"color": ACCENT, "opacity": [PALE if young else 1.0 for young in frame["maturing"]]},
            error_y={
                "type": "data",
                "symmetric": False,
                "array": frame["high"] - frame["rate"],
                "arrayminus": frame["rate"] - frame["low"],
                "thickness": 1,
                "width": 3,
            },
            customdata=frame[["k", "n"]],
            hovertemplate="%{x}: %{y:.1%} (%{customdata[0]} of %{customdata[1]})<extra></extra>",
        )
    )
    return _plain(figure, percent=True)


def met_and_breached(frame: pd.DataFrame) -> go.Figure:
    """Stacked bars by week. Columns: key, met, breached."""
    figure = go.Figure(
        [
            go.Bar(x=frame["key"], y=frame["met"], name="met", marker={"color": ACCENT}),
            go.Bar(x=frame["key"], y=frame["breached"], name="breached", marker={"color": LATE}),
        ]
    )
    figure.update_layout(barmode="stack")
    return _plain(figure, percent=False)


def _plain(figure: go.Figure, *, percent: bool) -> go.Figure:
    axis: dict[str, Any] = (
        {"rangemode": "tozero", "tickformat": ".0%"} if percent else {"rangemode": "tozero"}
    )
    figure.update_layout(
        height=HEIGHT_PIXELS,
        margin={"l": 8, "r": 8, "t": 8, "b": 8},
        yaxis=axis,
        xaxis={"type": "category"},
        legend={"orientation": "h", "y": 1.12, "x": 0},
        bargap=0.25,
    )
    return figure
