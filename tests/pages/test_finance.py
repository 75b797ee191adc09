"""The pages of money: empty, on usual days, for each reader, part by part; two people where it needs two."""

import re
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pandas as pd
import pytest
from streamlit.testing.v1 import AppTest

from refundlib.domain.people import Person
from refundlib.payments.stripe import StripeProcessor
from refundlib.services import closing, reconciliation, statements
from refundlib.services.desk import Desk
from refundlib.ui import desk as ui_desk
from refundlib.ui.statement_view import printed
from tests.conftest import Clock
from tests.market import Market
from tests.pages.helpers import DAY, Finance, Report, live
from tests.pages.test_pages import labels, run, said

MONEY = ("card_refunds", "ledger", "reconciliation", "daily_close")
# Each part of each page, by the label in its address.
PARTS = [
    *(("card_refunds", "stage", label) for label in ("To send", "Second person", "Under way")),
    *(("card_refunds", "stage", label) for label in ("Came back", "Arrived", "Batches")),
    *(("ledger", "books", label) for label in ("Accounts", "Journal", "Adjustments")),
    *(("reconciliation", "view", label) for label in ("Breaks", "To confirm", "To post")),
    *(("reconciliation", "view", label) for label in ("Lines", "Reports", "Balances")),
    *(("daily_close", "closes", label) for label in ("Next close", "Closed days", "Came late")),
]
# What the reader is told where there is nothing.
NOTHING = {
    "To send": "Nothing is to be sent.",
    "Second person": "No batch waits for a second person.",
    "Under way": "Nothing is under way.",
    "Came back": "Nothing came back.",
    "Arrived": "Nothing arrived yet.",
    "Batches": "No batch was made yet.",
    "Accounts": "Nothing was booked by then.",
    "Journal": "Nothing was booked like this. Choose other days, or clear a filter.",
    "Adjustments": "No adjustment was posted or refused yet.",
    "Breaks": "Nothing is compared yet.",
    "To confirm": "No line waits to be confirmed.",
    "To post": "The ledger has every fee and payout of the reports.",
    "Lines": "No line is like this.",
    "Reports": "No report was imported yet.",
    "Balances": "The marketplace gave no balances",
    "Next close": "cannot be closed yet: 1 thing is missing",
    "Closed days": "No day was closed yet.",
    "Came late": "Nothing came after its day was closed.",
}
# Every button of these pages that does something; who only reads sees none of them.
DEEDS = (
    "Send", "Decline", "Release", "Take apart", "Send back", "New adjustment", "Post", "Drop", "Refuse",
    "Owner, due date, explanation", "It is the same", "It is not", "Undo the match", "Import",
    "Match again", "Explain", "Sign and close",
)  # fmt: skip
# What was clicked in a table before: a line, a break, a batch, a balance.
CLICKED = {"chosen_line": "txn_d", "break": "theirs_not_ours:txn_hand", "batch": "B-1003"}
People = dict[str, Person]


@pytest.fixture
def usual(market: Market, clock: Clock) -> Finance:
    """Four days of finance, the first of them closed."""
    return live(market, clock)


def parts_of(page: str) -> list[tuple[str, str]]:
    """The parts of a page: what its address calls them."""
    return [(key, part) for name, key, part in PARTS if name == page]


def read(at: AppTest) -> str:
    """All words of the page but tables, as they are read."""
    return re.sub(r"\\(.)", r"\1", said(at))


def table(at: AppTest, number: int = 0) -> pd.DataFrame:
    """A table of the page."""
    return at.dataframe[number].value


def column(at: AppTest, name: str, number: int = 0) -> list[Any]:
    """What a table has in a column, from top to bottom."""
    return list(table(at, number)[name])


def click(at: AppTest, label: str) -> AppTest:
    """Presses a button by its label; what it opens is on the page afterwards."""
    next(button for button in at.button if button.label == label).click().run()
    assert not at.exception
    return at


def button(at: AppTest, label: str) -> Any:
    """The one button with a label."""
    (found,) = [each for each in at.button if each.label == label]
    return found


