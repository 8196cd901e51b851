"""The verb `sweep`: many networks, recipes and files side by side, and which one to take.

Nothing is imported here: every worker's child process passes through.
"""
