"""Messages on the screen: a pro or customer found, their conversations filtered, one opened with its menu."""

from datetime import date, datetime, timedelta
from typing import Any, Final

import pandas as pd
import streamlit as st

from refundlib.domain.errors import NotFound
from refundlib.domain.money import format_money
from refundlib.services import conversations
from refundlib.services.conversations import FOUND_MAX, Conversation, Filters, Found, Scope
from refundlib.services.ledger import start_of
from refundlib.ui import conversation, words
from refundlib.ui.figure_parts import HEAD_PIXELS, ROW_PIXELS, chosen_row, digest_of
from refundlib.ui.filters import choice
from refundlib.ui.paging import after, first_page, turn
from refundlib.ui.shell import Visit, refusals, show_told
from refundlib.ui.text import quiet

ROWS_SHOWN: Final = 14
CHAT_PIXELS: Final = 440
_KINDS: Final = {"lead": "lead", "opportunity": "opportunity"}
_STATUSES: Final = {
    "charged": "charged",
    "free": "not charged",
    "reported": "reported",
    "unreported": "charged, not reported",
}
_REPORT: Final = "Report"
_CLAIM: Final = "Open the claim"
_LEAD: Final = "Open the lead"

Row = dict[str, Any]


def show(visit: Visit) -> None:
    """The messages page: ?pro=, ?customer= or ?lead= names whose; ?chat=LEAD PRO the one that is open."""
    show_told()
    with refusals():
        _search(visit)
        scope = _scope()
        if scope is None:
            return
        try:
            person = conversations.whose(visit.desk, visit.person, scope)
        except NotFound as missing:
            st.warning(str(missing), icon=":material/search_off:")
            return
        _head(scope, person)
        filters = _filters(scope, person)
        left, right = st.columns([11, 10], gap="medium")
        with right:
            _chat(visit)
        with left:
            _list(visit, scope, filters)


# -- finding ------------------------------------------------------------------------------------------


def _search(visit: Visit) -> None:
    text = st.text_input(
        "Whose messages?",
        key="q",
        bind="query-params",
        placeholder="Pro or customer: name, mail address, phone or id. Or the id of a lead, charge or report",
        width=640,
        on_change=_forget,
    )
    if not text:
        if _scope() is None:
            quiet("Search for the pro who wrote or called. Their conversations open here.")
        return
    if _scope() is None:
        _show_found(conversations.find(visit.desk, visit.person, text))


def _show_found(found: Found) -> None:
    if found.conversations:
        one = found.conversations[0]
        _go(lead=one["lead_id"], **({"chat": _chat_id(one)} if one["pro_id"] else {}))
    if len(found.people) == 1:
        _go(**{found.people[0]["kind"]: found.people[0]["id"]})
    if not found.people:
        st.info(
            "Nobody is called like this, and no lead, charge or report has this id. "
            "A number or a mail address is found when it is whole.",
            icon=":material/search_off:",
        )
        return
    frame = pd.DataFrame(
        {
            "Who": [row["name"] for row in found.people],
            "Kind": [row["kind"] for row in found.people],
            "Mail": [row["email"] for row in found.people],
            "Phone": [row["phone"] for row in found.people],
            "Id": [row["id"] for row in found.people],
        }
    )
    if (at := chosen_row(frame, "people", rows_shown=ROWS_SHOWN)) is not None:
        _go(**{found.people[at]["kind"]: found.people[at]["id"]})
    quiet(f"Click a row to open its messages. At most {FOUND_MAX} pros and {FOUND_MAX} customers are shown.")


def _forget() -> None:
    """Another search is about somebody else."""
    for name in ("pro", "customer", "lead", "chat"):
        st.query_params.pop(name, None)
    first_page()


def _go(**params: str) -> None:
    st.switch_page("pages/messages.py", query_params=params)


def _scope() -> Scope | None:
    at = st.query_params
    scope = Scope(at.get("pro"), at.get("customer"), at.get("lead"))
    return None if scope == Scope() else scope


def _head(scope: Scope, person: Row) -> None:
    if scope.lead_id:
        st.markdown(f"### Lead {words.plain(scope.lead_id)}")
        return
    reach = " · ".join(filter(None, (person["email"], person["phone"], scope.pro_id or scope.customer_id)))
    with st.container(horizontal=True, vertical_alignment="center"):
        st.markdown(f"### {words.plain(person['name'])}", width="content")
        quiet(("pro" if scope.pro_id else "customer") + f" · {words.plain(reach)}")
        if scope.pro_id:
            st.page_link(
                "pages/statement.py",
                label="Statement",
                icon=":material/account_balance_wallet:",
                query_params={"pro": scope.pro_id},
            )


# -- the list -----------------------------------------------------------------------------------------


def _filters(scope: Scope, person: Row) -> Filters:
    with st.container(horizontal=True, vertical_alignment="bottom"):
        customer = None
        if scope.pro_id:
            customer = st.text_input(
                "Customer",
                key="customer_like",
                bind="query-params",
                width=150,
                on_change=_other_list,
                placeholder="any",
            )
        categories = {name: name for name in person.get("categories", [])}
        category = (
            choice("Category", "category", categories, on_change=_other_list, width=140)
            if (categories)
            else None
        )
        kind = choice("Kind", "kind", _KINDS, on_change=_other_list, width=130)
        status = choice("Status", "status", _STATUSES, on_change=_other_list, width=170)
        chosen = st.date_input(
            "Days (UTC)",
            [],
            format="YYYY-MM-DD",
            key="days",
            bind="query-params",
            width=220,
            on_change=_other_list,
        )
        unread = st.toggle("Unread by us", key="unread", bind="query-params", on_change=_other_list)
    since, until = _days(chosen)
    return Filters(customer or None, category, kind, status, unread, since, until)


