"""Alembic's entry: runs the scripts on the connection that `migrate` gives it."""

from alembic import context
from sqlmodel import SQLModel

import towpath_engine.catalog.tables
import towpath_engine.provisioning.tables
import towpath_engine.runs.schedule_tables
import towpath_engine.runs.tables
import towpath_engine.store.tables  # noqa: F401  (each module adds its tables to the metadata)

context.configure(
    connection=context.config.attributes["connection"], target_metadata=SQLModel.metadata
)
with context.begin_transaction():
    context.run_migrations()
