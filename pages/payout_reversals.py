"""The page of payout reversals."""

from refundlib.ui import payout_reversals_view
from refundlib.ui.shell import guard

visit = guard("payout_reversals", "read_shared_metrics")
payout_reversals_view.show(visit)