def _days(chosen: tuple[date, ...]) -> tuple[datetime | None, datetime | None]:
    if not chosen:
        return None, None
    return start_of(chosen[0]), start_of(chosen[-1] + timedelta(days=1))


def _other_list() -> None:
    st.query_params.pop("chat", None)
    first_page()


def _list(visit: Visit, scope: Scope, filters: Filters) -> None:
    found = conversations.page(visit.desk, visit.person, scope, filters, after=after())
    if not found.rows:
        _empty(filters)
        return
    ids = [_chat_id(row) for row in found.rows]
    frame = pd.DataFrame([_cells(visit, row, with_pro=scope.pro_id is None) for row in found.rows])
    key = f"messages-{digest_of(ids)}"
    st.dataframe(
        frame,
        hide_index=True,
        height=min(len(frame), ROWS_SHOWN) * ROW_PIXELS + HEAD_PIXELS,
        row_height=ROW_PIXELS,
        on_select=lambda: _open_chat(key, ids),
        selection_mode="single-cell",
        key=key,
        column_config={
            "New": st.column_config.TextColumn(width=45),
            "Last": st.column_config.TextColumn(width=105),
        },
    )
    with st.container(horizontal=True, vertical_alignment="center"):
        quiet("Click a row to open its chat. ● is unread by us.")
        turn(found.next_after)


def _open_chat(key: str, ids: list[str]) -> None:
    """The row that was clicked is the chat that is open, before anything is painted."""
    chosen: Any = st.session_state[key]
    if cells := chosen["selection"]["cells"]:
        st.query_params["chat"] = ids[cells[0][0]]


def _empty(filters: Filters) -> None:
    if filters == Filters():
        st.info("No conversation and no charge is on file.", icon=":material/chat_bubble_outline:")
    else:
        st.info("No conversation matches these filters. Clear one.", icon=":material/filter_alt_off:")


def _chat_id(row: Row) -> str:
    return f"{row['lead_id']} {row['pro_id']}"


def _cells(visit: Visit, row: Row, *, with_pro: bool) -> dict[str, str]:
    who = {"Pro": row["pro_name"]} if with_pro else {"Customer": row["customer_name"] or "–"}
    return {
        "New": "●" if row["is_unread"] else "",
        "Last": words.moment(row["last_at"], visit.person),
        **who,
        "Job": row["category"],
        "Status": _status(row),
        "Last words": row["last_words"] or "",
    }


def _status(row: Row) -> str:
    """What came of a conversation, in a few words."""
    if row["report_id"]:
        return f"{row['report_id']}, {words.STATES[row['state']]}"
    if row["charge_id"]:
        return f"charged {format_money(row['amount'], row['currency'])}"
    return "not charged"


# -- one conversation ---------------------------------------------------------------------------------


def _chat(visit: Visit) -> None:
    lead_id, _, pro_id = st.query_params.get("chat", "").rpartition(" ")
    if not lead_id:
        with st.container(border=True, height=CHAT_PIXELS):
            quiet("No conversation is open.")
        return
    try:
        it = conversations.conversation(visit.desk, visit.person, lead_id, pro_id)
    except NotFound as missing:
        st.warning(str(missing), icon=":material/search_off:")
        return
    with st.container(border=True):
        _chat_head(visit, it)
        conversation.show(
            [conversation.of_row(each, visit.person) for each in it.messages],
            focus=None,
            height=CHAT_PIXELS,
            key=f"messages-chat-{lead_id}-{pro_id}",
            empty="Nobody has written anything yet.",
        )
    if it.messages and visit.may("mark_read"):
        # A message from the future must not hide those that come before it.
        until = min(it.messages[-1]["sent_at"], visit.desk.clock())
        conversations.mark_read(visit.desk, visit.person, lead_id, pro_id, until)


def _chat_head(visit: Visit, it: Conversation) -> None:
    row = it.row
    with st.container(horizontal=True, vertical_alignment="center", gap="small", wrap=False):
        st.markdown(
            f"**{words.plain(row['customer_name'] or 'Customer')}** · {words.plain(row['category'])} · "
            f"{row['kind']} · with {words.plain(row['pro_name'])}",
            width="stretch",
        )
        st.badge(_status(row), color=_colour(row), icon=_icon(row))
        _menu(visit, row)
    quiet(f"“{words.plain(row['description'])}” · zip {words.plain(row['zip'])}")


def _colour(row: Row) -> Any:
    if row["report_id"]:
        return {"approved": "green", "open": "blue"}.get(row["state"], "gray")
    return "gray"


def _icon(row: Row) -> str:
    if row["report_id"]:
        return ":material/flag:"
    return ":material/payments:" if row["charge_id"] else ":material/chat_bubble_outline:"


def _menu(visit: Visit, row: Row) -> None:
    """The menu of a conversation, at its top right."""
    options = [_LEAD]
    if row["report_id"]:
        options.insert(0, _CLAIM)
    if visit.may("file_report"):
        options.insert(0, _REPORT)
    picked = st.menu_button(
        "⋯", options, key=f"menu-{_chat_id(row)}", help="What can be done with this conversation"
    )
    if picked == _REPORT and not row["charge_id"]:
        st.toast(
            "This pro was not charged for this lead, so there is nothing to report.", icon=":material/info:"
        )
    elif picked == _REPORT:
        st.switch_page("pages/report.py", query_params={"charge": row["charge_id"]})
    if picked == _CLAIM:
        st.switch_page("pages/claim.py", query_params={"claim": row["report_id"]})
    if picked == _LEAD:
        st.switch_page("pages/lead.py", query_params={"lead": row["lead_id"]})
