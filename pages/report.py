"""The page on which a report is filed for a pro."""

from refundlib.ui import report_view
from refundlib.ui.shell import guard

visit = guard("report", "file_report")
report_view.show(visit)
