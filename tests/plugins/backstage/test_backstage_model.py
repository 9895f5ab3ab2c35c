"""The same documents are taken and refused as by Backstage's own model, run in node.

The target `conformance-model` of the Makefile installs what is needed, outside the tree.
"""

from __future__ import annotations

import copy
import json
import os
import random
import shutil
import subprocess
from collections import defaultdict
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from towpath_backstage.descriptors import YamlDescriptors
from towpath_backstage.kinds import KINDS
from towpath_core.catalog import Document
from towpath_core.entities import check_envelope, entity_from

ORACLE = Path(__file__).parents[3] / "tools" / "conformance" / "validate_oracle.mjs"
BY_NAME = {kind.name: kind for kind in KINDS}
YAML = YamlDescriptors()


@pytest.fixture(scope="module")
def node_modules() -> Path:
    default = Path("~/.cache/towpath/conformance").expanduser()
    folder = Path(os.environ.get("TOWPATH_CONFORMANCE_CACHE") or default) / "model"
    if shutil.which("node") is None or not (folder / "node_modules" / "yaml").is_dir():
        pytest.skip("no node packages; run the target conformance-model")
    return folder


def theirs(node_modules: Path, files: Sequence[Path]) -> dict[str, list[str | None]]:
    """What Backstage says of the documents of files: None, or why it refuses one."""
    done = subprocess.run(
        ["node", str(ORACLE), str(node_modules)],
        input="\n".join(map(str, files)),
        capture_output=True,
        text=True,
        check=True,
        timeout=100,
    )
    found: dict[str, list[str | None]] = defaultdict(list)
    for line in done.stdout.splitlines():
        row = json.loads(line)
        found[row["file"]].append(None if row["accepted"] else row["error"])
    return found


def ours(document: Document) -> str | None:
    """What we say of a document: None, or the first thing that is wrong with it."""
    problems = list(document.problems) or check_envelope(document.value)
    if not problems:
        entity = entity_from(document.value)
        kind = BY_NAME.get(entity.kind)
        if kind is None:
            return f"no kind {entity.kind}"
        problems = kind.check(entity)
    return str(problems[0]) if problems else None


def known(value: Any, us: str | None, them: str | None) -> bool:
    """Whether a difference is one that `docs/reference/descriptors.md` lists."""
    if us is None:
        spec = value.get("spec")
        if spec is None:
            return value["kind"] == "Location" and "must have required property 'spec'" in str(them)
        classic = spec.get("type") == "mcp-server" and "remotes" not in spec
        return classic and "must have required property 'remotes'" in str(them)
    return "a link cannot be of javascript:" in us


def differences(node_modules: Path, files: Sequence[Path]) -> tuple[list[str], int]:
    found = []
    said = theirs(node_modules, files)
    for file in files:
        documents = YAML.parse(file.read_bytes(), file.name)
        mine, other = [ours(document) for document in documents], said[str(file)]
        if len(mine) != len(other):
            found.append(f"{file.name}: {len(mine)} documents, {len(other)} there")
        for document, us, them in zip(documents, mine, other, strict=False):
            if (us is None) != (them is None) and not known(document.value, us, them):
                text = json.dumps(document.value)[:400]
                found.append(f"{file.name}:{document.line}: {us} / {them}: {text}")
    return found, sum(map(len, said.values()))


@pytest.mark.corpus
def test_real_documents_are_judged_alike(corpus: Path, node_modules: Path) -> None:
    folders = (corpus / "catalogs", corpus / "backstage-examples")
    files = [file for folder in folders for file in sorted(folder.rglob("*.y*ml"))]
    found, count = differences(node_modules, files)
    assert found == []
    assert count > 290


BASE: dict[str, dict[str, Any]] = {
    "Component": {
        "type": "service",
        "lifecycle": "production",
        "owner": "a",
        "system": "s",
        "subcomponentOf": "c",
        "providesApis": ["a"],
        "consumesApis": ["ns/a"],
        "dependsOn": ["resource:b"],
        "dependencyOf": ["component:b"],
    },
    "API": {"type": "openapi", "lifecycle": "x", "owner": "a", "system": "s", "definition": "d"},
    "Resource": {"type": "db", "owner": "a", "system": "s", "dependsOn": ["component:x"]},
    "System": {"owner": "a", "domain": "d", "type": "product"},
    "Domain": {"owner": "a", "subdomainOf": "d", "type": "area"},
    "Group": {
        "type": "team",
        "children": [],
        "parent": "g",
        "members": ["u"],
        "profile": {"displayName": "T", "email": "t@x", "picture": "p"},
    },
    "User": {"memberOf": ["g"], "profile": {"displayName": "T", "email": "t@x", "picture": "p"}},
    "Location": {"type": "url", "target": "./a", "targets": ["./b"], "presence": "optional"},
    "Template": {
        "type": "service",
        "owner": "a",
        "lifecycle": "x",
        "parameters": [{"title": "t", "properties": {}}],
        "steps": [{"id": "a", "name": "n", "action": "debug:log", "input": {"a": 1}, "if": True}],
        "output": {"links": [{"title": "t", "url": "u", "icon": "i"}], "text": [], "x": "y"},
        "presentation": {"buttonLabels": {"backButtonText": "b"}},
    },
    "AiResource": {"type": "skill", "lifecycle": "x", "owner": "a", "dependsOn": ["b"]},
}
VARIANTS: list[tuple[str, dict[str, Any]]] = [
    ("AiResource", {"type": "rule", "category": "c", "rationale": "r"}),
    ("AiResource", {"type": "plugin", "skills": ["a"], "version": "1"}),
    ("AiResource", {"type": "marketplace", "plugins": ["a"]}),
    ("AiResource", {"type": "other"}),
    ("API", {"type": "mcp-server", "remotes": [{"type": "sse", "url": "u"}]}),
]
METADATA: dict[str, Any] = {
    "name": "thing",
    "namespace": "default",
    "title": "t",
    "description": "",
    "labels": {"a.b/c": "d"},
    "annotations": {"a.b/c": "d e"},
    "tags": ["a"],
    "links": [{"url": "https://a.b/c", "title": "t", "icon": "i", "type": "y"}],
}
VALUES: list[Any] = [
    *(None, True, False, 0, 1.5, "", " ", "a", "a b", [], [None], [""], ["a"], [1], {}),
    *({"a": 1}, [{}], "A", "-a", "a-", "a_b", "a.b", "a..b", "a--b", "a/b", "a/b/c", "/", ":"),
    *("a:", ":a", "a:b", "a:b/c", "a:/c", "a/b:c", "a" * 63, "a" * 64, "\u00e9", "x+y#z:w"),
    *("mailto:a@b", "//a.b", "http://", "http:a", "https://a b", "x:y", "/a", "a.b/c/d", "a\nb"),
    *(".a/b", "a./b", "backstage.io/v1beta1", "v1", "backstage.io/v1alpha2", "User", "user"),
    *(["a:b", "c"], ["component:a/b"], "user:a", "GROUP:x/Y", {"b": "c"}, {"B_/c": "d"}),
]
SPOTS = ("apiVersion", "kind", "metadata", "spec", "status", "relations", "extra")


