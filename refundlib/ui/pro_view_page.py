"""What a pro sees of a report, to show or read out: state, decision in the clause's words, the card."""

import streamlit as st

from refundlib.domain.errors import NotFound
from refundlib.domain.reasons import REASONS_IN_WORDS
from refundlib.services.pro_view import Credit, Decided, ProView, see_as_pro
from refundlib.ui import words
from refundlib.ui.shell import Visit, refusals
from refundlib.ui.text import quiet

_ICONS = {
    "open": ":material/hourglass_top:",
    "waiting_on_pro": ":material/help:",
    "approved": ":material/check_circle:",
    "denied": ":material/cancel:",
    "withdrawn": ":material/undo:",
}


def show(visit: Visit) -> None:
    """The page: ?claim=R-1001."""
    with refusals():
        report_id = st.query_params.get("claim", "")
        if not report_id:
            st.info("No report is open. Open one from its claim.", icon=":material/visibility:")
            return
        try:
            it = see_as_pro(visit.desk, visit.person, report_id)
        except NotFound as missing:
            st.warning(str(missing), icon=":material/search_off:")
            return
        st.page_link(
            "pages/claim.py",
            label="The claim",
            icon=":material/arrow_back:",
            query_params={"claim": report_id},
        )
        with st.container(border=True, width=760):
            _head(visit, it)
            _open(visit, it)
            for each in it.decisions:
                _decided(visit, it, each)
            if it.credit is not None:
                _credit(visit, it, it.credit)
            _card_refunds(visit, it)
        quiet("This is what the pro sees in the product, and what the mails say.")


def _head(visit: Visit, it: ProView) -> None:
    charge = words.money(it.charge_minor, it.currency)
    st.markdown(f"### {_ICONS[it.state]} {words.plain(it.headline)}")
    st.markdown(
        f"Report **{words.plain(it.report_id)}** of {words.moment(it.reported_at, visit.person)}: "
        f"{words.plain(REASONS_IN_WORDS[it.reason].title)}  \n"
        f"{words.plain(it.category)} {it.kind} {words.plain(it.lead_id)}, charged {charge} on "
        f"{words.moment(it.charged_at, visit.person)}"
    )


def _open(visit: Visit, it: ProView) -> None:
    if it.decide_by is not None:
        st.markdown(f"We decide by **{words.moment(it.decide_by, visit.person)}** and write to you then.")
    if it.question is not None:
        st.info(words.plain(it.question), icon=":material/help:")
        st.markdown("Answer in the conversation about this lead.")


def _decided(visit: Visit, it: ProView, each: Decided) -> None:
    what = "Refunded" if each.decision == "approve" else "Not refunded"
    if each.taken_back:
        what = "Refunded, and taken back later:"
    money = f" {words.money(each.amount_minor, it.currency)}" if each.amount_minor else ""
    st.markdown(f"**{what}{money}**, {words.moment(each.decided_at, visit.person)}")
    st.markdown(f"Our refund policy ({each.clause}): {words.plain(each.clause_text)}")
    if each.reason:
        st.markdown(f"> {words.plain(each.reason)}")


def _credit(visit: Visit, it: ProView, credit: Credit) -> None:
    amount, unspent, most = (
        words.money(n, it.currency)
        for n in (credit.amount_minor, credit.unspent_minor, credit.card_most_minor)
    )
    st.markdown(f"{amount} was credited to your balance; {unspent} of it is unspent.")
    if credit.card_why_not:
        st.markdown(words.plain(credit.card_why_not))
    else:
        until = words.moment(credit.card_until, visit.person)
        st.markdown(f"Up to **{most}** can go back to your card, if you ask by **{until}**.")


def _card_refunds(visit: Visit, it: ProView) -> None:
    for each in it.card_refunds:
        amount = words.money(each.amount_minor, it.currency)
        asked = words.moment(each.requested_at, visit.person)
        st.markdown(f"Card refund of {amount}, asked for {asked}: {words.plain(each.state)}")
