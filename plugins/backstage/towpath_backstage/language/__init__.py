"""The template language of `scaffolder.backstage.io/v1beta3`: nunjucks, in a child process.

`Nunjucks` is all that the outside needs. It is loaded on first use, so that the child process,
which imports this package too, never pays for the parent's half of it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from towpath_backstage.language.session import Nunjucks

__all__ = ("Nunjucks",)


def __getattr__(name: str) -> Any:
    if name == "Nunjucks":
        from towpath_backstage.language.session import Nunjucks

        return Nunjucks
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
