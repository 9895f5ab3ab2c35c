"""The table of kinds: their fields and relations, as Backstage's catalog model has them.

Source of the rules: `@backstage/catalog-model` 1.10 and, for Template,
`@backstage/plugin-scaffolder-common` 2.4. What is good there is good here, and the other way round.
"""

from __future__ import annotations

from towpath_backstage.kinds.ai import ai_resource
from towpath_backstage.kinds.declared import DeclaredKind, Edge, Field
from towpath_backstage.kinds.rules import (
    any_of,
    anything,
    choice,
    flag,
    items,
    mapping,
    nothing,
    string,
    text,
)

__all__ = ("KINDS",)

_CATALOG = frozenset({"backstage.io/v1alpha1", "backstage.io/v1beta1"})
_SCAFFOLDER = frozenset({"scaffolder.backstage.io/v1beta3"})

_OWNED = Edge("Group", "ownedBy", "ownerOf")
_TEXTS = items(text)

_OWNER_HINT = "the group or user that owns it, such as group:default/payments"
_OWNER = Field(name="owner", rule=text, hint=_OWNER_HINT, required=True, edge=_OWNED)
_SYSTEM = Field(
    name="system",
    rule=text,
    hint="the system it is a part of, such as shop",
    edge=Edge("System", "partOf", "hasPart"),
)
_LIFECYCLE = Field(
    name="lifecycle", rule=text, hint="such as experimental or production", required=True
)
_DEPENDS_ON = Field(
    name="dependsOn",
    rule=_TEXTS,
    hint="references with their kind, such as resource:orders-db",
    edge=Edge(None, "dependsOn", "dependencyOf"),
)
_DEPENDENCY_OF = Field(
    name="dependencyOf",
    # Backstage's schemas say nothing of it; its processors take one reference, many, or none.
    rule=any_of(
        "a list", {str: string, list: _TEXTS, type(None): anything, bool: nothing, int: nothing}
    ),
    hint="references with their kind, such as component:orders",
    edge=Edge(None, "dependencyOf", "dependsOn"),
)
_PROFILE = Field(
    name="profile",
    rule=mapping({"displayName": text, "email": text, "picture": text}),
    hint="displayName, email and picture as texts",
)


def _type(hint: str, *, required: bool = True) -> Field:
    return Field(name="type", rule=text, hint=hint, required=required)


_COMPONENT = (
    _type("such as service, website or library"),
    _LIFECYCLE,
    _OWNER,
    _SYSTEM,
    Field(
        name="subcomponentOf",
        rule=text,
        hint="the component it is a part of",
        edge=Edge("Component", "partOf", "hasPart"),
    ),
    Field(
        name="providesApis",
        rule=_TEXTS,
        hint="names of APIs, such as orders-api",
        edge=Edge("API", "providesApi", "apiProvidedBy"),
    ),
    Field(
        name="consumesApis",
        rule=_TEXTS,
        hint="names of APIs, such as orders-api",
        edge=Edge("API", "consumesApi", "apiConsumedBy"),
    ),
    _DEPENDS_ON,
    _DEPENDENCY_OF,
)

_API_TYPE = _type("such as openapi, asyncapi, graphql or grpc")
_API = (
    _API_TYPE,
    _LIFECYCLE,
    _OWNER,
    _SYSTEM,
    Field(
        name="definition",
        rule=text,
        hint="the definition as text, or {$text: ./openapi.yaml}",
        required=True,
    ),
)
_MCP_SERVER = (
    _API_TYPE,
    _LIFECYCLE,
    _OWNER,
    _SYSTEM,
    Field(
        name="remotes",
        rule=items(mapping({"type": text, "url": text}, required=("type", "url")), least=1),
        hint="where the server is reached: a list of mappings with type and url",
        required=True,
        unless="definition",
    ),
)

_RESOURCE = (_type("such as database or s3-bucket"), _OWNER, _SYSTEM, _DEPENDS_ON, _DEPENDENCY_OF)

_SYSTEM_KIND = (
    _OWNER,
    Field(
        name="domain",
        rule=text,
        hint="the domain it is a part of, such as sales",
        edge=Edge("Domain", "partOf", "hasPart"),
    ),
    _type("such as product", required=False),
)

