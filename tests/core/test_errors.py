"""The errors: one stable code a class, drawn in the module, readable and safe to hand on."""

from __future__ import annotations

import copy
import inspect
import pickle
import re

import msgspec
import pytest

from towpath_core import errors
from towpath_core.errors import (
    Conflict,
    Invalid,
    NotFound,
    Place,
    PlanStale,
    Problem,
    StepFailed,
    TowpathError,
    restored,
)
from towpath_core.runs import Rejected, TimedOut

CLASSES = [
    each
    for each in vars(errors).values()
    if inspect.isclass(each) and issubclass(each, TowpathError)
]


def test_each_class_has_a_code_of_its_own():
    codes = [each.code for each in CLASSES]
    assert len(set(codes)) == len(codes)
    assert all(re.fullmatch(r"[a-z]+(-[a-z]+)*", code) for code in codes)
    assert all("code" in vars(each) for each in CLASSES)


def test_each_class_is_exported_documented_and_drawn():
    drawn = set(re.findall(r"[├└]── (\w+)", errors.__doc__))
    names = {each.__name__ for each in CLASSES}
    assert names <= set(errors.__all__)
    assert drawn == names - {"TowpathError"}
    assert all(each.__doc__ for each in CLASSES)
    assert list(errors.__all__) == sorted(errors.__all__)


@pytest.mark.parametrize("kind", CLASSES)
def test_an_error_keeps_what_it_was_told(kind):
    problems = [Problem("x", "it is odd", Place("a.yaml", 3))]
    error = kind("It failed.", why="it is odd", next="Mend it.", problems=problems)
    assert (error.what, error.why, error.next) == ("It failed.", "it is odd", "Mend it.")
    assert error.problems == tuple(problems)
    assert str(error) == "It failed. Why: it is odd Next: Mend it."
    assert str(kind("It failed.")) == "It failed."
    assert kind("x").problems == ()


@pytest.mark.parametrize("again", [copy.copy, lambda e: pickle.loads(pickle.dumps(e))])
def test_an_error_survives_being_copied(again):
    error = Invalid("x", why="y", problems=[Problem("c", "m")])
    found = again(error)
    assert type(found) is Invalid
    assert (str(found), found.problems) == (str(error), error.problems)


def test_a_stale_plan_is_a_conflict():
    with pytest.raises(Conflict):
        raise PlanStale("The plan is stale.")


@pytest.mark.parametrize(
    ("place", "text"),
    [
        (Place(), ""),
        (Place("a.yaml"), "a.yaml"),
        (Place("a.yaml", 3), "a.yaml:3"),
        (Place("a.yaml", 3, 7), "a.yaml:3:7"),
        (Place("a.yaml", 3, 7, "/spec"), "a.yaml:3:7 (/spec)"),
        (Place(pointer="/spec/owner"), "/spec/owner"),
    ],
)
def test_places_and_problems_in_words(place, text):
    assert str(place) == text
    assert str(Problem("c", "it is odd", place)) == (f"{text}: it is odd" if text else "it is odd")


def test_problems_on_the_wire_leave_out_what_is_not_known():
    assert msgspec.json.encode(Problem("c", "m")) == b'{"code":"c","message":"m"}'
    encoded = msgspec.json.encode(Problem("c", "m", Place(line=3)))
    assert msgspec.json.decode(encoded) == {"code": "c", "message": "m", "place": {"line": 3}}


@pytest.mark.parametrize("error", [NotFound("a"), PlanStale("b"), Rejected("c"), TimedOut("d")])
def test_an_error_that_was_journalled_is_of_its_class_again(error):
    again = restored(error.code, error.what, why="it is", next="look")
    assert type(again) is type(error)
    assert (again.what, again.why, again.next) == (error.what, "it is", "look")


def test_an_error_of_an_unknown_code_or_of_a_class_of_others_is_a_failed_step():
    class Odd(TowpathError):
        code = "odd"

        def __init__(self):
            super().__init__("odd")

    assert type(restored("odd", "x")) is type(restored("nothing", "x")) is StepFailed
    assert type(restored("error", "x")) is TowpathError
