"""What people write: texts of a bounded length that a database can keep, reasons, words to search for."""

from typing import Final

from refundlib.domain.errors import BadFigure, ReasonMissing

REASON_CHARACTERS_MAX: Final = 4000


def demand_text(what: str, text: str, most: int) -> None:
    """Raises BadFigure for a text that is longer than `most` characters, or that no database keeps."""
    if len(text) > most:
        raise BadFigure(f"{what} can have {most} characters, not {len(text)}. Shorten the text.")
    if "\x00" in text or any("\ud800" <= sign <= "\udfff" for sign in text):
        raise BadFigure(f"{what} can only have signs that can be read. Write it again.")


def containing(text: str) -> str:
    """The pattern of ILIKE for a text anywhere, every sign standing for itself."""
    escaped = text.replace("\\", "\\\\").replace("%", "\\%").replace("_", "\\_")
    return f"%{escaped}%"


def demand_reason(reason: str, what: str) -> str:
    """The reason without surrounding blanks. Raises ReasonMissing when empty or too long, BadFigure."""
    text = reason.strip()
    if not text:
        raise ReasonMissing(f"{what} needs a written reason. Write one sentence; it is kept with the claim.")
    if len(text) > REASON_CHARACTERS_MAX:
        raise ReasonMissing(f"The reason has {len(text)} characters; {REASON_CHARACTERS_MAX} is the most.")
    demand_text("A reason", text, REASON_CHARACTERS_MAX)
    return text
