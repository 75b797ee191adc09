"""Refund Desk: sign in, navigate by role, run the page."""

import gc

from refundlib.ui import shell

gc.freeze()  # the imports live as long as the server: no collection needs to look at them again
shell.run()
