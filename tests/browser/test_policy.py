"""A policy in a real Chromium: drafted, tried on history, published by another; precedents, other pros."""

from datetime import UTC, datetime, timedelta

import pytest
from playwright.sync_api import Page, expect

from refundlib.domain.people import Person
from refundlib.services.decisions import decide
from refundlib.services.intake import Draft, file_report
from refundlib.ui.figure_parts import HEAD_PIXELS, ROW_PIXELS
from tests.browser.conftest import Served
from tests.browser.steps import PATIENCE_MS, dialog, open_as, part, press, says, shows, still
from tests.conftest import Clock

pytestmark = [pytest.mark.browser, pytest.mark.slow]

People = dict[str, Person]


def test_from_a_draft_to_a_version(page: Page, served: Served, people: People, clock: Clock) -> None:
    """Mo writes 45 days, tries them on history and opens the claim that would differ; Noor publishes."""
    clock.now = datetime.now(UTC) - timedelta(days=50)
    market = served.market
    market.pay("pay", market.pro("moss"), 5000)
    market.charge("late", market.lead("lead-1", phone="000-000-0000"), "moss", 2500)
    market.say("m1", "lead-1", "moss", "pro", "Hi! I can do it for $240.")
    clock.advance(timedelta(days=40))
    report = file_report(market.desk, people["dana"], Draft("late", "invalid_phone"))

    open_as(page, served, "Mo", "policy?view=Drafts")
    press(page, "New draft")
    page.get_by_role("spinbutton", name="Days to report").fill("45")
    page.get_by_label("Name of the version").fill("2026-45")
    page.get_by_label("Why it changes").fill("More time")
    press(page, "Save the draft")
    says(page, "All 32 golden cases pass.")
    expect(page.get_by_role("button", name="Publish")).to_be_disabled()
    page.get_by_role("link", name="Try it on history").click()
    press(page, "Try it on history")
    says(page, "1 of 1 claims would differ; $25.00 more advised to approve")
    flips = page.get_by_test_id("stDataFrame").last
    flips.scroll_into_view_if_needed()
    still(page)
    flips.click(position={"x": 60, "y": HEAD_PIXELS + ROW_PIXELS // 2})
    page.wait_for_url(f"**/claim?claim={report}")
    says(page, "if it had been reported 10 days earlier")

    page.goto(f"{served.url}/policy?view=Drafts&draft=1")
    page.get_by_role("button", name="Continue as Noor").click(timeout=PATIENCE_MS)
    press(page, "Publish")
    dialog(page).get_by_role("button", name="Publish").click()
    says(page, "2026-45 is published.")
    part(page, "Versions")
    says(page, "by Mo Haddad, published by Noor Aziz")
    shows(page, "45", "≠")


def test_a_precedent_and_the_other_pros(page: Page, served: Served, people: People, clock: Clock) -> None:
    """An approved dead number leads to the other pro's claim, and is that claim's precedent."""
    clock.now = datetime.now(UTC) - timedelta(hours=3)
    market = served.market
    market.lead("lead", phone="000-000-0000")
    for name in ("moss", "vega"):
        market.pay(f"pay-{name}", market.pro(name), 2500)
        market.charge(f"charge-{name}", "lead", name, 2500)
    first = file_report(market.desk, people["eli"], Draft("charge-moss", "invalid_phone"))
    decide(market.desk, people["eli"], first, "approve", idempotency_key="k")
    open_as(page, served, "Dana", f"claim?claim={first}")
    press(page, "Open claims for 1 other pro")
    says(page, "Opened: R-1002.")
    expect(page.get_by_role("button", name="Open claims for")).to_have_count(0, timeout=PATIENCE_MS)
    page.goto(f"{served.url}/claim?claim=R-1002")
    page.get_by_role("button", name="Continue as Dana").click(timeout=PATIENCE_MS)
    part(page, "Precedents")
    shows(page, "approved $25.00", "Eli Novak")
    page.goto(f"{served.url}/claim?claim={first}")
    page.get_by_role("button", name="Continue as Dana").click(timeout=PATIENCE_MS)
    says(page, "Approved $25.00 by Eli Novak")
