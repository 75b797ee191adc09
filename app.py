"""Refund Desk: sign in, navigate by role, run the page."""

import gc

if __name__ == "__main__":  # run so by Streamlit for every visitor, at every click
    from refundlib.ui import shell

    # The imports live as long as the server: no collection needs to look at them again. Once, for what is
    # frozen at a later click is never freed either, and a visitor who left is garbage.
    if not gc.get_freeze_count():
        gc.freeze()
    shell.run()
else:  # imported once, as `app:app`, by the server that serves the script above and our routes beside it
    import streamlit as st

    from refundlib.config import settings
    from refundlib.ui.desk import closed_at_the_end, desk
    from refundlib.web.routes import routes

    app = st.App(__file__, routes=routes(desk, settings().api_key), lifespan=closed_at_the_end)
