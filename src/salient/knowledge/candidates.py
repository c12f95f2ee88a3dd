"""Which names could be one thing: keys that likely pairs share.

No two names are compared unless they share a key.

Grouping by derived keys is linear in the number of names. A key that more than MAX_BLOCK names
share says nothing and is passed over.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from salient.knowledge.names import Name, acronyms, given_names_agree, parse, words
from salient.knowledge.similarity import compare, latin

MAX_BLOCK = 96

# What an edge may do. Lower is stronger.
SAME, FULLER, SHORT = 1, 2, 3


@dataclass(frozen=True, slots=True)
class Edge:
    """Why two names could be one. For FULLER and SHORT, `left` is the one that says less."""

    level: int
    left: int
    right: int
    score: float
    method: str


# What language engines take bare company names for.
_MISTAKEN = frozenset({"PERSON", "PLACE", "PRODUCT", "LAW", "WORK", "EVENT"})


_COUNTRIES = frozenset({"united states", "united kingdom", "european union"})


@lru_cache(maxsize=1 << 15)
def keys_of(kind: str, norm: str) -> tuple[int, ...]:
    """The keys of a name, hashed. Pairs without a common key are never compared.

    The hashes hold within one process; every pair they bring together is compared afterwards.
    """
    name = parse(norm, kind)
    core = name.core
    keys: set[int] = {hash(("norm", norm))}
    if not core:
        return tuple(keys)
    joined = latin("".join(core))
    keys.add(hash(("core", kind, joined)))
    if kind in _MISTAKEN and (kind != "PERSON" or len(core) == 1):
        keys.add(hash(("short", "ORG", " ".join(parse(norm, "ORG").core))))
    if kind == "PERSON":
        keys.update(_keys_of_person(name))
        return tuple(sorted(keys))
    generic, stop = words("generic"), words("stop")
    if len(core) > 1:
        telling = [t not in generic and t not in stop for t in core]
        for i, token in enumerate(core):
            # What stays must say something, or all that are "... Maritime" would meet here.
            if telling[i] and len(token) >= 5 and (sum(telling) > 1 or len(core) > 3):
                keys.add(hash(("but", kind, *core[:i], "*", *core[i + 1 :])))
        if sum(telling) == 1:
            # One word tells; a slip of the pen rarely hits both its ends and the word beside it.
            word = core[telling.index(True)]
            if len(word) >= 6:
                keys.update(
                    hash(("ends", kind, end, *(t for t in core if t != word)))
                    for end in (word[:5], word[-5:])
                )
        for size in range(1, len(core)):
            if not all(t in generic or t in stop for t in core[:size]):
                keys.add(hash(("short", kind, " ".join(core[:size]))))
        keys.update(hash(("short", kind, a)) for a in acronyms(core) if len(a) > 2)
        if " ".join(core[:2]) in _COUNTRIES and len(core) > 4:
            keys.add(hash(("short", kind, " ".join(core[2:]))))
    keys.add(hash(("short", kind, " ".join(core))))
    return tuple(sorted(keys))


def _keys_of_person(name: Name) -> Iterator[int]:
    if not name.surname:
        yield hash(("surname", name.core[0]))
        return
    last = name.surname.split()[-1]
    yield hash(("surname", last))
    yield hash(("person", name.surname, name.given[0][0]))
    # Nicknames begin otherwise: "Bob", "Robert".
    yield hash(("nickname", name.surname))


def relate(left: Name, right: Name) -> tuple[int, float, str, bool] | None:
    """Level, score and method of a pair, and whether it is to be read the other way round."""
    if left.kind != right.kind:
        if left.norm == right.norm and (len(left.core) > 1 or left.legal or right.legal):
            return SAME, 0.8, "other type", False
        one_word_kinds = {left.kind, right.kind}
        if left.norm == right.norm and one_word_kinds <= {
            "ORG",
            "PRODUCT",
            "PERSON",
            "LAW",
            "WORK",
        }:
            return SHORT, 0.6, "other type", False
        if mistaken := _mistaken(left, right):
            return mistaken
        return None
    if left.norm == right.norm:
        return SAME, 1.0, "exact", False
    if short := _short_form(left, right):
        return SHORT, *short, False
    if short := _short_form(right, left):
        return SHORT, *short, True
    if country := _of_country(left, right):
        return country
    if _plainly_apart(left, right):
        return None
    match = compare(left, right)
    if match.conflict or match.score < 0.8:
        return None
    if match.method == "legal form" and (not left.legal or not right.legal):
        return FULLER, match.score, match.method, bool(left.legal)
    if match.method in {"initials", "nickname", "middle name"}:
        return FULLER, match.score, match.method, _says(left) > _says(right)
    if match.method in {"spelling", "legal form", "exact", "word order"} and match.score >= 0.84:
        return SAME, match.score, match.method, False
    return None


def _of_country(left: Name, right: Name) -> tuple[int, float, str, bool] | None:
    """An authority with and without its country: "U.S. Securities and Exchange Commission"."""
    for short, long, turned in ((left, right, False), (right, left, True)):
        if short.kind == "ORG" and len(short.core) > 2 and not (short.legal or long.legal):
            size = len(long.core) - len(short.core)
            if (
                size == 2
                and long.core[size:] == short.core
                and " ".join(long.core[:size]) in _COUNTRIES
            ):
                return FULLER, 0.86, "country", turned
    return None


def _mistaken(left: Name, right: Name) -> tuple[int, float, str, bool] | None:
    """A bare company name under another label: "Fjordbanken" the place, beside Fjordbanken ASA."""
    for short, long, turned in ((left, right, False), (right, left, True)):
        if long.kind != "ORG" or not long.legal or short.kind not in _MISTAKEN:
            continue
        if short.kind == "PERSON" and len(short.core) > 1:
            continue
        bare = parse(short.norm, "ORG")
        if not bare.legal and (bare.core == long.core or _short_form(bare, long)):
            return SHORT, 0.65, "other type", turned
    return None


def _plainly_apart(left: Name, right: Name) -> bool:
    """A quick no for most pairs that share a key: other given names, or more than a word's difference."""
    if left.surname and right.surname:
        return left.given[0][0] != right.given[0][0] and not given_names_agree(
            left.given[:1], right.given[:1]
        )
    if left.kind == "PERSON" or left.core == right.core:
        return False
    return len(set(left.core) ^ set(right.core)) > 2 and "".join(left.core) != "".join(right.core)


