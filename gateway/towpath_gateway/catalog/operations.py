"""What the catalog's operations take and give, with examples."""

from __future__ import annotations

from datetime import UTC, datetime
from uuid import UUID

from towpath_gateway.catalog.wire import (
    ByQueryBody,
    ByRefsBody,
    CatalogProblemWire,
    EntitiesWire,
    EntityPage,
    EntityWire,
    FacetsBody,
    FacetsWire,
    FacetValueWire,
    FullText,
    LocationAnswer,
    LocationBody,
    LocationInput,
    LocationMade,
    LocationWire,
    OrderBody,
    PageInfo,
    RefreshBody,
    RegisterBody,
    RelationWire,
)
from towpath_gateway.openapi.operation import Given, Operation
from towpath_gateway.wire import Page

_LOCATION_ID = UUID("019aaf3c-54c8-7d2e-9c8b-6a1f0b7d2e41")
_URL = "https://git.example.com/canal/payments/blob/main/catalog-info.yaml"

EXAMPLE_ENTITY = EntityWire(
    api_version="backstage.io/v1alpha1",
    kind="Component",
    metadata={
        "name": "payments",
        "namespace": "default",
        "uid": "019aaf3c-5f0b-7c55-b1c5-0f6ad1d8a3f7",
        "etag": "5d2a3c8e9b7f4e1d0c6b5a4938271605f4e3d2c1",
        "description": "Takes the tolls.",
        "annotations": {"backstage.io/managed-by-location": f"url:{_URL}"},
        "tags": ["python"],
    },
    spec={"type": "service", "lifecycle": "production", "owner": "group:tolls"},
    relations=[RelationWire("ownedBy", "group:default/tolls")],
)
_PAGE = EntityPage(
    [EXAMPLE_ENTITY], 61, PageInfo(next_cursor="bWFjLi4ueyJvcmRlciI6Im1ldGFkYXRhLnVpZCJ9")
)
_FACETS = FacetsWire({"spec.type": [FacetValueWire("library", 4), FacetValueWire("service", 19)]})
_PREDICATE = {"$all": [{"kind": "component"}, {"$not": {"spec.lifecycle": "deprecated"}}]}
EXAMPLE_LOCATION = LocationWire(
    str(_LOCATION_ID),
    "url",
    _URL,
    "location:default/generated-2f0a1f6f2a9f7f3f5a0f2a7b9c8d7e6f5a4b3c2d",
)
_PROBLEM = CatalogProblemWire(
    code="field",
    message="metadata.name must be 1 to 63 letters, digits, '-', '_' or '.'",
    file=_URL,
    line=13,
    column=9,
    pointer="/metadata/name",
)
_ANSWER = LocationAnswer(
    _LOCATION_ID, "url", _URL, True, ["component:default/payments"], [_PROBLEM]
)
_STORED = CatalogProblemWire(
    code=_PROBLEM.code,
    message=_PROBLEM.message,
    file=_PROBLEM.file,
    line=_PROBLEM.line,
    column=_PROBLEM.column,
    pointer=_PROBLEM.pointer,
    location_id=_LOCATION_ID,
    at=datetime(2026, 11, 23, 9, 30, tzinfo=UTC),
)
_GONE = Given(status=204, description="It is not there any more.")
_ONE_ENTITY = (Given(type=EntityWire, example=EXAMPLE_ENTITY, description="The entity."),)
_ONE_PAGE = (Given(type=EntityPage, example=_PAGE, description="A page of entities."),)
_COUNTS = (Given(type=FacetsWire, example=_FACETS, description="Values with their counts."),)
_ONE_LOCATION = (Given(type=LocationWire, example=EXAMPLE_LOCATION, description="The location."),)

