"""The claims that would differ: filtered, by pages, as CSV; and the line on a claim opened from there."""

import re
from collections.abc import Mapping
from typing import Any, Final

import pandas as pd
import streamlit as st

from refundlib.domain.money import decimal_text, format_money
from refundlib.services import backtest
from refundlib.ui import words
from refundlib.ui.export import csv_of
from refundlib.ui.figure_parts import chosen_row, digest_of
from refundlib.ui.filters import choice
from refundlib.ui.paging import after, first_page, turn
from refundlib.ui.policy_lab_moves import move_in_words
from refundlib.ui.shell import Visit
from refundlib.ui.text import quiet

ROWS_SHOWN: Final = 12
# What of the lab's address a claim opened from it keeps for the way back, and under which name: the filters'
# own are bound to their widgets, and cannot be set while those are painted.
_KEPT: Final[Mapping[str, str]] = {
    "run": "run",
    "after": "after",
    **{name: f"lab_{name}" for name in ("move", "reason", "category")},
}
_PEOPLE: Final[Mapping[str | None, str]] = {"approve": "refunded", "deny": "denied", None: "undecided"}

Row = dict[str, Any]


def show(visit: Visit, run: Row) -> None:
    """The list of a run that is done."""
    st.markdown("#### The claims that would differ")
    result = run["result"]
    count = result["differ"] + result["withdrawn"]["differ"]
    if run["flips_listed"] < count:
        quiet(f"{run['flips_listed']:,} of {count:,} are listed; all are counted above.")
    with st.container(horizontal=True, vertical_alignment="bottom"):
        filters = _filters(result["moves"])
        number = run["backtest_id"]
        st.download_button(
            "CSV",
            lambda: _csv(visit, number, filters),
            f"would-differ-{run['version']}-run-{number}.csv",
            "text/csv",
            on_click="ignore",
            icon=":material/download:",
        )
    found = backtest.flips(visit.desk, visit.person, number, filters, after=after() or "")
    if not found:
        quiet("No claim like this.")
        return
    table(found, "flips", _address(number))
    turn(found[-1]["report_id"] if len(found) == backtest.FLIPS_A_PAGE else None)


def _filters(moves: list[Row]) -> dict[str, str | None]:
    kinds = {f"{m['was']} {m['becomes']}": move_in_words(m["was"], m["becomes"]) for m in moves}
    move = choice("Move", "move", kinds, on_change=first_page, width=270)
    reasons = {m["reason"]: words.REASONS[m["reason"]] for m in moves}
    reason = choice("Reason", "reason", reasons, on_change=first_page, width=180)
    categories = {m["category"]: m["category"] for m in moves}
    category = choice("Category", "category", categories, on_change=first_page, width=180)
    was, becomes = move.split() if move else (None, None)
    return {"was": was, "becomes": becomes, "reason": reason, "category": category}


def _address(number: int) -> dict[str, str]:
    """This list as it is filtered and turned; the address has filters by their labels."""
    here = st.query_params
    return {**{kept: here[name] for name, kept in _KEPT.items() if name in here}, "run": str(number)}


def table(found: list[Row], name: str, address: Mapping[str, str]) -> None:
    """The claims, each with the check that makes the difference; a click opens the claim.

    address: what its page is told of where it was opened from.
    """
    frame = pd.DataFrame(
        [
            {
                "Report": flip["report_id"],
                "Reason": words.REASONS[flip["reason"]],
                "Category": flip["category"],
                "Charge": _charge(flip),
                "Would differ": move_in_words(flip["was"], flip["becomes"]),
                "People": _people(flip),
                "Why": "; ".join(in_short(each) for each in flip["changed"]),
            }
            for flip in found
        ]
    )
    # A table for each list: one that stays while its filters change takes the first click for itself.
    which = f"{name}-{digest_of([*address.values(), *frame['Report']])}"
    if (at := chosen_row(frame, which, rows_shown=ROWS_SHOWN)) is not None:
        st.switch_page("pages/claim.py", query_params={"claim": found[at]["report_id"], **address})
    quiet("Click a row to open the claim, which has the whole sentence. A charge in brackets is not counted.")


