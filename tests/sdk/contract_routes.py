"""The published API, each route as a function of the platform's state."""

from __future__ import annotations

import base64
import json
import re
import uuid
from collections.abc import Callable
from urllib.parse import unquote

from contract_state import (
    DIGEST,
    OFFERING,
    TOKEN,
    Answer,
    Json,
    Platform,
    Refusal,
    Request,
    backstage,
    entity,
    listed,
    now,
    problem,
    ref_of,
)

Handler = Callable[["Platform", Request], Answer]
ROUTES: list[tuple[str, re.Pattern[str], Handler]] = []


def on(method: str, path: str) -> Callable[[Handler], Handler]:
    pattern = re.compile(re.sub(r"\{\w+\}", r"([^/]+)", path))

    def keep(handler: Handler) -> Handler:
        ROUTES.append((method, pattern, handler))
        return handler

    return keep


# ---- the platform -------------------------------------------------------------------------------


@on("GET", "/healthz")
def _(platform: Platform, request: Request) -> Answer:
    return Answer(200, {"status": "ok"})


@on("GET", "/readyz")
def _(platform: Platform, request: Request) -> Answer:
    checks = {"database": "ok", "index": "ok", "workers": "none is running"}
    plugins = [{"name": "aws", "state": "unavailable", "why": "needs towpath[aws]"}]
    return Answer(503, {"status": "degraded", "checks": checks, "plugins": plugins})


@on("GET", "/api/v1/info")
def _(platform: Platform, request: Request) -> Answer:
    return Answer(200, platform.info)


@on("GET", "/api/v1/plugins")
def _(platform: Platform, request: Request) -> Answer:
    active = {"name": "git", "distribution": "towpath", "version": "0.1.0", "state": "active"}
    broken = {"name": "acme", "distribution": "towpath-acme", "version": "1", "state": "failed"}
    return Answer(
        200,
        {
            "items": [
                {**active, "hooks": ["towpath_actions"], "spec": 1},
                {**broken, "hooks": [], "why": "ImportError: no module named 'acme'"},
            ]
        },
    )


# ---- the catalog --------------------------------------------------------------------------------


@on("GET", "/api/catalog/entities/by-name/{kind}/{namespace}/{name}")
def _(platform: Platform, request: Request) -> Answer:
    kind, namespace, name = request.parts
    found = platform.entities.get(f"{kind}:{namespace}/{name}".lower())
    return Answer(200, found) if found else backstage(404, "NotFoundError", f"No entity {name}")


@on("GET", "/api/catalog/entities/by-query")
def _(platform: Platform, request: Request) -> Answer:
    if cursor := request.param("cursor"):
        asked = json.loads(base64.urlsafe_b64decode(cursor))
    else:
        filters = [value for name, value in request.query if name == "filter"]
        asked = {"offset": 0, "filters": filters, "order": request.param("orderField")}
    limit = int(request.param("limit", "20") or 20)
    return page(platform, asked, limit, request.param("fields"))


@on("POST", "/api/catalog/entities/by-query")
def _(platform: Platform, request: Request) -> Answer:
    body = request.body
    filters = [f"{key}={value}" for key, value in body["query"].items()]
    order = [f"{one['field']},{one['order']}" for one in body.get("orderBy", [])]
    asked = {"offset": 0, "filters": filters, "order": order[0] if order else None}
    return page(platform, asked, body["limit"], ",".join(body.get("fields", ())))


def page(platform: Platform, asked: Json, limit: int, fields: str | None) -> Answer:
    found = [e for e in platform.entities.values() if matches(e, asked["filters"])]
    if asked["order"]:
        name, _, direction = asked["order"].partition(",")
        found.sort(key=lambda e: str(leaf(e, name)), reverse=direction == "desc")
    stop = asked["offset"] + limit
    items = [chosen(one, fields) for one in found[asked["offset"] : stop]]
    info = {}
    if stop < len(found):
        following = json.dumps({**asked, "offset": stop}).encode()
        info = {"nextCursor": base64.urlsafe_b64encode(following).decode()}
    return Answer(200, {"items": items, "totalItems": len(found), "pageInfo": info})


def matches(one: Json, filters: list[str]) -> bool:
    return not filters or any(all(holds(one, c) for c in f.split(",")) for f in filters)


