"""What lies below a claim, and what an approval would do: history, others, timeline, money, mail."""

from typing import Any, Final

import pandas as pd
import streamlit as st

from refundlib.domain.money import format_money
from refundlib.services import card_refunds, decisions, reconciliation
from refundlib.services.claims import Claim
from refundlib.services.mailing import mails
from refundlib.ui import evidence, precedents_view, words
from refundlib.ui.shell import Visit
from refundlib.ui.text import quiet

_PARTS: Final = (
    "Pro’s history", "Same lead and customer", precedents_view.PART, "Evidence",
    "Timeline", "Money", "Mail", "Facts on file",
)  # fmt: skip
_ACTIONS: Final = {
    "filed": "filed the report",
    "approved": "approved",
    "denied": "denied",
    "proposed": "approved, above the limit",
    "sent_back": "sent it back",
    "undone": "undid the approval",
    "asked_pro": "asked the pro",
    "withdrawn": "withdrew it",
    "reopened": "reopened it",
    "answered": "noted an answer",
    "resumed": "started the clock again",
    "mail_filed": "filed a mail of the pro",
    "mail_answer": "brought a mail of the pro",
}


def preview(visit: Visit, it: Claim) -> None:
    """What an approval in full would do now: entries, balance, mail."""
    seen = decisions.preview(visit.desk, visit.person, it.report["report_id"])
    if seen.needs_second_approval:
        limit = words.money(seen.approval_limit_minor, seen.currency)
        st.markdown(f"Above {limit} another manager releases it; until then nothing is posted.")
    before, after = (
        words.money(each, seen.currency) for each in (seen.balance_before_minor, seen.balance_after_minor)
    )
    st.markdown(
        f"Balance: {before} → **{after}**. To the card until {words.moment(seen.card_until, visit.person)}."
    )
    st.dataframe(
        _entries_frame([(account, amount, seen.currency) for account, amount in seen.entries]),
        hide_index=True,
    )
    st.markdown(f"**The mail**: {words.plain(seen.letter.subject)}")
    st.code(seen.letter.body, language=None, wrap_lines=True)


def _entries_frame(entries: list[tuple[str, int, str]]) -> pd.DataFrame:
    return pd.DataFrame(
        [
            {
                "Account": words.ACCOUNTS[account],
                "Debit": format_money(amount, currency) if amount > 0 else "",
                "Credit": format_money(-amount, currency) if amount < 0 else "",
            }
            for account, amount, currency in entries
        ]
    )


def show(visit: Visit, it: Claim) -> None:
    """The part chosen; only that one is read and painted."""
    chosen = st.segmented_control(
        "More",
        _PARTS,
        default=_PARTS[0],
        required=True,
        label_visibility="collapsed",
        key="part",
        bind="query-params",
    )
    {
        _PARTS[0]: _history,
        _PARTS[1]: _others,
        _PARTS[2]: precedents_view.show,
        _PARTS[3]: evidence.show,
        _PARTS[4]: _timeline,
        _PARTS[5]: _money,
        _PARTS[6]: _mail,
        _PARTS[7]: _file,
    }[chosen or _PARTS[0]](visit, it)


def _history(visit: Visit, it: Claim) -> None:
    history = it.history
    quiet(
        f"{words.count(history['charges'], 'charge')}, {history['reported']} reported, "
        f"{history['refunded']} refunded. "
        f"The newest reports of {it.facts['pro']['name']}:"
    )
    _reports(visit, it.pro_reports, "This pro has reported nothing else.")


def _others(visit: Visit, it: Claim) -> None:
    lead_id, pro_id = it.report["lead_id"], it.report["pro_id"]
    with st.container(horizontal=True):
        st.page_link(
            "pages/lead.py",
            label="Open the lead",
            icon=":material/person_search:",
            query_params={"lead": lead_id},
        )
        st.page_link(
            "pages/messages.py",
            label="The pro’s messages",
            icon=":material/forum:",
            query_params={"pro": pro_id, "chat": f"{lead_id} {pro_id}"},
        )
    rows = [
        {
            "Pro": row["pro_name"],
            "Charged": words.moment(row["charged_at"], visit.person),
            "Amount": format_money(row["amount"], row["currency"]),
            "Report": row["report_id"] or "–",
            "State": words.STATES[row["state"]] if row["state"] else "no report",
        }
        for row in it.lead_charges
    ]
    quiet("Charged for this lead:")
    st.dataframe(pd.DataFrame(rows), hide_index=True)
    quiet("Other reports about this customer:")
    _reports(visit, it.customer_reports, "No other report is about this customer.")


def _reports(visit: Visit, rows: list[dict[str, Any]], none: str) -> None:
    if not rows:
        quiet(none)
        return
    frame = pd.DataFrame(
        [
            {
                "Report": f"/claim?claim={row['report_id']}",
                "Reported": words.moment(row["reported_at"], visit.person),
                "Reason": words.REASONS[row["reason"]],
                "Amount": format_money(row["amount"], row["currency"]),
                "Category": row["category"],
                "State": words.STATES[row["state"]],
            }
            for row in rows
        ]
    )
    link = st.column_config.LinkColumn(display_text=r"claim=(.+)$")
    st.dataframe(frame, hide_index=True, column_config={"Report": link})


