"""Every page in light and dark: axe-core finds nothing."""

import json
from datetime import UTC, datetime
from typing import Literal

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Page, expect

from refundlib.domain.people import Person
from refundlib.services.decisions import decide
from refundlib.services.desk import Desk
from tests.browser.conftest import Served
from tests.browser.test_desk import sign_in
from tests.conftest import Clock
from tests.pages.helpers import DAY, live

pytestmark = [pytest.mark.browser, pytest.mark.slow]

# Streamlit's own markup, which no page and no theme of ours can change: rule, and what its element says.
# Dialogs lie in a layer beside the page's landmarks. The chosen segment is written in the accent, and buttons
# white on it: in dark no colour gives both 4.5 : 1 (ours: 4.6 on the button, 3.9 in the segment).
STREAMLITS_OWN = (
    ("region", "stFloatingOverlayPortal"),
    ("color-contrast", 'data-selected=\\"true'),
    ("color-contrast", "<p>claims</p>"),
    ("presentation-role-conflict", "stFileUploaderDropzone"),
)


def violations(page: Page) -> list[str]:
    """What axe-core finds, a line each: rule, impact, element."""
    expect(page.locator("[data-test-script-state=notRunning]")).to_be_attached(timeout=20_000)
    expect(page.locator("[data-stale=true]")).to_have_count(0)
    found = Axe().run(page).response["violations"]
    lines = [
        (rule["id"], f"({rule['impact']}): {json.dumps(node['target'])} {node['html'][:200]}")
        for rule in found
        for node in rule["nodes"]
    ]
    return [f"{rule} {line}" for rule, line in lines if not _is_streamlits_own(rule, line)]


def _is_streamlits_own(rule: str, line: str) -> bool:
    return any(rule == known and words in line for known, words in STREAMLITS_OWN)


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_axe_finds_nothing(
    page: Page, served: Served, desk: Desk, people: dict[str, Person], scheme: Literal["light", "dark"]
) -> None:
    """Sign-in, queue, claim, dialog, the pages of figures and mail can be read by everybody."""
    page.emulate_media(color_scheme=scheme)
    market = served.market
    decided = market.claim(people["dana"], "z")
    decide(desk, people["dana"], decided, "approve", idempotency_key="k")
    report = market.claim(people["eli"])
    market.pay("pay-b", "pro-a", 2500)
    market.charge("charge-b", market.lead("lead-b"), "pro-a", 2500)
    page.goto(served.url)
    expect(page.get_by_role("button", name="Continue as Mo")).to_be_visible(timeout=30_000)
    found = {"sign-in": violations(page)}
    sign_in(page, "Mo")
    expect(page.get_by_role("button", name="Take next")).to_be_visible(timeout=20_000)
    found["queue"] = violations(page)
    page.keyboard.press("n")
    expect(page.get_by_text("We advise: approve.")).to_be_visible(timeout=20_000)
    found["claim"] = violations(page)
    page.keyboard.press("d")
    expect(page.get_by_role("dialog")).to_be_visible(timeout=20_000)
    found["dialog"] = violations(page)
    page.keyboard.press("Escape")
    for name in ("Refund rates", "Deadlines", "Payouts", "Quality", "Mail"):
        page.get_by_role("link", name=name).first.click()
        expect(page.get_by_role("button", name="Keys")).to_be_visible(timeout=20_000)
        page.wait_for_load_state("networkidle")
        found[name] = violations(page)
    paths = (
        "messages?q=cal",
        "messages?pro=pro-a&chat=lead-a+pro-a",
        "report?charge=charge-b&reason=clear_no",
    )
    for path in (*paths, f"pro_view?claim={report}", f"claim?claim={report}&part=Evidence"):
        page.goto(f"{served.url}/{path}")
        sign_in(page, "Mo")
        page.wait_for_load_state("networkidle")
        found[path] = violations(page)
    assert not any(found.values()), "\n".join(
        f"{at}: {line}" for at, lines in found.items() for line in lines
    )


# The pages of money, and the parts of them that are made of other things than the first.
MONEY = (
    "card_refunds",
    "card_refunds?stage=Second person",
    "ledger",
    "ledger?books=Journal",
    "ledger?books=Adjustments",
    "statement?pro=pro-g",
    "reconciliation",
    "reconciliation?view=To confirm",
    "reconciliation?view=Lines&line=txn_h",
    "reconciliation?view=Reports",
    "daily_close",
)


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_axe_finds_nothing_where_the_money_is(
    page: Page, served: Served, clock: Clock, scheme: Literal["light", "dark"]
) -> None:
    """Card refunds, ledger, statement, reconciliation, daily close and a dialog can be read by everybody."""
    page.emulate_media(color_scheme=scheme)
    clock.now = datetime.now(UTC) - 4 * DAY
    live(served.market, clock)
    found = {}
    for path in MONEY:
        page.goto(f"{served.url}/{path}")
        sign_in(page, "Fin")
        page.wait_for_load_state("networkidle")
        found[path] = violations(page)
    page.goto(f"{served.url}/ledger?books=Adjustments")
    sign_in(page, "Fin")
    page.get_by_role("button", name="New adjustment").click(timeout=20_000)
    expect(page.get_by_role("dialog")).to_be_visible(timeout=20_000)
    found["dialog"] = violations(page)
    assert not any(found.values()), "\n".join(
        f"{at}: {line}" for at, lines in found.items() for line in lines
    )
