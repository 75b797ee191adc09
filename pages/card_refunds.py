"""The page of card refunds."""

from refundlib.ui import card_refunds_view
from refundlib.ui.shell import guard

visit = guard("card_refunds", "read_card_refunds")
card_refunds_view.show(visit)
