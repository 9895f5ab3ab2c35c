"""What the tests of the guest share: a folder for databases, and requests for them."""

from __future__ import annotations

import uuid
from pathlib import Path
from typing import Any

import pytest

from towpath_core.provisioning import PlanRequest, ResourceHandle
from towpath_sqlite.provisioner import SqliteProvisioner


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "databases"


@pytest.fixture
def backend(folder: Path) -> SqliteProvisioner:
    return SqliteProvisioner(folder)


@pytest.fixture
def ask():
    """Make requests for databases, each a resource of its own unless an id is given."""

    def ask(name: str = "Shop orders", resource_id: str = "", **parameters: Any) -> PlanRequest:
        wish = {"max_size_mib": 64, "journal_mode": "wal", **parameters}
        id = resource_id or str(uuid.uuid4())
        return PlanRequest(id, name, "sqlite-database", wish, "group:default/shop")

    return ask


@pytest.fixture
def handle():
    """Make the handle of a request, with no state: the guest needs none."""

    def handle(request: PlanRequest) -> ResourceHandle:
        return ResourceHandle(
            request.resource_id,
            request.name,
            request.offering,
            request.parameters,
            request.owner_ref,
        )

    return handle
