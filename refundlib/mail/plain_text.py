"""Text of mails, whatever their senders did to it: bytes of any charset, HTML, signs nothing can show.

Nothing in HTML is followed: no picture, style or link is ever fetched.
"""

import re
from html import unescape
from typing import Final

# Read of one part; more than any letter has, and little enough for the slowest parser.
TEXT_BYTES_MAX: Final = 200_000
# Declared by mails of every kind: many of them are UTF-8 in truth, else what Windows made of Latin-1.
_LATIN: Final = frozenset(
    {"", "ascii", "us-ascii", "utf-8", "utf8", "latin1", "latin-1", "iso-8859-1", "iso8859-1", "windows-1252"}
    | {"cp1252", "unknown-8bit", "8bit", "default"}
)
# Python has these as charsets; no mail does.
_NO_CHARSETS: Final = frozenset(
    {"punycode", "idna", "unicode_escape", "unicode-escape", "raw_unicode_escape", "raw-unicode-escape"}
)
_BLOCKS: Final = frozenset(
    {"address", "article", "blockquote", "br", "div", "dd", "dl", "dt", "footer", "form", "h1", "h2", "h3"}
    | {"h4", "h5", "h6", "header", "hr", "li", "main", "ol", "p", "pre", "section", "table", "tr", "ul"}
)
# Nobody sees these, nor what is in them.
_SKIPPED: Final = (("<!--", "-->"), ("<script", "</script"), ("<style", "</style"), ("<title", "</title"))
_TAG: Final = re.compile(
    r"""<(?:[!?][^<>]{0,4000}|(/?)([a-z][a-z0-9:-]{0,30})(?:(?:[^<>"']|"[^"<]{0,4000}"|'[^'<]{0,4000}'){0,4000}|[^<>]{0,4000}))>""",
    re.IGNORECASE,
)
# Signs that are not text: all controls but tab and line break, and half characters.
_UNPRINTED: Final = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\ud800-\udfff\ufeff]")


def decoded(content: bytes, charset: str) -> str:
    """Bytes as text, whatever charset they claim to be in; never raises."""
    content, name = content[:TEXT_BYTES_MAX], charset.strip().lower()
    if name not in _LATIN and name not in _NO_CHARSETS:
        try:
            return content.decode(name, "replace")
        except Exception:  # a name nobody has, or a codec that is none of text
            name = ""
    try:
        return content.decode("utf-8")
    except UnicodeDecodeError:
        # A last character that was cut in two is no reason to read the whole as something else.
        is_cut = len(content) == TEXT_BYTES_MAX
        return content.decode("utf-8" if is_cut else "cp1252", "replace")


def cleaned(text: str, most: int) -> str:
    """Text that a database keeps and a page shows: at most `most` characters, plain line breaks."""
    even = text[: 2 * most].replace("\r\n", "\n").replace("\r", "\n").replace("\u2028", "\n")
    return _UNPRINTED.sub("", even)[:most]


def one_line(text: str, most: int) -> str:
    """A header's text: single blanks, no line break, at most `most` characters."""
    return " ".join(_UNPRINTED.sub(" ", text[: 4 * most]).split())[:most]


def text_of_html(html: str) -> str:
    """What a reader of the HTML would see, line by line; quoted passages begin with "> ". Never raises.

    The time grows with the length only. Not by html.parser: 60,000 tags that never end cost it minutes.
    """
    seen = html
    for begin, end in _SKIPPED:
        seen = _without(seen, begin, end)
    page = _Page()
    place = 0
    for tag in _TAG.finditer(seen):
        page.add(seen[place : tag.start()])
        page.turn(is_end=bool(tag[1]), name=(tag[2] or "").lower())
        place = tag.end()
    page.add(seen[place:])
    return page.text()


def _without(html: str, begin: str, end: str) -> str:
    """The HTML without every passage from `begin` to `end`; one that never ends takes the rest with it."""
    lower = html.lower()
    if len(lower) != len(html):  # a capital that has two small letters: places differ
        html = lower
    kept, place = [], 0
    while (start := lower.find(begin, place)) >= 0:
        kept.append(html[place:start])
        stop = lower.find(end, start + len(begin))
        if stop < 0 or (closed := lower.find(">", stop)) < 0:
            return "".join(kept)
        place = closed + 1
    return "".join([*kept, html[place:]])


class _Page:
    """Gathers what is seen, a line for each block."""

    def __init__(self) -> None:
        self._lines: list[str] = []
        self._line: list[str] = []
        self._quoted = 0

    def add(self, text: str) -> None:
        """Text between tags."""
        self._line.append(unescape(text))

    def turn(self, *, is_end: bool, name: str) -> None:
        """A tag: a block begins or ends a line."""
        if name in _BLOCKS:
            self._break()
        elif name in ("td", "th"):
            self._line.append(" ")
        if name == "blockquote":
            self._quoted = max(self._quoted + (-1 if is_end else 1), 0)

    def _break(self) -> None:
        line = " ".join("".join(self._line).split())
        self._line.clear()
        if line or (self._lines and self._lines[-1]):
            self._lines.append("> " * min(self._quoted, 3) + line if line else "")

    def text(self) -> str:
        """All lines so far."""
        self._break()
        return "\n".join(self._lines).strip()