def _charge(flip: Row) -> str:
    """The charge; in brackets when its money counts with another claim, or not at all."""
    money = format_money(flip["amount"], flip["currency"])
    return money if flip.get("moves_money", not flip["is_withdrawn"]) else f"({money})"


def _people(flip: Row) -> str:
    return "withdrawn" if flip["is_withdrawn"] else _PEOPLE[flip["decision"]]


# The figures in the sentences of the checks that can differ between two policies.
_DAY: Final = re.compile(r"Reported on day (\d+)(?:; the window is| of) (\d+)")
_MILES: Final = re.compile(r" is ([\d,.]+) miles from .*over ([\d.]+)\.$")
_FIGURES: Final = (
    (_DAY, "day {figure}", {"pass": "inside", "fail": "outside"}),
    (_MILES, "{figure} miles", {"pass": "over", "fail": "not over"}),
)


def in_short(check: Mapping[str, str]) -> str:
    """Why a check differs in a table's width: "day 36: outside 30, inside 45"; else what it would say."""
    for pattern, what, words_of in _FIGURES:
        was, becomes = (pattern.search(check[name]) for name in ("why_was", "why_becomes"))
        if was and becomes and {check["was"], check["becomes"]} <= set(words_of):
            sides = (
                f"{words_of[status]} {found[2]}"
                for status, found in ((check["was"], was), (check["becomes"], becomes))
            )
            return f"{what.format(figure=was[1])}: {', '.join(sides)}"
    return check["why_becomes"]


def _why(flip: Row) -> str:
    """Check by check: what it said, and what it would say."""
    return "; ".join(
        f"{words.CHECKS[each['id']]} ({each['clause']}): {each['why_was']} → {each['why_becomes']}"
        for each in flip["changed"]
    )


def _csv(visit: Visit, number: int, filters: Mapping[str, str | None]) -> bytes:
    """All claims that the filters let through, not the page alone."""
    found = backtest.flips(visit.desk, visit.person, number, filters, limit=backtest.FLIPS_KEPT_MAX)
    columns = {
        "report": [flip["report_id"] for flip in found],
        "charge": [flip["charge_id"] for flip in found],
        "reason": [flip["reason"] for flip in found],
        "category": [flip["category"] for flip in found],
        "currency": [flip["currency"] for flip in found],
        "amount": [decimal_text(flip["amount"], flip["currency"]) for flip in found],
        "counted": ["yes" if flip["moves_money"] else "no" for flip in found],
        "advised": [flip["was"] for flip in found],
        "would_advise": [flip["becomes"] for flip in found],
        "people": [_people(flip) for flip in found],
        "why": [_why(flip) for flip in found],
    }
    return csv_of(pd.DataFrame(columns, dtype=object))


# -- on the claim -----------------------------------------------------------------------------------------


def line_on_claim(visit: Visit, report_id: str) -> None:
    """On a claim opened from a run: what the draft would advise and why, and the way back to the list."""
    number = st.query_params.get("run", "")
    if not number.isdecimal() or not visit.may("backtest"):
        return
    flip = backtest.flip(visit.desk, visit.person, int(number), report_id)
    if flip is None:
        return
    run = backtest.backtest(visit.desk, visit.person, int(number))
    why = "; ".join(_as_a_clause(each["why_becomes"]) for each in flip["changed"])
    back = {name: st.query_params[kept] for name, kept in _KEPT.items() if kept in st.query_params}
    with st.container(horizontal=True, vertical_alignment="center"):
        st.markdown(
            f":material/science: By draft {words.plain(run['version'])} (revision {run['revision']}): advise "
            f"{_ADVICE[flip['becomes']]} instead of {_ADVICE[flip['was']]}: {words.plain(why)}",
            width="content",
        )
        st.page_link(
            "pages/policy_lab.py",
            label=f"Back to run {number}",
            icon=":material/arrow_back:",
            query_params=back,
        )


_ADVICE: Final[Mapping[str, str]] = {"approve": "approve", "deny": "deny", "review": "a look"}


def _as_a_clause(sentence: str) -> str:
    return sentence[:1].lower() + sentence[1:].removesuffix(".")
