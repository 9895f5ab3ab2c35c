"""What everything keeps to that takes effects back, whichever contract it is under."""

from __future__ import annotations

from towpath_core.runs import Undoable
from towpath_core.testing.rules import broken, exempt, shown
from towpath_core.testing.runs import take_back
from towpath_core.testing.tools import RecordingTools

__all__ = ("check_taking_back", "undoable_with")


def undoable_with(owner: object, done: RecordingTools) -> Undoable:
    """The object as one that takes back; the rule is exempt where there is nothing to.

    Raises:
        AssertionError: it registered what it has no `undo` for.
    """
    if not isinstance(owner, Undoable):
        if done.undos:
            names = ", ".join(sorted({undo.name for undo in done.undos}))
            broken(f"it registered {names} to be taken back, and has no `undo`")
        exempt("it takes nothing back")
    if not done.undos:
        exempt("it registered nothing to be taken back")
    return owner


def check_taking_back(owner: Undoable, done: RecordingTools, when: str) -> None:
    """Take back, and fail the rule's test where that raises; `when` says which time it is."""
    try:
        take_back(owner, done)
    except Exception as error:
        broken(f"undo {when} raised {shown(error)}")