def holds(one: Json, condition: str) -> bool:
    key, equals, value = condition.partition("=")
    found = leaf(one, key)
    return str(found).lower() == value.lower() if equals else found is not None


def leaf(one: Json, path: str) -> Json:
    for part in path.split("."):
        one = one.get(part) if isinstance(one, dict) else None
    return one


def chosen(one: Json, fields: str | None) -> Json:
    if not fields:
        return one
    result: Json = {}
    for path in fields.split(","):
        *folders, name = path.split(".")
        spot = result
        for folder in folders:
            spot = spot.setdefault(folder, {})
        if leaf(one, path) is not None:
            spot[name] = leaf(one, path)
    return result


@on("POST", "/api/catalog/entities/by-refs")
def _(platform: Platform, request: Request) -> Answer:
    return Answer(200, {"items": [platform.entities.get(r) for r in request.body["entityRefs"]]})


@on("GET", "/api/catalog/entity-facets")
def _(platform: Platform, request: Request) -> Answer:
    filters = [value for name, value in request.query if name == "filter"]
    found = [e for e in platform.entities.values() if matches(e, filters)]
    facets = {}
    for name in [value for key, value in request.query if key == "facet"]:
        values = sorted(str(leaf(e, name)) for e in found if leaf(e, name) is not None)
        facets[name] = [{"value": v, "count": values.count(v)} for v in sorted(set(values))]
    return Answer(200, {"facets": facets})


@on("POST", "/api/catalog/refresh")
def _(platform: Platform, request: Request) -> Answer:
    if request.body["entityRef"] not in platform.entities:
        return backstage(404, "NotFoundError", "No such entity")
    return Answer(200)


@on("GET", "/api/catalog/locations")
def _(platform: Platform, request: Request) -> Answer:
    return Answer(200, [{"data": one} for one in platform.locations.values()])


@on("GET", "/api/catalog/locations/{id}")
def _(platform: Platform, request: Request) -> Answer:
    found = platform.locations.get(request.parts[0])
    return Answer(200, found) if found else backstage(404, "NotFoundError", "No location")


@on("DELETE", "/api/catalog/locations/{id}")
def _(platform: Platform, request: Request) -> Answer:
    if platform.locations.pop(request.parts[0], None) is None:
        return backstage(404, "NotFoundError", "Found no location with ID x")
    return Answer(204)


@on("POST", "/api/v1/catalog/locations")
def _(platform: Platform, request: Request) -> Answer:
    target = request.body["target"]
    kind = request.body.get("type") or ("url" if "://" in target else "file")
    known = [one for one in platform.locations.values() if one["target"] == target]
    one = known[0] if known else {"id": str(uuid.uuid4()), "type": kind, "target": target}
    platform.locations[one["id"]] = {**one, "entityRef": "location:default/generated-1"}
    if "demo" in target:
        for number in range(60):
            made = entity("Component", f"demo-{number:02}", type="service", owner="canal")
            platform.entities[ref_of(made)] = made
    return report(platform, one["id"], created=not known)


@on("GET", "/api/v1/catalog/locations")
def _(platform: Platform, request: Request) -> Answer:
    return listed(request, [state(platform, one) for one in platform.locations.values()])


@on("GET", "/api/v1/catalog/locations/{id}")
def _(platform: Platform, request: Request) -> Answer:
    return Answer(200, state(platform, platform.find("locations", request.parts[0])))


def state(platform: Platform, one: Json) -> Json:
    held = None
    if platform.held:
        held = {"digest": DIGEST, "count": len(platform.held), "entityRefs": platform.held}
    counts = {"entities": 8, "errors": len(platform.problems), "warnings": 0, "conflicts": 0}
    kept = {key: one[key] for key in ("id", "type", "target")}
    times = {"createdBy": "towpath/ada", "createdAt": now(), "readAt": now()}
    return {**kept, **times, **counts, "held": held, "heldAt": now() if held else None}


@on("POST", "/api/v1/catalog/locations/{id}/confirm")
def _(platform: Platform, request: Request) -> Answer:
    platform.find("locations", request.parts[0])
    if not platform.held or request.body["digest"] != DIGEST:
        return problem(409, "conflict", "What is held has changed meanwhile.")
    gone, platform.held = platform.held, []
    return Answer(200, {"entityRefs": gone})


