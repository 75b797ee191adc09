"""The mail page: to pros, and from them."""

from refundlib.ui import mail_view, received_view
from refundlib.ui.shell import guard

visit = guard("mail", "read_mail")
view = received_view if received_view.which(visit) == received_view.FROM_PROS else mail_view
view.show(visit)
