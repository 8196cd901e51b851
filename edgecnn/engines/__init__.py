"""Engines: something that runs many tasks, in processes of this machine or on a Ray cluster.

Nothing is imported here: every worker's child process passes through.
"""
