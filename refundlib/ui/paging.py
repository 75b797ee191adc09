"""Parts of a page and pages of a list, named in the address: ?after=… is where a page begins."""

from collections.abc import Sequence

import streamlit as st

_AFTER = "after"


def part(options: Sequence[str], key: str) -> str:
    """Which part of a page is shown; it lives in the address. What `open_part` asked for comes first.

    Before the widget is painted, as it takes its value then.
    """
    if wanted := st.session_state.pop(f"open_{key}", None):
        st.session_state[key] = wanted
    chosen = st.segmented_control(
        "Show",
        options,
        default=None if key in st.session_state else options[0],
        required=True,
        key=key,
        bind="query-params",
        on_change=first_page,
        label_visibility="collapsed",
    )
    return chosen or options[0]


def open_part(key: str, wanted: str) -> None:
    """The part that is shown when its page is painted next, whatever was shown there last."""
    st.session_state[f"open_{key}"] = wanted


def after() -> str | None:
    """Where the page begins that the address names; None for the first."""
    return st.query_params.get(_AFTER)


def first_page() -> None:
    """Another filter is another list: it begins at its first page."""
    st.query_params.pop(_AFTER, None)


def turn(next_after: str | None) -> None:
    """The buttons that turn the page, where there is one to turn to."""
    if after() and st.button("First page", icon=":material/first_page:"):
        first_page()
        st.rerun()
    if next_after and st.button("Next page", icon=":material/chevron_right:"):
        st.query_params[_AFTER] = next_after
        st.rerun()
