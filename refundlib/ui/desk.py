"""The desk of this server: opened once, shared by every session."""

import streamlit as st

from refundlib.bootstrap import open_desk_for_app
from refundlib.services.desk import Desk


@st.cache_resource(show_spinner="Opening the desk …")
def desk() -> Desk:
    """The one desk. Raises a Refusal (DatabaseDown, MigrationBehind …) and is tried again at the next run."""
    return open_desk_for_app()
