"""The functions that lower operators, one file for each kind."""
