"""The page of reconciliation."""

from refundlib.ui import reconciliation_view
from refundlib.ui.shell import guard

visit = guard("reconciliation", "read_reconciliation")
reconciliation_view.show(visit)
