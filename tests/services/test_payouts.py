"""Card refunds at the processor: exactly one, whoever dies and whatever stays unanswered."""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import timedelta

import pytest

from refundlib.domain.errors import ForgedEvent, ProcessorRefused, ProcessorSilent
from refundlib.domain.payout import PayoutNews, PayoutOrder
from refundlib.domain.people import WORKER, Person
from refundlib.payments.stripe import StripeProcessor
from refundlib.services.card_refunds import request
from refundlib.services.checking import check
from refundlib.services.decisions import decide
from refundlib.services.desk import Desk, Processor
from refundlib.services.payouts import hear, look_after, send
from tests.conftest import Clock
from tests.market import Market
from tests.stripe_server import KEY, SECRET, StripeServer, stripe_server

People = dict[str, Person]


class Killed(BaseException):
    """The process ends here."""


@dataclass
class Dying:
    """A processor during whose work our process dies, before or after it acted."""

    real: Processor
    acts: bool
    is_set = True

    def submit(self, order: PayoutOrder) -> PayoutNews:
        if self.acts:
            self.real.submit(order)
        raise Killed


@pytest.fixture
def server() -> Iterator[StripeServer]:
    """The processor, with the payment of claim a."""
    with stripe_server() as state:
        state.charge("ch_pay-a", 2500)
        yield state


@pytest.fixture
def desk(desk: Desk, server: StripeServer) -> Desk:
    """A desk whose card processor is the one on loopback."""
    return replace(desk, processor=StripeProcessor(KEY, SECRET, server.address, timeout_seconds=0.5))


@pytest.fixture
def payout(market: Market, desk: Desk, people: People) -> str:
    """A requested payout of $25."""
    report = market.claim(people["dana"])
    decide(desk, people["dana"], report, "approve", idempotency_key="k")
    (payout_id,) = request(desk, people["dana"], report).payout_ids
    return payout_id


def state(market: Market) -> str:
    return str(market.one("SELECT state FROM refunds.payouts"))


def mails(market: Market) -> list[str]:
    """What the pro was told of the card refund."""
    told = market.one(
        "SELECT coalesce(array_agg(kind ORDER BY mail_id), '{}') FROM refunds.outbox WHERE kind LIKE 'card%'"
    )
    return list(told)


def later(clock: Clock, desk: Desk, by: timedelta) -> None:
    """Time goes by, and the worker looks."""
    clock.advance(by)
    look_after(desk)


def test_sent_once(desk: Desk, people: People, payout: str, market: Market, server: StripeServer) -> None:
    """Sent twice by hand it is one refund, with the processor's id on the payout."""
    assert send(desk, WORKER, payout) == "succeeded"
    with pytest.raises(Exception, match="cannot become submitted"):
        send(desk, WORKER, payout)
    assert [each["amount"] for each in server.refunds.values()] == [2500]
    assert market.one("SELECT processor_ref FROM refunds.payouts") in server.refunds
    assert check(desk)["ok"]


@pytest.mark.parametrize("fault", ["stall_before", "stall_after", "error_before", "error_after", "busy"])
def test_silence_is_looked_up_before_it_is_sent_again(
    desk: Desk, people: People, payout: str, market: Market, server: StripeServer, clock: Clock, fault: str
) -> None:
    """Without an answer the payout is unknown; the worker asks, sends if there is none, and there is one."""
    server.faults.append(fault)
    assert send(desk, WORKER, payout) == "unknown"
    assert mails(market) == []
    later(clock, desk, timedelta(minutes=3))
    assert state(market) == "succeeded"
    assert mails(market) == ["card_refund_sent"]
    assert len(server.refunds) == 1
    assert check(desk)["ok"]


@pytest.mark.parametrize("acts", [False, True])
def test_a_process_that_dies_leaves_one_refund(
    desk: Desk,
    people: People,
    payout: str,
    market: Market,
    server: StripeServer,
    clock: Clock,
    *,
    acts: bool,
) -> None:
    """Dead before or after the processor acted: the payout is submitted, is looked up, and is made once."""
    dying = replace(desk, processor=Dying(desk.processor, acts))  # type: ignore[arg-type]
    with pytest.raises(Killed):
        send(dying, WORKER, payout)
    assert state(market) == "submitted"
    assert look_after(desk).counts == {"changed": 0, "same": 0, "silent": 0}
    later(clock, desk, timedelta(minutes=3))
    assert state(market) == "succeeded"
    assert len(server.refunds) == 1
    assert check(desk)["ok"]


