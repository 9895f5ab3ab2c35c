"""What can go wrong inside the language. Knows nothing of processes or of the platform's errors."""

from __future__ import annotations

__all__ = ("OutputTooLarge", "TemplateFault")


class TemplateFault(Exception):
    """The template is wrong.

    Args:
        message: one sentence about the template; it quotes the template's own words and never a
            value of the context, because a value may be a secret.
        line: 1-based line in the template, None where it is not known yet.
        pointer: JSON pointer to the string inside the rendered value; empty for the value itself.
    """

    def __init__(self, message: str, line: int | None = None, pointer: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.line = line
        self.pointer = pointer


class OutputTooLarge(Exception):
    """A render gave more bytes than the limit allows."""
