"""A policy in a real Chromium: drafted, tried on history, published by another; precedents, other pros."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from playwright.sync_api import Page, expect

from refundlib.domain.people import Person
from refundlib.services.decisions import decide
from refundlib.services.intake import Draft, file_report
from refundlib.services.policy_drafts import publish, write_draft
from tests.browser.conftest import Served
from tests.browser.steps import (
    PATIENCE_MS,
    dialog,
    open_as,
    part,
    press,
    press_first_row,
    says,
    shows,
    still,
)
from tests.conftest import Clock
from tests.services.test_policy_drafts import LONGER

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
    page.get_by_role("textbox", name="Days to report").fill("45")
    page.get_by_label("Name of the version").fill("2026-45")
    page.get_by_label("Why it changes").fill("More time")
    press(page, "Save the draft")
    says(page, "All 35 golden cases pass.")
    expect(page.get_by_role("button", name="Publish")).to_be_disabled()
    page.get_by_role("link", name="Try it on history").click()
    press(page, "Try it on history")
    says(page, "1 of 1 claims would differ: $25.00 more would be credited than by the version in force")
    page.get_by_role("combobox", name="Reason").click()
    page.keyboard.type("invalid phone")
    page.keyboard.press("Enter")
    page.wait_for_url("**reason=invalid**")
    says(page, "1 of 1 claims would differ")
    # Moves, by reason, by category, by month, the flips; the earlier runs come last.
    flips = page.get_by_test_id("stDataFrame").nth(4)
    flips.scroll_into_view_if_needed()
    still(page)
    # Painted anew for the filter: it takes clicks once its cells are there.
    expect(flips.locator("[data-testid^=glide-cell-]").get_by_text(report, exact=True)).to_be_attached()
    address = f"**/claim?claim={report}&run=1&lab_reason=invalid+phone"
    press_first_row(page, flips, 60, lambda ms: page.wait_for_url(address, timeout=ms))
    says(page, "By draft 2026-45 (revision 1): advise approve instead of deny: reported on day 40 of 45")
    says(page, "if it had been reported 10 days earlier")

    page.goto(f"{served.url}/policy?view=Drafts&draft=1")
    page.get_by_role("button", name="Continue as Noor").click(timeout=PATIENCE_MS)
    press(page, "Publish")
    asked = dialog(page)
    says(asked, "1 of 1 claims would differ")
    asked.get_by_role("button", name="Publish").click()
    says(asked, "tick that you have")
    asked.get_by_test_id("stCheckbox").get_by_text("I have read the changed text").click()
    still(page)
    asked.get_by_role("button", name="Publish").click()
    says(page, "2026-45 is published.")
    part(page, "Versions")
    says(page, "by Mo Haddad, published by Noor Aziz")
    shows(page, "45", "≠")


def test_a_scheduled_version_is_revoked(page: Page, served: Served, people: People, clock: Clock) -> None:
    """Noor schedules a version, Mo's draft falls behind and takes it over; Noor revokes the version."""
    clock.now = datetime.now(UTC)
    desk = served.market.desk
    first = write_draft(desk, people["mo"], replace(LONGER, version="first"))
    write_draft(
        desk, people["mo"], replace(LONGER, version="second", window_days=30, approval_limit_minor=4550)
    )
    publish(desk, people["noor"], first, revision=1, effective_from=clock.now + timedelta(days=5))

    open_as(page, served, "Mo", "policy?view=Drafts&draft=2")
    says(page, "it would undo what first changed")
    press(page, "Take over the changes of first")
    says(page, "The draft begins from first now.")
    shows(page, "45", "$45.50")

    open_as(page, served, "Noor", "policy")
    press(page, "Revoke")
    dialog(page).get_by_label("Why?").fill("The wrong year")
    dialog(page).get_by_role("button", name="Revoke it").click()
    says(page, "first is revoked.")
    expect(page.get_by_role("button", name="Revoke")).to_have_count(0, timeout=PATIENCE_MS)
    page.goto(f"{served.url}/policy?view=Drafts&draft=2")
    page.get_by_role("button", name="Continue as Noor").click(timeout=PATIENCE_MS)
    says(page, "first, from which this draft begins, was revoked.")


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
    says(page, "Vega Services · $25.00 · charged")
    press(page, "Open claims for 1 other pro")
    says(page, "Opened: R-1002 for Vega Services.")
    expect(page.get_by_role("button", name="Open claims for")).to_have_count(0, timeout=PATIENCE_MS)
    press(page, "R-1002")
    page.wait_for_url(f"**/claim?claim=R-1002&from={first}")
    says(page, "R-1002 · Vega Services · invalid phone")
    part(page, "Precedents")
    says(page, "1 like it: 1 approved")
    says(page, "Eli Novak, ")
    says(page, "alike: same lead · no conversation either · same check passed · number not valid")
    page.get_by_role("button", name=first, exact=True).click()
    says(page, "Approved $25.00 by Eli Novak")
    press(page, "Back to R-1002")
    says(page, "R-1002 · Vega Services · invalid phone")
    says(page, "1 like it: 1 approved")
    page.go_back()
    says(page, "Approved $25.00 by Eli Novak")
