"""The lead page."""

from refundlib.ui import lead_view
from refundlib.ui.shell import guard

visit = guard("lead", "read_lead")
lead_view.show(visit)
