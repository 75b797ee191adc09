"""The page of the policy's versions and drafts."""

from refundlib.ui import policy_view
from refundlib.ui.shell import guard

visit = guard("policy", "read_policy")
policy_view.show(visit)
