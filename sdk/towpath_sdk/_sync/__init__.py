# Generated from _async/__init__.py by tools/unasync.py. Change that file, not this one.
"""The part of the SDK that talks and waits; the sync twin is generated from the async one."""
