"""Card refunds on the screen: what is to be sent, what waits for a second person, what became of the rest."""

from datetime import datetime
from typing import Any, Final
from uuid import uuid4

import pandas as pd
import streamlit as st

from refundlib.domain.money import by_currency, format_money, format_sums
from refundlib.services import batches, card_refunds
from refundlib.ui import words
from refundlib.ui.dialogs import asked, posted, stay
from refundlib.ui.figure_parts import HEAD_PIXELS, ROW_PIXELS, chosen_row, digest_of, kept_row
from refundlib.ui.paging import after, first_page, turn
from refundlib.ui.shell import Visit, refusals, show_told
from refundlib.ui.text import quiet

_STAGES: Final = {
    "to_send": "To send",
    "second": "Second person",
    "under_way": "Under way",
    "returned": "Came back",
    "done": "Arrived",
    "batches": "Batches",
}
_BATCH_STATES: Final = {
    "waiting": "waits for a second person",
    "released": "released",
    "sent_back": "sent back",
}
WATCH_SECONDS: Final = 3

Row = dict[str, Any]


def show(visit: Visit) -> None:
    """The page of card refunds."""
    show_told()
    with refusals():
        _head(visit)
        stage = st.segmented_control(
            "Show",
            list(_STAGES),
            format_func=_STAGES.__getitem__,
            default="to_send",
            required=True,
            key="stage",
            bind="query-params",
            on_change=first_page,
            label_visibility="collapsed",
        )
        {
            "to_send": _to_send,
            "second": _second,
            "under_way": _under_way,
            "returned": _settled,
            "done": _settled,
            "batches": _batches,
        }[stage or "to_send"](visit, stage or "to_send")


def _head(visit: Visit) -> None:
    rows = batches.stages(visit.desk, visit.person)
    came_back = _sum(rows, "returned")
    parts = [
        f"**{_sum(rows, 'to_send')} to send**",
        f"{_sum(rows, 'second')} wait for a second person",
        f"{_sum(rows, 'under_way')} under way",
        f":red[**{came_back} came back**]" if not came_back.startswith("0") else "0 came back",
    ]
    st.markdown(" · ".join(parts) + f" in {batches.RETURNED_DAYS} days")
    if not visit.desk.processor.is_set:
        st.warning(
            "No card processor is set: what is released waits here and is not sent. "
            "Set REFUNDS_STRIPE_KEY and restart to send it.",
            icon=":material/credit_card_off:",
        )


def _sum(rows: list[Row], stage: str) -> str:
    """How many payouts of a stage, and how much in each currency."""
    of_it = [row for row in rows if row["stage"] == stage]
    amounts = words.plain(format_sums(by_currency(of_it)))
    count = sum(row["payouts"] for row in of_it)
    return f"{count} ({amounts})" if amounts else str(count)


# -- to send ----------------------------------------------------------------------------------------------


def _to_send(visit: Visit, stage: str) -> None:
    with st.container(horizontal=True, vertical_alignment="center"):
        order = st.segmented_control(
            "Order",
            ["Time left", "Age"],
            default="Time left",
            required=True,
            key="order",
            bind="query-params",
            label_visibility="collapsed",
        )
        everything = visit.may("make_batch") and st.toggle("All of them", key="all")
    rows = batches.on_the_way(visit.desk, visit.person, stage, by_age=order == "Age")
    if not rows:
        st.success("Nothing is to be sent.", icon=":material/task_alt:")
        return
    chosen = _chosen(visit, rows, everything=everything)
    if visit.may("make_batch"):
        _send_buttons(visit, chosen)
    elif chosen:
        _door(chosen[0])


def _chosen(visit: Visit, rows: list[Row], *, everything: bool) -> list[Row]:
    """The table; the rows that are ticked."""
    now = visit.desk.clock()
    digest = digest_of([row["payout_id"] for row in rows])
    picked: Any = st.dataframe(
        pd.DataFrame([_cells(visit, row, now) for row in rows]),
        hide_index=True,
        height=min(len(rows), 14) * ROW_PIXELS + HEAD_PIXELS,
        row_height=ROW_PIXELS,
        on_select="rerun",
        selection_mode="multi-row",
        key=f"to-send-{digest}-{st.session_state.get('sent', 0)}",
        column_config={"Report": st.column_config.LinkColumn(display_text=r"claim=([^&]+)")},
    )
    return rows if everything else [rows[at] for at in picked["selection"]["rows"] if at < len(rows)]


def _cells(visit: Visit, row: Row, now: datetime) -> Row:
    left = (row["card_until"] - now).total_seconds()
    return {
        "Time left": f"{words.duration(left)} left" if left > 0 else f"over by {words.duration(left)}",
        "Asked for": words.moment(row["requested_at"], visit.person),
        "Amount": format_money(row["amount"], row["currency"]),
        "Pro": row["pro_name"],
        "Report": f"/claim?claim={row['report_id']}&part=Money",
        "To payment": row["payment_ref"] or row["payment_id"],
        "Payout": row["payout_id"],
        "Asked by": row["requested_by_name"],
    }


