"""The page of a pro's statement."""

from refundlib.ui import statement_view
from refundlib.ui.shell import guard

visit = guard("statement", "read_statement")
statement_view.show(visit)
