"""The other pros who paid for a lead that is bad for all: each with its state, one button for all claims."""

from collections import Counter
from typing import Final

import streamlit as st

from refundlib.services.claims import Claim
from refundlib.services.precedents import Opened, Sibling, Standing, open_for_siblings, siblings
from refundlib.ui import words
from refundlib.ui.precedents_view import open_claim
from refundlib.ui.shell import Visit, refusals, tell

# So many are named in the answer; the list has them all.
NAMED_MAX: Final = 5


def show(visit: Visit, it: Claim) -> None:
    """The other pros' charges, when what was approved is wrong with the lead itself."""
    found = siblings(visit.desk, visit.person, it.report["report_id"])
    if not found:
        return
    to_open = [each for each in found if each.standing == "to_open"]
    with st.container(border=True, gap="xsmall"):
        st.markdown(f"**The other pros charged for this lead**: {_summary(found)}")
        for each in found:
            _sibling(visit, it, each)
        if to_open and visit.may("file_report"):
            pros = len({each.pro_id for each in to_open})
            label = f"Open claims for {words.count(pros, 'other pro')}"
            st.button(label, on_click=_open, args=(visit, it), icon=":material/group_add:")


def wait(visit: Visit, report_id: str) -> bool:
    """Whether claims of other pros wait to be opened here, so that the claim just approved stays in view."""
    if not visit.may("file_report"):
        return False
    return any(each.standing == "to_open" for each in siblings(visit.desk, visit.person, report_id))


def _summary(found: list[Sibling]) -> str:
    """2 can be opened · 1 more is past its 30 days: each standing counted, what can be done first."""
    days = {each.window_days for each in found if each.standing == "late"}
    late = f"past its {days.pop()} days" if len(days) == 1 else "past its days"
    told: dict[Standing, tuple[str, str]] = {
        "to_open": ("claim can be opened", "claims can be opened"),
        "reported": ("is reported already", "are reported already"),
        "refunded": ("is refunded", "are refunded"),
        "denied": ("was denied for the same reason", "were denied for the same reason"),
        "late": (f"is {late}", f"are {late.replace('its', 'their')}"),
        "gone": ("is no longer on file", "are no longer on file"),
    }
    counts = Counter(each.standing for each in found)
    parts = [
        f"{counts[name]} {one if counts[name] == 1 else many}"
        for name, (one, many) in told.items()
        if counts[name]
    ]
    return " · ".join(parts)


def _sibling(visit: Visit, it: Claim, each: Sibling) -> None:
    with st.container(horizontal=True, vertical_alignment="center"):
        st.markdown(
            f"{words.plain(each.pro_name)} · {words.money(each.amount_minor, each.currency)} · charged "
            f"{words.moment(each.charged_at, visit.person)} · {_standing(visit, each)}",
            width="content",
        )
        if each.report_id:
            open_claim(each.report_id, came_from=it.report["report_id"], place=f"sibling-{each.charge_id}")


def _standing(visit: Visit, each: Sibling) -> str:
    if each.standing == "to_open":
        return f"can be reported until {words.moment(each.report_until, visit.person)}"
    if each.state:
        return words.STATES[each.state]
    return f"past its {each.window_days} days" if each.standing == "late" else "no longer on file"


def _open(visit: Visit, it: Claim) -> None:
    with refusals():
        tell(_outcome(open_for_siblings(visit.desk, visit.person, it.report["report_id"])))


def _outcome(done: Opened) -> str:
    """Each claim by its pro's name, and how many were left out; the list, painted anew, names them too."""
    opened = [f"{words.plain(report_id)} for {words.plain(each.pro_name)}" for each, report_id in done.opened]
    told = f"Opened: {_named(opened) or 'none'}."
    return f"{told} Left out: {len(done.left)}, the list says why." if done.left else told


def _named(names: list[str]) -> str:
    more = f" and {len(names) - NAMED_MAX} more" if len(names) > NAMED_MAX else ""
    return ", ".join(names[:NAMED_MAX]) + more
