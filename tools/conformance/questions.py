"""Random questions to a catalog, each as it is asked over HTTP and as the oracle takes it.

Both mean the same, but where it is said in the reference page on conformance that the oracle means
something else; such questions are not asked, or are asked of it in a form that it takes right.
"""

from __future__ import annotations

import itertools
import random
from typing import Any, NamedTuple

from entities_seen import Seen, odd_case

Conditions = list[tuple[str, str | None]]
"""All of these hold; None stands for "exists"."""

NO_SUCH = ("no.such.key", "metadata.annotations.absent", "spec", "zzz")


class Query(NamedTuple):
    """What is asked for, without how it is paged."""

    filters: tuple[str, ...] = ()
    groups: tuple[Conditions, ...] = ()
    predicate: Any = None
    plain_predicate: Any = None
    order: tuple[tuple[str, str], ...] = ()
    plain_order: tuple[tuple[str, str], ...] = ()
    term: str | None = None
    term_fields: tuple[str, ...] = ()
    fields: tuple[str, ...] = ()

    def to_oracle(self) -> dict[str, Any]:
        """The request of the in-memory client."""
        request: dict[str, Any] = {}
        if self.groups:
            request["filter"] = list(self.groups)
        if self.plain_predicate is not None:
            request["query"] = self.plain_predicate
        if self.term is not None:
            request["fullTextFilter"] = {"term": self.term}
            if self.term_fields:
                request["fullTextFilter"]["fields"] = list(self.term_fields)
        if self.fields:
            request["fields"] = list(self.fields)
        return request


