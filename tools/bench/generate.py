"""Writes a catalog of any size, the same one for the same size and seed.

    python tools/bench/generate.py 10000 FOLDER [--seed 7]

FOLDER then holds `all.yaml`, one Location over the files `part-*.yaml` with 500 documents each, and
`single.yaml`, one more component, which is registered by itself. Kinds come in the mix of a big
company: of a hundred entities 55 are components, 20 APIs, 10 users, 9 resources, 3 systems,
2 groups, 1 a domain. Relations lead across files, so that no part can be read alone.
"""

from __future__ import annotations

import argparse
import json
import random
import re
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

DOCUMENTS_A_FILE = 500
MIX = {"domain": 1, "system": 3, "group": 2, "user": 10, "api": 20, "resource": 9}
SINGLE = "component:default/single-tender"

_CARGO = """barley bricks canvas cement chalk cider clay coal copper cotton flour glass grain gravel
hops iron lead lime linen malt oats paper peat pottery salt sand silk slate stone sugar timber tin
tobacco wool"""
_WORKS = """aqueduct basin boatyard booking bridge clearing dredging gauging junction ledger
lengthsman lock manifest mooring pricing registry roster routing sluice stable survey tariff toll
weir"""
_LABELS = """go java kotlin python rust typescript grpc kafka postgres redis rest gdpr pci internal
legacy tier-1 tier-2 tier-3"""
CARGO = _CARGO.split()
WORKS = _WORKS.split()
LABELS = _LABELS.split()
REGIONS = ("east", "north", "south", "west")
STAGES = ("production",) * 7 + ("experimental",) * 2 + ("deprecated",)
TYPES = ("service",) * 6 + ("website",) * 2 + ("library",) * 2
STORES = ("database", "bucket", "topic", "cache")

_PLAIN = re.compile(r"[A-Za-z][A-Za-z0-9 ./_-]*[A-Za-z0-9]|[A-Za-z]")
_WORDS = frozenset({"true", "false", "null", "yes", "no", "on", "off", "y", "n"})


