"""The twin of a card processor that is not set: nothing can be sent."""

from refundlib.domain.errors import ForgedEvent, ProcessorUnset
from refundlib.domain.payout import PayoutNews, PayoutOrder


class NullProcessor:
    """No processor is set: card refunds stay requested."""

    is_set = False

    def submit(self, order: PayoutOrder) -> PayoutNews:
        """Never sends. Raises ProcessorUnset."""
        raise ProcessorUnset

    def look_up(self, order: PayoutOrder, processor_ref: str | None = None) -> PayoutNews | None:
        """Nothing was ever sent."""
        return None

    def read_event(self, body: bytes, signature: str) -> PayoutNews | None:
        """Nobody can have written it. Raises ForgedEvent."""
        raise ForgedEvent("No card processor is set, so no message can come from it.")
