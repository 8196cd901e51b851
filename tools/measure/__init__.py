"""Measuring: machines, rounds, pairs, processes, and the JSON that is written."""
