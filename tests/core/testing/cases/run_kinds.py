"""A run kind that keeps to all rules, and one for each way to break one of them.

Run by `test_kit_bites.py` in a pytest of its own: not collected with the other tests.
"""

from __future__ import annotations

from typing import Any, ClassVar

import pytest

from towpath_core.errors import Cancelled, Invalid, LimitExceeded, NotFound, TowpathError
from towpath_core.runs import Observed, Suspended, Undo
from towpath_core.testing import RunKindContract

TOKEN = "token-of-the-harbour"


class MoveBoat:
    """The reference: moves a boat with everything that a run can do."""

    name = "move-boat"
    title = "Move a boat"
    description = "Moves a boat to another berth once the harbour agrees."
    input_schema: ClassVar[dict[str, Any]] = {
        "type": "object",
        "required": ["boat", "berth"],
        "additionalProperties": False,
        "properties": {"boat": {"type": "string", "minLength": 1}, "berth": {"type": "integer"}},
    }
    queue = "harbour"
    seconds = 30.0

    def __init__(self) -> None:
        self.berths = {"Argo": 1}
        self.letters: dict[str, str] = {}
        self.rings = 0

    def run(self, input, tools):
        boat, berth = input["boat"], input["berth"]
        old = tools.step("look", lambda tools: self.look(boat))
        yes = tools.approval("move", f"Move {boat}?", seconds=60, subject={"from": old})
        tools.step("ask", lambda tools: self.ask(tools))
        tide = tools.wait_for("tide", seconds=3600)
        pilot = tools.child("pilot", "find-pilot", {"boat": boat})
        tools.sleep(60)
        back = Undo("move-back", {"boat": boat, "from": berth, "to": old})
        tools.step("move", lambda tools: self.move(boat, berth, tools), undo=back)
        tools.step("ring", self.ring, repeatable=False, observe=self.rung)
        return {"old": old, "by": yes.by, "tide": tide, "pilot": pilot["name"]}

    def undo(self, name, data, tools):
        if self.berths.get(data["boat"]) == data["from"]:
            self.berths[data["boat"]] = data["to"]
        for key in data.get("letters", ()):
            self.letters.pop(key, None)

    def look(self, boat):
        if not boat.isprintable():
            raise Invalid("That is no name of a boat.")
        if boat not in self.berths:
            raise NotFound("There is no such boat.")
        return self.berths[boat]

    def ask(self, tools):
        tools.undo("unwrite", {"boat": "", "from": 0, "to": 0, "letters": [tools.key]})
        assert tools.secret("token").reveal() == TOKEN
        self.letters[tools.key] = "please"

    def move(self, boat, berth, tools):
        tools.check()
        self.berths[boat] = berth
        tools.log(f"moved {boat}")
        return {"key": tools.key}

    def ring(self, tools):
        self.rings += 1

    def rung(self, tools):
        return Observed(self.rings > 0)


class Shouts(MoveBoat):
    breaks = "run.is-declared"
    name = "Move_Boat"


class TakesTheirName(MoveBoat):
    breaks = "run.is-declared"
    name = "provision"


class Speechless(MoveBoat):
    breaks = "run.is-declared"
    description = " "


class Forever(MoveBoat):
    breaks = "run.is-declared"
    seconds = 100_000


class TakesAnything(MoveBoat):
    breaks = "run.schema-refuses-bad-input"
    input_schema: ClassVar[dict[str, Any]] = {"type": "object", "properties": {}}


class TakesAnyBerth(MoveBoat):
    breaks = "run.schema-refuses-bad-input"
    input_schema: ClassVar[dict[str, Any]] = {
        **MoveBoat.input_schema,
        "properties": {"boat": {"type": "string"}, "berth": {}},
    }


class GivesItself(MoveBoat):
    breaks = "run.gives-json"

    def run(self, input, tools):
        return {**super().run(input, tools), "kind": self}


class WaitsForEver(MoveBoat):
    breaks = "run.gives-json"

    def run(self, input, tools):
        super().run(input, tools)
        while True:
            tools.sleep(1)


class ActsOutside(MoveBoat):
    breaks = "run.replay-does-nothing"

    def run(self, input, tools):
        done = super().run(input, tools)
        self.letters["outside"] = self.letters.get("outside", "") + "!"
        return done

    def undo(self, name, data, tools):
        super().undo(name, data, tools)
        self.letters.pop("outside", None)


class NamesByChance(MoveBoat):
    breaks = "run.replay-does-nothing"

    def run(self, input, tools):
        done = super().run(input, tools)
        self.calls = getattr(self, "calls", 0) + 1
        tools.step(f"note {self.calls}", lambda tools: None)
        return done


