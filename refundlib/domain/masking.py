"""What a viewer may read of people: enough to follow a claim, not enough to reach anybody."""

import re
from collections.abc import Iterable, Mapping
from typing import Any, Final

HIDDEN: Final = "•••"
_ADDRESS: Final = re.compile(r"[^\s<>@,;:]+@[^\s<>@,;:]+")
_WORD: Final = re.compile(r"[^\W\d_]{3,}")
_PHONE: Final = re.compile(r"\+?\d[\d\s().-]{6,40}\d")


def mask_text(text: str, *names: str) -> str:
    """A text without mail addresses, without numbers that could be a phone's, without the names given.

    A word of a name is hidden too, as people are spoken to by it: those of three letters and more.
    """
    for name in filter(None, names):
        text = text.replace(name, HIDDEN)
        for word in _WORD.findall(name):
            text = re.sub(rf"\b{re.escape(word)}\b", HIDDEN, text, flags=re.IGNORECASE)
    return _PHONE.sub(HIDDEN, _ADDRESS.sub(HIDDEN, text))


def mask_messages(messages: Iterable[Mapping[str, Any]], *names: str) -> list[dict[str, Any]]:
    """Messages whose words are masked."""
    return [{**message, "body": mask_text(message["body"], *names)} for message in messages]


def mask_phone(phone: str) -> str:
    """The last two digits of a phone number."""
    return f"{HIDDEN}{phone[-2:]}" if phone else ""
