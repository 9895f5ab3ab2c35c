"""What a platform is to the tests of the SDK: its state, its runs, and the faults they ask for."""

from __future__ import annotations

import copy
import json
import re
import threading
import uuid
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

TOKEN = "tow_pat_0123456789abcdefghijkl_secretsecretsecretsecretsecretsecr123456"
Json = Any


def now(days: float = 0) -> str:
    return (datetime.now(UTC) + timedelta(days=days)).isoformat().replace("+00:00", "Z")


def entity(kind: str, name: str, **spec: Json) -> Json:
    return {
        "apiVersion": "backstage.io/v1alpha1",
        "kind": kind,
        "metadata": {
            "name": name,
            "namespace": "default",
            "uid": str(uuid.uuid5(uuid.NAMESPACE_URL, f"{kind}{name}")),
            "title": name.title(),
        },
        "spec": spec,
        "relations": [{"type": "ownedBy", "targetRef": spec["owner"]}] if "owner" in spec else [],
    }


def ref_of(one: Json) -> str:
    return f"{one['kind']}:{one['metadata']['namespace']}/{one['metadata']['name']}".lower()


@dataclass
class Answer:
    status: int
    body: Json = None
    content_type: str = "application/json"
    headers: dict[str, str] = field(default_factory=dict)


class Refusal(Exception):
    def __init__(self, status: int, code: str, detail: str, **more: Json) -> None:
        super().__init__(detail)
        self.status, self.code, self.detail, self.more = status, code, detail, more


@dataclass
class Request:
    method: str
    path: str
    query: list[tuple[str, str]]
    headers: dict[str, str]
    raw: bytes
    parts: tuple[str, ...] = ()

    @property
    def body(self) -> Json:
        return json.loads(self.raw) if self.raw else {}

    def param(self, name: str, default: str | None = None) -> str | None:
        return dict(self.query).get(name, default)

    @property
    def key(self) -> str | None:
        return self.headers.get("idempotency-key")


@dataclass
class Fault:
    """What goes wrong with the next matching request: an answer instead, or a dropped connection.

    `done` does the work first and loses only the answer. A stream breaks after `events`; one that
    is `mute` stays open and holds everything back, as some proxies do.
    """

    method: str
    path: str
    answer: Answer | None = None
    done: bool = False
    events: int = 0
    mute: bool = False
    times: int = 1


