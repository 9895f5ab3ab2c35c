"""Bodies that nobody sends by accident: each is a clear error, or does what it says."""

from __future__ import annotations

import json
import uuid
from pathlib import Path
from typing import Any

import httpx
import pytest
from live import Live
from raw import LEAKS, ask, refused

pytestmark = pytest.mark.usefixtures("lives_on")

JSON = "Content-Type: application/json"
BY_QUERY = "/api/catalog/entities/by-query"


def bodies() -> dict[str, bytes]:
    return {
        "deep lists": b"[" * 200_000,
        "deep objects": b'{"a":' * 200_000,
        "deep, closed": b'{"parameters":' + b"[" * 100_000 + b"]" * 100_000 + b"}",
        "not a number": b'{"name": NaN}',
        "infinity": b'{"parameters": {"x": -Infinity}}',
        "too large a number": b'{"parameters": {"x": 1e999}}',
        "too long a number": b'{"parameters": {"x": ' + b"9" * 5000 + b"}}",
        "key twice": b'{"offering": "postgres-database", "name": "a", "name": "b"}',
        "key twice, deep": b'{"offering": "x", "name": "a", "parameters": {"a": {"b": 1, "b": 2}}}',
        "escaped key twice": b'{"offering": "x", "name": "a", "\\u006eame": "b"}',
        "lone surrogate": b'{"offering": "postgres-database", "name": "\\ud800"}',
        "broken text": b'{"offering": "\xff\xfe"}',
        "byte order mark": b'\xef\xbb\xbf{"offering": "x", "name": "a"}',
        "UTF-16": '{"offering": "x"}'.encode("utf-16"),
        "comment": b'{"offering": "x" /* no */, "name": "y"}',
        "two documents": b'{"offering": "x", "name": "y"}{"offering": "x"}',
        "a list": b"[]",
        "a text": b'"offering"',
        "null": b"null",
        "spaces": b"    ",
        "number as text": b'{"name": "x", "scopes": ["catalog:read"], "days": "30"}',
        "no number of days": b'{"name": "x", "scopes": ["catalog:read"], "days": 1e1}',
        "null character": b'{"offering": "postgres-database", "name": "a\\u0000b"}',
        "unknown field": b'{"offering": "x", "name": "y", "status": "applied", "id": 1}',
    }


@pytest.mark.parametrize("name", bodies())
@pytest.mark.parametrize("path", ["/api/v1/plans", "/api/v1/tokens", "/api/v1/catalog/locations"])
def test_a_wrong_body_is_a_clear_error(live: Live, path: str, name: str) -> None:
    refused(ask(live, "POST", path, JSON, body=bodies()[name]), 400, 404, 413)


@pytest.mark.parametrize("name", bodies())
def test_a_wrong_body_of_a_read_is_a_clear_error(live: Live, name: str) -> None:
    for path in (BY_QUERY, "/api/catalog/entities/by-refs", "/api/catalog/entity-facets"):
        refused(ask(live, "POST", path, JSON, body=bodies()[name]), 400)


def test_a_wrong_body_names_its_place(api: httpx.Client) -> None:
    body = {"entityRefs": ["component:default/x", 5]}
    answer = api.post("/api/catalog/entities/by-refs", json=body)
    assert "/entityRefs/1" in answer.json()["error"]["message"]
    problem = api.post("/api/v1/plans", json={"offering": "x", "name": 5}).json()
    assert problem["errors"] == [
        {"code": "body", "detail": "Expected `str`, got `int`", "pointer": "/name"}
    ]


NUL = "a\0b"
HOSTILE_TEXTS = {
    "nul": NUL,
    "private": "\ufffe",
    "right to left": "\u202ea",
    "astral": "\U0001f600" * 50,
    "long": "x" * 1_000_000,
    "markup": "<img src=x onerror=alert(1)>",
    "escape": "\x1b[2J\x1b]0;x\x07",
    "newline": "a\r\nSet-Cookie: x=y",
    "quote": "a'; DROP TABLE runs; --",
    "format": "%s%n{0.__class__}",
    "path": "../../../etc/passwd",
}


