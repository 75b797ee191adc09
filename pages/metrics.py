"""The metrics page."""

from refundlib.ui import metrics_view
from refundlib.ui.shell import guard

visit = guard("metrics", "read_metrics")
metrics_view.show(visit)
