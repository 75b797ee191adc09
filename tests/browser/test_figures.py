"""The pages of figures in a real Chromium: from a mark to its cases to a claim, and tables taken away."""

import io
import zipfile
from datetime import UTC, datetime, timedelta

import pytest
from playwright.sync_api import Locator, Page, expect

from refundlib.services.demo import load_demo
from refundlib.services.desk import Desk
from tests.browser.conftest import Served
from tests.browser.test_desk import sign_in

pytestmark = [pytest.mark.browser, pytest.mark.slow]

# A mark of the page's first chart that opens its cases.
MARKS = {
    "refund_rates": ".scatterlayer .trace:last-child .point",
    "sla": "[class*=st-key-sla-] .barlayer .trace:first-child .point",
    "payout_reversals": "[class*=st-key-payouts-] .barlayer .trace:first-child .point",
    "quality": "[class*=st-key-check_overrule-] .scatterlayer .trace:first-child .point",
}


def click(page: Page, mark: Locator) -> None:
    """Clicks the middle of a mark: the chart's own layer lies above it."""
    mark.scroll_into_view_if_needed()
    box = mark.bounding_box()
    assert box is not None
    page.mouse.move(box["x"] + box["width"] / 2, box["y"] + box["height"] / 2)
    page.mouse.click(box["x"] + box["width"] / 2, box["y"] + box["height"] / 2)


def test_from_a_mark_to_a_claim_and_exports(page: Page, served: Served, owner_desk: Desk) -> None:
    """On each page: a click on a mark opens what it counts, a row its claim; CSV and workbook come down."""
    load_demo(owner_desk, charges=3000, seed=7, as_of=datetime.now(UTC).replace(microsecond=0))
    page.goto(f"{served.url}/refund_rates")
    sign_in(page, "Mo")
    for name, mark in MARKS.items():
        link = {"refund_rates": "Refund rates", "sla": "Deadlines", "payout_reversals": "Payouts"}.get(
            name, "Quality"
        )
        page.get_by_role("link", name=link).first.click()
        expect(page.get_by_text("The figures behind")).to_be_visible(timeout=20_000)
        _take_away(page, name)
        point = page.locator(mark).first
        expect(point).to_be_visible(timeout=20_000)
        page.wait_for_timeout(500)  # the chart still moves into place after it is painted
        click(page, point)
        page.wait_for_url("**/cases?metric=*", timeout=20_000)
        table = page.get_by_test_id("stDataFrame")
        expect(table).to_be_visible(timeout=20_000)
        expect(page.get_by_text("Click a row to open its claim.")).to_be_visible()
        box = table.bounding_box()
        assert box is not None
        page.mouse.click(box["x"] + 150, box["y"] + 55)
        page.wait_for_url("**/claim?claim=*", timeout=20_000)
        expect(page.get_by_text("We advise").first).to_be_visible(timeout=20_000)


def test_own_days_in_a_shared_address(page: Page, served: Served, owner_desk: Desk) -> None:
    """An address with two days opens the same days for somebody who has to sign in first."""
    now = datetime.now(UTC).replace(microsecond=0)
    load_demo(owner_desk, charges=3000, seed=7, as_of=now)
    first, last = (now.date() - timedelta(days=days) for days in (60, 40))
    page.goto(f"{served.url}/refund_rates?period=own+days&days={first}&days={last}")
    sign_in(page, "Mo")
    period = f"{first:%b} {first.day}, {first.year} to {last:%b} {last.day} in UTC days"
    expect(page.get_by_text(period)).to_be_visible(timeout=20_000)


def _take_away(page: Page, name: str) -> None:
    with page.expect_download() as table:
        page.get_by_role("button", name="CSV", exact=True).click()
    text = table.value.path().read_text(encoding="utf-8-sig")
    assert len(text.splitlines()) > 1, name
    with page.expect_download() as book:
        page.get_by_role("button", name="Excel, all tables").click()
    with zipfile.ZipFile(io.BytesIO(book.value.path().read_bytes())) as opened:
        assert any("sheet1.xml" in each for each in opened.namelist())
