"""The ledger on the screen: accounts at any moment, the journal, adjustments by two people."""

from datetime import UTC, date, datetime, time, timedelta
from typing import Any, Final
from uuid import uuid4

import pandas as pd
import streamlit as st

from refundlib.domain.journal import BALANCE
from refundlib.domain.money import format_money
from refundlib.services import adjustments, ledger, marketplace_feed
from refundlib.ui import words
from refundlib.ui.dialogs import asked, minor_units, posted, stay
from refundlib.ui.figure_parts import chosen_row
from refundlib.ui.filters import choice, days
from refundlib.ui.paging import after, first_page, open_part, part, turn
from refundlib.ui.shell import Visit, refusals, show_told
from refundlib.ui.text import quiet

_PARTS: Final = ("Accounts", "Journal", "Adjustments")
_STATES: Final = {"waiting": "waits for a second person", "posted": "posted", "refused": "refused"}
JOURNAL_DAYS: Final = 7

Row = dict[str, Any]


def show(visit: Visit) -> None:
    """The ledger page."""
    show_told()
    with refusals():
        shown = part(_PARTS, "books")
        {"Accounts": _accounts, "Journal": _journal, "Adjustments": _adjustments}[shown](visit)


# -- accounts ---------------------------------------------------------------------------------------------


def _accounts(visit: Visit) -> None:
    today = visit.desk.clock().astimezone(UTC).date()
    with st.container(horizontal=True, vertical_alignment="bottom"):
        day = st.date_input(
            "At the end of (UTC)",
            today,
            max_value=today,
            format="YYYY-MM-DD",
            key="at",
            bind="query-params",
            width=180,
        )
        at = st.time_input("or at", None, key="time", width=120, help="A moment of that day, UTC")
    until = _moment(day, at)
    rows = ledger.trial_balance(visit.desk, visit.person, until)
    if not rows:
        quiet("Nothing was booked by then.")
        return
    _unposted(visit)
    for currency in dict.fromkeys(row["currency"] for row in rows):
        _trial_balance([row for row in rows if row["currency"] == currency], currency, day)
    quiet(
        f"Everything booked before {until:%Y-%m-%d %H:%M} UTC. Click an account to see its entries. "
        "What came after its day was closed counts from the day it is booked on."
    )


def _moment(day: date, at: time | None) -> datetime:
    if at is None:
        return ledger.start_of(day + timedelta(days=1))
    return datetime.combine(day, at, UTC)


def _unposted(visit: Visit) -> None:
    """Marketplace rows the ledger could not take: money that is missing in these figures."""
    waiting = marketplace_feed.unposted(visit.desk, visit.person)
    if waiting:
        with st.expander(
            f"{len(waiting)} payments and charges could not be posted yet", icon=":material/error:"
        ):
            st.dataframe(
                pd.DataFrame(
                    [{"What": row["kind"], "Id": row["source_id"], "Why": row["why"]} for row in waiting]
                ),
                hide_index=True,
            )


def _trial_balance(rows: list[Row], currency: str, day: date) -> None:
    debit, credit = sum(row["debit"] for row in rows), sum(row["credit"] for row in rows)
    verdict = "it balances" if debit == credit else ":red[it does not balance: run refunds check]"
    st.markdown(f"**Trial balance, {currency}**: {verdict}")
    frame = pd.DataFrame(
        [
            {
                "Account": words.ACCOUNTS[row["account"]],
                "Debit": format_money(row["debit"], currency),
                "Credit": format_money(row["credit"], currency),
                "Balance": _side(row["amount"], currency),
                "Entries": f"{row['entries']:,}",
            }
            for row in rows
        ]
        + [
            {
                "Account": "Total",
                "Debit": format_money(debit, currency),
                "Credit": format_money(credit, currency),
                "Balance": _side(debit - credit, currency),
                "Entries": f"{sum(row['entries'] for row in rows):,}",
            }
        ]
    )
    at = chosen_row(frame, f"accounts-{currency}", rows_shown=12)
    if at is not None and at < len(rows):
        st.query_params["account"] = words.ACCOUNTS[rows[at]["account"]]
        st.query_params["days"] = [str(day - timedelta(days=JOURNAL_DAYS - 1)), str(day)]
        _show_part("Journal")


def _show_part(wanted: str) -> None:
    """Another part of this page; its filters are in the address already."""
    open_part("books", wanted)
    st.rerun()


