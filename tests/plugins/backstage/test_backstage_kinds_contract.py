"""Backstage's kinds keep to the contract of kinds."""

from __future__ import annotations

import pytest

from towpath_backstage.kinds import KINDS, DeclaredKind
from towpath_core.entities import Entity
from towpath_core.testing import EntityKindContract

BY_NAME = {kind.name: kind for kind in KINDS}


class TestComponent(EntityKindContract):
    @pytest.fixture
    def kind(self) -> DeclaredKind:
        return BY_NAME["Component"]

    @pytest.fixture
    def good(self) -> Entity:
        spec = {
            "type": "service",
            "lifecycle": "production",
            "owner": "Team-A",
            "system": "shop",
            "subcomponentOf": "store",
            "providesApis": ["a", "A"],
            "consumesApis": ["ns/b"],
            "dependsOn": ["resource:db"],
            "dependencyOf": ["component:c"],
        }
        return Entity("backstage.io/v1alpha1", "Component", {"name": "x"}, spec)

    @pytest.fixture
    def bad(self, good: Entity) -> list[Entity]:
        specs = ({}, {**good.spec, "owner": ":"}, {**good.spec, "dependsOn": ["db"]})
        return [Entity(good.api_version, good.kind, good.metadata, spec) for spec in specs]


class TestTemplate(EntityKindContract):
    @pytest.fixture
    def kind(self) -> DeclaredKind:
        return BY_NAME["Template"]

    @pytest.fixture
    def good(self) -> Entity:
        spec = {
            "type": "service",
            "owner": "user:Ada",
            "parameters": [{"title": "t"}],
            "steps": [{"action": "debug:log", "input": {}, "if": True}],
            "output": {"links": [{"url": "u"}], "text": []},
        }
        return Entity("scaffolder.backstage.io/v1beta3", "Template", {"name": "x"}, spec)
