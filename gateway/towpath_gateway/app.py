"""Puts the HTTP application together: routes of all domains over one platform."""

from __future__ import annotations

from typing import Any

from litestar import Litestar
from litestar.datastructures import State
from litestar.middleware import DefineMiddleware
from litestar.types import ASGIApp

from towpath_engine.platform import Platform
from towpath_gateway.ask import Ask, Demo, Served
from towpath_gateway.auth.chain import Chain, TokenAuthenticator
from towpath_gateway.auth.entry import Entry
from towpath_gateway.catalog.analysis import AnalysisController
from towpath_gateway.catalog.ancestry import AncestryController
from towpath_gateway.catalog.declared import DeclaredController
from towpath_gateway.catalog.document import CatalogDocumentController
from towpath_gateway.catalog.entities import EntityController
from towpath_gateway.catalog.history import HistoryController
from towpath_gateway.catalog.keeping import LocationKeepingController
from towpath_gateway.catalog.locations import LocationController
from towpath_gateway.catalog.reasons import ReasonController
from towpath_gateway.catalog.sets import SetController
from towpath_gateway.catalog.short import ShortWay
from towpath_gateway.catalog.v1 import CatalogV1Controller
from towpath_gateway.catalog.validation import ValidationController
from towpath_gateway.catalog.watch import WatchController
from towpath_gateway.gate import Gate
from towpath_gateway.metrics.routes import MetricsController
from towpath_gateway.parameters import accept_queries
from towpath_gateway.platform.routes import (
    HealthController,
    PlatformController,
    TokenController,
)
from towpath_gateway.problems import answer_error
from towpath_gateway.provisioning.routes import (
    BindingController,
    OfferingController,
    PlanController,
    ResourceController,
)
from towpath_gateway.routing import tell_methods
from towpath_gateway.runs.approvals import RunApprovalController
from towpath_gateway.runs.collection import RunCollectionController, RunKindController
from towpath_gateway.runs.control import RunControlController
from towpath_gateway.runs.log import RunLogController
from towpath_gateway.runs.routes import RunController
from towpath_gateway.runs.schedules import ScheduleController
from towpath_gateway.scaffolder.routes import ScaffolderController

__all__ = ("Application", "create_app", "routes_alone")

_CONTROLLERS = (
    EntityController,
    LocationController,
    AncestryController,
    AnalysisController,
    CatalogDocumentController,
    CatalogV1Controller,
    ValidationController,
    DeclaredController,
    SetController,
    HistoryController,
    WatchController,
    LocationKeepingController,
    ReasonController,
    ScaffolderController,
    RunController,
    RunLogController,
    RunControlController,
    RunApprovalController,
    RunCollectionController,
    RunKindController,
    ScheduleController,
    OfferingController,
    PlanController,
    ResourceController,
    BindingController,
    PlatformController,
    TokenController,
    HealthController,
    MetricsController,
)


class Application(Gate):
    """The application over an open platform, which stays open as long as it serves."""

    def __init__(self, app: ASGIApp, served: Served) -> None:
        super().__init__(ShortWay(app, served))
        self._served = served

    def close(self) -> None:
        """End the streams, which would go on as long as their runs; other requests end soon."""
        self._served.closing.set()


def create_app(platform: Platform, *, demo: Demo | None = None) -> Application:
    """The application over an open platform.

    Args:
        platform: stays open as long as the application serves.
        demo: where the demo is, when it can be read.
    """
    chain = Chain((TokenAuthenticator(platform.tokens),))
    served = Served(platform, chain, demo)
    handlers: dict[Any, Any] = {Exception: answer_error}
    app = Litestar(
        route_handlers=_CONTROLLERS,
        request_class=Ask,
        middleware=[DefineMiddleware(Entry, chain=chain)],
        exception_handlers=handlers,
        openapi_config=None,
        # Errors are logged where they are answered.
        logging_config=None,
        state=State({"served": served}, deep_copy=False),
        debug=False,
    )
    accept_queries(app)
    tell_methods(app)
    return Application(app, served)


def routes_alone() -> Litestar:
    """The routes without a platform: enough to describe them, too little to answer."""
    return Litestar(
        route_handlers=_CONTROLLERS, request_class=Ask, openapi_config=None, logging_config=None
    )
