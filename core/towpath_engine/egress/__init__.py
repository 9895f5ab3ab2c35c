"""The one egress client: every outgoing fetch of the platform and its plugins goes through it."""
