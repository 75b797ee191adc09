"""A payout: what the card processor is asked for, and what it says of it. Source: DOMAIN, States."""

from dataclasses import dataclass
from datetime import datetime
from typing import Literal


@dataclass(frozen=True)
class PayoutOrder:
    """Money to give back to one payment. payment_ref: the processor's id of it; amount in minor units."""

    payout_id: str
    card_refund_id: str
    report_id: str
    payment_ref: str
    amount_minor: int
    currency: str


@dataclass(frozen=True)
class PayoutNews:
    """What the processor has under `processor_ref`, as of `at` (None: as of now).

    payout_id: ours, as the processor kept it; None when it is not one of ours. A payout that fails after it
    succeeded is told as failed: that it is reversed follows from what it was.
    """

    processor_ref: str
    payout_id: str | None
    state: Literal["pending", "succeeded", "failed"]
    amount_minor: int
    currency: str
    at: datetime | None = None
    failure_reason: str = ""
