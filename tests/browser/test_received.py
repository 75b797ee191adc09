"""The mails of pros in a real Chromium: one is placed by hand and filed, one is put aside."""

from pathlib import Path

import pytest
from playwright.sync_api import Page, expect

from refundlib.domain.people import Person
from refundlib.mail.mailboxes import mailbox
from refundlib.services import received
from refundlib.services.desk import Desk
from refundlib.services.mailbox import read_all
from tests.browser.conftest import Served
from tests.browser.test_accessible import violations
from tests.browser.test_desk import sign_in
from tests.mail.test_mailbox import refund_mail, write
from tests.mail.thirty import message, photo, scene

pytestmark = [pytest.mark.browser, pytest.mark.slow]

PATIENCE_MS = 20_000


@pytest.fixture
def mails(served: Served, desk: Desk, tmp_path: Path) -> Served:
    """A desk with three mails: one proposes a report, two wait to be placed."""
    scene(served.market)
    shot = message("Which customer?", "Hello, please refund <b>this</b> lead. Screenshot attached.\n" * 12)
    shot.add_attachment(photo(), "image", "jpeg", filename="screen.jpg")
    shot.add_attachment(b"MZ", "application", "octet-stream", filename="run.exe")
    stranger = message("Win a prize", "Click here", sender="Prizes <x@else.example>").as_bytes()
    read_all(desk, mailbox(str(write(tmp_path / "in", refund_mail(0), shot.as_bytes(), stranger))))
    return served


def test_placed_filed_and_put_aside(page: Page, mails: Served, desk: Desk, people: dict[str, Person]) -> None:
    """A wrong charge is a sentence in the dialog, a right one leads to the report; spam is put aside."""
    page.goto(f"{mails.url}/mail?received=2")
    sign_in(page, "Dana")
    page.get_by_role("button", name="Choose the charge").click(timeout=PATIENCE_MS)
    dialog = page.get_by_role("dialog")
    dialog.get_by_label("Charge").fill("CH-nope")
    dialog.get_by_role("button", name="Place the mail").click()
    expect(dialog.get_by_text("There is no charge 'CH-nope'")).to_be_visible(timeout=PATIENCE_MS)
    dialog.get_by_label("Charge").fill("CH-01")
    dialog.get_by_role("button", name="Place the mail").click()
    expect(page.get_by_text("Dana Reyes chose the charge.")).to_be_visible(timeout=PATIENCE_MS)
    page.get_by_role("button", name="File the report").click()
    expect(page.get_by_text("Report for Moss & Sons")).to_be_visible(timeout=PATIENCE_MS)
    page.goto(f"{mails.url}/mail?received=3")
    sign_in(page, "Dana")
    page.get_by_role("button", name="Put aside").click(timeout=PATIENCE_MS)
    dialog.get_by_label("Reason").fill("Spam")
    dialog.get_by_role("button", name="Put it aside").click()
    expect(page.get_by_text("Put aside. It can still be read.")).to_be_visible(timeout=PATIENCE_MS)
    rows = [received.received_mail(desk, people["dana"], number) for number in (2, 3)]
    assert [row["state"] for row in rows] == ["proposed", "dismissed"]


def test_picture_answer_and_taken_up_again(
    page: Page, mails: Served, desk: Desk, people: dict[str, Person]
) -> None:
    """A picture comes with a click; spam that was none waits again and lands beside the report it answers."""
    page.goto(f"{mails.url}/mail?received=2")
    sign_in(page, "Dana")
    opens = page.get_by_role("button", name="screen.jpg")
    expect(opens).to_be_visible(timeout=PATIENCE_MS)
    expect(page.get_by_role("img", name="screen.jpg")).to_have_count(0)
    opens.click()
    expect(page.locator("[data-testid=stImage] img")).to_be_visible(timeout=PATIENCE_MS)
    with page.expect_download() as saved:
        page.get_by_role("button", name="Save the file").click()
    assert saved.value.suggested_filename == "screen.jpg"
    assert Path(saved.value.path()).read_bytes() == photo()
    dialog = page.get_by_role("dialog")
    received.dismiss(desk, people["dana"], 2, "Spam")
    page.goto(f"{mails.url}/mail?received=2&received_list=Put+aside")
    sign_in(page, "Dana")
    page.get_by_role("button", name="Take it up again").click(timeout=PATIENCE_MS)
    dialog.get_by_label("Reason").fill("It is an answer.")
    dialog.get_by_role("button", name="Take it up").click()
    expect(page.get_by_text("It waits again, to be placed.")).to_be_visible(timeout=PATIENCE_MS)
    page.goto(f"{mails.url}/mail?received=2")
    sign_in(page, "Dana")
    page.get_by_role("button", name="It answers a report").click(timeout=PATIENCE_MS)
    dialog.get_by_label("Report").fill("R-nope")
    dialog.get_by_role("button", name="Put it beside the report").click()
    expect(dialog.get_by_text("There is no report 'R-nope'")).to_be_visible(timeout=PATIENCE_MS)
    asked = mails.market.one("SELECT report_id FROM refunds.reports WHERE state = 'waiting_on_pro'")
    dialog.get_by_label("Report").fill(asked)
    dialog.get_by_role("button", name="Put it beside the report").click()
    expect(page.get_by_text(f"The answer is on {asked}")).to_be_visible(timeout=PATIENCE_MS)
    row = received.received_mail(desk, people["dana"], 2)
    assert (row["state"], row["report_id"]) == ("filed", asked)


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_axe_finds_nothing(page: Page, mails: Served, scheme: str) -> None:
    """The mails of pros can be read by everybody."""
    page.emulate_media(color_scheme="dark" if scheme == "dark" else "light")
    page.goto(f"{mails.url}/mail?received=2")
    sign_in(page, "Dana")
    expect(page.get_by_role("button", name="Choose the charge")).to_be_visible(timeout=PATIENCE_MS)
    assert violations(page) == []
