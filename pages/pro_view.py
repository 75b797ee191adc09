"""The page of what a pro sees of a report."""

from refundlib.ui import pro_view_page
from refundlib.ui.shell import guard

visit = guard("pro_view", "see_as_pro")
pro_view_page.show(visit)
