"""Intake in a real Chromium: from the conversation to the report, and on until the money is on its way."""

from datetime import UTC, datetime, timedelta
from io import BytesIO
from pathlib import Path

import pytest
from PIL import Image
from playwright.sync_api import Page, expect

from refundlib.domain.people import Person
from refundlib.services.checking import check
from refundlib.services.desk import Desk
from refundlib.services.mailing import send_due
from refundlib.services.marketplace_feed import resume_on_message
from refundlib.services.payouts import look_after, send_released
from tests.browser.conftest import MailServer, Served
from tests.browser.steps import (
    PATIENCE_MS,
    agree,
    cells,
    change_to,
    choose_all,
    dialog,
    letters,
    open_as,
    press,
    press_first_row,
    says,
    shows,
    still,
)
from tests.conftest import Clock
from tests.stripe_server import StripeServer

pytestmark = [pytest.mark.browser, pytest.mark.slow]

People = dict[str, Person]
PDF = b"%PDF-1.7\n1 0 obj <<>> endobj\ntrailer <<>>\n%%EOF\n"


@pytest.fixture
def served(processor: StripeServer, served: Served) -> Served:
    """The app, which knows the card processor."""
    return served


@pytest.fixture
def pro(served: Served, processor: StripeServer, clock: Clock) -> str:
    """A pro who paid $25 for a lead with an impossible number, three hours ago; nothing is reported."""
    clock.now = datetime.now(UTC) - timedelta(hours=3)
    market = served.market
    market.pro("moss")
    market.lead("lead-1", phone="000-000-0000")
    market.lead("lead-2", kind="lead")
    processor.charge("ch_pay", 2500)
    market.pay("pay", "moss", 2500)
    market.charge("charge-1", "lead-1", "moss", 2500)
    market.say("m1", "lead-1", "moss", "pro", "Hi! I can do it for $240.")
    market.say("m2", "lead-1", "moss", "customer", "Sounds good, call me")
    market.say("m3", "lead-2", "moss", "pro", "Hello there")
    return "moss"


def photo() -> bytes:
    """A real picture."""
    buffer = BytesIO()
    Image.new("RGB", (60, 40), (30, 120, 180)).save(buffer, "JPEG")
    return buffer.getvalue()


def open_conversation(page: Page, words: str) -> None:
    """A click on the first row of the list of conversations: its chat opens."""
    table = page.get_by_test_id("stDataFrame").first
    expect(table).to_be_visible(timeout=PATIENCE_MS)
    said = page.get_by_role("log", name="Conversation").get_by_text(words)
    press_first_row(page, table, 200, lambda ms: expect(said).to_be_visible(timeout=ms))
    chat_says(page, words)


def chat_says(page: Page, words: str) -> None:
    """These words are in the conversation that is open."""
    says(page.get_by_role("log", name="Conversation"), words)


def report_it(page: Page, reason: str) -> None:
    """The menu of the open conversation, Report, and the reason."""
    press(page, "⋯")
    page.get_by_role("menuitem", name="Report").or_(page.get_by_role("option", name="Report")).first.click()
    page.get_by_text(reason).click(timeout=PATIENCE_MS)
    still(page)


def find_moss(page: Page) -> None:
    """Messages, and the pro by a word of the name."""
    page.get_by_role("link", name="Messages").click()
    search = page.get_by_label("Whose messages?")
    search.fill("mos", timeout=PATIENCE_MS)
    search.press("Enter")
    says(page, "Moss Services")


def test_from_the_conversation_to_the_queue(
    page: Page, served: Served, pro: str, tmp_path: Path, people: People
) -> None:
    """Messages, a filter, the chat, its menu, Report, the form: a report with deadline and evidence."""
    market = served.market
    open_as(page, served, "Dana", "")
    find_moss(page)
    page.get_by_role("combobox", name="Status").click()
    page.get_by_role("option", name="charged, not reported").click()
    expect(cells(page).get_by_text("Hello there")).to_have_count(0, timeout=PATIENCE_MS)
    open_conversation(page, "Sounds good, call me")
    report_it(page, "The phone number is not valid")
    says(page, "29 days left")
    says(page, "We advise: approve.")
    page.get_by_label("In the pro’s own words").fill("I called twice, it never rang.")
    page.locator("input[type=file]").set_input_files(
        [
            {"name": "photo.jpg", "mimeType": "image/jpeg", "buffer": photo()},
            {"name": "letter.pdf", "mimeType": "application/pdf", "buffer": PDF},
            {"name": "odd.png", "mimeType": "image/png", "buffer": b"MZ, a program"},
        ]
    )
    says(page, "odd.png is no PDF, JPEG or PNG")
    press(page, "File the report")
    says(page, "Take out odd.png first: it cannot be taken.")
    press(page, "Remove odd.png")
    expect(page.get_by_text("odd.png is no PDF")).to_have_count(0, timeout=PATIENCE_MS)
    press(page, "File the report")
    says(page, "We advise: approve.")
    page.wait_for_url("**/claim?claim=R-1001")
    says(page, "I called twice, it never rang")
    assert market.one("SELECT count(*) FROM refunds.snapshots WHERE report_id = 'R-1001'") == 1
    left = market.one("SELECT deadline_at - now() FROM refunds.reports WHERE report_id = 'R-1001'")
    assert timedelta(hours=47) < left < timedelta(hours=48)

    page.get_by_text("Evidence", exact=True).click()
    page.get_by_role("button", name="photo").click(timeout=PATIENCE_MS)
    picture = page.get_by_test_id("stImage").locator("img")
    expect(picture).to_be_visible(timeout=PATIENCE_MS)
    assert picture.evaluate("image => image.naturalWidth") == 60
    page.get_by_role("button", name="letter").click()
    expect(picture).to_have_count(0, timeout=PATIENCE_MS)
    still(page)
    with page.expect_download() as saved:
        page.get_by_role("button", name="Save the file").click()
    saved.value.save_as(tmp_path / "letter.pdf")
    assert (tmp_path / "letter.pdf").read_bytes() == PDF

    page.get_by_role("link", name="Queue").first.click()
    shows(page, "R-1001")
    page.goto(f"{served.url}/report?charge=charge-1")
    page.get_by_role("button", name="Continue as Eli").click(timeout=PATIENCE_MS)
    says(page, "has a report already")
    page.get_by_role("link", name="Open R-1001").click()
    says(page, "We advise: approve.")


