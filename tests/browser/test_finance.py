"""Money in a real Chromium: a card refund until it arrives or comes back, a day until it is closed."""

import csv
import hashlib
import io
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect

from refundlib.domain.people import Person
from refundlib.domain.reconciling import complete_until
from refundlib.services import batches, card_refunds
from refundlib.services.checking import check
from refundlib.services.decisions import decide
from refundlib.services.desk import Desk
from refundlib.services.ledger import start_of
from refundlib.services.mailing import send_due
from refundlib.services.payouts import look_after, send_released
from refundlib.ui.figure_parts import HEAD_PIXELS, ROW_PIXELS
from tests.browser.conftest import MailServer, Served
from tests.browser.steps import (
    PATIENCE_MS,
    agree,
    change_to,
    choose_all,
    dialog,
    letters,
    open_as,
    part,
    press,
    says,
    shows,
    still,
)
from tests.browser.test_desk import sign_in
from tests.conftest import Clock
from tests.market import Market
from tests.pages.helpers import DAY, live
from tests.stripe_server import StripeServer

pytestmark = [pytest.mark.browser, pytest.mark.slow]

People = dict[str, Person]


@pytest.fixture
def served(processor: StripeServer, served: Served) -> Served:
    """The app, which knows the processor."""
    return served


@dataclass
class Scene:
    """A market whose payments the processor has."""

    market: Market
    processor: StripeServer
    people: People

    def credit(self, name: str) -> str:
        """A claim of $25, approved; its id."""
        self.processor.charge(f"ch_pay-{name}", 2500)
        report = self.market.claim(self.people["dana"], name)
        decide(self.market.desk, self.people["eli"], report, "approve", idempotency_key=name)
        return report

    def ask(self, name: str) -> str:
        """A card refund of such a credit, asked for; the payout's id."""
        report = self.credit(name)
        (payout,) = card_refunds.request(self.market.desk, self.people["dana"], report).payout_ids
        return payout

    def send(self, name: str) -> str:
        """One that finance has released; the payout's id."""
        payout = self.ask(name)
        batches.make(self.market.desk, self.people["fin"], [payout], idempotency_key=payout)
        return payout


@pytest.fixture
def scene(served: Served, processor: StripeServer, people: People, clock: Clock) -> Scene:
    """An empty market, three hours ago: what a test does before its pages are opened is past for them."""
    clock.now = datetime.now(UTC) - timedelta(hours=3)
    return Scene(served.market, processor, people)


# -- a card refund ----------------------------------------------------------------------------------------


def test_from_the_request_to_the_card(
    page: Page,
    served: Served,
    scene: Scene,
    worker: Desk,
    processor: StripeServer,
    mail_server: MailServer,
    clock: Clock,
) -> None:
    """Dana asks on the claim, Fin sends, the worker sends it once; it arrives, and mail and claim say so."""
    report = scene.credit("a")
    open_as(page, served, "Dana", f"claim?claim={report}&part=Money")
    press(page, "Refund to the card")
    asking = dialog(page)
    says(asking, "of the $25.00 credit is unspent")
    says(asking, "can return $25.00")
    expect(asking.get_by_label("Amount in USD")).to_have_value("25.00")
    asking.get_by_role("button", name="Request the card refund").click()
    says(page, "$25.00, asked for")

    change_to(page, "Fin")
    page.get_by_role("link", name="Card refunds").click()
    says(page, "1 ($25.00) to send")
    choose_all(page)
    press(page, "Send 1 · $25.00")
    agree(page, "The processor gets it at once")
    says(page, "Nothing is to be sent.")
    part(page, "Under way")
    shows(page, "to be sent")

    clock.now = datetime.now(UTC)
    processor.next_status = "pending"
    assert send_released(worker).counts == {"sent": 1, "silent": 0}
    shows(page, "on its way")
    (refund,) = processor.refunds.values()
    processor.change(refund["id"], "succeeded")
    clock.advance(timedelta(hours=2))
    assert look_after(worker).counts["changed"] == 1
    says(page, "Nothing is under way.")
    says(page, "0 under way")
    part(page, "Arrived")
    shows(page, "$25.00", report, refund["id"])

    send_due(worker)
    assert "It goes to the card you paid with." in letters(mail_server)["$25.00 is on its way to your card"]
    page.goto(f"{served.url}/claim?claim={report}&part=Money")
    sign_in(page, "Dana")
    says(page, "succeeded")
    assert (refund["amount"], len(processor.refunds)) == (2500, 1)
    assert served.market.balance("pro-a") == 0
    assert check(served.market.owner)["ok"]


