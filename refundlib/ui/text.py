"""Text of second rank."""

import streamlit as st


def quiet(markdown: str) -> None:
    """Small and grey, dark enough to read in light and dark, which st.caption is not."""
    st.markdown(f":small[:gray[{markdown}]]")
