"""The published API of the catalog's writes, its past and watching, over the platform's state."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterator

from contract_routes import on
from contract_state import Answer, Json, Platform, Request, entity, listed, now, problem, ref_of

WATCH = "/api/v1/catalog/watch"
ENTITY = "/api/v1/catalog/entities/{kind}/{namespace}/{name}"
HISTORY = "/api/v1/catalog/history/{kind}/{namespace}/{name}"
HOLDER = {"type": "location", "origin": "url:x", "locationId": "1", "file": "a.yaml", "line": 3}


def tag(one: Json) -> str:
    return f'"{hashlib.sha256(json.dumps(one).encode()).hexdigest()[:16]}-0"'


def note(platform: Platform, ref: str, one: Json) -> Json:
    """Write down a change, and make it."""
    before = platform.entities.get(ref)
    change = "deleted" if one is None else "changed" if before else "added"
    made = {
        "seq": len(platform.changes) + 1,
        "entityRef": ref,
        "uid": (one or before)["metadata"]["uid"],
        "revision": 1 + sum(past["entityRef"] == ref for past in platform.changes),
        "change": change,
        "actor": "towpath/ann",
        "source": "api:entities",
        "at": now(),
    }
    if change == "changed":
        made["differences"] = [
            {"op": "replace", "pointer": "/spec/type", "old": "service", "new": "library"}
        ]
    with platform.changed:
        platform.changes.append({**made, "entity": one})
        if one is None:
            del platform.entities[ref]
        else:
            platform.entities[ref] = one
        platform.changed.notify_all()
    return made


def declared(platform: Platform, sent: Json) -> tuple[int, Json]:
    plain = entity(sent["kind"], sent["metadata"]["name"], **sent.get("spec", {}))
    one = {**plain, "metadata": {**plain["metadata"], **sent["metadata"]}}
    ref = ref_of(one)
    before = platform.entities.get(ref)
    change = "added" if before is None else "unchanged" if before == one else "changed"
    if change != "unchanged":
        note(platform, ref, one)
    revision = max(1, sum(past["entityRef"] == ref for past in platform.changes))
    told = {"entityRef": ref, "uid": one["metadata"]["uid"], "revision": revision}
    return 201 if change == "added" else 200, told | {
        "change": change,
        "etag": tag(one),
        "entity": one,
    }


def unfit(platform: Platform, request: Request, ref: str) -> Answer | None:
    there = platform.entities.get(ref)
    match, none = request.headers.get("if-match"), request.headers.get("if-none-match")
    stale = match not in (None, "*", tag(there) if there else "")
    if stale or (none == "*" and there):
        return problem(412, "precondition-failed", f"{ref} is not what it was.")
    return None


@on("GET", ENTITY)
def _(platform: Platform, request: Request) -> Answer:
    kind, namespace, name = request.parts
    one = platform.entities.get(f"{kind}:{namespace}/{name}".lower())
    if one is None:
        return problem(404, "not-found", f"There is no {name}.")
    return Answer(200, one, headers={"etag": tag(one)})


@on("PUT", ENTITY)
def _(platform: Platform, request: Request) -> Answer:
    kind, namespace, name = request.parts
    ref = f"{kind}:{namespace}/{name}".lower()
    if refused := unfit(platform, request, ref):
        return refused
    if "spec" not in request.body:
        error = {"code": "field", "detail": "type is missing", "pointer": "/spec/type"}
        return problem(400, "invalid", "The entity is wrong.", errors=[error])
    return Answer(*declared(platform, request.body))


@on("DELETE", ENTITY)
def _(platform: Platform, request: Request) -> Answer:
    kind, namespace, name = request.parts
    ref = f"{kind}:{namespace}/{name}".lower()
    if refused := unfit(platform, request, ref):
        return refused
    if ref not in platform.entities:
        return problem(404, "not-found", f"There is no {ref}.")
    made = note(platform, ref, None)
    when = {"when": "when the location is read again", "next": "Take it out of a.yaml:3."}
    returns = [{"holder": HOLDER, **when}] if name.startswith("shop-") else []
    return Answer(200, {"entityRef": ref, "uid": made["uid"], "returns": returns})


@on("GET", "/api/v1/catalog/entities")
def _(platform: Platform, request: Request) -> Answer:
    return listed(request, list(platform.entities.values()))


@on("GET", HISTORY)
def _(platform: Platform, request: Request) -> Answer:
    kind, namespace, name = request.parts
    ref = f"{kind}:{namespace}/{name}".lower()
    found = [
        {key: value for key, value in one.items() if key != "entity"}
        for one in reversed(platform.changes)
        if one["entityRef"] == ref
    ]
    return listed(request, found) if found else problem(404, "not-found", "No history.")


@on("GET", f"{HISTORY}/{{seq}}")
def _(platform: Platform, request: Request) -> Answer:
    found = platform.changes[int(request.parts[3]) - 1]
    return Answer(200, {key: value for key, value in found.items() if value is not None})


@on("POST", f"{HISTORY}/{{seq}}/restore")
def _(platform: Platform, request: Request) -> Answer:
    return Answer(*declared(platform, platform.changes[int(request.parts[3]) - 1]["entity"]))


@on("PUT", "/api/v1/catalog/sets/{id}")
def _(platform: Platform, request: Request) -> Answer:
    (id,) = request.parts
    wanted = list(request.body["entities"])
    for file in request.body["files"]:
        names = re.findall(r"^  name: (\S+)", file["text"], re.MULTILINE)
        if not names:
            error = {"code": "yaml", "detail": "no name", "file": file["name"], "line": 2}
            return problem(400, "invalid", "The entity is wrong.", errors=[error])
        wanted += [entity("Component", name, type="service") for name in names]
    refs = [
        ref_of({**one, "metadata": {"namespace": "default", **one["metadata"]}}) for one in wanted
    ]
    held = platform.sets.get(id, [])
    gone = sorted(set(held) - set(refs))
    digest = f"digest{len(gone)}" if gone else None
    guarded = len(gone) >= 5
    told = {"id": id, "dryRun": request.param("dryRun") == "true", "deleted": gone}
    told |= {"added": [ref for ref in refs if ref not in held], "changed": [], "conflicts": []}
    told |= {"unchanged": [ref for ref in refs if ref in held], "guarded": guarded}
    told["pruneDigest"] = digest
    if told["dryRun"]:
        return Answer(200, told)
    if guarded and request.param("prune") != digest:
        return problem(409, "vanishing", "5 entities would vanish.", next=f"Say prune={digest}.")
    for one in wanted:
        declared(platform, one)
    for ref in gone:
        note(platform, ref, None)
    platform.sets[id] = refs
    return Answer(200, told)


@on("GET", "/api/v1/catalog/sets")
def _(platform: Platform, request: Request) -> Answer:
    return listed(request, [shown(platform, id) for id in sorted(platform.sets)])


@on("GET", "/api/v1/catalog/sets/{id}")
def _(platform: Platform, request: Request) -> Answer:
    (id,) = request.parts
    if id not in platform.sets:
        return problem(404, "not-found", f"There is no set {id}.")
    page = listed(request, platform.sets[id]).body
    return Answer(200, {**shown(platform, id), "entityRefs": page.pop("items"), **page})


@on("DELETE", "/api/v1/catalog/sets/{id}")
def _(platform: Platform, request: Request) -> Answer:
    (id,) = request.parts
    if id not in platform.sets:
        return problem(404, "not-found", f"There is no set {id}.")
    return Answer(200, {"id": id, "entityRefs": platform.sets.pop(id)})


def shown(platform: Platform, id: str) -> Json:
    return {"id": id, "entities": len(platform.sets[id]), "updatedAt": now()}


def too_old(platform: Platform, request: Request) -> Answer | None:
    if int(request.headers.get("last-event-id", "0")) > len(platform.changes):
        return problem(410, "gone", "Watching cannot go on.", next="Begin anew with a list.")
    return None


def frames(platform: Platform, request: Request) -> Iterator[str]:
    """The list where it is asked for, then all changes; ends after `resume`, as one too slow."""
    last = request.headers.get("last-event-id")
    sent = len(platform.changes) if last is None else int(last)
    if request.param("list") == "true" and last is None:
        for one in list(platform.entities.values()):
            yield f"event: put\ndata: {json.dumps({'entity': one})}\n\n"
        yield f'id: {sent}\nevent: bookmark\ndata: {{"seq":{sent}}}\n\n'
    yield ": alive\n\n"
    while not platform.closing:
        with platform.changed:
            if len(platform.changes) <= sent:
                platform.changed.wait(0.05)
                continue
            fresh = platform.changes[sent:]
        for one in fresh:
            sent = one["seq"]
            event = "put" if one["entity"] else "delete"
            data = {key: value for key, value in one.items() if value is not None}
            yield f"id: {sent}\nevent: {event}\ndata: {json.dumps(data)}\n\n"
        if platform.slow:
            platform.slow = False
            yield f'id: {sent}\nevent: resume\ndata: {{"seq":{sent}}}\n\n'
            return
