"""The queue on the screen: counters that filter, filters in the address, a table that opens claims."""

from collections.abc import Mapping
from typing import Any, Final

import pandas as pd
import streamlit as st

from refundlib.domain.people import Person, may
from refundlib.services import queue, triage
from refundlib.services.claims import seconds_left
from refundlib.services.people import people
from refundlib.ui import words
from refundlib.ui.filters import choice
from refundlib.ui.shell import Visit, refusals, show_told, tell
from refundlib.ui.text import quiet

_STATES: Final = {
    "open": "All",
    "late": "Late",
    "soon": "Under 6 h",
    "waiting": "Waiting",
    "second": "Second approval",
    "decided": "Decided",
}
_WHOSE: Final = {"mine": "mine", "free": "unassigned"}
_DOTS: Final = {"late": "● late", "soon": "◐ soon", "waiting": "paused", "calm": ""}
_AMOUNTS: Final = {"small": "up to $10", "middle": "$10 to $30", "large": "above $30"}
_RANGES: Final = {"small": (None, 1000), "middle": (1001, 3000), "large": (3001, None)}
_ROW_PIXELS: Final = 35
REFRESH_SECONDS: Final = 20
# The widgets that filter, by the name they have in the address.
_FILTERS: Final = ("state", "reason", "category", "recommends", "amount", "whose", "q")


def show(visit: Visit) -> None:
    """The queue page."""
    show_told()
    with refusals():
        _head(visit)
        filters = _filters(visit)
        _list(visit, filters)


@st.fragment(run_every=REFRESH_SECONDS)
def _list(visit: Visit, filters: queue.Filters) -> None:
    """The list, looked at again by itself; row, page and filters stay."""
    with refusals():
        after = st.session_state.get("after") or None
        if visit.may("reassign") and st.session_state.get("several"):
            _assign(visit, filters, after)
        else:
            st.session_state.pop("assigning", None)
            _table(visit, queue.page(visit.desk, visit.person, filters, after=after), filters)


# -- above the table ----------------------------------------------------------------------------------


@st.fragment(run_every=REFRESH_SECONDS)
def _counts(visit: Visit) -> None:
    """The counters, looked at again by themselves."""
    with refusals():
        st.markdown(_counts_in_words(queue.counters(visit.desk, visit.person)), width="content")


def _head(visit: Visit) -> None:
    with st.container(horizontal=True, vertical_alignment="center", horizontal_alignment="distribute"):
        _counts(visit)
        if visit.may("take_next"):
            st.button(
                "Take next",
                type="primary",
                shortcut="N",
                on_click=_take_next,
                args=(visit,),
                icon=":material/play_arrow:",
            )
    if target := st.session_state.pop("open_claim", None):
        st.switch_page("pages/claim.py", query_params={"claim": target})


def _counts_in_words(counts: dict[str, int]) -> str:
    late = f":red[**{counts['late']} late**]" if counts["late"] else "0 late"
    soon = f":orange[**{counts['soon']} under 6 h**]" if counts["soon"] else "0 under 6 h"
    return (
        f"**{counts['open']} open** · {late} · {soon} · {counts['waiting']} waiting on a pro · "
        f"{counts['second']} at the second approval · {counts['mine']} mine"
    )


def _take_next(visit: Visit) -> None:
    with refusals():
        report_id = triage.take_next(visit.desk, visit.person)
        if report_id is None:
            tell("Nothing is free to take: every open claim is with somebody, or waits.")
        else:
            st.session_state["open_claim"] = report_id


