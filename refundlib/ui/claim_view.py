"""The claim on the screen: conversation and claim side by side, the buttons in sight, the rest below."""

from datetime import datetime, timedelta
from typing import Any, Final
from uuid import uuid4

import streamlit as st

from refundlib.domain.errors import NotFound
from refundlib.domain.money import format_money
from refundlib.domain.statistics import wilson
from refundlib.services import claims, queue, triage
from refundlib.services.answers import HOW
from refundlib.services.claims import Claim
from refundlib.ui import (
    checklist,
    claim_dialogs,
    claim_parts,
    conversation,
    policy_lab_flips,
    precedents_view,
    siblings_view,
    words,
)
from refundlib.ui.shell import Visit, refusals, show_told, tell
from refundlib.ui.text import quiet

PANEL_PIXELS: Final = 470
PRESENCE_SECONDS: Final = 20
_OPEN: Final = ("open", "waiting_on_pro")
_CHANNELS: Final = {"chat": "chat", "email": "mail", "phone": "phone", "desk": "the desk"}


def show(visit: Visit) -> None:
    """The claim page: ?claim=R-1001."""
    show_told()
    report_id = st.query_params.get("claim", "")
    if st.session_state.pop("go_next", False) and not (report_id and siblings_view.wait(visit, report_id)):
        _open_next(visit)
        report_id = st.query_params.get("claim", "")
    with refusals():
        if not report_id:
            st.info("No claim is open. Choose one in the queue.", icon=":material/inbox:")
            st.page_link("pages/queue.py", label="Open the queue", icon=":material/arrow_back:")
            return
        try:
            it = claims.claim(visit.desk, visit.person, report_id)
        except NotFound as missing:
            st.warning(str(missing), icon=":material/search_off:")
            st.page_link("pages/queue.py", label="Open the queue", icon=":material/arrow_back:")
            return
        _head(visit, it)
        policy_lab_flips.line_on_claim(visit, report_id)
        _earlier_rounds(visit, it)
        _side_by_side(visit, it)
        _actions(visit, it)
        claim_parts.show(visit, it)


def _open_next(visit: Visit) -> None:
    """After a decision the next claim opens; the queue when nothing is free."""
    st.session_state.pop("focus", None)
    with refusals():
        report_id = triage.take_next(visit.desk, visit.person)
        if report_id is None:
            st.switch_page("pages/queue.py")
        st.switch_page("pages/claim.py", query_params={"claim": report_id})


# -- head ---------------------------------------------------------------------------------------------


def _head(visit: Visit, it: Claim) -> None:
    report = it.report
    who = words.plain(it.facts["pro"]["name"])
    reason = words.REASONS[report["reason"]]
    st.markdown(f"### {words.plain(report['report_id'])} · {who} · {reason} · {words.plain(it.amount_text)}")
    with st.container(horizontal=True, vertical_alignment="center"):
        label, icon, colour = _clock(it, visit.desk.clock())
        st.badge(label, icon=icon, color=colour)
        st.markdown(
            f"window: {_day_of_window(it)} · policy {words.plain(it.policy.version)}", width="content"
        )
        if report["holder"]:
            mine = report["holder"] == visit.person.person_id
            st.markdown(f"· with {'you' if mine else words.plain(report['holder_name'])}", width="content")
        _lookers(visit, report["report_id"])
        precedents_view.way_back(it)
        st.page_link("pages/queue.py", label="Queue", icon=":material/arrow_back:")
        st.page_link(
            "pages/pro_view.py",
            label="As the pro sees it",
            icon=":material/visibility:",
            query_params={"claim": report["report_id"]},
        )


def _earlier_rounds(visit: Visit, it: Claim) -> None:
    """What was decided before this round, by whom and why, and what was new."""
    earlier = [row for row in it.decisions if row["round"] < it.report["round"]]
    if not earlier:
        return
    lines = [_round_in_words(visit, row) for row in earlier]
    lines += [
        f"Reopened by {words.plain(row['actor_name'])}, {words.moment(row['at'], visit.person)}: "
        f"“{words.plain(row['reason'])}”"
        for row in it.timeline
        if row["action"] == "reopened"
    ]
    st.info("  \n".join(lines), icon=":material/replay:")


