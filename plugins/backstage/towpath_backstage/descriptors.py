"""Descriptor files in YAML, and in JSON, which is YAML too."""

from __future__ import annotations

import msgspec

from towpath_backstage.placeholders import Read, resolve_placeholders
from towpath_backstage.yaml import YamlLimits, parse_documents
from towpath_core.catalog import Document

__all__ = ("YamlDescriptors",)


class YamlDescriptors:
    """The descriptor format of the Backstage catalog: YAML 1.2, one entity a document.

    Args:
        limits: what one file may use; the usual budgets where None.
    """

    name = "yaml"
    suffixes = frozenset({".yaml", ".yml", ".json"})

    def __init__(self, limits: YamlLimits | None = None) -> None:
        self._limits = limits or YamlLimits()

    def parse(self, content: bytes, file: str) -> list[Document]:
        """Read every document of a file, in its order; empty ones are left out.

        A bad document is given with its problem and takes no other with it. Never raises for
        what the file holds.
        """
        return parse_documents(content, file, self._limits)

    def expand(self, document: Document, read: Read, file: str = "") -> Document:
        """Replace the placeholders of a document by the content of the files they name.

        Args:
            document: as `parse` gave it; one with problems is given back as it is.
            read: gives the bytes of a target, absolute or relative to the descriptor's file;
                raises TowpathError, which becomes a problem with the placeholder's place.
            file: name of the descriptor's file, for these places.

        Returns:
            A document whose lines are those of the file that was parsed; the same object where
            there was nothing to replace. Placeholders that failed still stand in its value.
        """
        if document.problems:
            return document
        value, problems = resolve_placeholders(document, file, read, self._limits)
        if value is document.value and not problems:
            return document
        return msgspec.structs.replace(document, value=value, problems=tuple(problems))