@on("POST", "/api/v1/catalog/locations/plan")
def _(platform: Platform, request: Request) -> Answer:
    return Answer(200, plan(request.body["target"]))


@on("DELETE", "/api/v1/catalog/locations/{id}")
def _(platform: Platform, request: Request) -> Answer:
    one = platform.find("locations", request.parts[0])
    if request.param("dryRun") != "true":
        platform.locations.pop(request.parts[0])
    return Answer(200, plan(one["target"]))


def plan(target: str) -> Json:
    field = {"op": "replace", "pointer": "/spec/type", "old": "service", "new": "library"}
    return {
        "type": "url",
        "target": target,
        "locationId": None,
        "adds": [{"ref": "component:default/new", "file": "a.yaml", "line": 1}],
        "changes": [{"ref": "component:default/shop-1", "fields": [field], "file": "a.yaml"}],
        "deletes": [{"ref": "component:default/old"}],
        "held": [],
        "handed": [],
        "conflicts": [{"ref": "component:default/cart", "holder": "url:https://b.example"}],
        "unchanged": 5,
        "problems": platform_problem(),
    }


def platform_problem() -> list[Json]:
    return [{"code": "kind", "message": "no such kind", "file": "a.yaml", "line": 3}]


@on("GET", "/api/v1/catalog/explain/{kind}/{namespace}/{name}")
def _(platform: Platform, request: Request) -> Answer:
    ref = "{}:{}/{}".format(*request.parts)
    stage = {
        "name": "read",
        "outcome": "ok",
        "message": "It was read.",
        "file": "a.yaml",
        "line": 2,
    }
    there = ref in platform.entities
    return Answer(
        200,
        {
            "ref": ref,
            "state": "there" if there else "unknown",
            "summary": "It is in the catalog." if there else "No source ever stated it.",
            "uid": "u1" if there else None,
            "stages": [stage] if there else [],
            "namedBy": [] if there else ["component:default/shop-1"],
            "dangling": [],
            "nearest": [],
        },
    )


@on("GET", "/api/v1/catalog/tombstones")
def _(platform: Platform, request: Request) -> Answer:
    wanted = request.param("ref")
    return listed(request, [t for t in platform.tombstones if wanted in (None, t["ref"])])


@on("POST", "/api/v1/catalog/tombstones/{uid}/restore")
def _(platform: Platform, request: Request) -> Answer:
    for buried in platform.tombstones:
        if buried["uid"] == request.parts[0]:
            platform.tombstones.remove(buried)
            return Answer(200, {"entityRef": buried["ref"], "uid": buried["uid"]})
    return problem(404, "not-found", "There is no such tombstone.")


@on("GET", "/api/v1/catalog/conflicts")
def _(platform: Platform, request: Request) -> Answer:
    return listed(request, platform.conflicts)


@on("POST", "/api/v1/catalog/locations/{id}/refresh")
def _(platform: Platform, request: Request) -> Answer:
    platform.find("locations", request.parts[0])
    return report(platform, request.parts[0], created=False)


def report(platform: Platform, id: str, *, created: bool) -> Answer:
    one = platform.locations[id]
    refs = [r for r in platform.entities if r.startswith("component:")]
    refs += ["location:default/generated-1"] if "demo" not in one["target"] else []
    body = {key: one[key] for key in ("id", "type", "target")}
    body |= {"created": created, "entityRefs": refs, "problems": platform.problems}
    body["warnings"] = platform.warnings
    return Answer(201 if created else 200, body)


@on("POST", "/api/v1/catalog/validate")
def _(platform: Platform, request: Request) -> Answer:
    files = [(one["name"], None, None) for one in request.body["files"]]
    data = [(f"#{n}", ref_of(one), None) for n, one in enumerate(request.body["entities"])]
    documents = [
        {
            "file": file,
            "entityRef": ref,
            "line": line,
            "problems": platform.problems,
            "warnings": [],
        }
        for file, ref, line in [*files, *data]
    ]
    return Answer(200, {"valid": not platform.problems, "documents": documents})


