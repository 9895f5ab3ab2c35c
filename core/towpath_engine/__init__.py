"""The doing: catalog, runs, scaffolding, provisioning, policy, audit and their store.

Knows the core and meets plugins through hooks only. Knows nothing of HTTP.
"""
