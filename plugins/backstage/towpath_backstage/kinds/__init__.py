"""The kinds of entities that Backstage ships, declared as data: rules and relations."""

from towpath_backstage.kinds.declared import DeclaredKind
from towpath_backstage.kinds.table import KINDS

__all__ = ("KINDS", "DeclaredKind")
