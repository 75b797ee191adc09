"""The processor's lines on the screen: to be confirmed, to be posted, and each with its matches."""

from typing import Any, Final

import pandas as pd
import streamlit as st

from refundlib.domain.money import format_money
from refundlib.domain.processor_report import KNOWN_CATEGORIES
from refundlib.services import reconciliation
from refundlib.ui import words
from refundlib.ui.dialogs import asked, posted, stay
from refundlib.ui.figure_parts import kept_row
from refundlib.ui.paging import after, first_page, open_part, turn
from refundlib.ui.shell import Visit
from refundlib.ui.text import quiet

_HOW: Final = {
    "our_id": "by our id",
    "processor_id": "by the processor’s id",
    "confirmed": "confirmed by a person",
}

Row = dict[str, Any]


def doors(row: Row) -> None:
    """From a break to what it is about."""
    if row["report_id"]:
        st.page_link(
            "pages/claim.py",
            label="The claim",
            icon=":material/balance:",
            query_params={"claim": row["report_id"], "part": "Money"},
        )
    # On this very page a link would leave the address as it is.
    if row["line_id"] and st.button("The processor’s line", type="tertiary", icon=":material/receipt:"):
        open_part("view", "Lines")
        st.query_params["line"] = row["line_id"]
        st.rerun()
    if row["pro_id"]:
        st.page_link(
            "pages/statement.py",
            label="The pro’s statement",
            icon=":material/account_balance_wallet:",
            query_params={"pro": row["pro_id"]},
        )


# -- to confirm, to post ----------------------------------------------------------------------------------


def proposals(visit: Visit, waiting: list[Row]) -> None:
    if not waiting:
        st.success("No line waits to be confirmed.", icon=":material/task_alt:")
        return
    quiet("Exactly the same amount, a few days apart, and no id that proves it: is it the same?")
    for line_id in dict.fromkeys(row["line_id"] for row in waiting):
        _proposal(visit, [row for row in waiting if row["line_id"] == line_id])


def _proposal(visit: Visit, candidates: list[Row]) -> None:
    line = candidates[0]
    amount, when = (
        words.money(line["gross"], line["currency"]),
        words.moment(line["created_at"], visit.person),
    )
    with st.container(border=True):
        said = f" · {words.plain(line['description'])}" if line["description"] else ""
        st.markdown(f"**{words.plain(line['line_id'])}** · {line['category']} · {amount} · {when}{said}")
        for number, row in enumerate(candidates):
            with st.container(horizontal=True, vertical_alignment="center"):
                when = words.moment(row["at"], visit.person)
                st.markdown(f"{row['what']} {words.plain(row['subject_id'])}, {when}", width="content")
                if visit.may("reconcile") and st.button(
                    "It is the same", key=f"confirm-{line['line_id']}-{number}", icon=":material/link:"
                ):
                    _confirm(visit, row)
                if visit.may("reconcile") and st.button(
                    "It is not", key=f"refuse-{line['line_id']}-{number}", icon=":material/link_off:"
                ):
                    _refuse(visit, row)


@st.dialog("Not the same", width="medium")
def _refuse(visit: Visit, row: Row) -> None:
    """The proposal is not so: both sides are breaks of their own then."""
    st.markdown(f"{words.plain(row['line_id'])} is not {row['what']} **{words.plain(row['subject_id'])}**.")
    why, is_posted = asked("Why not?", "It is not the same")
    if is_posted:
        stay(
            lambda: reconciliation.refuse(
                visit.desk, visit.person, row["line_id"], row["what"], row["subject_id"], why
            ),
            "Kept: it is not proposed again.",
        )


@st.dialog("Confirm a match", width="medium")
def _confirm(visit: Visit, row: Row) -> None:
    """The line and the thing of ours are one."""
    st.markdown(
        f"{words.plain(row['line_id'])} is {row['what']} **{words.plain(row['subject_id'])}**, "
        f"{words.money(row['gross'], row['currency'])}. It can be undone."
    )
    if posted("Confirm"):
        stay(
            lambda: reconciliation.confirm(
                visit.desk, visit.person, row["line_id"], row["what"], row["subject_id"]
            ),
            f"{row['line_id']} is matched with {row['subject_id']}.",
        )


def to_post(visit: Visit, due: list[Row]) -> None:
    if not due:
        st.success("The ledger has every fee and payout of the reports.", icon=":material/task_alt:")
        return
    with st.container(horizontal=True, vertical_alignment="center"):
        quiet("What only the processor knows: its fees, and what it paid out to our bank.")
        if visit.may("reconcile") and st.button(f"Post {len(due)}", type="primary", icon=":material/check:"):
            _post(visit, due)
    st.dataframe(
        pd.DataFrame(
            [
                {
                    "When": words.moment(row["created_at"], visit.person),
                    "Line": row["line_id"],
                    "Category": row["category"],
                    "Gross": format_money(row["gross"], row["currency"]),
                    "Fee": format_money(row["fee"], row["currency"]),
                    "Description": row["description"],
                }
                for row in due
            ]
        ),
        hide_index=True,
    )


def _sums(due: list[Row]) -> tuple[int, int]:
    """Fees and payouts of some lines (minor units); a line of the category fee is one itself."""
    fee = sum(row["fee"] - (row["gross"] if row["category"] == "fee" else 0) for row in due)
    return fee, -sum(row["gross"] for row in due if row["category"] in ("payout", "payout_reversal"))


