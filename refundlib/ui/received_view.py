"""Mails of pros on the screen: those that wait for a person first, one opened beside the list."""

from collections.abc import Callable, Mapping
from functools import partial
from typing import Any, Final

import pandas as pd
import streamlit as st

from refundlib.domain.claim import REASONS
from refundlib.domain.placing import report_of
from refundlib.services import answers, received, triage
from refundlib.services.answers import ANSWER_CHARACTERS_MAX
from refundlib.services.mailbox import propose_again
from refundlib.services.written import REASON_CHARACTERS_MAX
from refundlib.ui import evidence, words
from refundlib.ui.dialogs import asked, stay
from refundlib.ui.figure_parts import chosen_row
from refundlib.ui.paging import after, open_part, part, turn
from refundlib.ui.shell import Visit, refusals, show_told
from refundlib.ui.text import quiet

TO_PROS, FROM_PROS = "To pros", "From pros"
_PART: Final = "box"
_LISTS: Final[Mapping[str, str | None]] = {
    "Waiting": None,
    "Answers": "answer",
    "Filed": "filed",
    "Put aside": "dismissed",
}
_STATES: Final[Mapping[str, str]] = {
    "proposed": "report to file",
    "unplaced": "to be placed",
    "answer": "answer",
    "filed": "filed",
    "dismissed": "put aside",
}
_EMPTY: Final[Mapping[str, tuple[str, str]]] = {
    "Waiting": ("No mail of a pro waits for you.", ":material/task_alt:"),
    "Answers": ("No pro has answered by mail yet.", ":material/mail:"),
    "Filed": ("No report was filed from a mail yet.", ":material/mail:"),
    "Put aside": ("No mail was put aside yet.", ":material/mail:"),
}
ROWS_SHOWN: Final = 14
WORDS_PIXELS: Final = 300
PICTURE_PIXELS: Final = 360
_NO_WORDS: Final = "The mail has no words. It lies beside the claim as it came."

Row = dict[str, Any]


def which(visit: Visit) -> str:
    """TO_PROS or FROM_PROS, as the person chose; the first for who may not read the mails of pros."""
    if not visit.may("read_received"):
        return TO_PROS
    if "received" in st.query_params and _PART not in st.session_state:
        open_part(_PART, FROM_PROS)
    return part((TO_PROS, FROM_PROS), _PART)


def show(visit: Visit) -> None:
    """The part of the mail page with the mails of pros."""
    show_told()
    with refusals():
        _head(visit)
        chosen = part(tuple(_LISTS), "received_list")
        _forget_the_mail_of_another(chosen)
        rows, following = _rows(visit, chosen)
        opened = _opened(rows)
        if opened is None:
            text, icon = _EMPTY[chosen]
            (st.success if chosen == "Waiting" else st.info)(text, icon=icon)
            return
        left, right = st.columns([11, 10], gap="medium")
        with left:
            _list(visit, chosen, rows)
            turn(following)
        with right, refusals():
            _mail(visit, received.received_mail(visit.desk, visit.person, opened))


# -- the list -------------------------------------------------------------------------------------------


def _head(visit: Visit) -> None:
    if not visit.desk.mailbox.is_set:
        st.warning(
            "No mailbox is read by itself. Set REFUNDS_MAILBOX_URL and restart the worker, or read a folder "
            "of mails with `refunds mailbox FOLDER`.",
            icon=":material/unsubscribe:",
        )
    counts = received.waiting(visit.desk, visit.person)
    if counts["proposed"] or counts["unplaced"]:
        propose = "proposes" if counts["proposed"] == 1 else "propose"
        wait = "waits" if counts["unplaced"] == 1 else "wait"
        st.markdown(f"**{counts['proposed']} {propose} a report**, {counts['unplaced']} {wait} to be placed")


def _forget_the_mail_of_another(chosen: str) -> None:
    """Another list opens its own first mail."""
    if st.session_state.get("received_shown", chosen) != chosen:
        st.query_params.pop("received", None)
        evidence.close()
    st.session_state["received_shown"] = chosen


def _rows(visit: Visit, chosen: str) -> tuple[list[Row], str | None]:
    """A page of a list, and where the next begins: who waits longest first, what is done the newest first."""
    begin = after() or ""
    number = int(begin) if begin.isdecimal() and len(begin) < len(str(2**63)) else None
    state = _LISTS[chosen]
    if state is None:
        rows = received.waiting_page(visit.desk, visit.person, after=number)
    else:
        rows = received.received(visit.desk, visit.person, state, before=number)
    return rows, str(rows[-1]["received_id"]) if len(rows) == received.PAGE_ROWS else None


