"""Provisioning's part of `/api/v1`: offerings, plans, resources, bindings."""
