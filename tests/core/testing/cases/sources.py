"""A catalog source that keeps to all rules, in memory, and one for each way to break one of them.

Run by `test_kit_bites.py` in a pytest of its own: not collected with the other tests.
"""

from __future__ import annotations

import contextlib
import hashlib
import itertools
import posixpath
import socket
from urllib.parse import urlsplit

import pytest

from towpath_core.catalog import SourceFile
from towpath_core.errors import Forbidden, LimitExceeded, NotFound
from towpath_core.testing import CatalogSourceContract
from towpath_core.testing.catalog import Target


class Shelf:
    """The reference: a folder in memory below `/shelf`, kept up to gold."""

    name = "shelf"
    types = frozenset({"shelf"})

    def __init__(self):
        self.files = {
            "/shelf/a/catalog-info.yaml": b"kind: Component",
            "/shelf/b.yaml": b"kind: API",
            "/cellar/wine.yaml": b"kind: Secret",
        }

    def claims(self, type, target):
        return type in self.types and target.startswith("/shelf/")

    def etag(self, content):
        return hashlib.sha256(content).hexdigest()

    def read(self, target, *, max_bytes):
        self.guard(target)
        found = [name for name in self.files if name == target or name.startswith(target)]
        if not found:
            raise NotFound("There is nothing on the shelf.")
        for name in sorted(found):
            content = self.files[name]
            if len(content) > max_bytes:
                raise LimitExceeded(f"{name} is larger than {max_bytes} bytes.")
            yield SourceFile(name, content, self.etag(content))

    def guard(self, target):
        if not target.startswith("/shelf/"):
            raise Forbidden("That is not on the shelf.")

    def resolve(self, base, relative):
        parts = relative.split(":")
        joined = posixpath.normpath(posixpath.join(posixpath.dirname(base), relative))
        if len(parts) > 1 or not joined.startswith("/shelf/"):
            raise Forbidden("That would leave the shelf.")
        return joined


class Nameless(Shelf):
    breaks = "catalog.source-is-named"
    name = "My Shelf"


class ClaimsLooksUp(Shelf):
    breaks = "catalog.claims-are-pure"

    def claims(self, type, target):
        with contextlib.suppress(OSError):
            socket.getaddrinfo("shelf.invalid", 443)
        return super().claims(type, target)


class ClaimsParses(Shelf):
    breaks = "catalog.claims-are-pure"

    def claims(self, type, target):
        return not urlsplit(target).netloc and super().claims(type, target)


class Stutters(Shelf):
    breaks = "catalog.read-is-repeatable"
    turn = itertools.count()

    def read(self, target, *, max_bytes):
        for one in super().read(target, max_bytes=max_bytes):
            yield SourceFile(one.target, one.content, f"{next(self.turn)}")


class Unordered(Shelf):
    breaks = "catalog.files-are-ordered"

    def read(self, target, *, max_bytes):
        return reversed(list(super().read(target, max_bytes=max_bytes)))


class Escapes(Shelf):
    breaks = "catalog.no-path-escape"

    def resolve(self, base, relative):
        return posixpath.normpath(posixpath.join(posixpath.dirname(base), relative))


class ReadsTheCellar(Shelf):
    breaks = "catalog.outside-is-forbidden"

    def guard(self, target):
        pass


class NoLimit(Shelf):
    breaks = "catalog.limit-honoured"

    def read(self, target, *, max_bytes):
        return super().read(target, max_bytes=10**9)


class MissingIsEmpty(Shelf):
    breaks = "catalog.missing-is-not-found"

    def read(self, target, *, max_bytes):
        try:
            yield from super().read(target, max_bytes=max_bytes)
        except NotFound:
            return


class StumblesOverTargets(Shelf):
    breaks = "catalog.errors-are-typed"

    def guard(self, target):
        urlsplit(target)
        super().guard(target)


class EtagIsTheName(Shelf):
    breaks = "catalog.etag-follows-content"

    def etag(self, content):
        return str(len(content))


class _Fixtures(CatalogSourceContract):
    kind: type

    @pytest.fixture
    def source(self):
        return type(self).kind()

    @pytest.fixture
    def target(self):
        return Target("shelf", "/shelf/")

    @pytest.fixture
    def missing(self):
        return "/shelf/nothing"

    @pytest.fixture
    def outside(self):
        return "/cellar/wine.yaml"

    @pytest.fixture
    def change(self, source):
        return lambda: source.files.update({"/shelf/b.yaml": b"kind: Api"})


KINDS = [
    one for one in list(globals().values()) if isinstance(one, type) and hasattr(one, "breaks")
]
BREAKS = {f"Test{one.__name__}": one.breaks for one in KINDS}
for _kind in (Shelf, *KINDS):
    _name = f"Test{_kind.__name__}"
    globals()[_name] = type(_name, (_Fixtures,), {"kind": _kind, "__module__": __name__})
