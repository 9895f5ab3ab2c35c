"""A catalog whose entities have everything that a filter, an order or a page can stumble over.

Names and values in every case, values that are empty, numbers, booleans, null or not there, lists,
lists of objects, keys with dots in them, other alphabets, equal names in two namespaces, and
values that many have or only one.
"""

from __future__ import annotations

import json
import random
from typing import Any

TEAMS = ("pilots", "Smiths", "carters")
WORDS = ("alpha", "Beta", "GAMMA", "delta", "Straße", "Ωmega", "été", "x", "10", "9")
KINDS = ("Component", "Resource", "API", "System", "Domain")
SPELLINGS = ("Production", "production", "PRODUCTION", "experimental", "Deprecated")


def oddities(count: int, seed: int) -> str:
    """The catalog as YAML documents; JSON, which is YAML too."""
    dice = random.Random(seed)
    documents = [_group(team) for team in TEAMS]
    documents += [_entity(dice, number) for number in range(count)]
    return "---\n".join(f"{json.dumps(one, ensure_ascii=False)}\n" for one in documents)


def _group(name: str) -> dict[str, Any]:
    return {
        "apiVersion": "backstage.io/v1alpha1",
        "kind": "Group",
        "metadata": {"name": name},
        "spec": {"type": "team", "children": []},
    }


def _entity(dice: random.Random, number: int) -> dict[str, Any]:
    kind = dice.choice(KINDS)
    name = f"{dice.choice(('ox', 'Ox', 'OXEN', 'mule'))}-{number // 2}"
    metadata: dict[str, Any] = {"name": name}
    if number % 2:
        metadata["namespace"] = dice.choice(("north", "south"))
    if dice.random() < 0.7:
        metadata["title"] = " ".join(dice.choices(WORDS, k=dice.randint(1, 3)))
    if dice.random() < 0.5:
        metadata["description"] = " ".join(dice.choices(WORDS, k=dice.randint(1, 20)))
    if dice.random() < 0.7:
        metadata["tags"] = dice.sample(("java", "go", "c++", "rust", "tier:1", "c#"), 3)
    if dice.random() < 0.6:
        metadata["labels"] = {"example.com/tier": dice.choice(("1", "2", "", "Gold"))}
    if dice.random() < 0.6:
        metadata["annotations"] = {
            "example.com/size": dice.choice(("1", "10", "9", "", "big", "Big")),
            "example.com/deep.dotted.key": dice.choice(WORDS),
        }
    if dice.random() < 0.3:
        metadata["links"] = [
            {"url": f"https://example.com/{word}", "title": word}
            for word in dice.sample(WORDS, dice.randint(1, 2))
        ]
    return {
        "apiVersion": dice.choice(("backstage.io/v1alpha1", "backstage.io/v1beta1")),
        "kind": kind,
        "metadata": metadata,
        "spec": _spec(dice, kind, number),
    }


def _spec(dice: random.Random, kind: str, number: int) -> dict[str, Any]:
    spec: dict[str, Any] = {"owner": f"group:default/{dice.choice(TEAMS)}"}
    if kind in ("Component", "API"):
        spec["lifecycle"] = dice.choice(SPELLINGS)
    if kind in ("Component", "API", "Resource"):
        spec["type"] = dice.choice(("service", "Service", "library", "website"))
    if kind == "API":
        spec["definition"] = dice.choice(("openapi: 3.0.0", "x", "y" * 300))
    if kind in ("Component", "Resource") and dice.random() < 0.5:
        spec["dependsOn"] = [f"component:default/ox-{dice.randrange(0, number + 5)}"]
    extras: dict[str, Any] = {
        "rank": dice.choice((0, 1, 2, 10, 9, 1.5, -3, 1e21, 0.1)),
        "active": dice.choice((True, False)),
        "nothing": None,
        "empty": "",
        "note": dice.choice(WORDS),
        "Mixed.Case": dice.choice(WORDS),
        "endpoints": [{"url": f"https://{word}.example.com"} for word in dice.choices(WORDS, k=2)],
        "ports": dice.sample((80, 443, 8080), 2),
        "nested": {"deeper": {"deepest": dice.choice(WORDS), "on": dice.choice((True, False))}},
        "hollow": {},
        "list": [],
        "listed": [dice.choice(WORDS), [dice.choice(WORDS)]],
        "maybe": dice.choice((None, "there", "THERE", 1)),
        "long": dice.choice(("short", "z" * 250)),
    }
    for key in dice.sample(sorted(extras), dice.randint(2, len(extras))):
        spec[key] = extras[key]
    return spec
