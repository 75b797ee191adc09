"""The page of refund rates."""

from refundlib.ui import refund_rates_view
from refundlib.ui.shell import guard

visit = guard("refund_rates", "read_shared_metrics")
refund_rates_view.show(visit)
