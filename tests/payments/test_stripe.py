"""The Stripe adapter: the official SDK against a processor on loopback that keeps state."""

import time
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime

import pytest

from refundlib.domain.errors import ForgedEvent, ProcessorRefused, ProcessorSilent
from refundlib.domain.payout import PayoutOrder
from refundlib.payments.null import NullProcessor
from refundlib.payments.stripe import StripeProcessor
from tests.stripe_server import KEY, SECRET, ApiError, StripeServer, stripe_server

ORDER = PayoutOrder("CR-R1-1.1", "CR-R1-1", "R1", "ch_one", 1500, "USD")


@pytest.fixture
def server() -> Iterator[StripeServer]:
    """A processor with one payment of $40."""
    with stripe_server() as state:
        state.charge("ch_one", 4000, intent="pi_one")
        yield state


@pytest.fixture
def processor(server: StripeServer) -> StripeProcessor:
    """Ours, with little patience."""
    return StripeProcessor(KEY, SECRET, server.address, timeout_seconds=0.5)


def test_a_payout_is_made_once(server: StripeServer, processor: StripeProcessor) -> None:
    """The same order twice makes one refund, which carries our ids."""
    first = processor.submit(ORDER)
    assert processor.submit(ORDER) == first
    assert (first.state, first.payout_id, first.amount_minor, first.currency) == (
        "succeeded", ORDER.payout_id, 1500, "USD",
    )  # fmt: skip
    assert [each["metadata"] for each in server.refunds.values()] == [
        {"payout_id": "CR-R1-1.1", "card_refund_id": "CR-R1-1", "report_id": "R1"}
    ]


def test_a_payment_intent_is_refunded_too(server: StripeServer, processor: StripeProcessor) -> None:
    """A payment known by its intent gives back from its charge."""
    assert processor.submit(replace(ORDER, payment_ref="pi_one")).state == "succeeded"
    assert server.charges["ch_one"]["amount_refunded"] == 1500


@pytest.mark.parametrize("fault", ["stall_after", "error_after"])
def test_silence_after_acting_is_found(server: StripeServer, processor: StripeProcessor, fault: str) -> None:
    """No answer, though it acted: silent; the look-up by our id finds it; sent again it is the same one."""
    server.faults.append(fault)
    with pytest.raises(ProcessorSilent):
        processor.submit(ORDER)
    found = processor.look_up(ORDER)
    assert found is not None
    assert processor.submit(ORDER) == found
    assert len(server.refunds) == 1


@pytest.mark.parametrize("fault", ["stall_before", "error_before", "busy"])
def test_silence_before_acting_leaves_nothing(
    server: StripeServer, processor: StripeProcessor, fault: str
) -> None:
    """No answer, and it did not act: silent, nothing is found; sent again, one refund is made."""
    server.faults.append(fault)
    with pytest.raises(ProcessorSilent):
        processor.submit(ORDER)
    assert processor.look_up(ORDER) is None
    assert processor.submit(ORDER).state == "succeeded"
    assert len(server.refunds) == 1


def test_a_server_that_is_not_there_is_silent(processor: StripeProcessor) -> None:
    """A refused connection is no answer, and no refusal."""
    away = StripeProcessor(KEY, SECRET, "http://127.0.0.1:9", timeout_seconds=0.5)
    with pytest.raises(ProcessorSilent):
        away.submit(ORDER)
    with pytest.raises(ProcessorSilent):
        away.look_up(ORDER, "re_1")


def test_a_wrong_key_is_no_refusal_of_the_payout(server: StripeServer) -> None:
    """Our own set-up is wrong: the payout may be sent later."""
    with pytest.raises(ProcessorSilent, match="Invalid API Key"):
        StripeProcessor("sk_test_other", SECRET, server.address).submit(ORDER)
    assert not server.refunds


def test_more_than_the_payment_has_left_is_refused(server: StripeServer, processor: StripeProcessor) -> None:
    """An over-refund, a payment that is not there, a disputed one, another shape of id: refused for good."""
    with pytest.raises(ProcessorRefused, match="greater than unrefunded"):
        processor.submit(replace(ORDER, amount_minor=4001))
    with pytest.raises(ProcessorRefused) as missing:
        processor.submit(replace(ORDER, payout_id="other", payment_ref="ch_two"))
    assert missing.value.code == "resource_missing"
    server.faults.append("disputed")
    with pytest.raises(ProcessorRefused) as disputed:
        processor.submit(ORDER)
    assert disputed.value.code == "charge_for_pending_refund_disputed"
    with pytest.raises(ProcessorRefused, match="none of Stripe's"):
        processor.submit(replace(ORDER, payment_ref="PAY-7"))
    assert not server.refunds


