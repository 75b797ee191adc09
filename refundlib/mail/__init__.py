"""Letters to pros and the mail server they leave by."""
