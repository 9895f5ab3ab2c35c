"""The client of a Towpath platform, in two twins: `Platform`, and `AsyncPlatform` that awaits.

    from towpath_sdk import Platform

    with Platform.from_env() as platform:
        for entity in platform.entities.list(filter="kind=component"):
            print(entity.ref, entity.spec.get("owner"))

Needs httpx and msgspec, and nothing else of Towpath. All that is public is in this module.
"""

from towpath_sdk._async.client import AsyncPlatform
from towpath_sdk._logins import Login, Logins, find_login, logins_path
from towpath_sdk._sync.client import Platform
from towpath_sdk._wire.entities import (
    Entity,
    EntityStatus,
    Facet,
    Location,
    LocationProblem,
    LocationReport,
    Relation,
    StatusItem,
)
from towpath_sdk._wire.errors import (
    ApiError,
    BadArgument,
    ConfigurationError,
    Conflict,
    Forbidden,
    Gone,
    Invalid,
    NotFound,
    PlanStale,
    PlatformError,
    Problem,
    RateLimited,
    RunFailed,
    TransportFailed,
    Unauthorized,
    Unavailable,
    UnexpectedAnswer,
    WaitTimeout,
)
from towpath_sdk._wire.pages import Page
from towpath_sdk._wire.platform import (
    Health,
    Info,
    NewToken,
    Plugin,
    PluginState,
    Principal,
    Readiness,
    Token,
)
from towpath_sdk._wire.provisioning import (
    Binding,
    BindingRun,
    Change,
    Credentials,
    Offering,
    Output,
    Plan,
    Resource,
    ResourceRun,
    Size,
    UnbindRun,
)
from towpath_sdk._wire.query import Filter
from towpath_sdk._wire.refs import EntityRef, parse_ref
from towpath_sdk._wire.retry import Backoff
from towpath_sdk._wire.runs import Event, Run, RunError, Step
from towpath_sdk._wire.templates import Action, ActionSchema, TemplatePage, TemplateSchema
from towpath_sdk._wire.watching import EntityEvent
from towpath_sdk._wire.writes import (
    AppliedSet,
    DeclaredEntity,
    EntityHolder,
    EntityReturn,
    EntityRevision,
    EntitySet,
    FieldDifference,
    RemovedEntity,
    SetConflict,
    TaggedEntity,
)

__all__ = (
    "Action",
    "ActionSchema",
    "ApiError",
    "AppliedSet",
    "AsyncPlatform",
    "Backoff",
    "BadArgument",
    "Binding",
    "BindingRun",
    "Change",
    "ConfigurationError",
    "Conflict",
    "Credentials",
    "DeclaredEntity",
    "Entity",
    "EntityEvent",
    "EntityHolder",
    "EntityRef",
    "EntityReturn",
    "EntityRevision",
    "EntitySet",
    "EntityStatus",
    "Event",
    "Facet",
    "FieldDifference",
    "Filter",
    "Forbidden",
    "Gone",
    "Health",
    "Info",
    "Invalid",
    "Location",
    "LocationProblem",
    "LocationReport",
    "Login",
    "Logins",
    "NewToken",
    "NotFound",
    "Offering",
    "Output",
    "Page",
    "Plan",
    "PlanStale",
    "Platform",
    "PlatformError",
    "Plugin",
    "PluginState",
    "Principal",
    "Problem",
    "RateLimited",
    "Readiness",
    "Relation",
    "RemovedEntity",
    "Resource",
    "ResourceRun",
    "Run",
    "RunError",
    "RunFailed",
    "SetConflict",
    "Size",
    "StatusItem",
    "Step",
    "TaggedEntity",
    "TemplatePage",
    "TemplateSchema",
    "Token",
    "TransportFailed",
    "Unauthorized",
    "Unavailable",
    "UnbindRun",
    "UnexpectedAnswer",
    "WaitTimeout",
    "find_login",
    "logins_path",
    "parse_ref",
)