def _send_buttons(visit: Visit, chosen: list[Row]) -> None:
    with st.container(horizontal=True, vertical_alignment="center"):
        label = f"Send {len(chosen)} · {words.plain(format_sums(by_currency(chosen)))}" if chosen else "Send"
        if st.button(label, type="primary", disabled=not chosen, shortcut="S", icon=":material/send:"):
            _send(visit, chosen, uuid4().hex)
        if st.button(
            "Decline", disabled=len(chosen) != 1, help="Choose one: its money goes back to the credit"
        ):
            _decline(visit, chosen[0])
        if len(chosen) == 1:
            _door(chosen[0])
        if not chosen:
            quiet("Tick the rows to send, or all of them.")


def _door(row: Row) -> None:
    st.page_link(
        "pages/claim.py",
        label=f"Open {words.plain(row['report_id'])}",
        icon=":material/balance:",
        query_params={"claim": row["report_id"], "part": "Money"},
    )


@st.dialog("Send to the cards", width="medium")
def _send(visit: Visit, chosen: list[Row], key: str) -> None:
    """What is sent, and whether a second person has to release it."""
    limit = batches.one_persons_limit(visit.desk, visit.person)
    sums = by_currency(chosen)
    st.markdown(f"**{words.plain(format_sums(sums))}** in {_count(chosen)} to the original payments.")
    above = [currency for currency, amount in sums.items() if amount > limit]
    if above:
        amount = words.money(limit, above[0])
        st.markdown(f"Above {amount} another person of finance releases it; until then nothing is sent.")
    else:
        st.markdown(_what_then(visit))
    if posted("Send"):
        st.session_state["sent"] = st.session_state.get("sent", 0) + 1
        ids = [row["payout_id"] for row in chosen]
        stay(
            lambda: batches.make(visit.desk, visit.person, ids, idempotency_key=key),
            "The batch waits for a second person." if above else f"Released. {_what_then(visit)}",
        )


def _what_then(visit: Visit) -> str:
    """What becomes of a released batch."""
    if visit.desk.processor.is_set:
        return "The processor gets it at once; the pros are told when it has taken it."
    return "No card processor is set, so it waits under way until there is one."


def _count(rows: list[Row]) -> str:
    return "1 payout" if len(rows) == 1 else f"{len(rows)} payouts"


@st.dialog("Decline a card refund", width="medium")
def _decline(visit: Visit, row: Row) -> None:
    """It is not sent: the money is on the pro's balance again."""
    amount = words.money(row["amount"], row["currency"])
    st.markdown(f"**{amount}** goes back to the credit of {words.plain(row['report_id'])}.")
    reason, is_posted = asked("Why?", "Decline")
    if is_posted:
        stay(
            lambda: card_refunds.decline(visit.desk, visit.person, row["payout_id"], reason),
            f"{row['payout_id']} is declined; its money is on the balance again.",
        )


# -- batches ----------------------------------------------------------------------------------------------


def _second(visit: Visit, _stage: str) -> None:
    waiting = [row for row in batches.listing(visit.desk, visit.person) if row["state"] == "waiting"]
    if not waiting:
        st.success("No batch waits for a second person.", icon=":material/task_alt:")
    for batch_id in dict.fromkeys(row["batch_id"] for row in waiting):
        _waiting_batch(visit, [row for row in waiting if row["batch_id"] == batch_id])


def _waiting_batch(visit: Visit, sums: list[Row]) -> None:
    first = sums[0]
    rows = batches.payouts_of(visit.desk, visit.person, first["batch_id"])
    what = f"{words.plain(format_sums(by_currency(rows)))} in {_count(rows)}"
    with st.container(border=True):
        st.markdown(
            f"**{first['batch_id']}** · {what} · by {words.plain(first['made_by_name'])}, "
            f"{words.moment(first['made_at'], visit.person)}"
        )
        _payouts(rows)
        if visit.may("release_batch"):
            _release_buttons(visit, first, what)


def _release_buttons(visit: Visit, batch: Row, what: str) -> None:
    mine = batch["made_by"] == visit.person.person_id
    with st.container(horizontal=True, vertical_alignment="center"):
        if st.button(
            "Release",
            key=f"release-{batch['batch_id']}",
            type="primary",
            disabled=mine,
            icon=":material/check:",
        ):
            _release(visit, batch["batch_id"], what)
        if st.button("Take apart" if mine else "Send back", key=f"back-{batch['batch_id']}"):
            _send_back(visit, batch["batch_id"])
        if mine:
            quiet("You made it: another person of finance releases it.")


@st.dialog("Release the batch", width="medium")
def _release(visit: Visit, batch_id: str, what: str) -> None:
    """The second person's word. what: the sums, for a place that reads Markdown."""
    st.markdown(f"**{what}**, {batch_id}. {_what_then(visit)}")
    if posted("Release"):
        stay(lambda: batches.release(visit.desk, visit.person, batch_id), f"{batch_id} is released.")


