"""The index as a file, so that a later start need not build it again.

A file is good for the very code that wrote it, and holds for each entity the hash of what was
stored: what has changed since is found by comparing these with the store, whatever happened
meanwhile. Whatever is wrong with a file, it is as if there were none.

The file is a row of frames: length and checksum, then as many bytes in MessagePack. The last one is
empty.
"""

from __future__ import annotations

import hashlib
import os
import zlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import cache
from itertools import chain, islice
from pathlib import Path
from struct import Struct
from sys import intern
from typing import IO, TypeVar
from unicodedata import unidata_version

import msgspec
import pyroaring

from towpath_engine.catalog.index import CatalogIndex, Entry, PackedKey

__all__ = ("read_snapshot", "write_snapshot")

T = TypeVar("T")

Hashes = Mapping[str, str]
"""By uid, the hash of what the store has of an entity."""

_BATCH = 500
_FRAME = Struct(">QL")
_NEW = os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW
_CODE = ("finals", "index", "leaves", "numbers", "postings", "snapshot", "texts")
"""The modules of this package that decide what is in a file."""


class _Head(msgspec.Struct, frozen=True, array_like=True):
    code: bytes


class _Kept(msgspec.Struct, frozen=True, array_like=True):
    """An entity; references and types of relations by their place among the texts of the file."""

    number: int
    uid: str
    ref: int
    hash: str
    stated: list[int]
    edges: list[int]
    final: bytes
    digest: bytes
    etag_at: int
    end: int


def write_snapshot(path: Path, index: CatalogIndex, hashes: Hashes) -> None:
    """Write the index to a file, whole or not at all. Blocks; nobody may change the index.

    Args:
        path: where; only its owner can read it.
        index: the index.
        hashes: of exactly the entities of the index.

    Raises:
        OSError: it cannot be written; an older file stays.
    """
    # Always the same name: what a killed process left of it is written over.
    partial = path.with_name(f"{path.name}.new")
    try:
        with os.fdopen(os.open(partial, _NEW, 0o600), "wb") as file:
            _write_frames(file, _parts(index, hashes))
        partial.replace(path)
    finally:
        partial.unlink(missing_ok=True)


def read_snapshot(path: Path) -> tuple[CatalogIndex, dict[str, str]] | None:
    """The index out of a file, and the hashes that were given with it. Blocks.

    None where there is no file, or none that this code wrote, or one that is damaged.
    """
    try:
        with path.open("rb") as file:
            return _read(_frames(file))
    except (OSError, ValueError, EOFError, LookupError, msgspec.MsgspecError):
        return None


def _parts(index: CatalogIndex, hashes: Hashes) -> Iterator[object]:
    yield _Head(_fingerprint())
    texts: dict[str, int] = {}
    for entry in index.entries():
        for text in (entry.ref, *chain(*entry.stated), *chain(*entry.edges or ())):
            texts.setdefault(text, len(texts))
    yield list(texts)
    kept = (_kept(entry, hashes[entry.uid], texts) for entry in index.entries())
    yield from _batches(kept, _BATCH)
    yield from _batches(index.pack(), 1)  # one key may have as much as all others together


def _kept(entry: Entry, stored: str, texts: Mapping[str, int]) -> _Kept:
    return _Kept(
        entry.number,
        entry.uid,
        texts[entry.ref],
        stored,
        [texts[text] for text in chain(*entry.stated)],
        [texts[text] for text in chain(*entry.edges or ())],
        entry.final,
        entry.digest,
        entry.etag_at,
        entry.end,
    )


def _entry(kept: _Kept, texts: Sequence[str]) -> Entry:
    of = [texts[at] for at in kept.stated]
    edges = [texts[at] for at in kept.edges]
    return Entry(
        kept.number,
        kept.uid,
        texts[kept.ref],
        tuple(zip(of[::3], of[1::3], of[2::3], strict=True)),
        kept.final,
        tuple(zip(edges[::2], edges[1::2], strict=True)),
        kept.digest,
        kept.etag_at,
        kept.end,
    )


def _batches(values: Iterator[object], size: int) -> Iterator[list[object]]:
    """Values in lists of some; an empty list is the last."""
    while batch := list(islice(values, size)):
        yield batch
    yield []


def _read(frames: Iterator[bytes]) -> tuple[CatalogIndex, dict[str, str]] | None:
    if msgspec.msgpack.decode(next(frames, b""), type=_Head).code != _fingerprint():
        return None
    # Interned, because what comes later is.
    texts = [intern(text) for text in msgspec.msgpack.decode(next(frames, b""), type=list[str])]
    hashes: dict[str, str] = {}

    def entries() -> Iterator[Entry]:
        for kept in _unbatched(frames, msgspec.msgpack.Decoder(list[_Kept])):
            hashes[kept.uid] = kept.hash
            yield _entry(kept, texts)

    index = CatalogIndex()
    index.unpack(entries(), _unbatched(frames, msgspec.msgpack.Decoder(list[PackedKey])))
    if next(frames, None) is not None:
        raise ValueError("there is more than belongs there")
    return index, hashes


def _unbatched(frames: Iterator[bytes], decoder: msgspec.msgpack.Decoder[list[T]]) -> Iterator[T]:
    # One batch after the other: what stays is put together from it at once, the rest is let go.
    while batch := decoder.decode(next(frames, b"")):
        yield from batch


def _write_frames(file: IO[bytes], parts: Iterable[object]) -> None:
    for part in parts:
        content = msgspec.msgpack.encode(part)
        file.write(_FRAME.pack(len(content), zlib.crc32(content)) + content)
    file.write(_FRAME.pack(0, 0))


def _frames(file: IO[bytes]) -> Iterator[bytes]:
    size = os.fstat(file.fileno()).st_size
    while True:
        length, checksum = _FRAME.unpack(_exactly(file, _FRAME.size))
        if not length:
            return
        if length > size:
            raise EOFError("the file is shorter than it says")
        content = _exactly(file, length)
        if zlib.crc32(content) != checksum:  # before anything is made of it
            raise ValueError("a frame is damaged")
        yield content


def _exactly(file: IO[bytes], length: int) -> bytes:
    content = file.read(length)
    if len(content) != length:
        raise EOFError("the file ends too early")
    return content


@cache
def _fingerprint() -> bytes:
    """Stands for the code that a file is good for."""
    # How letters are made small changes with the tables of Python's Unicode.
    versions = (msgspec.__version__, pyroaring.__version__, unidata_version)
    digest = hashlib.sha256(" ".join(versions).encode())
    for name in _CODE:
        digest.update(Path(__file__).with_name(f"{name}.py").read_bytes())
    return digest.digest()