def deeds(at: AppTest) -> set[str]:
    """The buttons of the page that do something."""
    return {deed for deed in DEEDS for label in labels(at) if re.fullmatch(rf"{deed}( \d.*)?", label)}


def run_clicked(name: str, person_id: str, clicked: dict[str, str], **params: str) -> AppTest:
    """A page on which something was clicked before in its tables."""
    at = run(name, person_id, **params)
    for key, value in clicked.items():
        at.session_state[key] = value
    at.run()
    assert not at.exception
    return at


# -- empty, refused, nothing found ------------------------------------------------------------------------


@pytest.mark.parametrize("page", MONEY)
def test_empty(market: Market, page: str) -> None:
    """Without anything each part of each page says so."""
    for key, part in parts_of(page):
        at = run(page, "fin", **{key: part})
        assert NOTHING[part] in read(at), part
        assert not at.error


def test_without_a_processor_and_without_a_report(market: Market) -> None:
    """What is missing is named with what to do: the processor's key, the first report."""
    assert "Set REFUNDS_STRIPE_KEY and restart" in read(run("card_refunds", "fin"))
    assert "import it under Reports" in read(run("reconciliation", "fin"))


def test_with_a_processor_nothing_warns(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where a processor is set the page does not say that it is not."""
    with_one = replace(desk, processor=StripeProcessor("sk_test_x"))
    monkeypatch.setattr(ui_desk, "open_desk_for_app", lambda: with_one)
    assert not run("card_refunds", "fin").warning


ASTRAY: list[tuple[str, dict[str, str], str]] = [
    ("card_refunds", {"stage": "Arrived", "after": "x"}, "The address names no page of this list"),
    ("ledger", {"books": "Journal", "after": "x"}, "The address names no page of the journal"),
    ("ledger", {"books": "Journal", "ref": "R-nope"}, "Nothing was booked like this."),
    ("ledger", {"books": "Journal", "pro": "nobody"}, "Nothing was booked like this."),
    ("reconciliation", {"view": "Lines", "after": "x"}, "The address names no page of the lines"),
    ("reconciliation", {"view": "Lines", "line": "txn_nope"}, "No line is like this."),
    ("reconciliation", {"view": "Lines", "category": "dispute"}, "No line is like this."),
    ("statement", {"pro": "nobody"}, "There is no pro 'nobody'. Search by the pro's name."),
]


def test_addresses_that_find_nothing(usual: Finance) -> None:
    """An address that names nothing there is gets a sentence, no stack trace and no table."""
    for page, params, words in ASTRAY:
        at = run(page, "fin", **params)
        assert words in read(at)
        assert not at.dataframe


def test_a_part_that_does_not_exist_is_the_first(market: Market) -> None:
    """An old address with a part that is gone opens the page at its first part."""
    for page in MONEY:
        (key, first), *_ = parts_of(page)
        assert NOTHING[first] in read(run(page, "fin", **{key: "Gone"}))


# -- who sees what ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("person_id", ["mo", "vic"])
def test_who_only_reads_has_nothing_to_press(usual: Finance, person_id: str) -> None:
    """A manager and a viewer read every part, and no button of it does anything."""
    for page, key, part in PARTS:
        at = run_clicked(page, person_id, CLICKED, **{key: part})
        assert deeds(at) == set(), part
        assert len(at.warning) == (page == "card_refunds"), part
        assert not at.file_uploader
        assert not at.toggle or part == "Breaks"


def test_finance_has_the_buttons(usual: Finance) -> None:
    """Finance may do all of it, each deed where it belongs."""
    offered = {part: deeds(run_clicked(name, "ines", CLICKED, **{key: part})) for name, key, part in PARTS}
    assert {part: found for part, found in offered.items() if found} == {
        "To send": {"Send", "Decline"},
        "Second person": {"Release", "Send back"},
        "Adjustments": {"New adjustment", "Post", "Refuse"},
        "Breaks": {"Owner, due date, explanation"},
        "To confirm": {"It is the same", "It is not"},
        "To post": {"Post"},
        "Lines": {"Undo the match"},
        "Reports": {"Import", "Match again"},
        "Next close": {"Sign and close"},
    }


def test_support_may_not(usual: Finance) -> None:
    """Support gets the sentence that says who may, and nothing of the page."""
    for page in MONEY:
        at = run(page, "dana")
        (refusal,) = at.warning
        assert "Dana Reyes may not" in refusal.value
        assert "that needs the role finance or manager or viewer" in refusal.value
        assert not at.dataframe


def test_admins_see_no_money(usual: Finance) -> None:
    """An admin, who manages people, is refused on all five pages."""
    for name in (*MONEY, "statement"):
        at = run(name, "ada", pro="pro-a")
        assert "Ada Okoye may not" in read(at)
        assert not at.dataframe


def test_support_asks_for_a_card_refund_on_the_statement(usual: Finance, market: Market) -> None:
    """Support opens a statement, sees a credit's uses, and is shown what may go to the card."""
    lot = market.one("SELECT lot_id FROM refunds.lots WHERE pro_id = 'pro-g' AND kind = 'refund'")
    at = run_clicked("statement", "dana", {"credit": lot}, pro="pro-g")
    assert "R-" in read(at)
    assert "Refund to the card" in labels(at)
    dialog = read(click(at, "Refund to the card"))
    assert "$15.00 of the $25.00 credit is unspent" in dialog.replace("**", "")
    for reader in ("fin", "mo", "vic"):
        offered = labels(run_clicked("statement", reader, {"credit": lot}, pro="pro-g"))
        assert ("Refund to the card" in offered) == (reader == "mo")


# -- card refunds -----------------------------------------------------------------------------------------


def test_card_refunds_are_where_they_are(usual: Finance) -> None:
    """The head counts each stage; each stage has its payout and what matters there."""
    at = run("card_refunds", "fin")
    head = read(at).replace("**", "")
    for words in (
        "1 ($25.00) to send",
        "2 ($50.00) wait for a second person",
        "1 ($25.00) under way",
        "1 ($25.00) came back",
    ):
        assert words in head
    assert column(at, "Payout") == [usual.payouts["f"]]
    assert column(at, "Time left") == ["12 d 21 h left"]
    assert column(at, "To payment") == ["ch_pay-f"]
    under = run("card_refunds", "fin", stage="Under way")
    assert column(under, "Where it is") == ["on its way"]
    assert column(run("card_refunds", "fin", stage="Arrived"), "Processor’s id") == ["re_a"]


def test_by_time_left_or_by_age(usual: Finance, clock: Clock) -> None:
    """What was asked for first is first by age; what can be asked for the shortest time, by time left."""
    clock.advance(timedelta(hours=1))
    usual.ask("young")
    by_age = column(run("card_refunds", "fin", order="Age"), "Payout")
    assert by_age == [usual.payouts["f"], usual.payouts["young"]]
    assert sorted(column(run("card_refunds", "fin"), "Payout")) == sorted(by_age)


def test_what_came_back_says_why_and_until_when(usual: Finance) -> None:
    """A failed one: the processor's reason in words, the right to ask again, and what is unspent of it."""
    at = run("card_refunds", "fin", stage="Came back")
    row = table(at).iloc[0]
    assert (row["What happened"], row["Why"]) == ("failed", "lost or stolen card")
    until = usual.first_day + timedelta(hours=13) + 14 * DAY
    assert row["May be asked again until"] == f"{until:%b} {until.day}, {until:%H:%M}"
    assert row["Unspent of the credit"] == "$25.00"
    usual.clock.now = until + timedelta(minutes=1)
    at = run("card_refunds", "fin", stage="Came back")
    assert column(at, "May be asked again until")[0].startswith("over since ")


def test_all_of_them_can_be_sent(usual: Finance) -> None:
    """The toggle chooses every row; the dialog says what, and that nothing leaves without a processor."""
    at = run("card_refunds", "fin")
    assert button(at, "Send").disabled
    at.toggle(key="all").set_value(True).run()
    (label,) = [each for each in labels(at) if each.startswith("Send ")]
    words = read(click(at, label))
    assert "$25.00** in 1 payout to the original payments." in words
    assert "No card processor is set, so it waits under way until there is one." in words


def test_above_the_limit_the_dialog_says_so(usual: Finance) -> None:
    """Two of $25 are above the limit of one person."""
    usual.ask("second")
    at = run("card_refunds", "fin")
    at.toggle(key="all").set_value(True).run()
    words = read(click(at, next(each for each in labels(at) if each.startswith("Send "))))
    assert "Above $30.00 another person of finance releases it" in words


def test_nobody_releases_their_own_batch(usual: Finance) -> None:
    """Who made the batch may take it apart only; another person of finance releases it."""
    own = run("card_refunds", "fin", stage="Second person")
    assert button(own, "Release").disabled
    assert "You made it: another person of finance releases it." in read(own)
    assert "Take apart" in labels(own)
    other = run("card_refunds", "ines", stage="Second person")
    assert not button(other, "Release").disabled
    assert "$50.00 in 2 payouts" in read(click(other, "Release"))


def test_batches_and_what_became_of_them(usual: Finance) -> None:
    """What waits first, then the newest; who settled them, how far each is; a click shows its payouts."""
    at = run_clicked("card_refunds", "mo", {"batch": "B-1002"}, stage="Batches")
    assert column(at, "State") == ["waits for a second person", *["released"] * 3]
    assert column(at, "Settled by") == ["", *["Fin Larsen"] * 3]
    assert column(at, "Returned") == [0, 0, 1, 0]
    assert (column(at, "Where it is", 1), column(at, "Why", 1)) == (["failed"], ["lost or stolen card"])
    assert "Why" not in table(at)


# -- ledger -----------------------------------------------------------------------------------------------


def test_the_trial_balance_balances_at_any_day(usual: Finance) -> None:
    """The accounts now and at the end of the first day, each with both sides equal."""
    for params in ({}, {"at": str(usual.first_day.date())}):
        at = run("ledger", "fin", **params)
        assert "Trial balance, USD**: it balances" in read(at)
        total = table(at).iloc[-1]
        assert total["Account"] == "Total"
        assert total["Debit"] == total["Credit"]
        assert total["Balance"] == "$0.00"
    first_day = dict(zip(column(at, "Account"), column(at, "Balance"), strict=True))
    assert first_day["Held for the pro"] == "$25.00 credit"
    assert first_day["Processor fees"] == "$3.09 debit"


def test_what_the_ledger_cannot_take_is_said(usual: Finance, market: Market) -> None:
    """A charge without cover is missing in the figures: it is named with why."""
    market.charge("charge-uncovered", market.lead("lead-poor"), market.pro("poor"), 4000)
    at = run("ledger", "mo")
    assert at.expander[0].label == "1 payments and charges could not be posted yet"
    assert column(at, "Id") == ["charge-uncovered"]


def test_journal_of_a_claim(usual: Finance) -> None:
    """Everything of one claim, its charge too; each leg on one side."""
    at = run("ledger", "vic", books="Journal", ref=usual.claims["a"])
    events = [event for event in column(at, "Event") if event]
    assert {"Refund credit", "Card refund requested", "Card refund arrived"} <= set(events)
    assert set(column(at, "Report")) == {usual.claims["a"], ""}
    frame = table(at)
    assert ((frame["Debit"] != "") != (frame["Credit"] != "")).all()


def test_journal_filters_come_from_the_address(usual: Finance) -> None:
    """Event, account and pro narrow the list; days choose the time."""
    every = len(table(run("ledger", "fin", books="Journal")))
    fees = run("ledger", "fin", books="Journal", event="Processor fee")
    assert {event for event in column(fees, "Event") if event} == {"Processor fee"}
    assert len(table(fees)) == 6 < every
    of_pro = run("ledger", "fin", books="Journal", pro="pro-c")
    assert set(column(of_pro, "Pro")) == {"Pro-C Services"}
    days = [str((usual.first_day + DAY).date())] * 2
    at = run("ledger", "fin", books="Journal")
    at.date_input(key="days").set_value(tuple(datetime.fromisoformat(day).date() for day in days)).run()
    assert "Nothing was booked like this." in read(at)


def test_what_came_late_is_marked_in_the_journal(usual: Finance) -> None:
    """A posting of a closed day says on which day it is booked."""
    at = run("ledger", "fin", books="Journal", ref=usual.payouts["b"])
    assert set(column(at, "Late")) == {f"booked on {(usual.first_day + DAY).date()}"}


def test_nobody_posts_their_own_adjustment(usual: Finance) -> None:
    """Who proposed it may drop it only; another person of finance posts it."""
    own = run("ledger", "fin", books="Adjustments")
    assert button(own, "Post").disabled
    assert "Drop" in labels(own)
    assert "You proposed it: another person of finance posts it." in read(own)
    other = run("ledger", "ines", books="Adjustments")
    assert not button(other, "Post").disabled
    words = read(click(other, "Post"))
    assert "Refunds given → Pro balance of Pro-C Services · “Goodwill waiting”" in words


def test_adjustments_that_are_settled(usual: Finance) -> None:
    """Posted and refused ones stay to be read, with who and why."""
    at = run("ledger", "mo", books="Adjustments")
    assert column(at, "State") == ["refused", "posted"]
    assert column(at, "By") == ["Ines Ferro", "Ines Ferro"]
    assert column(at, "Why refused") == ["Twice the same.", ""]


# -- statement --------------------------------------------------------------------------------------------


def test_statement_is_found_by_name(usual: Finance) -> None:
    """Part of a name or an id finds the pro; nobody called so is said."""
    at = run("statement", "dana")
    at.text_input(key="find").set_value("pro-g serv").run()
    assert [link.label.replace("\\", "") for link in at.get("page_link")] == ["Pro-G Services · pro-g"]
    at.text_input(key="find").set_value("nobody").run()
    assert "No pro is called like this." in read(at)


def test_statement_adds_up(usual: Finance) -> None:
    """Each line's balance is the one before plus its own; the last is the balance after, and now."""
    at = run("statement", "vic", pro="pro-b")
    before, inside, out = 0, column(at, "In"), column(at, "Out")
    for added, taken, after in zip(inside, out, column(at, "Balance"), strict=True):
        before += _cents(added) - _cents(taken)
        assert _cents(after) == before
    words = read(at).replace("**", "")
    assert "$25.00 on the balance now · $0.00 on its way to a card · pro-b" in words
    assert f"after: {column(at, 'Balance')[-1]} (held $0.00)" in words
    assert column(at, "Event")[-1] == "Card refund failed"
    assert [each.label for each in at.get("download_button")] == ["CSV", "To print"]


def _cents(text: str) -> int:
    return int(re.sub(r"[^0-9−]", "", text).replace("−", "-") or 0)


def test_statement_of_days_without_postings(usual: Finance) -> None:
    """Where nothing was posted the balance before is the balance after."""
    at = run("statement", "fin", pro="pro-a")
    day = (usual.first_day - DAY).date()
    at.date_input(key="days").set_value((day, day)).run()
    assert "Nothing was posted on these days." in read(at)
    assert "Before: $0.00 (held $0.00) · 0 postings · after: **$0.00 (held $0.00)**" in read(at)


def test_credits_and_what_they_were_spent_on(usual: Finance, market: Market) -> None:
    """A credit in part spent: what is unspent, until when to the card, which payment; and its uses."""
    lot = market.one("SELECT lot_id FROM refunds.lots WHERE pro_id = 'pro-g' AND kind = 'refund'")
    at = run_clicked("statement", "fin", {"credit": lot}, pro="pro-g")
    credit = next(row for _, row in table(at, 1).iterrows() if row["From"] == "Refund credit")
    assert (credit["Amount"], credit["Unspent"]) == ("$25.00", "$15.00")
    assert credit["Payments behind"] == "pay-g"
    assert "$15.00 unspent" in read(at)
    assert (column(at, "Event", 2)[-1], column(at, "Amount", 2)[-1]) == ("Charge", "−$10.00")


def test_a_printed_statement_carries_no_markup(
    usual: Finance, desk: Desk, people: People, market: Market
) -> None:
    """Whatever a pro calls themselves, the page to print shows it as text."""
    market.write("UPDATE marketplace.pros SET name = '<script>alert(1)</script>' WHERE pro_id = 'pro-a'")
    far = datetime(2027, 1, 1, tzinfo=UTC)
    it = statements.statement(desk, people["fin"], "pro-a", far - 365 * DAY, far)
    page = printed(it, pd.DataFrame([{"Of": "<b>x</b>", "Balance": "$1.00"}])).decode()
    assert "<script>" not in page
    assert "&lt;script&gt;" in page
    assert "&lt;b&gt;x&lt;/b&gt;" in page
    assert "After: " in page


# -- reconciliation ---------------------------------------------------------------------------------------


def test_what_does_not_agree_is_first(usual: Finance) -> None:
    """The head counts breaks, proposals, and what is to be posted; the breaks say what they are."""
    at = run("reconciliation", "mo")
    first, last = usual.first_day.date(), (usual.first_day + 2 * DAY).date()
    assert (
        "2 breaks to explain**] · 1 to confirm · 6 fees and payouts to post · 1 expected ($25.00) · "
        f"compared from {first} to {last}"
    ) in read(at)
    rows = {row["What"]: row for _, row in table(at).iterrows()}
    assert set(rows) == {"Failed after the close", "Theirs, not ours"}
    by_hand = rows["Theirs, not ours"]
    assert (by_hand["Of"], by_hand["Ours"], by_hand["Theirs"]) == ("txn_hand", "–", "−$40.00")


def test_breaks_by_kind_and_without_an_explanation(usual: Finance, desk: Desk, people: People) -> None:
    """The kind in the address narrows the list; an explained break is counted apart and can be left out."""
    at = run("reconciliation", "fin", kind="Theirs, not ours")
    assert column(at, "Of") == ["txn_hand"]
    key = "theirs_not_ours:txn_hand"
    reconciliation.keep_case(desk, people["fin"], key, owner="ines", explanation="Ines did it, by hand.")
    assert "1 break to explain**] (1 explained)" in read(run("reconciliation", "fin"))
    assert "txn_hand" not in column(run("reconciliation", "fin", unexplained="true"), "Of")
    at = run_clicked("reconciliation", "fin", {"break": key}, kind="Theirs, not ours")
    assert column(at, "Owner") == ["Ines Ferro"]
    assert "“Ines did it, by hand.”, Fin Larsen" in read(at)
    click(at, "The processor’s line")
    assert column(at, "Line") == ["txn_hand"]
    assert "It is matched with nothing: what the processor moved here is not known to us" in read(at)


def test_a_proposal_is_confirmed_by_a_person(usual: Finance, desk: Desk, people: People) -> None:
    """A line without ids beside the payment of its amount; confirmed it says by whom, and can be undone."""
    at = run("reconciliation", "fin", view="To confirm")
    assert "txn_g** · charge · $25.00" in read(at)
    assert "payment pay-g" in read(at)
    assert "txn_g is payment **pay-g**, $25.00. It can be undone." in read(click(at, "It is the same"))
    reconciliation.confirm(desk, people["fin"], "txn_g", "payment", "pay-g")
    at = run("reconciliation", "ines", view="Lines", line="txn_g")
    assert column(at, "How") == ["confirmed by a person"]
    assert "payment pay-g, confirmed by a person, Fin Larsen" in read(at)
    assert "Undo the match" in labels(at)
    usual.clock.advance(timedelta(minutes=1))
    reconciliation.undo_match(desk, people["ines"], "txn_g", "Another one.")
    at = run("reconciliation", "ines", view="Lines", line="txn_g")
    assert "undone by Ines Ferro: “Another one.”" in read(at)
    assert column(at, "Matched with") == ["–"]


def test_a_proposal_that_is_not_so(usual: Finance, desk: Desk, people: People) -> None:
    """Refused with a reason, the line is a break of its own, and says who refused what."""
    at = run("reconciliation", "fin", view="To confirm")
    assert "txn_g is not payment **pay-g**." in read(click(at, "It is not"))
    reconciliation.refuse(desk, people["fin"], "txn_g", "payment", "pay-g", "Another shop’s.")
    assert NOTHING["To confirm"] in read(run("reconciliation", "fin", view="To confirm"))
    assert "txn_g" in column(run("reconciliation", "fin", kind="Theirs, not ours"), "Of")
    at = run("reconciliation", "mo", view="Lines", line="txn_g")
    assert re.search("not payment pay-g, Fin Larsen, .*: “Another shop’s.”", read(at))


def test_fees_and_payouts_to_post(usual: Finance, desk: Desk, people: People) -> None:
    """What only the processor knows is listed, posted at once, and then there is nothing to post."""
    at = run("reconciliation", "fin", view="To post")
    assert column(at, "Category").count("payout") == 1
    assert "of fees go to *Processor fees*, **" in read(click(at, "Post 6"))
    reconciliation.post_fees_and_payouts(desk, people["fin"])
    assert NOTHING["To post"] in read(run("reconciliation", "fin", view="To post"))


def test_lines_and_the_way_of_a_payout(usual: Finance) -> None:
    """Our id finds the line; the line shows its payout from the decision to the processor."""
    at = run("reconciliation", "vic", view="Lines", line=usual.payouts["a"])
    assert (column(at, "Line"), column(at, "How")) == (["txn_out-a"], ["by our id"])
    assert column(at, "What", 1)[0] == "Approved"
    assert column(at, "What", 1)[-1] == "The processor’s line"
    refunds = run("reconciliation", "vic", view="Lines", category="refund")
    assert set(column(refunds, "Category")) == {"refund"}


def test_a_report_is_imported_on_the_page(market: Market, people: People, clock: Clock) -> None:
    """Without a file there is a hint; a good one is told with its lines, and the counts above are new."""
    at = run("reconciliation", "fin", view="Reports")
    click(at, "Import")
    assert "Choose the file first, then import it." in read(at)
    at = _upload(at, Report().add("txn_hand", clock() - 2 * DAY, "refund", -4000).text())
    assert "PF-1: 1 lines from 2026-03-18 to 2026-03-18, 1 of them new; 0 matched by an id." in read(at)
    assert "No report of the card processor was imported yet" not in read(at)
    assert "1 break to explain" in read(at)
    assert column(at, "Name") == ["report.csv"]


def test_a_report_with_bad_lines_is_refused_line_by_line(market: Market, clock: Clock) -> None:
    """A bad file takes nothing, and each bad line is named."""
    report = Report().add("txn_1", clock() - 2 * DAY, "charge", 100).add("", clock() - 2 * DAY, "charge", 100)
    report.lines[0]["gross"] = "1.00 €"
    at = _upload(run("reconciliation", "fin", view="Reports"), report.text())
    assert "Nothing was taken." in at.error[0].value
    assert column(at, "Line") == [2, 3]
    assert "No report was imported yet." in read(at)


def _upload(at: AppTest, content: bytes) -> AppTest:
    at.file_uploader[0].set_value(("report.csv", content, "text/csv"))
    return click(at, "Import")


def test_balances_of_the_marketplace(usual: Finance, desk: Desk, people: People) -> None:
    """Those that differ beside the ledger's, with the difference; an explanation stays with them."""
    key = reconciliation.balances(desk, people["fin"])[1][0]["break_key"]
    at = run_clicked("reconciliation", "ines", {"balance": key}, view="Balances")
    assert "**1 of 2** balances of the marketplace differ" in read(at)
    row = table(at).iloc[0]
    assert (row["Theirs"], row["Ours"], row["Difference"]) == ("$99.00", "$15.00", "$84.00")
    assert "Explain" in labels(at)
    reconciliation.keep_case(desk, people["fin"], key, explanation="They count tomorrow’s payment.")
    assert column(run("reconciliation", "mo", view="Balances"), "By") == ["Fin Larsen"]
    assert "Explain" not in labels(run_clicked("reconciliation", "vic", {"balance": key}, view="Balances"))


# -- daily close ------------------------------------------------------------------------------------------


def test_what_keeps_a_day_open_leads_there(usual: Finance) -> None:
    """The third day: what is missing is named, counted and has its door; nobody can sign."""
    day = (usual.first_day + 2 * DAY).date()
    at = run("daily_close", "fin", close=str(day))
    words = read(at)
    assert f"{usual.first_day.date() + DAY} to {day} cannot be closed yet: 2 things are missing" in words
    assert "6 are not in the ledger. Post them." in words
    assert [label for label in labels(at) if label.startswith("Go to")] == ["Go to post", "Go to confirm"]
    assert button(at, "Sign and close").disabled


def test_a_day_that_can_be_closed(usual: Finance) -> None:
    """The second day holds: the figures add up, and the dialog says what a signature is."""
    at = run("daily_close", "fin")
    day = (usual.first_day + DAY).date()
    assert f"{day} can be closed" in read(at)
    start, *_, end = (_cents(text) for text in column(at, "Amount"))
    assert (start, end) == (4691, 4691)
    assert column(at, "What", 1)[-1] == "of it breaks, or to be confirmed"
    assert f"You sign **{day}**" in read(click(at, "Sign and close"))


@pytest.mark.parametrize(
    ("days", "words"), [(0, "is closed already"), (3, "the processor's data of it is complete at")]
)
def test_days_that_cannot_be_closed(usual: Finance, days: int, words: str) -> None:
    """A closed day, and one that is not over, are a sentence."""
    at = run("daily_close", "fin", close=str((usual.first_day + days * DAY).date()))
    assert words in read(at)
    assert "Sign and close" not in labels(at)


def test_who_decided_cannot_sign(usual: Finance, desk: Desk, people: People) -> None:
    """Somebody of finance who also decided a claim of these days is told that another person signs."""
    from refundlib.services.people import save_person

    save_person(desk, people["ada"], "eli", "Eli Novak", ["finance"], True, "UTC")
    at = run("daily_close", "eli", close=str((usual.first_day + 2 * DAY).date()))
    assert re.search(r"Eli Novak decided R-\d+.*: another person signs\.", read(at))


def test_closed_days_and_what_came_late(usual: Finance, desk: Desk, people: People) -> None:
    """A closed day shows who signed it and its SHA-256; what came later of it, and where it is booked."""
    at = run("daily_close", "vic", closes="Closed days")
    (closed,) = closing.listing(desk, people["fin"])
    row = table(at).iloc[0]
    assert (row["Signed by"], row["Came late"]) == ("Ines Ferro", 1)
    assert row["SHA-256 of the journal"] == closed["sha256"]
    assert [each.label for each in at.get("download_button")] == [f"The journal of {closed['day']}"]
    late = table(run("daily_close", "vic", closes="Came late")).iloc[0]
    assert (late["Of the day"], late["Booked on"]) == (str(closed["day"]), str(closed["day"] + DAY))
    assert (late["Event"], late["Report"]) == ("Card refund failed", usual.claims["b"])


# -- a claim's money --------------------------------------------------------------------------------------


def test_a_claims_money(usual: Finance) -> None:
    """Unspent, on what the rest went, until when and to which payment; and the processor's line."""
    spent = read(run("claim", "fin", claim=usual.claims["g"], part="Money")).replace("**", "")
    until = usual.first_day + 16 * DAY
    assert f"$15.00 of the $25.00 credit is unspent; to the card until {until:%b} {until.day}, 10:00" in spent
    assert "$10.00 went to charge charge-more" in spent
    assert "Payment pay-g" in spent
    assert "can return $25.00" in spent
    arrived = read(run("claim", "vic", claim=usual.claims["a"], part="Money")).replace("**", "")
    assert "$25.00 went to card refund requested" in arrived
    assert "The processor’s line txn_out-a: sent the money, −$25.00" in arrived
    back = read(run("claim", "dana", claim=usual.claims["b"], part="Money")).replace("**", "")
    assert "$25.00 came back from card refund failed" in back


def test_a_claims_money_too_late(usual: Finance) -> None:
    """After the last day to ask, the claim says that it is over and until when it was."""
    usual.clock.advance(30 * DAY)
    words = read(run("claim", "dana", claim=usual.claims["c"], part="Money"))
    assert "had to be requested by" in words