_DOMAIN = (
    _OWNER,
    Field(
        name="subdomainOf",
        rule=text,
        hint="the domain it is a part of, such as sales",
        edge=Edge("Domain", "partOf", "hasPart"),
    ),
    _type("such as product-area", required=False),
)

_GROUP = (
    _type("such as team or business-unit"),
    _PROFILE,
    Field(
        name="parent",
        rule=text,
        hint="the group above it",
        edge=Edge("Group", "childOf", "parentOf"),
    ),
    Field(
        name="children",
        rule=_TEXTS,
        hint="the groups below it; [] where there are none",
        required=True,
        edge=Edge("Group", "parentOf", "childOf"),
    ),
    Field(
        name="members",
        rule=_TEXTS,
        hint="names of users",
        edge=Edge("User", "hasMember", "memberOf"),
    ),
)

_USER = (
    _PROFILE,
    Field(
        name="memberOf",
        rule=_TEXTS,
        hint="the groups the user is in; [] where there are none",
        required=True,
        edge=Edge("Group", "memberOf", "hasMember"),
    ),
)

_LOCATION = (
    _type("such as url or file", required=False),
    Field(name="target", rule=text, hint="where the descriptor is, such as ./catalog-info.yaml"),
    Field(name="targets", rule=_TEXTS, hint="where descriptors are, such as ./a.yaml"),
    Field(
        name="presence",
        rule=choice("required", "optional"),
        hint="optional where a target may be missing",
    ),
)

_CONDITION = any_of("a text, true or false", {str: string, bool: flag})
_PERMISSIONS = {"backstage:permissions": mapping({"tags": items(string)})}
_STEP = mapping(
    {
        "id": string,
        "name": string,
        "action": string,
        "input": mapping({}),
        "if": _CONDITION,
        "each": any_of(
            "a text, a list or a mapping", {str: string, list: anything, dict: anything}
        ),
        **_PERMISSIONS,
    },
    required=("action",),
)
_LINK = mapping({"if": _CONDITION, "url": text, "entityRef": text, "title": text, "icon": text})
_OUTPUT_TEXT = mapping({"if": _CONDITION, "title": text, "icon": text, "content": string})
_PAGE = mapping(_PERMISSIONS)
_BUTTONS = dict.fromkeys(("backButtonText", "createButtonText", "reviewButtonText"), string)
_DECORATOR = mapping({"id": string, "input": mapping({})})

_TEMPLATE = (
    _type("such as service or website"),
    Field(name="owner", rule=text, hint=_OWNER_HINT, edge=_OWNED),
    Field(name="lifecycle", rule=text, hint="such as experimental or production"),
    Field(
        name="parameters",
        rule=any_of("a mapping or a list", {dict: _PAGE, list: items(_PAGE)}),
        hint="a JSON schema, or a list of them, one a page",
    ),
    Field(
        name="steps",
        rule=items(_STEP),
        hint="a list of mappings, each with an action such as fetch:template",
        required=True,
    ),
    Field(
        name="output",
        rule=mapping({"links": items(_LINK), "text": items(_OUTPUT_TEXT)}, others=string),
        hint="links, text, and other outputs as texts",
    ),
    Field(
        name="presentation",
        rule=mapping({"buttonLabels": mapping(_BUTTONS)}),
        hint="buttonLabels with texts",
    ),
    Field(name="secrets", rule=mapping({"schema": mapping({})}), hint="a schema"),
    Field(name="formDecorators", rule=items(_DECORATOR), hint="a list with id and input"),
)

KINDS: tuple[DeclaredKind, ...] = (
    DeclaredKind("Component", _CATALOG, _COMPONENT),
    DeclaredKind("API", _CATALOG, _API, {"mcp-server": _MCP_SERVER}),
    DeclaredKind("Resource", _CATALOG, _RESOURCE),
    DeclaredKind("System", _CATALOG, _SYSTEM_KIND),
    DeclaredKind("Domain", _CATALOG, _DOMAIN),
    DeclaredKind("Group", _CATALOG, _GROUP),
    DeclaredKind("User", _CATALOG, _USER),
    DeclaredKind("Location", _CATALOG, _LOCATION),
    DeclaredKind("Template", _SCAFFOLDER, _TEMPLATE),
    ai_resource((_type("skill, rule, plugin or marketplace"), _LIFECYCLE, _OWNER, _SYSTEM)),
)
"""All ten, in the order the documentation lists them."""
