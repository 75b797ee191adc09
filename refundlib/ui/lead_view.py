"""A lead on the screen, to read: the customer, everybody charged, each conversation."""

import pandas as pd
import streamlit as st

from refundlib.domain.errors import NotFound
from refundlib.domain.money import format_money
from refundlib.services import leads
from refundlib.services.leads import Lead
from refundlib.ui import conversation, words
from refundlib.ui.shell import Visit, refusals
from refundlib.ui.text import quiet


def show(visit: Visit) -> None:
    """The lead page: ?lead=L-1."""
    lead_id = st.query_params.get("lead", "")
    with refusals():
        if not lead_id:
            st.info("No lead is open. Open one from a claim.", icon=":material/person_search:")
            return
        try:
            it = leads.lead(visit.desk, visit.person, lead_id)
        except NotFound as missing:
            st.warning(str(missing), icon=":material/search_off:")
            return
        _head(visit, it)
        _charges(visit, it)
        _conversations(visit, it)


def _head(visit: Visit, it: Lead) -> None:
    row = it.row
    st.markdown(f"### Lead {words.plain(row['lead_id'])} · {words.plain(row['category'])} · {row['kind']}")
    st.markdown(
        f"“{words.plain(row['description'])}”  \n"
        f"zip {words.plain(row['zip'])} · asked {words.moment(row['created_at'], visit.person)} · "
        f"{words.plain(row['customer_name'])} · {words.plain(row['customer_phone']) or 'no phone number'}"
    )


def _charges(visit: Visit, it: Lead) -> None:
    if not it.charges:
        quiet("Nobody was charged for this lead.")
        return
    frame = pd.DataFrame(
        [
            {
                "Pro": row["pro_name"],
                "Charged": words.moment(row["charged_at"], visit.person),
                "Amount": format_money(row["amount"], row["currency"]),
                "Paid with": row["paid_with"],
                "Claim": f"/claim?claim={row['report_id']}" if row["report_id"] else None,
                "Reason": words.REASONS[row["reason"]] if row["reason"] else "",
                "State": words.STATES[row["state"]] if row["state"] else "no report",
            }
            for row in it.charges
        ]
    )
    link = st.column_config.LinkColumn(display_text=r"claim=(.+)$")
    st.dataframe(frame, hide_index=True, column_config={"Claim": link})


def _conversations(visit: Visit, it: Lead) -> None:
    if not it.pros:
        quiet("No conversation is on file.")
        return
    names = {pro["pro_id"]: pro["pro_name"] for pro in it.pros}
    chosen = st.segmented_control(
        "Conversation with",
        list(names),
        default=next(iter(names)),
        required=True,
        format_func=lambda pro: names[pro],
    )
    messages = it.conversations[chosen or next(iter(names))]
    items = [conversation.of_row(each, visit.person) for each in messages]
    with st.container(border=True):
        conversation.show(items, focus=None, height=420, key=f"lead-chat-{chosen}", empty="No message.")
