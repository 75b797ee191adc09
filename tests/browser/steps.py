"""What people do and see on a page, in words: steps of the browser tests."""

from collections.abc import Callable
from contextlib import suppress

from playwright.sync_api import Locator, Page, TimeoutError, expect

from refundlib.ui.figure_parts import HEAD_PIXELS, ROW_PIXELS
from tests.browser.conftest import MailServer, Served
from tests.browser.test_desk import sign_in

# Long enough for a page on a busy machine.
PATIENCE_MS = 20_000


def open_as(page: Page, served: Served, name: str, path: str) -> None:
    """Opens an address as a person, who signs in there."""
    page.goto(f"{served.url}/{path}")
    sign_in(page, name)


def change_to(page: Page, name: str) -> None:
    """Another person at the same page."""
    press(page, "Sign out")
    sign_in(page, name)


def still(page: Page) -> None:
    """The page is painted: what is pressed before can be painted over."""
    expect(page.locator("[data-test-script-state=notRunning]")).to_be_attached(timeout=PATIENCE_MS)
    expect(page.locator("[data-stale=true]")).to_have_count(0)


def press(page: Page, label: str) -> None:
    """Presses a button of the page."""
    found = page.get_by_role("button", name=label)
    expect(found).to_be_enabled(timeout=PATIENCE_MS)
    still(page)
    found.click()


def press_first_row(page: Page, table: Locator, at_x: int, opens: Callable[[int], object]) -> None:
    """Presses a table's first row until it opens what it leads to; opens: waits so many ms for that.

    A click on a table that is just painted anew is lost, as it is for people.
    """
    for _ in range(3):
        still(page)
        table.click(position={"x": at_x, "y": HEAD_PIXELS + ROW_PIXELS // 2})
        with suppress(AssertionError, TimeoutError):
            opens(PATIENCE_MS // 2)
            return
    opens(PATIENCE_MS)


def choose_all(page: Page) -> None:
    """Every card refund that is to be sent."""
    toggle = page.get_by_test_id("stCheckbox")
    expect(toggle).to_be_visible(timeout=PATIENCE_MS)
    still(page)
    toggle.get_by_text("All of them").click()


def part(page: Page, label: str) -> None:
    """Opens a part of the page."""
    still(page)
    page.get_by_test_id("stButtonGroup").get_by_text(label, exact=True).click()


def cells(page: Page) -> Locator:
    """The cells of the page's first table: it paints them, and tells their words to screen readers."""
    return page.get_by_test_id("stDataFrame").first.locator("[data-testid^=glide-cell-]")


def shows(page: Page, *texts: str) -> None:
    """The first table has cells with these words."""
    for text in texts:
        expect(cells(page).get_by_text(text, exact=True).first).to_be_attached(timeout=PATIENCE_MS)


def dialog(page: Page) -> Locator:
    """The dialog that is open."""
    found = page.get_by_role("dialog")
    expect(found).to_be_visible(timeout=PATIENCE_MS)
    return found


def says(page: Page | Locator, text: str) -> None:
    """These words are to be seen."""
    expect(page.get_by_text(text).first).to_be_visible(timeout=PATIENCE_MS)


def agree(page: Page, text: str) -> None:
    """A dialog says what will happen; Enter posts it."""
    asked = dialog(page)
    says(asked, text)
    still(page)
    page.keyboard.press("Enter")
    expect(asked).to_be_hidden(timeout=PATIENCE_MS)


def letters(mail_server: MailServer) -> dict[str, str]:
    """What the mail server accepted: words by subject."""
    return {str(mail["Subject"]): " ".join(mail.get_content().split()) for mail in mail_server.rules.mails}
