"""What the operations beyond plain reads and registration take and give, with examples."""

from __future__ import annotations

from typing import Any

from towpath_gateway.catalog.operations import EXAMPLE_ENTITY, EXAMPLE_LOCATION
from towpath_gateway.catalog.wire import LocationWire
from towpath_gateway.catalog.wire_contract import (
    AnalysisWire,
    AnalyzeBody,
    AncestorWire,
    AncestryWire,
    EntityFault,
    EntityFaults,
    LocationPageWire,
    LocationQueryBody,
    LocationSpec,
    NextPage,
    SuggestedFieldWire,
    SuggestionWire,
    ValidateBody,
)
from towpath_gateway.openapi.operation import Given, Operation

_PARENT = "location:default/canal"
_REPOSITORY = "https://git.example.com/canal/payments"
_SUGGESTION = SuggestionWire(
    {
        "apiVersion": "backstage.io/v1alpha1",
        "kind": "Component",
        "metadata": {"name": "payments"},
        "spec": {"type": "other", "lifecycle": "unknown"},
    },
    [
        SuggestedFieldWire(
            "spec.owner", "needsUserInput", None, "The group or user that it belongs to."
        )
    ],
)
_ENTITY = {
    "apiVersion": "backstage.io/v1alpha1",
    "kind": "Component",
    "metadata": {"name": "payments"},
    "spec": {"type": "service", "lifecycle": "production", "owner": "group:tolls"},
}

GET_ANCESTRY = Operation(
    id="getEntityAncestryByName",
    summary="Get the ancestors of an entity",
    gives=(
        Given(
            type=AncestryWire,
            example=AncestryWire(
                "component:default/payments", [AncestorWire(EXAMPLE_ENTITY, [_PARENT])]
            ),
            description="The entity and its ancestors.",
        ),
    ),
    errors=(404,),
)
QUERY_LOCATIONS = Operation(
    id="queryLocations",
    summary="Query locations by predicate",
    takes=LocationQueryBody,
    optional=True,
    request=LocationQueryBody(limit=20, query={"target": {"$hasPrefix": "https://git."}}),
    gives=(
        Given(
            type=LocationPageWire,
            example=LocationPageWire([EXAMPLE_LOCATION], 1, NextPage()),
            description="A page of locations.",
        ),
    ),
)
CHANGE_LOCATION = Operation(
    id="updateLocation",
    summary="Point a location somewhere else",
    takes=LocationSpec,
    request=LocationSpec("url", f"{_REPOSITORY}/blob/main/catalog-info.yaml"),
    gives=(
        Given(type=LocationWire, example=EXAMPLE_LOCATION, description="The location as it is."),
    ),
    errors=(404, 409, 502, 503),
)
VALIDATE_ENTITY = Operation(
    id="validateEntity",
    summary="Check an entity",
    takes=ValidateBody,
    request=ValidateBody(_ENTITY, f"url:{_REPOSITORY}/blob/main/catalog-info.yaml"),
    gives=(
        Given(description="It would be taken. The body is empty."),
        Given(
            status=400,
            type=EntityFaults,
            example=EntityFaults(
                [EntityFault("InputError", "/spec/owner: owner is missing", "field", "/spec/owner")]
            ),
            description="It would not be taken, and why.",
        ),
    ),
)
ANALYZE_LOCATION = Operation(
    id="analyzeLocation",
    summary="Look at what an address holds",
    takes=AnalyzeBody,
    request=AnalyzeBody(LocationSpec("url", _REPOSITORY)),
    gives=(
        Given(
            type=AnalysisWire,
            example=AnalysisWire([], [_SUGGESTION]),
            description="The entities there; where there are none, what one could look like.",
        ),
    ),
)
GET_CATALOG_DOCUMENT = Operation(
    id="getCatalogOpenApi",
    summary="Get the OpenAPI document of the catalog",
    gives=(
        Given(
            type=dict[str, Any],
            example={"openapi": "3.1.0", "info": {"title": "Towpath"}},
            description="An OpenAPI 3.1 document.",
        ),
    ),
)