def _round_in_words(visit: Visit, row: dict[str, Any]) -> str:
    done = {"approve": "approved", "deny": "denied"}[row["decision"]]
    note = f" “{words.plain(row['note'])}”" if row["note"] else ""
    return (
        f"Round {row['round']}: {done} by {words.plain(row['decided_by_name'])}, "
        f"{words.moment(row['decided_at'], visit.person)}.{note}"
    )


@st.fragment(run_every=PRESENCE_SECONDS)
def _lookers(visit: Visit, report_id: str) -> None:
    """Who else has the claim open; says at the same time that this person has."""
    with refusals():
        if others := queue.look(visit.desk, visit.person, report_id):
            names = words.plain(", ".join(others))
            st.markdown(f":orange[:material/visibility: {names} looks at it too]", width="content")


def _clock(it: Claim, now: datetime) -> tuple[str, str, Any]:
    """The countdown with its sign and colour: label, icon, colour of a badge."""
    state = it.report["state"]
    if state not in (*_OPEN, "awaiting_second_approval"):
        colour = {"approved": "green", "denied": "gray", "withdrawn": "gray"}[state]
        return words.STATES[state], ":material/gavel:", colour
    left = claims.seconds_left(it.report, now)
    kind = words.urgency(state, left)
    label = words.time_left(state, left)
    if state == "awaiting_second_approval":
        label = f"{label} · {words.STATES[state]}"
    look = {
        "late": (":material/alarm:", "red"),
        "soon": (":material/schedule:", "orange"),
        "waiting": (":material/pause_circle:", "gray"),
        "calm": (":material/schedule:", "blue"),
    }
    return label, *look[kind]


def _day_of_window(it: Claim) -> str:
    age = it.report["reported_at"] - it.report["charged_at"]
    return f"day {max(1, -(-age // timedelta(days=1)))} of {it.policy.window_days}"


# -- side by side -------------------------------------------------------------------------------------


def _side_by_side(visit: Visit, it: Claim) -> None:
    left, right = st.columns([10, 11], gap="medium")
    with left, st.container(border=True, height=PANEL_PIXELS):
        focus = st.session_state.get("focus")
        conversation.show(
            _items(visit, it),
            focus=focus,
            height=PANEL_PIXELS - 36,
            key=f"chat-{it.report['report_id']}",
            empty="No message was exchanged before the report.",
        )
    with right, st.container(border=True, height=PANEL_PIXELS):
        checklist.show(it.assessment, it.policy, _focus)
        quiet(words.plain(it.nearest))
        _facts(visit, it)


def _items(visit: Visit, it: Claim) -> list[conversation.Item]:
    """Messages, our questions, answers that came another way, and the moments between, in their order."""
    spans = conversation.marks_of(it.assessment.checks)
    of_it = [(each["sent_at"], _bubble(visit, it, each, spans)) for each in it.messages]
    of_it += [(each["at"], _question(visit, each)) for each in _questions(it)]
    of_it += [(each["answered_at"], _answer(visit, each)) for each in it.answers]
    if not of_it:
        return []
    of_it += [
        (at, conversation.line(f"{what} {words.moment(at, visit.person)}")) for what, at in _moments(it)
    ]
    # What was sent at the very moment of the report is still before it, as the checks count: lines come last.
    return [item for _at, item in sorted(of_it, key=lambda each: each[0])]


def _moments(it: Claim) -> list[tuple[str, datetime]]:
    reopened = [("reopened", row["at"]) for row in it.timeline if row["action"] == "reopened"]
    return [("charged", it.report["charged_at"]), ("reported", it.report["reported_at"]), *reopened]


def _questions(it: Claim) -> list[dict[str, Any]]:
    return [row for row in it.timeline if row["action"] == "asked_pro"]


def _question(visit: Visit, row: dict[str, Any]) -> conversation.Item:
    head = f"{words.moment(row['at'], visit.person)} · {row['actor_name']} asked, by mail"
    return conversation.message(head, row["at"].isoformat(), "desk", row["reason"], [])


def _answer(visit: Visit, row: dict[str, Any]) -> conversation.Item:
    head = f"{words.moment(row['answered_at'], visit.person)} · pro · answer, {HOW[row['channel']]}"
    return conversation.message(head, row["answered_at"].isoformat(), "pro", row["body"], [])


