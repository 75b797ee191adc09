"""The page of the messages between pros and customers."""

from refundlib.ui import messages_view
from refundlib.ui.shell import guard

visit = guard("messages", "read_messages")
messages_view.show(visit)
