"""The form of a report: the days left first, the reasons in plain words, the checklist live beside it."""

from collections.abc import Callable, Mapping
from datetime import datetime, timedelta
from typing import Any, Final

import streamlit as st

from refundlib.domain.errors import DeniedBefore, NotFound, Refusal
from refundlib.domain.money import format_money
from refundlib.domain.reasons import REASONS_IN_WORDS
from refundlib.services import intake, received
from refundlib.services.files import File
from refundlib.services.intake import CHANNELS, DETAILS_CHARACTERS_MAX, Draft, Prospect, known_categories
from refundlib.ui import checklist, conversation, words
from refundlib.ui.evidence import uploaded
from refundlib.ui.shell import Visit, refusals, show_told, tell
from refundlib.ui.text import quiet

CHAT_PIXELS: Final = 300
_HOW_TOLD: Final[Mapping[str, str]] = {
    "chat": "in the product",
    "email": "by mail",
    "phone": "on the phone",
}

Row = dict[str, Any]
Files = Callable[[], list[File]]


def show(visit: Visit) -> None:
    """The report page: ?charge=, and with a pro's mail ?received= and ?reason=."""
    show_told()
    with refusals():
        charge_id = st.query_params.get("charge", "")
        if not charge_id:
            st.info("No charge is chosen. Open a conversation and choose Report.", icon=":material/flag:")
            st.page_link("pages/messages.py", label="Messages", icon=":material/arrow_back:")
            return
        mail = _mail(visit)
        try:
            ahead = intake.prospect(visit.desk, visit.person, Draft(charge_id, "other"), _came(mail))
        except NotFound as missing:
            st.warning(str(missing), icon=":material/search_off:")
            st.page_link("pages/messages.py", label="Messages", icon=":material/arrow_back:")
            return
        _head(visit, ahead)
        # A denial is in the way of its own reason only, which is chosen below.
        if ahead.obstacle is not None and not isinstance(ahead.obstacle, DeniedBefore):
            _lead_to_the_first(ahead.obstacle)
            return
        left, right = st.columns([11, 10], gap="large")
        with left:
            draft, files = _form(visit, ahead, mail)
            if draft is not None:
                _post(visit, draft, files, mail)
        with right:
            _live(visit, ahead if draft is None else _as_filled_in(visit, draft, mail), draft)


def _mail(visit: Visit) -> Row | None:
    """The pro's mail that this report is of, when there is one."""
    number = st.query_params.get("received", "")
    if not number.isdecimal():
        return None
    return received.received_mail(visit.desk, visit.person, int(number))


# -- head ---------------------------------------------------------------------------------------------


def _head(visit: Visit, ahead: Prospect) -> None:
    pro, charge, lead = (ahead.facts[part] for part in ("pro", "charge", "lead"))
    amount = words.plain(format_money(charge["amount"], charge["currency"]))
    st.markdown(f"### Report for {words.plain(pro['name'])} · {amount} · {words.plain(lead['category'])}")
    customer = ahead.facts["customer"]["name"]
    st.markdown(
        f"About {words.plain(customer)}: “{words.plain(lead['description'])}”, {lead['kind']}, "
        f"zip {words.plain(lead['zip'])}"
    )
    with st.container(horizontal=True, vertical_alignment="center"):
        left = ahead.report_until - ahead.reported_at
        until = words.moment(ahead.report_until, visit.person)
        if ahead.is_late:
            late = words.duration(-left.total_seconds())
            st.badge(f"{late} too late", icon=":material/alarm:", color="red")
            st.markdown(
                f"It could be reported until {until}. It can be filed; the checks advise to deny it (W1).",
                width="content",
            )
        else:
            label = _days_left(left)
            colour: Any = "orange" if left < timedelta(days=3) else "blue"
            st.badge(label, icon=":material/schedule:", color=colour)
            days = f"of {ahead.policy.window_days} days"
            st.markdown(f"{days} to report it, until {until}", width="content")
        st.page_link(
            "pages/messages.py",
            label="The conversation",
            icon=":material/arrow_back:",
            query_params={"pro": pro["pro_id"], "chat": f"{lead['lead_id']} {pro['pro_id']}"},
        )


def _days_left(left: timedelta) -> str:
    if left < timedelta(days=1):
        return f"{words.duration(left.total_seconds())} left"
    return f"{left.days} {'day' if left.days == 1 else 'days'} left"


def _lead_to_the_first(obstacle: Any) -> None:
    st.warning(str(obstacle), icon=":material/content_copy:")
    if obstacle.report_id:
        st.page_link(
            "pages/claim.py",
            label=f"Open {words.plain(obstacle.report_id)}",
            icon=":material/balance:",
            query_params={"claim": obstacle.report_id},
        )


# -- the form -----------------------------------------------------------------------------------------


