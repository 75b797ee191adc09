"""A pro's statement on the screen: each posting from opening to closing; the credits behind the balance."""

from datetime import UTC, timedelta
from html import escape
from typing import Any, Final

import pandas as pd
import streamlit as st

from refundlib.domain.errors import NotFound
from refundlib.domain.money import format_money
from refundlib.services import statements
from refundlib.services.ledger import start_of
from refundlib.services.statements import Statement
from refundlib.ui import claim_dialogs, words
from refundlib.ui.export import csv_of
from refundlib.ui.figure_parts import chosen_row, kept_row
from refundlib.ui.filters import days
from refundlib.ui.shell import Visit, refusals, show_told
from refundlib.ui.text import quiet

STATEMENT_DAYS: Final = 90

Row = dict[str, Any]


def show(visit: Visit) -> None:
    """The statement page: ?pro=P1."""
    show_told()
    with refusals():
        pro_id = st.query_params.get("pro", "")
        if not pro_id:
            _find(visit)
            return
        try:
            it = _statement(visit, pro_id)
        except NotFound as missing:
            st.warning(str(missing), icon=":material/search_off:")
            _find(visit)
            return
        _lines(visit, it)
        _credits(visit, it)


def _find(visit: Visit) -> None:
    text = st.text_input("Whose statement? Search by the pro’s name or id", key="find", width=420)
    found = statements.find_pros(visit.desk, visit.person, text)
    if text and not found:
        st.info("No pro is called like this.", icon=":material/search_off:")
    for row in found:
        st.page_link(
            "pages/statement.py",
            label=f"{words.plain(row['name'])} · {words.plain(row['pro_id'])}",
            query_params={"pro": row["pro_id"]},
        )


def _statement(visit: Visit, pro_id: str) -> Statement:
    """The filters, and the statement they give."""
    today = visit.desk.clock().astimezone(UTC).date()
    owned = statements.currencies(visit.desk, visit.person, pro_id)
    head = st.container()
    with st.container(horizontal=True, vertical_alignment="bottom"):
        first, until = days("Days (UTC)", today, STATEMENT_DAYS)
        currency = owned[0] if owned else None
        if len(owned) > 1:
            currency = st.selectbox("Currency", owned, key="currency", bind="query-params", width=110)
    it = statements.statement(visit.desk, visit.person, pro_id, start_of(first), start_of(until), currency)
    balance, held = words.money(it.balance_now, it.currency), words.money(it.held_now, it.currency)
    head.markdown(
        f"### {words.plain(it.pro_name)}\n"
        f"**{balance}** on the balance now · {held} on its way to a card · {words.plain(it.pro_id)}"
    )
    return it


# -- lines ------------------------------------------------------------------------------------------------


def _lines(visit: Visit, it: Statement) -> None:
    opening, closing = (
        f"{words.money(balance, it.currency)} (held {words.money(held, it.currency)})"
        for balance, held in ((it.opening_balance, it.opening_held), (it.closing_balance, it.closing_held))
    )
    st.markdown(f"Before: {opening} · {len(it.lines)} postings · after: **{closing}**")
    if not it.lines:
        quiet("Nothing was posted on these days.")
        return
    frame = pd.DataFrame([_line(visit, row, it.currency) for row in it.lines])
    if (at := chosen_row(frame, "statement", rows_shown=12)) is not None:
        _open(it.lines[at])
    with st.container(horizontal=True, vertical_alignment="center"):
        quiet("Click a line to open what it belongs to.")
        name = f"statement-{it.pro_id}-{it.since.date()}-{(it.until - timedelta(days=1)).date()}"
        st.download_button(
            "CSV",
            lambda: csv_of(frame),
            f"{name}.csv",
            "text/csv",
            on_click="ignore",
            icon=":material/download:",
        )
        st.download_button(
            "To print",
            lambda: printed(it, frame),
            f"{name}.html",
            "text/html",
            on_click="ignore",
            icon=":material/print:",
            help="A page to print, or to send on",
        )