class Questions:
    """Makes questions; the same ones for the same entities and seed."""

    def __init__(self, seen: Seen, seed: int) -> None:
        self.dice = random.Random(seed)
        self.seen = seen
        self._keys = list(seen.values)
        self._plain = list(seen.plain)

    def filters(self) -> tuple[tuple[str, ...], tuple[Conditions, ...]]:
        """Alternatives of conjunctions, as parameters and as the oracle takes them."""
        texts: list[str] = []
        groups: list[Conditions] = []
        for _ in range(self.dice.choice((0, 1, 1, 1, 2, 3))):
            wanted: dict[str, list[str | None]] = {}
            for _ in range(self.dice.choice((1, 1, 2, 3))):
                key = self._key()
                wanted.setdefault(key, []).append(self._value(key))
                if self.dice.random() < 0.2:
                    wanted[key].append(self._value(key))
            texts.append(self._parameter(wanted))
            # Of several values of one key it takes only the last; each is a group of its own there.
            # Beside a value, that the key exists says nothing.
            choices = [
                [(key, value) for value in values if value is not None] or [(key, None)]
                for key, values in wanted.items()
            ]
            groups += [list(chosen) for chosen in itertools.product(*choices)]
        return tuple(texts), tuple(groups)

    def _parameter(self, wanted: dict[str, list[str | None]]) -> str:
        parts = []
        for key, values in wanted.items():
            for value in values:
                space = self.dice.choice(("", "", " "))
                name = odd_case(self.dice, key)
                if value is None:
                    parts.append(f"{space}{name}")
                else:
                    parts.append(f"{name}{space}={space}{odd_case(self.dice, value)}")
        return ",".join(parts)

    def _key(self) -> str:
        return self.dice.choice(NO_SUCH if self.dice.random() < 0.05 else self._keys)

    def _value(self, key: str) -> str | None:
        """A value that can be written in a filter; None for "exists"."""
        if self.dice.random() < 0.25:
            return None
        known = self.seen.values.get(key, [])
        taken = [text for text in known if "," not in text and text == text.strip()]
        if not taken or self.dice.random() < 0.08:
            return self.dice.choice(("nobody", "", "0", "true", "="))
        return self.dice.choice(taken)

    def predicate(self, depth: int = 0) -> tuple[Any, Any]:
        """A predicate, in any case of letters and as the oracle takes it."""
        way = self.dice.random()
        if depth < 3 and way < 0.5:
            if way < 0.12:
                one, other = self.predicate(depth + 1)
                return {"$not": one}, {"$not": other}
            operator = self.dice.choice(("$all", "$any"))
            parts = [self.predicate(depth + 1) for _ in range(self.dice.choice((0, 1, 2, 2, 3)))]
            return {operator: [one for one, _ in parts]}, {operator: [one for _, one in parts]}
        odd: dict[str, Any] = {}
        plain: dict[str, Any] = {}
        for _ in range(self.dice.choice((0, 1, 1, 1, 1, 2))):
            name, value, asked = self._condition()
            if name not in plain:
                plain[name] = value
                odd[odd_case(self.dice, name)] = asked
        # Two spellings of one field would be one condition for us, and two for nobody.
        if len(odd) != len(plain) or len({key.lower() for key in odd}) != len(odd):
            return dict(plain), plain
        return odd, plain

    def _condition(self) -> tuple[str, Any, Any]:
        """A field, its condition for the oracle, and the same for us."""
        way = self.dice.random()
        if way < 0.12:
            return self._relation()
        if way < 0.22:
            tag = self.dice.choice(("java", "go", "c++", "rust", "tier:1", "nothing"))
            return "metadata.tags", {"$contains": tag}, {"$contains": odd_case(self.dice, tag)}
        field = self.dice.choice(NO_SUCH[:2] if self.dice.random() < 0.05 else self._plain)
        if way < 0.37:
            wanted = {"$exists": self.dice.random() < 0.5}
            return field, wanted, wanted
        known = [value for value in self.seen.plain.get(field, ["x"]) if value is not None]
        if not known:
            return field, "nobody", "nobody"
        if way < 0.52:
            some = self.dice.choices([*known, "nobody", 7], k=self.dice.choice((0, 1, 2, 3)))
            return field, {"$in": some}, {"$in": [self._odd(value) for value in some]}
        value = self.dice.choice(known)
        if way < 0.72 and all(isinstance(one, str) for one in known):
            start = value[: self.dice.randint(0, len(value))]
            return field, {"$hasPrefix": start}, {"$hasPrefix": odd_case(self.dice, start)}
        return field, value, self._odd(value)

    def _odd(self, value: Any) -> Any:
        return odd_case(self.dice, value) if isinstance(value, str) else value

    def _relation(self) -> tuple[str, Any, Any]:
        kinds = [key for key in self._keys if key.startswith("relations.")]
        if not kinds:
            return NO_SUCH[0], "nobody", "nobody"
        key = self.dice.choice(kinds)
        edge: dict[str, Any] = {"type": key.partition(".")[2]}
        if self.dice.random() < 0.7:
            edge["targetRef"] = self.dice.choice(self.seen.values[key])
            if self.dice.random() < 0.3:
                edge["targetRef"] = {"$in": self.dice.choices(self.seen.values[key], k=2)}
        wanted = {"$contains": edge}
        return "relations", wanted, wanted

    def order(self, most: int) -> tuple[tuple[tuple[str, str], ...], tuple[tuple[str, str], ...]]:
        """Fields to order by with their ways: as they are asked for, and as they are written."""
        fields = [
            (self.dice.choice(self._plain), self.dice.choice(("asc", "desc")))
            for _ in range(self.dice.randint(0, most))
        ]
        return tuple((odd_case(self.dice, field), way) for field, way in fields), tuple(fields)

    def full_text(self) -> tuple[str | None, tuple[str, ...]]:
        """A term and where to look for it."""
        if self.dice.random() < 0.6:
            return None, ()
        key = self.dice.choice(self._keys)
        value = self.dice.choice(self.seen.values[key] or [""])
        at = self.dice.randint(0, len(value))
        term = odd_case(self.dice, value[at : at + self.dice.choice((1, 2, 3, 4, 20))])
        if self.dice.random() < 0.1:
            term = f"  {term} "
        if self.dice.random() < 0.2:
            return term, ()
        others = self.dice.choices(self._keys, k=self.dice.choice((0, 1, 3)))
        return term, tuple(dict.fromkeys((key, *others)))

    def fields(self) -> tuple[str, ...]:
        """What to show of each entity; mostly everything."""
        if self.dice.random() < 0.75:
            return ()
        known = [*self.seen.paths, "no.such", "metadata.none"]
        return tuple(self.dice.choices(known, k=self.dice.choice((1, 2, 4))))

    def refs(self) -> list[str]:
        """References, some of them of nothing, some twice, some not in the canonical case."""
        some = self.dice.choices([*self.seen.refs, "component:default/none"], k=8)
        if self.dice.random() < 0.2:
            some.append(self.dice.choice(self.seen.refs).upper())
        return some

    def facets(self) -> list[str]:
        """Keys to count the values of."""
        keys = self.dice.choices([*self._keys, "no.such"], k=self.dice.choice((1, 1, 2, 4)))
        return list(dict.fromkeys(odd_case(self.dice, key) for key in keys))
