"""`python -m towpath_gateway`: the server commands without the rest of the command."""

from towpath_gateway.cli import app

app()
