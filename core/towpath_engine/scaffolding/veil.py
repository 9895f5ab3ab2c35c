"""Secrets of a run, veiled: templates see marks, actions get the values.

A template can put a secret into an action's input and nowhere else: the process that renders
never has it, so a filter can neither print it, encode it nor take it apart.
"""

from __future__ import annotations

import secrets as randomness
from collections.abc import Mapping
from typing import Any

__all__ = ("Veil",)


class Veil:
    """Marks for the secrets of one run."""

    def __init__(self, secrets: Mapping[str, str]) -> None:
        nonce = randomness.token_hex(12)
        self._values = {
            f"TOWPATHSECRET{nonce}N{number}END": value
            for number, value in enumerate(secrets.values())
        }
        self.marks: dict[str, str] = dict(zip(secrets, self._values, strict=True))

    def lift(self, value: Any) -> Any:
        """Replace every mark inside a JSON value by the secret it stands for."""
        if isinstance(value, str):
            for mark, secret in self._values.items():
                value = value.replace(mark, secret)
            return value
        if isinstance(value, dict):
            return {key: self.lift(item) for key, item in value.items()}
        if isinstance(value, list):
            return [self.lift(item) for item in value]
        return value
