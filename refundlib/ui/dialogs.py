"""What dialogs share: a question with its button, a button that Enter presses, amounts typed."""

import re
from collections.abc import Callable
from typing import Any, Final

import streamlit as st

from refundlib.domain.errors import BadAmount, Refusal
from refundlib.domain.money import decimal_text, exponent
from refundlib.ui.shell import tell

AMOUNT_CHARACTERS_MAX: Final = 20
# A comma stands before groups of three digits only: 12,50 is asked about, not read as 1250.
_AMOUNT: Final = re.compile(r"(?P<whole>[0-9]+|[0-9]{1,3}(?:,[0-9]{3})+)(?:\.(?P<part>[0-9]+))?", re.ASCII)


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
    number = text.strip().lstrip("$€£").strip()
    digits = exponent(currency)
    found = _AMOUNT.fullmatch(number)
    if found is None or len(found["part"] or "") > digits or len(number) > AMOUNT_CHARACTERS_MAX:
        example = decimal_text(1250 * 10**digits // 100, currency)
        raise BadAmount(f"{text[:40]!r} is no amount in {currency}. Write it like {example}.")
    return int(found["whole"].replace(",", "") + (found["part"] or "").ljust(digits, "0"))
