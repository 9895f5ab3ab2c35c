"""What validation takes and gives, with examples."""

from __future__ import annotations

from towpath_gateway.catalog.wire import CatalogProblemWire
from towpath_gateway.catalog.wire_validation import (
    CheckedWire,
    DescriptorFile,
    ValidateManyBody,
    ValidationWire,
)
from towpath_gateway.openapi.operation import Given, Operation

__all__ = ("VALIDATE_MANY",)

_FILE = "payments/catalog-info.yaml"
_TEXT = """apiVersion: backstage.io/v1alpha1
kind: Component
metadata:
  name: payments
spec:
  type: service
  owner: group:tolls
"""
_PROBLEM = CatalogProblemWire(
    "spec",
    "lifecycle is missing (such as experimental or production)",
    file=_FILE,
    line=5,
    column=1,
    pointer="/spec/lifecycle",
    entity_ref="component:default/payments",
)
_WARNING = CatalogProblemWire(
    "dangling",
    "ownedBy: group:default/tolls is not among what was validated",
    file=_FILE,
    line=7,
    column=3,
    pointer="/spec/owner",
    entity_ref="component:default/payments",
)

VALIDATE_MANY = Operation(
    id="validateDescriptors",
    summary="Validate descriptors together",
    takes=ValidateManyBody,
    request=ValidateManyBody((DescriptorFile(_TEXT, _FILE),)),
    gives=(
        Given(
            type=ValidationWire,
            example=ValidationWire(
                False,
                [CheckedWire(_FILE, [_PROBLEM], [_WARNING], 1, "component:default/payments")],
            ),
            description="What was found of each document; nothing was taken in.",
        ),
    ),
)
