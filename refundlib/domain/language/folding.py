"""Text made even, character by character, so that a place in it is a place in the original."""

import unicodedata
from collections.abc import Iterator
from functools import lru_cache
from re import Pattern
from typing import NamedTuple

_ODD = {"’": "'", "‘": "'", "`": "'", "´": "'", "“": '"', "”": '"', "–": "-", "—": "-", "\u00a0": " "}


class Span(NamedTuple):
    """A stretch of text in code points, end exclusive."""

    start: int
    end: int


def folded(text: str) -> str:
    """Lower case, without accents, with plain quotes; exactly as long as the text."""
    if text.isascii():
        return text.lower()
    return "".join(map(_folded, text))


@lru_cache(maxsize=4096)
def _folded(character: str) -> str:
    plain = _ODD.get(character) or unicodedata.normalize("NFD", character)[0].lower()
    return plain if len(plain) == 1 else character


def spans(pattern: Pattern[str], text: str) -> Iterator[Span]:
    """Where a pattern occurs in folded text."""
    for match in pattern.finditer(text):
        yield Span(*match.span())


def blanked(text: str, pattern: Pattern[str]) -> str:
    """The text with every occurrence of a pattern turned into blanks, its length kept."""
    return pattern.sub(lambda match: " " * len(match[0]), text)
