"""PostgreSQL databases on a server of yours, each with an owner of its own.

Knows the core only. Credentials are login roles, one a binding.
"""
