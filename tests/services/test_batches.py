"""Card refunds sent together: above the limit by two people, each once, and seen where they are."""

from collections.abc import Iterator
from dataclasses import replace

import pytest

from refundlib.domain.errors import BadFigure, NotAllowed, NotFound, SamePerson, WrongState
from refundlib.domain.people import Person
from refundlib.payments.stripe import StripeProcessor
from refundlib.services import batches, card_refunds
from refundlib.services.checking import check
from refundlib.services.decisions import decide
from refundlib.services.desk import Desk
from refundlib.services.payouts import send_released
from tests.market import Market
from tests.stripe_server import KEY, SECRET, StripeServer, stripe_server

People = dict[str, Person]


@pytest.fixture
def server() -> Iterator[StripeServer]:
    """The processor, with the payments of claims a and b."""
    with stripe_server() as state:
        state.charge("ch_pay-a", 2500)
        state.charge("ch_pay-b", 2500)
        yield state


@pytest.fixture
def sending(desk: Desk, server: StripeServer) -> Desk:
    """A desk whose card processor is the one on loopback."""
    return replace(desk, processor=StripeProcessor(KEY, SECRET, server.address, timeout_seconds=0.5))


def asked(market: Market, desk: Desk, people: People, *names: str) -> list[str]:
    """Payouts of $25 each that wait to be sent."""
    payouts: list[str] = []
    for name in names:
        report = market.claim(people["dana"], name)
        decide(desk, people["dana"], report, "approve", idempotency_key=name)
        payouts += card_refunds.request(desk, people["dana"], report).payout_ids
    return payouts


def stage_of(desk: Desk, people: People) -> dict[str, int]:
    """How many payouts there are at each stage."""
    return {row["stage"]: row["payouts"] for row in batches.stages(desk, people["mo"])}


def test_up_to_the_limit_one_person_sends(
    market: Market, sending: Desk, people: People, server: StripeServer
) -> None:
    """$25 is released by who chose it, sent by the worker once, and arrives."""
    ids = asked(market, sending, people, "a")
    assert stage_of(sending, people) == {"to_send": 1}
    batch = batches.make(sending, people["fin"], ids, idempotency_key="k")
    assert (batch.needs_second, batch.totals) == (False, {"USD": 2500})
    assert stage_of(sending, people) == {"under_way": 1}
    assert send_released(sending).counts == {"sent": 1, "silent": 0}
    assert send_released(sending).counts == {"sent": 0, "silent": 0}
    assert len(server.refunds) == 1
    (row,) = batches.settled(sending, people["fin"], "done").rows
    assert (row["payout_id"], row["batch_id"]) == (ids[0], batch.batch_id)
    assert check(market.owner)["ok"]


def test_above_the_limit_another_person_releases(
    market: Market, sending: Desk, people: People, server: StripeServer
) -> None:
    """$50 waits: nothing is sent, who made it cannot release it, another person of finance can, once."""
    ids = asked(market, sending, people, "a", "b")
    batch = batches.make(sending, people["fin"], ids, idempotency_key="k")
    assert batch.needs_second
    send_released(sending)
    assert len(server.refunds) == 0
    with pytest.raises(SamePerson):
        batches.release(sending, people["fin"], batch.batch_id)
    with pytest.raises(NotAllowed):
        batches.release(sending, people["mo"], batch.batch_id)
    batches.release(sending, people["ines"], batch.batch_id)
    with pytest.raises(WrongState, match="released already"):
        batches.release(sending, people["ines"], batch.batch_id)
    assert send_released(sending).counts["sent"] == 2
    assert len(server.refunds) == 2


def test_the_database_itself_wants_two_people(market: Market, desk: Desk, people: People) -> None:
    """Whatever a program does, a batch above the limit is not released by who made it."""
    batch = batches.make(desk, people["fin"], asked(market, desk, people, "a", "b"), idempotency_key="k")
    with pytest.raises(Exception, match="batch_needs_two"):
        market.write(
            "UPDATE refunds.batches SET state = 'released', settled_by = 'fin', settled_at = now() "
            "WHERE batch_id = :b",
            b=batch.batch_id,
        )


