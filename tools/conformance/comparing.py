"""Puts the same questions to a platform and to Backstage's in-memory client, and compares.

Where the two differ on purpose, and what is done about it here: docs/reference/conformance.md.
"""

from __future__ import annotations

import itertools
import json
from collections import Counter
from collections.abc import Iterator
from typing import Any, Protocol
from urllib.parse import urlencode

from entities_seen import Seen, js_text
from oracle import Oracle
from questions import Query, Questions

ENTITIES = "/api/catalog/entities"
FACETS = "/api/catalog/entity-facets"
_FOLDED = ("metadata.name", "metadata.namespace", "metadata.uid", "relations.")


class Asked(Protocol):
    """Asks the platform: an answer as plain data, of a GET or, with a body, of a POST."""

    def json(self, path: str, body: Any = None) -> Any:
        """The answer."""
        ...


class Comparison:
    """Compares the answers to one question after the other."""

    def __init__(self, platform: Asked, oracle: Oracle, seen: Seen, seed: int) -> None:
        self._platform = platform
        self._oracle = oracle
        self._seen = seen
        self.questions = Questions(seen, seed)
        self.dice = self.questions.dice
        self.asked: Counter[str] = Counter()
        self.requests = 0
        self.differences: list[str] = []

    def run(self, count: int) -> None:
        """Ask so many questions, of all kinds."""
        ways = (self.walk, self.listing, self.facets, self.by_refs)
        for _ in range(count):
            way = self.dice.choices(ways, weights=(6, 2, 1, 1))[0]
            self.asked[way.__name__] += 1
            way()

    def _get(self, path: str, body: Any = None) -> Any:
        self.requests += 1
        return self._platform.json(path, body)

    def _same(self, what: str, path: str, body: Any, ours: Any, theirs: Any) -> bool:
        if ours == theirs:
            return True
        self.differences.append(
            f"{what}: {path} {json.dumps(body, ensure_ascii=False) if body is not None else ''}\n"
            f"    platform: {_brief(ours)}\n    client:   {_brief(theirs)}"
        )
        return False

    def _shown(self, items: list[Any], query: Query) -> list[Any]:
        """Our items as the oracle answers: by uid, unless only parts are shown."""
        if query.fields:
            return items
        for item in items:
            if item is not None and item != self._seen.entities[item["metadata"]["uid"]]:
                return items  # not as it was loaded; the difference shows it
        return [item and item["metadata"]["uid"] for item in items]

    def listing(self) -> None:
        """`GET /entities`: any number of orders, a limit and an offset."""
        q = self.questions
        filters, groups = q.filters()
        order, plain_order = q.order(3)
        query = Query(filters, groups, fields=q.fields())
        paging: dict[str, int] = {}
        if self.dice.random() < 0.6:
            paging["limit"] = self.dice.choice((1, 3, 20, 1000))
            if self.dice.random() < 0.5:
                paging["offset"] = self.dice.choice((0, 1, 5, 100))
        params = [("filter", text) for text in filters]
        params += [("order", f"{way}:{field}") for field, way in order]
        params += [("fields", ",".join(query.fields))] if query.fields else []
        params += [(key, str(value)) for key, value in paging.items()]
        request = query.to_oracle() | paging
        request["order"] = [{"field": field, "order": way} for field, way in plain_order]
        path = f"{ENTITIES}?{urlencode(params)}"
        ours = self._shown(self._get(path), query)
        self._same("entities", path, None, ours, self._oracle.ask("entities", request))

    def facets(self) -> None:
        """Facets, of a filter or of a predicate."""
        q = self.questions
        keys = q.facets()
        if self.dice.random() < 0.5:
            filters, groups = q.filters()
            params = [("facet", key) for key in keys] + [("filter", text) for text in filters]
            path, body = f"{FACETS}?{urlencode(params)}", None
            query = Query(filters, groups)
        else:
            odd, plain = q.predicate()
            path, body = FACETS, {"facets": keys, "query": odd}
            query = Query(plain_predicate=plain)
        theirs = self._oracle.ask("facets", query.to_oracle() | {"facets": keys})
        ours = self._get(path, body)["facets"]
        for counts in ours.values():
            if counts != sorted(counts, key=lambda row: row["value"]):
                self._same("facets, not in order", path, body, counts, None)
        self._same("facets", path, body, _counted(ours), _counted(theirs))

    def by_refs(self) -> None:
        """Entities by reference, with and without a filter and a predicate."""
        q = self.questions
        filters, groups = q.filters() if self.dice.random() < 0.4 else ((), ())
        odd, plain = q.predicate() if self.dice.random() < 0.3 else (None, None)
        query = Query(filters, groups, odd, plain, fields=q.fields())
        refs = q.refs()
        body: dict[str, Any] = {"entityRefs": refs}
        body |= {"fields": list(query.fields)} if query.fields else {}
        body |= {"query": odd} if odd is not None else {}
        params = urlencode([("filter", text) for text in filters])
        path = f"{ENTITIES}/by-refs{'?' if params else ''}{params}"
        theirs = self._oracle.ask("refs", query.to_oracle() | {"entityRefs": refs})
        self._same(
            "by-refs", path, body, self._shown(self._get(path, body)["items"], query), theirs
        )

    def walk(self) -> None:
        """`by-query`: from a first page on, forwards and back again, to its end or for a while."""
        q = self.questions
        order, plain_order = q.order(1)
        term, term_fields = q.full_text()
        query = Query(
            order=order,
            plain_order=plain_order,
            term=term,
            term_fields=term_fields,
            fields=q.fields(),
        )
        if by_post := self.dice.random() < 0.5:
            odd, plain = q.predicate()
            query = query._replace(predicate=odd, plain_predicate=plain)
        else:
            filters, groups = q.filters()
            query = query._replace(filters=filters, groups=groups)
        expected = self._expected(query)
        limit = self.dice.choice((0, 1, 2, 5, 20, 100, 1000))
        offset = self.dice.choice((0, 0, 0, 1, 7, 50))
        path, body = _first(query, limit, offset, by_post=by_post)
        page = self._get(path, body)
        total = len(expected)
        if not self._page(path, body, page, query, expected[offset : offset + limit], total):
            return
        if limit:
            self._go_on(query, expected, page, limit, offset)

    def _go_on(self, query: Query, expected: list[Any], page: Any, limit: int, offset: int) -> None:
        """Follow cursors, mostly forwards first, then back; the limit may change on the way."""
        at, size, back_from = offset, len(page["items"]), self.dice.randint(1, 4)
        for step in range(8):
            info = page["pageInfo"]
            has = ("nextCursor" in info, "prevCursor" in info)
            # A page that was not come to by a cursor has nothing before it, whatever its offset.
            wanted = (at + size < len(expected), at > 0 and step > 0) if size else (False, False)
            name = "nextCursor" if step < back_from and has[0] else "prevCursor"
            if not self._same("cursors", str(query), None, has, wanted) or name not in info:
                return
            if self.dice.random() < 0.2:
                limit = self.dice.choice((1, 3, 10))
            if name == "nextCursor":
                at += size
                until = at + limit
            else:
                until, at = at, max(0, at - limit)
            path, body = self._following(info[name], limit, query)
            page = self._get(path, body)
            size = len(page["items"])
            if not self._page(path, body, page, query, expected[at:until], len(expected)):
                return

    def _following(self, cursor: str, limit: int, query: Query) -> tuple[str, Any]:
        """The request of a page by its cursor, which both methods take."""
        params: dict[str, Any] = {"cursor": cursor, "limit": limit}
        if self.dice.random() < 0.3:
            fields = {"fields": list(query.fields)} if query.fields else {}
            return f"{ENTITIES}/by-query", {**params, **fields}
        params |= {"fields": ",".join(query.fields)} if query.fields else {}
        return f"{ENTITIES}/by-query?{urlencode(params)}", None

    def _page(
        self, path: str, body: Any, page: Any, query: Query, expected: list[Any], total: int
    ) -> bool:
        if not self._same("total", f"{path} {query}", body, page["totalItems"], total):
            return False
        ours = self._shown(page["items"], query)
        return self._same("page", f"{path} {query}", body, ours, expected)

    def _expected(self, query: Query) -> list[Any]:
        """All that the oracle finds, in the order that the contract has.

        Those that lack the field of the order are left out, and of equal values the uid decides:
        the oracle puts the former last, and orders the latter by reference.
        """
        whole = query._replace(fields=())
        request = whole.to_oracle()
        if query.plain_order:
            field, way = query.plain_order[0]
            request["orderFields"] = [{"field": field, "order": way}]
        found: list[str] = self._oracle.ask("query", request)["items"]
        if not query.plain_order:
            found.sort()
        else:
            value_at = self._seen.value_at
            placed = [(_place(value_at(uid, field)), uid) for uid in found]
            have = [(value, uid) for value, uid in placed if value is not None]
            runs = _equal_runs(have)
            found = [uid for run in runs for uid in sorted(run, reverse=way == "desc")]
        if not query.fields:
            return list(found)
        shown = self._oracle.ask("entities", {"fields": list(query.fields)})
        by_uid = dict(zip(self._seen.entities, shown, strict=True))
        return [by_uid[uid] for uid in found]


