"""Killed in the middle of taking a location in: what was there before is there, whole."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import psycopg
import pytest
from descriptor_kit import component, joined, names, rows
from engine_kit import ADA, load_host, platform_of, until

from towpath_engine.catalog.tables import (
    CONFLICTS,
    ENTITIES,
    FILES,
    LOCATIONS,
    PROBLEMS,
    REVISIONS,
    TOMBSTONES,
)

pytestmark = pytest.mark.anyio

TABLES = (LOCATIONS, ENTITIES, REVISIONS, FILES, TOMBSTONES, CONFLICTS, PROBLEMS)
WORKER = Path(__file__).with_name("crash_ingest.py")
WAITING = "SELECT 1 FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND datname = %s"


def write(folder, *, generation):
    many = [component(f"c{n}", note=f"{generation}") for n in range(300) if n or generation == 1]
    new = [component(f"g{generation}-{n}") for n in range(300)] if generation == 2 else []
    (folder / "all.yaml").write_bytes(joined(*many, *new))


@pytest.mark.parametrize(
    "stage", ["entities", "entity_revisions", "catalog_tombstones", "catalog_problems"]
)
async def test_killed_while_it_is_written(engine_url, tmp_path, stage):
    settings = {"backstage": {"roots": [str(tmp_path)]}}
    write(tmp_path, generation=1)
    host = load_host(installed=["backstage"], settings=settings)
    async with platform_of(host, engine_url, tmp_path) as platform:
        await platform.catalog.register(ADA, "file", f"{tmp_path}/*.yaml")
        before = {table.name: await rows(platform, table) for table in TABLES}
        write(tmp_path, generation=2)
        with psycopg.connect(engine_url) as blocker:
            blocker.execute(f"LOCK TABLE {stage} IN EXCLUSIVE MODE")
            child = subprocess.Popen(
                [sys.executable, str(WORKER), engine_url, str(tmp_path)],
                stdout=subprocess.DEVNULL,
            )
            with psycopg.connect(engine_url, autocommit=True) as watcher:
                name = watcher.info.dbname
                try:
                    # It has got as far as this table, and waits there with all it has written.
                    await until(lambda: watcher.execute(WAITING, [name]).fetchone(), seconds=60)
                finally:
                    child.kill()
                    child.wait(60)
            blocker.rollback()
        await platform.feed.catch_up()
        assert {table.name: await rows(platform, table) for table in TABLES} == before
        assert len(names(platform)) == 300
        # Nothing holds up who comes next.
        report = await platform.catalog.register(ADA, "file", f"{tmp_path}/*.yaml", again=True)
        assert (len(report.outcome.added), len(report.outcome.deleted)) == (300, 1)
        assert len(names(platform)) == 599