def test_one_key_is_one_order(server: StripeServer, processor: StripeProcessor) -> None:
    """The same payout with another amount is not a second refund."""
    processor.submit(ORDER)
    with pytest.raises(ProcessorSilent, match="same parameters"):
        processor.submit(replace(ORDER, amount_minor=1000))
    assert len(server.refunds) == 1


@pytest.mark.parametrize(
    ("status", "state", "why"),
    [
        ("pending", "pending", ""),
        ("requires_action", "pending", ""),
        ("succeeded", "succeeded", ""),
        ("failed", "failed", "expired_or_canceled_card"),
        ("canceled", "failed", "canceled"),
    ],
)
def test_statuses(
    server: StripeServer, processor: StripeProcessor, status: str, state: str, why: str
) -> None:
    """Each status Stripe has, by look-up and by webhook, is one of our three, a failure with its reason."""
    server.next_status = "pending"
    ref = processor.submit(ORDER).processor_ref
    event = server.change(ref, status, "expired_or_canceled_card" if status == "failed" else None)
    found = processor.look_up(ORDER, ref)
    assert found is not None
    assert (found.state, found.failure_reason) == (state, why)
    told = processor.read_event(*server.signed(event))
    assert told == replace(found, at=datetime.fromtimestamp(event["created"], UTC))


def test_a_payout_among_many_is_found(server: StripeServer, processor: StripeProcessor) -> None:
    """The look-up turns the pages of a payment's refunds."""
    server.charge("ch_big", 100_000)
    big = replace(ORDER, payment_ref="ch_big", amount_minor=1)
    for number in range(130):
        processor.submit(replace(big, payout_id=f"P{number}"))
    found = processor.look_up(replace(big, payout_id="P3"))
    assert found is not None
    assert found.payout_id == "P3"
    assert processor.look_up(replace(big, payout_id="P130")) is None


def test_forged_events_are_refused(server: StripeServer, processor: StripeProcessor) -> None:
    """Another secret, a changed body, an old time, no header: none is believed."""
    event = server.change(processor.submit(ORDER).processor_ref, "failed", "lost_or_stolen_card")
    body, signature = server.signed(event)
    assert processor.read_event(body, signature) is not None
    old = server.signed(event, at=time.time() - 600)
    for forged in (
        server.signed(event, secret="whsec_other"),
        (body.replace(b"1500", b"9500"), signature),
        old,
        (body, ""),
        (b"{", server.signed({})[1]),
    ):
        with pytest.raises(ForgedEvent):
            processor.read_event(*forged)
    with pytest.raises(ForgedEvent, match="REFUNDS_STRIPE_WEBHOOK_SECRET"):
        StripeProcessor(KEY).read_event(body, signature)


def test_events_of_other_things_say_nothing(server: StripeServer, processor: StripeProcessor) -> None:
    """An event of something else is read and left."""
    event = {**server.change(processor.submit(ORDER).processor_ref, "succeeded"), "type": "charge.refunded"}
    assert processor.read_event(*server.signed(event)) is None


def test_the_twin_sends_nothing() -> None:
    """Without a processor nothing goes out, and the sentence says what to set."""
    twin = NullProcessor()
    with pytest.raises(ProcessorRefused, match="REFUNDS_STRIPE_KEY"):
        twin.submit(ORDER)
    assert twin.look_up(ORDER) is None
    with pytest.raises(ForgedEvent):
        twin.read_event(b"{}", "")


def test_a_question_refused_is_no_answer(
    server: StripeServer, processor: StripeProcessor, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What Stripe does not know is not there; any other no to a look-up says nothing of the payout."""
    assert processor.look_up(replace(ORDER, payment_ref="ch_two")) is None
    assert processor.look_up(replace(ORDER, payment_ref="PAY-7")) is None
    assert processor.look_up(ORDER, "re_unknown") is None

    def refuse(_fields: dict[str, str]) -> dict[str, object]:
        raise ApiError(400, "invalid_request_error", "This parameter is not known", "parameter_unknown")

    monkeypatch.setattr(server, "listed", refuse)
    with pytest.raises(ProcessorSilent, match="not known"):
        processor.look_up(ORDER)
