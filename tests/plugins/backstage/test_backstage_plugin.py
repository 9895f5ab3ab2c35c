"""The plugin's hooks, as the platform calls them."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pluggy
import pytest

from towpath_backstage import plugin
from towpath_core.errors import Forbidden, SettingsError
from towpath_core.hookspecs import SPEC_CLASSES, SPEC_VERSION
from towpath_core.scaffolding import Action, TemplateLanguage


@pytest.fixture
def hooks() -> pluggy.HookRelay:
    manager = pluggy.PluginManager("towpath")
    for specs in SPEC_CLASSES:
        manager.add_hookspecs(specs)
    manager.register(plugin)
    manager.check_pending()
    return manager.hook


def test_it_states_the_spec_version() -> None:
    assert plugin.TOWPATH_SPEC == SPEC_VERSION


def test_it_offers_the_folder_source(hooks: pluggy.HookRelay, tmp_path: Path) -> None:
    (tmp_path / "a.yaml").write_text("x")
    ((source,),) = hooks.towpath_catalog_sources(settings={"roots": [str(tmp_path)]})
    assert source.name == "folder"
    assert [file.content for file in source.read(f"{tmp_path}/a.yaml", max_bytes=9)] == [b"x"]


def test_without_settings_it_reads_nothing(hooks: pluggy.HookRelay, tmp_path: Path) -> None:
    ((source,),) = hooks.towpath_catalog_sources(settings={})
    with pytest.raises(Forbidden, match="roots"):
        source.read(f"{tmp_path}/a.yaml", max_bytes=9)


def test_it_offers_yaml_with_its_budgets(hooks: pluggy.HookRelay) -> None:
    ((usual,),) = hooks.towpath_descriptor_formats(settings={})
    ((small,),) = hooks.towpath_descriptor_formats(settings={"yaml": {"depth": 1}})
    deep = b"a: {b: {c: 1}}"
    assert usual.parse(deep, "f")[0].value == {"a": {"b": {"c": 1}}}
    assert "`depth` of 1" in small.parse(deep, "f")[0].problems[0].message


def test_it_offers_its_kinds(hooks: pluggy.HookRelay) -> None:
    (kinds,) = hooks.towpath_entity_kinds(settings={})
    assert len({kind.name for kind in kinds}) == 10


def test_it_offers_the_template_language_and_actions(hooks: pluggy.HookRelay) -> None:
    ((language,),) = hooks.towpath_template_languages(settings={})
    assert isinstance(language, TemplateLanguage)
    assert "scaffolder.backstage.io/v1beta3" in language.api_versions
    (actions,) = hooks.towpath_actions(settings={})
    assert actions
    assert all(isinstance(action, Action) for action in actions)
    assert len({action.id for action in actions}) == len(actions)


WRONG = [
    {"roots": "/srv/catalog"},
    {"roots": [1]},
    {"roots": ["catalog"]},
    {"roots": None},
    {"yaml": {"depth": 0}},
    {"yaml": {"dept": 5}},
    {"yaml": {"nodes": "many"}},
    {"yaml": []},
    {"kindz": ["/srv/kinds.yaml"]},
]


@pytest.mark.parametrize("settings", WRONG)
def test_wrong_settings_are_told(settings: dict[str, object]) -> None:
    with pytest.raises(SettingsError, match=r"\[plugins\.backstage\]") as caught:
        list(plugin.towpath_catalog_sources(settings))
    assert caught.value.next


def test_the_package_itself_loads_nothing() -> None:
    code = "import sys, towpath_backstage; print('yaml' in sys.modules, 'jinja2' in sys.modules)"
    command = [sys.executable, "-c", code]
    answer = subprocess.run(command, capture_output=True, text=True, check=True)
    assert answer.stdout.strip() == "False False"