def _filters(visit: Visit) -> queue.Filters:
    with st.container(horizontal=True, vertical_alignment="center", horizontal_alignment="distribute"):
        first = st.segmented_control(
            "Show",
            list(_STATES),
            format_func=_STATES.__getitem__,
            default="open",
            required=True,
            key="state",
            bind="query-params",
            on_change=_first_page,
            label_visibility="collapsed",
        )
        with st.container(horizontal=True, vertical_alignment="center", width="content"):
            if visit.may("reassign"):
                st.toggle("Assign several", key="several")
            _saved(visit)
    with st.container(horizontal=True, vertical_alignment="bottom"):
        reason = _choice("Reason", "reason", words.REASONS)
        category = _choice(
            "Category", "category", {name: name for name in queue.categories(visit.desk, visit.person)}
        )
        recommends = _choice("Recommends", "recommends", words.RECOMMENDS)
        amount = _choice("Amount", "amount", _AMOUNTS)
        whose = _choice("Whose", "whose", _WHOSE)
        search = st.text_input(
            "Search",
            key="q",
            bind="query-params",
            placeholder="id, pro, phone, words of the chat",
            on_change=_first_page,
        )
    low, high = _RANGES[amount] if amount else (None, None)
    return queue.Filters(first or "open", reason, category, recommends, whose, low, high, search or None)


def _choice(label: str, key: str, options: Mapping[str, str]) -> str | None:
    return choice(label, key, options, on_change=_first_page, width=150)


def _first_page() -> None:
    """Another filter is another list: it begins at its first page."""
    st.session_state["after"] = ""


def _saved(visit: Visit) -> None:
    """Filters kept under a name: one click brings them back."""
    with st.popover("Saved", icon=":material/bookmark:"):
        kept = queue.saved_filters(visit.desk, visit.person)
        for name, filters in kept.items():
            with st.container(horizontal=True):
                st.button(
                    words.plain(name), key=f"use-{name}", on_click=_use, args=(filters,), width="stretch"
                )
                st.button(
                    "Remove",
                    key=f"forget-{name}",
                    on_click=queue.forget_filter,
                    args=(visit.desk, visit.person, name),
                    type="tertiary",
                )
        with st.form("save-filter", border=False, clear_on_submit=True):
            name = st.text_input("Keep these filters as")
            if st.form_submit_button("Save"):
                with refusals():
                    queue.save_filter(visit.desk, visit.person, name, _now_filtered())
                    st.rerun()


def _now_filtered() -> dict[str, str]:
    """What is filtered now, by widget; a list of everything open has nothing."""
    now = {key: st.session_state.get(key) for key in _FILTERS}
    return {key: value for key, value in now.items() if value and (key, value) != ("state", "open")}


def _use(filters: dict[str, str]) -> None:
    for key in _FILTERS:
        st.session_state[key] = filters.get(key, {"state": "open", "q": ""}.get(key))
    _first_page()


# -- the table ----------------------------------------------------------------------------------------


def _table(visit: Visit, found: queue.Page, filters: queue.Filters) -> None:
    if not found.rows:
        _empty(filters)
        return
    now = visit.desk.clock()
    frame = pd.DataFrame([_cells(row, now, visit) for row in found.rows])
    chosen: Any = st.dataframe(
        _coloured(frame),
        hide_index=True,
        height=min(len(frame), 18) * _ROW_PIXELS + 40,
        row_height=_ROW_PIXELS,
        on_select="rerun",
        selection_mode="single-cell",
        key=f"queue-table-{st.session_state.get('table', 0)}",
        column_config={
            "Time left": st.column_config.TextColumn(width=120),
            "State": st.column_config.TextColumn(width=80),
        },
    )
    quiet("Click a row to open its claim.")
    _turn_page(found)
    # The click was on the list as it was painted before; meanwhile a row may have come or gone.
    painted = st.session_state.get("painted", [])
    st.session_state["painted"] = [row["report_id"] for row in found.rows]
    if (cells := chosen["selection"]["cells"]) and cells[0][0] < len(painted):
        # A fresh table when we come back: the old selection would open the claim again.
        st.session_state["table"] = st.session_state.get("table", 0) + 1
        st.switch_page("pages/claim.py", query_params={"claim": painted[cells[0][0]]})


def _coloured(frame: pd.DataFrame) -> Any:
    """Late in the theme's red, soon in its amber; the words say the same."""
    theme = st.context.theme.type or "light"
    colours = {
        _DOTS[state]: f"color: {st.get_option(f'theme.{theme}.{name}TextColor')}"
        for state, name in (("late", "red"), ("soon", "orange"))
    }
    by_row = frame["State"].map(lambda dot: colours.get(dot.removesuffix(" 2nd"), ""))
    return frame.style.apply(lambda _column: by_row, subset=["Time left", "State"])


