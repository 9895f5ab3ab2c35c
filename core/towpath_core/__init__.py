"""The promise: types, hook specs and protocols that the platform and its plugins share.

Depends on pluggy and msgspec only. It knows nothing of HTTP, databases or any backend.
"""

from towpath_core.hookspecs import SPEC_VERSION, hookimpl

__all__ = ("SPEC_VERSION", "hookimpl")
