"""The file of logins, and which platform and token a script ends up with."""

from __future__ import annotations

import os
import stat
from datetime import UTC, datetime
from pathlib import Path

import pytest
from rich.pretty import pretty_repr

from towpath_sdk import (
    AsyncPlatform,
    ConfigurationError,
    Credentials,
    Login,
    Logins,
    NewToken,
    Platform,
    logins_path,
)

A = "https://a.example"
B = "https://b.example"


@pytest.fixture
def environ(tmp_path: Path) -> dict[str, str]:
    return {"XDG_CONFIG_HOME": str(tmp_path)}


def used(environ: dict[str, str]) -> tuple[str, str | None]:
    with Platform.from_env(environ) as platform:
        return platform.url, platform._link._http.headers.get("authorization")


def test_the_file_is_its_owners_only_and_is_read_again(environ: dict[str, str]) -> None:
    path = logins_path(environ)
    old = os.umask(0)
    try:
        Logins().added(f"{A}/", "tow_a").added(B, "tow_b").save(path)
    finally:
        os.umask(old)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700
    again = Logins.load(path)
    assert again.current == B
    assert again.find("HTTPS://A.example:443/") == Login(A, "tow_a")
    assert [one.name for one in path.parent.iterdir()] == [path.name]


def test_a_new_login_replaces_the_old_one_of_its_address() -> None:
    logins = Logins().added(A, "old").added(B, "b").added(A, "new")
    assert logins.logins == (Login(B, "b"), Login(A, "new"))
    left = logins.removed(A)
    assert left.current == B and left.removed(B) == Logins()


def test_a_file_that_others_can_read_is_refused(environ: dict[str, str]) -> None:
    path = Logins().added(A, "tow_a").save(logins_path(environ))
    path.chmod(0o640)
    with pytest.raises(ConfigurationError) as caught:
        used(environ)
    assert "chmod 600" in str(caught.value) and "tow_a" not in str(caught.value)


@pytest.mark.parametrize("content", [b"", b"{", b"[]", b'{"logins": 3}', b"\xff", b"[" * 9999])
def test_a_broken_file_is_named(environ: dict[str, str], content: bytes) -> None:
    path = logins_path(environ)
    path.parent.mkdir(parents=True)
    path.write_bytes(content)
    path.chmod(0o600)
    with pytest.raises(ConfigurationError) as caught:
        Logins.load(path)
    assert str(path) in caught.value.what


def test_a_folder_in_the_place_of_the_file(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError):
        Logins.load(tmp_path)
    with pytest.raises(ConfigurationError):
        Logins().save(tmp_path)


def test_variables_come_first(environ: dict[str, str]) -> None:
    Logins().added(A, "tow_a").save(logins_path(environ))
    assert used(environ) == (A, "Bearer tow_a")
    assert used({**environ, "TOWPATH_TOKEN": "tow_env"}) == (A, "Bearer tow_env")
    assert used({**environ, "TOWPATH_URL": A + "/"}) == (A, "Bearer tow_a")
    assert used({"TOWPATH_URL": B, "TOWPATH_TOKEN": "t", "TOWPATH_LOGINS": "/"}) == (B, "Bearer t")


def test_a_token_is_never_used_for_another_address(environ: dict[str, str]) -> None:
    Logins().added(A, "tow_a").save(logins_path(environ))
    for other in (B, "http://a.example", f"{A}:8443", f"{A}.evil"):
        with pytest.raises(ConfigurationError) as caught:
            used({**environ, "TOWPATH_URL": other})
        assert "TOWPATH_TOKEN" in str(caught.value)


def test_what_is_missing_is_named(environ: dict[str, str]) -> None:
    for twin in (Platform, AsyncPlatform):
        with pytest.raises(ConfigurationError) as caught:
            twin.from_env(environ)
        assert "TOWPATH_URL" in str(caught.value)


def test_secrets_are_in_no_repr() -> None:
    shown = [
        Login(A, "s3cret"),
        Logins().added(A, "s3cret"),
        Credentials({"password": "s3cret"}),
        NewToken("id", "s3cret", datetime.now(UTC)),
        Platform(A, token="s3cret"),
    ]
    for one in shown:
        for text in (repr(one), str(one), f"{one}", pretty_repr(one)):
            assert "s3cret" not in text
    assert repr(shown[2]) == "Credentials(password)"