def test_above_the_limit_two_people_send(
    page: Page, served: Served, scene: Scene, worker: Desk, processor: StripeServer
) -> None:
    """$50 in a batch: Fin cannot release it, and nothing is sent until Ines does."""
    scene.ask("a")
    scene.ask("b")
    open_as(page, served, "Fin", "card_refunds")
    choose_all(page)
    press(page, "Send 2 · $50.00")
    agree(page, "Above $30.00 another person of finance releases it")
    says(page, "2 ($50.00) wait for a second person")
    part(page, "Second person")
    expect(page.get_by_role("button", name="Release")).to_be_disabled(timeout=PATIENCE_MS)
    says(page, "You made it")
    send_released(worker)
    assert not processor.refunds

    change_to(page, "Ines")
    press(page, "Release")
    agree(page, "$50.00 in 2 payouts")
    says(page, "No batch waits for a second person.")
    send_released(worker)
    part(page, "Arrived")
    shows(page, *processor.refunds)
    assert [each["amount"] for each in processor.refunds.values()] == [2500, 2500]
    assert check(served.market.owner)["ok"]


@pytest.mark.parametrize("how", ["failed later", "refused"])
def test_what_does_not_reach_the_card_is_on_the_balance_again(
    page: Page,
    served: Served,
    scene: Scene,
    worker: Desk,
    processor: StripeServer,
    mail_server: MailServer,
    clock: Clock,
    how: str,
) -> None:
    """It came back, with why and until when to ask again; the statement adds up, the mail is true."""
    payout = scene.send("a")
    if how == "refused":
        processor.faults.append("disputed")
        send_released(worker)
        assert not processor.refunds
    else:
        processor.next_status = "pending"
        send_released(worker)
        (refund,) = processor.refunds.values()
        processor.change(refund["id"], "failed", "lost_or_stolen_card")
        clock.advance(timedelta(hours=2))
        look_after(worker)
    at = served.market.one("SELECT settled_at FROM refunds.payouts").astimezone(UTC) + timedelta(days=14)

    open_as(page, served, "Fin", "card_refunds?stage=Came back")
    says(page, "1 ($25.00) came back")
    shows(page, "failed", f"{at:%b} {at.day}, {at:%H:%M}", payout)
    shows(page, "lost or stolen card" if how == "failed later" else "–")
    page.goto(f"{served.url}/statement?pro=pro-a")
    sign_in(page, "Dana")
    says(page, "on the balance now · $0.00 on its way to a card")
    says(page, "after: $25.00 (held $0.00)")
    shows(page, "Payment", "Charge", "Refund credit", "Card refund requested", "Card refund failed")

    send_due(worker)
    told = letters(mail_server)
    assert "$25.00 is on its way to your card" not in told or how == "failed later"
    words = told["$25.00 did not reach your card and is back on your balance"]
    assert f"You can ask support for another card refund by {at.day} {at:%B %Y}" in words
    assert ("could not be sent to your card." in words) == (how == "refused")
    assert ("lost_or_stolen_card" in words) == (how == "failed later")
    assert served.market.balance("pro-a") == 2500
    assert check(served.market.owner)["ok"]


# -- doors ------------------------------------------------------------------------------------------------


