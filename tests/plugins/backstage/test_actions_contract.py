"""The platform's contract for every action, and what their schemas and examples say."""

from __future__ import annotations

from typing import Any, ClassVar

import jsonschema_rs
import msgspec
import pytest
import yaml

from towpath_backstage.actions import all_actions, catalog, debug, files, plain, template_input
from towpath_backstage.language import Nunjucks
from towpath_core.errors import NotFound
from towpath_core.scaffolding import RenderLimits
from towpath_core.testing import ActionContract, RecordingContext

ACTIONS = {action.id: action for action in all_actions()}
INPUTS = {
    "catalog:register": catalog._RegisterInput,
    "catalog:write": catalog._WriteInput,
    "debug:log": debug._Input,
    "fetch:plain": plain._Input,
    "fetch:template": template_input.TemplateInput,
    "fs:delete": files._DeleteInput,
    "fs:rename": files._RenameInput,
}


@pytest.fixture(scope="module")
def session():
    with Nunjucks().open(RenderLimits()) as session:
        yield session


def lay(folder, **content):
    folder.mkdir(parents=True, exist_ok=True)
    for name, text in content.items():
        (folder / name).write_text(text)


class Context(RecordingContext):
    """Answers as a platform does where the file system itself refuses a name."""

    def fetch(self, url, destination):
        try:
            super().fetch(url, destination)
        except OSError as error:
            raise NotFound(f"There is no {url[:40]!r}.") from error


class ActionOf(ActionContract):
    id: ClassVar[str] = ""
    input: ClassVar[dict[str, Any]] = {}

    @pytest.fixture
    def action(self):
        return ACTIONS[self.id]

    @pytest.fixture
    def good_input(self):
        return self.input

    @pytest.fixture
    def prepare(self):
        return lambda workspace: lay(workspace, a="1", b="2")

    @pytest.fixture
    def context(self, tmp_path, session):
        lay(tmp_path / "template" / "skeleton", file="${{ values.name }}", other="x")
        template = tmp_path / "template"
        return lambda workspace: Context(workspace, template=template, session=session)


class TestCatalogRegister(ActionOf):
    id = "catalog:register"
    input: ClassVar[dict[str, Any]] = {
        "repoContentsUrl": "git+file:///x.git/-/blob/main",
        "catalogInfoPath": "/x.yaml",
    }


class TestCatalogWrite(ActionOf):
    id = "catalog:write"
    input: ClassVar[dict[str, Any]] = {
        "filePath": "x/catalog-info.yaml",
        "entity": {"kind": "Component"},
    }


class TestDebugLog(ActionOf):
    id = "debug:log"
    input: ClassVar[dict[str, Any]] = {"message": "hello", "listWorkspace": "with-contents"}


class TestFetchPlain(ActionOf):
    id = "fetch:plain"
    input: ClassVar[dict[str, Any]] = {"url": "skeleton", "targetPath": "t"}


class TestFetchTemplate(ActionOf):
    id = "fetch:template"
    input: ClassVar[dict[str, Any]] = {
        "url": "skeleton",
        "targetPath": "t",
        "values": {"name": "n"},
        "replace": True,
    }


class TestFsDelete(ActionOf):
    id = "fs:delete"
    input: ClassVar[dict[str, Any]] = {"files": ["a"]}


class TestFsRename(ActionOf):
    id = "fs:rename"
    input: ClassVar[dict[str, Any]] = {
        "files": [{"from": "a", "to": "c/d"}, {"from": "b", "to": "c/e"}]
    }


del ActionOf


def test_the_actions_are_those_of_backstage():
    assert list(ACTIONS) == sorted(INPUTS)


@pytest.mark.parametrize("action", ACTIONS.values(), ids=ACTIONS)
def test_schemas_are_json_schemas_with_descriptions(action):
    for schema in (action.input_schema, action.output_schema):
        jsonschema_rs.meta.validate(schema)
        assert schema["$schema"] == "http://json-schema.org/draft-07/schema#"
        assert all(field.get("description") for field in schema["properties"].values())


@pytest.mark.parametrize("action", ACTIONS.values(), ids=ACTIONS)
def test_schema_and_code_know_the_same_inputs(action):
    fields = {field.encode_name for field in msgspec.structs.fields(INPUTS[action.id])}
    assert fields == set(action.input_schema["properties"]) - {"token"}
    required = {f.encode_name for f in msgspec.structs.fields(INPUTS[action.id]) if f.required}
    assert required == set(action.input_schema.get("required", ()))


@pytest.mark.parametrize("action", ACTIONS.values(), ids=ACTIONS)
def test_examples_are_good_input(action):
    assert len(action.examples) >= 2
    for example in action.examples:
        (step,) = yaml.safe_load(example.example)["steps"]
        assert step["action"] == action.id
        assert set(step["input"]) <= set(action.input_schema["properties"])
        jsonschema_rs.validate(action.input_schema, step["input"])


@pytest.mark.parametrize(
    "given", [{}, {"catalogInfoPath": "/x"}, {"catalogInfoUrl": ""}, {"repoContentsUrl": 1}]
)
def test_registering_needs_a_target(given):
    schema = ACTIONS["catalog:register"].input_schema
    assert not jsonschema_rs.is_valid(schema, given)
