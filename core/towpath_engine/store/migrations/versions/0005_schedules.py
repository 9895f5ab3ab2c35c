"""Runs start by the clock, and what has ended long ago is forgotten."""

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None

_ENDED = "state IN ('succeeded', 'failed', 'cancelled')"


def upgrade() -> None:
    """Go one revision forward."""
    op.create_table(
        "schedules",
        sa.Column("id", sa.UUID(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("title", sa.Text(), nullable=True),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("input", sa.JSON(none_as_null=True), nullable=False),
        sa.Column("queue", sa.Text(), nullable=True),
        sa.Column("priority", sa.Integer(), nullable=False),
        sa.Column("deadline_seconds", sa.Integer(), nullable=True),
        sa.Column("cron", sa.Text(), nullable=False),
        sa.Column("zone", sa.Text(), nullable=False),
        sa.Column("catch_up", sa.Text(), nullable=False),
        sa.Column("catch_up_limit", sa.Integer(), nullable=False),
        sa.Column("overlap", sa.Text(), nullable=False),
        sa.Column("paused", sa.Boolean(), nullable=False),
        sa.Column("principal", sa.JSON(none_as_null=True), nullable=False),
        sa.Column("created_by", sa.Text(), nullable=False),
        sa.Column("next_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("last_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("last_run", sa.UUID(), nullable=True),
        sa.Column("trouble", sa.JSON(none_as_null=True), nullable=True),
        sa.Column("version", sa.BigInteger(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("updated_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("id"),
        sa.UniqueConstraint("name"),
    )
    op.create_index(
        "schedules_due", "schedules", ["next_at"], postgresql_where="next_at IS NOT NULL"
    )
    op.create_index("schedules_of", "schedules", ["created_by", "name"])
    _forgetting()


def _forgetting() -> None:
    op.create_table(
        "run_leftovers",
        sa.Column("run_id", sa.UUID(), nullable=False),
        sa.PrimaryKeyConstraint("run_id"),
    )
    # What hangs on a run goes after it, in batches.
    for table in ("run_events", "run_steps", "run_signals", "run_undos"):
        op.drop_constraint(f"{table}_run_id_fkey", table, type_="foreignkey")
    op.create_index("runs_finished", "runs", ["finished_at"], postgresql_where=_ENDED)
    op.create_index("runs_undoes", "runs", ["undoes"], postgresql_where="undoes IS NOT NULL")
    op.create_index(
        "runs_schedule", "runs", ["schedule_id"], postgresql_where="schedule_id IS NOT NULL"
    )
