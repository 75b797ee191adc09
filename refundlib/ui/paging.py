"""Pages of a list, named in the address: ?after=… is where a page begins."""

import streamlit as st

_AFTER = "after"


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