@on("GET", "/api/v1/catalog/problems")
def _(platform: Platform, request: Request) -> Answer:
    wanted = request.param("location")
    items = [{"locationId": "l1", "at": now(), **one} for one in platform.problems]
    return listed(request, [one for one in items if wanted in (None, one["locationId"])])


# ---- templates ----------------------------------------------------------------------------------


@on("GET", "/api/scaffolder/v2/actions")
def _(platform: Platform, request: Request) -> Answer:
    return Answer(200, [{"id": "fetch:template", "schema": {"input": {"type": "object"}}}])


@on("GET", "/api/scaffolder/v2/templates/{namespace}/{kind}/{name}/parameter-schema")
def _(platform: Platform, request: Request) -> Answer:
    namespace, kind, name = request.parts
    if f"{kind}:{namespace}/{name}".lower() not in platform.entities:
        return backstage(404, "NotFoundError", f"Template {name} not found")
    return Answer(200, platform.schema)


@on("POST", "/api/scaffolder/v2/tasks")
def _(platform: Platform, request: Request) -> Answer:
    values = request.body["values"]
    if not isinstance(values.get("name"), str):
        fault = {"path": ["name"], "property": "instance.name", "message": "is required"}
        return Answer(400, {"errors": [{**fault, "name": "required", "stack": "x"}]})
    output = platform.scaffold(values)
    if ref := output.get("entityRef"):
        made = entity("Component", ref.rpartition("/")[2], type="service", owner="canal")
        platform.entities[ref] = made
    run = platform.finished("scaffold", f"Create {values['name']}", output)
    return Answer(201, {"id": run.id})


# ---- self-service -------------------------------------------------------------------------------


@on("GET", "/api/v1/offerings")
def _(platform: Platform, request: Request) -> Answer:
    return listed(request, [OFFERING])


@on("GET", "/api/v1/offerings/{name}")
def _(platform: Platform, request: Request) -> Answer:
    if request.parts[0] != OFFERING["name"]:
        raise Refusal(404, "not-found", f"There is no offering {request.parts[0]}.")
    return Answer(200, OFFERING)


@on("POST", "/api/v1/plans")
def _(platform: Platform, request: Request) -> Answer:
    body = request.body
    plan = {
        "id": str(uuid.uuid4()),
        "hash": f"sha256:{uuid.uuid4().hex}",
        "offering": body["offering"],
        "name": body["name"],
        "owner": body.get("owner") or "user:default/ann",
        "parameters": body.get("parameters") or {},
        "changes": [{"action": "create", "target": f"database {body['name']}", "detail": {"a": 1}}],
        "resourceId": str(uuid.uuid4()),
        "state": "open",
        "createdAt": now(),
        "expiresAt": now(days=1),
    }
    plan |= {"size": body["size"]} if body.get("size") else {}
    platform.plans[plan["id"]] = plan
    return Answer(201, plan)


@on("GET", "/api/v1/plans/{id}")
def _(platform: Platform, request: Request) -> Answer:
    return Answer(200, platform.find("plans", request.parts[0]))


@on("POST", "/api/v1/plans/{id}/apply")
def _(platform: Platform, request: Request) -> Answer:
    plan = platform.find("plans", request.parts[0])
    if platform.stale_plans or request.body["hash"] != plan["hash"]:
        raise Refusal(409, "plan-stale", "The plan is stale.", next="Ask for a new plan.")
    run = platform.finished("provision", f"Provide {plan['name']}", {})
    platform.resources[plan["resourceId"]] = {
        "id": plan["resourceId"],
        "name": plan["name"],
        "offering": plan["offering"],
        "phase": "active",
        "owner": plan["owner"],
        "entityRef": f"resource:default/{plan['name']}",
        "outputs": {"database": plan["name"]},
        "parameters": plan["parameters"],
        "createdAt": now(),
        "runId": run.id,
    }
    return Answer(202, {"resourceId": plan["resourceId"], "runId": run.id})


@on("GET", "/api/v1/resources")
def _(platform: Platform, request: Request) -> Answer:
    return listed(request, [r for r in platform.resources.values() if r["phase"] != "deleted"])


@on("GET", "/api/v1/resources/{id}")
def _(platform: Platform, request: Request) -> Answer:
    return Answer(200, platform.find("resources", request.parts[0]))


