"""The part of a claim that says how claims like it were decided: counts first, then each with its reason."""

from typing import Any, Final

import streamlit as st

from refundlib.domain.money import format_money
from refundlib.services.claims import Claim
from refundlib.services.precedents import precedents
from refundlib.ui import words
from refundlib.ui.shell import Visit
from refundlib.ui.text import quiet

PART: Final = "Precedents"
ID_CHARACTERS_MAX: Final = 100

Row = dict[str, Any]


def show(visit: Visit, it: Claim) -> None:
    """The decided claims most like this one, the most alike first."""
    rows = precedents(visit.desk, visit.person, it.report["report_id"])
    if not rows:
        quiet("No claim with this reason was decided yet.")
        return
    st.markdown(f"**{_counts(rows)}** :small[:gray[· with the same reason, the most alike first]]")
    for row in rows:
        _precedent(visit, it, row)


def _counts(rows: list[Row]) -> str:
    """5 like it: 3 approved, 2 denied."""
    approved = sum(row["decision"] == "approve" for row in rows)
    counts = {"approved": approved, "denied": len(rows) - approved}
    return f"{len(rows)} like it: {', '.join(f'{count} {name}' for name, count in counts.items() if count)}"


def _precedent(visit: Visit, it: Claim, row: Row) -> None:
    """The decision, the claim it was of, the reason as written; below who, when, and why it is alike."""
    with st.container(gap=None):
        with st.container(horizontal=True, vertical_alignment="center", gap="small"):
            label, icon, colour = _decision(row)
            st.badge(label, icon=icon, color=colour)
            open_claim(row["report_id"], came_from=it.report["report_id"], place="precedent")
            note = f"“{words.plain(row['note'])}”" if row["note"] else "no reason was written"
            st.markdown(note, width="content")
        charged = f"{words.plain(row['category'])} {words.money(row['amount'], row['currency'])}"
        alike = " · ".join(map(words.plain, row["alike"])) or "in its reason only"
        quiet(f"{_who(visit, row)} · {charged} · alike: {alike}")


def _decision(row: Row) -> tuple[str, str, Any]:
    """The badge of a decision: label, icon, colour."""
    against = ", against our advice" if row["overruled"] else ""
    if row["decision"] == "deny":
        return f"denied{against}", ":material/close:", "gray"
    money = words.plain(format_money(row["refund_amount"], row["currency"]))
    return f"approved {money}{against}", ":material/check:", "green"


def _who(visit: Visit, row: Row) -> str:
    second = f", released by {words.plain(row['second_by_name'])}" if row["second_by_name"] else ""
    at = row["decided_at"]
    year = "" if at.year == visit.desk.clock().year else f", {at.year}"
    return f"{words.plain(row['decided_by_name'])}{second}, {words.moment(at, visit.person)}{year}"


def way_back(it: Claim) -> None:
    """The way back to the claim this one was opened from; nothing when it was opened otherwise."""
    report_id, before = it.report["report_id"], st.query_params.get("from", "")
    if before and before != report_id and len(before) <= ID_CHARACTERS_MAX:
        _open_claim(f"Back to {words.plain(before)}", ":material/undo:", before, report_id, "back")


def open_claim(report_id: str, came_from: str, place: str) -> None:
    """Opens another claim in this window, which then offers the way back. place: where on the page it is."""
    _open_claim(words.plain(report_id), ":material/arrow_forward:", report_id, came_from, place)


def _open_claim(label: str, icon: str, report_id: str, came_from: str, place: str) -> None:
    """A button: a link of Streamlit to the page one is on leaves the address as it was.

    Then neither a reload nor the browser's own way back would find the claim.
    """
    key = f"{place}-{report_id}"
    st.button(label, type="tertiary", icon=icon, key=key, on_click=_go, args=(report_id, came_from))


def _go(report_id: str, came_from: str) -> None:
    """The part that is shown stays: it is in the address too."""
    st.query_params.update({"claim": report_id, "from": came_from})
