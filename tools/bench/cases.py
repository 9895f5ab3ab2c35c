"""The reads that are measured: what a catalog is asked all day, each with its requests."""

from __future__ import annotations

import json
import random
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple
from urllib.parse import urlencode

from generate import WORKS
from load import Request
from serving import Client, Failed

ENTITIES = "/api/catalog/entities"
VARIETY = 4000
FEW = 50
LIMIT = 20
GOALS = {
    "by-name": 0.71,
    "by-query": 0.28,
    "by-query-ordered": 0.26,
    "full-text": 0.21,
    "kind-and-owner": 0.30,
    "facets": 0.77,
    "by-refs": 0.23,
    "deep-page": 0.30,
}
"""What is aimed at with 10,000 entities: the rate, as a share of that of bare ASGI."""
PLACES = 40


class Case(NamedTuple):
    """A kind of read: its name, what it is, its requests, and what an answer must hold."""

    name: str
    title: str
    requests: Sequence[Request]
    holds: Callable[[Any], bool]


def cases(client: Client, names: dict[str, list[str]], total: int) -> list[Case]:
    """All reads of a catalog that is loaded already.

    Args:
        client: asks for the cursors of the deep page.
        names: the names of all entities, by kind in lower case.
        total: how many entities the catalog has.
    """
    dice = random.Random("reads")
    components = dice.choices(names["component"], k=VARIETY)
    named = [Request(f"{ENTITIES}/by-name/component/default/{name}") for name in components]
    facets = Request("/api/catalog/entity-facets?facet=kind&facet=spec.type")
    refs = [f"{kind}:default/{n}" for kind in ("component", "api", "resource") for n in names[kind]]
    some = [_by_refs(dice.sample(refs, min(50, len(refs)))) for _ in range(VARIETY // 8)]
    return [
        Case("by-name", "by-name, any component", named, lambda a: a["kind"] == "Component"),
        *_searches(names, dice),
        Case(
            "facets",
            "facets of kind and spec.type",
            [facets],
            _seven_kinds,
        ),
        Case("by-refs", "by-refs, any 50", some, lambda a: None not in a["items"]),
        Case("deep-page", "cursor page half way", _deep(client, total, {}, dice), _twenty),
        Case(
            "deep-page-ordered",
            "the same, ordered by name",
            _deep(client, total, {"orderField": "metadata.name,asc"}, dice),
            _twenty,
        ),
    ]


def _searches(names: dict[str, list[str]], dice: random.Random) -> list[Case]:
    """Reads of `by-query`, each for a first page of 20."""
    kind = {"filter": "kind=component"}
    by_name = {**kind, "orderField": "metadata.name,asc"}
    fields = "metadata.name,metadata.title"
    terms = _terms(dice, names["component"])
    full = [_query({"fullTextFilterTerm": t, "fullTextFilterFields": fields}) for t in terms]
    crews = [f"kind=component,spec.owner=group:default/{crew}" for crew in names["group"]]
    owned = [_query({"filter": crew}) for crew in crews]
    few = dice.sample(full, FEW)
    return [
        Case("by-query", "by-query, kind, limit 20", [_query(kind)], _twenty),
        Case("by-query-ordered", "the same, ordered by name", [_query(by_name)], _twenty),
        Case("full-text", f"full text, {len(full):,} terms", full, _page),
        Case("full-text-known", f"the same, {FEW} terms only", few, _page),
        Case("kind-and-owner", "kind and owner", owned, _page),
    ]


def _page(answer: Any) -> bool:
    return "totalItems" in answer and len(answer["items"]) <= LIMIT


def _seven_kinds(answer: Any) -> bool:
    return len(answer["facets"]["kind"]) >= 7


def _twenty(answer: Any) -> bool:
    return len(answer["items"]) == LIMIT


def _query(params: dict[str, Any]) -> Request:
    return Request(f"{ENTITIES}/by-query?{urlencode({**params, 'limit': LIMIT})}")


def _by_refs(refs: list[str]) -> Request:
    return Request(f"{ENTITIES}/by-refs", json.dumps({"entityRefs": refs}))


def _terms(dice: random.Random, names: list[str]) -> list[str]:
    """What people type: some letters of a name or of a title, seldom of none.

    So many that what was found for one of them is forgotten before it is asked for again.
    """
    terms = dict.fromkeys(f"{one} lighthouse" for one in WORKS)
    while len(terms) < VARIETY:
        name = dice.choice(names)
        text = dice.choice((name, name.replace("-", " ")))
        at = dice.randrange(len(text) - 3)
        terms[text[at : at + dice.randint(3, 12)].strip()] = None
    found = list(terms)
    dice.shuffle(found)
    return found


def _deep(client: Client, total: int, order: dict[str, str], dice: random.Random) -> list[Request]:
    """Pages about half way through the whole catalog, each by its cursor."""
    found = []
    for _ in range(PLACES):
        near = max(0, total // 2 - dice.randrange(40))
        path = f"{ENTITIES}/by-query?" + urlencode({"limit": LIMIT, "offset": near, **order})
        info = client.json(path)["pageInfo"]
        if "nextCursor" not in info:
            raise Failed(f"The page {path} has no cursor to go on with.")
        found.append(_query({"cursor": info["nextCursor"]}))
    return found
