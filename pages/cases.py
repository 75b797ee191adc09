"""The list behind a figure."""

from refundlib.ui import cases_view
from refundlib.ui.shell import guard

visit = guard("cases", "read_metrics")
cases_view.show(visit)
