"""The claim page."""

from refundlib.ui import claim_view
from refundlib.ui.shell import guard

visit = guard("claim", "read_claim")
claim_view.show(visit)
