"""The page of the ledger."""

from refundlib.ui import ledger_view
from refundlib.ui.shell import guard

visit = guard("ledger", "read_ledger")
ledger_view.show(visit)
