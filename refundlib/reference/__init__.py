"""Zips and phone numbers, by libraries that carry their data."""
