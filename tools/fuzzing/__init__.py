"""Hostile input: what `fuzz.py` is made of."""