def test_sent_back_can_be_chosen_again(market: Market, desk: Desk, people: People) -> None:
    """A batch taken apart leaves its payouts to be sent; what it held stays on record."""
    ids = asked(market, desk, people, "a", "b")
    first = batches.make(desk, people["fin"], ids, idempotency_key="k")
    with pytest.raises(WrongState, match="in batch"):
        batches.make(desk, people["ines"], ids[:1], idempotency_key="other")
    batches.send_back(desk, people["ines"], first.batch_id, "One of them is mine.")
    assert stage_of(desk, people) == {"to_send": 2}
    second = batches.make(desk, people["ines"], ids[:1], idempotency_key="other")
    assert [row["payout_id"] for row in batches.payouts_of(desk, people["fin"], first.batch_id)] == ids
    states = {row["batch_id"]: row["state"] for row in batches.listing(desk, people["fin"])}
    assert states == {first.batch_id: "sent_back", second.batch_id: "released"}


def test_the_same_key_makes_one_batch(market: Market, desk: Desk, people: People) -> None:
    """A second press of the button gives the first batch."""
    ids = asked(market, desk, people, "a")
    once = batches.make(desk, people["fin"], ids, idempotency_key="k")
    assert batches.make(desk, people["fin"], ids, idempotency_key="k") == once


def test_what_cannot_be_sent(market: Market, desk: Desk, people: People) -> None:
    """Nothing, an unknown one, a declined one: a sentence, and nothing is made."""
    (payout,) = asked(market, desk, people, "a")
    with pytest.raises(BadFigure):
        batches.make(desk, people["fin"], [], idempotency_key="k")
    with pytest.raises(NotFound):
        batches.make(desk, people["fin"], [payout, "CR-nope.1"], idempotency_key="k")
    card_refunds.decline(desk, people["fin"], payout, "The card is gone.")
    with pytest.raises(WrongState, match="declined already"):
        batches.make(desk, people["fin"], [payout], idempotency_key="k")
    assert market.one("SELECT count(*) FROM refunds.batches") == 0


def test_a_silent_processor_ends_the_pass(
    market: Market, sending: Desk, people: People, server: StripeServer
) -> None:
    """Without an answer to the first the second is not tried in this pass, and goes in the next."""
    ids = asked(market, sending, people, "a", "b")
    batch = batches.make(sending, people["fin"], ids, idempotency_key="k")
    batches.release(sending, people["ines"], batch.batch_id)
    server.faults.append("error_before")
    assert send_released(sending).counts == {"sent": 0, "silent": 1}
    assert send_released(sending).counts == {"sent": 1, "silent": 0}


def test_without_a_processor_a_batch_waits(market: Market, desk: Desk, people: People) -> None:
    """Released, and no processor is set: nothing happens to it."""
    batches.make(desk, people["fin"], asked(market, desk, people, "a"), idempotency_key="k")
    assert not send_released(desk).is_anything
    assert market.one("SELECT state FROM refunds.payouts") == "requested"


def test_the_offer_says_what_may_go_and_why_not(market: Market, desk: Desk, people: People) -> None:
    """Unspent, spent on what, until when, to which payments; and the reason when nothing may."""
    report = market.claim(people["dana"], "a")
    assert card_refunds.offer(desk, people["dana"], report) is None
    decide(desk, people["dana"], report, "approve", idempotency_key="k")
    market.charge("charge-2", market.lead("lead-2"), "pro-a", 1000)
    found = card_refunds.offer(desk, people["dana"], report)
    assert found is not None
    assert (found.credit_minor, found.remaining_minor, found.most_minor) == (2500, 1500, 1500)
    assert [(use["kind"], use["source_id"], use["amount"]) for use in found.uses] == [
        ("refund", f"{report}.1", 2500),
        ("charge", "charge-2", -1000),
    ]
    assert [(payment.payment_id, payment.left) for payment in found.payments] == [("pay-a", 2500)]
    market.charge("charge-3", market.lead("lead-3"), "pro-a", 1500)
    spent = card_refunds.offer(desk, people["dana"], report)
    assert spent is not None
    assert spent.why_not is not None
    assert "(C2)" in spent.why_not
    with pytest.raises(card_refunds.CardRefundRefused, match=r"\$0.00 of this credit is unspent"):
        card_refunds.request(desk, people["dana"], report)
