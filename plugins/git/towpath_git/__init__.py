"""Git repositories on this machine: where files are read from, and where workspaces go."""