def _opened(rows: list[Row]) -> int | None:
    """The mail that the address names, else the first; None when there is none."""
    named = st.query_params.get("received", "")
    if named.isdecimal() and len(named) < len(str(2**63)):
        return int(named)
    return int(rows[0]["received_id"]) if rows else None


def _list(visit: Visit, chosen: str, rows: list[Row]) -> None:
    if not rows:
        quiet(_EMPTY[chosen][0])
        return
    frame = pd.DataFrame([_cells(visit, chosen, row) for row in rows])
    if (at := chosen_row(frame, f"received-{chosen}", rows_shown=ROWS_SHOWN)) is not None:
        st.query_params["received"] = str(rows[at]["received_id"])
        evidence.close()
        st.rerun()
    quiet("Click a row to open the mail.")


def _cells(visit: Visit, chosen: str, row: Row) -> dict[str, str]:
    last = {"Report": row["report_id"]} if chosen in ("Answers", "Filed") else {}
    waits = words.duration((visit.desk.clock() - row["received_at"]).total_seconds())
    return {
        "Came": words.moment(row["received_at"], visit.person),
        **({"Waits": waits, "It is": _STATES[row["state"]]} if chosen == "Waiting" else {}),
        "From": row["pro_name"] or row["from_name"] or row["from_address"] or "nobody named",
        "Subject": row["subject"] or "(no subject)",
        **last,
        "Files": str(row["files"]) if row["files"] else "–",
    }


# -- one mail -------------------------------------------------------------------------------------------


def _mail(visit: Visit, mail: Row) -> None:
    with st.container(border=True):
        st.markdown(f"**{words.plain(mail['subject']) or 'No subject'}**")
        _who(visit, mail)
        _why(visit, mail)
        if mail["state"] in received.WAITING:
            _deeds(visit, mail)
        elif mail["state"] == "dismissed":
            _offer_again(visit, mail)
        if mail["body"]:
            is_long = len(mail["body"]) > 1_000
            height: Any = WORDS_PIXELS if is_long else "content"
            st.code(mail["body"], language=None, wrap_lines=True, height=height)
        else:
            quiet("The mail has no words.")
        for sentence in mail["left_out"]:
            st.markdown(f":material/block: {words.plain(sentence)}")
        _files(visit, mail)


def _who(visit: Visit, mail: Row) -> None:
    name, address = mail["from_name"], mail["from_address"]
    # As text: Markdown would make a link of it.
    st.text(f"From {name} · {address}" if name and address else f"From {name or address or 'nobody named'}")
    sent = f"sent {words.moment(mail['sent_at'], visit.person)} · " if mail["sent_at"] else ""
    quiet(f"{sent}came {words.moment(mail['received_at'], visit.person)} · {words.plain(mail['mailbox'])}")


def _why(visit: Visit, mail: Row) -> None:
    """What became of the mail, or where it seems to belong, and why."""
    if mail["state"] == "proposed":
        reason = words.REASONS.get(mail["reason"], "other")
        about = f"{words.plain(mail['charge_id'])} · {words.plain(mail['pro_name'] or mail['pro_id'])}"
        st.markdown(f"**Report to file:** {about} · {reason}")
    elif mail["state"] == "unplaced":
        st.markdown("**To be placed**")
    elif mail["state"] == "dismissed":
        st.markdown("**Put aside**")
    else:
        st.page_link(
            "pages/claim.py",
            label=f"{'Filed as' if mail['state'] == 'filed' else 'An answer to'} {mail['report_id']}",
            icon=":material/balance:",
            query_params={"claim": mail["report_id"]},
        )
    st.markdown(words.plain(mail["why"]))
    if mail["handled_at"]:
        by, at = words.plain(mail["handled_by_name"]), words.moment(mail["handled_at"], visit.person)
        quiet(f"{_STATES[mail['state']]} · {by} · {at}")


def _deeds(visit: Visit, mail: Row) -> None:
    """The buttons of a waiting mail."""
    if not visit.may("file_report"):
        quiet("Support files the report or puts the mail aside.")
        return
    is_proposed = mail["state"] == "proposed"
    with st.container(horizontal=True):
        if is_proposed and st.button("File the report", type="primary", icon=":material/flag:"):
            st.switch_page(
                "pages/report.py",
                query_params={
                    "charge": mail["charge_id"],
                    "reason": mail["reason"] or "other",
                    "received": str(mail["received_id"]),
                },
            )
        label = "Another charge" if is_proposed else "Choose the charge"
        if st.button(label, type="secondary" if is_proposed else "primary", icon=":material/edit:"):
            _choose_charge(visit, mail)
        if visit.may("record_answer") and st.button("It answers a report", icon=":material/reply:"):
            _beside_report(visit, mail)
        if visit.may("reopen") and st.button("It appeals a report", icon=":material/gavel:"):
            _appeal(visit, mail)
        if visit.may("dismiss_mail") and st.button("Put aside", icon=":material/archive:"):
            _put_aside(visit, mail)
    if mail["pro_id"]:
        st.page_link(
            "pages/messages.py",
            label="The pro's conversations",
            icon=":material/forum:",
            query_params={"pro": mail["pro_id"]},
        )