def _side(amount: int, currency: str) -> str:
    """An amount with the side it stands on."""
    if not amount:
        return format_money(0, currency)
    return f"{format_money(abs(amount), currency)} {'debit' if amount > 0 else 'credit'}"


# -- journal ----------------------------------------------------------------------------------------------


def _journal(visit: Visit) -> None:
    search = _filters(visit)
    page = ledger.journal(visit.desk, visit.person, search, after=after())
    if not page.rows:
        st.info(
            "Nothing was booked like this. Choose other days, or clear a filter.",
            icon=":material/search_off:",
        )
        return
    frame = pd.DataFrame([_entry(visit, row) for row in page.rows])
    frame = frame.loc[:, (frame != "").any()]
    if (at := chosen_row(frame, "journal", rows_shown=16)) is not None:
        _open(page.rows[at])
    with st.container(horizontal=True, vertical_alignment="center"):
        quiet("Click an entry to open what it belongs to.")
        turn(page.next_after)
        _export(visit, search)


def _filters(visit: Visit) -> ledger.Search:
    today = visit.desk.clock().astimezone(UTC).date()
    with st.container(horizontal=True, vertical_alignment="bottom"):
        first, until = days("Days (UTC)", today, JOURNAL_DAYS, on_change=first_page)
        kind = choice("Event", "event", words.EVENTS, on_change=first_page, width=190)
        account = choice("Account", "account", words.ACCOUNTS, on_change=first_page, width=190)
        pro = st.text_input("Pro’s id", key="pro", bind="query-params", on_change=first_page, width=140)
        reference = st.text_input(
            "Report, charge, payment, payout or number",
            key="ref",
            bind="query-params",
            on_change=first_page,
            help="Finds everything of it, whatever the other filters say",
        )
    return ledger.Search(
        ledger.start_of(first),
        ledger.start_of(until),
        kind,
        account,
        pro.strip() or None,
        reference.strip() or None,
    )


def _entry(visit: Visit, row: Row) -> Row:
    first = row["leg"] == 1
    late = f"booked on {row['booked_on']}" if row["booked_on"] else ""
    return {
        "When": words.moment(row["occurred_at"], visit.person) if first else "",
        "Event": words.EVENTS[row["kind"]] if first else "",
        "Account": words.ACCOUNTS[row["account"]],
        "Debit": format_money(row["amount"], row["currency"]) if row["amount"] > 0 else "",
        "Credit": format_money(-row["amount"], row["currency"]) if row["amount"] < 0 else "",
        "Of": row["source_id"],
        "Pro": row["pro_name"] or row["pro_id"] or "",
        "Report": row["report_id"] or "",
        "No.": str(row["transaction_id"]),
        "By": row["actor"],
        "Late": late,
    }


def _open(row: Row) -> None:
    """From an entry to what it belongs to: the claim, the lead, the processor's line, the pro."""
    if row["report_id"]:
        st.switch_page("pages/claim.py", query_params={"claim": row["report_id"], "part": "Money"})
    if row["lead_id"]:
        st.switch_page("pages/lead.py", query_params={"lead": row["lead_id"]})
    if row["kind"] in ("processor_fee", "bank_payout"):
        st.switch_page("pages/reconciliation.py", query_params={"view": "Lines", "line": row["source_id"]})
    if row["pro_id"]:
        st.switch_page("pages/statement.py", query_params={"pro": row["pro_id"]})
    _show_part("Adjustments")


def _export(visit: Visit, search: ledger.Search) -> None:
    first, until = search.since.date(), search.until.date()
    st.download_button(
        "CSV for accounting",
        lambda: ledger.journal_csv(visit.desk, visit.person, first, until),
        f"journal-{first}-{until - timedelta(days=1)}.csv",
        "text/csv",
        on_click="ignore",
        icon=":material/download:",
        help="Every entry booked on these days: date, account, debit, credit, reference",
    )


# -- adjustments ------------------------------------------------------------------------------------------


def _adjustments(visit: Visit) -> None:
    with st.container(horizontal=True, vertical_alignment="center"):
        quiet("An adjustment needs two people of finance and a reason; a mistake is reversed by another one.")
        if visit.may("adjust") and st.button("New adjustment", icon=":material/add:"):
            _propose(visit, uuid4().hex)
    rows = adjustments.listing(visit.desk, visit.person)
    for row in rows:
        if row["state"] == "waiting":
            _waiting(visit, row)
    settled = [row for row in rows if row["state"] != "waiting"]
    if not settled:
        quiet("No adjustment was posted or refused yet.")
        return
    frame = pd.DataFrame([_adjustment(visit, row) for row in settled])
    st.dataframe(frame.loc[:, (frame != "").any()], hide_index=True)


