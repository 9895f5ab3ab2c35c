"""The part of the SDK that talks and waits; the sync twin is generated from the async one."""