class HeldRun:
    """A run whose events a test adds one by one."""

    def __init__(self, kind: str, title: str) -> None:
        self.changed = threading.Condition()
        self.events: list[Json] = []
        self.undos: list[Json] = []
        self.shape: Json = {
            "id": str(uuid.uuid4()),
            "kind": kind,
            "title": title,
            "state": "running",
            "attempt": 1,
            "createdBy": "user:default/ann",
            "createdAt": now(),
            "startedAt": now(),
            "steps": [],
        }

    @property
    def id(self) -> str:
        return str(self.shape["id"])

    def add(self, type: str, /, **body: Json) -> None:
        with self.changed:
            seq = len(self.events) + 1
            self.events.append({"seq": seq, "type": type, "at": now(), "body": body})
            self.changed.notify_all()

    def step(self, key: str, state: str, **more: Json) -> None:
        """Begin a step, or say what became of it."""
        known = [one for one in self.shape["steps"] if one["key"] == key]
        if not known:
            seq = len(self.shape["steps"]) + 1
            known = [{"seq": seq, "key": key, "name": key.capitalize(), "attempts": 0}]
            self.shape["steps"] += known
        begun = {"startedAt": now(), "attempts": known[0]["attempts"] + 1}
        known[0].pop("finishedAt", None)
        known[0] |= {"state": state, **more}
        known[0] |= begun if state == "running" else {"finishedAt": now()}
        self.add("step", key=key, name=known[0]["name"], state=state)

    def wait(self, step: str, type: str, **what: Json) -> None:
        """Stand still at a step until something happens."""
        [one] = [one for one in self.shape["steps"] if one["key"] == step]
        wait = {"step": step, "type": type, "name": one["name"], **what}
        one |= {"state": "waiting", "wait": wait}
        self.add("step", key=step, name=one["name"], state="waiting")
        self.add("wait", key=step, name=one["name"], type=type, **what)
        self.shape |= {"state": "waiting", "waiting": [wait]}
        self.add("state", state="waiting")

    def settle(self, outcome: str, **told: Json) -> None:
        """Bring what is waited for: the run is queued again, its step done."""
        [wait] = self.shape["waiting"]
        if "by" in told:
            self.add("decision", decision=outcome, step=wait["step"], **told)
        self.add("wait", key=wait["step"], type=wait["type"], outcome=outcome, **told)
        [one] = [one for one in self.shape["steps"] if one["key"] == wait["step"]]
        one |= {"state": "succeeded", "finishedAt": now()}
        self.go_on("queued")

    def go_on(self, state: str = "running") -> None:
        """Leave a wait, or take up again what had ended."""
        for gone in ("waiting", "finishedAt", "error"):
            self.shape.pop(gone, None)
        self.shape["state"] = state
        self.add("state", state=state)

    def end(self, state: str = "succeeded", output: Json = None, error: Json = None) -> None:
        self.shape.pop("waiting", None)
        self.add("state", state=state)
        with self.changed:
            self.shape |= {"state": state, "finishedAt": now()}
            self.shape |= {"output": output} if output is not None else {}
            self.shape |= {"error": error} if error is not None else {}
            self.changed.notify_all()

    def news(self, sent: int, platform: Platform) -> bool:
        """Wait until there is more to tell, or the time for a sign of life has come."""
        return self.changed.wait_for(
            lambda: platform.closing or len(self.events) > sent or self.ended, platform.keep_alive
        )

    @property
    def ended(self) -> bool:
        return self.shape["state"] in ("succeeded", "failed", "cancelled", "unknown")


DIGEST = "3f786850e387550f"


def tombstone(ref: str) -> Json:
    """An entity that was removed just now."""
    return {
        "uid": str(uuid.uuid4()),
        "ref": ref,
        "origin": "url:https://git.example.com/all.yaml",
        "reason": "vanished",
        "actor": "towpath/ada",
        "deletedAt": now(),
        "expiresAt": now(),
    }


class Platform:
    """The state behind the API, and the faults that tests ask for."""

    def __init__(self) -> None:
        self.lock = threading.RLock()
        self.requests: list[Request] = []
        self.faults: list[Fault] = []
        self.answers: dict[str, tuple[str, Answer]] = {}
        self.keep_alive = 0.05
        self.hold_runs = False
        self.stale_plans = False
        self.closing = False
        self.problems: list[Json] = []
        self.held: list[str] = []
        self.warnings: list[Json] = []
        self.tombstones: list[Json] = []
        self.conflicts: list[Json] = []
        self.runs: dict[str, HeldRun] = {}
        self.schedules: dict[str, Json] = {}
        self.locations: dict[str, Json] = {}
        self.plans: dict[str, Json] = {}
        self.resources: dict[str, Json] = {}
        self.bindings: dict[str, Json] = {}
        self.secrets: dict[str, dict[str, str]] = {}
        self.tokens: dict[str, Json] = {}
        self.entities: dict[str, Json] = {}
        for one in sample():
            self.entities[ref_of(one)] = one
        self.changed = threading.Condition(self.lock)
        self.changes: list[Json] = []
        self.sets: dict[str, list[str]] = {}
        self.slow = False
        self.schema: Json = copy.deepcopy(SCHEMA)
        self.info: Json = {
            "name": "towpath",
            "version": "0.1.0",
            "specVersion": 1,
            "principal": {
                "subject": "ann",
                "kind": "user",
                "entityRef": "user:default/ann",
                "groups": ["group:default/canal"],
                "scopes": ["platform:admin"],
            },
            "catalogRoots": ["/srv/catalog"],
            "demoLocation": "/srv/catalog/demo/all.yaml",
            "demoTemplate": "template:default/python-service",
        }
        self.scaffold: Callable[[Json], Json] = lambda values: {
            "remoteUrl": f"https://git.example.com/{values['name']}.git",
            "entityRef": f"component:default/{values['name']}",
        }
        self.bind: Callable[[Json], dict[str, str]] = lambda resource: {
            "username": "u1",
            "password": "p-secret",
        }
        self.drop: Callable[[Json], None] = lambda resource: None

    def fail(self, method: str, path: str, **what: Json) -> None:
        self.faults.append(Fault(method, path, **what))

    def calls(self, method: str, path: str) -> list[Request]:
        return [r for r in self.requests if r.method == method and re.fullmatch(path, r.path)]

    def run(self, kind: str, title: str) -> HeldRun:
        made = HeldRun(kind, title)
        self.runs[made.id] = made
        return made

    def finished(self, kind: str, title: str, output: Json) -> HeldRun:
        made = self.run(kind, title)
        made.shape["steps"] = [
            {"seq": 1, "key": "work", "name": "Work", "state": "succeeded", "attempts": 1}
        ]
        made.add("step", key="work", name="Work", state="running")
        made.add("log", message=f"doing {title}", level="info", step="work")
        if not self.hold_runs:
            made.add("step", key="work", name="Work", state="succeeded")
            made.end(output=output)
        return made

    def find(self, store: str, id: str) -> Json:
        found = getattr(self, store).get(id)
        if found is None:
            raise Refusal(404, "not-found", f"There is no {store[:-1]} {id}.")
        return found