def _bubble(visit: Visit, it: Claim, message: dict[str, Any], spans: conversation.Spans) -> conversation.Item:
    first = message["message_id"] in it.first_response_ids
    later = message["sent_at"] > it.report["reported_at"]
    head = f"{words.moment(message['sent_at'], visit.person)} · {message['sender']}"
    if first:
        head += " · first reply"
    if message["message_id"] in _answers_in_chat(it):
        head += " · answer"
    side = message["sender"] + (" first" if first else "") + (" later" if later else "")
    return conversation.message(
        head, message["sent_at"].isoformat(), side, message["body"], spans.get(message["message_id"], ())
    )


def _answers_in_chat(it: Claim) -> set[str]:
    """The pro's first message after each question: also one that came before the pause ended."""
    firsts = (
        next(
            (m["message_id"] for m in it.messages if m["sender"] == "pro" and m["sent_at"] > asked["at"]),
            None,
        )
        for asked in _questions(it)
    )
    return {each for each in firsts if each}


def _focus(check_id: str) -> None:
    st.session_state["focus"] = check_id


def _facts(visit: Visit, it: Claim) -> None:
    report, lead, customer = it.report, it.facts["lead"], it.facts["customer"]
    phone = words.plain(customer["phone"]) or "no phone number"
    if it.changes:
        _changes(it)
    lines = [
        f"**Lead** {words.plain(lead['lead_id'])} · {lead['kind']} · {words.plain(lead['category'])} · "
        f"zip {words.plain(lead['zip'])}",
        f"“{words.plain(lead['description'])}”",
        f"**Customer** {words.plain(customer['name'])} · {phone}",
        f"**Charged** {words.moment(report['charged_at'], visit.person)} · **reported** "
        f"{words.moment(report['reported_at'], visit.person)} by {_CHANNELS[report['channel']]}"
        f"{_filed_by(it)}",
    ]
    if report["changed_zip"] or report["changed_category"]:
        change = " · ".join(filter(None, [report["changed_zip"], report["changed_category"]]))
        lines.append(f"**Changed to** {words.plain(change)}")
    if report["number_tried"]:
        lines.append(f"**Number tried** {words.plain(report['number_tried'])}")
    if it.attachments:
        lines.append(f"**Handed in** {words.count(len(it.attachments), 'file')}, below under Evidence")
    if report["details"]:
        says = "Opened by the desk" if report["channel"] == "desk" else "The pro says"
        lines.append(f"**{says}** {words.plain_lines(report['details'])}")
    st.markdown("  \n".join(lines))
    st.markdown(_history_in_words(it))


def _filed_by(it: Claim) -> str:
    """Who filed it for the pro; nobody for what the marketplace brought."""
    name = it.report["filed_by_name"]
    return "" if it.report["filed_by"] in ("import", "marketplace") else f", filed by {words.plain(name)}"


def _history_in_words(it: Claim) -> str:
    history = it.history
    others = len({row["pro_id"] for row in it.lead_charges} - {it.report["pro_id"]})
    low, high = wilson(history["refunded"], history["charges"])
    rate = f"({low:.0%} to {high:.0%})" if history["charges"] else ""
    reports = sum(1 for row in it.lead_charges if row["report_id"])
    return (
        f"**This pro**: {history['refunded']} of {history['charges']} charges refunded {rate}  \n"
        f"**Same lead**: {words.count(others, 'other pro')}, {words.count(reports, 'report')}"
    )


def _changes(it: Claim) -> None:
    names = ", ".join(words.plain(path) for path, _then, _now in it.changes[:4])
    more = f" and {len(it.changes) - 4} more" if len(it.changes) > 4 else ""
    st.warning(
        f"Changed since the report: {names}{more}. The checks use the facts as they were then.",
        icon=":material/difference:",
    )


# -- actions ------------------------------------------------------------------------------------------


def _actions(visit: Visit, it: Claim) -> None:
    state = it.report["state"]
    with st.container(horizontal=True, vertical_alignment="center"):
        if state in _OPEN and visit.may("decide"):
            _decide_buttons(visit, it)
        if state == "awaiting_second_approval":
            _second_buttons(visit, it)
        if state in ("approved", "denied"):
            _decided_buttons(visit, it)
        if state in (*_OPEN, "awaiting_second_approval") and visit.may("read_claim"):
            with st.popover("What will happen", icon=":material/visibility:"):
                claim_parts.preview(visit, it)
    if state in ("approved", "denied"):
        _decision_in_words(visit, it)
    if state == "approved":
        siblings_view.show(visit, it)