@pytest.mark.parametrize("text", HOSTILE_TEXTS.values(), ids=HOSTILE_TEXTS)
def test_hostile_texts_are_refused_or_do_what_they_say(
    api: httpx.Client, live: Live, text: str
) -> None:
    uid = str(uuid.uuid4())
    asked: list[tuple[str, Any]] = [
        ("/api/v1/plans", {"offering": text, "name": "x"}),
        ("/api/v1/plans", {"offering": "postgres-database", "name": text}),
        ("/api/v1/plans", {"offering": "postgres-database", "name": "x", "owner": text}),
        ("/api/v1/plans", {"offering": "postgres-database", "name": "x", "size": text}),
        ("/api/v1/plans", {"offering": "sqlite-database", "name": "x", "parameters": {text: text}}),
        (f"/api/v1/plans/{uid}/apply", {"hash": text}),
        (f"/api/v1/resources/{uid}/bindings", {"name": text}),
        ("/api/v1/tokens", {"name": text, "scopes": ["catalog:read"]}),
        ("/api/v1/tokens", {"name": "x", "scopes": [text]}),
        ("/api/v1/catalog/locations", {"target": text}),
        ("/api/v1/catalog/locations", {"target": text, "type": text}),
        ("/api/catalog/locations", {"target": text}),
        ("/api/catalog/refresh", {"entityRef": text}),
        ("/api/scaffolder/v2/tasks", {"templateRef": text, "values": {}}),
        ("/api/scaffolder/v2/tasks", {"templateRef": "python-service", "values": {text: text}}),
        ("/api/catalog/entities/by-refs", {"entityRefs": [text]}),
        (BY_QUERY, {"query": {text: text}}),
        (BY_QUERY, {"fullTextFilter": {"term": text, "fields": [text]}, "fields": [text]}),
        (BY_QUERY, {"cursor": text}),
        ("/api/catalog/entity-facets", {"facets": [text]}),
    ]
    for path, body in asked:
        answer = api.post(path, json=body)
        assert answer.status_code < 500, (path, answer.text)
        assert not any(leak in answer.text for leak in LEAKS[:-1]), (path, answer.text)
        assert len(answer.content) < 10_000 or answer.status_code == 200, path
        if path == "/api/v1/catalog/locations" and answer.status_code == 201:
            api.delete(f"/api/catalog/locations/{answer.json()['id']}")


@pytest.mark.parametrize("text", [NUL, "\ud800", "x" * 100_000], ids=["nul", "surrogate", "long"])
def test_hostile_values_and_secrets_of_a_template(
    api: httpx.Client, files: Path, text: str
) -> None:
    name = f"h-{uuid.uuid4().hex[:8]}"
    file = files / f"{name}.yaml"
    file.write_text(
        "apiVersion: scaffolder.backstage.io/v1beta3\nkind: Template\n"
        f"metadata: {{name: {name}}}\nspec:\n  type: service\n  steps:\n"
        "    - action: debug:log\n      input: {message: '${{ parameters.text }}'}\n"
    )
    api.post("/api/v1/catalog/locations", json={"target": str(file)})
    for body in ({"values": {"text": text}}, {"values": {}, "secrets": {"TOKEN": text}}):
        content = json.dumps({"templateRef": name, **body})
        answer = api.post(
            "/api/scaffolder/v2/tasks",
            content=content,
            headers={"content-type": "application/json"},
        )
        assert answer.status_code in (201, 400), answer.text


def test_bodies_are_json_or_not_read(live: Live) -> None:
    body = b'{"offering": "postgres-database", "name": "x"}'
    for kind in (
        "text/plain",
        "application/x-www-form-urlencoded",
        "multipart/form-data",
        "application/yaml",
        "application/jsonx",
        "application/json, text/plain",
    ):
        refused(ask(live, "POST", "/api/v1/plans", f"Content-Type: {kind}", body=body), 415)
    twice = ask(live, "POST", "/api/v1/plans", JSON, "Content-Type: text/plain", body=body)
    refused(twice, 415)
    refused(ask(live, "POST", "/api/v1/plans", JSON), 400)
    for kind in ("application/json; charset=utf-8", "APPLICATION/JSON", "application/x+json"):
        made = ask(live, "POST", "/api/v1/plans", f"Content-Type: {kind}", body=b'{"offering": 1}')
        assert made.status == 400, kind


@pytest.mark.parametrize("coding", ["gzip", "br", "deflate", "zstd", "gzip, identity", "x"])
def test_a_compressed_body_is_not_unpacked(live: Live, coding: str) -> None:
    import gzip

    bomb = gzip.compress(b"[" * 50_000_000)
    answer = ask(live, "POST", "/api/v1/plans", JSON, f"Content-Encoding: {coding}", body=bomb)
    refused(answer, 415)


