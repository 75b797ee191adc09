"""Parts of the policy's pages: figures and clauses of two versions or drafts side by side, marked."""

import json
from collections.abc import Sequence
from datetime import timedelta
from typing import Any, Final
from urllib.parse import quote

import pandas as pd
import streamlit as st

from refundlib.domain.golden import Golden
from refundlib.domain.money import format_money
from refundlib.domain.policy import CLAUSES, LABELS, Policy, figure_in_words, rule_in_words
from refundlib.domain.policy_changes import Change, Piece, changed_words
from refundlib.services import policy_drafts
from refundlib.services.policy_drafts import JUDGED_BY, policy_of
from refundlib.ui import words
from refundlib.ui.shell import Visit
from refundlib.ui.text import quiet

# The limit is a number of minor units, whatever the currency: it is shown and asked for as this one's.
LIMIT_CURRENCY: Final = "USD"
_GOLDEN_KEPT_MAX: Final = 64
_LAB: Final = "pages/policy_lab.py"
# What of an address a link of Markdown takes as it is; the rest is written in percents.
_OF_ADDRESSES: Final = ":/?#@!&'+,;=%~"
_JOINER: Final = "\u2060"  # of words.plain

Row = dict[str, Any]


def name_of(row: Row) -> str:
    """A version's name; of a draft, that it is one."""
    return f"{row['version']} (draft)" if "draft_id" in row else str(row["version"])


def shown(name: str, value: Any) -> str:
    """A figure or the spend order, as people read it."""
    if name == "approval_limit_minor":
        return format_money(value, LIMIT_CURRENCY)
    return figure_in_words(name, value)


def failing_cases(visit: Visit, row: Row) -> list[Golden]:
    """The golden cases that a version or draft does not pass."""
    return [case for case in golden_cases(visit, row) if not case.passes]


def golden_cases(visit: Visit, row: Row) -> list[Golden]:
    """The golden cases judged by a version or draft, kept by what it says: they judge nothing else."""
    return _golden(visit, json.dumps({name: row[name] for name in JUDGED_BY}, sort_keys=True))


@st.cache_data(max_entries=_GOLDEN_KEPT_MAX, show_spinner=False)
def _golden(_visit: Visit, said: str) -> list[Golden]:
    policy = policy_of(json.loads(said), _visit.desk.clock())
    return policy_drafts.golden(_visit.desk, _visit.person, policy)


def run_link(run: Row) -> None:
    """A finished run of the lab in a sentence, which opens it."""
    result, last = run["result"], run["until"] - timedelta(days=1)
    judged = result["judged"] - result.get("withdrawn", {}).get("judged", 0)
    days = words.plain(f"{run['since']:%Y-%m-%d} to {last:%Y-%m-%d}")
    st.page_link(
        _LAB,
        label=f"Tried on {days}: {result['differ']:,} of {judged:,} claims would differ",
        icon=":material/science:",
        query_params={"run": str(run["backtest_id"])},
    )


def numbers(one: Row, other: Row | None, *, differing_only: bool = False) -> None:
    """The figures of one, beside another's."""
    st.markdown("#### The numbers")
    rows = []
    for name, label in LABELS.items():
        row = {"Rule": label, name_of(one): shown(name, one[name])}
        if other is not None:
            differs = one[name] != other[name]
            if differing_only and not differs:
                continue
            row |= {name_of(other): shown(name, other[name]), "Differs": "≠" if differs else ""}
        rows.append(row)
    if rows:
        st.dataframe(pd.DataFrame(rows), hide_index=True)
    else:
        quiet("Every number is the same.")


def clauses(visit: Visit, one: Row, other: Row | None, *, differing_only: bool = False) -> None:
    """What the pro reads, where it is published, and the rule it becomes; what differs is marked."""
    st.markdown("#### What the pro reads, and the rule it becomes")
    if differing_only and other is not None:
        if not changed_clauses(visit, one, other):
            quiet("Every text is the same.")
        return
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
                    quiet(f"From {link(*page[0])}")
                elif page[0][1]:
                    quiet(marked([("No page", True)]))


def link(address: str, differs: bool = False) -> str:
    """A checked http(s) address as a link of Markdown, its words as they can be copied."""
    # Within a link nothing is made of an address by itself: no joiner need keep its signs apart.
    return f"[{marked([(address, differs)]).replace(_JOINER, '')}]({quote(address, safe=_OF_ADDRESSES)})"


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