@st.dialog("Post fees and payouts", width="medium")
def _post(visit: Visit, due: list[Row]) -> None:
    """Each at its own time; what is of a closed day is booked on the next open one."""
    fees, bank = words.ACCOUNTS["processor_fees"], words.ACCOUNTS["bank"]
    for currency in sorted({row["currency"] for row in due}):
        fee, paid = _sums([row for row in due if row["currency"] == currency])
        st.markdown(
            f"**{words.money(fee, currency)}** of fees go to *{fees}*, **{words.money(paid, currency)}** "
            f"of payouts to *{bank}*."
        )
    if posted("Post"):
        stay(
            lambda: reconciliation.post_fees_and_payouts(visit.desk, visit.person),
            "Posted: the ledger has the fees and payouts of every report.",
        )


# -- lines ------------------------------------------------------------------------------------------------


def lines(visit: Visit) -> None:
    with st.container(horizontal=True, vertical_alignment="bottom"):
        category = st.selectbox(
            "Category",
            sorted(KNOWN_CATEGORIES),
            index=None,
            placeholder="any",
            key="category",
            bind="query-params",
            on_change=first_page,
            width=220,
        )
        search = st.text_input(
            "Line, charge, refund, payout or our id", key="line", bind="query-params", on_change=first_page
        )
    rows, following = reconciliation.lines(
        visit.desk, visit.person, category=category, search=search, after=after()
    )
    if not rows:
        st.info("No line is like this.", icon=":material/search_off:")
        return
    frame = pd.DataFrame([_line(visit, row) for row in rows])
    picked = kept_row(frame, [row["line_id"] for row in rows], "chosen_line", rows_shown=12)
    with st.container(horizontal=True, vertical_alignment="center"):
        quiet("Click a line to see what it is matched with.")
        turn(following)
    one = rows[0] if len(rows) == 1 else next((row for row in rows if row["line_id"] == picked), None)
    if one is not None:
        _line_in_full(visit, one)


def _line(visit: Visit, row: Row) -> Row:
    return {
        "When": words.moment(row["created_at"], visit.person),
        "Line": row["line_id"],
        "Category": row["category"],
        "Gross": format_money(row["gross"], row["currency"]),
        "Fee": format_money(row["fee"], row["currency"]) if row["fee"] else "",
        "Matched with": row["subject_id"] or ("posted" if row["posted_in"] else "–"),
        "How": _HOW.get(row["how"] or "", ""),
        "Report": row["report_id"] or "",
        "Processor’s id": row["source_id"] or "",
        "File": row["file_id"],
    }


def _line_in_full(visit: Visit, row: Row) -> None:
    with st.container(border=True):
        with st.container(horizontal=True, vertical_alignment="center"):
            amount = words.money(row["gross"], row["currency"])
            said = f" · {words.plain(row['description'])}" if row["description"] else ""
            st.markdown(
                f"**{words.plain(row['line_id'])}** · {row['category']} · {amount}{said}", width="content"
            )
            doors({"report_id": row["report_id"], "line_id": None, "pro_id": None})
            if (
                row["match_id"]
                and visit.may("reconcile")
                and st.button("Undo the match", icon=":material/link_off:")
            ):
                _undo(visit, row)
        if row["what"] == "payout":
            _chain(visit, row["subject_id"])
        if not row["match_id"]:
            quiet(_unmatched(row))
        for each in reconciliation.history_of(visit.desk, visit.person, row["line_id"]):
            quiet(_match(visit, each))


def _match(visit: Visit, row: Row) -> str:
    """A match a line has or had, or one that a person refused: then it never stood."""
    what = f"{row['what']} {words.plain(row['subject_id'])}"
    who, when = words.plain(row["matched_by_name"]), words.moment(row["matched_at"], visit.person)
    why = f"“{words.plain(row['undone_why'])}”"
    if row["undone_at"] == row["matched_at"]:
        return f"not {what}, {who}, {when}: {why}"
    undone = f"; undone by {words.plain(row['undone_by_name'])}: {why}" if row["undone_at"] else ""
    return f"{what}, {_HOW[row['how']]}, {who}, {when}{undone}"


def _unmatched(row: Row) -> str:
    """Why a line is matched with nothing."""
    if row["category"] not in reconciliation.SETTLED_BY_POSTING:
        return "It is matched with nothing: what the processor moved here is not known to us, or not proven."
    if row["posted_in"]:
        return f"It belongs to nothing of ours; the ledger has it as transaction {row['posted_in']}."
    return "It belongs to nothing of ours, and is to be posted."


def _chain(visit: Visit, payout_id: str) -> None:
    """The three sides of it: the decision, the ledger, the processor."""
    steps = reconciliation.chain(visit.desk, visit.person, payout_id)
    own = {"approved": "Approved", "sent": "Sent to the processor", "line": "The processor’s line"}
    st.dataframe(
        pd.DataFrame(
            [
                {
                    "When": words.moment(step["at"], visit.person),
                    "What": own.get(step["step"]) or f"Ledger: {words.EVENTS[step['step']].lower()}",
                    "Id": step["id"],
                    "Amount": format_money(step["amount"], step["currency"]),
                    "By": step["who"],
                }
                for step in steps
            ]
        ),
        hide_index=True,
    )


@st.dialog("Undo a match", width="medium")
def _undo(visit: Visit, row: Row) -> None:
    """It stays as history, and is not made again by itself."""
    st.markdown(f"{words.plain(row['line_id'])} is no longer {words.plain(row['subject_id'])}.")
    why, is_posted = asked("Why?", "Undo the match")
    if is_posted:
        stay(
            lambda: reconciliation.undo_match(visit.desk, visit.person, row["line_id"], why),
            "The match is undone.",
        )
