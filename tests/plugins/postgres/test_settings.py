from __future__ import annotations

from typing import Any

import pytest

from towpath_core.errors import SettingsError
from towpath_postgres.bindings import Login, uri_of
from towpath_postgres.plugin import towpath_offerings, towpath_provisioners
from towpath_postgres.settings import read_settings

URL = "postgresql://admin:hush@db:5432/postgres"


@pytest.mark.parametrize("hook", [towpath_offerings, towpath_provisioners])
def test_without_a_url_the_hooks_say_what_to_set(hook: Any) -> None:
    with pytest.raises(SettingsError, match="CREATEROLE and CREATEDB"):
        hook({})


@pytest.mark.parametrize(
    "wrong",
    [
        {"url": "mysql:hush@db"},
        {"url": "postgresql://admin:hush@db:port/x y"},
        {"url": URL, "port": 0},
        {"url": URL, "port": "hush"},
        {"url": URL, "prefix": "9hush-"},
        {"url": URL, "extensions": ["x; DROP hush"]},
        {"url": URL, "user": "hush"},
        {"url": ["hush"]},
    ],
)
def test_a_wrong_setting_is_named_and_no_value_is_shown(wrong: dict[str, Any]) -> None:
    with pytest.raises(SettingsError, match=r"\[plugins.postgres\]") as caught:
        read_settings(wrong)
    error: BaseException | None = caught.value
    while error:
        assert "hush" not in repr(error) + str(error)
        error = error.__cause__


def test_settings_and_logins_do_not_show_their_secrets() -> None:
    assert "hush" not in repr(read_settings({"url": URL}))
    assert "hush" not in repr(Login("u", "hush", "h", 1, "d"))


@pytest.mark.parametrize(
    ("host", "sslmode", "uri"),
    [
        ("db.example.org", None, "postgresql://u:p%2F@db.example.org:5432/d"),
        ("::1", "require", "postgresql://u:p%2F@[::1]:5432/d?sslmode=require"),
        ("/run/pg", None, "postgresql://u:p%2F@/d?host=%2Frun%2Fpg&port=5432"),
    ],
)
def test_a_login_as_a_url(host: str, sslmode: str | None, uri: str) -> None:
    assert uri_of(Login("u", "p/", host, 5432, "d"), sslmode) == uri


def test_the_offering_allows_the_extensions_of_the_settings_only() -> None:
    (offering,) = towpath_offerings({"url": URL, "extensions": ["vector"]})
    assert offering.parameters["properties"]["extensions"]["items"] == {
        "type": "string",
        "enum": ["vector"],
    }
    assert offering.provisioner == next(iter(towpath_provisioners({"url": URL}))).name
