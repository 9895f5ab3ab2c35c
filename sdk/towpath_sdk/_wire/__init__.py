"""Everything of the SDK that needs no socket: shapes, errors, paths, retry rules, parsers.

Pure functions and frozen structs. Knows nothing of httpx, of clocks and of event loops, so that
both clients share it and it is tested without a server.
"""
