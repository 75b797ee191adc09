"""A draft in the shadow: which reports it judges, under which revision, and what its comparison counts."""

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from refundlib.domain.people import Person
from refundlib.services import shadow as shadows
from refundlib.services.decisions import decide
from refundlib.services.desk import Desk
from refundlib.services.intake import Draft as Report
from refundlib.services.intake import file_report
from refundlib.services.policy_drafts import change_draft, publish, set_shadow, write_draft
from refundlib.services.shadow import judge_in_shadow, shadow
from refundlib.services.triage import withdraw
from tests.conftest import Clock
from tests.market import Market
from tests.services.test_policy_drafts import LONGER

People = dict[str, Person]
ONE_DAY = replace(LONGER, window_days=1)


def switched_on(desk: Desk, people: People, clock: Clock) -> int:
    """A draft of one day in the shadow, since a minute."""
    draft = write_draft(desk, people["mo"], ONE_DAY)
    set_shadow(desk, people["mo"], draft, shadow=True)
    clock.advance(timedelta(minutes=1))
    return draft


def late_report(market: Market, desk: Desk, people: People, clock: Clock, reason: str = "clear_no") -> str:
    """A report on a charge of $25, two days old."""
    market.lead("late")
    market.pay("pay-late", market.pro("pro-late"), 2500)
    market.charge("late", "late", "pro-late", 2500)
    market.say("m1", "late", "pro-late", "pro", "Hi!")
    market.say("m2", "late", "pro-late", "customer", "No thanks")
    clock.advance(timedelta(days=2))
    return file_report(desk, people["dana"], Report("late", reason))


def test_it_judges_what_is_new(market: Market, desk: Desk, people: People, clock: Clock) -> None:
    """Reports filed since it was switched on, once a revision; published, it judges no more."""
    market.claim(people["dana"], "before")
    clock.advance(timedelta(days=1))
    draft = switched_on(desk, people, clock)
    market.claim(people["dana"], "same")
    report = late_report(market, desk, people, clock)
    assert judge_in_shadow(desk)["judged"] == 2
    assert judge_in_shadow(desk)["judged"] == 0
    seen = shadow(desk, people["mo"], draft)
    assert (seen.judged, seen.differ, seen.withdrawn) == (2, 1, 0)
    assert [(row["report_id"], row["changed"][0]["id"]) for row in seen.flips] == [(report, "within_window")]
    change_draft(desk, people["mo"], draft, replace(LONGER, window_days=30), revision=1)
    assert shadow(desk, people["mo"], draft).judged == 0
    assert judge_in_shadow(desk)["judged"] == 2
    assert (shadow(desk, people["mo"], draft).revision, shadow(desk, people["mo"], draft).differ) == (2, 0)
    publish(desk, people["noor"], draft, revision=2)
    market.claim(people["dana"], "after")
    assert judge_in_shadow(desk)["judged"] == 0


def test_it_can_be_read_after_publishing(market: Market, desk: Desk, people: People, clock: Clock) -> None:
    """The last comparison stays, and says that it is over."""
    draft = switched_on(desk, people, clock)
    late_report(market, desk, people, clock)
    judge_in_shadow(desk)
    before = shadow(desk, people["mo"], draft)
    publish(desk, people["noor"], draft, revision=1)
    after = shadow(desk, people["mo"], draft)
    assert (before.is_on, after.is_on) == (True, False)
    assert (after.moves, after.since, after.judged) == (before.moves, before.since, 1)


def test_money_is_counted_as_in_a_backtest(market: Market, desk: Desk, people: People, clock: Clock) -> None:
    """By reason, category and people; a charge once, by its last report; withdrawn ones apart."""
    draft = switched_on(desk, people, clock)
    first = late_report(market, desk, people, clock)
    decide(desk, people["dana"], first, "deny", idempotency_key="k", reason="no")
    clock.advance(timedelta(minutes=1))
    second = file_report(desk, people["dana"], Report("late", "other"))
    withdraw(desk, people["dana"], second, "The pro took it back")
    clock.advance(timedelta(minutes=1))
    file_report(desk, people["dana"], Report("late", "other"))
    judge_in_shadow(desk)
    seen = shadow(desk, people["mo"], draft)
    assert (seen.judged, seen.withdrawn, seen.differ) == (3, 1, 2)
    # The first was denied, which one day advises and thirty do not.
    assert seen.decided == 1
    assert {by: (row["n"], row["k"]) for by, row in seen.agreement.items()} == {
        "old": (1, 0),
        "draft": (1, 1),
    }
    what = ("was", "becomes", "reason", "category", "currency", "people", "claims", "charges", "amount")
    assert [tuple(move[name] for name in what) for move in seen.moves] == [
        ("approve", "deny", "clear_no", "plumbing", "USD", "denied", 1, 0, 0),
        ("review", "deny", "other", "plumbing", "USD", "undecided", 1, 1, 2500),
    ]


def test_switched_on_again_it_begins_anew(market: Market, desk: Desk, people: People, clock: Clock) -> None:
    """What was judged before the present switch-on is no part of the comparison."""
    draft = switched_on(desk, people, clock)
    market.claim(people["dana"])
    judge_in_shadow(desk)
    assert shadow(desk, people["mo"], draft).judged == 1
    set_shadow(desk, people["mo"], draft, shadow=False)
    assert shadow(desk, people["mo"], draft) is None
    clock.advance(timedelta(days=9))
    set_shadow(desk, people["mo"], draft, shadow=True)
    assert shadow(desk, people["mo"], draft).judged == 0


@pytest.mark.parametrize("what", ["published", "changed"])
def test_the_draft_changes_while_it_judges(
    market: Market, desk: Desk, people: People, clock: Clock, monkeypatch: pytest.MonkeyPatch, what: str
) -> None:
    """Published meanwhile nothing breaks; changed meanwhile, old rules are filed as the old revision."""
    draft = switched_on(desk, people, clock)
    late_report(market, desk, people, clock)
    original = shadows.policies

    def between(conn: Any) -> Any:
        if what == "published":
            publish(desk, people["noor"], draft, revision=1)
        else:
            change_draft(desk, people["mo"], draft, replace(LONGER, window_days=30), revision=1)
        return original(conn)

    monkeypatch.setattr(shadows, "policies", between)
    assert judge_in_shadow(desk)["judged"] == 1
    monkeypatch.setattr(shadows, "policies", original)
    kept = """SELECT string_agg(revision || ' ' || becomes, ', ' ORDER BY revision)
        FROM refunds.shadow_judgements"""
    assert market.one(kept) == "1 deny"
    judge_in_shadow(desk)
    assert market.one(kept) == ("1 deny" if what == "published" else "1 deny, 2 approve")


def test_switched_on_twice_it_goes_on(market: Market, desk: Desk, people: People, clock: Clock) -> None:
    """A second press, from a page that is old, does not begin the comparison anew."""
    draft = write_draft(desk, people["mo"], ONE_DAY)
    set_shadow(desk, people["mo"], draft, shadow=True)
    clock.advance(timedelta(minutes=1))
    late_report(market, desk, people, clock)
    judge_in_shadow(desk)
    clock.advance(timedelta(minutes=1))
    set_shadow(desk, people["noor"], draft, shadow=True)
    assert shadow(desk, people["mo"], draft).judged == 1
