"""The dialogs of a claim: what is asked before something is posted. Enter posts, Esc leaves."""

from collections.abc import Callable
from typing import Any

import streamlit as st

from refundlib.domain.errors import Refusal
from refundlib.domain.money import decimal_text
from refundlib.services import answers, card_refunds, decisions, triage
from refundlib.services.claims import Claim
from refundlib.ui import claim_parts, evidence, words
from refundlib.ui.dialogs import asked, minor_units, posted, stay
from refundlib.ui.shell import Visit, tell


@st.dialog("Decide", width="medium")
def decide(visit: Visit, it: Claim, decision: str, key: str) -> None:
    """Approve in full, or deny. key: the idempotency key of this dialog."""
    label = "Approve" if decision == "approve" else "Deny"
    who = words.plain(it.facts["pro"]["name"])
    if decision == "approve":
        st.markdown(f"Credit **{words.plain(it.amount_text)}** to {who}’s balance at once, and mail them.")
    else:
        st.markdown(f"Deny {words.plain(it.report['report_id'])}. {who} reads your reason in the mail.")
    due = _reason_due(it, decision)
    reason, is_posted = asked("Reason", label, due) if due else ("", posted(label))
    if is_posted:
        _try(lambda: _decide(visit, it, decision, key, reason, None))


def _decide(visit: Visit, it: Claim, decision: str, key: str, reason: str, amount: int | None) -> str:
    return decisions.decide(
        visit.desk,
        visit.person,
        it.report["report_id"],
        decision,
        expected_version=it.report["version"],
        idempotency_key=key,
        amount_minor=amount,
        currency=it.report["currency"],
        reason=reason,
    ).message


def _reason_due(it: Claim, decision: str) -> str | None:
    """Why words are due, as the service will ask; None where none are."""
    if decision == "deny":
        return "Every denial gives its reason."
    if it.assessment.recommendation == "deny":
        return "The checks advise to deny: say why this is approved all the same."
    if it.report["reason"] == "other":
        return "A refund at discretion (D1) gives its reason."
    return None


@st.dialog("Part of the charge, or goodwill", width="medium")
def part(visit: Visit, it: Claim, key: str) -> None:
    """A smaller amount than the charge, with a reason."""
    currency = it.report["currency"]
    st.markdown(f"The charge was {words.plain(it.amount_text)}.")
    text = st.text_input(f"Amount in {currency}", key=f"amount-{key}")
    reason, is_posted = asked("Reason", "Approve this amount", "The pro reads it in the mail.")
    if is_posted:
        _try(lambda: _decide(visit, it, "approve", key, reason, minor_units(text, currency)))


@st.dialog("Ask the pro", width="medium")
def ask(visit: Visit, it: Claim) -> None:
    """A question by mail; the clock stops until the pro writes."""
    question, is_posted = asked(
        "What do you need to know?", "Send the question", "The clock stops until the pro answers."
    )
    if is_posted:
        _act(
            lambda: triage.ask_pro(visit.desk, visit.person, it.report["report_id"], question),
            "The question is on its way; the clock stands still.",
        )


@st.dialog("The pro answered", width="medium")
def answered(visit: Visit, it: Claim) -> None:
    """What the pro said on the phone, or in a mail that came another way; the clock goes on."""
    how = st.radio(
        "How?",
        ("phone", "email"),
        format_func=answers.HOW.__getitem__,
        horizontal=True,
    )
    if question := next((row for row in reversed(it.timeline) if row["action"] == "asked_pro"), None):
        st.markdown(f"We asked: “{words.plain(question['reason'])}”")
    files = evidence.uploaded("answer-evidence")
    with st.form("answered", border=False):
        text = st.text_area("What does the pro say?", height=120, placeholder="The clock goes on from now.")
        is_posted = st.form_submit_button("Keep the answer", type="primary")
    if is_posted:
        stay(
            lambda: answers.record_answer(
                visit.desk, visit.person, it.report["report_id"], text, channel=how, files=files()
            ),
            "The answer is on the claim; the clock goes on.",
        )


@st.dialog("Withdraw the report", width="medium")
def withdraw(visit: Visit, it: Claim) -> None:
    """The pro takes the report back."""
    reason, is_posted = asked("Why does the pro take it back?", "Withdraw")
    if is_posted:
        _act(lambda: triage.withdraw(visit.desk, visit.person, it.report["report_id"], reason), "Withdrawn.")


@st.dialog("Release the approval", width="medium")
def second(visit: Visit, it: Claim, key: str) -> None:
    """The second approval above the limit."""
    amount = words.money(it.report["proposed_amount"], it.report["currency"])
    st.markdown(f"Release **{amount}**, proposed by {words.plain(it.report['proposed_by_name'])}.")
    if posted("Release"):
        _try(
            lambda: (
                decisions.second_approval(
                    visit.desk,
                    visit.person,
                    it.report["report_id"],
                    expected_version=it.report["version"],
                    idempotency_key=key,
                ).message
            )
        )


@st.dialog("Send back to the queue", width="medium")
def send_back(visit: Visit, it: Claim) -> None:
    """The second person does not agree."""
    reason, is_posted = asked("Why?", "Send back")
    if is_posted:
        _act(
            lambda: decisions.send_back(visit.desk, visit.person, it.report["report_id"], reason),
            "Sent back to the queue.",
        )


@st.dialog("Undo the approval", width="medium")
def undo(visit: Visit, it: Claim) -> None:
    """Takes the credit back while all of it is there."""
    reason, is_posted = asked("Why?", "Undo", "The pro is told.")
    if is_posted:
        stay(
            lambda: decisions.undo(visit.desk, visit.person, it.report["report_id"], reason),
            "Undone: the claim is open again.",
        )


@st.dialog("Reopen (appeal)", width="medium")
def reopen(visit: Visit, it: Claim) -> None:
    """A new round, judged by another person, with what is new."""
    st.markdown("A denied report is opened again once. Another person judges it, with a deadline of its own.")
    files = evidence.uploaded("new-evidence")
    reason, is_posted = asked("What is new?", "Reopen")
    if is_posted:
        stay(
            lambda: triage.reopen(visit.desk, visit.person, it.report["report_id"], reason, files()),
            "Reopened, with a new deadline.",
        )


@st.dialog("Refund to the card", width="medium")
def card(visit: Visit, report_id: str) -> None:
    """What of a credit may go to the card, to which payments, or why nothing may; asks for it."""
    found = card_refunds.offer(visit.desk, visit.person, report_id)
    if found is None:
        st.warning("This claim has no credit that stands.")
        return
    claim_parts.credit_in_words(visit, found)
    if found.why_not:
        st.warning(found.why_not, icon=":material/credit_card_off:")
        return
    most = decimal_text(found.most_minor, found.currency)
    text = st.text_input(f"Amount in {found.currency}", value=most, key=f"card-{report_id}")
    if posted("Request the card refund"):
        stay(
            lambda: card_refunds.request(
                visit.desk, visit.person, report_id, minor_units(text, found.currency)
            ),
            "Requested: the money is held until the processor answers.",
        )


# -- posting --------------------------------------------------------------------------------------------


def _try(do: Callable[[], str]) -> None:
    """Posts a decision, then opens the next claim; a refusal stays in the dialog."""
    try:
        message = do()
    except Refusal as refusal:
        st.error(str(refusal))
        return
    tell(message)
    st.session_state["go_next"] = True
    st.rerun()


def _act(do: Callable[[], Any], told: str) -> None:
    def run() -> str:
        do()
        return told

    _try(run)
