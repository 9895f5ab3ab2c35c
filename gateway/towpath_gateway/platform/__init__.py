"""The platform's own part of `/api/v1`: info, plugins, tokens; and its health."""