def spots(node: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    found = [path] if path else []
    if not isinstance(node, dict | list):
        return found
    for key, value in node.items() if isinstance(node, dict) else enumerate(node):
        found += spots(value, (*path, key))
    return found


def changed(entity: dict[str, Any], chance: random.Random) -> dict[str, Any]:
    """A copy that differs in one place: another value, none, or one more."""
    entity = copy.deepcopy(entity)
    *path, last = chance.choice([*spots(entity), *((name,) for name in SPOTS)])
    node: Any = entity
    for key in path:
        node = node[key]
    how = chance.random()
    if how < 0.15:
        if isinstance(node, dict):
            node.pop(last, None)
        else:
            del node[last]
    elif how < 0.25 and isinstance(node, dict):
        node[str(chance.choice(VALUES))] = chance.choice(VALUES)
    else:
        node[last] = chance.choice(VALUES)
    return entity


LINKS = [
    *(
        "https://a.b/c",
        "http:a",
        "http:/a",
        "http:\\a",
        "https://a b",
        "http://",
        "http:",
        "http:///",
    ),
    *("mailto:a@b", "x:y", "x:", "x://", "x:///a", "x://a b", "x://a:99999", "x://:1", "x://u@"),
    *("//a.b", "/a", "a", "", "1a:b", "-:a", "a.b:c", " http://a ", "ht\ntp://a", "http://a\tb/c"),
    *("http://a:80", "http://a:65535", "http://a:65536", "http://a:", "http://a:x", "http://a:1x"),
    *("http://u:p@h:1/x", "http://u@", "http://@h", "http://u@v@h", "http://:p@h", "http://h%20i"),
    *("http://1.2.3.4", "http://1.2.3", "http://256.1.1.1", "http://1.2.3.4.5", "http://0x7f.1"),
    *(
        "http://999",
        "http://4294967296",
        "http://08",
        "http://a.08",
        "http://a.1x",
        "http://1.2.3.4.",
    ),
    *("http://[::1]", "http://[::1]:8", "http://[::1", "http://::1", "http://[::1]x", "http://[x]"),
    *("http://[::ffff:1.2.3.4]", "http://[1::2::3]", "http://a_b", "http://-a-", "http://a..b"),
    *(
        "http://.",
        "http://..",
        "http://a<b",
        "http://a|b",
        "http://a^b",
        "http://a%41",
        "http://a%00",
    ),
    *("file:///a", "file:a", "file:", "file://h/a", "file://h:1/a", "file:///c:/x", "file://c:/x"),
    *(
        "http://\u00e4.de",
        "http://a/ b c",
        "http://a?b c#d e",
        "ftp:a",
        "ws:a",
        "wss://a",
        "HTTP://A",
    ),
    *("https:\\\\a\\b", "https://a\\b", "tel:+1", "urn:a:b", "slack://channel?x=1", "about:blank"),
]


def test_links_are_urls_as_a_browser_has_them(node_modules: Path, tmp_path: Path) -> None:
    def entity(url: str) -> str:
        metadata = {"name": "thing", "links": [{"url": url}]}
        kind = {"apiVersion": "backstage.io/v1alpha1", "kind": "Location"}
        return json.dumps({**kind, "metadata": metadata, "spec": {}})

    file = tmp_path / "links.yaml"
    file.write_text("\n---\n".join(map(entity, LINKS)))
    found, count = differences(node_modules, [file])
    assert found == []
    assert count == len(LINKS)


def test_changed_entities_are_judged_alike(node_modules: Path, tmp_path: Path) -> None:
    chance = random.Random(11)
    bases = [*BASE.items(), *((kind, {**BASE[kind], **more}) for kind, more in VARIANTS)]
    files = []
    for number, (kind, spec) in enumerate(bases):
        version = "scaffolder.backstage.io/v1beta3" if kind == "Template" else None
        entity = {
            "apiVersion": version or "backstage.io/v1alpha1",
            "kind": kind,
            "metadata": METADATA,
            "spec": spec,
        }
        texts = [json.dumps(changed(entity, chance)) for _ in range(250)]
        file = tmp_path / f"{number}-{kind}.yaml"
        file.write_text("\n---\n".join(texts))
        files.append(file)
    found, count = differences(node_modules, files)
    assert found == []
    assert count == 250 * len(bases)
