"""The desk of this server: opened once, shared by every session and by the routes beside the app."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import streamlit as st

from refundlib.bootstrap import close_desk_of_app, open_desk_for_app
from refundlib.services.desk import Desk


# No spinner: a webhook may be the first to open it, and has no page to show one on.
@st.cache_resource(show_spinner=False)
def desk() -> Desk:
    """The one desk, from any thread. Raises a Refusal (DatabaseDown, MigrationBehind …), then tries anew."""
    return open_desk_for_app()


@asynccontextmanager
async def closed_at_the_end(_app: st.App) -> AsyncIterator[None]:
    """While the server runs; when it stops, whatever it opened is closed."""
    yield
    close_desk_of_app()
