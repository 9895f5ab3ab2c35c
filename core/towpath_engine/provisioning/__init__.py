"""Provisioning: from an offering over a hashed plan to a resource and its bindings."""
