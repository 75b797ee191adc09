"""The dialogs of a claim: what is asked before something is posted. Enter posts, Esc leaves."""

from collections.abc import Callable
from decimal import Decimal, InvalidOperation
from typing import Any

import streamlit as st

from refundlib.domain.errors import BadAmount, Refusal
from refundlib.domain.money import exponent
from refundlib.services import card_refunds, decisions, triage
from refundlib.services.claims import Claim
from refundlib.ui import words
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
    reason, posted = _asked("Reason", label, due) if due else ("", _posted(label))
    if posted:
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
    reason, posted = _asked("Reason", "Approve this amount", "The pro reads it in the mail.")
    if posted:
        _try(lambda: _decide(visit, it, "approve", key, reason, minor_units(text, currency)))


def minor_units(text: str, currency: str) -> int:
    """An amount as a person types it, in minor units: "12.50", "USD" gives 1250. Raises BadAmount."""
    try:
        scaled = Decimal(text.strip().lstrip("$€£").replace(",", "")) * 10 ** exponent(currency)
        if not scaled.is_finite() or scaled != scaled.to_integral_value():
            raise InvalidOperation
    except InvalidOperation:
        raise BadAmount(f"{text!r} is no amount in {currency}. Write it like 12.50.") from None
    return int(scaled)


@st.dialog("Ask the pro", width="medium")
def ask(visit: Visit, it: Claim) -> None:
    """A question by mail; the clock stops until the pro writes."""
    question, posted = _asked(
        "What do you need to know?", "Send the question", "The clock stops until the pro answers."
    )
    if posted:
        _act(
            lambda: triage.ask_pro(visit.desk, visit.person, it.report["report_id"], question),
            "The question is on its way; the clock stands still.",
        )


@st.dialog("Withdraw the report", width="medium")
def withdraw(visit: Visit, it: Claim) -> None:
    """The pro takes the report back."""
    reason, posted = _asked("Why does the pro take it back?", "Withdraw")
    if posted:
        _act(lambda: triage.withdraw(visit.desk, visit.person, it.report["report_id"], reason), "Withdrawn.")


@st.dialog("Release the approval", width="medium")
def second(visit: Visit, it: Claim, key: str) -> None:
    """The second approval above the limit."""
    amount = words.money(it.report["proposed_amount"], it.report["currency"])
    st.markdown(f"Release **{amount}**, proposed by {words.plain(it.report['proposed_by_name'])}.")
    if _posted("Release"):
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
    reason, posted = _asked("Why?", "Send back")
    if posted:
        _act(
            lambda: decisions.send_back(visit.desk, visit.person, it.report["report_id"], reason),
            "Sent back to the queue.",
        )


@st.dialog("Undo the approval", width="medium")
def undo(visit: Visit, it: Claim) -> None:
    """Takes the credit back while all of it is there."""
    reason, posted = _asked("Why?", "Undo", "The pro is told.")
    if posted:
        _stay(
            lambda: decisions.undo(visit.desk, visit.person, it.report["report_id"], reason),
            "Undone: the claim is open again.",
        )


@st.dialog("Reopen (appeal)", width="medium")
def reopen(visit: Visit, it: Claim) -> None:
    """A new round, judged by another person."""
    reason, posted = _asked("What is new?", "Reopen")
    if posted:
        _stay(
            lambda: triage.reopen(visit.desk, visit.person, it.report["report_id"], reason),
            "Reopened, with a new deadline.",
        )


@st.dialog("Refund to the card", width="medium")
def card(visit: Visit, it: Claim) -> None:
    """Asks for what is unspent of the credit to go back to the card."""
    left = words.money(it.report["credit_remaining"], it.report["currency"])
    st.markdown(
        f"**{left}** of this credit is unspent. It goes back to the payments behind it, newest first."
    )
    if _posted("Request the card refund"):
        _stay(
            lambda: card_refunds.request(visit.desk, visit.person, it.report["report_id"]),
            "Requested: the money is held until the processor answers.",
        )


# -- posting --------------------------------------------------------------------------------------------


def _asked(question: str, label: str, hint: str = "") -> tuple[str, bool]:
    """A line to fill and the button that posts it; Enter in the line posts too."""
    with st.form(f"ask-{label}", border=False):
        text = st.text_input(question, placeholder=hint, max_chars=2000)
        posted = st.form_submit_button(label, type="primary")
    return text, posted


def _posted(label: str) -> bool:
    return st.button(label, type="primary", shortcut="Enter", key=f"post-{label}")


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


def _stay(do: Callable[[], Any], told: str) -> None:
    """Does something to the claim and stays on it."""
    try:
        do()
    except Refusal as refusal:
        st.error(str(refusal))
        return
    tell(told)
    st.rerun()
