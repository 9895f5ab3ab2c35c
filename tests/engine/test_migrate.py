from __future__ import annotations

import json
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import psycopg
import pytest
from alembic.autogenerate import compare_metadata
from alembic.command import upgrade
from alembic.config import Config
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from procrastinate.schema import SchemaManager
from sqlalchemy import create_engine, pool
from sqlmodel import SQLModel

import towpath_engine.catalog.tables
import towpath_engine.provisioning.tables
import towpath_engine.runs.schedule_tables
import towpath_engine.runs.tables
import towpath_engine.store.tables  # noqa: F401
from towpath_core.errors import SettingsError, Unavailable
from towpath_engine.store import migrate as module
from towpath_engine.store.address import driver_url
from towpath_engine.store.migrate import HEAD, migrate

QUEUE_SCHEMA = "03.04.00_50_post_add_retry_failed_job_procedure.sql"


def revisions(url: str) -> list[str]:
    with psycopg.connect(url) as connection:
        return [row[0] for row in connection.execute("SELECT version_num FROM alembic_version")]


def test_a_fresh_database_is_migrated_once(database_url):
    assert migrate(database_url) is True
    assert revisions(database_url) == [HEAD]
    assert migrate(database_url) is False


def test_four_at_once_do_it_once(database_url):
    with ThreadPoolExecutor(4) as threads:
        done = list(threads.map(migrate, [database_url] * 4))
    assert sorted(done) == [False, False, False, True]
    assert revisions(database_url) == [HEAD]


def test_a_newer_schema_is_refused_with_what_to_do(engine_url):
    with psycopg.connect(engine_url, autocommit=True) as connection:
        connection.execute("UPDATE alembic_version SET version_num = '9999'")
    with pytest.raises(SettingsError) as caught:
        migrate(engine_url)
    assert "9999" in caught.value.what
    assert "newer" in caught.value.why
    assert "backup" in caught.value.next
    assert revisions(engine_url) == ["9999"]


def test_a_migration_that_fails_leaves_nothing(database_url):
    with psycopg.connect(database_url, autocommit=True) as connection:
        # A table of this name is made late in the script.
        connection.execute("CREATE TABLE relations (x int)")
    with pytest.raises(Exception, match="relations"):
        migrate(database_url)
    with psycopg.connect(database_url) as connection:
        query = "SELECT count(*) FROM pg_tables WHERE schemaname = 'public'"
        assert connection.execute(query).fetchone() == (1,)


def test_relations_of_the_first_schema_come_along(database_url):
    _upgrade_to(database_url, "0001")
    with psycopg.connect(database_url, autocommit=True) as connection:
        uid = "0197b0c0-0000-7000-8000-000000000001"
        connection.execute(
            "INSERT INTO entities (uid, ref, kind, body, hash, revision, origin, created_at,"
            " updated_at) VALUES (%s, 'component:default/a', 'component', '{}', 'h', 1, 'o',"
            " now(), now())",
            [uid],
        )
        for type, target in (("partOf", "system:default/s"), ("ownedBy", "group:default/g")):
            connection.execute(
                "INSERT INTO relations VALUES (%s, 'component:default/a', %s, %s)",
                [uid, type, target],
            )
    assert migrate(database_url) is True
    with psycopg.connect(database_url) as connection:
        ((edges,),) = connection.execute("SELECT edges FROM entities").fetchall()
    assert json.loads(edges) == [
        ["component:default/a", "ownedBy", "group:default/g"],
        ["component:default/a", "partOf", "system:default/s"],
    ]


def _upgrade_to(url: str, revision: str) -> None:
    config = Config()
    config.set_main_option("script_location", str(Path(module.__file__).parent / "migrations"))
    engine = create_engine(driver_url(url), poolclass=pool.NullPool)
    with engine.begin() as connection:
        config.attributes["connection"] = connection
        upgrade(config, revision)


def test_head_is_that_of_the_scripts():
    config = Config()
    folder = Path(module.__file__).parent / "migrations"
    config.set_main_option("script_location", str(folder))
    assert ScriptDirectory.from_config(config).get_heads() == [HEAD]


def test_the_migrated_schema_is_that_of_the_tables(engine_url):
    engine = create_engine(driver_url(engine_url), poolclass=pool.NullPool)
    with engine.connect() as connection:
        context = MigrationContext.configure(
            connection,
            opts={
                "compare_type": True,
                "compare_server_default": True,
                "include_name": lambda name, kind, _: (
                    kind != "table" or not name.startswith("procrastinate_")
                ),
            },
        )
        assert compare_metadata(context, SQLModel.metadata) == []


def test_the_queue_library_has_no_schema_change_without_a_migration_of_ours():
    """A new release of the queue with SQL of its own needs a revision here before it is used."""
    newest = max(path.name for path in Path(SchemaManager.get_migrations_path()).glob("*.sql"))
    assert newest == QUEUE_SCHEMA


def test_a_database_that_does_not_answer_is_unavailable(tmp_path):
    with pytest.raises(Unavailable) as caught:
        migrate(f"postgresql:///nothing?host={tmp_path}")
    assert caught.value.why
