"""Entity references: `[kind:][namespace/]name`, parsed, formatted and compared.

The rules are those of the Backstage catalog: references compare without case, the canonical
form is all lower case, and an empty part is an error.
"""

from __future__ import annotations

import msgspec

from towpath_core.errors import Invalid, Problem

__all__ = ("DEFAULT_NAMESPACE", "EntityRef", "parse_ref")

DEFAULT_NAMESPACE = "default"


class EntityRef(msgspec.Struct, frozen=True, eq=False):
    """A complete reference to an entity.

    Keeps the case it was written in; equality, hash and order go without case, by `str()`.
    """

    kind: str
    namespace: str
    name: str

    def __str__(self) -> str:
        """Format canonically: `kind:namespace/name` in lower case."""
        return f"{self.kind}:{self.namespace}/{self.name}".lower()

    def __eq__(self, other: object) -> bool:
        """Whether both mean the same entity."""
        return str(self) == str(other) if isinstance(other, EntityRef) else NotImplemented

    def __lt__(self, other: object) -> bool:
        """Order by canonical form."""
        return str(self) < str(other) if isinstance(other, EntityRef) else NotImplemented

    def __le__(self, other: object) -> bool:
        """Order by canonical form."""
        return str(self) <= str(other) if isinstance(other, EntityRef) else NotImplemented

    def __hash__(self) -> int:
        """Hash the canonical form."""
        return hash(str(self))


def parse_ref(
    text: str, *, default_kind: str | None = None, default_namespace: str = DEFAULT_NAMESPACE
) -> EntityRef:
    """Read a reference, filling in what it leaves out.

    A `/` before the first `:` makes all that follows part of the name.

    Args:
        text: the reference as written.
        default_kind: the kind when the text has none; without one such text is refused.
        default_namespace: the namespace when the text has none.

    Raises:
        Invalid: a part is empty, or there is no kind to be had. Code `ref`.
    """
    kind, rest = _split(text, ":", before="/")
    namespace, name = _split(rest, "/")
    kind = default_kind if kind is None else kind
    if kind is None:
        raise _bad(text, "it has no kind and the place where it stands gives none")
    if not kind or namespace == "" or not name:
        raise _bad(text, "a part of it is empty")
    return EntityRef(kind, default_namespace if namespace is None else namespace, name)


def _split(text: str, mark: str, *, before: str = "") -> tuple[str | None, str]:
    at = text.find(mark)
    stop = text.find(before) if before else -1
    if at < 0 or (0 <= stop < at):
        return None, text
    return text[:at], text[at + 1 :]


def _bad(text: str, why: str) -> Invalid:
    shown = text if len(text) <= 200 else f"{text[:200]}..."
    problem = Problem("ref", f"{shown!r} is not an entity reference: {why}")
    return Invalid(
        problem.message,
        next="Write [kind:][namespace/]name, for example component:default/shop.",
        problems=[problem],
    )
