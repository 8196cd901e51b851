"""Trials of other people's model files."""