class SendsAgain(MoveBoat):
    breaks = "run.crash-does-nothing-twice"

    def ask(self, tools):
        super().ask(tools)
        again = f"{tools.key} again" if getattr(self, "asked", False) else tools.key
        self.asked = True
        tools.undo("unwrite", {"boat": "", "from": 0, "to": 0, "letters": [again]})
        self.letters[again] = "please"


class SaysItIsThere(MoveBoat):
    breaks = "run.crash-does-nothing-twice"

    def ask(self, tools):
        if self.letters:
            raise Invalid("The letter is there already.")
        super().ask(tools)


class KeepsWaits(MoveBoat):
    breaks = "run.lets-suspended-pass"

    def run(self, input, tools):
        try:
            return super().run(input, tools)
        except Suspended:
            return {}


class Mistakes(MoveBoat):
    breaks = "run.lets-suspended-pass"

    def run(self, input, tools):
        try:
            return super().run(input, tools)
        except TowpathError:
            raise
        except BaseException as error:
            raise RuntimeError("something went wrong") from error


class TellsTheToken(MoveBoat):
    breaks = "run.secrets-never-shown"

    def ask(self, tools):
        super().ask(tools)
        tools.log(f"asked with {tools.secret('token').reveal()}")


class KeepsTheToken(MoveBoat):
    breaks = "run.secrets-never-shown"

    def ask(self, tools):
        super().ask(tools)
        data = {"boat": "", "from": 0, "to": 0, "auth": tools.secret("token").reveal()}
        tools.undo("unwrite", data)


class EndsWell(MoveBoat):
    breaks = "run.stops-when-cancelled"

    def run(self, input, tools):
        try:
            return super().run(input, tools)
        except Cancelled:
            return {}


class FailsInstead(MoveBoat):
    breaks = "run.stops-when-cancelled"

    def move(self, boat, berth, tools):
        try:
            return super().move(boat, berth, tools)
        except Cancelled as error:
            raise Invalid("The boat was not moved.") from error


class Late(MoveBoat):
    breaks = "run.deadline-honoured"

    def run(self, input, tools):
        try:
            return super().run(input, tools)
        except LimitExceeded:
            return {}


class Stumbles(MoveBoat):
    breaks = "run.errors-are-typed"

    def look(self, boat):
        return self.berths[boat]


class Unprepared(MoveBoat):
    breaks = "run.refusals-are-typed"

    def run(self, input, tools):
        try:
            return super().run(input, tools)
        except TowpathError as error:
            if error.code in ("rejected", "timed-out"):
                raise RuntimeError("nobody said no before") from error
            raise


class OnlyOnce(MoveBoat):
    breaks = "run.undo-is-idempotent"

    def undo(self, name, data, tools):
        if name == "move-back" and self.berths[data["boat"]] != data["from"]:
            raise Invalid("The boat is not where it was.")
        super().undo(name, data, tools)


class NeedsTheLetter(MoveBoat):
    breaks = "run.undo-is-idempotent"

    def undo(self, name, data, tools):
        super().undo(name, data, tools)
        if name == "unwrite" and not self.rings:
            raise NotFound("There is no letter.")


class CannotUndo(MoveBoat):
    breaks = "run.undo-is-idempotent"
    undo = None  # no method: an object that does not take back


class LeavesTheBoat(MoveBoat):
    breaks = "run.undo-takes-back"

    def undo(self, name, data, tools):
        if name == "unwrite":
            super().undo(name, data, tools)


class _Fixtures(RunKindContract):
    made: type

    @pytest.fixture
    def make(self):
        return type(self).made

    @pytest.fixture
    def good_input(self):
        return {"boat": "Argo", "berth": 7}

    @pytest.fixture
    def snapshot(self):
        return lambda kind: (dict(kind.berths), dict(kind.letters))

    @pytest.fixture
    def bad_input(self):
        return [{"boat": "", "berth": 7}, {"boat": "Argo"}]

    @pytest.fixture
    def answers(self):
        return {"wait:tide": "high", "child:pilot": {"name": "Tiphys"}}

    @pytest.fixture
    def secrets(self):
        return {"token": TOKEN}


KINDS = [
    one for one in list(globals().values()) if isinstance(one, type) and hasattr(one, "breaks")
]
BREAKS = {f"Test{one.__name__}": one.breaks for one in KINDS}
for _kind in (MoveBoat, *KINDS):
    _name = f"Test{_kind.__name__}"
    globals()[_name] = type(_name, (_Fixtures,), {"made": _kind, "__module__": __name__})
