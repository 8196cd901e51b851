"""What `--plot` draws: one module for each command, from its result to figures of the page."""
