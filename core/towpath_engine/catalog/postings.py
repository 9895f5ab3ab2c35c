"""One key of the catalog index: which entities have it, with which values.

Nearly all values of a catalog belong to one entity alone (names, titles, addresses), so a set of
one is kept as a bare number; a bitmap is made for the second. Pure; knows neither entities nor
queries.
"""

from __future__ import annotations

import re
from collections import OrderedDict
from collections.abc import Iterator, Sequence

import msgspec
from pyroaring import BitMap

from towpath_engine.catalog.numbers import (
    Numbers,
    added,
    bitmap_of,
    packed,
    removed,
    union,
    unpacked,
)
from towpath_engine.catalog.ordered import OrderedTexts
from towpath_engine.catalog.texts import EDGE, JoinedText, edged

__all__ = ("PackedPostings", "Postings")

_MOST_TERMS = 512
_WORD = re.compile(r"[^\W_]+")
"""Letters and digits, as `str.isalnum` has them."""


class PackedPostings(msgspec.Struct, frozen=True, array_like=True):
    """Postings in a form that can be written to a file; see the fields of `Postings`."""

    values: dict[str, int | bytes]
    cased: dict[str, str | dict[str, int | bytes]]
    bare: int | bytes | None
    words: PackedPostings | None


class Postings:
    """What is found under one key. Values compare in lower case, and are shown as written.

    Args:
        searched: whether people search in it; then parts of values are found fast, whatever they
            are, for some more memory.
    """

    __slots__ = (
        "_bare",
        "_cased",
        "_counts",
        "_marks",
        "_of",
        "_ordered",
        "_terms",
        "_text",
        "_valued",
        "_values",
        "_words",
    )

    def __init__(self, *, searched: bool = False) -> None:
        # The words of the values: fewer than the values, and each in many of them.
        self._words = Postings() if searched else None
        self._of: dict[int, str] = {}
        # All that stands, or stood, between words.
        self._marks: set[str] = set()
        self._valued = BitMap()
        # Those that have the key without a value that could be compared.
        self._bare: Numbers | None = None
        # value in lower case -> who has it
        self._values: dict[str, Numbers] = {}
        # value in lower case -> how it is written, where not like that: one form, or each with
        # who writes it so
        self._cased: dict[str, str | dict[str, Numbers]] = {}
        self._terms: OrderedDict[str, BitMap] | None = None
        self._text: JoinedText | None = None
        self._ordered: OrderedTexts | None = None
        self._counts: list[tuple[str, int]] | None = None

    def __bool__(self) -> bool:
        return bool(self._valued) or self._bare is not None

    def add(self, number: int, written: str | None) -> None:
        """Note that an entity has a value, or the key alone."""
        if written is None:
            self._bare = added(self._bare, number)
            return
        self._counts = None
        low = written.lower()
        if low == written:
            low = written  # one text instead of two
        values = self._values
        old = values.get(low)
        if old is None:
            values[low] = number
            if low is not written:
                self._cased[low] = written
            if self._text is not None:
                self._text.fresh.append(low)
            if self._ordered is not None:
                self._ordered.put(low)
                self._bring_order()
        else:
            if low is not written or low in self._cased:
                self._write(low, written, number, old)
            if old.__class__ is int:
                if old != number:
                    values[low] = BitMap((old, number))
            else:
                old.add(number)  # type: ignore[union-attr]
        self._valued.add(number)
        if self._words is not None:
            before = self._of.get(number)
            self._of[number] = low if before is None else f"{before}{EDGE}{low}"
            self._marks.update(_WORD.sub("", low))
            for word in _WORD.findall(low):
                self._words.add(number, word)
        if self._terms:
            whole = edged(low)
            for pattern, found in self._terms.items():
                if pattern in whole:
                    found.add(number)

    def remove(self, number: int, written: str | None, *, others: bool = False) -> None:
        """Forget what `add` noted.

        Args:
            number: the entity.
            written: its value.
            others: whether it keeps other values here. Without them, all of its values must be
                removed before it is asked for again.
        """
        if written is None:
            self._bare = removed(self._bare, number)
            return
        self._counts = None
        low = written.lower()
        left = removed(self._values.get(low), number)
        if left is None:
            there = self._values.pop(low, None) is not None
            self._cased.pop(low, None)
            if there and self._ordered is not None:
                self._ordered.drop(low)
                self._bring_order()
        else:
            self._values[low] = left
            self._unwrite(low, number)
        if others:
            self._terms = None  # which of its values held a term is not known
            self._words = None  # likewise
            return
        self._valued.discard(number)
        if self._words is not None:
            self._of.pop(number, None)
            for word in _WORD.findall(low):
                self._words.remove(number, word)
        if self._terms:
            whole = edged(low)
            for pattern, found in self._terms.items():
                if pattern in whole:
                    found.discard(number)

    def pack(self) -> PackedPostings:
        """All that is noted, but for what is kept of questions."""
        return PackedPostings(
            {low: packed(numbers) for low, numbers in self._values.items()},
            {
                low: forms if isinstance(forms, str) else {k: packed(n) for k, n in forms.items()}
                for low, forms in self._cased.items()
            },
            None if self._bare is None else packed(self._bare),
            None if self._words is None else self._words.pack(),
        )

    @classmethod
    def unpack(cls, found: PackedPostings, whole: Sequence[int]) -> Postings:
        """The postings that `pack` gave.

        Args:
            found: the postings.
            whole: all numbers, each at its own place: most values have but one, and a number of
                their own for each would take as much memory as the texts.
        """
        made = cls()
        made._values = {
            low: whole[numbers] if isinstance(numbers, int) else unpacked(numbers)
            for low, numbers in found.values.items()
        }
        made._valued = union(list(made._values.values()))
        for low in made._values:  # each text is there once
            if (forms := found.cased.get(low)) is not None:
                made._cased[low] = (
                    forms if isinstance(forms, str) else {k: unpacked(n) for k, n in forms.items()}
                )
        made._bare = None if found.bare is None else unpacked(found.bare)
        if found.words is not None:
            made._words = cls.unpack(found.words, whole)
            for low, numbers in made._values.items():
                made._marks.update(_WORD.sub("", low))
                for number in (numbers,) if isinstance(numbers, int) else numbers:
                    before = made._of.get(number)
                    made._of[number] = low if before is None else f"{before}{EDGE}{low}"
        return made

    def having(self) -> BitMap:
        """Those that have a value; not to be changed."""
        return self._valued

    def existing(self) -> BitMap:
        """Those that have the key, with a value or without; not to be changed."""
        if self._bare is None:
            return self._valued
        return self._valued | bitmap_of(self._bare)

    def matching(self, low: str) -> BitMap:
        """Those that have a value, given in lower case; not to be changed."""
        return bitmap_of(self._values.get(low))

    def starting(self, low: str) -> BitMap:
        """Those with a value that begins so."""
        return union([n for value, n in self._values.items() if value.startswith(low)])

    def containing(self, low: str) -> BitMap:
        """Those with a value that holds a text, given in lower case; not to be changed."""
        if EDGE in low:
            return BitMap()
        if self._words is not None and low.isalnum():
            return self._words._holding(low)  # it cannot reach from one word into the next
        return self._holding(low)

    def _by_words(self, words: Postings, parts: list[str], low: str) -> BitMap:
        """Those with a value that holds a text of several words, or of one beside a mark."""
        if not self._marks.issuperset(_WORD.sub("", low)):
            return BitMap()  # such as a term with a space among names, which have none
        # Where something else stands beside a part, a word begins or ends there.
        matching = [[part] for part in parts]
        if low.startswith(parts[0]):
            matching[0] = words._in_order().ending(parts[0])
        if low.endswith(parts[-1]):
            matching[-1] = words._in_order().beginning(parts[-1])
        few, *more = sorted(matching, key=len)
        found = words._any_of(few)
        for others in more:
            # Putting many words together costs more than a look at each of a few values.
            if len(others) <= len(found):
                found = found & words._any_of(others)
        # All words may be there without standing together.
        of = self._of
        return BitMap([number for number in found if low in of[number]])

    def _holding(self, pattern: str) -> BitMap:
        """Those with a value that holds a pattern; not to be changed.

        What was asked for lately is kept, and kept current by `add` and `remove`.
        """
        terms = self._terms
        if terms is None:
            terms = self._terms = OrderedDict()
        found = terms.get(pattern)
        if found is None:
            found = terms[pattern] = self._search(pattern)
            if len(terms) > _MOST_TERMS:
                terms.popitem(last=False)
        else:
            terms.move_to_end(pattern)
        return found

    def lows(self) -> Iterator[tuple[str, Numbers]]:
        """Each value in lower case with who has it, in no order."""
        return iter(self._values.items())

    def written(self) -> Iterator[tuple[str, Numbers]]:
        """Each value as it is written with who writes it so, in no order."""
        for low, numbers in self._values.items():
            forms = self._cased.get(low, low)
            if isinstance(forms, str):
                yield forms, numbers
            else:
                yield from forms.items()

    def counts(self) -> list[tuple[str, int]]:
        """Each value as it is written with how many have it, in order; kept until a change."""
        if self._counts is None:
            self._counts = sorted(
                (value, 1 if isinstance(numbers, int) else len(numbers))
                for value, numbers in self.written()
            )
        return self._counts

    def _search(self, pattern: str) -> BitMap:
        if self._words is not None and (parts := _WORD.findall(pattern)):
            return self._by_words(self._words, parts, pattern)
        values = self._values
        if self._text is None or self._text.is_stale(len(values)):
            self._text = JoinedText(values)
        held = self._text.holding(pattern)
        if held is None:
            return union([n for value, n in values.items() if pattern in edged(value)])
        # What was removed meanwhile still stands in the text.
        return union([values[value] for value in held if value in values])

    def _in_order(self) -> OrderedTexts:
        if self._ordered is None:
            self._ordered = OrderedTexts(self._values)
        return self._ordered

    def _bring_order(self) -> None:
        """After many changes forget the order; it is made anew when it is asked for."""
        if self._ordered is not None and self._ordered.is_stale:
            self._ordered = None

    def _any_of(self, lows: list[str]) -> BitMap:
        """Those with one of some values."""
        values = self._values
        return union([values[low] for low in lows if low in values])

    def _write(self, low: str, written: str, number: int, before: Numbers) -> None:
        """Note in which form an entity writes a value that others have, before it joins them."""
        forms = self._cased.get(low, low)
        if forms == written:
            return
        if isinstance(forms, str):
            forms = self._cased[low] = {forms: _copy(before)}
        forms[written] = added(forms.get(written), number)

    def _unwrite(self, low: str, number: int) -> None:
        forms = self._cased.get(low)
        if not isinstance(forms, dict):
            return
        for written, numbers in list(forms.items()):
            left = removed(numbers, number)
            if left is None:
                del forms[written]
            else:
                forms[written] = left
        if len(forms) == 1:
            (only,) = forms
            if only == low:
                del self._cased[low]
            else:
                self._cased[low] = only


def _copy(numbers: Numbers) -> Numbers:
    return numbers if isinstance(numbers, int) else BitMap(numbers)
