"""The page of the daily close."""

from refundlib.ui import daily_close_view
from refundlib.ui.shell import guard

visit = guard("daily_close", "read_reconciliation")
daily_close_view.show(visit)