def _form(visit: Visit, ahead: Prospect, mail: Row | None) -> tuple[Draft | None, Files]:
    """What is filled in; None while no reason is chosen, and the files that can be taken."""
    reason = st.radio(
        "What happened?",
        list(REASONS_IN_WORDS),
        format_func=lambda name: REASONS_IN_WORDS[name].title,
        index=_wanted(),
        key="reason",
    )
    if reason is None:
        quiet("Choose what happened; what qualifies and what the checks say is shown then.")
        return None, list
    _explain(reason)
    needs = _what_it_needs(visit, reason, ahead)
    details = st.text_area(
        "In the pro’s own words",
        value=_words_of(mail),
        height=80,
        key=f"details-{st.query_params.get('received', '')}",
        placeholder="What happened, and when. The person who decides reads it, and so do the checks.",
    )
    files = _files(mail)
    channel = st.radio(
        "How did the pro tell us?",
        CHANNELS,
        format_func=_HOW_TOLD.__getitem__,
        index=CHANNELS.index("email") if mail else CHANNELS.index("phone"),
        horizontal=True,
        key="channel",
    )
    return Draft(ahead.facts["charge"]["charge_id"], reason, details, channel=channel, **needs), files


def _wanted() -> int | None:
    """The reason the address proposes, as a mail of the pro does."""
    reason = st.query_params.get("reason", "")
    return list(REASONS_IN_WORDS).index(reason) if reason in REASONS_IN_WORDS else None


def _explain(reason: str) -> None:
    it = REASONS_IN_WORDS[reason]
    if reason == "not_hired":
        st.warning(it.qualifies, icon=":material/block:")
    else:
        st.markdown(f":green[:material/check:] {words.plain(it.qualifies)}")
    st.markdown(f":material/close: Not: {words.plain(it.does_not)}")


def _what_it_needs(visit: Visit, reason: str, ahead: Prospect) -> dict[str, str | None]:
    """The fields only this reason has."""
    if reason == "job_changed":
        with st.container(horizontal=True):
            new_zip = st.text_input("New zip", key="new_zip", max_chars=20, width=140)
            known = known_categories(visit.desk, visit.person)
            category: str | None = st.selectbox(
                "New category",
                known,
                index=None,
                key="new_category",
                accept_new_options=True,
                placeholder="one that is known, or another",
                width=260,
            )
        if category and category not in known:
            st.warning(f"No pro offers “{words.plain(category)}” here. Is it written right?")
        return {"changed_zip": new_zip, "changed_category": category}
    if reason == "invalid_phone":
        on_lead = ahead.facts["customer"]["phone"] or "no number"
        number = st.text_input(
            "The number tried",
            key="number_tried",
            max_chars=40,
            width=240,
            placeholder=f"on the lead: {on_lead}",
            help="Only when it is not the one on the lead",
        )
        if number:
            quiet("The checks judge the number on the lead; who decides sees this one beside it.")
        return {"number_tried": number}
    return {}


def _words_of(mail: Row | None) -> str:
    return "" if mail is None else str(mail["body"])[:DETAILS_CHARACTERS_MAX]


def _files(mail: Row | None) -> Files:
    """The files chosen that can be taken."""
    files = uploaded("evidence")
    if mail is not None:
        names = ", ".join(words.plain(file["name"]) for file in mail["files"])
        quiet(f"Kept with the report: the mail itself{f' and what it carried ({names})' if names else ''}.")
    return files


# -- the checklist, and filing --------------------------------------------------------------------------


def _as_filled_in(visit: Visit, draft: Draft, mail: Row | None) -> Prospect | None:
    """The prospect of what is filled in now; None, with the sentence, when it cannot be."""
    try:
        ahead = intake.prospect(visit.desk, visit.person, draft, _came(mail))
    except Refusal as refusal:
        st.error(str(refusal))
        return None
    if ahead.obstacle is not None:
        _lead_to_the_first(ahead.obstacle)
        return None
    return ahead


def _came(mail: Row | None) -> datetime | None:
    """When the pro's mail came: that is when it was reported."""
    return None if mail is None else mail["received_at"]


def _live(visit: Visit, ahead: Prospect | None, draft: Draft | None) -> None:
    """What the checks say of it, once a reason is chosen, above the conversation with their words."""
    if ahead is None:
        return
    spans: conversation.Spans = {}
    if draft is not None:
        with st.container(border=True):
            checklist.show(ahead.assessment, ahead.policy)
            decide_by = words.moment(ahead.decide_by, visit.person)
            quiet(f"Filed now, it is decided by {decide_by}. The facts of this moment are frozen with it.")
        spans = conversation.marks_of(ahead.assessment.checks)
    with st.container(border=True):
        conversation.show(
            conversation.of_frozen(ahead.facts["messages"], spans, visit.person),
            focus=None,
            height=CHAT_PIXELS,
            key="report-chat",
            empty="No message was exchanged yet.",
        )


def _post(visit: Visit, draft: Draft, files: Files, mail: Row | None) -> None:
    if not st.button("File the report", type="primary", icon=":material/flag:"):
        return
    received_id = None if mail is None else mail["received_id"]
    report_id = intake.file_report(visit.desk, visit.person, draft, files(), received_id=received_id)
    tell(f"{report_id} is filed and in the queue.")
    st.switch_page("pages/claim.py", query_params={"claim": report_id})
