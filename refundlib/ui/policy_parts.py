"""Parts of the policy's pages: figures and clauses of two versions or drafts side by side, marked."""

from collections.abc import Sequence
from typing import Any, Final

import pandas as pd
import streamlit as st

from refundlib.domain.money import format_money
from refundlib.domain.policy import CLAUSES, LABELS, Policy, figure_in_words, rule_in_words
from refundlib.domain.policy_changes import Change, Piece, changed_words
from refundlib.services.policy_drafts import policy_of
from refundlib.ui import words
from refundlib.ui.shell import Visit
from refundlib.ui.text import quiet

# The limit is a number of minor units, whatever the currency: it is shown and asked for as this one's.
LIMIT_CURRENCY: Final = "USD"

Row = dict[str, Any]


def name_of(row: Row) -> str:
    """A version's name; of a draft, that it is one."""
    return f"{row['version']} (draft)" if "draft_id" in row else str(row["version"])


def shown(name: str, value: Any) -> str:
    """A figure or the spend order, as people read it."""
    if name == "approval_limit_minor":
        return format_money(value, LIMIT_CURRENCY)
    return figure_in_words(name, value)


def numbers(one: Row, other: Row | None) -> None:
    """The figures of one, beside another's."""
    st.markdown("#### The numbers")
    rows = []
    for name, label in LABELS.items():
        row = {"Rule": label, name_of(one): shown(name, one[name])}
        if other is not None:
            differs = one[name] != other[name]
            row |= {name_of(other): shown(name, other[name]), "Differs": "≠" if differs else ""}
        rows.append(row)
    st.dataframe(pd.DataFrame(rows), hide_index=True)


def clauses(visit: Visit, one: Row, other: Row | None) -> None:
    """What the pro reads, where it is published, and the rule it becomes; what differs is marked."""
    st.markdown("#### What the pro reads, and the rule it becomes")
    for clause in CLAUSES:
        _clause(visit, clause, [one] if other is None else [one, other])


def changed_clauses(visit: Visit, old: Row, new: Row) -> int:
    """The clauses whose text, page or rule is another, old beside new; how many there are."""
    now, count = visit.desk.clock(), 0
    for clause in CLAUSES:
        if _read(policy_of(old, now), old, clause) != _read(policy_of(new, now), new, clause):
            _clause(visit, clause, [old, new])
            count += 1
    return count


def _read(policy: Policy, row: Row, clause: str) -> tuple[str, str, str]:
    return policy.clause(clause), row["sources"].get(clause, ""), rule_in_words(policy, clause)


def _clause(visit: Visit, clause: str, rows: Sequence[Row]) -> None:
    now = visit.desk.clock()
    read = [_read(policy_of(row, now), row, clause) for row in rows]
    differs = len({*read}) > 1
    texts = [[(text, False)] for text, _page, _rule in read]
    pages = [[(page, False)] for _text, page, _rule in read]
    if differs:
        texts = list(changed_words(read[0][0], read[1][0]))
        pages = [[(page, read[0][1] != read[1][1])] for _text, page, _rule in read]
    with st.container(border=True):
        columns = st.columns([1, *([6] * len(rows))], gap="small")
        with columns[0]:
            st.badge(clause, color="orange" if differs else "gray")
            if differs:
                quiet("differs")
        for column, row, text, page, (_, _, rule) in zip(columns[1:], rows, texts, pages, read, strict=True):
            with column:
                st.markdown(f"“{marked(text)}”")
                quiet(f"{words.plain(name_of(row))}: {words.plain(rule)}")
                if page[0][0]:
                    quiet(f"From {marked(page)}")
                elif page[0][1]:
                    quiet(marked([("No page", True)]))


def marked(pieces: Sequence[Piece]) -> str:
    """Pieces of text for a place that reads Markdown; what differs is bold, on a ground of its own."""
    return "".join(map(_marked, pieces))


def _marked(piece: Piece) -> str:
    text, differs = piece
    bare = words.plain(text)
    if differs and bare:
        bare = f"**:orange-background[{bare}]**"
    # Blanks stand outside of the mark, and every run of them is one.
    return (" " if text[:1].isspace() else "") + bare + (" " if bare and text[-1:].isspace() else "")


def told(change: Change) -> str:
    """A difference in one line, for a place that reads Markdown."""
    if change.kind == "figure":
        old, new = shown(change.name, change.old), shown(change.name, change.new)
        return f"{words.plain(LABELS[change.name])}: {words.plain(old)} → **{words.plain(new)}**"
    what = "the words" if change.kind == "text" else "the page"
    before, after = map(marked, changed_words(change.old, change.new))
    return f"{change.name}, {what}: {before or 'none'} → {after or 'none'}"
