"""Runs: the journal of work that takes time, and its dispatch to workers."""
