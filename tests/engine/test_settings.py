from __future__ import annotations

import os

import pytest

from towpath_core.errors import SettingsError
from towpath_engine.settings import load_settings

SECRET = "canary-of-the-settings"


def load(tmp_path, text="", **env):
    if text:
        (tmp_path / "towpath.toml").write_text(text)
    return load_settings({"TOWPATH_HOME": str(tmp_path), **env})


def test_without_anything_the_home_is_that_of_the_user():
    found = load_settings({"XDG_DATA_HOME": "/data"})
    assert str(found.home) == "/data/towpath"
    assert found.embedded
    assert found.catalog_roots == ()
    assert found.plugins.only is None
    assert found.plugins.disabled == frozenset()


@pytest.mark.parametrize("days", ["0", "-1", "1.5", "true", "'30'", "36501"])
def test_days_of_history_are_a_whole_number(tmp_path, days):
    assert load(tmp_path).history_days == 365
    assert load(tmp_path, "[catalog]\nhistory_days = 30\n").history_days == 30
    with pytest.raises(SettingsError, match="history_days"):
        load(tmp_path, f"[catalog]\nhistory_days = {days}\n")


@pytest.mark.parametrize("days", ["0", "-1", "1.5", "true", "'30'", "36501"])
def test_days_that_runs_are_kept_are_a_whole_number(tmp_path, days):
    assert load(tmp_path).runs.keep_days == 90
    assert load(tmp_path, "[runs]\nkeep_days = 30\n").runs.keep_days == 30
    with pytest.raises(SettingsError, match="keep_days"):
        load(tmp_path, f"[runs]\nkeep_days = {days}\n")
    with pytest.raises(SettingsError, match=r"runs\.kept"):
        load(tmp_path, "[runs]\nkept = 1\n")


def test_the_file_is_read(tmp_path):
    found = load(
        tmp_path,
        f"[catalog]\nroots = ['{tmp_path}/a']\n[plugins]\ndisable = ['git']\n"
        "[plugins.postgres]\nurl = 'postgresql://x'\n[plugins.backstage]\nmore = 1\n",
    )
    assert found.catalog_roots == (tmp_path / "a",)
    assert found.plugins.disabled == {"git"}
    assert found.plugins.settings["postgres"] == {"url": "postgresql://x"}
    # What the platform sets for a plugin stays beside what the file says.
    assert found.plugins.settings["backstage"] == {"roots": [f"{tmp_path}/a"], "more": 1}


def test_the_environment_wins_over_the_file(tmp_path):
    text = f"[catalog]\nroots = ['{tmp_path}/a']\n"
    roots = os.pathsep.join([f"{tmp_path}/b", "", f"{tmp_path}/c", f"{tmp_path}/b"])
    found = load(tmp_path, text, TOWPATH_CATALOG_ROOTS=roots, TOWPATH_PLUGINS="git, backstage")
    assert found.catalog_roots == (tmp_path / "b", tmp_path / "c")
    assert found.plugins.only == ("git", "backstage")


def test_roots_of_the_caller_come_on_top(tmp_path):
    found = load_settings({"TOWPATH_HOME": str(tmp_path)}, roots=[tmp_path / "x"])
    assert found.catalog_roots == (tmp_path / "x",)
    assert found.plugins.settings["backstage"]["roots"] == [f"{tmp_path}/x"]


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("[catlog]\nroots = []", "catlog"),
        ("roots = []", "roots"),
        ("[catalog]\nroot = []", "catalog.root"),
        ("[catalog]\nroots = 'x'", "catalog.roots"),
        ("[catalog]\nroots = [1]", "catalog.roots"),
        ("catalog = 1", "catalog"),
        ("[plugins]\ndisable = 'git'", "plugins.disable"),
        ("[plugins]\ndisable = [1]", "plugins.disable"),
        ("[plugins]\ngit = 1", "git"),
        ("[broken", "towpath.toml"),
    ],
)
def test_a_slip_in_the_file_is_named(tmp_path, text, words):
    with pytest.raises(SettingsError) as caught:
        load(tmp_path, text)
    assert words in str(caught.value)
    assert "towpath.toml" in str(caught.value)


def test_a_file_that_is_not_text_is_named(tmp_path):
    (tmp_path / "towpath.toml").write_bytes(b"\xff\xfe\0")
    with pytest.raises(SettingsError, match=r"towpath\.toml"):
        load(tmp_path)


def test_a_file_that_was_asked_for_must_be_there(tmp_path):
    with pytest.raises(SettingsError, match=r"none\.toml"):
        load(tmp_path, TOWPATH_CONFIG=str(tmp_path / "none.toml"))
    assert load(tmp_path, TOWPATH_CONFIG="").home == tmp_path


def test_empty_variables_are_as_good_as_none(tmp_path):
    found = load(tmp_path, TOWPATH_DATABASE_URL="", TOWPATH_SECRET_KEY="")
    assert found.embedded
    assert found.secret_key is None


def test_no_secret_is_shown(tmp_path):
    text = f"[plugins.postgres]\nurl = 'postgresql://u:{SECRET}@h/d'\npassword = '{SECRET}'\n"
    found = load(
        tmp_path,
        text,
        TOWPATH_DATABASE_URL=f"postgresql://u:{SECRET}@h/d",
        TOWPATH_SECRET_KEY=SECRET,
    )
    assert found.plugins.settings["postgres"]["password"] == SECRET
    assert SECRET not in repr(found)
    assert SECRET not in str(found)
