"""The actions `catalog:write` and `catalog:register`."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, Literal

from towpath_backstage.actions.descriptor import to_yaml
from towpath_backstage.actions.inputs import ActionInput, masked, object_schema, read_input
from towpath_backstage.actions.names import check_output, parse_path, show
from towpath_backstage.actions.paths import WorkTree
from towpath_core.entities import check_envelope
from towpath_core.errors import Invalid, NotFound, Place, Problem
from towpath_core.scaffolding import ActionContext, ActionExample

__all__ = ("CatalogRegister", "CatalogWrite")

_SOURCE_TEMPLATE = "backstage.io/source-template"
_DEFAULT_FILE = "catalog-info.yaml"
_DEFAULT_PATH = f"/{_DEFAULT_FILE}"

_WRITE_INPUT = object_schema(
    {
        "filePath": {
            "type": "string",
            "default": _DEFAULT_FILE,
            "description": "File of the workspace to write.",
        },
        "entity": {
            "type": "object",
            "description": "The entity, in the form of a descriptor file.",
        },
    },
    ("entity",),
)
_WRITE_OUTPUT = object_schema({})
_WRITE_EXAMPLES = (
    ActionExample(
        "Write the descriptor of a component.",
        "steps:\n"
        "  - action: catalog:write\n"
        "    id: write\n"
        "    input:\n"
        "      entity:\n"
        "        apiVersion: backstage.io/v1alpha1\n"
        "        kind: Component\n"
        "        metadata:\n"
        "          name: ${{ parameters.name }}\n"
        "        spec:\n"
        "          type: service\n"
        "          lifecycle: production\n"
        "          owner: ${{ parameters.owner }}\n",
    ),
    ActionExample(
        "Write to another file.",
        "steps:\n"
        "  - action: catalog:write\n"
        "    id: write\n"
        "    input:\n"
        "      filePath: .backstage/catalog-info.yaml\n"
        "      entity:\n"
        "        apiVersion: backstage.io/v1alpha1\n"
        "        kind: System\n"
        "        metadata:\n"
        "          name: payments\n"
        "        spec:\n"
        "          owner: group:default/payments\n",
    ),
)

_REGISTER_INPUT = object_schema(
    {
        "catalogInfoUrl": {
            "type": "string",
            "minLength": 1,
            "description": "Where the descriptor file is.",
        },
        "repoContentsUrl": {
            "type": "string",
            "minLength": 1,
            "description": "Where the files of the repository are, as publishing answered.",
        },
        "catalogInfoPath": {
            "type": "string",
            "default": _DEFAULT_PATH,
            "description": "Path of the descriptor file below repoContentsUrl.",
        },
        "optional": {
            "type": "boolean",
            "default": False,
            "description": "Whether the file may be missing.",
        },
    }
)
_REGISTER_INPUT["anyOf"] = [{"required": ["catalogInfoUrl"]}, {"required": ["repoContentsUrl"]}]
_REGISTER_OUTPUT = object_schema(
    {
        "catalogInfoUrl": {
            "type": "string",
            "description": "Where the registered descriptor file is.",
        },
        "entityRef": {
            "type": "string",
            "description": "Reference of the entity it gave, of the main one where it gave many.",
        },
    },
    ("catalogInfoUrl",),
)
_REGISTER_EXAMPLES = (
    ActionExample(
        "Register what was published.",
        "steps:\n"
        "  - action: catalog:register\n"
        "    id: register\n"
        "    input:\n"
        "      repoContentsUrl: ${{ steps.publish.output.repoContentsUrl }}\n"
        "      catalogInfoPath: /catalog-info.yaml\n",
    ),
    ActionExample(
        "Register a descriptor that lies elsewhere.",
        "steps:\n"
        "  - action: catalog:register\n"
        "    id: register\n"
        "    input:\n"
        "      catalogInfoUrl: https://git.example.com/acme/shop/-/blob/main/catalog-info.yaml\n",
    ),
)


class _WriteInput(ActionInput, frozen=True):
    entity: dict[str, Any]
    file_path: str = _DEFAULT_FILE


class _RegisterInput(ActionInput, frozen=True):
    catalog_info_url: str = ""
    repo_contents_url: str = ""
    catalog_info_path: str = _DEFAULT_PATH
    optional: bool = False


class CatalogWrite:
    """Writes a descriptor file, in place of one that is there. Repeating it is harmless."""

    id = "catalog:write"
    description = "Writes an entity into a descriptor file of the workspace."
    input_schema: dict[str, Any] = _WRITE_INPUT
    output_schema: dict[str, Any] = _WRITE_OUTPUT
    effect: Literal["pure", "workspace", "external"] = "workspace"
    examples: tuple[ActionExample, ...] = _WRITE_EXAMPLES

    def run(self, input: dict[str, Any], context: ActionContext) -> Mapping[str, Any]:
        """Add the annotation that names the template, and write the file.

        What the catalog would refuse is written all the same, with a warning in the log.

        Raises:
            Invalid: the path leaves the workspace, or there is no place for the annotation.
        """
        given = read_input(_WriteInput, input)
        place = Place(pointer="/filePath")
        path = parse_path(given.file_path, place)
        check_output(path, place)
        if not path:
            message = "filePath must name a file."
            raise Invalid(message, problems=[Problem("path", message, place)])
        entity = _annotated(given.entity, context.template_ref)
        content = to_yaml(entity).encode()
        for problem in check_envelope(entity):
            context.log(f"The catalog will refuse {show(path)}: {problem}", level="warning")
        with WorkTree(context.workspace) as tree:
            tree.write(path, content)
        context.log(f"Wrote {show(path)}.")
        return {}


def _annotated(entity: dict[str, Any], template_ref: str) -> dict[str, Any]:
    """A copy with the annotation; the order of all else is kept."""
    if not template_ref:
        return entity
    metadata = _mapping(entity, "metadata", "/entity/metadata")
    annotations = _mapping(metadata, "annotations", "/entity/metadata/annotations")
    annotations = {**annotations, _SOURCE_TEMPLATE: template_ref}
    return {**entity, "metadata": {**metadata, "annotations": annotations}}


def _mapping(owner: dict[str, Any], key: str, pointer: str) -> dict[str, Any]:
    found = owner.get(key)
    if found is None:
        return {}
    if not isinstance(found, dict):
        message = f"{key} must be a mapping."
        raise Invalid(message, problems=[Problem("input", message, Place(pointer=pointer))])
    return found


class CatalogRegister:
    """Registers a location; the platform sees to it that doing so again changes nothing."""

    id = "catalog:register"
    description = "Registers a descriptor file in the catalog and reads it at once."
    input_schema: dict[str, Any] = _REGISTER_INPUT
    output_schema: dict[str, Any] = _REGISTER_OUTPUT
    effect: Literal["pure", "workspace", "external"] = "external"
    examples: tuple[ActionExample, ...] = _REGISTER_EXAMPLES

    def run(self, input: dict[str, Any], context: ActionContext) -> Mapping[str, Any]:
        """Register the target; in a dry run only say which it would be.

        Returns:
            `catalogInfoUrl`; and `entityRef` where the file gave an entity.

        Raises:
            Invalid: the descriptor is wrong, or no target was given.
            NotFound: there is no such file, and it is not optional.
        """
        given = read_input(_RegisterInput, input)
        target = _target(given)
        if context.dry_run:
            context.log(f"Would register {masked(target)}.")
            return {"catalogInfoUrl": target}
        try:
            registration = context.register(target, optional=given.optional)
        except NotFound as error:
            if not given.optional:
                raise
            context.log(f"Nothing to register: {error.what}", level="warning")
            return {"catalogInfoUrl": target}
        outputs = {"catalogInfoUrl": target}
        if registration.entity_refs:
            outputs["entityRef"] = registration.entity_refs[0]
        context.log(f"Registered {masked(target)}: {', '.join(registration.entity_refs) or '-'}.")
        return outputs


def _target(given: _RegisterInput) -> str:
    if given.catalog_info_url:
        return given.catalog_info_url
    if not given.repo_contents_url:
        message = "One of catalogInfoUrl and repoContentsUrl is needed."
        raise Invalid(message, problems=[Problem("input", message, Place(pointer=""))])
    # Not by urllib: it drops the slashes of schemes that it does not know.
    query = re.search("[?#]", given.repo_contents_url)
    end = query.start() if query else len(given.repo_contents_url)
    base, rest = given.repo_contents_url[:end], given.repo_contents_url[end:]
    return f"{base.rstrip('/')}/{given.catalog_info_path.lstrip('/')}{rest}"