def _says(name: Name) -> tuple[int, int, str]:
    return len("".join(name.given)), len(name.given), name.norm


def _short_form(short: Name, long: Name) -> tuple[float, str] | None:
    if short.kind == "PERSON":
        if not short.surname and long.surname and short.core[0] == long.surname.split()[-1]:
            return 0.6, "surname"
        return None
    if short.legal or len(short.core) >= len(long.core) or not short.core:
        return None
    if len(short.core) == 1 and len(short.core[0]) > 2 and short.core[0] in acronyms(long.core):
        return 0.75, "acronym"
    if short.kind != "ORG":
        return None
    if long.core[: len(short.core)] != short.core or short.numbers != long.numbers:
        return None
    if _all_generic(short.core):
        return None
    if len(short.core) > 1 and long.core[len(short.core)] in words("distinguishing"):
        return None  # "Acme Steel" is not "Acme Steel Holdings"
    if len(short.core) == 1 and not long.legal and not _all_generic(long.core[1:]):
        return None  # "Acme" is not "Acme Music", which may be a product, or half a headline
    return 0.7, "short form"


def rest_is_generic(short: Name, long: Name) -> bool:
    """Whether the longer name adds only words that many companies have, and is surely a company."""
    return bool(long.legal) and _all_generic(long.core[len(short.core) :])


def _all_generic(core: Sequence[str]) -> bool:
    return all(t in words("generic") or t in words("stop") for t in core)


class Blocks:
    """All names by key. Memory: 12 bytes a key and name, some 8 keys a name.

    Args:
        names: (type, norm) of each, by number.
    """

    def __init__(self, names: Sequence[tuple[str, str]]) -> None:
        self._names = names
        counts = np.zeros(len(names), np.int64)
        keys: list[NDArray[np.int64]] = []
        pending: list[int] = []
        for row, (kind, norm) in enumerate(names):
            own = keys_of(kind, norm)
            counts[row] = len(own)
            pending.extend(own)
            if len(pending) > 1 << 20:
                keys.append(np.array(pending, np.int64))
                pending = []
        keys.append(np.array(pending, np.int64))
        flat = np.concatenate(keys)
        owner = np.repeat(np.arange(len(names), dtype=np.int32), counts)
        order = np.argsort(flat, kind="stable")
        self._keys, self._owners = flat[order], owner[order]

    def of(self, row: int) -> Iterator[NDArray[np.int32]]:
        """The blocks of one name, each the ascending numbers of its names; not those of one name alone."""
        for key in keys_of(*self._names[row]):
            first = int(np.searchsorted(self._keys, key, side="left"))
            last = int(np.searchsorted(self._keys, key, side="right"))
            if last - first > 1:
                yield self._owners[first:last]

    def edges(self, rows: Sequence[int] | None) -> Iterator[Edge]:
        """Every edge among names in blocks with one of `rows` (all for None), each once, in order."""
        seen: set[tuple[int, int]] = set()
        names = self._names
        todo = range(len(names)) if rows is None else rows
        for row in todo:
            left = parse(names[row][1], names[row][0])
            near: set[int] = set()
            for block in self.of(row):
                if len(block) <= MAX_BLOCK:
                    near.update(block.tolist())
            near.discard(row)
            for other in sorted(near):
                if rows is None and other < row:
                    continue  # met from the other side
                pair = (row, other) if row < other else (other, row)
                if rows is not None:
                    if pair in seen:
                        continue
                    seen.add(pair)
                right = parse(names[other][1], names[other][0])
                found = relate(left, right)
                if found is not None:
                    level, score, method, turned = found
                    a, b = (other, row) if turned else (row, other)
                    yield Edge(level, a, b, score, method)
