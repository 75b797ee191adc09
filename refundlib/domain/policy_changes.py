"""What two states of a policy differ in: figures, the words of clauses and the pages they come from."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from difflib import SequenceMatcher
from typing import Any, Final, Literal

from refundlib.domain.policy import CLAUSES, LABELS

# What of a version or draft makes a policy, as a mapping with these keys; clauses and sources are mappings.
Row = Mapping[str, Any]
Kind = Literal["figure", "text", "page"]
Piece = tuple[str, bool]
_WORD: Final = re.compile(r"\w+|[^\w\s]")


@dataclass(frozen=True)
class Change:
    """One difference. name: the figure's name, or the clause whose text or page differs."""

    kind: Kind
    name: str
    old: Any
    new: Any


def changes(old: Row, new: Row) -> list[Change]:
    """Every difference from one state to another: figures, then clause by clause the text and the page."""
    before, after = _parts(old), _parts(new)
    return [
        Change(kind, name, before[kind, name], value)
        for (kind, name), value in after.items()
        if before[kind, name] != value
    ]


def taken_over(base: Row, draft: Row, newest: Row) -> dict[str, Any]:
    """A draft begun from `base`, as if from `newest`: what it changed stays, the rest is the newest's."""
    begun, mine, theirs = _parts(base), _parts(draft), _parts(newest)
    merged = {part: mine[part] if mine[part] != begun[part] else theirs[part] for part in mine}
    return {
        **{name: merged["figure", name] for name in LABELS},
        "clauses": {clause: merged["text", clause] for clause in CLAUSES},
        "sources": {clause: merged["page", clause] for clause in CLAUSES if merged["page", clause]},
    }


def _parts(row: Row) -> dict[tuple[Kind, str], Any]:
    parts: dict[tuple[Kind, str], Any] = {("figure", name): row[name] for name in LABELS}
    for clause in CLAUSES:
        parts["text", clause] = row["clauses"].get(clause, CLAUSES[clause])
        parts["page", clause] = row["sources"].get(clause, "")
    return parts


def changed_words(old: str, new: str) -> tuple[list[Piece], list[Piece]]:
    """Both texts in pieces, each with whether the other text has something else in its place."""
    left, right = list(_WORD.finditer(old)), list(_WORD.finditer(new))
    pieces: tuple[list[Piece], list[Piece]] = ([], [])
    matcher = SequenceMatcher(None, [it[0] for it in left], [it[0] for it in right], autojunk=False)
    for what, *bounds in matcher.get_opcodes():
        for side, found, begin, end in zip(pieces, (left, right), bounds[::2], bounds[1::2], strict=True):
            if begin < end:
                # Up to the next word: the blanks between belong to the words before them.
                until = found[end].start() if end < len(found) else None
                side.append((found[begin].string[found[begin].start() : until], what != "equal"))
    return pieces
