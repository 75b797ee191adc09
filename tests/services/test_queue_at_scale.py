"""Many claims, many people: words of the chats, who looks at what, filters kept, claims assigned together."""

from datetime import timedelta

import pytest

from refundlib.domain.errors import BadFigure, NotAllowed, UnknownPerson
from refundlib.domain.people import Person
from refundlib.services import queue, triage
from refundlib.services.decisions import decide
from refundlib.services.desk import Desk
from refundlib.services.queue import Filters, page
from tests.conftest import Clock
from tests.market import Market

People = dict[str, Person]


def found(desk: Desk, people: People, search: str) -> set[str]:
    """The reports a search shows."""
    return {row["report_id"] for row in page(desk, people["dana"], Filters(search=search)).rows}


def test_search_finds_words_of_the_chat(market: Market, desk: Desk, people: People, clock: Clock) -> None:
    """Words in the frozen chat, words said after the report, phrases, in open claims and decided ones."""
    one = market.claim(people["dana"], "a", reply="No thanks, the chimney sweep did it")
    other = market.claim(people["dana"], "b", reply="Not interested, sorry")
    assert found(desk, people, "chimney") == {one}
    assert found(desk, people, '"chimney sweep"') == {one}
    assert found(desk, people, '"sweep chimney"') == set()
    assert found(desk, people, "interested") == {other}
    clock.advance(timedelta(minutes=5))
    market.say("later", "lead-b", "pro-b", "pro", "I have a voicemail as proof")
    assert found(desk, people, "voicemail") == {other}
    decide(desk, people["dana"], one, "approve", idempotency_key="k")
    assert found(desk, people, "chimney") == {one}
    assert found(desk, people, "nobody said this") == set()
    assert found(desk, people, "' & | ! ( %") == set()


def test_presence_lasts_while_it_is_renewed(market: Market, desk: Desk, people: People, clock: Clock) -> None:
    """Who has a claim open is told to the others on it and in the list, and forgotten after 45 seconds."""
    report = market.claim(people["dana"])
    assert queue.look(desk, people["eli"], report) == []
    assert queue.look(desk, people["dana"], report) == ["Eli Novak"]
    (row,) = page(desk, people["mo"], Filters()).rows
    assert row["seen_by"] == "Dana Reyes, Eli Novak"
    clock.advance(timedelta(seconds=46))
    assert queue.look(desk, people["dana"], report) == []
    (row,) = page(desk, people["dana"], Filters()).rows
    assert row["seen_by"] is None


def test_saved_filters_are_a_persons_own(desk: Desk, people: People) -> None:
    """Kept, replaced, listed and removed by name; another person does not see them; limits are told."""
    queue.save_filter(desk, people["dana"], " late phones ", {"state": "late", "reason": "invalid_phone"})
    queue.save_filter(desk, people["dana"], "late phones", {"state": "late"})
    assert queue.saved_filters(desk, people["dana"]) == {"late phones": {"state": "late"}}
    assert queue.saved_filters(desk, people["eli"]) == {}
    for name, filters in ((" ", {"q": "x"}), ("x" * 41, {"q": "x"}), ("nothing", {})):
        with pytest.raises(BadFigure):
            queue.save_filter(desk, people["dana"], name, filters)
    for number in range(19):
        queue.save_filter(desk, people["dana"], f"n{number}", {"q": "x"})
    with pytest.raises(BadFigure, match="20"):
        queue.save_filter(desk, people["dana"], "one more", {"q": "x"})
    queue.forget_filter(desk, people["dana"], "late phones")
    assert "late phones" not in queue.saved_filters(desk, people["dana"])


def test_many_claims_are_assigned_together(market: Market, desk: Desk, people: People) -> None:
    """All go to one person with an audit row each; what was decided meanwhile stays and is named."""
    reports = [market.claim(people["dana"], f"n{number}") for number in range(4)]
    decide(desk, people["dana"], reports[0], "approve", idempotency_key="k")
    assert triage.reassign_all(desk, people["mo"], reports, "eli") == [reports[0]]
    holders = {row["report_id"]: row["holder"] for row in page(desk, people["mo"], Filters()).rows}
    assert holders == dict.fromkeys(reports[1:], "eli")
    assert market.one("SELECT count(*) FROM refunds.audit WHERE action = 'reassigned'") == 3
    for ids, to, error in (
        ([], "eli", BadFigure),
        (["R-1"] * 501, "eli", BadFigure),
        (reports, "fin", BadFigure),
        (reports, "nobody", UnknownPerson),
    ):
        with pytest.raises(error):
            triage.reassign_all(desk, people["mo"], ids, to)
    with pytest.raises(NotAllowed):
        triage.reassign_all(desk, people["dana"], reports, "eli")
    assert market.one("SELECT count(*) FROM refunds.audit WHERE action = 'reassigned'") == 3
