"""A believable marketplace, made from a seed: the same seed and time always give the same rows."""
