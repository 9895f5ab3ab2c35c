"""The provisioners that come along, through the whole engine: asked for, made, used, removed."""

from __future__ import annotations

import sqlite3
import uuid
from contextlib import asynccontextmanager
from urllib.parse import urlsplit

import psycopg
import pytest
from engine_kit import ADA, FAST, ended, load_host, platform_of, working

pytestmark = pytest.mark.anyio


@asynccontextmanager
async def opened(engine_url, home, name, **settings):
    host = load_host(installed=["backstage", name], settings={name: settings})
    async with (
        platform_of(host, engine_url, home) as platform,
        working(platform.worker(times=FAST)),
    ):
        yield platform


async def made(platform, offering, **options):
    plan = await platform.provisioning.plan(ADA, offering, "orders", {}, **options)
    assert plan.changes[0].action == "create"
    accepted = await platform.provisioning.apply(ADA, plan.id, plan.hash)
    info = await ended(platform, ADA, accepted.run_id)
    assert info.state == "succeeded", info.error
    resource = await platform.provisioning.resource(ADA, accepted.id)
    assert resource.phase == "active"
    return resource


async def bound(platform, resource):
    accepted = await platform.bindings.create(ADA, resource.id, "app")
    info = await ended(platform, ADA, accepted.run_id)
    assert info.state == "succeeded", info.error
    return accepted.id, await platform.bindings.reveal(ADA, accepted.id)


async def finish(platform, accepted):
    assert (await ended(platform, ADA, accepted.run_id)).state == "succeeded"


async def test_a_sqlite_database(engine_url, tmp_path):
    async with opened(engine_url, tmp_path / "h", "sqlite", folder=str(tmp_path)) as platform:
        resource = await made(platform, "sqlite-database", size="medium")
        assert resource.outputs["max_size_mib"] == 1024
        _, credentials = await bound(platform, resource)
        connection = sqlite3.connect(credentials["uri"], uri=True)
        connection.executescript(credentials["setup"])
        connection.execute("CREATE TABLE t (x)")
        connection.commit()
        connection.close()
        assert platform.index.by_ref("resource:default/orders") is not None
        await finish(platform, await platform.provisioning.delete(ADA, resource.id))
        await platform.feed.catch_up()
        assert platform.index.by_ref("resource:default/orders") is None
    assert list(tmp_path.glob("*.sqlite*")) == []


async def test_a_postgres_database(pg_server, engine_url, tmp_path):
    role, password = f"admin_{uuid.uuid4().hex[:8]}", "canary-of-the-admin"
    with psycopg.connect(pg_server.url("postgres"), autocommit=True) as root:
        root.execute(f"CREATE ROLE {role} LOGIN CREATEROLE CREATEDB PASSWORD '{password}'")
        root.execute(f"GRANT CONNECT ON DATABASE postgres TO {role}")
        port = urlsplit(pg_server.admin_url()).port
        url = f"postgresql://{role}:{password}@127.0.0.1:{port}/postgres"
        async with opened(engine_url, tmp_path, "postgres", url=url) as platform:
            resource = await made(platform, "postgres-database")
            assert set(resource.outputs) == {"host", "port", "database"}
            binding, credentials = await bound(platform, resource)
            with psycopg.connect(credentials["uri"]) as connection:
                connection.execute("CREATE TABLE t (x int)")
            async with platform.database.begin() as transaction:
                found = []
                for table in ("runs", "run_steps", "run_events", "resources", "bindings", "audit"):
                    rows = await transaction.exec_driver_sql(f"SELECT t::text FROM {table} t")
                    found += [row[0] for row in rows]
            for secret in (credentials["password"], password):
                assert secret not in "\n".join(found)
            await finish(platform, await platform.bindings.delete(ADA, binding))
            with pytest.raises(psycopg.OperationalError):
                psycopg.connect(credentials["uri"])
            await finish(platform, await platform.provisioning.delete(ADA, resource.id))
            query = "SELECT count(*) FROM pg_database WHERE datname = %s"
            there = root.execute(query, [resource.outputs["database"]]).fetchone()
            assert there == (0,)
        root.execute(f"DROP OWNED BY {role}; DROP ROLE {role}")
