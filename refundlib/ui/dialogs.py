"""What dialogs share: a question with its button, a button that Enter presses, amounts typed."""

from collections.abc import Callable
from decimal import Decimal, InvalidOperation
from typing import Any

import streamlit as st

from refundlib.domain.errors import BadAmount, Refusal
from refundlib.domain.money import exponent
from refundlib.ui.shell import tell


def asked(question: str, label: str, hint: str = "") -> tuple[str, bool]:
    """A line to fill and the button that posts it; Enter in the line posts too."""
    with st.form(f"ask-{label}", border=False):
        text = st.text_input(question, placeholder=hint, max_chars=2000)
        is_posted = st.form_submit_button(label, type="primary")
    return text, is_posted


def posted(label: str) -> bool:
    """The button that posts; Enter presses it."""
    return st.button(label, type="primary", shortcut="Enter", key=f"post-{label}")


def stay(do: Callable[[], Any], told: str) -> None:
    """Does something and stays on the page, with a sentence of what was done; a refusal stays in sight."""
    try:
        do()
    except Refusal as refusal:
        st.error(str(refusal))
        return
    tell(told)
    st.rerun()


def minor_units(text: str, currency: str) -> int:
    """An amount as a person types it, in minor units: "12.50", "USD" gives 1250. Raises BadAmount."""
    try:
        scaled = Decimal(text.strip().lstrip("$€£").replace(",", "")) * 10 ** exponent(currency)
        if not scaled.is_finite() or scaled != scaled.to_integral_value():
            raise InvalidOperation
    except InvalidOperation:
        raise BadAmount(f"{text!r} is no amount in {currency}. Write it like 12.50.") from None
    return int(scaled)
