"""What surrounds every page: who is here, which pages they may open, and the guard each page begins with."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import streamlit as st

from refundlib.domain.errors import (
    DatabaseDown,
    DatabaseSlow,
    MigrationBehind,
    NotAllowed,
    Refusal,
    UnknownPerson,
)
from refundlib.domain.people import Person, authorize, may
from refundlib.services.desk import Desk
from refundlib.services.people import person as find_person
from refundlib.ui import sign_in
from refundlib.ui.desk import desk as open_desk
from refundlib.ui.text import quiet

# Name, title, icon and the command a person must be allowed to see the page in the navigation.
PAGES: Final = (
    ("queue", "Queue", ":material/inbox:", "read_queue"),
    ("messages", "Messages", ":material/forum:", "read_messages"),
    ("claim", "Claim", ":material/balance:", "read_claim"),
    ("report", "Report", ":material/flag:", "file_report"),
    ("pro_view", "As the pro sees it", ":material/visibility:", "see_as_pro"),
    ("lead", "Lead", ":material/person_search:", "read_lead"),
    ("refund_rates", "Refund rates", ":material/monitoring:", "read_shared_metrics"),
    ("sla", "Deadlines", ":material/alarm:", "read_metrics"),
    ("payout_reversals", "Payouts", ":material/credit_card:", "read_shared_metrics"),
    ("quality", "Quality", ":material/rule:", "read_metrics"),
    ("cases", "Cases", ":material/list:", "read_metrics"),
    ("policy", "Policy", ":material/policy:", "read_policy"),
    ("policy_lab", "Policy lab", ":material/science:", "backtest"),
    ("second_look", "Second look", ":material/visibility:", "second_look"),
    ("card_refunds", "Card refunds", ":material/credit_score:", "read_card_refunds"),
    ("ledger", "Ledger", ":material/menu_book:", "read_ledger"),
    ("statement", "Statement", ":material/account_balance_wallet:", "read_statement"),
    ("reconciliation", "Reconciliation", ":material/compare_arrows:", "read_reconciliation"),
    ("daily_close", "Daily close", ":material/event_available:", "read_reconciliation"),
    ("mail", "Mail", ":material/mail:", "read_mail"),
)
# Reached from another page, never by themselves.
_INNER: Final = ("claim", "report", "pro_view", "lead", "cases", "second_look", "statement", "policy_lab")
_MONEY: Final = ("card_refunds", "ledger", "reconciliation", "daily_close")
# A picture of our own: an icon by name would be asked for from somebody else's server.
_ICON: Final = Path(__file__).with_name("icon.png")
_THROUGH_APP: Final = "through_app"
_WANTED: Final = "wanted_page"


@dataclass(frozen=True)
class Visit:
    """One run of a page: the desk, and the person who looks at it."""

    desk: Desk
    person: Person

    def may(self, command: str) -> bool:
        """Whether the person's roles include a command; the service asks again."""
        return may(self.person, command)


def run() -> None:
    """The whole of app.py: navigation always, the page only for somebody who signed in."""
    st.set_page_config(page_title="Refund Desk", page_icon=str(_ICON), layout="wide")
    with refusals():
        desk = open_desk()
        person = _person(desk)
        page = st.navigation(_pages(person), position="top" if person else "hidden")
        if person is None:
            sign_in.show(desk)
            return
        _return_to_wanted()
        _who(person)
        _run_page(page)


def _pages(person: Person | None) -> list[Any]:
    """Every page is known to the navigation, so that its address stays; what may not be opened is hidden."""
    return [
        st.Page(
            f"pages/{name}.py",
            title=title,
            icon=icon,
            default=name == "queue",
            visibility="visible" if person and name not in _INNER and may(person, rule) else "hidden",
        )
        for name, title, icon, rule in _in_order(person)
    ]


def _in_order(person: Person | None) -> list[tuple[str, str, str, str]]:
    """Who works on money alone finds those pages first: on a small screen the last ones are hidden."""
    if person is None or not may(person, "make_batch") or may(person, "decide"):
        return list(PAGES)
    return sorted(PAGES, key=lambda page: page[0] not in _MONEY)


def _run_page(page: Any) -> None:
    st.session_state[_THROUGH_APP] = True
    try:
        page.run()
    finally:
        st.session_state[_THROUGH_APP] = False


def _return_to_wanted() -> None:
    wanted = st.session_state.pop(_WANTED, None)
    if wanted:
        name, params = wanted
        st.switch_page(f"pages/{name}.py", query_params=params)


def _person(desk: Desk) -> Person | None:
    """Who signed in, as the database has them now: roles may have changed since."""
    person_id = sign_in.signed_in()
    if person_id is None:
        return None
    try:
        return find_person(desk, person_id)
    except UnknownPerson as gone:
        sign_in.sign_out()
        st.warning(str(gone))
        return None


def _who(person: Person) -> None:
    with st.container(horizontal=True, horizontal_alignment="right", vertical_alignment="center"):
        quiet(f"demo · {person.name} ({', '.join(sorted(person.roles))}) · {person.time_zone}")
        if st.button("Keys", type="tertiary", shortcut="H", icon=":material/keyboard:"):
            _keys()
        st.button("Sign out", type="tertiary", on_click=sign_in.sign_out, icon=":material/logout:")


@st.dialog("Keys")
def _keys() -> None:
    """What the keyboard does."""
    st.markdown(
        "**N** take the next claim · **A** approve or release · **D** deny or send back  \n"
        "**I** ask the pro · **S** send the ticked card refunds  \n"
        "**Enter** posts in a dialog · **Esc** leaves it · **H** shows this"
    )


def guard(name: str, command: str) -> Visit:
    """The first line of every page: the visit, or nothing of the page.

    On a freshly started server a deep link can run a page without app.py: then it leads there and back.
    """
    if not st.session_state.get(_THROUGH_APP):
        st.session_state[_WANTED] = (name, {each: st.query_params.get_all(each) for each in st.query_params})
        st.switch_page("app.py")
    visit = None
    with refusals():
        desk = open_desk()
        person = _person(desk)
        if person is not None:
            authorize(person, command)
            visit = Visit(desk, person)
    if visit is None:
        st.stop()
    return visit


@contextmanager
def refusals() -> Iterator[None]:
    """Inside, a refusal becomes its sentence on the page; what went on before it stays."""
    try:
        yield
    except (DatabaseDown, DatabaseSlow, MigrationBehind) as refusal:
        open_desk.clear() if isinstance(refusal, MigrationBehind) else None
        st.error(str(refusal), icon=":material/cloud_off:")
        st.button("Try again", type="primary")
    except NotAllowed as refusal:
        st.warning(str(refusal), icon=":material/lock:")
    except Refusal as refusal:
        st.error(str(refusal), icon=":material/error:")


def tell(text: str) -> None:
    """Keeps a sentence for the next page that is painted."""
    st.session_state["told"] = text


def show_told() -> None:
    """Says what happened on the page before."""
    if text := st.session_state.pop("told", None):
        st.toast(text, icon=":material/check_circle:", duration="long")
