"""The rules of the business: standard library only, no clock, no input or output."""