def _cells(row: dict[str, Any], now: Any, visit: Visit) -> dict[str, str]:
    left = seconds_left(row, now)
    undecided = row["state"] in ("open", "waiting_on_pro", "awaiting_second_approval")
    state = _DOTS[words.urgency(row["state"], left)] if undecided else words.STATES[row["state"]]
    if row["state"] == "awaiting_second_approval":
        state = f"{state} 2nd".strip()
    return {
        "Time left": words.time_left(row["state"], left)
        if undecided
        else words.moment(row["decided_at"], visit.person),
        "State": state,
        "Report": row["report_id"],
        "Pro": row["pro_name"],
        "Reason": words.REASONS[row["reason"]],
        "Amount": row["amount_text"],
        "Category": row["category"],
        "Checks": words.checklist(row),
        "We advise": words.RECOMMENDS[row["recommendation"]],
        "Who has it": _who(row),
    }


def _who(row: dict[str, Any]) -> str:
    """Who holds the claim, and who else has it open now."""
    seen, holder = row["seen_by"], row["holder_name"]
    if seen == holder or not seen:
        return f"{holder}, now" if seen else holder or "–"
    return f"{holder} · {seen}, now" if holder else f"{seen}, now"


def _assign(visit: Visit, filters: queue.Filters, after: str | None) -> None:
    """A manager gives several claims to one person; the list stands still, as ticks are on its rows."""
    shown = (filters, after, st.session_state.get("table", 0))
    if st.session_state.get("assigning", (None, None))[0] != shown:
        st.session_state["assigning"] = (shown, queue.page(visit.desk, visit.person, filters, after=after))
    found: queue.Page = st.session_state["assigning"][1]
    if not found.rows:
        quiet("No report matches these filters.")
        return
    now = visit.desk.clock()
    chosen: Any = st.dataframe(
        pd.DataFrame([_cells(row, now, visit) for row in found.rows]),
        hide_index=True,
        height=min(len(found.rows), 16) * _ROW_PIXELS + 40,
        row_height=_ROW_PIXELS,
        on_select="rerun",
        selection_mode="multi-row",
        key=f"queue-assign-{st.session_state.get('table', 0)}",
    )
    ids = [found.rows[at]["report_id"] for at in chosen["selection"]["rows"]]
    who = {row["person_id"]: row["name"] for row in people(visit.desk) if row["active"] and _decides(row)}
    with st.container(horizontal=True, vertical_alignment="bottom"):
        to = st.selectbox("Assign to", list(who), format_func=who.__getitem__, index=None, width=220)
        if st.button(f"Assign {len(ids)} claims", type="primary", disabled=not ids or to is None):
            left = triage.reassign_all(visit.desk, visit.person, ids, str(to))
            kept = f" {len(left)} were decided meanwhile and stay as they are." if left else ""
            tell(f"{len(ids) - len(left)} claims are with {who[str(to)]}.{kept}")
            st.session_state["table"] = st.session_state.get("table", 0) + 1
            st.rerun()
    _turn_page(found)


def _decides(row: dict[str, Any]) -> bool:
    return may(Person(row["person_id"], row["name"], frozenset(row["roles"])), "take")


def _turn_page(found: queue.Page) -> None:
    after = st.session_state.get("after")
    with st.container(horizontal=True):
        if after:
            st.button("First page", on_click=_first_page, icon=":material/first_page:")
        if found.next_after:
            st.button("Next page", on_click=_go_to, args=(found.next_after,), icon=":material/chevron_right:")


def _go_to(after: str) -> None:
    st.session_state["after"] = after


def _empty(filters: queue.Filters) -> None:
    if filters == queue.Filters():
        st.success(
            "Nothing is open. Every report is decided or waits for its pro.", icon=":material/task_alt:"
        )
    else:
        st.info(
            "No report matches these filters. Clear one, or search by another word.",
            icon=":material/filter_alt_off:",
        )
