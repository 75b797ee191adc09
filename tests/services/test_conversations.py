"""Messages: people found by what is known of them, conversations filtered, read marks, masks for viewers."""

from datetime import timedelta

import pytest

from refundlib.domain.errors import BadFigure, NotFound
from refundlib.domain.people import Person
from refundlib.services import conversations
from refundlib.services.conversations import Filters, Found, Scope, conversation, find, mark_read, page, whose
from refundlib.services.desk import Desk
from tests.conftest import Clock
from tests.market import Market

People = dict[str, Person]
PRO = Scope(pro_id="pro-a")


@pytest.fixture
def talks(market: Market, people: People, clock: Clock) -> str:
    """Pro-a: a reported conversation, one charged later, one that only talks; pro-z on the first lead."""
    report = market.claim(people["dana"], "a")
    clock.advance(timedelta(days=1))
    market.lead("lead-b", kind="lead")
    market.pay("pay-b", "pro-a", 500)
    market.charge("charge-b2", "lead-b", "pro-a", 500)
    market.say("b1", "lead-b", "pro-a", "customer", "When can you come?")
    clock.advance(timedelta(days=1))
    market.lead("lead-c")
    market.say("c1", "lead-c", "pro-a", "pro", "Hello")
    market.pro("pro-z")
    market.say("z1", "lead-a", "pro-z", "pro", "I can do it too")
    return report


def people_of(found: Found) -> set[tuple[str, str]]:
    return {(row["kind"], row["id"]) for row in found.people}


@pytest.mark.parametrize(
    ("text", "who"),
    [
        ("pro-a", {("pro", "pro-a")}),
        ("PRO-A@pros.example", {("pro", "pro-a")}),
        ("c-lead-c", {("customer", "c-lead-c")}),
        ("+1 (650) 253-0000", {("customer", f"c-lead-{name}") for name in "abc"}),
        ("6502530000", {("customer", f"c-lead-{name}") for name in "abc"}),
        ("cust", {("customer", f"c-lead-{name}") for name in "abc"}),
        ("services pro-z", {("pro", "pro-z")}),
        ("650", set()),
        ("   ", set()),
        ("'); DROP & | ! <-> :*", set()),
        ("a\x00b", set()),
        ("x" * 5000, set()),
    ],
)
def test_people_are_found(
    talks: str, desk: Desk, people: People, text: str, who: set[tuple[str, str]]
) -> None:
    """By id, address, number in any form, the beginnings of names; signs find and break nothing."""
    assert people_of(find(desk, people["dana"], text)) == who


def test_ids_lead_to_their_conversation(talks: str, desk: Desk, people: People) -> None:
    """The id of a lead, a charge or a report names where it belongs."""
    for text, pro in (("lead-a", None), ("charge-a", "pro-a"), (talks, "pro-a")):
        found = find(desk, people["dana"], text)
        assert [(row["lead_id"], row["pro_id"]) for row in found.conversations] == [("lead-a", pro)]


@pytest.mark.parametrize(
    ("filters", "leads"),
    [
        (Filters(), ["lead-c", "lead-b", "lead-a"]),
        (Filters(kind="lead"), ["lead-b"]),
        (Filters(category="plumbing"), ["lead-c", "lead-b", "lead-a"]),
        (Filters(category="roofing"), []),
        (Filters(status="charged"), ["lead-b", "lead-a"]),
        (Filters(status="free"), ["lead-c"]),
        (Filters(status="reported"), ["lead-a"]),
        (Filters(status="unreported"), ["lead-b"]),
        (Filters(customer="cal"), ["lead-c", "lead-b", "lead-a"]),
        (Filters(customer="%"), []),
    ],
)
def test_filters(talks: str, desk: Desk, people: People, filters: Filters, leads: list[str]) -> None:
    """Each filter alone; the newest conversation first."""
    assert [row["lead_id"] for row in page(desk, people["dana"], PRO, filters).rows] == leads


def test_days(talks: str, desk: Desk, people: People, clock: Clock) -> None:
    """A conversation belongs to the day of its newest message or charge; the end is left out."""
    since, until = clock.now - timedelta(days=1), clock.now
    rows = page(desk, people["dana"], PRO, Filters(since=since, until=until)).rows
    assert [row["lead_id"] for row in rows] == ["lead-b"]


def test_of_a_customer_and_of_a_lead(talks: str, desk: Desk, people: People) -> None:
    """All pros who talk with a customer, or about a lead."""
    for scope in (Scope(customer_id="c-lead-a"), Scope(lead_id="lead-a")):
        rows = page(desk, people["dana"], scope, Filters()).rows
        assert [row["pro_id"] for row in rows] == ["pro-z", "pro-a"]


def test_pages(talks: str, desk: Desk, people: People, monkeypatch: pytest.MonkeyPatch) -> None:
    """A page goes on where the one before ended; a place that is none is told."""
    monkeypatch.setattr(conversations, "PAGE_ROWS", 2)
    first = page(desk, people["dana"], PRO, Filters())
    rest = page(desk, people["dana"], PRO, Filters(), after=first.next_after)
    assert [row["lead_id"] for row in first.rows + rest.rows] == ["lead-c", "lead-b", "lead-a"]
    assert rest.next_after is None
    with pytest.raises(BadFigure):
        page(desk, people["dana"], PRO, Filters(), after="somewhere")


def test_unread_by_us(talks: str, market: Market, desk: Desk, people: People, clock: Clock) -> None:
    """Read up to a message is read until the next one comes; reading an older part does not take it back."""
    it = conversation(desk, people["dana"], "lead-b", "pro-a")
    assert [m["body"] for m in it.messages] == ["When can you come?"]
    last = it.messages[-1]["sent_at"]
    mark_read(desk, people["dana"], "lead-b", "pro-a", last)
    mark_read(desk, people["eli"], "lead-b", "pro-a", last - timedelta(days=1))
    unread = Filters(unread=True)
    assert [row["lead_id"] for row in page(desk, people["dana"], PRO, unread).rows] == ["lead-c", "lead-a"]
    market.say("b2", "lead-b", "pro-a", "customer", "Hello?")
    assert page(desk, people["dana"], PRO, unread).rows[0]["is_unread"]
    assert len(page(desk, people["dana"], PRO, unread).rows) == 3


def test_a_viewer_reaches_nobody(talks: str, market: Market, desk: Desk, people: People) -> None:
    """Names, numbers and addresses of people are hidden from a viewer, also those within messages."""
    market.say("a9", "lead-a", "pro-a", "customer", "Call Cal Customer at 650 253 0000 or cal@x.example")
    shown = [
        find(desk, people["vic"], "cust").people,
        whose(desk, people["vic"], PRO),
        page(desk, people["vic"], PRO, Filters()).rows,
        conversation(desk, people["vic"], "lead-a", "pro-a"),
    ]
    text = repr(shown)
    assert not [
        secret for secret in ("Cal Customer", "253-0000", "253 0000", "@x.ex", "@pros") if secret in text
    ]


def test_nobody_there(talks: str, desk: Desk, people: People) -> None:
    """Somebody, or a conversation, that is not here is told."""
    for scope in (Scope("zz"), Scope(customer_id="zz"), Scope(lead_id="zz")):
        with pytest.raises(NotFound):
            whose(desk, people["dana"], scope)
    with pytest.raises(NotFound):
        conversation(desk, people["dana"], "lead-a", "zz")
    with pytest.raises(BadFigure):
        page(desk, people["dana"], PRO, Filters(status="odd"))
