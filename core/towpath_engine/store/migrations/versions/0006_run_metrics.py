"""Runs are counted, steps timed and workers known; one's own runs are found fast."""

import sqlalchemy as sa
from alembic import op

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None

# A row each: two runs that end at once must not wait for each other.
_COUNT = """
    CREATE FUNCTION towpath_count_run() RETURNS trigger LANGUAGE plpgsql AS $$
    BEGIN
        IF NEW.state <> OLD.state
            AND NEW.state IN ('succeeded', 'failed', 'cancelled', 'unknown') THEN
            INSERT INTO run_counts (name, kind, label, amount)
            VALUES ('ended', NEW.kind, NEW.state, 1);
            IF NEW.error ->> 'code' = 'poisoned' THEN
                INSERT INTO run_counts (name, kind, label, amount)
                VALUES ('parked', NEW.kind, '', 1);
            END IF;
        END IF;
        IF NEW.takeovers > OLD.takeovers THEN
            INSERT INTO run_counts (name, kind, label, amount)
            VALUES ('takeovers', NEW.kind, '', NEW.takeovers - OLD.takeovers);
        END IF;
        RETURN NULL;
    END $$
"""


def upgrade() -> None:
    """Go one revision forward."""
    op.create_table(
        "run_counts",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=True), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("label", sa.Text(), nullable=False),
        sa.Column("amount", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("id"),
    )
    op.create_table(
        "run_step_times",
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("action", sa.Text(), nullable=False),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("bucket", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("steps", sa.BigInteger(), nullable=False),
        sa.Column("seconds", sa.Float(), nullable=False),
        sa.PrimaryKeyConstraint("kind", "action", "state", "bucket"),
    )
    op.create_table(
        "run_workers",
        sa.Column("worker_id", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("queues", sa.JSON(none_as_null=True), nullable=True),
        sa.Column("concurrency", sa.Integer(), nullable=False),
        sa.Column("host", sa.Text(), nullable=False),
        sa.Column("pid", sa.Integer(), nullable=False),
        sa.Column("started_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("worker_id"),
    )
    op.create_index("runs_owner", "runs", ["created_by", "created_at", "id"])
    op.create_index(
        "run_steps_asking",
        "run_steps",
        ["run_id"],
        postgresql_where=sa.text("wait ->> 'type' = 'approval'"),
    )
    op.create_index("runs_unknown", "runs", ["kind"], postgresql_where=sa.text("state = 'unknown'"))
    op.execute(_COUNT)
    op.execute(
        "CREATE TRIGGER towpath_count_run AFTER UPDATE ON runs FOR EACH ROW"
        " WHEN (NEW.state <> OLD.state OR NEW.takeovers > OLD.takeovers)"
        " EXECUTE FUNCTION towpath_count_run()"
    )
    op.execute(
        "INSERT INTO run_counts (name, kind, label, amount)"
        " SELECT 'ended', kind, state, count(*) FROM runs"
        " WHERE state IN ('succeeded', 'failed', 'cancelled') GROUP BY kind, state"
    )
