from __future__ import annotations

import subprocess
import sys

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import towpath_core.testing
from towpath_core.testing import (
    LEVELS,
    Contract,
    ProvisionerContract,
    require,
    rule,
    rules_of,
)
from towpath_core.testing import plugin as pytest_plugin
from towpath_core.testing.conformance import Outcome, RuleResult, contracts, judge, reached


class Small(Contract):
    @rule("small.is-kept", level="silver")
    def test_is_kept(self):
        """It is kept."""

    def helper(self):
        return 1


def test_a_test_of_a_rule_cannot_be_replaced():
    with pytest.raises(TypeError, match=r"test_is_kept \(small.is-kept\).*deviation"):

        class TestMine(Small):
            def test_is_kept(self):
                pass


def test_a_test_of_a_rule_cannot_be_deleted():
    with pytest.raises(TypeError, match=r"small\.is-kept"):

        class TestMine(Small):
            test_is_kept = None


def test_a_test_of_a_rule_cannot_be_shadowed_by_a_mixin():
    class Mixin:
        def test_is_kept(self):
            pass

    with pytest.raises(TypeError, match=r"small\.is-kept"):

        class TestMine(Mixin, Small):
            pass


def test_a_rule_cannot_be_replaced_by_another_of_the_same_name():
    with pytest.raises(TypeError, match=r"small\.is-kept"):

        class TestMine(Small):
            @rule("small.is-looser", level="bronze")
            def test_is_kept(self):
                """It is kept, more or less."""


def test_own_tests_and_helpers_are_welcome():
    class TestMine(Small):
        def helper(self):
            return 2

        def test_more(self):
            pass

    assert [one.id for one in rules_of(TestMine)] == ["small.is-kept"]


@pytest.mark.parametrize("id", ["nodot", "Upper.case", "a.b c", "a.-b", ""])
def test_a_rule_needs_an_id_of_words(id):
    with pytest.raises(ValueError, match="needs an id"):

        @rule(id, level="bronze")
        def test_it():
            """It is kept."""


def test_a_rule_needs_a_sentence():
    with pytest.raises(ValueError, match="docstring"):

        @rule("small.is-mute", level="bronze")
        def test_it():
            pass


def test_rule_ids_are_unique_and_named_after_their_tests():
    ids = [one.id for contract in contracts() for one in rules_of(contract)]

    assert len(set(ids)) == len(ids)
    for contract in contracts():
        named = {"test_" + one.id.partition(".")[2].replace("-", "_") for one in rules_of(contract)}
        assert named <= set(dir(contract))


def test_require_fails_with_the_sentence_only():
    with pytest.raises(AssertionError) as caught:
        require([], "nothing is there")
    assert caught.value.args == ("nothing is there",)
    require([1], "something is there")


results = st.lists(
    st.builds(
        RuleResult,
        st.just("small.is-kept"),
        st.sampled_from(LEVELS),
        st.sampled_from(["done", "todo", "exempt", "deviation"]),
    ),
    max_size=12,
)


@settings(deadline=None, max_examples=100)
@given(results)
def test_a_level_needs_all_rules_up_to_it_and_one_of_its_own(found):
    level = reached(found)

    if level is not None:
        below = LEVELS[: LEVELS.index(level) + 1]
        assert all(one.status in ("done", "exempt") for one in found if one.level in below)
        assert any(one.status == "done" for one in found if one.level == level)
    if {one.status for one in found} == {"done"}:
        assert level == max((one.level for one in found), key=LEVELS.index)


@settings(deadline=None, max_examples=100)
@given(results, st.sampled_from(LEVELS))
def test_an_exemption_earns_and_costs_nothing(found, level):
    assert reached([*found, RuleResult("small.is-free", level, "exempt")]) == reached(found)


@settings(deadline=None, max_examples=100)
@given(results, st.sampled_from(LEVELS))
def test_a_broken_rule_never_raises_the_level(found, level):
    before, after = reached(found), reached([*found, RuleResult("small.is-hard", level, "todo")])

    assert after is None or LEVELS.index(after) < LEVELS.index(level)
    assert after is None or (before is not None and LEVELS.index(after) <= LEVELS.index(before))


def test_rules_that_did_not_run_are_todo():
    report = judge([Outcome("t.py::TestX", "provision.read-after-apply", "done")])

    [subject] = report.subjects
    assert subject.contract == "ProvisionerContract"
    assert {one.id for one in subject.rules} == {one.id for one in rules_of(ProvisionerContract)}
    assert [one.id for one in subject.rules if one.status == "done"] == [
        "provision.read-after-apply"
    ]
    assert report.level is None


def test_public_names_are_what_they_say():
    for name in towpath_core.testing.__all__:
        assert getattr(towpath_core.testing, name) is not None
    assert set(towpath_core.testing.__all__) == set(towpath_core.testing._HOMES)
    assert set(towpath_core.testing.__all__) <= set(dir(towpath_core.testing))
    with pytest.raises(AttributeError, match="no attribute 'Unicorn'"):
        towpath_core.testing.Unicorn  # noqa: B018


def test_the_pytest_plugin_knows_the_levels():
    assert pytest_plugin._LEVELS == LEVELS


def test_the_pytest_plugin_loads_no_contract():
    code = (
        "import sys, towpath_core.testing.plugin\n"
        "print([one for one in sys.modules if one.startswith('towpath_core.testing')])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)

    assert done.stdout.strip() == "['towpath_core.testing', 'towpath_core.testing.plugin']"


def test_recording_tools_need_no_pytest():
    code = (
        "import sys\nsys.modules['pytest'] = None\n"
        "from towpath_core.testing import RecordingTools\n"
        "try:\n    from towpath_core.testing import Contract\n"
        "except ImportError as error:\n    print(error)\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)

    assert "pip install 'towpath[testing]'" in done.stdout