def sample() -> Iterator[Json]:
    yield entity("Group", "canal", type="team", children=[])
    yield entity("User", "ann", memberOf=["canal"])
    owner = "group:default/canal"
    yield entity("Template", "python-service", type="service", owner=owner, steps=[])
    for number in range(1, 8):
        kind = "service" if number % 2 else "website"
        yield entity("Component", f"shop-{number}", type=kind, lifecycle="production", owner=owner)


SCHEMA: Json = {
    "title": "Python service",
    "steps": [
        {
            "title": "About",
            "schema": {
                "required": ["name", "owner"],
                "properties": {
                    "name": {"type": "string", "title": "Name", "pattern": "^[a-z][a-z0-9-]*$"},
                    "owner": {"type": "string", "ui:field": "OwnerPicker"},
                    "port": {"type": "integer", "default": 8000},
                    "public": {"type": "boolean", "default": False},
                    "tags": {"type": "array", "items": {"type": "string"}},
                },
            },
        }
    ],
}
OFFERING: Json = {
    "name": "postgres-database",
    "title": "PostgreSQL database",
    "description": "A database and a role that owns it.",
    "resourceType": "database",
    "provisioner": "postgres",
    "parameters": {
        "type": "object",
        "additionalProperties": False,
        "properties": {"connections": {"type": "integer", "default": 5}},
    },
    "sizes": [
        {"name": "small", "description": "5 connections", "parameters": {"connections": 5}},
        {"name": "large", "description": "50 connections", "parameters": {"connections": 50}},
    ],
    "outputs": [{"name": "database", "description": "Its name", "secret": False}],
    "credentials": [{"name": "password", "description": "The password", "secret": True}],
}


def listed(request: Request, items: list[Json]) -> Answer:
    limit = int(request.param("limit", "100") or 100)
    start = int(request.param("cursor", "0") or 0)
    body: Json = {"items": items[start : start + limit]}
    if start + limit < len(items):
        body["nextCursor"] = str(start + limit)
    return Answer(200, body)


def backstage(status: int, name: str, message: str) -> Answer:
    error = {"name": name, "message": message}
    return Answer(status, {"error": error, "response": {"statusCode": status}})


def problem(status: int, code: str, detail: str, **more: Json) -> Answer:
    body = {"type": f"urn:towpath:problem:{code}", "title": code, "status": status}
    body |= {"detail": detail, "code": code, **more}
    return Answer(status, body, content_type="application/problem+json")
