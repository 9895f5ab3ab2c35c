"""The gateway: HTTP over the engine. Routes, authentication, app assembly, server commands."""