def test_a_payment_the_processor_does_not_know(
    desk: Desk, people: People, payout: str, market: Market, server: StripeServer, clock: Clock
) -> None:
    """Silence first, then the processor knows no such payment: the money is back on the balance."""
    server.faults.append("stall_before")
    server.charges.clear()
    assert send(desk, WORKER, payout) == "unknown"
    later(clock, desk, timedelta(minutes=3))
    assert state(market) == "failed"
    assert market.balance("pro-a") == 2500
    assert check(desk)["ok"]


def test_a_refusal_returns_the_money(
    desk: Desk, people: People, payout: str, market: Market, server: StripeServer
) -> None:
    """Refused for good: failed with the processor's words, the credit is on the balance again."""
    server.faults.append("disputed")
    assert send(desk, WORKER, payout) == "failed"
    assert "disputed" in market.one("SELECT failure_reason FROM refunds.payouts")
    assert mails(market) == ["card_refund_returned"]
    letter = market.one("SELECT body FROM refunds.outbox WHERE kind = 'card_refund_returned'")
    assert "could not be sent to your card" in letter
    assert "Stripe" not in letter
    assert market.balance("pro-a") == 2500
    assert check(desk)["ok"]


def test_pending_is_watched_to_its_end(
    desk: Desk, people: People, payout: str, market: Market, server: StripeServer, clock: Clock
) -> None:
    """Pending, asked every hour, then succeeded; asked daily for 35 days, then no more."""
    server.next_status = "pending"
    assert send(desk, WORKER, payout) == "pending"
    later(clock, desk, timedelta(minutes=61))
    assert state(market) == "pending"
    (ref,) = server.refunds
    server.change(ref, "succeeded")
    later(clock, desk, timedelta(minutes=61))
    assert state(market) == "succeeded"
    for _ in range(36):
        later(clock, desk, timedelta(days=1))
    assert market.one("SELECT look_at IS NULL FROM refunds.payouts")


def test_succeeded_then_failed_weeks_later(
    desk: Desk, people: People, payout: str, market: Market, server: StripeServer, clock: Clock
) -> None:
    """Money that comes back after success is reversed: on the balance again, and refundable again."""
    send(desk, WORKER, payout)
    (ref,) = server.refunds
    clock.advance(timedelta(days=20))
    server.change(ref, "failed", "lost_or_stolen_card")
    look_after(desk)
    assert state(market) == "reversed"
    assert market.balance("pro-a") == 2500
    assert check(desk)["ok"]


def test_webhooks_in_any_order_and_twice(
    desk: Desk, people: People, payout: str, market: Market, server: StripeServer
) -> None:
    """The last event first, each twice: the payout is what the processor has now, and money moved once."""
    server.next_status = "pending"
    send(desk, WORKER, payout)
    (ref,) = server.refunds
    events = [server.change(ref, "succeeded"), server.change(ref, "failed", "expired_or_canceled_card")]
    for event in (*reversed(events), *events):
        assert hear(desk, *server.signed(event)) == payout
    assert state(market) == "failed"
    assert market.balance("pro-a") == 2500
    with pytest.raises(ForgedEvent):
        hear(desk, *server.signed(events[0], secret="whsec_other"))
    assert check(desk)["ok"]


def test_an_event_is_to_come_again_while_the_processor_is_silent(
    desk: Desk, people: People, payout: str, market: Market, server: StripeServer
) -> None:
    """What an event says is asked for; without an answer nothing changes, and the event is not taken."""
    server.next_status = "pending"
    send(desk, WORKER, payout)
    (ref,) = server.refunds
    event = server.signed(server.change(ref, "succeeded"))
    deaf = replace(desk, processor=StripeProcessor(KEY, SECRET, "http://127.0.0.1:9", timeout_seconds=0.5))
    with pytest.raises(ProcessorSilent):
        hear(deaf, *event)
    assert state(market) == "pending"
    hear(desk, *event)
    assert state(market) == "succeeded"


def test_news_of_others_is_left(desk: Desk, server: StripeServer) -> None:
    """A refund somebody made at the processor by hand is none of ours."""
    server.charge("ch_other", 500)
    _, refund = server.create({"charge": "ch_other"}, None)
    assert hear(desk, *server.signed(server.change(refund["id"], "failed"))) is None


def test_without_a_processor_nothing_is_sent(
    owner_desk: Desk, people: People, payout: str, market: Market
) -> None:
    """No processor set: the sentence says so, and the payout stays requested."""
    with pytest.raises(ProcessorRefused, match="REFUNDS_STRIPE_KEY"):
        send(owner_desk, WORKER, payout)
    assert state(market) == "requested"
    assert look_after(owner_desk).counts == {"changed": 0, "same": 0, "silent": 0}
