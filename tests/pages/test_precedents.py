"""The claim page's answers to "what did we decide in cases like this" and "who else paid for this lead"."""

from datetime import timedelta

from streamlit.testing.v1 import AppTest

from refundlib.domain.people import Person
from refundlib.services.decisions import decide
from refundlib.services.desk import Desk
from refundlib.services.intake import Draft, file_report
from refundlib.services.precedents import open_for_siblings, siblings
from tests.conftest import Clock
from tests.market import Market
from tests.pages.test_pages import labels, run, said
from tests.services.test_precedents import approved, told

People = dict[str, Person]


def offers(at: AppTest) -> list[str]:
    """The buttons that open claims."""
    return [label for label in labels(at) if label.startswith("Open claims")]


def test_counts_first_then_each_with_its_reason(market: Market, people: People) -> None:
    """How many were approved and denied, then each: the decision, the reason written, by whom, why alike."""
    first = told(market, people, "a", "The lead was sold twice", "approve")
    told(market, people, "b", "The customer is rude", "deny")
    mine = told(market, people, "mine", "My lead was sold twice")
    at = run("claim", "eli", claim=mine, part="Precedents")
    words = said(at)
    assert "2 like it: 1 approved, 1 denied" in words
    assert "Because of a" in words
    assert "Dana Reyes" in words
    assert "similar words" in words
    assert words.index("2 like it") < words.index("Because of a") < words.index("Because of b")
    assert first == "R-1001"
    assert r"R\-1001" in labels(at)


def test_a_way_back_from_a_precedent(market: Market, people: People) -> None:
    """A precedent opened from a claim leads back to it; a claim opened otherwise leads back to nothing."""
    first = told(market, people, "a", "Sold twice", "approve")
    assert r"Back to R\-7" in labels(run("claim", "eli", claim=first, **{"from": "R-7"}))
    for params in ({}, {"from": first}, {"from": "x" * 101}):
        assert not any(
            label.startswith("Back") for label in labels(run("claim", "eli", claim=first, **params))
        )


def test_no_precedent_yet(market: Market, people: People) -> None:
    """Nothing decided yet is a sentence."""
    mine = told(market, people, "mine", "Sold twice")
    assert "was decided yet" in said(run("claim", "eli", claim=mine, part="Precedents"))


def test_the_other_pros_by_name(market: Market, desk: Desk, people: People) -> None:
    """Each other pro with the charge and its state; the button opens the claims, then there are links."""
    report = approved(market, people)
    at = run("claim", "dana", claim=report)
    assert "2 claims can be opened" in said(at)
    assert r"Two Services · \$25\.00" in said(at)
    assert offers(at) == ["Open claims for 2 other pros"]
    next(each for each in at.button if each.label.startswith("Open claims")).click().run()
    assert not at.exception
    (told_after,) = at.toast
    assert "for Two Services" in str(told_after.value)
    assert offers(at) == []
    assert {r"R\-1002", r"R\-1003"} <= set(labels(at))
    assert "2 are reported already" in said(at)
    assert "by the desk" in said(run("claim", "dana", claim="R-1002"))


def test_the_claim_stays_while_others_wait(market: Market, people: People) -> None:
    """Approved, it stays in view while claims for other pros can be opened; else the next one opens."""
    report = approved(market, people)
    at = run("claim", "dana", claim=report)
    at.session_state["go_next"] = True
    at.run()
    assert offers(at) == ["Open claims for 2 other pros"]
    next(each for each in at.button if each.label.startswith("Open claims")).click().run()
    at.session_state["go_next"] = True
    at.run()
    assert not at.exception
    assert "R\\-1002" in said(at)
    assert "Opened by the desk" in said(at)


def test_only_what_can_be_opened_is_counted(market: Market, desk: Desk, people: People, clock: Clock) -> None:
    """What is past its days is told beside the label's count; with nothing to open there is no button."""
    market.lead("lead", phone="000-000-0000")
    for name, days in (("two", 0), ("three", 20), ("one", 1)):
        clock.advance(timedelta(days=days))
        market.pay(f"pay-{name}", market.pro(name), 2500)
        market.charge(f"charge-{name}", "lead", name, 2500)
    report = file_report(desk, people["dana"], Draft("charge-one", "invalid_phone"))
    decide(desk, people["dana"], report, "approve", idempotency_key="k")
    clock.advance(timedelta(days=15))
    at = run("claim", "dana", claim=report)
    assert offers(at) == ["Open claims for 1 other pro"]
    assert "1 claim can be opened · 1 is past its 30 days" in said(at)
    clock.advance(timedelta(days=30))
    at = run("claim", "dana", claim=report)
    assert offers(at) == []
    assert "2 are past their 30 days" in said(at)


def test_a_sibling_that_is_a_precedent_too(market: Market, desk: Desk, people: People) -> None:
    """The other pro's claim, decided, is in the list and among the precedents of the first."""
    report = approved(market, people)
    for each, opened in open_for_siblings(desk, people["dana"], report).opened:
        decide(desk, people["dana"], opened, "approve", idempotency_key=each.charge_id)
    at = run("claim", "dana", claim=report, part="Precedents")
    assert labels(at).count(r"R\-1002") == 2
    assert "2 are refunded" in said(at)
    assert "2 like it: 2 approved" in said(at)


def test_who_may_not_file_only_reads(market: Market, desk: Desk, people: People) -> None:
    """Finance and viewers see who else paid, and no button."""
    report = approved(market, people)
    for person in ("fin", "vic"):
        at = run("claim", person, claim=report)
        assert "2 claims can be opened" in said(at)
        assert offers(at) == []
    assert {each.standing for each in siblings(desk, people["vic"], report)} == {"to_open"}


def test_two_charges_of_one_pro_are_one_pro(market: Market, desk: Desk, people: People) -> None:
    """The claim's own line counts pros, not charges."""
    market.lead("lead")
    market.pay("pay", market.pro("one"), 5000)
    for charge in ("first", "second"):
        market.charge(charge, "lead", "one", 2500)
    report = file_report(desk, people["dana"], Draft("first", "clear_no"))
    assert "0 other pros, 1 report" in said(run("claim", "dana", claim=report))
