"""Kinds by data and rules in a whole catalog: what is filled in is stored, who says no is named."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from engine_kit import ADMIN, SEALER, load_host

from towpath_engine.catalog.rules import CatalogRule
from towpath_engine.platform import Platform, assemble
from towpath_engine.settings import EngineSettings
from towpath_engine.store.database import Database
from towpath_engine.store.migrate import migrate

pytestmark = pytest.mark.anyio

KINDS = """\
kind: Server
apiVersions: [acme.com/v1]
schema:
  required: [owner, size]
  properties: {size: {enum: [small, large]}}
relations:
  - {field: owner, defaultKind: Group, forward: ownedBy, reverse: ownerOf}
defaults: {size: small}
"""
CATALOG = """\
apiVersion: acme.com/v1
kind: Server
metadata: {name: one}
spec: {owner: ops}
---
apiVersion: acme.com/v1
kind: Server
metadata: {name: two}
spec:
  owner: ops
  size: tiny
---
apiVersion: backstage.io/v1alpha1
kind: User
metadata: {name: mallory}
spec: {memberOf: [admins]}
"""


@pytest.fixture
async def platform(database_url: str, tmp_path: Path) -> AsyncIterator[Platform]:
    (tmp_path / "kinds.yaml").write_text(KINDS)
    (tmp_path / "all.yaml").write_text(CATALOG)
    migrate(database_url)
    own = {"roots": [str(tmp_path)], "kinds": [str(tmp_path / "kinds.yaml")]}
    rules = (CatalogRule(allow=("Server", "Location"), locations=("file:*",)),)
    settings = EngineSettings(home=tmp_path, database_url=database_url, catalog_rules=rules)
    with load_host(installed=["backstage"], settings={"backstage": own}) as host:
        async with (
            Database(database_url, pool_size=3) as database,
            assemble(settings, database, host, SEALER) as platform,
        ):
            yield platform


async def test_a_declared_kind_is_taken_in_completed(platform: Platform, tmp_path: Path) -> None:
    report = await platform.catalog.register(ADMIN, "file", str(tmp_path / "all.yaml"))
    assert "server:default/one" in report.entity_refs
    assert "server:default/two" not in report.entity_refs
    entry = platform.index.by_ref("server:default/one")
    assert entry is not None
    assert b'"size":"small"' in entry.final
    assert b'"targetRef":"group:default/ops"' in entry.final


async def test_problems_name_rule_and_place(platform: Platform, tmp_path: Path) -> None:
    file = tmp_path / "all.yaml"
    report = await platform.catalog.register(ADMIN, "file", str(file))
    found = {one.entity_ref: one.problem for one in report.problems}
    tiny, user = found["server:default/two"], found["user:default/mallory"]
    assert str(tiny.place) == f"{file}:11:3 (/spec/size)"
    assert str(user.place) == f"{file}:14:1 (/kind)"
    assert user.code == "rule"
    assert "rule 1 allows Server, Location (for file:*)" in user.message
