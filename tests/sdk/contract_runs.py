"""The published API of runs, over the platform's state."""

from __future__ import annotations

from contract_routes import on
from contract_state import Answer, HeldRun, Json, Platform, Refusal, Request, listed, now

RUN = "/api/v1/runs/{id}"
LEVELS = ("debug", "info", "warning", "error")
KIND: Json = {
    "name": "move-database",
    "title": "Move a database",
    "description": "Copies a database to another server and switches over.",
    "inputSchema": {
        "type": "object",
        "required": ["database"],
        "properties": {
            "database": {"type": "string"},
            "rows": {"type": "integer", "default": 100},
            "password": {"type": "string", "ui:field": "Secret"},
        },
    },
    "queue": "default",
}


def found(platform: Platform, request: Request) -> HeldRun:
    run: HeldRun = platform.find("runs", request.parts[0])
    return run


def must(run: HeldRun, *states: str) -> None:
    if run.shape["state"] not in states:
        raise Refusal(409, "conflict", f"The run is {run.shape['state']}.", next="Look at it.")


@on("GET", "/api/v1/run-kinds")
def _(platform: Platform, request: Request) -> Answer:
    return Answer(200, {"items": [KIND]})


@on("GET", "/api/v1/runs")
def _(platform: Platform, request: Request) -> Answer:
    # Newest first, and without what only a run by itself shows.
    runs = reversed(list(platform.runs.values()))
    items = [{k: v for k, v in r.shape.items() if k not in ("steps", "input")} for r in runs]
    for name in ("kind", "queue", "createdBy", "parent", "schedule"):
        if wanted := request.param(name):
            items = [one for one in items if one.get(name) == wanted]
    if states := [value for name, value in request.query if name == "state"]:
        items = [one for one in items if one["state"] in states]
    if wanted := request.param("waitingFor"):
        items = [one for one in items if wanted in [w["type"] for w in one.get("waiting", ())]]
    if wanted := request.param("q"):
        items = [one for one in items if wanted.lower() in one["title"].lower()]
    if since := request.param("since"):
        items = [one for one in items if one["createdAt"] >= since]
    if until := request.param("until"):
        items = [one for one in items if one["createdAt"] < until]
    return listed(request, items)


@on("POST", "/api/v1/runs")
def _(platform: Platform, request: Request) -> Answer:
    body = request.body
    if body["kind"] != KIND["name"]:
        raise Refusal(404, "not-found", f"There is no kind {body['kind']}.")
    if not isinstance(body["input"].get("database"), str):
        faults = [{"code": "required", "detail": "is missing", "pointer": "/database"}]
        raise Refusal(422, "invalid", "The input does not fit.", errors=faults)
    title = body.get("title") or KIND["title"]
    run = platform.finished(body["kind"], title, {"database": body["input"]["database"]})
    run.shape |= {"input": body["input"], "secretNames": sorted(body.get("secrets") or ())}
    for name in ("queue", "priority", "concurrencyKey"):
        run.shape |= {name: body[name]} if name in body else {}
    return Answer(201, run.shape)


@on("GET", RUN)
def _(platform: Platform, request: Request) -> Answer:
    return Answer(200, found(platform, request).shape)


@on("GET", f"{RUN}/steps")
def _(platform: Platform, request: Request) -> Answer:
    return Answer(200, {"items": found(platform, request).shape["steps"]})


@on("GET", f"{RUN}/events")
def _(platform: Platform, request: Request) -> Answer:
    after = int(request.param("after", "0") or 0)
    events = found(platform, request).events
    return Answer(200, {"items": [one for one in events if one["seq"] > after][:2]})


@on("GET", f"{RUN}/log")
def _(platform: Platform, request: Request) -> Answer:
    after = int(request.param("after", "0") or 0)
    events = [one for one in found(platform, request).events if one["seq"] > after]
    least = LEVELS.index(request.param("level", "info"))
    said = [one["body"] for one in events if one["type"] == "log"]
    lines = [f"{one['message']}\n" for one in said if LEVELS.index(one["level"]) >= least]
    if request.headers["accept"] != "text/plain":
        raise Refusal(406, "not-acceptable", "The log is text.")
    return Answer(200, "".join(lines).encode(), "text/plain; charset=utf-8")


@on("POST", f"{RUN}/cancel")
def _(platform: Platform, request: Request) -> Answer:
    run = found(platform, request)
    if run.ended:
        raise Refusal(409, "conflict", "The run has ended.", next="There is nothing to cancel.")
    if "graceSeconds" in request.body:
        run.shape |= {"cancelRequested": True, "cancelBy": now()}
    else:
        run.end("cancelled")
    return Answer(202, run.shape)


@on("POST", f"{RUN}/retry")
def _(platform: Platform, request: Request) -> Answer:
    run = found(platform, request)
    must(run, "failed", "cancelled", "unknown")
    run.shape |= {"input": request.body["input"]} if "input" in request.body else {}
    run.shape |= {"attempt": run.shape["attempt"] + 1}
    run.add("decision", decision="retry", by="user:default/ann")
    run.go_on("queued")
    again(platform, run)
    return Answer(202, run.shape)


@on("POST", f"{RUN}/resolve")
def _(platform: Platform, request: Request) -> Answer:
    run = found(platform, request)
    must(run, "unknown")
    run.add("decision", decision="resolve", by="user:default/ann", reason=request.body["reason"])
    run.go_on("queued")
    again(platform, run)
    return Answer(202, run.shape)


def again(platform: Platform, run: HeldRun) -> None:
    """Do what is left of a run, unless a test holds it."""
    if platform.hold_runs:
        return
    for step in list(run.shape["steps"]):
        if step["state"] != "succeeded":
            run.step(step["key"], "running")
            run.step(step["key"], "succeeded")
    run.end(output={"again": True})


@on("GET", f"{RUN}/undo")
def _(platform: Platform, request: Request) -> Answer:
    return Answer(200, {"undos": found(platform, request).undos})


@on("POST", f"{RUN}/undo")
def _(platform: Platform, request: Request) -> Answer:
    run = found(platform, request)
    if not run.undos:
        raise Refusal(409, "conflict", "The run left nothing to take back.")
    run.undos = []
    return Answer(202, platform.finished("undo", f"Undo {run.shape['title']}", {}).shape)


@on("POST", f"{RUN}/approve")
def _(platform: Platform, request: Request) -> Answer:
    return decided(platform, request, "approved")


@on("POST", f"{RUN}/reject")
def _(platform: Platform, request: Request) -> Answer:
    return decided(platform, request, "rejected")


def decided(platform: Platform, request: Request, outcome: str) -> Answer:
    run = found(platform, request)
    [waiting] = run.shape.get("waiting") or [{}]
    if waiting.get("type") != "approval":
        raise Refusal(409, "conflict", "The run waits for no approval.")
    if request.body.get("step") not in (None, waiting["step"]):
        raise Refusal(409, "conflict", f"{request.body['step']} asks nothing.")
    said = {"by": "user:default/ann", "reason": request.body.get("reason")}
    run.settle(outcome, **{name: value for name, value in said.items() if value})
    if outcome == "rejected":
        run.end("failed", error={"code": "rejected", "message": request.body["reason"]})
    return Answer(200, run.shape)


@on("POST", f"{RUN}/signals")
def _(platform: Platform, request: Request) -> Answer:
    run = found(platform, request)
    must(run, "queued", "running", "waiting")
    if [request.body["name"]] == [wait.get("event") for wait in run.shape.get("waiting", ())]:
        run.settle("came")
    return Answer(202, run.shape)
