"""The daily close on the screen: what must hold, the figures, the signature; then the closed days."""

from datetime import date
from typing import Any, Final

import pandas as pd
import streamlit as st

from refundlib.domain.errors import Refusal
from refundlib.domain.money import format_money
from refundlib.services import closing
from refundlib.services.closing import Clearing, Readiness, Step
from refundlib.ui import words
from refundlib.ui.dialogs import posted, stay
from refundlib.ui.figure_parts import chosen_row, kept_row
from refundlib.ui.paging import open_part, part
from refundlib.ui.shell import Visit, refusals, show_told
from refundlib.ui.text import quiet

# Where each thing that is missing is mended: on which part of the reconciliation page.
_DOORS: Final = {
    "covered": ("Go to import", "Reports"),
    "posted": ("Go to post", "To post"),
    "explained": ("Go to explain", "Breaks"),
    "confirmed": ("Go to confirm", "To confirm"),
}
_PARTS: Final = ("Next close", "Closed days", "Came late")

Row = dict[str, Any]


def show(visit: Visit) -> None:
    """The page of the daily close."""
    show_told()
    # After a signature the closed days are shown, and the next close begins at the next day.
    if day := st.session_state.pop("signed", None):
        open_part("closes", "Closed days")
        st.session_state["closed_day"] = str(day)
        st.session_state.pop("close", None)
    with refusals():
        shown = part(_PARTS, "closes")
        {"Next close": _next, "Closed days": _closed, "Came late": _late}[shown](visit)


# -- the next close ---------------------------------------------------------------------------------------


def _next(visit: Visit) -> None:
    head = st.container(horizontal=True, vertical_alignment="bottom")
    day = head.date_input(
        "Close up to the end of (UTC)",
        closing.next_day(visit.desk, visit.person),
        format="YYYY-MM-DD",
        key="close",
        bind="query-params",
        width=220,
    )
    try:
        ready = closing.readiness(visit.desk, visit.person, day)
    except Refusal as refusal:
        st.info(str(refusal), icon=":material/event_busy:")
        return
    days = str(ready.day) if ready.from_day == ready.day else f"{ready.from_day} to {ready.day}"
    with head:
        if visit.may("close_day") and st.button(
            "Sign and close", type="primary", disabled=not ready.ok, icon=":material/draw:"
        ):
            _sign(visit, ready.day, days)
    st.markdown(f"### {days} {_verdict(ready)}")
    for step in ready.steps:
        _step(step)
    for each in ready.clearing:
        _clearing(each)


def _verdict(ready: Readiness) -> str:
    missing = sum(not step.ok for step in ready.steps)
    are = "thing is" if missing == 1 else "things are"
    return f"cannot be closed yet: {missing} {are} missing" if missing else "can be closed"


def _step(step: Step) -> None:
    """One thing that must hold, and the door to where it is mended."""
    with st.container(horizontal=True, vertical_alignment="center", gap="small"):
        st.badge("✓" if step.ok else "✗", color="green" if step.ok else "red")
        st.markdown(f"**{step.name}.** {words.plain(step.words)}", width="content")
        if not step.ok and step.id in _DOORS:
            label, view = _DOORS[step.id]
            if st.button(label, key=f"mend-{step.id}", type="tertiary", icon=":material/arrow_forward:"):
                open_part("view", view)
                st.switch_page("pages/reconciliation.py")


@st.dialog("Sign and close", width="medium")
def _sign(visit: Visit, day: date, days: str) -> None:
    """The signature: from then on these days do not change."""
    st.markdown(
        f"You sign **{days}**. The journal is frozen with its SHA-256; what comes later of these days "
        "is booked on the next open day. A close is not undone."
    )
    if posted("Sign"):
        stay(lambda: _close(visit, day), f"{days}: closed.")


def _close(visit: Visit, day: date) -> None:
    closing.close(visit.desk, visit.person, day)
    st.session_state["signed"] = day


def _clearing(each: Clearing) -> None:
    """Start + activity − payouts = end, and beside it what the processor says."""
    currency = each.currency
    rows = [("Start", each.start)]
    rows += [(words.EVENTS[kind], amount) for kind, amount in each.moved.items() if kind != "bank_payout"]
    rows += [(words.EVENTS["bank_payout"], each.moved.get("bank_payout", 0)), ("End", each.end)]
    left, right = st.columns(2)
    with left:
        st.markdown(f"**Our account at the processor, {currency}**")
        st.dataframe(
            pd.DataFrame([{"What": name, "Amount": format_money(amount, currency)} for name, amount in rows]),
            hide_index=True,
        )
    with right:
        st.markdown("**Since both sides are compared**")
        sides = [
            ("The ledger says", each.ours),
            ("The processor says", each.theirs),
            ("Difference", each.ours - each.theirs),
            ("of it expected: on its way, not due or not posted yet", each.expected),
            ("of it breaks, or to be confirmed", each.broken),
        ]
        if odd := each.ours - each.theirs - each.expected - each.broken:
            sides.append(("of it unexplained", odd))
        st.dataframe(
            pd.DataFrame(
                [{"What": name, "Amount": format_money(amount, currency)} for name, amount in sides]
            ),
            hide_index=True,
        )


# -- the past ---------------------------------------------------------------------------------------------


def _closed(visit: Visit) -> None:
    rows = closing.listing(visit.desk, visit.person)
    if not rows:
        quiet("No day was closed yet.")
        return
    frame = pd.DataFrame(
        [
            {
                "Day": str(row["day"]),
                "From": str(row["from_day"]),
                "Signed by": row["signed_by_name"],
                "Signed": words.moment(row["signed_at"], visit.person),
                "Came late": row["late"],
                "SHA-256 of the journal": row["sha256"],
            }
            for row in rows
        ]
    )
    kept = kept_row(frame, [str(row["day"]) for row in rows], "closed_day", rows_shown=12)
    day = date.fromisoformat(kept) if kept else rows[0]["day"]
    st.download_button(
        f"The journal of {day}",
        lambda: closing.frozen_journal(visit.desk, visit.person, day),
        f"journal-closed-{day}.csv",
        "text/csv",
        on_click="ignore",
        icon=":material/download:",
    )
    quiet("Click a day to take its journal; sha256sum of the file gives the number above.")


def _late(visit: Visit) -> None:
    rows = closing.late(visit.desk, visit.person)
    if not rows:
        quiet("Nothing came after its day was closed.")
        return
    frame = pd.DataFrame(
        [
            {
                "Of the day": str(row["own_day"]),
                "Booked on": str(row["booked_on"]),
                "Event": words.EVENTS[row["kind"]],
                "Of": row["source_id"],
                "Amount": format_money(row["amount"], row["currency"]),
                "Report": row["report_id"] or "",
                "No.": str(row["transaction_id"]),
            }
            for row in rows
        ]
    )
    if (at := chosen_row(frame, "late", rows_shown=15)) is not None:
        st.switch_page(
            "pages/ledger.py", query_params={"books": "Journal", "ref": str(rows[at]["transaction_id"])}
        )
    quiet("Click a row to see it in the journal.")