def names(size: int) -> dict[str, list[str]]:
    """The names of all entities of a catalog, by kind in lower case."""
    counts = {kind: max(2, size * share // 100) for kind, share in MIX.items()}
    counts["component"] = size - sum(counts.values())
    if counts["component"] < 4:
        raise SystemExit("generate: a catalog has 20 entities at least")
    return {kind: [_name(kind, i) for i in range(count)] for kind, count in counts.items()}


def _name(kind: str, i: int) -> str:
    if kind in ("domain", "system", "group", "user"):
        return f"{ {'group': 'crew', 'user': 'boater'}.get(kind, kind) }-{i}"
    # Neighbours in the list share neither word, so that names come in every order.
    cargo, work = CARGO[i * 7 % len(CARGO)], WORKS[i // len(CARGO) * 5 % len(WORKS)]
    ending = {"api": "api", "resource": STORES[i % len(STORES)]}.get(kind)
    return f"{cargo}-{work}-{ending}-{i}" if ending else f"{cargo}-{work}-{i}"


class Catalog:
    """All documents of one catalog, made one after the other."""

    def __init__(self, size: int, seed: int) -> None:
        self.names = names(size)
        self._random = random.Random(f"{size}/{seed}")

    def documents(self) -> Iterator[dict[str, Any]]:
        """Every entity of the catalog, but the single one."""
        for kind in ("domain", "system", "group", "user", "api", "resource", "component"):
            for i, name in enumerate(self.names[kind]):
                yield self._document(kind, name, i)

    def single(self) -> dict[str, Any]:
        """The component that lives in a file of its own."""
        return self._document("component", SINGLE.rpartition("/")[2], 0)

    def _document(self, kind: str, name: str, i: int) -> dict[str, Any]:
        return {
            "apiVersion": "backstage.io/v1alpha1",
            "kind": "API" if kind == "api" else kind.title(),
            "metadata": self._metadata(kind, name),
            "spec": getattr(self, f"_{kind}")(name, i),
        }

    def _metadata(self, kind: str, name: str) -> dict[str, Any]:
        annotations = {
            "backstage.io/source-location": f"url:https://git.example.com/boats/{name}/",
            "example.com/lookout": f"https://lookout.example.com/rota/{name}",
        }
        found: dict[str, Any] = {
            "name": name,
            "title": name.replace("-", " ").title(),
            "description": self._prose(12),
            "labels": {
                "example.com/wharf": f"wharf-{self._random.randrange(40)}",
                "example.com/region": self._random.choice(REGIONS),
            },
            "annotations": annotations,
        }
        if kind == "component":
            annotations |= {
                "github.com/project-slug": f"boats/{name}",
                "backstage.io/techdocs-ref": "dir:.",
                "sonarqube.org/project-key": name,
                "pagerduty.com/integration-key": f"{self._random.getrandbits(64):016x}",
            }
            found["links"] = [
                {"url": f"https://{what}.example.com/{name}", "title": what, "icon": "dashboard"}
                for what in ("gauges", "logbook")
            ]
        found["tags"] = sorted(self._random.sample(LABELS, self._random.randint(1, 4)))
        return found

    def _domain(self, name: str, i: int) -> dict[str, Any]:
        return {"owner": self._crew()}

    def _system(self, name: str, i: int) -> dict[str, Any]:
        return {"owner": self._crew(), "domain": self._one("domain")}

    def _group(self, name: str, i: int) -> dict[str, Any]:
        spec: dict[str, Any] = {"type": "team", "profile": self._profile(name), "children": []}
        if i:
            spec["parent"] = self.names["group"][(i - 1) // 4]
        return spec

    def _user(self, name: str, i: int) -> dict[str, Any]:
        return {"profile": self._profile(name), "memberOf": [self._one("group")]}

    def _api(self, name: str, i: int) -> dict[str, Any]:
        return {**self._owned("openapi"), "definition": self._openapi(name)}

    def _resource(self, name: str, i: int) -> dict[str, Any]:
        spec = self._owned(STORES[i % len(STORES)])
        del spec["lifecycle"]
        return spec

    def _component(self, name: str, i: int) -> dict[str, Any]:
        spec = self._owned(self._random.choice(TYPES))
        needs = [f"component:default/{one}" for one in self._some("component", 3) if one != name]
        needs += [f"resource:default/{one}" for one in self._some("resource", 2)]
        if needs:
            spec["dependsOn"] = needs
        if i % 3 == 0:
            spec["providesApis"] = [self.names["api"][i % len(self.names["api"])]]
        if consumed := self._some("api", 3):
            spec["consumesApis"] = consumed
        return spec

    def _owned(self, type: str) -> dict[str, Any]:
        stage = self._random.choice(STAGES)
        system = self._one("system")
        return {"type": type, "lifecycle": stage, "owner": self._crew(), "system": system}

    def _profile(self, name: str) -> dict[str, Any]:
        return {"displayName": name.replace("-", " ").title(), "email": f"{name}@example.com"}

    def _crew(self) -> str:
        return f"group:default/{self._one('group')}"

    def _one(self, kind: str) -> str:
        return self._random.choice(self.names[kind])

    def _some(self, kind: str, most: int) -> list[str]:
        count = min(self._random.randint(0, most), len(self.names[kind]))
        return self._random.sample(self.names[kind], count)

    def _prose(self, words: int) -> str:
        return " ".join(self._random.choices((*CARGO, *WORKS, "by", "from", "of", "to"), k=words))

    def _openapi(self, name: str) -> str:
        """An API description of about the size that people write."""
        head = (
            f"openapi: 3.0.3\ninfo:\n  title: {name}\n  version: 2.{self._random.randrange(30)}.0\n"
            f"  description: {self._prose(14)}\nservers:\n  - url: https://{name}.example.com/v2\n"
        )
        paths = "".join(
            f"  /{work}/{{number}}:\n    get:\n      summary: {self._prose(6)}\n"
            f"      operationId: read{work.title()}\n      parameters:\n        - name: number\n"
            "          in: path\n          required: true\n          schema:\n"
            "            type: integer\n      responses:\n        '200':\n"
            "          description: What was asked for\n          content:\n"
            "            application/json:\n              schema:\n"
            f"                $ref: '#/components/schemas/{work.title()}'\n        '404':\n"
            "          description: There is none\n"
            for work in self._random.sample(WORKS, 4)
        )
        schemas = (
            "components:\n  schemas:\n    Barge:\n      type: object\n      properties:\n"
            "        number:\n          type: integer\n        launched:\n          type: string\n"
            "          format: date\n"
        )
        return f"{head}paths:\n{paths}{schemas}"


def yaml_of(value: Any, indent: str = "") -> str:
    """Block YAML of plain data; faster than a library for the little that is used here."""
    lines: list[str] = []
    for key, item in value.items():
        head = f"{indent}{_scalar(key)}:"
        if isinstance(item, dict):
            lines.append(f"{head}\n{yaml_of(item, indent + '  ')}")
        elif isinstance(item, list):
            lines.append(f"{head} []\n" if not item else f"{head}\n{_items(item, indent + '  ')}")
        elif "\n" in item:
            text = "".join(f"{indent}  {line}\n" for line in item.splitlines())
            lines.append(f"{head} |\n{text}")
        else:
            lines.append(f"{head} {_scalar(item)}\n")
    return "".join(lines)


def _items(items: Sequence[Any], indent: str) -> str:
    texts = []
    for item in items:
        if isinstance(item, dict):
            texts.append(f"{indent}- {yaml_of(item, indent + '  ').lstrip()}")
        else:
            texts.append(f"{indent}- {_scalar(item)}\n")
    return "".join(texts)


def _scalar(text: str) -> str:
    return text if _PLAIN.fullmatch(text) and text not in _WORDS else json.dumps(text)


def write(size: int, folder: Path, seed: int = 7) -> Catalog:
    """Write a catalog of `size` entities into a folder, and the single one beside them."""
    folder.mkdir(parents=True, exist_ok=True)
    catalog = Catalog(size, seed)
    parts: list[str] = []
    texts: list[str] = []
    for text in map(yaml_of, catalog.documents()):
        texts.append(text)
        if len(texts) == DOCUMENTS_A_FILE:
            parts.append(_write_part(folder, len(parts), texts))
    if texts:
        parts.append(_write_part(folder, len(parts), texts))
    root = {
        "apiVersion": "backstage.io/v1alpha1",
        "kind": "Location",
        "metadata": {"name": "bench"},
        "spec": {"targets": [f"./{part}" for part in parts]},
    }
    (folder / "all.yaml").write_text(yaml_of(root))
    (folder / "single.yaml").write_text(yaml_of(catalog.single()))
    return catalog


def _write_part(folder: Path, number: int, texts: list[str]) -> str:
    name = f"part-{number:04d}.yaml"
    (folder / name).write_text("---\n".join(texts))
    texts.clear()
    return name


def main() -> None:
    """Write a catalog and say what it holds."""
    parser = argparse.ArgumentParser(description="Write a generated catalog.")
    parser.add_argument("size", type=int, help="how many entities")
    parser.add_argument("folder", type=Path)
    parser.add_argument("--seed", type=int, default=7)
    options = parser.parse_args()
    catalog = write(options.size, options.folder, options.seed)
    counts = ", ".join(f"{len(found)} of kind {kind}" for kind, found in catalog.names.items())
    print(f"{options.folder}: {counts}")


if __name__ == "__main__":
    main()