def _place(value: Any) -> str | None:
    return None if value is None else js_text(value).lower()


def _equal_runs(rows: list[tuple[str, str]]) -> Iterator[list[str]]:
    """The uids of rows (value, uid), those of equal values that follow each other together."""
    for _, run in itertools.groupby(rows, key=lambda row: row[0]):
        yield [uid for _, uid in run]


def _first(query: Query, limit: int, offset: int, *, by_post: bool) -> tuple[str, Any]:
    """The request of a first page."""
    if not by_post:
        params = [("limit", str(limit))] + [("filter", text) for text in query.filters]
        params += [("offset", str(offset))] if offset else []
        params += [("orderField", f"{field},{way}") for field, way in query.order]
        params += [("fields", ",".join(query.fields))] if query.fields else []
        if query.term is not None:
            params.append(("fullTextFilterTerm", query.term))
            if query.term_fields:
                params.append(("fullTextFilterFields", ",".join(query.term_fields)))
        return f"{ENTITIES}/by-query?{urlencode(params)}", None
    body: dict[str, Any] = {"limit": limit, "query": query.predicate}
    body |= {"offset": offset} if offset else {}
    if query.order:
        body["orderBy"] = [{"field": field, "order": way} for field, way in query.order]
    body |= {"fields": list(query.fields)} if query.fields else {}
    if query.term is not None:
        body["fullTextFilter"] = {"term": query.term}
        if query.term_fields:
            body["fullTextFilter"]["fields"] = list(query.term_fields)
    return f"{ENTITIES}/by-query", body


def _counted(facets: dict[str, Any]) -> dict[str, Any]:
    """Facets without order; in lower case where the oracle knows no other."""
    found = {}
    for key, counts in facets.items():
        folded = key.lower().startswith(_FOLDED)
        merged: Counter[str] = Counter()
        for row in counts:
            merged[row["value"].lower() if folded else row["value"]] += row["count"]
        found[key] = dict(merged)
    return found


def _brief(value: Any) -> str:
    text = json.dumps(value, ensure_ascii=False)
    return text if len(text) < 1500 else f"{text[:1500]}... ({len(text)} characters)"
