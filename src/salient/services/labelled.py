"""Which documents have a label and how many, kept until labels change."""

from __future__ import annotations

from collections import Counter
from hashlib import blake2b
from itertools import islice

import msgspec

from salient.services.labelbook import LabelBook
from salient.storage.kv import KeyValue

_MANY = 1000  # documents of a label that are worth keeping
_PART = 200_000  # documents kept as one value: a key-value store takes 8 MB
_KEPT_S = 3600.0  # also if a process died between a change and telling of it


class LabelCounts(msgspec.Struct, frozen=True, kw_only=True):
    """Counts of a scheme: documents by label, and all, by who gave them."""

    state: str
    people: dict[str, int]
    predicted: dict[str, int]
    by_people: int
    by_classifiers: int

    def documents(self, label: str | None, by: str | None) -> int:
        """How many have a label, or any, from people or from classifiers, or both."""
        said = self.by_people if label is None else self.people.get(label, 0)
        predicted = self.by_classifiers if label is None else self.predicted.get(label, 0)
        return said * (by != "classifier") + predicted * (by != "person")


def label_counts(book: LabelBook, scheme: str, cache: KeyValue) -> LabelCounts:
    """Count a scheme's labels, or take what was counted since the last change.

    Cost: after a change all labels of the scheme are read once.
    """
    key, state = f"label-counts/{book.workspace}/{scheme}", book.state(scheme)
    held = cache.get(key)
    if held is not None:
        counts = msgspec.json.decode(held, type=LabelCounts)
        if counts.state == state:
            return counts
    counts = _counted(book, scheme, state)
    cache.put(key, msgspec.json.encode(counts), ttl_s=_KEPT_S)
    return counts


def documents_having(
    book: LabelBook, scheme: str, label: str, cache: KeyValue, *, most: int
) -> list[str]:
    """The first `most` documents that have a label, as `LabelBook.having` has them.

    Cost: after a change the scheme's labels are read within the store; else some 20 bytes a document are read from the cache.
    """
    asked = f"{most}/{scheme}/{label}".encode("utf-8", "surrogatepass")
    name = blake2b(asked, digest_size=16).hexdigest()  # a filter may say anything, of any length
    key, state = f"labelled/{book.workspace}/{name}", book.state(scheme)
    ids: list[str] = []
    while (held := cache.get(f"{key}/{len(ids)}")) is not None:
        before, some, more = msgspec.msgpack.decode(held, type=tuple[str, list[str], bool])
        if before != state:
            break
        ids += some
        if not more:
            return ids
    ids = list(islice(book.having(scheme, label), most))
    if len(ids) >= _MANY:
        for at in range(0, len(ids), _PART):
            part = state, ids[at : at + _PART], at + _PART < len(ids)
            cache.put(f"{key}/{at}", msgspec.msgpack.encode(part), ttl_s=_KEPT_S)
    return ids


def _counted(book: LabelBook, scheme: str, state: str) -> LabelCounts:
    people: Counter[str] = Counter()
    predicted: Counter[str] = Counter()
    n = [0, 0]
    for one in book.every(scheme):
        is_predicted = one.person is None
        (predicted if is_predicted else people).update(set(one.labels))
        n[is_predicted] += 1
    return LabelCounts(
        state=state, people=dict(people), predicted=dict(predicted), by_people=n[0], by_classifiers=n[1]
    )  # fmt: skip
