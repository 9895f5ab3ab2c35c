"""One key of the catalog index: which entities have it, with which values.

Nearly all values of a catalog belong to one entity alone (names, titles, addresses), so a set of
one is kept as a bare number; a bitmap is made for the second. Pure; knows neither entities nor
queries.
"""

from __future__ import annotations

import re
from collections import OrderedDict
from collections.abc import Collection, Iterator

from pyroaring import BitMap

from towpath_engine.catalog.numbers import Numbers, added, bitmap_of, removed, union

__all__ = ("Postings",)

_MOST_TERMS = 512
_WORD = re.compile(r"[^\W_]+")
"""Letters and digits, as `str.isalnum` has them."""


class Postings:
    """What is found under one key. Values compare in lower case, and are shown as written.

    Args:
        searched: whether people search in it; then parts of values are found fast, whatever they
            are, for some more memory.
    """

    __slots__ = ("_bare", "_cased", "_counts", "_terms", "_text", "_valued", "_values", "_words")

    def __init__(self, *, searched: bool = False) -> None:
        # The words of the values: fewer than the values, and each in many of them.
        self._words = Postings() if searched else None
        self._valued = BitMap()
        # Those that have the key without a value that could be compared.
        self._bare: Numbers | None = None
        # value in lower case -> who has it
        self._values: dict[str, Numbers] = {}
        # value in lower case -> how it is written, where not like that: one form, or each with
        # who writes it so
        self._cased: dict[str, str | dict[str, Numbers]] = {}
        self._terms: OrderedDict[str, BitMap] | None = None
        self._text: _Text | None = None
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
            for word in _WORD.findall(low):
                self._words.add(number, word)
        if self._terms:
            for term, found in self._terms.items():
                if term in low:
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
            self._values.pop(low, None)
            self._cased.pop(low, None)
        else:
            self._values[low] = left
            self._unwrite(low, number)
        if others:
            self._terms = None  # which of its values held a term is not known
            self._words = None  # likewise
            return
        self._valued.discard(number)
        if self._words is not None:
            for word in _WORD.findall(low):
                self._words.remove(number, word)
        if self._terms:
            for term, found in self._terms.items():
                if term in low:
                    found.discard(number)

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
        """Those with a value that holds a text, given in lower case; not to be changed.

        What was asked for lately is kept, and kept current by `add` and `remove`.
        """
        if self._words is not None and low.isalnum():
            return self._words.containing(low)  # it cannot reach from one word into the next
        terms = self._terms
        if terms is None:
            terms = self._terms = OrderedDict()
        found = terms.get(low)
        if found is None:
            found = terms[low] = self._search(low)
            if len(terms) > _MOST_TERMS:
                terms.popitem(last=False)
        else:
            terms.move_to_end(low)
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

    def _search(self, low: str) -> BitMap:
        values = self._values
        if self._text is None or self._text.is_stale(len(values)):
            self._text = _Text(values)
        held = self._text.holding(low)
        if held is None:
            return union([n for value, n in values.items() if low in value])
        # What was removed meanwhile still stands in the text.
        return union([values[value] for value in held if value in values])

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


class _Text:
    """All values of a key in one text, which is searched much faster than one value after another.

    `fresh` are values that came later; values that went stay in it.
    """

    __slots__ = ("_text", "_values", "fresh")

    def __init__(self, values: Collection[str]) -> None:
        self._text = f"{_END}{_END.join(values)}{_END}"
        self._values = len(values)
        self.fresh: list[str] = []

    def is_stale(self, values: int) -> bool:
        """Whether so much has come, or gone, that it had better be made anew."""
        return len(self.fresh) + max(self._values - values, 0) > 256 + values // 8

    def holding(self, low: str) -> list[str] | None:
        """The values that hold a text, some of them gone; None when too many for this way do."""
        text = self._text
        if _END in low:
            return []
        if text.count(low) > self._values // 8:
            return None
        found = [value for value in self.fresh if low in value]
        at = text.find(low)
        while at >= 0:
            end = text.index(_END, at)
            found.append(text[text.rindex(_END, 0, at) + 1 : end])
            at = text.find(low, end)
        return found


_END = "\0"
"""Stands between values: no text that can be stored has it."""


def _copy(numbers: Numbers) -> Numbers:
    return numbers if isinstance(numbers, int) else BitMap(numbers)
