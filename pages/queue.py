"""The queue page."""

from refundlib.ui import queue_view
from refundlib.ui.shell import guard

visit = guard("queue", "read_queue")
queue_view.show(visit)
