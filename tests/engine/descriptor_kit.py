"""Descriptors as text, and looks into a catalog, for tests of taking them in."""

from __future__ import annotations

import json

from sqlalchemy import select


def component(name, **spec):
    fields = {"type": "service", "lifecycle": "production", "owner": "team-a"} | spec
    lines = "".join(f"  {key}: {json.dumps(value)}\n" for key, value in fields.items())
    return (
        "apiVersion: backstage.io/v1alpha1\nkind: Component\n"
        f"metadata:\n  name: {name}\nspec:\n{lines}"
    )


def location(*targets, name="more", **spec):
    fields = {"targets": list(targets)} | spec
    lines = "".join(f"  {key}: {json.dumps(value)}\n" for key, value in fields.items())
    return (
        "apiVersion: backstage.io/v1alpha1\nkind: Location\n"
        f"metadata:\n  name: {name}\nspec:\n{lines}"
    )


def joined(*documents):
    return "---\n".join(documents).encode()


def names(platform):
    """The names of components in the index."""
    refs = [ref for ref in platform.index._by_ref if ref.startswith("component:")]
    return sorted(ref.rpartition("/")[2] for ref in refs)


async def rows(platform, table):
    async with platform.database.begin() as transaction:
        query = select(table).order_by(*table.primary_key)
        return (await transaction.execute(query)).mappings().all()