def _offer_again(visit: Visit, mail: Row) -> None:
    """The button of a mail that was put aside."""
    if visit.may("dismiss_mail") and st.button("Take it up again", icon=":material/unarchive:"):
        _take_up_again(visit, mail)


def _files(visit: Visit, mail: Row) -> None:
    """What the mail carried, and the mail itself: a button each; what is opened is read then."""
    opened = evidence.chosen()
    for file in mail["files"]:
        is_open = file["sha256"] == opened
        with st.container(horizontal=True, vertical_alignment="center"):
            evidence.entry(file, is_open=is_open)
            quiet(evidence.kind_and_size(file))
        if is_open:
            evidence.open_file(
                file["name"],
                file["media_type"],
                partial(
                    received.received_file, visit.desk, visit.person, mail["received_id"], file["sha256"]
                ),
                width=PICTURE_PIXELS,
            )


# -- dialogs --------------------------------------------------------------------------------------------


@st.dialog("Choose the charge", width="medium")
def _choose_charge(visit: Visit, mail: Row) -> None:
    """Places the mail by hand; the report is filed on the next page."""
    with st.form("choose-charge", border=False):
        charge = st.text_input("Charge", mail["charge_id"] or "", placeholder="Its id, from the lead's page")
        reason = st.selectbox(
            "Reason",
            REASONS,
            index=REASONS.index(mail["reason"] or "other"),
            format_func=words.REASONS.__getitem__,
        )
        is_posted = st.form_submit_button("Place the mail", type="primary")
    if is_posted:
        number = mail["received_id"]
        stay(
            lambda: propose_again(visit.desk, visit.person, number, charge.strip(), reason),
            "Placed. Now file the report.",
        )


@st.dialog("Put the mail aside", width="medium")
def _put_aside(visit: Visit, mail: Row) -> None:
    """The mail waits no longer; it can still be read."""
    reason, is_posted = asked("Reason", "Put it aside", "Why nothing is to be done about it.")
    if is_posted:
        number = mail["received_id"]
        stay(
            lambda: _leave(lambda: received.dismiss(visit.desk, visit.person, number, reason)),
            "Put aside. It can still be read.",
        )


@st.dialog("Take the mail up again", width="medium")
def _take_up_again(visit: Visit, mail: Row) -> None:
    """The mail waits again, to be placed."""
    reason, is_posted = asked("Reason", "Take it up", "Why something is to be done about it after all.")
    if is_posted:
        number = mail["received_id"]
        stay(
            lambda: _leave(lambda: received.take_up_again(visit.desk, visit.person, number, reason)),
            "It waits again, to be placed.",
        )


@st.dialog("It answers a report", width="medium")
def _beside_report(visit: Visit, mail: Row) -> None:
    """The mail's words land on the claim, with its files and itself; a pause ends."""
    with st.form("answers-a-report", border=False):
        report = _report_asked(mail)
        answer = st.text_area(
            "The pro’s words",
            mail["body"] or _NO_WORDS,
            max_chars=ANSWER_CHARACTERS_MAX,
            height=200,
        )
        is_posted = st.form_submit_button("Put it beside the report", type="primary")
    if is_posted:
        stay(
            lambda: _leave(
                lambda: answers.record_answer(
                    visit.desk,
                    visit.person,
                    report.strip(),
                    answer,
                    channel="email",
                    received_id=mail["received_id"],
                )
            ),
            f"The answer is on {words.plain(report)}, with the mail.",
        )


@st.dialog("It appeals a report", width="medium")
def _appeal(visit: Visit, mail: Row) -> None:
    """A denied report is opened again, once, with the mail as new evidence."""
    with st.form("appeals-a-report", border=False):
        report = _report_asked(mail)
        reason = st.text_area("What is new?", max_chars=REASON_CHARACTERS_MAX, height=120)
        is_posted = st.form_submit_button("Reopen the report", type="primary")
    if is_posted:
        number = mail["received_id"]
        stay(
            lambda: _leave(
                lambda: triage.reopen(visit.desk, visit.person, report.strip(), reason, received_id=number)
            ),
            f"{words.plain(report)} is reopened, with a new deadline.",
        )


def _report_asked(mail: Row) -> str:
    return st.text_input("Report", report_of(mail["why"]) or "", placeholder="Its id, like R-1002")


def _leave(do: Callable[[], Any]) -> None:
    """Does something after which the mail is in another list."""
    do()
    st.query_params.pop("received", None)
    evidence.close()
