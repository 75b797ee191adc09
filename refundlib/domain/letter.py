"""What a letter to a pro is."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Letter:
    """A mail's words: subject and plain-text body."""

    subject: str
    body: str
