"""`python -m refundlib …` is `refunds …`."""

from refundlib.cli import main

main()
