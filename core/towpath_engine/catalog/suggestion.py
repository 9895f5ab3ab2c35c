"""The entity that a place could have, guessed from its address."""

from __future__ import annotations

import re
from typing import Any, Literal

import msgspec

__all__ = ("SuggestedField", "Suggestion", "suggest")

State = Literal["analysisSuggestedValue", "analysisSuggestedNoValue", "needsUserInput"]

_SLUGS = {
    "github.com": "github.com/project-slug",
    "gitlab.com": "gitlab.com/project-slug",
    "bitbucket.org": "bitbucket.org/project-slug",
    "dev.azure.com": "dev.azure.com/project-slug",
}
"""The annotation that names a repository, by the host it is on."""

_NOT_IN_NAMES = re.compile(r"[^A-Za-z0-9_.-]+")
_MAX_NAME = 63


class SuggestedField(msgspec.Struct, frozen=True):
    """A field of a suggestion, where its value comes from, and what to tell its author."""

    field: str
    state: State
    value: str | None
    description: str


class Suggestion(msgspec.Struct, frozen=True):
    """An entity as JSON data that is not whole yet, and what is known of its fields."""

    entity: dict[str, Any]
    fields: list[SuggestedField]


def suggest(host: str, path: str) -> Suggestion:
    """A Component for the repository at an address; whose it is, its author must say."""
    owner, repository = _repository(path)
    name = _NOT_IN_NAMES.sub("-", repository).strip("-_.")[:_MAX_NAME].rstrip("-_.")
    metadata: dict[str, Any] = {"name": name} if name else {}
    if (annotation := _SLUGS.get(host.lower())) and owner and repository:
        metadata["annotations"] = {annotation: f"{owner}/{repository}"}
    named = SuggestedField(
        "metadata.name",
        "analysisSuggestedValue" if name else "needsUserInput",
        name or None,
        "The name of the repository." if name else "The address has no name in it.",
    )
    return Suggestion(
        {
            "apiVersion": "backstage.io/v1alpha1",
            "kind": "Component",
            "metadata": metadata,
            "spec": {"type": "other", "lifecycle": "unknown"},
        },
        [
            named,
            SuggestedField(
                "spec.type", "analysisSuggestedValue", "other", "Such as service or library."
            ),
            SuggestedField(
                "spec.lifecycle", "analysisSuggestedValue", "unknown", "Such as production."
            ),
            SuggestedField(
                "spec.owner", "needsUserInput", None, "The group or user that it belongs to."
            ),
        ],
    )


def _repository(path: str) -> tuple[str, str]:
    """Owner and name of the repository that the path of an address begins with."""
    # What follows names a branch and a file in it.
    plain = re.split(r"/(?:-|blob|tree|raw|src)/", f"{path}/", maxsplit=1)[0]
    parts = [part for part in plain.split("/") if part]
    name = parts[-1].removesuffix(".git") if parts else ""
    return (parts[-2] if len(parts) > 1 else ""), name
