from __future__ import annotations

import httpx
import pytest
from live import Live


def operations(api: httpx.Client) -> list[tuple[str, str]]:
    document = api.get("/api/v1/openapi.json").json()
    return [(method, path) for path, verbs in document["paths"].items() for method in verbs]


def test_every_route_but_health_is_closed_to_strangers(live: Live, api: httpx.Client) -> None:
    found = operations(api)
    assert len(found) > 30
    for method, path in found:
        filled = path.replace("{", "").replace("}", "")
        # A connection of its own: one whose body nobody read is closed after the answer.
        status = httpx.request(method, live.url + filled, json={}, timeout=60).status_code
        expected = (200,) if path in ("/healthz", "/readyz") else (401,)
        assert status in expected, (method, path, status)


def test_the_document_itself_is_closed_to_strangers(live: Live) -> None:
    with live.client("") as stranger:
        assert stranger.get("/api/v1/openapi.json").status_code == 401


@pytest.mark.parametrize(
    "header",
    [
        "Bearer",
        "Bearer  x",
        "Basic YTpi",
        "Bearer nonsense",
        "Bearer tow_pat_x",
        "Bearer tow_pat_" + "A" * 22 + "_" + "B" * 32 + "000000",
        "Bearer " + "x" * 20_000,
    ],
)
def test_bad_credentials_are_refused_alike(live: Live, header: str) -> None:
    answer = httpx.get(f"{live.url}/api/v1/info", headers={"authorization": header}, timeout=60)
    assert answer.status_code == 401
    assert answer.headers["www-authenticate"].startswith("Bearer")
    assert answer.headers["content-type"] == "application/problem+json"
    assert answer.json()["code"] == "unauthenticated"
    assert header.partition(" ")[2][:20] not in answer.text or len(header) < 10


def test_a_wrong_secret_with_a_right_id_is_refused_like_an_unknown_id(live: Live) -> None:
    known = live.token
    wrong = known[:-10] + ("aaaa" if known[-10:-6] != "aaaa" else "bbbb") + known[-6:]
    answers = [
        httpx.get(
            f"{live.url}/api/v1/info", headers={"authorization": f"Bearer {token}"}, timeout=60
        )
        for token in (wrong, "tow_pat_" + "A" * 61)
    ]
    assert {answer.status_code for answer in answers} == {401}
    assert answers[0].text == answers[1].text


def test_a_token_in_the_query_is_not_read(live: Live) -> None:
    answer = httpx.get(f"{live.url}/api/v1/info", params={"access_token": live.token}, timeout=60)
    assert answer.status_code == 401


def test_two_authorization_headers_are_refused(live: Live) -> None:
    headers = [("authorization", f"Bearer {live.token}"), ("authorization", "Bearer other")]
    assert httpx.get(f"{live.url}/api/v1/info", headers=headers, timeout=60).status_code == 401


def test_a_missing_scope_is_forbidden_and_named(live: Live) -> None:
    with live.scoped("catalog:read") as reader:
        assert reader.get("/api/catalog/entities", params={"limit": 1}).status_code == 200
        refused = reader.post("/api/v1/plans", json={"offering": "x", "name": "y"})
        assert refused.status_code == 403
        assert "provision:write" in refused.json()["detail"]
        compatible = reader.post("/api/catalog/locations", json={"target": "https://e.com/x"})
        assert compatible.status_code == 403
        assert compatible.json()["error"]["name"] == "NotAllowedError"


def test_a_token_cannot_be_made_with_more_scopes_by_who_lacks_them(live: Live) -> None:
    with live.scoped("catalog:read") as reader:
        body = {"name": "more", "scopes": ["platform:admin"]}
        assert reader.post("/api/v1/tokens", json=body).status_code == 403


def test_a_revoked_token_ends(live: Live, api: httpx.Client) -> None:
    made = api.post("/api/v1/tokens", json={"name": "short", "scopes": ["catalog:read"]}).json()
    with live.client(made["token"]) as client:
        assert client.get("/api/v1/info").status_code == 200
        assert api.delete(f"/api/v1/tokens/{made['id']}").status_code == 204
        assert client.get("/api/v1/info").status_code == 401


def test_listing_tokens_shows_no_secret(live: Live, api: httpx.Client) -> None:
    answer = api.get("/api/v1/tokens")
    assert answer.status_code == 200
    assert live.token not in answer.text
    assert live.token[40:60] not in answer.text


def test_an_unknown_scope_is_a_clear_error(api: httpx.Client) -> None:
    answer = api.post("/api/v1/tokens", json={"name": "x", "scopes": ["everything"]})
    assert answer.status_code == 400
    assert "'everything' is not a scope" in answer.json()["why"]
    assert "catalog:read" in answer.json()["next"]


def test_readyz_tells_reasons_only_to_who_may_see_them(live: Live, api: httpx.Client) -> None:
    open_answer = httpx.get(f"{live.url}/readyz", timeout=60).json()
    assert {plugin["name"] for plugin in open_answer["plugins"]} >= {"backstage", "git", "postgres"}
    assert all("why" not in plugin for plugin in open_answer["plugins"])
    assert api.get("/readyz", timeout=60).json()["checks"]["workers"] == "ok"
