"""The `towpath` command: a user of the SDK, and of nothing else of Towpath."""
