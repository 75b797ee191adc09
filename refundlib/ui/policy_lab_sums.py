"""What came of a run in sentences: how many would differ, what money that is, of how much; and by month."""

from collections.abc import Mapping
from typing import Any, Final

import pandas as pd
import streamlit as st

from refundlib.domain.money import format_sums
from refundlib.services.backtest_judging import Credits, credits_of
from refundlib.ui import policy_lab_moves, words
from refundlib.ui.figure_parts import HEAD_PIXELS, ROW_PIXELS
from refundlib.ui.text import quiet

# A year of days lies in thirteen months.
MONTHS_SHOWN: Final = 13

Row = dict[str, Any]


def show(result: Row, window_days: int) -> None:
    """The answer, what it is a share of, what it leaves out; window_days: the draft's."""
    sums = credits_of(result["moves"])
    st.markdown(f"#### {headline(result, sums)}")
    for told in (_beside(sums), _share(sums, result.get("money", []))):
        if told:
            st.markdown(told)
    if told := caveat(result.get("windows", []), window_days):
        quiet(told)
    withdrawn = result["withdrawn"]
    quiet(
        f"{policy_lab_moves.COUNTED_ONCE} Withdrawn reports are counted apart and move no money: "
        f"{withdrawn['judged']:,}, of which {withdrawn['differ']:,} would differ."
    )


def headline(result: Row, sums: Credits) -> str:
    """How many would differ, and what would be credited more or less if the advice were followed."""
    count, judged = result["differ"], result["judged"] - result["withdrawn"]["judged"]
    if not count:
        return f"Nothing would differ: {judged:,} claims, the same advice for each"
    parts = [
        f"{words.plain(format_sums(money))} {way}"
        for money, way in ((sums.more, "more"), (sums.less, "less"))
        if any(money.values())
    ]
    if not parts:
        return f"{count:,} of {judged:,} claims would differ"
    return (
        f"{count:,} of {judged:,} claims would differ: {' and '.join(parts)} would be credited than by the "
        "version in force"
    )


def _beside(sums: Credits) -> str:
    """What is not in the headline's sum: claims that become, or cease to be, a person's to decide."""
    ways = (
        (sums.to_person_claims, sums.to_person, "would be left to a person"),
        (sums.from_person_claims, sums.from_person, "would no longer be left to a person"),
    )
    parts = [f"{words.count(n, 'claim')} ({_money(money)}) that {way}" for n, money, way in ways if n]
    return f"Not in that sum: {' and '.join(parts)}." if parts else ""


def _share(sums: Credits, money: list[Row]) -> str:
    """The net of the headline beside all that was reported and decided, currency by currency."""
    parts = []
    for row in money:
        currency, reported = row["currency"], row["reported"]
        net = sums.more.get(currency, 0) - sums.less.get(currency, 0)
        if net and reported:
            whole, decided = (words.money(row[name], currency) for name in ("reported", "decided"))
            parts.append(
                f"{words.money(abs(net), currency)} is {_percent(abs(net) / reported)} of the {whole} of "
                f"charges reported in the period; {decided} of these are decided."
            )
    return " ".join(parts)


def _percent(share: float) -> str:
    return f"{share:.1%}" if share >= 0.001 else "less than 0.1%"


def _money(sums: Mapping[str, int]) -> str:
    return words.plain(format_sums(sums))


def caveat(windows: list[Row], window_days: int) -> str:
    """What history cannot tell of another window: pros knew the old one. windows: days to claims."""
    if not windows:
        return ""
    old = max(windows, key=lambda row: row["claims"])["days"]
    if window_days > old:
        return (
            f"Pros who were told {old} days did not report on days {old + 1} to {window_days}: a window of "
            f"{window_days} days will cost more than history shows."
        )
    if window_days < old:
        return (
            f"Pros who were told {old} days took their time; told {window_days}, many will report sooner: a "
            f"window of {window_days} days will save less than history shows."
        )
    return ""


def by_month(months: list[Row]) -> None:
    """Claims and those that would differ, month by month; a bar for the share."""
    st.markdown("#### Month by month")
    frame = pd.DataFrame(
        [
            {
                "Reported in": row["month"],
                "Claims": row["claims"],
                "Would differ": row["differ"],
                "Share": row["differ"] / row["claims"],
            }
            for row in months
        ]
    )
    most = float(frame["Share"].max()) or 1.0
    bar = st.column_config.ProgressColumn(format="percent", min_value=0.0, max_value=most)
    height = min(len(frame), MONTHS_SHOWN) * ROW_PIXELS + HEAD_PIXELS
    st.dataframe(frame, hide_index=True, height=height, row_height=ROW_PIXELS, column_config={"Share": bar})
