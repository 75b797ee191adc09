"""A second, blind look: the claim as it was when it was decided, without who decided it and how."""

from typing import Any

import streamlit as st

from refundlib.services import second_looks
from refundlib.ui import conversation, words
from refundlib.ui.shell import Visit, refusals, show_told, tell
from refundlib.ui.text import quiet

PANEL_PIXELS = 440


def show(visit: Visit) -> None:
    """The page of the second look."""
    show_told()
    with refusals():
        row = second_looks.following(visit.desk, visit.person)
        st.page_link("pages/quality.py", label="Quality", icon=":material/arrow_back:")
        if row is None:
            st.success("Nothing waits for your second look.", icon=":material/task_alt:")
            return
        amount = words.money(row["amount"], row["currency"])
        st.markdown(
            f"### A second look: {words.REASONS[row['reason']]} · {words.plain(row['category'])} · {amount}"
        )
        quiet("Who decided it and how stays hidden until you have said what you would do.")
        left, right = st.columns([10, 11], gap="medium")
        with left, st.container(border=True, height=PANEL_PIXELS):
            _chat(visit, row)
        with right, st.container(border=True, height=PANEL_PIXELS):
            _facts(row)
        _answer(visit, row)


def _chat(visit: Visit, row: dict[str, Any]) -> None:
    spans = conversation.marks(
        (evidence.get("message_id"), evidence["start"], evidence["end"], check["id"])
        for check in row["checks"]
        for evidence in check["evidence"]
    )
    items = conversation.of_frozen(row["facts"]["messages"], spans, visit.person)
    conversation.show(
        items,
        focus=None,
        height=PANEL_PIXELS - 36,
        key=f"look-{row['decision_id']}",
        empty="No message was exchanged before the report.",
    )


def _facts(row: dict[str, Any]) -> None:
    for check in row["checks"]:
        if check["status"] != "not_applicable":
            st.markdown(f"**{words.MARKS[check['status']]} {check['clause']}** {words.plain(check['why'])}")
    lead, report, customer = (row["facts"][name] for name in ("lead", "report", "customer"))
    st.markdown(
        f"**Lead** {lead['kind']} · {words.plain(lead['category'])} · zip {words.plain(lead['zip'])}  \n"
        f"“{words.plain(lead['description'])}”  \n"
        f"**Phone** {words.plain(customer['phone']) or 'none'}  \n"
        f"**The pro says** {words.plain(report['details']) or 'nothing'}"
    )


def _answer(visit: Visit, row: dict[str, Any]) -> None:
    with st.form(f"look-{row['decision_id']}", border=False):
        note = st.text_input("Why", placeholder="In a few words: what decides it for you.")
        with st.container(horizontal=True):
            approve = st.form_submit_button("I would approve", icon=":material/check:")
            deny = st.form_submit_button("I would deny", icon=":material/close:")
    if approve or deny:
        _keep(visit, row["decision_id"], "approve" if approve else "deny", note)


def _keep(visit: Visit, decision_id: str, decision: str, note: str) -> None:
    with refusals():
        second_looks.record(visit.desk, visit.person, decision_id, decision, note)
        tell("Kept. Here is the next one.")
        st.rerun()
