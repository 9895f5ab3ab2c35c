"""The catalog remembers more: files, tombstones, conflicts; edges stand with their entity."""

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None

_FILL_EDGES = """
    UPDATE entities SET edges = found.edges FROM (
        SELECT origin_uid, json_agg(
            json_build_array(source, type, target) ORDER BY source, type, target
        )::text AS edges FROM relations GROUP BY origin_uid
    ) AS found WHERE found.origin_uid = entities.uid
"""


def upgrade() -> None:
    """Go one revision forward."""
    op.add_column("locations", sa.Column("held", sa.JSON(none_as_null=True), nullable=True))
    op.add_column("locations", sa.Column("held_at", sa.DateTime(timezone=True), nullable=True))
    op.add_column("entities", sa.Column("edges", sa.Text(), nullable=False, server_default="[]"))
    op.add_column("entities", sa.Column("line", sa.Integer(), nullable=True))
    op.execute(_FILL_EDGES)
    op.alter_column("entities", "edges", server_default=None)
    op.drop_table("relations")
    op.drop_index("entities_kind", table_name="entities")
    op.create_index("entities_origin", "entities", ["origin"], unique=False)
    op.add_column("entity_revisions", sa.Column("edges", sa.Text(), nullable=True))
    op.add_column("entity_revisions", sa.Column("reason", sa.Text(), nullable=True))
    op.drop_index("entity_revisions_ref", table_name="entity_revisions")
    op.create_index("entity_revisions_ref", "entity_revisions", ["ref", "seq"], unique=False)
    op.create_index("entity_revisions_at", "entity_revisions", ["at"], unique=False)
    op.add_column(
        "catalog_problems", sa.Column("level", sa.Text(), nullable=False, server_default="error")
    )
    op.alter_column("catalog_problems", "level", server_default=None)
    op.add_column("catalog_problems", sa.Column("target", sa.Text(), nullable=True))
    _files()
    _tombstones()
    _conflicts()
    op.create_table(
        "catalog_marks",
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("seq", sa.BigInteger(), nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("name"),
    )


def _files() -> None:
    op.create_table(
        "catalog_files",
        sa.Column("location_id", sa.UUID(), nullable=False),
        sa.Column("file", sa.Text(), nullable=False),
        sa.Column("etag", sa.Text(), nullable=False),
        sa.Column("whole", sa.Boolean(), nullable=False),
        sa.Column("stops", sa.JSON(none_as_null=True), nullable=True),
        sa.ForeignKeyConstraint(["location_id"], ["locations.id"], ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("location_id", "file"),
    )


def _tombstones() -> None:
    op.create_table(
        "catalog_tombstones",
        sa.Column("uid", sa.UUID(), nullable=False),
        sa.Column("ref", sa.Text(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("body", sa.Text(), nullable=False),
        sa.Column("edges", sa.Text(), nullable=False),
        sa.Column("hash", sa.Text(), nullable=False),
        sa.Column("revision", sa.Integer(), nullable=False),
        sa.Column("origin", sa.Text(), nullable=False),
        sa.Column("file", sa.Text(), nullable=True),
        sa.Column("line", sa.Integer(), nullable=True),
        sa.Column("location_id", sa.UUID(), nullable=True),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("deleted_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("expires_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("actor", sa.Text(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("uid"),
    )
    op.create_index("catalog_tombstones_ref", "catalog_tombstones", ["ref"], unique=False)
    op.create_index("catalog_tombstones_expiry", "catalog_tombstones", ["expires_at"], unique=False)


def _conflicts() -> None:
    op.create_table(
        "catalog_conflicts",
        sa.Column("ref", sa.Text(), nullable=False),
        sa.Column("origin", sa.Text(), nullable=False),
        sa.Column("holder", sa.Text(), nullable=False),
        sa.Column("location_id", sa.UUID(), nullable=True),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("body", sa.Text(), nullable=False),
        sa.Column("edges", sa.Text(), nullable=False),
        sa.Column("hash", sa.Text(), nullable=False),
        sa.Column("file", sa.Text(), nullable=True),
        sa.Column("line", sa.Integer(), nullable=True),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(["location_id"], ["locations.id"], ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("ref", "origin"),
    )
    op.create_index(
        "catalog_conflicts_location", "catalog_conflicts", ["location_id"], unique=False
    )