@on("DELETE", "/api/v1/resources/{id}")
def _(platform: Platform, request: Request) -> Answer:
    resource = platform.find("resources", request.parts[0])
    platform.drop(resource)
    resource["phase"] = "deleted"
    run = platform.finished("delete", f"Delete {resource['name']}", {})
    return Answer(202, {"resourceId": resource["id"], "runId": run.id})


@on("POST", "/api/v1/resources/{id}/bindings")
def _(platform: Platform, request: Request) -> Answer:
    resource = platform.find("resources", request.parts[0])
    binding = {
        "id": str(uuid.uuid4()),
        "resourceId": resource["id"],
        "name": request.body.get("name") or "default",
        "state": "active",
        "shown": False,
        "createdAt": now(),
    }
    platform.bindings[binding["id"]] = binding
    platform.secrets[binding["id"]] = platform.bind(resource)
    run = platform.finished("bind", f"Bind {resource['name']}", {})
    return Answer(202, {"bindingId": binding["id"], "runId": run.id})


@on("GET", "/api/v1/resources/{id}/bindings")
def _(platform: Platform, request: Request) -> Answer:
    found = [b for b in platform.bindings.values() if b["resourceId"] == request.parts[0]]
    return listed(request, found)


@on("POST", "/api/v1/bindings/{id}/credentials")
def _(platform: Platform, request: Request) -> Answer:
    binding = platform.find("bindings", request.parts[0])
    if binding["shown"]:
        raise Refusal(410, "gone", "The credentials were shown before.", next="Bind again.")
    binding["shown"] = True
    return Answer(200, {"values": platform.secrets[binding["id"]]})


@on("DELETE", "/api/v1/bindings/{id}")
def _(platform: Platform, request: Request) -> Answer:
    binding = platform.find("bindings", request.parts[0])
    del platform.bindings[binding["id"]]
    return Answer(202, {"runId": platform.finished("unbind", "Unbind", {}).id})


@on("GET", "/api/v1/tokens")
def _(platform: Platform, request: Request) -> Answer:
    return listed(request, list(platform.tokens.values()))


@on("POST", "/api/v1/tokens")
def _(platform: Platform, request: Request) -> Answer:
    body = request.body
    token = {"id": uuid.uuid4().hex[:22], "name": body["name"], "subject": "ann"}
    token |= {"scopes": body["scopes"], "createdAt": now(), "expiresAt": now(body.get("days", 90))}
    platform.tokens[token["id"]] = token
    secret = f"tow_pat_{token['id']}_{'s' * 38}"
    return Answer(201, {"id": token["id"], "token": secret, "expiresAt": token["expiresAt"]})


@on("DELETE", "/api/v1/tokens/{id}")
def _(platform: Platform, request: Request) -> Answer:
    platform.find("tokens", request.parts[0])
    del platform.tokens[request.parts[0]]
    return Answer(204)


# ---- from request to answer ----------------------------------------------------------------------


def once(platform: Platform, request: Request) -> Answer:
    """Answer a request; the same key gives the first answer again."""
    if request.key is None:
        return dispatch(platform, request)
    print_of = f"{request.method} {request.path} {request.raw!r}"
    if request.key in platform.answers:
        known, answer = platform.answers[request.key]
        if known != print_of:
            return problem(422, "idempotency-mismatch", "The key was used for another request.")
        return answer
    answer = dispatch(platform, request)
    if answer.status < 500:
        platform.answers[request.key] = (print_of, answer)
    return answer


def dispatch(platform: Platform, request: Request) -> Answer:
    if refused := allowed(request):
        return refused
    for method, pattern, handler in ROUTES:
        match = pattern.fullmatch(request.path)
        if match and method == request.method:
            request.parts = tuple(unquote(part) for part in match.groups())
            try:
                return handler(platform, request)
            except Refusal as error:
                return problem(error.status, error.code, error.detail, **error.more)
    return problem(404, "not-found", f"There is no {request.path}.")


def allowed(request: Request) -> Answer | None:
    said = request.headers.get("authorization")
    if said == f"Bearer {TOKEN}" or request.path in ("/healthz", "/readyz"):
        return None
    if request.path.startswith("/api/v1"):
        return problem(401, "unauthenticated", "The token is not known.", next="Log in again.")
    return backstage(401, "AuthenticationError", "Missing credentials")