def _timeline(visit: Visit, it: Claim) -> None:
    if not it.timeline:
        quiet("Nothing is on record yet.")
        return
    rows = [
        {
            "When": words.moment(row["at"], visit.person),
            "Who": row["actor_name"],
            "Did": _ACTIONS.get(row["action"], row["action"].replace("_", " ")),
            "Why": row["reason"],
            "Before": _values(row["old"]),
            "After": _values(row["new"]),
        }
        for row in it.timeline
    ]
    st.dataframe(pd.DataFrame(rows), hide_index=True)


def _values(values: dict[str, Any] | None) -> str:
    return ", ".join(f"{name} {value}" for name, value in (values or {}).items())


def _money(visit: Visit, it: Claim) -> None:
    if not it.entries:
        quiet("The ledger has nothing of this claim yet.")
        return
    rows = [
        {
            "When": words.moment(row["occurred_at"], visit.person),
            "Event": words.EVENTS[row["kind"]],
            "Account": words.ACCOUNTS[row["account"]],
            "Debit": format_money(row["amount"], row["currency"]) if row["amount"] > 0 else "",
            "Credit": format_money(-row["amount"], row["currency"]) if row["amount"] < 0 else "",
            "Transaction": str(row["transaction_id"]),
            "By": row["actor"],
        }
        for row in it.entries
    ]
    st.dataframe(pd.DataFrame(rows), hide_index=True)
    if found := card_refunds.offer(visit.desk, visit.person, it.report["report_id"]):
        credit_in_words(visit, found)
        if found.why_not:
            quiet(words.plain(found.why_not))
    for refund in it.card_refunds:
        amount = words.money(refund["amount"], refund["currency"])
        why = f": {words.plain(refund['failure_reason'])}" if refund["failure_reason"] else ""
        when = words.moment(refund["requested_at"], visit.person)
        name = words.plain(refund["card_refund_id"])
        st.markdown(f"Card refund {name}: {amount}, asked for {when}, **{refund['state']}**{why}")
    for line in reconciliation.lines_of_report(visit.desk, visit.person, it.report["report_id"]):
        at, amount = (
            words.moment(line["created_at"], visit.person),
            words.money(line["gross"], line["currency"]),
        )
        what = "sent the money" if line["category"] == "refund" else line["category"].replace("_", " ")
        st.markdown(f"The processor’s line {words.plain(line['line_id'])}: {what}, {amount}, {at}")
    with st.container(horizontal=True):
        st.page_link(
            "pages/statement.py",
            label="The pro’s statement",
            icon=":material/account_balance_wallet:",
            query_params={"pro": it.report["pro_id"]},
        )
        if visit.may("read_ledger"):
            st.page_link(
                "pages/ledger.py",
                label="In the journal",
                icon=":material/menu_book:",
                query_params={"books": "Journal", "ref": it.report["report_id"]},
            )


def credit_in_words(visit: Visit, found: card_refunds.Offer) -> None:
    """A credit: how much is unspent, on what the rest was spent, until when and to which payments it goes."""
    left, all_of_it = (words.money(n, found.currency) for n in (found.remaining_minor, found.credit_minor))
    until = words.moment(found.card_until, visit.person)
    st.markdown(f"**{left}** of the {all_of_it} credit is unspent; to the card until **{until}** (C1).")
    for use in found.uses:
        if use["kind"] != "refund":
            amount = words.money(abs(use["amount"]), found.currency)
            direction = "came back from" if use["amount"] > 0 else "went to"
            what = f"{words.EVENTS[use['kind']].lower()} {words.plain(use['source_id'])}"
            quiet(f"{amount} {direction} {what}, {words.moment(use['occurred_at'], visit.person)}")
    for payment in found.payments:
        amount = words.money(payment.left, found.currency)
        quiet(
            f"Payment {words.plain(payment.payment_id)} of {words.moment(payment.paid_at, visit.person)} "
            f"can return {amount}"
        )


def _mail(visit: Visit, it: Claim) -> None:
    rows = mails(visit.desk, visit.person, report_id=it.report["report_id"])
    if not rows:
        quiet("No mail was written about this claim yet.")
    for row in rows:
        subject, status = words.plain(row["subject"]), words.plain(row["status"])
        st.markdown(f"{words.moment(row['created_at'], visit.person)} · **{subject}** · {status}")


def _file(visit: Visit, it: Claim) -> None:
    taken = words.moment(it.report["taken_at"], visit.person)
    quiet(f"Frozen {taken}; SHA-256 {it.report['sha256']}")
    for path, then, now in it.changes:
        st.markdown(f"{words.plain(path)}: was {words.plain(then)}, now {words.plain(now)}")
    st.json(it.facts, expanded=1)
