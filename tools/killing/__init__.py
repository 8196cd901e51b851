"""Killing commands at random moments: what `kill_at_random.py` is made of."""
