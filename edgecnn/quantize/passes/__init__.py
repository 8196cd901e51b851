"""Graph passes: one file each, each with the reason why the function is kept."""
