"""The terms a run is accepted on: where it queues, how urgent it is, what it belongs to."""

from __future__ import annotations

from datetime import datetime
from uuid import UUID

import msgspec

from towpath_core.errors import Invalid

__all__ = ("USUAL", "Terms")

_MOST_PRIORITY = 100
_MOST_TEXT = 300


class Terms(msgspec.Struct, frozen=True, kw_only=True):
    """How a run is to be done.

    Attributes:
        id: given where accepting it twice must be accepting it once.
        queue: workers may be started for some queues only.
        priority: from -100 to 100; higher ones are begun first.
        key: one run of a key is under way at a time, in the order of priority and acceptance.
        deadline: when it has failed if it has not ended.
        parent: the run that waits for it, with the key of the step there.
        schedule: what started it.
        undoes: the run whose effects it takes back.
    """

    id: UUID | None = None
    queue: str = "default"
    priority: int = 0
    key: str | None = None
    deadline: datetime | None = None
    parent: tuple[UUID, str] | None = None
    schedule: UUID | None = None
    undoes: UUID | None = None

    def __post_init__(self) -> None:
        """Refuse what cannot be kept.

        Raises:
            Invalid: says which.
        """
        if not -_MOST_PRIORITY <= self.priority <= _MOST_PRIORITY:
            raise Invalid(f"A priority is a number from -{_MOST_PRIORITY} to {_MOST_PRIORITY}.")
        for what, text in (("queue", self.queue), ("concurrency key", self.key)):
            if text is not None and not (0 < len(text) <= _MOST_TEXT and text.isprintable()):
                raise Invalid(f"A {what} is printable text of at most {_MOST_TEXT} characters.")

    def columns(self) -> dict[str, object]:
        """The terms as columns of the table of runs."""
        return {
            "queue": self.queue,
            "priority": self.priority,
            "concurrency_key": self.key,
            "deadline": self.deadline,
            "parent_id": self.parent[0] if self.parent else None,
            "parent_step": self.parent[1] if self.parent else None,
            "schedule_id": self.schedule,
            "undoes": self.undoes,
        }


USUAL = Terms()
"""The terms of a run of which nothing else is said."""
