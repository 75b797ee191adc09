"""Precedents: the decided claims most alike. Siblings: the other pros of a bad lead get their claims."""

import pytest

from refundlib.domain.errors import NotAllowed, NotFound, WrongState
from refundlib.domain.people import Person
from refundlib.services.claims import claim
from refundlib.services.decisions import decide
from refundlib.services.desk import Desk
from refundlib.services.intake import Draft, file_report
from refundlib.services.precedents import open_for_siblings, precedents
from tests.conftest import Clock
from tests.market import Market

People = dict[str, Person]


def told(market: Market, people: People, name: str, words: str, decision: str = "") -> str:
    """A claim at discretion with the pro's words; decided when asked."""
    pro, lead = market.pro(f"pro-{name}"), market.lead(f"lead-{name}")
    market.pay(f"pay-{name}", pro, 2500)
    market.charge(f"charge-{name}", lead, pro, 2500)
    report = file_report(market.desk, people["eli"], Draft(f"charge-{name}", "other", words))
    if decision:
        decide(
            market.desk, people["dana"], report, decision, idempotency_key=name, reason=f"Because of {name}"
        )
    return report


def test_the_most_alike_come_first(market: Market, desk: Desk, people: People) -> None:
    """Alike words count most; only decided claims of the same reason are precedents."""
    twice = told(market, people, "twice", "The same lead was sold to me twice, a duplicate", "approve")
    told(market, people, "far", "The customer lives behind a toll bridge", "deny")
    told(market, people, "open", "Another duplicate lead, sold twice")
    decide(desk, people["dana"], market.claim(people["eli"], "no"), "approve", idempotency_key="no")
    mine = told(market, people, "mine", "I was charged for a duplicate: the lead was sold twice")
    rows = precedents(desk, people["vic"], mine)
    assert [row["report_id"] for row in rows] == [twice, rows[1]["report_id"]]
    assert (rows[0]["decision"], rows[0]["note"], rows[0]["decided_by_name"]) == (
        "approve",
        "Because of twice",
        "Dana Reyes",
    )
    assert len(rows) == 2
    assert "person decides it (D1)" in claim(desk, people["dana"], mine).nearest


def test_hostile_words_and_none(market: Market, desk: Desk, people: People) -> None:
    """Signs of a query language are no query; a claim without words has precedents all the same."""
    told(market, people, "one", "Something", "deny")
    for name, words in (("a", "'); DROP & | ! <-> :* ((("), ("b", ""), ("c", "x" * 9000)):
        assert len(precedents(desk, people["dana"], told(market, people, name, words))) == 1
    with pytest.raises(NotFound):
        precedents(desk, people["dana"], "zz")


def sold_to_three(market: Market, people: People, clock: Clock) -> str:
    """A lead with a dead number that three pros paid for; the first reported it."""
    market.lead("lead", phone="000-000-0000")
    for name in ("one", "two", "three"):
        market.pay(f"pay-{name}", market.pro(name), 2500)
        market.charge(f"charge-{name}", "lead", name, 2500)
    return file_report(market.desk, people["dana"], Draft("charge-one", "invalid_phone"))


def test_the_other_pros_get_their_claims(market: Market, desk: Desk, people: People, clock: Clock) -> None:
    """After the approval each other pro who reported nothing has a claim; asked again, none more."""
    report = sold_to_three(market, people, clock)
    with pytest.raises(WrongState):
        open_for_siblings(desk, people["dana"], report)
    decide(desk, people["dana"], report, "approve", idempotency_key="k")
    mine = file_report(desk, people["eli"], Draft("charge-two", "other"))
    with pytest.raises(NotAllowed):
        open_for_siblings(desk, people["fin"], report)
    done = open_for_siblings(desk, people["dana"], report)
    assert (len(done.opened), done.too_late) == (1, [])
    it = claim(desk, people["dana"], done.opened[0])
    assert (it.report["pro_id"], it.report["reason"]) == ("three", "invalid_phone")
    assert ("phone_invalid", "pass") in {(check.id, check.status) for check in it.assessment.checks}
    assert report in it.report["details"]
    assert open_for_siblings(desk, people["dana"], report).opened == []
    assert mine != done.opened[0]


def test_only_what_is_wrong_with_the_lead(market: Market, desk: Desk, people: People) -> None:
    """A customer who said no to one pro may hire another: no claims are opened for that."""
    report = market.claim(people["dana"])
    decide(desk, people["dana"], report, "approve", idempotency_key="k")
    with pytest.raises(WrongState, match="what is wrong with the lead itself"):
        open_for_siblings(desk, people["dana"], report)