def _decide_buttons(visit: Visit, it: Claim) -> None:
    if _denied_before(visit, it):
        quiet("You denied this report before: another person judges the appeal.")
        return
    other = it.report["holder"] not in (None, visit.person.person_id)
    approve = f"Approve {words.plain(it.amount_text)}"
    if st.button(approve, type="primary", shortcut="A", disabled=other, icon=":material/check:"):
        claim_dialogs.decide(visit, it, "approve", uuid4().hex)
    if st.button("Deny", shortcut="D", disabled=other, icon=":material/close:"):
        claim_dialogs.decide(visit, it, "deny", uuid4().hex)
    if st.button(
        "Ask the pro", shortcut="I", disabled=other or it.report["state"] != "open", icon=":material/help:"
    ):
        claim_dialogs.ask(visit, it)
    if it.report["state"] == "waiting_on_pro" and st.button("The pro answered", icon=":material/call:"):
        claim_dialogs.answered(visit, it)
    if st.button("Part or goodwill", disabled=other):
        claim_dialogs.part(visit, it, uuid4().hex)
    if st.button("Withdraw", disabled=other, help="The pro takes the report back"):
        claim_dialogs.withdraw(visit, it)
    if it.report["holder"] == visit.person.person_id:
        st.button("Release", on_click=_release, args=(visit, it), help="Back to the queue, for anybody")
    elif not other:
        st.button("Take", on_click=_take, args=(visit, it), help="So that nobody else works on it")
    if other:
        quiet(f"{words.plain(it.report['holder_name'])} works on this claim now.")


def _denied_before(visit: Visit, it: Claim) -> bool:
    me = visit.person.person_id
    return any(
        row["decision"] == "deny" and row["decided_by"] == me and row["round"] < it.report["round"]
        for row in it.decisions
    )


def _second_buttons(visit: Visit, it: Claim) -> None:
    amount = format_money(it.report["proposed_amount"], it.report["currency"])
    who = it.report["proposed_by_name"]
    quiet(f"{who} proposes {amount}: {words.plain(it.report['proposal_note'] or 'no note')}.")
    if visit.may("second_approval"):
        mine = it.report["proposed_by"] == visit.person.person_id or _denied_before(visit, it)
        if st.button(
            f"Release {words.plain(amount)}",
            type="primary",
            shortcut="A",
            disabled=mine,
            icon=":material/check:",
        ):
            claim_dialogs.second(visit, it, uuid4().hex)
        if st.button("Send back", shortcut="D"):
            claim_dialogs.send_back(visit, it)


def _decided_buttons(visit: Visit, it: Claim) -> None:
    unspent = it.report["credit_remaining"] == it.report["refunded_amount"]
    if it.report["state"] == "approved" and visit.may("undo"):
        why = None if unspent else "The credit is no longer wholly unspent."
        if st.button("Undo the approval", disabled=not unspent, help=why, icon=":material/undo:"):
            claim_dialogs.undo(visit, it)
    if (
        it.report["state"] == "approved"
        and visit.may("request_card_refund")
        and st.button("Refund to the card", icon=":material/credit_card:")
    ):
        claim_dialogs.card(visit, it.report["report_id"])
    if it.report["state"] == "denied" and visit.may("reopen"):
        again = sum(row["decision"] == "deny" for row in it.decisions) > 1
        why = "An appeal is judged once, and it was." if again else None
        if st.button("Reopen (appeal)", icon=":material/replay:", disabled=again, help=why):
            claim_dialogs.reopen(visit, it)


def _decision_in_words(visit: Visit, it: Claim) -> None:
    report = it.report
    second = f", released by {words.plain(report['second_by_name'])}" if report["second_by_name"] else ""
    money = (
        f" {words.money(report['refunded_amount'], report['currency'])}"
        if report["state"] == "approved"
        else ""
    )
    note = f" “{words.plain(report['decision_note'])}”" if report["decision_note"] else ""
    st.markdown(
        f"**{words.STATES[report['state']].capitalize()}{money}** by "
        f"{words.plain(report['decided_by_name'])}{second}, "
        f"{words.moment(report['decided_at'], visit.person)}.{note}"
    )


def _release(visit: Visit, it: Claim) -> None:
    with refusals():
        triage.release(visit.desk, visit.person, it.report["report_id"])
        tell(f"{it.report['report_id']} is back in the queue.")


def _take(visit: Visit, it: Claim) -> None:
    with refusals():
        triage.take(visit.desk, visit.person, it.report["report_id"])
