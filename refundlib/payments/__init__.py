"""The card processor."""
