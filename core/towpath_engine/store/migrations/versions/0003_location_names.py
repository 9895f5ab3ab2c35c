"""A location keeps the name of its entity when it is pointed somewhere else."""

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Go one revision forward."""
    op.add_column("locations", sa.Column("name", sa.Text(), nullable=True))
    op.create_unique_constraint("locations_name_key", "locations", ["name"])
