"""The page of deadlines."""

from refundlib.ui import sla_view
from refundlib.ui.shell import guard

visit = guard("sla", "read_metrics")
sla_view.show(visit)