@pytest.mark.parametrize("key", ["", "x" * 256, "x" * 10_000])
def test_odd_keys_are_refused(live: Live, key: str) -> None:
    body = b'{"offering": "postgres-database", "name": "hostile-key"}'
    answer = ask(live, "POST", "/api/v1/plans", JSON, f"Idempotency-Key: {key}", body=body)
    refused(answer, 400)


def test_two_keys_or_one_that_is_no_ascii_are_refused(live: Live) -> None:
    body = b'{"offering": "postgres-database", "name": "hostile-key"}'
    two = ("Idempotency-Key: a", "Idempotency-Key: b")
    refused(ask(live, "POST", "/api/v1/plans", JSON, *two, body=body), 400)
    latin = "Idempotency-Key: caf\xe9"
    refused(ask(live, "POST", "/api/v1/plans", JSON, latin, body=body), 400)


def test_a_key_is_bound_to_its_request_and_its_asker(live: Live, api: httpx.Client) -> None:
    key = {"idempotency-key": uuid.uuid4().hex}
    body = {"offering": "postgres-database", "name": f"k-{uuid.uuid4().hex[:8]}"}
    first = api.post("/api/v1/plans", json=body, headers=key)
    assert api.post("/api/v1/plans", json=body, headers=key).json() == first.json()
    refused(api.post("/api/v1/plans", json={**body, "size": "small"}, headers=key), 201, 422)
    other = {**body, "name": f"k-{uuid.uuid4().hex[:8]}"}
    refused(api.post("/api/v1/plans", json=other, headers=key), 422)
    values = {"templateRef": "python-service", "values": {"name": f"k-{uuid.uuid4().hex[:6]}"}}
    refused(api.post("/api/scaffolder/v2/tasks", json=values, headers=key), 422)
    with live.known_as("key-stranger", "provision:write", "provision:read") as stranger:
        answer = stranger.post("/api/v1/plans", json=body, headers=key)
        assert answer.status_code == 201
        assert answer.json()["id"] != first.json()["id"]


@pytest.mark.parametrize("value", ["citext", True, 20.5, None, ["citext "], ["CITEXT"], [None]])
def test_a_parameter_of_another_type_is_refused_before_anything_is_decided(
    api: httpx.Client, value: object
) -> None:
    parameters = {"extensions": value}
    body = {"offering": "postgres-database", "name": "hostile-type", "parameters": parameters}
    answer = api.post("/api/v1/plans", json=body)
    refused(answer, 400)
    assert answer.json()["errors"][0]["pointer"].startswith("/parameters/extensions")


@pytest.mark.parametrize(
    "field", ["id", "hash", "state", "resourceId", "createdBy", "expiresAt", "changes", "Owner"]
)
def test_what_the_platform_decides_is_not_taken_from_a_body(api: httpx.Client, field: str) -> None:
    body = {"offering": "postgres-database", "name": "hostile-field", field: "x"}
    answer = api.post("/api/v1/plans", json=body)
    refused(answer, 400)
    assert field in answer.text


def test_schemas_of_a_template_neither_burn_time_nor_fetch(api: httpx.Client, files: Path) -> None:
    schemas = {
        "burns": ("{type: string, pattern: '^(a+)+$'}", "a" * 40 + "!"),
        "fetches": ("{$ref: 'http://127.0.0.1:1/x.json'}", "x"),
        "loops": ("{$ref: '#'}", "x"),
    }
    for word, (schema, value) in schemas.items():
        name = f"h-{word}-{uuid.uuid4().hex[:6]}"
        (files / f"{name}.yaml").write_text(
            "apiVersion: scaffolder.backstage.io/v1beta3\nkind: Template\n"
            f"metadata: {{name: {name}}}\nspec:\n  type: service\n"
            f"  parameters: {{properties: {{x: {schema}}}}}\n"
            "  steps:\n    - action: debug:log\n      input: {message: x}\n"
        )
        api.post("/api/v1/catalog/locations", json={"target": str(files / f"{name}.yaml")})
        body = {"templateRef": name, "values": {"x": value}}
        answer = api.post("/api/scaffolder/v2/tasks", json=body, timeout=60)
        refused(answer, 400, 404, 422)
