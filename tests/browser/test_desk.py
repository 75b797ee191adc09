"""The desk in a real Chromium: a first claim, two people at once, nothing for who is signed out."""

from datetime import UTC, datetime

import pytest
from playwright.sync_api import Browser, Page, expect

from refundlib.domain.people import Person
from refundlib.services.checking import check
from refundlib.services.desk import Desk
from refundlib.services.mailing import send_due
from tests.browser.conftest import MailServer, Served
from tests.conftest import Clock

pytestmark = [pytest.mark.browser, pytest.mark.slow]


def sign_in(page: Page, name: str) -> None:
    """Signs in as a demo person, wherever the page is."""
    page.get_by_role("button", name=f"Continue as {name}").click(timeout=30_000)
    expect(page.get_by_text(f"demo · {name}")).to_be_visible(timeout=20_000)


def test_first_claim(
    page: Page,
    served: Served,
    people: dict[str, Person],
    mailing_desk: Desk,
    mail_server: MailServer,
    clock: Clock,
) -> None:
    """Sign in, take the next claim, see chat and checklist side by side, approve: all is there."""
    report = served.market.claim(people["eli"])
    page.goto(served.url)
    sign_in(page, "Dana")
    page.get_by_role("button", name="Take next").click()
    expect(page.get_by_text("first reply", exact=False).first).to_be_visible(timeout=20_000)
    evidence = page.locator("mark", has_text="No thanks")
    advice = page.get_by_text("We advise: approve.")
    expect(evidence).to_be_visible()
    expect(advice).to_be_visible()
    approve = page.get_by_role("button", name="Approve $25.00")
    expect(approve).to_be_in_viewport()
    left, right = evidence.bounding_box(), advice.bounding_box()
    assert left is not None
    assert right is not None
    assert left["x"] < right["x"]
    page.keyboard.press("a")
    expect(page.get_by_text("balance at once")).to_be_visible(timeout=20_000)
    page.keyboard.press("Enter")
    expect(page.get_by_text("Nothing is open.")).to_be_visible(timeout=20_000)
    market = served.market
    assert market.balance("pro-a") == 2500
    assert market.one("SELECT count(*) FROM refunds.ledger_entries WHERE account = 'refunds_given'") == 1
    assert (
        market.one("SELECT actor FROM refunds.audit WHERE action = 'approved' AND report_id = :r", r=report)
        == "dana"
    )
    clock.now = datetime.now(UTC)
    send_due(mailing_desk)
    (mail,) = mail_server.rules.mails
    assert "$25.00" in mail.get_payload(decode=True).decode()
    assert market.one("SELECT state FROM refunds.outbox") == "sent"
    assert check(market.owner)["ok"]


def test_two_people_one_refund(browser: Browser, served: Served, people: dict[str, Person]) -> None:
    """Two browsers approve one claim: one refund, and the second person is told who decided."""
    report = served.market.claim(people["eli"])
    pages = [browser.new_page() for _ in range(2)]
    for page, name in zip(pages, ("Dana", "Eli"), strict=True):
        page.goto(f"{served.url}/claim?claim={report}")
        sign_in(page, name)
        page.get_by_role("button", name="Approve $25.00").click(timeout=20_000)
        expect(page.get_by_text("balance at once")).to_be_visible(timeout=20_000)
    for page in pages:
        page.get_by_role("dialog").get_by_role("button", name="Approve").click()
    expect(pages[0].get_by_text("Nothing is open.")).to_be_visible(timeout=20_000)
    expect(pages[1].get_by_text("Dana Reyes").first).to_be_visible(timeout=20_000)
    assert served.market.balance("pro-a") == 2500
    assert served.market.one("SELECT count(*) FROM refunds.decisions") == 1
    for page in pages:
        page.close()


@pytest.mark.parametrize(
    "path",
    [
        "queue",
        "claim?claim={report}",
        "messages?pro=pro-a&chat=lead-a+pro-a",
        "report?charge=charge-a",
        "pro_view?claim={report}",
        "lead?lead=lead-a",
        "refund_rates",
        "sla",
        "payout_reversals",
        "quality",
        "cases?metric=refund_rate&from=2026-01-01&to=2027-01-01",
        "second_look",
        "policy?view=Drafts",
        "policy_lab?draft=1&run=1",
        "card_refunds",
        "ledger?books=Journal&days=2026-01-01&days=2026-12-31",
        "statement?pro=pro-a",
        "reconciliation",
        "daily_close",
        "mail",
        "",
    ],
)
def test_signed_out_sees_nothing(page: Page, served: Served, people: dict[str, Person], path: str) -> None:
    """A deep link on a freshly started server, signed out, shows no data; then it leads there."""
    report = served.market.claim(people["eli"])
    page.goto(f"{served.url}/{path.format(report=report)}")
    expect(page.get_by_role("button", name="Continue as Dana")).to_be_visible(timeout=30_000)
    text = page.locator("body").inner_text()
    for secret in (report, "Pro-A Services", "No thanks", "Cal Customer", "Take next"):
        assert secret not in text
    if path.startswith("claim"):
        sign_in(page, "Dana")
        expect(page.get_by_text("We advise: approve.")).to_be_visible(timeout=20_000)


def test_filters_live_in_the_address(page: Page, served: Served, people: dict[str, Person]) -> None:
    """A shared address opens the same list, also when its reader has to sign in first."""
    served.market.claim(people["eli"])
    page.goto(f"{served.url}/?state=Waiting")
    sign_in(page, "Dana")
    expect(page.get_by_text("No report matches these filters")).to_be_visible(timeout=20_000)
    page.get_by_text("All", exact=True).click()
    expect(page.get_by_test_id("stDataFrame")).to_be_visible(timeout=20_000)
    page.get_by_text("Late", exact=True).click()
    page.wait_for_url("**/?state=Late")


def test_deadlines_open_the_late_claims(page: Page, served: Served, people: dict[str, Person]) -> None:
    """The figure of late claims leads to their list. (The tests' clock is in March: all are late.)"""
    served.market.claim(people["eli"])
    page.goto(f"{served.url}/sla")
    sign_in(page, "Mo")
    page.get_by_role("link", name="Open the late ones").click(timeout=20_000)
    page.wait_for_url("**/*state=Late")
    expect(page.get_by_test_id("stDataFrame")).to_be_visible(timeout=20_000)
