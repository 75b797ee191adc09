"""The page of decision quality."""

from refundlib.ui import quality_view
from refundlib.ui.shell import guard

visit = guard("quality", "read_metrics")
quality_view.show(visit)
