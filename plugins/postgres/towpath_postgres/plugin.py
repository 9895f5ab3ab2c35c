"""The plugin `postgres`: its hooks. They read settings and do nothing else."""

from __future__ import annotations

from collections.abc import Iterable

from towpath_core import hookimpl
from towpath_core.hookspecs import Settings
from towpath_core.provisioning import Offering, Provisioner
from towpath_postgres.offering import database_offering
from towpath_postgres.provisioner import PostgresProvisioner
from towpath_postgres.settings import read_settings

__all__ = ("TOWPATH_SPEC",)

TOWPATH_SPEC = 1


@hookimpl
def towpath_offerings(settings: Settings) -> Iterable[Offering]:
    """Offer `postgres-database`."""
    return [database_offering(read_settings(settings).extensions)]


@hookimpl
def towpath_provisioners(settings: Settings) -> Iterable[Provisioner]:
    """Offer the provisioner `postgres`."""
    return [PostgresProvisioner(read_settings(settings))]
