"""The page of the policy lab."""

from refundlib.ui import policy_lab_view
from refundlib.ui.shell import guard

visit = guard("policy_lab", "backtest")
policy_lab_view.show(visit)
