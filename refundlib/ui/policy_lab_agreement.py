"""How often either policy's advice is what people decided: in a sentence, and clause by clause."""

from collections.abc import Mapping
from typing import Any, Final

import pandas as pd
import streamlit as st

from refundlib.services.backtest_judging import EVERY_CLAUSE
from refundlib.ui import words
from refundlib.ui.text import quiet

# What a denial fails at, or an approval is given for, in a few words.
_CLAUSES: Final[Mapping[str, str]] = {
    "W1": "reported in time",
    "B1": "not refunded before",
    "J1": "the job changed",
    "T1": "breaks the terms",
    "P1": "phone is not valid",
    "N1": "first reply is a clear no",
    "H1": "not hired",
    "D1": "at discretion",
}
_SIDES: Final[Mapping[str, str]] = {"old": "By the old version", "draft": "By the draft"}
_NOTHING: Final = "no claim"

Row = dict[str, Any]


def show(result: Row) -> None:
    """The agreement of a run; nothing where people decided nothing."""
    rows = result["agreement"]
    if not rows:
        return
    st.markdown("#### Beside what people decided")
    whole = {row["by"]: row for row in rows if row["clause"] == EVERY_CLAUSE}
    if whole:
        st.markdown(sentence(result["decided"], whole))
    st.dataframe(_table(rows), hide_index=True)
    quiet(
        "Each cell: of the claims so advised on that clause, how many people decided like it, and the 95 % "
        "interval. Each version advises on other claims, so the two numbers of claims differ; what a version "
        "leaves to a person is not counted for it."
    )
    quiet(
        "A denial rests on each check that fails, an approval on its reason: a claim can be in two rows, and "
        "is once in the total. Both read the facts as they were reported, without what an appeal brought."
    )


def sentence(decided: int, whole: Mapping[str, Row]) -> str:
    """Of 62 claims that people decided, the old version agreed with 47 of the 60 it advises on …"""
    names = {"old": "the old version", "draft": "the draft"}
    parts = [
        f"{names[by]} agreed with {row['k']:,} of the {row['n']:,} it advises on ({row['low']:.0%} to "
        f"{row['high']:.0%})"
        for by in names
        if (row := whole.get(by))
    ]
    return (
        f"Of {words.count(decided, 'claim')} that people decided, {', '.join(parts)}. "
        "People are no ground truth."
    )


def _table(rows: list[Row]) -> pd.DataFrame:
    """A row for each clause in their order, and the total."""
    table: dict[str, Row] = {}
    for row in sorted(rows, key=lambda row: [*_CLAUSES, EVERY_CLAUSE].index(row["clause"])):
        clause = row["clause"]
        name = "All, each claim once" if clause == EVERY_CLAUSE else f"{clause} {_CLAUSES[clause]}"
        told = f"{row['k']:,} of {row['n']:,} ({row['low']:.0%} to {row['high']:.0%})"
        empty = {"Advice rests on": name, **dict.fromkeys(_SIDES.values(), _NOTHING)}
        table.setdefault(clause, empty)[_SIDES[row["by"]]] = told
    return pd.DataFrame(list(table.values()))