def _line(visit: Visit, row: Row, currency: str) -> Row:
    return {
        "When": words.moment(row["occurred_at"], visit.person),
        "Event": words.EVENTS[row["kind"]],
        "Of": row["source_id"],
        "In": format_money(row["balance"], currency) if row["balance"] > 0 else "",
        "Out": format_money(-row["balance"], currency) if row["balance"] < 0 else "",
        "Balance": format_money(row["balance_after"], currency),
        "Held": format_money(row["held_after"], currency),
        "No.": str(row["transaction_id"]),
    }


def _open(row: Row) -> None:
    if row["report_id"]:
        st.switch_page("pages/claim.py", query_params={"claim": row["report_id"], "part": "Money"})
    if row["lead_id"]:
        st.switch_page("pages/lead.py", query_params={"lead": row["lead_id"]})


def printed(it: Statement, frame: pd.DataFrame) -> bytes:
    """The statement as a page of its own, every text escaped; for paper, and for the pro."""
    days = f"{it.since:%Y-%m-%d} to {it.until - timedelta(days=1):%Y-%m-%d}"
    opening, closing = (format_money(n, it.currency) for n in (it.opening_balance, it.closing_balance))
    style = (
        "body{font:14px sans-serif;margin:2em}table{border-collapse:collapse;width:100%}"
        "td,th{border-bottom:1px solid #ccc;padding:4px 8px;text-align:left}"
    )
    return (
        "<!doctype html><html lang='en'><meta charset='utf-8'>"
        f"<title>Statement of {escape(it.pro_name)}</title><style>{style}</style>"
        f"<h1>{escape(it.pro_name)}</h1><p>{escape(it.pro_id)} · {days} (UTC days) · {it.currency}</p>"
        f"<p>Before: {opening}</p>{frame.to_html(index=False, border=0, escape=True)}"
        f"<p><b>After: {closing}</b></p></html>"
    ).encode()


# -- credits ----------------------------------------------------------------------------------------------


def _credits(visit: Visit, it: Statement) -> None:
    st.markdown("#### Where the money came from")
    if not it.credits:
        quiet("Nothing was ever paid or credited.")
        return
    frame = pd.DataFrame([_credit(visit, row, it.currency) for row in it.credits])
    kept = kept_row(frame, [row["lot_id"] for row in it.credits], "credit", rows_shown=8)
    chosen = next((row for row in it.credits if row["lot_id"] == kept), None)
    if chosen is None:
        quiet("Click a row to see on what it was spent, and to refund a credit to the card.")
        return
    _uses(visit, chosen, it.currency)


def _credit(visit: Visit, row: Row, currency: str) -> Row:
    until = words.moment(row["card_until"], visit.person) if row["card_until"] else "never"
    return {
        "Since": words.moment(row["opened_at"], visit.person),
        "From": {"payment": "Payment", "refund": "Refund credit", "adjustment": "Adjustment"}[row["kind"]],
        "Of": row["source_id"],
        "Amount": format_money(row["amount"], currency),
        "Unspent": format_money(row["remaining"], currency),
        "To the card until": until,
        "Payments behind": ", ".join(row["payment_ids"]) or "none",
    }


def _uses(visit: Visit, row: Row, currency: str) -> None:
    left = words.money(row["remaining"], currency)
    with st.container(horizontal=True, vertical_alignment="center"):
        st.markdown(f"**{words.plain(row['source_id'])}**: {left} unspent", width="content")
        if (
            row["report_id"]
            and visit.may("request_card_refund")
            and st.button("Refund to the card", icon=":material/credit_card:")
        ):
            claim_dialogs.card(visit, row["report_id"])
    uses = statements.uses_of(visit.desk, visit.person, row["lot_id"])
    st.dataframe(
        pd.DataFrame(
            [
                {
                    "When": words.moment(use["occurred_at"], visit.person),
                    "Event": words.EVENTS[use["kind"]],
                    "Of": use["source_id"],
                    "Amount": format_money(use["amount"], currency),
                    "Lead": f"/lead?lead={use['lead_id']}" if use["lead_id"] else "",
                }
                for use in uses
            ]
        ),
        hide_index=True,
        column_config={"Lead": st.column_config.LinkColumn(display_text=r"lead=(.+)$")},
    )
