"""The second, blind look at a decision."""

from refundlib.ui import second_look_view
from refundlib.ui.shell import guard

visit = guard("second_look", "second_look")
second_look_view.show(visit)
