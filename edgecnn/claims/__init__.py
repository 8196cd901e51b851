"""The documents' claims, and what the records of the experiments say of each."""
