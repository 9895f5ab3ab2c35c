"""Runs wait, are taken over, are held by key, have children, signals and undos."""

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None

_OPEN = "state IN ('queued', 'running', 'waiting')"


def upgrade() -> None:
    """Go one revision forward."""
    _runs()
    op.add_column(
        "run_steps", sa.Column("effect", sa.Text(), nullable=False, server_default="external")
    )
    op.alter_column("run_steps", "effect", server_default=None)
    op.add_column("run_steps", sa.Column("wait", sa.JSON(none_as_null=True), nullable=True))
    _signals()
    _undos()
    # Jobs of before have no turn; every open run gets a new one from the next sweep.
    op.execute("DELETE FROM procrastinate_jobs WHERE task_name = 'towpath:run'")
    op.execute("UPDATE runs SET state = 'queued' WHERE state = 'running'")
    op.execute(
        "CREATE INDEX towpath_jobs_run ON procrastinate_jobs ((args ->> 'run_id'))"
        " WHERE task_name = 'towpath:run'"
    )


def _runs() -> None:
    op.drop_index("runs_subject", table_name="runs")
    op.drop_index("runs_open", table_name="runs")
    op.alter_column("runs", "subject_ref", new_column_name="concurrency_key")
    for name, type, default in (
        ("turn", sa.Integer(), "0"),
        ("queue", sa.Text(), "default"),
        ("priority", sa.Integer(), "0"),
        ("secret_names", sa.JSON(none_as_null=True), "[]"),
        ("crashes", sa.Integer(), "0"),
        ("takeovers", sa.Integer(), "0"),
        ("holds_key", sa.Boolean(), "false"),
    ):
        op.add_column("runs", sa.Column(name, type, nullable=False, server_default=default))
        op.alter_column("runs", name, server_default=None)
    for name in ("cancel_by", "deadline", "wake_at"):
        op.add_column("runs", sa.Column(name, sa.DateTime(timezone=True), nullable=True))
    for name in ("parent_id", "schedule_id", "undoes"):
        op.add_column("runs", sa.Column(name, sa.UUID(), nullable=True))
    for name in ("held", "parent_step"):
        op.add_column("runs", sa.Column(name, sa.Text(), nullable=True))
    op.execute(
        "UPDATE runs SET queue = CASE WHEN kind = 'scaffold' THEN 'scaffold' ELSE 'provision' END"
    )
    op.create_index("runs_open", "runs", ["id"], postgresql_where=_OPEN)
    op.create_index("runs_parent", "runs", ["parent_id"], postgresql_where="parent_id IS NOT NULL")
    op.create_index(
        "runs_key_holder", "runs", ["concurrency_key"], unique=True, postgresql_where="holds_key"
    )
    op.create_index(
        "runs_key",
        "runs",
        ["concurrency_key"],
        postgresql_where=f"concurrency_key IS NOT NULL AND {_OPEN}",
    )
    op.create_index("runs_held", "runs", ["queue"], postgresql_where="held IS NOT NULL")


def _signals() -> None:
    op.create_table(
        "run_signals",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=True), nullable=False),
        sa.Column("run_id", sa.UUID(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("body", sa.JSON(none_as_null=True), nullable=True),
        sa.Column("by", sa.Text(), nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(["run_id"], ["runs.id"], ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("id"),
    )
    op.create_index("run_signals_run", "run_signals", ["run_id", "name", "id"])


def _undos() -> None:
    op.create_table(
        "run_undos",
        sa.Column("run_id", sa.UUID(), nullable=False),
        sa.Column("seq", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("step_seq", sa.Integer(), nullable=False),
        sa.Column("step_key", sa.Text(), nullable=False),
        sa.Column("owner", sa.Text(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("data", sa.Text(), nullable=False),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("error", sa.JSON(none_as_null=True), nullable=True),
        sa.Column("undone_by", sa.UUID(), nullable=True),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(["run_id"], ["runs.id"], ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("run_id", "seq"),
    )
