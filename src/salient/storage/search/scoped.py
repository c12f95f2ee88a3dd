"""A part of a shared search index that sees only itself: a workspace's, or a user's.

Keys, groups and a field of each entry carry the scope, so that equal keys of two scopes are two
entries. How rare a word is, is counted over the whole index: scores, not results, depend on others.
"""

from __future__ import annotations

import dataclasses
import json
import re
from collections.abc import Sequence
from hashlib import blake2b
from typing import Any, final

import numpy as np
from numpy.typing import NDArray

from salient.errors import Misconfigured
from salient.storage import search, urls
from salient.storage.search import (
    MAX_KEY_BYTES,
    Among,
    Asked,
    Facets,
    Field,
    Handle,
    IndexSchema,
    Prepared,
    Restriction,
    Scored,
    SearchDriver,
    Snapshot,
)

_FIELD = "(scope)"
_NAME = re.compile(r"[\w.~-]{1,100}")
_NOTHING = Restriction()


@final
class Driver(SearchDriver):
    """`scoped:[URL]?scope=name`: the name is letters, digits and `.~_-`.

    Scopes share the index's one writer: changes of one wait for those of another. `clear` costs a
    look at every group of the scope.
    """

    def __init__(self, rest: str, schema: IndexSchema) -> None:
        (url,), options = urls.inner(rest, "scoped", most=1)
        self._scope = options.text("scope") or ""
        options.done()
        if not _NAME.fullmatch(self._scope):
            raise Misconfigured(
                "scoped: takes the scope's name, of letters, digits and .~_-, as in scoped:[URL]?scope=name"
            )
        if any(field.name == _FIELD for field in schema.fields):
            raise Misconfigured(f"a scoped index has no field {_FIELD!r} of its own")
        own = Field(_FIELD, "keyword", stored=False)
        self._inside = search.driver(url, IndexSchema((*schema.fields, own), schema.vector_dim))
        self.inner = (self._inside,)
        self.features, self.most_values = self._inside.features, self._inside.most_values

    def put(self, entries: Sequence[Prepared]) -> None:
        self._inside.put([self._entered(entry) for entry in entries])

    def delete_group(self, group: str) -> None:
        self._inside.delete_group(_named(self._scope, group))

    def commit(self) -> None:
        self._inside.commit()

    def rollback(self) -> None:
        self._inside.rollback()

    def clear(self) -> None:
        self._inside.rollback()
        # The first change keeps other writers out: nobody adds to what is found here.
        self._inside.delete_group(_named(self._scope, "-"))
        with self.snapshot() as snapshot:
            ranked = snapshot.matching(None, _NOTHING, limit=max(1, snapshot.count()))
            found = snapshot.fetch([handle for handle, _ in ranked])
        for group in {group for _, group, _ in found.values()}:
            self._inside.delete_group(_named(self._scope, group))
        self._inside.commit()

    def snapshot(self) -> Snapshot:
        return _Snapshot(self._inside.snapshot(), self._scope)

    def close(self) -> None:
        self._inside.close()

    def _entered(self, entry: Prepared) -> Prepared:
        key, group = _named(self._scope, entry.key), _named(self._scope, entry.group)
        own = json.loads(entry.stored.decode("utf-8", "surrogatepass"))
        stored = json.dumps([key, group, {"own": own}], ensure_ascii=False)
        return dataclasses.replace(
            entry,
            key=key,
            group=group,
            keywords={**entry.keywords, _FIELD: (self._scope,)},
            stored=stored.encode("utf-8", "surrogatepass"),
        )


@final
class _Snapshot(Snapshot):
    """Nobody but the front has handles, and it has those that it was given here."""

    def __init__(self, inside: Snapshot, scope: str) -> None:
        self._inside, self._scope = inside, scope
        self._own = (Among(_FIELD, (scope,)),)

    def close(self) -> None:
        self._inside.close()

    def matching(
        self,
        asked: Asked | None,
        restriction: Restriction,
        *,
        limit: int,
        also: Sequence[Handle] = (),
        sort: str | None = None,
    ) -> Scored:
        return self._inside.matching(
            asked, self._within(restriction), limit=limit, also=also, sort=sort
        )

    def scores(self, asked: Asked, handles: Sequence[Handle]) -> dict[Handle, float]:
        return self._inside.scores(asked, handles)

    def nearest(
        self, vector: NDArray[np.float32], restriction: Restriction, *, limit: int
    ) -> Scored:
        return self._inside.nearest(vector, self._within(restriction), limit=limit)

    def similarities(
        self, vector: NDArray[np.float32], handles: Sequence[Handle]
    ) -> dict[Handle, float]:
        return self._inside.similarities(vector, handles)

    def summary(
        self,
        asked: Asked | None,
        restriction: Restriction,
        *,
        also: Sequence[Handle],
        facets: Sequence[str],
        facet_limit: int,
    ) -> tuple[int, Facets]:
        return self._inside.summary(
            asked, self._within(restriction), also=also, facets=facets, facet_limit=facet_limit
        )

    def fetch(self, handles: Sequence[Handle]) -> dict[Handle, tuple[str, str, dict[str, Any]]]:
        out = {}
        for handle, (_, _, fields) in self._inside.fetch(handles).items():
            key, group, own = fields["own"]
            out[handle] = key, group, own
        return out

    def vectors(self, group: str) -> NDArray[np.float32]:
        return self._inside.vectors(_named(self._scope, group))

    def count(self) -> int:
        total, _ = self._inside.summary(
            None, self._within(_NOTHING), also=(), facets=(), facet_limit=1
        )
        return total

    def _within(self, restriction: Restriction) -> Restriction:
        return Restriction((*restriction.required, self._own), restriction.excluded)


def _named(scope: str, name: str) -> str:
    """A key or group in the whole index; of a long one a digest, which no short one can be like."""
    whole = f"{scope}/{name}"
    if len(whole.encode("utf-8", "surrogatepass")) <= MAX_KEY_BYTES:
        return whole
    return f"{scope}#{blake2b(name.encode('utf-8', 'surrogatepass'), digest_size=32).hexdigest()}"
