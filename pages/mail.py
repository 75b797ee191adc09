"""The mail page."""

from refundlib.ui import mail_view
from refundlib.ui.shell import guard

visit = guard("mail", "read_mail")
mail_view.show(visit)