def _waiting(visit: Visit, row: Row) -> None:
    mine = row["proposed_by"] == visit.person.person_id
    with st.container(border=True):
        st.markdown(
            f"**{row['adjustment_id']}** · {words.money(row['amount'], row['currency'])} · {_sides(row)} · "
            f"“{words.plain(row['reason'])}” · {words.plain(row['proposed_by_name'])}, "
            f"{words.moment(row['proposed_at'], visit.person)}"
        )
        if not visit.may("release_adjustment"):
            return
        with st.container(horizontal=True, vertical_alignment="center"):
            if st.button(
                "Post",
                key=f"post-{row['adjustment_id']}",
                type="primary",
                disabled=mine,
                icon=":material/check:",
            ):
                _release(visit, row)
            if st.button("Drop" if mine else "Refuse", key=f"refuse-{row['adjustment_id']}"):
                _refuse(visit, row)
            if mine:
                quiet("You proposed it: another person of finance posts it.")


def _sides(row: Row) -> str:
    whose = f" of {words.plain(row['pro_name'] or row['pro_id'])}" if row["pro_id"] else ""
    debit, credit = (
        words.ACCOUNTS[account] + (whose if account == BALANCE else "")
        for account in (row["debit"], row["credit"])
    )
    return f"{debit} → {credit}"


def _adjustment(visit: Visit, row: Row) -> Row:
    return {
        "Adjustment": row["adjustment_id"],
        "Amount": format_money(row["amount"], row["currency"]),
        "Debit": words.ACCOUNTS[row["debit"]],
        "Credit": words.ACCOUNTS[row["credit"]],
        "Pro": row["pro_name"] or "",
        "Reason": row["reason"],
        "Proposed by": row["proposed_by_name"],
        "State": _STATES[row["state"]],
        "By": row["settled_by_name"] or "",
        "When": words.moment(row["settled_at"], visit.person),
        "Why refused": row["settled_why"],
    }


@st.dialog("New adjustment", width="medium")
def _propose(visit: Visit, key: str) -> None:
    """What is moved from where to where, and why."""
    names = list(adjustments.ADJUSTABLE)
    with st.form(f"propose-{key}", border=False):
        left, right = st.columns(2)
        debit = left.selectbox(
            "Debit", names, format_func=words.ACCOUNTS.__getitem__, index=names.index("refunds_given")
        )
        credit = right.selectbox(
            "Credit", names, format_func=words.ACCOUNTS.__getitem__, index=names.index(BALANCE)
        )
        amount = left.text_input("Amount", placeholder="12.50")
        currency = right.text_input("Currency", value="USD", max_chars=3)
        pro = st.text_input("Pro’s id, when a pro’s balance is moved", placeholder="as on the statement")
        reason = st.text_input("Reason", max_chars=2000)
        is_posted = st.form_submit_button("Propose", type="primary")
    quiet("A credit to a pro’s balance adds to it; a debit takes from it, like a charge.")
    if is_posted:
        code = currency.strip().upper()
        stay(
            lambda: adjustments.propose(
                visit.desk,
                visit.person,
                debit=debit,
                credit=credit,
                amount_minor=minor_units(amount, code),
                currency=code,
                reason=reason,
                pro_id=pro.strip() or None,
                idempotency_key=key,
            ),
            "Proposed: it is posted when another person of finance agrees.",
        )


@st.dialog("Post the adjustment", width="medium")
def _release(visit: Visit, row: Row) -> None:
    """The second person's word."""
    st.markdown(
        f"**{words.money(row['amount'], row['currency'])}** · {_sides(row)} · “{words.plain(row['reason'])}”"
    )
    if posted("Post"):
        stay(
            lambda: adjustments.release(visit.desk, visit.person, row["adjustment_id"]),
            f"{row['adjustment_id']} is posted.",
        )


@st.dialog("Refuse the adjustment", width="medium")
def _refuse(visit: Visit, row: Row) -> None:
    """It is not posted."""
    reason, is_posted = asked("Why?", "Refuse")
    if is_posted:
        stay(
            lambda: adjustments.refuse(visit.desk, visit.person, row["adjustment_id"], reason),
            f"{row['adjustment_id']} is refused.",
        )
