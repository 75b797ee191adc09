"""Stripe, by its official SDK.

Nothing is retried here: a request without a usable answer may have been acted on, so it is looked up before
it is sent again, and then under the same idempotency key, which is the payout's id.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import Any, Final, Literal

import stripe
from stripe.params import RefundCreateParams, RefundListParams

from refundlib.domain.errors import ForgedEvent, ProcessorRefused, ProcessorSilent
from refundlib.domain.payout import PayoutNews, PayoutOrder

TIMEOUT_SECONDS: Final = 20
# How far a webhook's time may be from ours, so that an old one cannot be played again.
TOLERANCE_SECONDS: Final = 300
REFUNDS_LOOKED_AT_MAX: Final = 1_000
_STATES: Final[dict[str, Literal["pending", "succeeded", "failed"]]] = {
    "pending": "pending",
    "requires_action": "pending",
    "succeeded": "succeeded",
    "failed": "failed",
    "canceled": "failed",
}
_EVENTS: Final = ("refund.created", "refund.updated", "refund.failed", "charge.refund.updated")
# What it does not know cannot have been paid out. Any other no to a question says nothing of the payout.
_NOT_THERE: Final = ("resource_missing", "no_such_payment")
# Refused for now, not for good, or not because of this payout: nothing was done.
_NOT_NOW: Final = (stripe.RateLimitError, stripe.AuthenticationError, stripe.PermissionError)


class StripeProcessor:
    """Refunds by Stripe's API. address: another server than Stripe's, for tests."""

    is_set = True

    def __init__(
        self,
        key: str,
        webhook_secret: str = "",
        address: str | None = None,
        timeout_seconds: float = TIMEOUT_SECONDS,
    ) -> None:
        self._webhook_secret = webhook_secret
        self._client = stripe.StripeClient(
            key,
            http_client=stripe.RequestsClient(timeout=timeout_seconds),
            max_network_retries=0,
            base_addresses={"api": address} if address else {},
        )

    def submit(self, order: PayoutOrder) -> PayoutNews:
        """Asks for a payout; the same order again makes no second one. Raises ProcessorRefused, -Silent."""
        params: RefundCreateParams = {
            "amount": order.amount_minor,
            "metadata": {
                "payout_id": order.payout_id,
                "card_refund_id": order.card_refund_id,
                "report_id": order.report_id,
            },
        }
        _name_payment(params, order)
        with _answers():
            refund = self._client.v1.refunds.create(params, {"idempotency_key": order.payout_id})
        return _news(refund.to_dict())

    def look_up(self, order: PayoutOrder, processor_ref: str | None = None) -> PayoutNews | None:
        """What Stripe has of an order, by its id or ours among the payment's refunds; None when nothing.

        None also when it does not know the payment, or the id it gave. Raises ProcessorSilent.
        """
        try:
            return self._look_up(order, processor_ref)
        except ProcessorRefused as refusal:
            if refusal.code in _NOT_THERE:
                return None
            raise ProcessorSilent(str(refusal)) from refusal

    def _look_up(self, order: PayoutOrder, processor_ref: str | None) -> PayoutNews | None:
        with _answers():
            if processor_ref is not None:
                return _news(self._client.v1.refunds.retrieve(processor_ref).to_dict())
            params: RefundListParams = {"limit": 100}
            _name_payment(params, order)
            page = self._client.v1.refunds.list(params)
            for number, refund in enumerate(page.auto_paging_iter()):
                news = _news(refund.to_dict())
                if news.payout_id == order.payout_id:
                    return news
                if number >= REFUNDS_LOOKED_AT_MAX:
                    raise ProcessorSilent(
                        f"Payment {order.payment_ref} has more refunds than can be looked through."
                    )
        return None

    def read_event(self, body: bytes, signature: str) -> PayoutNews | None:
        """What a webhook says of a refund, at the event's time; None when it is of something else.

        Raises ForgedEvent when the signature or its time does not hold, or no secret is set.
        """
        if not self._webhook_secret:
            raise ForgedEvent("No secret for webhooks is set. Set REFUNDS_STRIPE_WEBHOOK_SECRET and restart.")
        try:
            event = stripe.Webhook.construct_event(body, signature, self._webhook_secret, TOLERANCE_SECONDS)
        except (stripe.SignatureVerificationError, ValueError) as error:
            raise ForgedEvent("The message is not signed by Stripe with our secret.") from error
        if event.type not in _EVENTS:
            return None
        return _news(event.data.object.to_dict(), datetime.fromtimestamp(event.created, UTC))


def _name_payment(params: RefundCreateParams | RefundListParams, order: PayoutOrder) -> None:
    """Names the payment in a request, as a charge or a payment intent by the shape of its id."""
    ref = order.payment_ref
    if ref.startswith(("ch_", "py_")):
        params["charge"] = ref
    elif ref.startswith("pi_"):
        params["payment_intent"] = ref
    else:
        raise ProcessorRefused(
            f"The payment's id {ref} is none of Stripe's (ch_…, py_…, pi_…).", "no_such_payment"
        )


def _news(refund: dict[str, Any], at: datetime | None = None) -> PayoutNews:
    status = refund["status"]
    if status not in _STATES:
        raise ProcessorSilent(f"Stripe says {status!r} of refund {refund['id']}, which means nothing here.")
    state = _STATES[status]
    why = (refund.get("failure_reason") or status) if state == "failed" else ""
    return PayoutNews(
        processor_ref=refund["id"],
        payout_id=(refund.get("metadata") or {}).get("payout_id"),
        state=state,
        amount_minor=refund["amount"],
        currency=refund["currency"].upper(),
        at=at,
        failure_reason=why,
    )


@contextmanager
def _answers() -> Iterator[None]:
    """Stripe's errors as ours: a no is final only when Stripe says that the request itself cannot be met."""
    try:
        yield
    except _NOT_NOW as error:
        raise ProcessorSilent(f"Stripe did not take the request: {_words(error)}") from error
    except (stripe.InvalidRequestError, stripe.CardError) as error:
        raise ProcessorRefused(f"Stripe refused it: {_words(error)}", error.code or "") from error
    except stripe.StripeError as error:
        raise ProcessorSilent(f"Stripe gave no answer: {_words(error)}") from error


def _words(error: stripe.StripeError) -> str:
    words: str = error.user_message or str(error) or type(error).__name__
    return words
