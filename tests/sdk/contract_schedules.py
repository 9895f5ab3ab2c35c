"""The published API of schedules, over the platform's state."""

from __future__ import annotations

import uuid
from datetime import UTC, datetime, timedelta

from contract_routes import on
from contract_state import Answer, Json, Platform, Refusal, Request, listed, now

ONE = "/api/v1/schedules/{which}"
LEFT_OUT = ("title", "queue", "deadlineSeconds")


def found(platform: Platform, request: Request) -> Json:
    which = request.parts[0]
    for one in platform.schedules.values():
        if which in (one["id"], one["name"]):
            return one
    raise Refusal(404, "not-found", f"There is no schedule {which}.")


def matched(platform: Platform, request: Request) -> Json:
    one = found(platform, request)
    wanted = request.headers.get("if-match")
    if wanted is not None and wanted.strip('"') != one["etag"]:
        raise Refusal(412, "precondition-failed", f"{one['name']} is not what it was.")
    return one


def told(one: Json, status: int = 200, **changed: Json) -> Answer:
    if changed:
        one |= {**changed, "updatedAt": now(), "etag": f"{int(one['etag'][0]) + 1}-0badcafe"}
    for name in LEFT_OUT:
        if one.get(name) is None:
            one.pop(name, None)
    one["next"] = [] if one["paused"] else times(3)
    return Answer(status, dict(one), headers={"etag": f'"{one["etag"]}"'})


def times(count: int) -> list[str]:
    night = datetime(2026, 11, 28, 1, 30, tzinfo=UTC)
    return [f"{night + timedelta(days=n):%Y-%m-%dT02:30:00}+01:00" for n in range(count)]


@on("GET", "/api/v1/schedules")
def _(platform: Platform, request: Request) -> Answer:
    every = sorted(platform.schedules.values(), key=lambda one: str(one["name"]))
    return listed(request, every)


@on("POST", "/api/v1/schedules")
def _(platform: Platform, request: Request) -> Answer:
    body = request.body
    if body["cron"].count(" ") not in (0, 4):
        faults = [{"code": "invalid", "detail": "no cron expression", "pointer": "/cron"}]
        raise Refusal(400, "invalid", "The schedule is wrong.", errors=faults)
    if any(one["name"] == body["name"] for one in platform.schedules.values()):
        raise Refusal(409, "conflict", f"There is a schedule {body['name']} already.")
    usual = {"catchUp": "one", "catchUpLimit": 10, "overlap": "skip", "priority": 0}
    made = {"createdBy": "user:default/ann", "createdAt": now(), "updatedAt": now()}
    one = {"id": str(uuid.uuid4()), "etag": "1-0badcafe", "paused": False, **usual, **made, **body}
    platform.schedules[one["id"]] = one
    return told(one, 201)


@on("GET", ONE)
def _(platform: Platform, request: Request) -> Answer:
    return told(found(platform, request))


@on("PATCH", ONE)
def _(platform: Platform, request: Request) -> Answer:
    return told(matched(platform, request), **request.body)


@on("DELETE", ONE)
def _(platform: Platform, request: Request) -> Answer:
    del platform.schedules[matched(platform, request)["id"]]
    return Answer(204)


@on("POST", f"{ONE}/pause")
def _(platform: Platform, request: Request) -> Answer:
    return told(matched(platform, request), paused=True)


@on("POST", f"{ONE}/resume")
def _(platform: Platform, request: Request) -> Answer:
    return told(matched(platform, request), paused=False)


@on("POST", f"{ONE}/run")
def _(platform: Platform, request: Request) -> Answer:
    one = found(platform, request)
    run = platform.finished(one["kind"], one.get("title") or one["name"], {})
    run.shape["schedule"] = one["id"]
    return Answer(201, run.shape)


@on("GET", f"{ONE}/next")
def _(platform: Platform, request: Request) -> Answer:
    found(platform, request)
    return Answer(200, {"times": times(int(request.param("count", "10") or 10))})
