"""Filters that live in the address: one of some options, or any; days of a calendar."""

from collections.abc import Callable, Mapping
from datetime import date, timedelta

import streamlit as st


def choice(
    label: str, key: str, options: Mapping[str, str], *, on_change: Callable[[], None], width: int
) -> str | None:
    """The option chosen, None for any. options: what each is called; width in pixels."""
    chosen: str | None = st.selectbox(
        label,
        list(options),
        index=None,
        format_func=lambda name: options[name],
        key=key,
        bind="query-params",
        placeholder="any",
        on_change=on_change,
        width=width,
    )
    return chosen


def days(
    label: str,
    last: date,
    count: int,
    *,
    earliest: date | None = None,
    on_change: Callable[[], None] | None = None,
) -> tuple[date, date]:
    """The first day chosen in a calendar and the day after the last; `count` days up to `last` unless chosen.

    Until the second day is chosen, the first alone.
    """
    default = (last - timedelta(days=count - 1), last)
    chosen: tuple[date, ...] = st.date_input(
        label,
        default,
        min_value=earliest,
        max_value=last,
        format="YYYY-MM-DD",
        key="days",
        bind="query-params",
        on_change=on_change,
        width=230,
    )
    chosen = chosen or default
    return chosen[0], chosen[-1] + timedelta(days=1)
