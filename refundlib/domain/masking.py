"""What a viewer may read of people: enough to follow a claim, not enough to reach anybody."""

import re
from typing import Final

HIDDEN: Final = "•••"
_ADDRESS: Final = re.compile(r"[^\s<>@,;:]+@[^\s<>@,;:]+")
_PHONE: Final = re.compile(r"\+?\d[\d\s().-]{6,40}\d")


def mask_text(text: str, *names: str) -> str:
    """A text without mail addresses, without numbers that could be a phone's, without the names given."""
    for name in filter(None, names):
        text = text.replace(name, HIDDEN)
    return _PHONE.sub(HIDDEN, _ADDRESS.sub(HIDDEN, text))


def mask_phone(phone: str) -> str:
    """The last two digits of a phone number."""
    return f"{HIDDEN}{phone[-2:]}" if phone else ""
