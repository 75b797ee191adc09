"""The mail on the screen: what went out, what waits and why, each to be read."""

import pandas as pd
import streamlit as st

from refundlib.services import mailing
from refundlib.ui import words
from refundlib.ui.shell import Visit, refusals
from refundlib.ui.text import quiet

_STATES = {"queued": "Waiting", "sent": "Sent", "refused": "Refused", "historic": "Historic"}


def show(visit: Visit) -> None:
    """The mail page."""
    with refusals():
        _head(visit)
        state = st.segmented_control(
            "Show",
            list(_STATES),
            format_func=_STATES.__getitem__,
            key="mail_state",
            bind="query-params",
            label_visibility="collapsed",
        )
        rows = mailing.mails(visit.desk, visit.person, state=state)
        if not rows:
            st.info("No mail here yet.", icon=":material/mail:")
            return
        left, right = st.columns([3, 2])
        with left:
            chosen = _table(visit, rows)
        with right:
            _letter(visit, rows[chosen]["mail_id"])


def _head(visit: Visit) -> None:
    waiting = mailing.waiting(visit.desk, visit.person)
    if not waiting["server_is_set"]:
        st.warning(
            f"No mail server is set: {waiting['queued']} mails wait here, to be read, and are not sent. "
            "Set REFUNDS_SMTP_URL to send them.",
            icon=":material/unsubscribe:",
        )
    else:
        st.markdown(f"**{waiting['queued']} waiting**, {waiting['due']} due now")


def _table(visit: Visit, rows: list[mailing.Row]) -> int:
    frame = pd.DataFrame(
        [
            {
                "Written": words.moment(row["created_at"], visit.person),
                "Where it is": row["status"],
                "To": row["to_name"],
                "Subject": row["subject"],
                "Report": f"/claim?claim={row['report_id']}",
            }
            for row in rows
        ]
    )
    link = st.column_config.LinkColumn(display_text=r"claim=(.+)$")
    picked = st.dataframe(
        frame,
        hide_index=True,
        column_config={"Report": link, "Where it is": st.column_config.TextColumn(width=150)},
        on_select="rerun",
        selection_mode="single-row-required",
        height=560,
    )
    selected = picked["selection"]["rows"]
    return selected[0] if selected else 0


def _letter(visit: Visit, mail_id: int) -> None:
    mail = mailing.mail(visit.desk, visit.person, mail_id)
    with st.container(border=True):
        st.markdown(f"**{words.plain(mail['subject'])}**")
        st.text(f"To {mail['to_name']} · {mail['to_address']}")  # as text: Markdown would make a link of it
        st.code(mail["body"], language=None, wrap_lines=True)
        quiet(words.plain(mail["status"]))
