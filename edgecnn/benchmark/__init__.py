"""`edgecnn bench`, `compare` and `check`: latency, and whether it may be believed."""
