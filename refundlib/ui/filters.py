"""A filter that lives in the address: one of some options, or any."""

from collections.abc import Callable, Mapping

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
