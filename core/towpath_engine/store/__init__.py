"""PostgreSQL: the embedded server, connections, notifications and migrations."""