def test_doors_keep_their_address(page: Page, served: Served, clock: Clock) -> None:
    """An account opens its entries, a break its line; the address opens the same for whoever gets it."""
    clock.now = datetime.now(UTC) - 4 * DAY
    live(served.market, clock)
    open_as(page, served, "Fin", "ledger")
    shows(page, "Processor fees")
    click_row(page, 4)
    page.wait_for_url("**/ledger?*account=Processor*fees*", timeout=PATIENCE_MS)
    shows(page, "Processor fee", "txn_a")
    page.goto(page.url)
    sign_in(page, "Mo")
    shows(page, "Processor fee", "txn_a")

    open_as(page, served, "Fin", "reconciliation?kind=Theirs, not ours")
    shows(page, "txn_hand")
    click_row(page, 0)
    press(page, "The processor’s line")
    page.wait_for_url("**/reconciliation?*line=txn_hand*", timeout=PATIENCE_MS)
    says(page, "It is matched with nothing")


def click_row(page: Page, row: int) -> None:
    """Clicks a row of the first table, counted from 0."""
    still(page)
    box = page.get_by_test_id("stDataFrame").first.bounding_box()
    assert box is not None
    page.mouse.click(box["x"] + 100, box["y"] + HEAD_PIXELS + ROW_PIXELS * row + ROW_PIXELS / 2)


# -- a day ------------------------------------------------------------------------------------------------


def test_from_the_report_to_the_closed_day(
    page: Page,
    served: Served,
    scene: Scene,
    worker: Desk,
    processor: StripeServer,
    clock: Clock,
    tmp_path: Path,
) -> None:
    """Fin imports, confirms the line without ids and posts the fees; Ines signs; the journal is as frozen."""
    day = complete_until(datetime.now(UTC)) - timedelta(days=2)
    clock.now = start_of(day) + timedelta(hours=10)
    scene.send("a")
    send_released(worker)
    scene.credit("b")
    report = tmp_path / "balance-change.csv"
    report.write_text(_without_ids(processor.report(), "ch_pay-b"), encoding="utf-8")

    open_as(page, served, "Fin", "reconciliation?view=Reports")
    page.get_by_test_id("stFileUploaderDropzoneInput").set_input_files(report)
    says(page, report.name)
    press(page, "Import")
    says(page, f"PF-1: 3 lines from {day} to {day}, 3 of them new; 2 matched by an id.")
    says(page, "1 to confirm · 2 fees and payouts to post")
    part(page, "To confirm")
    press(page, "It is the same")
    agree(page, "It can be undone.")
    says(page, "No line waits to be confirmed.")
    part(page, "To post")
    press(page, "Post 2")
    agree(page, "fees go to Processor fees")
    says(page, "The ledger has every fee and payout of the reports.")
    says(page, "No break to explain · 0 to confirm · 0 fees and payouts to post")

    open_as(page, served, "Ines", f"daily_close?close={day}")
    says(page, f"{day} can be closed")
    press(page, "Sign and close")
    agree(page, f"You sign {day}")
    says(page, f"{day}: closed.")
    with page.expect_download() as taken:
        page.get_by_role("button", name=f"The journal of {day}").click(timeout=PATIENCE_MS)
    journal = taken.value.path().read_bytes()
    shows(page, "Ines Ferro", hashlib.sha256(journal).hexdigest())
    part(page, "Next close")
    says(page, f"{day + timedelta(days=1)} cannot be closed yet")
    assert b"card_refund_succeeded" in journal
    assert served.market.one("SELECT sha256 FROM refunds.closes") == hashlib.sha256(journal).hexdigest()
    assert check(served.market.owner)["ok"]


def _without_ids(report: str, charge: str) -> str:
    """The report, in which a payment has lost what proves which it is."""
    rows = list(csv.DictReader(io.StringIO(report)))
    for row in rows:
        if row["charge_id"] == charge:
            row |= {"charge_id": "", "source_id": "", "payment_intent_id": ""}
    buffer = io.StringIO()
    writer = csv.DictWriter(buffer, list(rows[0]), lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    return buffer.getvalue()
