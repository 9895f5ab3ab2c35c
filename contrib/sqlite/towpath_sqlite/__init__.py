"""A Towpath provisioner of SQLite database files."""