LIST_ENTITIES = Operation(
    id="listEntities",
    summary="List entities",
    gives=(
        Given(
            type=list[EntityWire],
            example=[EXAMPLE_ENTITY],
            description="Entities, ordered by their reference where nothing else is asked for.",
            headers={"Link": 'The next page, below `/api/catalog`: `</entities?...>; rel="next"`.'},
        ),
    ),
)
QUERY_ENTITIES = Operation(id="queryEntities", summary="Query entities", gives=_ONE_PAGE)
QUERY_ENTITIES_BY_PREDICATE = Operation(
    id="queryEntitiesByPredicate",
    summary="Query entities by predicate",
    takes=ByQueryBody,
    optional=True,
    request=ByQueryBody(
        limit=20,
        query=_PREDICATE,
        order_by=(OrderBody("metadata.name"),),
        full_text_filter=FullText("pay", ("metadata.name",)),
    ),
    gives=_ONE_PAGE,
)
GET_ENTITY_BY_UID = Operation(
    id="getEntityByUid", summary="Get an entity by its uid", gives=_ONE_ENTITY, errors=(404,)
)
DELETE_ENTITY = Operation(
    id="deleteEntity", summary="Remove an entity", gives=(_GONE,), errors=(409,)
)
GET_ENTITY_BY_NAME = Operation(
    id="getEntityByName", summary="Get an entity by its name", gives=_ONE_ENTITY, errors=(404,)
)
GET_ENTITIES_BY_REFS = Operation(
    id="getEntitiesByRefs",
    summary="Get entities by their refs",
    takes=ByRefsBody,
    request=ByRefsBody(("component:default/payments", "component:default/gone")),
    gives=(
        Given(
            type=EntitiesWire,
            example=EntitiesWire([EXAMPLE_ENTITY, None]),
            description="An item for each reference.",
        ),
    ),
    errors=(422,),
)
GET_FACETS = Operation(id="getFacets", summary="Count the values of fields", gives=_COUNTS)
GET_FACETS_BY_PREDICATE = Operation(
    id="getFacetsByPredicate",
    summary="Count by predicate",
    takes=FacetsBody,
    request=FacetsBody(("spec.type",), _PREDICATE),
    gives=_COUNTS,
)
REFRESH_ENTITY = Operation(
    id="refreshEntity",
    summary="Read an entity's location again",
    takes=RefreshBody,
    request=RefreshBody("component:default/payments"),
    gives=(Given(description="It is current. The body is empty."),),
    errors=(404, 502, 503),
)
LIST_LOCATIONS = Operation(
    id="listLocations",
    summary="List locations",
    gives=(
        Given(
            type=list[LocationBody],
            example=[LocationBody(EXAMPLE_LOCATION)],
            description="All locations, ordered by id.",
        ),
    ),
)
ADD_LOCATION = Operation(
    id="addLocation",
    summary="Register a location",
    takes=LocationInput,
    request=LocationInput("url", _URL),
    gives=(
        Given(
            status=201,
            type=LocationMade,
            example=LocationMade(EXAMPLE_LOCATION, []),
            description="The location; for a dry run also what it holds.",
        ),
    ),
    errors=(409, 502, 503),
)
GET_LOCATION = Operation(
    id="getLocation", summary="Get a location", gives=_ONE_LOCATION, errors=(404,)
)
DELETE_LOCATION = Operation(
    id="deleteLocation", summary="Remove a location", gives=(_GONE,), errors=(404,)
)
GET_LOCATION_BY_ENTITY = Operation(
    id="getLocationByEntity",
    summary="Get the location of an entity",
    gives=_ONE_LOCATION,
    errors=(404,),
)
REGISTER_LOCATION = Operation(
    id="registerLocation",
    summary="Register or re-read a location",
    takes=RegisterBody,
    request=RegisterBody(_URL, "url"),
    gives=(
        Given(
            status=201,
            type=LocationAnswer,
            example=_ANSWER,
            description="A new location: what it holds, and what is wrong with it.",
        ),
        Given(
            type=LocationAnswer,
            example=LocationAnswer(
                _LOCATION_ID, "url", _URL, False, ["component:default/payments"], []
            ),
            description="A location that was known, read again.",
        ),
    ),
    errors=(409, 502, 503),
)
REFRESH_LOCATION = Operation(
    id="refreshLocation",
    summary="Read a location again",
    gives=(Given(type=LocationAnswer, example=_ANSWER, description="What was found now."),),
    errors=(404, 409, 502, 503),
)
LIST_PROBLEMS = Operation(
    id="listProblems",
    summary="List what is wrong with descriptors",
    gives=(
        Given(
            type=Page[CatalogProblemWire],
            example=Page([_STORED], "4711"),
            description="A page of problems, each with its place.",
        ),
    ),
    errors=(404,),
)
