"""What the comparisons with other tools are made of: the board's networks, files and tables."""
