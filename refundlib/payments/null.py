"""The twin of a card processor that is not set: nothing can be sent."""

from refundlib.domain.errors import ForgedEvent, ProcessorRefused
from refundlib.domain.payout import PayoutNews, PayoutOrder

_UNSET = "No card processor is set. Set REFUNDS_STRIPE_KEY and restart; nothing was sent."


class NullProcessor:
    """No processor is set: card refunds stay requested."""

    is_set = False

    def submit(self, order: PayoutOrder) -> PayoutNews:
        """Never sends. Raises ProcessorRefused."""
        raise ProcessorRefused(_UNSET, "unset")

    def look_up(self, order: PayoutOrder, processor_ref: str | None = None) -> PayoutNews | None:
        """Nothing was ever sent."""
        return None

    def read_event(self, body: bytes, signature: str) -> PayoutNews | None:
        """Nobody can have written it. Raises ForgedEvent."""
        raise ForgedEvent(_UNSET)
