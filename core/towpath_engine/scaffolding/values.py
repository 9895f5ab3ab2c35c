"""What goes into an action and what comes out of a template, held to what was promised."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from towpath_core.errors import Invalid
from towpath_core.scaffolding import Action
from towpath_engine.jsonschema import faults

__all__ = ("checked_input", "shown_output")


def checked_input(
    action: Action, given: Any, warn: Callable[[str], None], *, secret: bool
) -> dict[str, Any]:
    """An action's input without what the action does not know.

    Args:
        action: says what it takes.
        given: the rendered input.
        warn: told of inputs that are left out.
        secret: the input holds secrets, so that messages must not show values.

    Raises:
        Invalid: the input does not fit the action's schema.
    """
    if not isinstance(given, dict):
        raise Invalid(f"Invalid input passed to action {action.id}: it must be an object.")
    schema = action.input_schema
    unknown = [] if _is_open(schema) else [n for n in given if n not in schema["properties"]]
    if unknown:
        warn(f"Action {action.id} does not know the input {', '.join(unknown)}; it is left out")
    input = {name: value for name, value in given.items() if name not in unknown}
    if found := faults(schema, input, f"action {action.id}", secret=secret):
        problems = [fault.problem("/input") for fault in found]
        raise Invalid(
            f"Invalid input passed to action {action.id}, "
            + "; ".join(str(problem) for problem in problems),
            problems=problems,
        )
    return input


def _is_open(schema: Mapping[str, Any]) -> bool:
    """Whether a schema takes inputs that it does not name."""
    more = schema.get("additionalProperties", False)
    return bool(more) or "patternProperties" in schema or not schema.get("properties")


def shown_output(template: Mapping[str, Any], rendered: Any) -> dict[str, Any]:
    """A template's output without the links and texts whose condition does not hold.

    Args:
        template: as its author wrote it.
        rendered: the same, rendered; a condition that is undefined has disappeared from it.
    """
    output = dict(rendered) if isinstance(rendered, dict) else {}
    for name in ("links", "text"):
        written, items = template.get(name), output.get(name)
        if isinstance(written, list) and isinstance(items, list):
            pairs = zip(written, items, strict=False)
            output[name] = [_without_if(item) for one, item in pairs if _holds(one, item)]
    return output


def _holds(written: Any, item: Any) -> bool:
    if not isinstance(written, dict) or "if" not in written or not isinstance(item, dict):
        return True
    # As in JavaScript, but for the empty list, which is false here.
    return bool(item.get("if")) or item.get("if") == {}


def _without_if(item: Any) -> Any:
    if isinstance(item, dict):
        return {key: value for key, value in item.items() if key != "if"}
    return item
