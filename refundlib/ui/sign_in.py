"""Signing in. For now: pick a demo person, on this machine only. Real sign-in replaces this module."""

from typing import Any, Final

import streamlit as st

from refundlib.config import is_loopback
from refundlib.services.desk import Desk
from refundlib.services.people import people
from refundlib.ui.text import quiet
from refundlib.ui.words import plain

_PERSON: Final = "person_id"
_DEEDS: Final = {
    "support": "works the queue",
    "manager": "oversees, releases, measures",
    "finance": "card refunds and the ledger",
    "admin": "people and settings",
    "viewer": "reads, names hidden",
}


def signed_in() -> str | None:
    """The id of who signed in, if anybody."""
    return st.session_state.get(_PERSON)


def sign_out() -> None:
    """Forgets who signed in."""
    st.session_state.pop(_PERSON, None)


def show(desk: Desk) -> None:
    """The sign-in page."""
    st.title("Refund Desk")
    if not _is_this_machine():
        st.error(
            "Signing in as a demo person works only on the machine the desk runs on. This server listens "
            "to others; start it on 127.0.0.1, or set up real sign-in.",
            icon=":material/lock:",
        )
        return
    rows = [row for row in people(desk) if row["active"]]
    if not rows:
        st.info("Nobody works here yet. Add people with `refunds user add`, or load `refunds demo-data`.")
        return
    st.markdown("**Demo sign-in** · who do you want to be?")
    for start in range(0, len(rows), 3):
        for column, row in zip(st.columns(3), rows[start : start + 3], strict=False):
            with column:
                _card(row)


def _is_this_machine() -> bool:
    """Whether only this machine can reach the server: by its address, and with no proxy in front."""
    forwarded = any(name.lower().startswith("x-forwarded") for name in st.context.headers)
    return is_loopback(st.get_option("server.address")) and not forwarded


def _card(row: dict[str, Any]) -> None:
    with st.container(border=True):
        st.markdown(f"**{plain(row['name'])}**")
        roles = row["roles"]
        quiet(" · ".join(f"{role}: {_DEEDS[role]}" for role in roles))
        st.button(
            f"Continue as {plain(row['name'].split()[0])}",
            key=f"sign-in-{row['person_id']}",
            on_click=_sign_in,
            args=(row["person_id"],),
            width="stretch",
        )


def _sign_in(person_id: str) -> None:
    st.session_state[_PERSON] = person_id