def test_the_story_of_a_report(
    page: Page,
    served: Served,
    pro: str,
    worker: Desk,
    processor: StripeServer,
    mail_server: MailServer,
    clock: Clock,
) -> None:
    """Reported, asked, answered, approved, to the card: what the pro sees and each mail say the same."""
    market = served.market
    open_as(page, served, "Dana", "messages?pro=moss&chat=lead-1+moss")
    chat_says(page, "Sounds good, call me")
    report_it(page, "The phone number is not valid")
    press(page, "File the report")
    says(page, "We advise: approve.")

    press(page, "Ask the pro")
    dialog(page).get_by_label("What do you need to know?").fill("Which number did you call?")
    page.keyboard.press("Enter")
    says(page, "1 waiting on a pro")
    clock.now = datetime.now(UTC)
    send_due(worker)
    question = letters(mail_server)["A question about your report on your plumbing opportunity"]
    assert "Which number did you call?" in question
    page.goto(f"{served.url}/pro_view?claim=R-1001")
    page.get_by_role("button", name="Continue as Dana").click(timeout=PATIENCE_MS)
    says(page, "We need one thing from you.")
    says(page, "Which number did you call?")

    clock.now = datetime.now(UTC)
    market.say("m9", "lead-1", "moss", "pro", "The one on the lead, 000-000-0000.")
    assert resume_on_message(worker)["resumed"] == 1
    page.get_by_role("link", name="The claim").click()
    says(page, "pro · answer")
    press(page, "Approve $25.00")
    agree(page, "balance at once")
    says(page, "Nothing is open.")
    clock.now = datetime.now(UTC)
    send_due(worker)
    approved = letters(mail_server)["$25.00 refunded to your balance for your plumbing opportunity"]
    clause = "(P1): Refundable: the customer's phone number is not valid."
    assert clause in approved

    page.goto(f"{served.url}/pro_view?claim=R-1001")
    page.get_by_role("button", name="Continue as Dana").click(timeout=PATIENCE_MS)
    says(page, "Approved: $25.00 went to your balance.")
    says(page, "Refundable: the customer's phone number is not valid.")
    says(page, "Up to $25.00 can go back to your card")
    page.get_by_role("link", name="The claim").click()
    press(page, "Refund to the card")
    dialog(page).get_by_role("button", name="Request the card refund").click()
    says(page, "Requested: the money is held")

    change_to(page, "Fin")
    page.get_by_role("link", name="Card refunds").click()
    choose_all(page)
    press(page, "Send 1 · $25.00")
    agree(page, "The processor gets it at once")
    says(page, "Nothing is to be sent.")
    clock.now = datetime.now(UTC)
    processor.next_status = "pending"
    assert send_released(worker)["sent"] == 1
    send_due(worker)
    assert "It goes to the card you paid with." in letters(mail_server)["$25.00 is on its way to your card"]
    (refund,) = processor.refunds.values()
    processor.change(refund["id"], "succeeded")
    clock.advance(timedelta(hours=2))
    assert look_after(worker)["changed"] == 1
    send_due(worker)

    page.goto(f"{served.url}/pro_view?claim=R-1001")
    page.get_by_role("button", name="Continue as Dana").click(timeout=PATIENCE_MS)
    says(page, "Card refund of $25.00")
    says(page, "sent to your bank")
    assert len(mail_server.rules.mails) == 3
    assert {mail["To"].addresses[0].addr_spec for mail in mail_server.rules.mails} == {"moss@pros.example"}
    assert check(market.owner)["ok"]
