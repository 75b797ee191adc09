"""What would differ, in tables: each move of the advice with its money, by reason and by category."""

from collections.abc import Mapping
from typing import Any, Final

import pandas as pd
import streamlit as st

from refundlib.domain.money import format_money
from refundlib.ui import words

COUNTED_ONCE: Final = "A charge’s money counts once, by its last claim that was not withdrawn."
PEOPLE: Final[Mapping[str, str]] = {
    "refunded": "Refunded by people",
    "denied": "Denied by people",
    "undecided": "Undecided",
}
_ADVICE: Final[Mapping[str, str]] = {
    "approve": "advise approve",
    "deny": "advise deny",
    "review": "advise a look",
}

Row = dict[str, Any]


def move_in_words(was: str, becomes: str) -> str:
    """advise deny → advise approve: what either policy advises, which is no decision."""
    return f"{_ADVICE[was]} → {_ADVICE[becomes]}"


def numbers_of(policy: Mapping[str, Any]) -> str:
    """The numbers a claim is judged by: 45 days, 25 miles."""
    return f"{policy['window_days']} days, {policy['job_changed_miles']:g} miles"


def tables(moves: list[Row]) -> None:
    """Three tables of a run's or a comparison's moves, which are not empty."""
    st.dataframe(_by_people(moves), hide_index=True)
    left, right = st.columns(2, gap="medium")
    with left:
        st.dataframe(_by(moves, "reason", words.REASONS), hide_index=True)
    with right:
        st.dataframe(_by(moves, "category", {}), hide_index=True)


def _by_people(moves: list[Row]) -> pd.DataFrame:
    """A row for each move and currency: claims, and the money by what people did, with the total."""
    rows: dict[tuple[str, str], Row] = {}
    for move in moves:
        name, currency = move_in_words(move["was"], move["becomes"]), move["currency"]
        row = rows.setdefault((name, currency), {"claims": 0, **dict.fromkeys(PEOPLE, 0)})
        row["claims"] += move["claims"]
        row[move["people"]] += move["amount"]
    return pd.DataFrame(
        [
            {
                "Would differ": name,
                "Claims": row["claims"],
                **{label: format_money(row[people], currency) for people, label in PEOPLE.items()},
                "Charges in total": format_money(sum(row[people] for people in PEOPLE), currency),
            }
            for (name, currency), row in sorted(rows.items())
        ]
    )


def _by(moves: list[Row], by: str, names: Mapping[str, str]) -> pd.DataFrame:
    frame = pd.DataFrame(moves)
    frame["move"] = [move_in_words(row["was"], row["becomes"]) for row in moves]
    sums = frame.groupby([by, "move", "currency"], as_index=False)[["claims", "amount"]].sum()
    money = [
        format_money(int(n), currency) for n, currency in zip(sums["amount"], sums["currency"], strict=True)
    ]
    return pd.DataFrame(
        {
            by.capitalize(): [names.get(key, key) for key in sums[by]],
            "Would differ": sums["move"],
            "Claims": sums["claims"],
            "Charges": money,
        }
    )
