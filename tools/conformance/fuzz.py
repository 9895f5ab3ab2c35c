"""Sends random requests made from an OpenAPI document; run by the Python that has schemathesis.

    TOKEN=... python fuzz.py backstage catalog-openapi.json http://127.0.0.1:7007/api/catalog
    TOKEN=... python fuzz.py towpath openapi.json http://127.0.0.1:7007 --examples 20 --seconds 60

Half of the requests keep to the document, half break it. No answer may be a 5xx, come late, or
have a status, a media type or a body that the document does not know. Exit status 1 when one does;
each is shown once, with a command that repeats it.
"""

from __future__ import annotations

import argparse
import json
import os
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import requests
import schemathesis
from hypothesis import HealthCheck, Phase, given, seed, settings
from schemathesis import GenerationMode
from schemathesis.checks import not_a_server_error
from schemathesis.core.failures import Failure, FailureGroup
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    negative_data_rejection,
    response_schema_conformance,
    status_code_conformance,
)

SLOW_SECONDS = 10.0
"""A request that takes longer counts as hanging, on a machine that does other work as well."""

CHECKS = (
    not_a_server_error,
    status_code_conformance,
    content_type_conformance,
    response_schema_conformance,
    negative_data_rejection,
)

# What the documents say and the contract does not; `_is_known` looks at the request for it.
FIELDS = "with `fields`, entities are no whole ones, which the schema of an entity does not say"
NULL = "in a body, null stands for what is left out"
TEXT = "in an address everything is text: a number breaks no list of texts"


def main() -> int:
    parser = argparse.ArgumentParser()
    parser.add_argument("name", choices=("backstage", "towpath"))
    parser.add_argument("document", type=Path)
    parser.add_argument("url")
    parser.add_argument("--examples", type=int, default=50, help="of each half, per operation")
    parser.add_argument("--seconds", type=float, default=3600, help="begin no operation after")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--operation", help="only this one, as `GET /entities`")
    asked = parser.parse_args()
    document = closed(json.loads(asked.document.read_text("utf-8")))
    schema = schemathesis.openapi.from_dict(document)
    fuzzer = Fuzzer(asked.url, os.environ["TOKEN"], asked.examples, asked.seed)
    begun = time.monotonic()
    skipped = 0
    for operation in operations(schema):
        if asked.operation not in (None, operation.label):
            continue
        if time.monotonic() - begun > asked.seconds:
            skipped += 1
            continue
        fuzzer.run(operation)
    took = time.monotonic() - begun
    print(
        f"fuzz   {asked.name}: {sum(fuzzer.statuses.values())} requests in {took:.0f} s,"
        f" slowest {fuzzer.slowest:.1f} s, statuses {dict(sorted(fuzzer.statuses.items()))},"
        f" {len(fuzzer.failures)} failures" + (f", {skipped} operations not tried" * bool(skipped))
    )
    for reason, count in fuzzer.known.items():
        print(f"       {count} times: {reason}")
    for text in fuzzer.failures.values():
        print(text)
    return 1 if fuzzer.failures else 0


def closed(document: dict[str, Any]) -> dict[str, Any]:
    """The document with bodies that have no keys but those it names, as ours are read.

    Backstage's says so of some and ignores what others have besides; a request that is refused
    for that alone tries nothing.
    """
    for methods in document["paths"].values():
        for operation in methods.values():
            body = operation.get("requestBody", {}) if isinstance(operation, dict) else {}
            waiting = [media["schema"] for media in body.get("content", {}).values()]
            while waiting:
                node = waiting.pop()
                if node.get("properties"):
                    node.setdefault("additionalProperties", False)
                waiting += node.get("properties", {}).values()
                waiting += [node["items"]] if "items" in node else []
    return document


def operations(schema: Any) -> Iterator[Any]:
    """All operations that end, reads first: they find more in a catalog that is whole."""
    found = [result.ok() for result in schema.get_all_operations()]
    order = {"GET": 0, "POST": 1, "PUT": 2, "PATCH": 3, "DELETE": 4}
    # What streams goes on until its client has enough, which a fuzzer never has.
    ending = [one for one in found if "text/event-stream" not in json.dumps(one.definition.raw)]
    yield from sorted(ending, key=lambda operation: order[operation.method.upper()])


class Fuzzer:
    """Sends the requests, and keeps what went wrong."""

    def __init__(self, url: str, token: str, examples: int, seed: int) -> None:
        self.failures: dict[tuple[str, str], str] = {}
        self.statuses: Counter[int] = Counter()
        self.slowest = 0.0
        self.known: Counter[str] = Counter()
        self._url = url
        self._examples = examples
        self._seed = seed
        self._session = requests.Session()
        self._headers = {"Authorization": f"Bearer {token}"}

    def run(self, operation: Any) -> None:
        """Try one operation, with requests that keep to the document and with such that do not."""
        for mode in (GenerationMode.POSITIVE, GenerationMode.NEGATIVE):

            @seed(self._seed)
            @settings(
                max_examples=self._examples,
                deadline=None,
                database=None,
                phases=[Phase.explicit, Phase.generate],
                suppress_health_check=list(HealthCheck),
            )
            @given(case=operation.as_strategy(generation_mode=mode))
            def attempt(case: Any) -> None:
                self._try(operation.label, case)

            try:
                attempt()
            except Exception as error:
                # An operation without anything to break has no second half.
                if (
                    "Unsatisfiable" not in type(error).__name__
                    and "kip" not in type(error).__name__
                ):
                    raise

    def _try(self, label: str, case: Any) -> None:
        begun = time.monotonic()
        try:
            response = case.call(
                base_url=self._url, headers=self._headers, session=self._session, timeout=30
            )
        except requests.RequestException as error:
            self._note(label, "no answer", f"{type(error).__name__}: {error}", case)
            return
        took = time.monotonic() - begun
        self.slowest = max(self.slowest, took)
        self.statuses[response.status_code] += 1
        if took > SLOW_SECONDS:
            self._note(label, "slow", f"{took:.1f} s", case)
        try:
            case.validate_response(response, checks=list(CHECKS), headers=self._headers)
        except FailureGroup as group:
            for failure in group.exceptions:
                self._note(label, type(failure).__name__, str(failure), case)
        except Failure as failure:
            self._note(label, type(failure).__name__, str(failure), case)

    def _note(self, label: str, check: str, text: str, case: Any) -> None:
        if (reason := _is_known(check, text, case)) is not None:
            self.known[reason] += 1
            return
        if (label, check) in self.failures:
            return
        curl = case.as_curl_command()[:1500]
        self.failures[label, check] = f"  {label}: {check}: {text[:1200]}\n    {curl}"


def _is_known(check: str, text: str, case: Any) -> str | None:
    """Why a failure is one of the document's."""
    body = case.body if isinstance(case.body, dict) else {}
    chosen = "fields" in (case.query or {}) or "fields" in body
    if check == "JsonSchemaError" and chosen:
        return FIELDS
    broken = [line for line in text.splitlines() if "violates" in line]
    if check == "AcceptedNegativeData" and all("became null" in b for b in broken):
        return NULL
    if check == "AcceptedNegativeData" and all("header:" in b or "query:" in b for b in broken):
        return TEXT
    return None


if __name__ == "__main__":
    raise SystemExit(main())