@st.dialog("Send the batch back", width="medium")
def _send_back(visit: Visit, batch_id: str) -> None:
    """Its payouts can be chosen again."""
    reason, is_posted = asked("Why?", "Send back")
    if is_posted:
        stay(
            lambda: batches.send_back(visit.desk, visit.person, batch_id, reason),
            f"{batch_id} is taken apart.",
        )


def _payouts(rows: list[Row]) -> None:
    """The payouts of a batch, or those under way, without a column of nothing."""
    frame = pd.DataFrame(
        [
            {
                "Payout": row["payout_id"],
                "Pro": row["pro_name"],
                "Amount": format_money(row["amount"], row["currency"]),
                "Where it is": words.PAYOUTS[row["state"]],
                "Why": _reason(row),
                "Report": f"/claim?claim={row['report_id']}&part=Money",
                "Processor’s id": row["processor_ref"] or "",
            }
            for row in rows
        ]
    )
    st.dataframe(
        frame.loc[:, (frame != "").any()],
        hide_index=True,
        column_config={"Report": st.column_config.LinkColumn(display_text=r"claim=([^&]+)")},
    )


def _reason(row: Row) -> str:
    """The processor's words for why money came back."""
    return (row["failure_reason"] or "").replace("_", " ")


def _batches(visit: Visit, _stage: str) -> None:
    rows = batches.listing(visit.desk, visit.person)
    if not rows:
        quiet("No batch was made yet.")
        return
    frame = pd.DataFrame(
        [
            {
                "Batch": row["batch_id"],
                "Made": words.moment(row["made_at"], visit.person),
                "By": row["made_by_name"],
                "Amount": format_money(row["amount"], row["currency"]),
                "State": _BATCH_STATES[row["state"]],
                "Settled by": row["settled_by_name"] or "",
                "Payouts": row["payouts"],
                "To go": row["waiting"],
                "Taken": row["arrived"],
                "Returned": row["returned"],
                "Why": row["reason"],
            }
            for row in rows
        ]
    )
    frame = frame.loc[:, (frame != "").any()]
    batch_id = kept_row(frame, [row["batch_id"] for row in rows], "batch", rows_shown=10)
    quiet(
        "Click a batch to see its payouts. Taken: the processor has them, or they arrived. "
        "Returned: declined, failed or came back."
    )
    if batch_id:
        st.markdown(f"**{batch_id}**")
        _payouts(batches.payouts_of(visit.desk, visit.person, batch_id))


# -- what became of them ----------------------------------------------------------------------------------


@st.fragment(run_every=WATCH_SECONDS)
def _under_way(visit: Visit, stage: str) -> None:
    """What is being sent or waits for its outcome, looked at again by itself."""
    with refusals():
        for row in batches.listing(visit.desk, visit.person):
            if row["state"] == "released" and row["waiting"]:
                done = row["payouts"] - row["waiting"]
                st.progress(done / row["payouts"], f"{row['batch_id']}: {done} of {row['payouts']} sent")
        rows = batches.on_the_way(visit.desk, visit.person, stage)
        _refresh_head([row["payout_id"] for row in rows])
        if not rows:
            st.success("Nothing is under way.", icon=":material/task_alt:")
            return
        _payouts([{**row, "failure_reason": ""} for row in rows])


def _refresh_head(payout_ids: list[str]) -> None:
    """The counts above stand outside the part that looks again: they are counted anew when one has gone."""
    before = st.session_state.get("under_way", payout_ids)
    st.session_state["under_way"] = payout_ids
    if before != payout_ids:
        st.rerun()


def _settled(visit: Visit, stage: str) -> None:
    page = batches.settled(visit.desk, visit.person, stage, after=after())
    if not page.rows and stage == "returned":
        st.success("Nothing came back.", icon=":material/task_alt:")
        return
    if not page.rows:
        quiet("Nothing arrived yet.")
        return
    frame = pd.DataFrame([_settled_cells(visit, row, stage) for row in page.rows])
    if (at := chosen_row(frame, f"payouts-{stage}", rows_shown=15)) is not None:
        st.switch_page("pages/claim.py", query_params={"claim": page.rows[at]["report_id"], "part": "Money"})
    with st.container(horizontal=True, vertical_alignment="center"):
        quiet("Click a row to open its claim.")
        turn(page.next_after)


def _settled_cells(visit: Visit, row: Row, stage: str) -> Row:
    cells = {
        "When": words.moment(row["at"], visit.person),
        "Amount": format_money(row["amount"], row["currency"]),
        "Pro": row["pro_name"],
    }
    if stage == "returned":
        cells |= {
            "What happened": words.PAYOUTS[row["state"]],
            "Why": _reason(row),
            "May be asked again until": _right(visit, row),
            "Unspent of the credit": format_money(row["remaining"], row["currency"]),
        }
    return {
        **cells,
        "Report": row["report_id"],
        "Payout": row["payout_id"],
        "Sent": words.moment(row["submitted_at"], visit.person),
        "Processor’s id": row["processor_ref"] or "–",
    }


def _right(visit: Visit, row: Row) -> str:
    """Until when it may be asked for again."""
    until = words.moment(row["card_until"], visit.person)
    return until if visit.desk.clock() <= row["card_until"] else f"over since {until}"
