"""Known names, found wherever they are written: the client's knowledge base as a matcher."""

from __future__ import annotations

import hashlib
import itertools
from array import array
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final, final

import numpy as np
from numpy.typing import NDArray

from salient.errors import Corrupt, InvalidInput
from salient.kernels import longest_phrases, name_spans, span_types, word_codes, word_hashes
from salient.model import FURNITURE, columns
from salient.nlp.units import Unit, bounds_of

NAME: Final = "salient.gazetteer.v1"
SCORE: Final = 0.95  # a name may still be written of someone else; which, is for linking to say
FORMAT: Final = 1

# What joins the words of a name as it is kept: it is dropped from texts and names, so no word has it.
_JOINT = "\x03"
_DROPPED = ("\x02", _JOINT)
_QUOTES = str.maketrans(
    {"’": "'", "‘": "'", "`": "'", **dict.fromkeys(_DROPPED, "")}
    # Halves of surrogate pairs have no UTF-8; they name nothing.
    | {chr(half): "\ufffd" for half in range(0xD800, 0xE000)}
)
_SHORT = 4  # a name of one token up to this many characters must be written just so

Arrays = Mapping[str, NDArray[Any]]


@final
class Gazetteer:
    """A set of (surface, label) names.

    - A name matches whole tokens, in any spacing, across a wrapped line, but not across a block.
    - Case: as given, or all in capitals; a name of two or more tokens in any case; a single token
      of up to four characters only as given. So "Apple" does not match "apple", nor "IT" "it".
    - A possessive 's and the full stop that ends a name may be there or not; quotes around the
      surface are no part of it.
    - Of names that overlap the one that starts first matches, and of those the longest.
    - A surface with several labels has the first one given.

    All of it is arrays, which `dump` writes and `load` maps, so that processes share one copy.
    Threads may share one. Cost: building is linear in the names; finding is linear in the text
    whatever the number of names. `bench/memory.py` has the numbers.
    """

    def __init__(self, names: Iterable[tuple[str, str]]) -> None:
        """Build from (surface, label) pairs; blank surfaces are passed over.

        Raises:
            InvalidInput: a label is empty.
        """
        self._take(*_compiled(names))

    @classmethod
    def load(cls, header: Mapping[str, Any], arrays: Arrays) -> Gazetteer:
        """Over what `dump` wrote, read as a column file: nothing is copied.

        Raises:
            Corrupt: it is not of this form.
        """
        made = cls.__new__(cls)
        try:
            if header["format"] != FORMAT:
                raise Corrupt("the names are of another release", format=header["format"])
            made._take(header, arrays)
        except (KeyError, TypeError) as exc:
            raise Corrupt("the file holds no names") from exc
        return made

    def dump(self) -> bytes:
        """As one column file; equal names give equal bytes."""
        return columns.dump(self._arrays, self._header)

    def __len__(self) -> int:
        return len(self._written_ends)

    @property
    def component(self) -> str:
        """`name@hash of the names`."""
        return f"{NAME}@{self.digest[:12]}"

    @property
    def digest(self) -> str:
        """`digest_of` the names that it was built from."""
        return str(self._header["digest"])

    def find(self, text: str, units: Iterable[Unit]) -> list[tuple[int, int, str, float]]:
        """Find names in the units, furniture excepted: (start, end, label, score), in order."""
        if not len(self):
            return []
        words = _Words(text, units)
        codes = word_codes(words.folded, *self._words)[words.types]
        rows = []
        for i, j, phrase in longest_phrases(codes, *self._trie).tolist():
            if _case_allows(self._written_of(phrase), words.plain(i, j)):
                rows.append((*words.span(i, j), self._labels[self._label_of[phrase]], SCORE))
        return rows

    def _take(self, header: Mapping[str, Any], arrays: Arrays) -> None:
        self._header, self._arrays = header, arrays
        self._labels: list[str] = header["labels"]
        self._words = tuple(arrays[n] for n in ("word_starts", "word_ends", "word_letters"))
        self._trie = tuple(
            arrays[n] for n in ("edge_starts", "edge_keys", "edge_nodes", "edge_phrases")
        )
        self._label_of = arrays["label"]
        self._written, self._written_ends = arrays["written"], arrays["written_ends"]
        _, keys, nodes, phrases = self._trie
        if not len(keys) == len(nodes) == len(phrases) or len(self._label_of) != len(self):
            raise Corrupt("the columns of names do not fit together")

    def _written_of(self, phrase: int) -> list[str]:
        """The words of a name as it was given."""
        first = int(self._written_ends[phrase - 1]) if phrase else 0
        letters = self._written[first : int(self._written_ends[phrase])]
        return letters.tobytes().decode().split(_JOINT)


def digest_of(names: Iterable[tuple[str, str]]) -> str:
    """SHA-256 of names in their order: `Gazetteer(names).digest` without building one."""
    digest = hashlib.sha256()
    for surface, label in names:
        digest.update(_entry(surface, label))
    return digest.hexdigest()


def _entry(surface: str, label: str) -> bytes:
    if not label:
        raise InvalidInput("a name of the gazetteer has no label", surface=surface)
    return f"{surface}\0{label}\0".encode("utf-8", "surrogatepass")


def _compiled(names: Iterable[tuple[str, str]]) -> tuple[dict[str, Any], dict[str, NDArray[Any]]]:
    """The header and columns of a gazetteer."""
    digest = hashlib.sha256()
    vocabulary: dict[str, int] = {}
    label_codes: dict[str, int] = {}
    codes, sizes, labels = array("i"), array("i"), array("i")
    written, written_ends = bytearray(), array("q")
    for surface, label in names:
        digest.update(_entry(surface, label))
        for words in _variants(surface):
            for word in words:
                codes.append(vocabulary.setdefault(word.casefold(), len(vocabulary)))
            sizes.append(len(words))
            labels.append(label_codes.setdefault(label, len(label_codes)))
            written += _JOINT.join(words).encode()
            written_ends.append(len(written))
    rank, columns_of_words = _word_table(list(vocabulary))
    starts, keys, nodes, phrases = _trie(rank[np.array(codes, np.int32)], np.array(sizes, np.int32))
    # Of names that are the same when folded the first stays; the trie ends in no other.
    kept = np.unique(phrases[phrases >= 0])
    phrases = np.where(phrases >= 0, np.searchsorted(kept, phrases), -1).astype(np.int32)
    ends = np.array(written_ends, np.int64)
    letters = np.frombuffer(bytes(written), np.uint8)
    if len(kept) < len(ends):
        begins = np.concatenate([[0], ends[:-1]])[kept]
        letters = _gathered(letters, begins, ends[kept])
        ends = np.cumsum(ends[kept] - begins)
    given = np.array(labels, np.int32)[kept]
    header = {"format": FORMAT, "digest": digest.hexdigest(), "labels": list(label_codes)}
    return header, {
        **columns_of_words,
        "edge_starts": starts, "edge_keys": keys, "edge_nodes": nodes, "edge_phrases": phrases,
        "label": given.astype(np.min_scalar_type(len(label_codes))),
        "written": letters, "written_ends": ends,
    }  # fmt: skip


def _word_table(words: Sequence[str]) -> tuple[NDArray[np.int32], dict[str, NDArray[Any]]]:
    """The number that each word has in the vocabulary, and its columns; see `word_codes`."""
    hashes = word_hashes(words)
    order = np.argsort(hashes, kind="stable")
    rank = np.empty(len(words), np.int32)
    rank[order] = np.arange(len(words), dtype=np.int32)
    encoded = [words[i].encode() for i in order.tolist()]
    return rank, {
        "word_starts": _buckets(hashes[order]),
        "word_ends": np.cumsum([len(w) for w in encoded], dtype=np.int64),
        "word_letters": np.frombuffer(b"".join(encoded), np.uint8),
    }


def _trie(codes: NDArray[np.int32], sizes: NDArray[np.int32]) -> tuple[NDArray[Any], ...]:
    """The edges of a trie over phrases that lie one after the other in `codes`; see `longest_phrases`.

    It grows level by level, all phrases at once. Nodes are numbered as they come.
    """
    begins = np.cumsum(sizes) - sizes
    node = np.zeros(len(sizes), np.int64)
    alive = np.arange(len(sizes))
    all_keys, all_phrases, n_nodes, depth = [], [], 1, 0
    while len(alive):
        keys, place = np.unique(
            (node[alive] << 32) | codes[begins[alive] + depth], return_inverse=True
        )
        node[alive] = n_nodes + place
        depth += 1
        ended = sizes[alive] == depth
        phrase = np.full(len(keys), -1, np.int32)
        # Backwards, so that of equal phrases the first is what stays.
        phrase[place[ended][::-1]] = alive[ended][::-1]
        alive = alive[~ended]
        all_keys.append(keys.astype(np.uint64))
        all_phrases.append(phrase)
        n_nodes += len(keys)
    if n_nodes > np.iinfo(np.int32).max:
        raise InvalidInput("there are too many names for one gazetteer", n_nodes=n_nodes)
    keys = np.concatenate([np.zeros(0, np.uint64), *all_keys])
    phrases = np.concatenate([np.zeros(0, np.int32), *all_phrases])
    hashes = _mixed(keys)
    order = np.argsort(hashes, kind="stable")
    nodes = (order + 1).astype(np.int32)
    return _buckets(hashes[order]), keys[order], nodes, phrases[order]


def _mixed(keys: NDArray[np.uint64]) -> NDArray[np.uint64]:
    """`salient.kernels.phrases.hash_key` of each."""
    keys = (keys ^ (keys >> np.uint64(33))) * np.uint64(0xFF51AFD7ED558CCD)
    keys = (keys ^ (keys >> np.uint64(33))) * np.uint64(0xC4CEB9FE1A85EC53)
    return keys ^ (keys >> np.uint64(33))


def _buckets(hashes: NDArray[np.uint64]) -> NDArray[np.int32]:
    """Where each bucket of sorted hashes begins: about one entry a bucket."""
    bits = max(1, len(hashes).bit_length())
    bucket = (hashes >> np.uint64(64 - bits)).astype(np.int64)
    return np.searchsorted(bucket, np.arange((1 << bits) + 1)).astype(np.int32)


def _gathered(
    letters: NDArray[np.uint8], begins: NDArray[np.int64], ends: NDArray[np.int64]
) -> NDArray[np.uint8]:
    """The runs from each begin to its end, one after the other."""
    sizes = ends - begins
    shift = np.repeat(begins - (np.cumsum(sizes) - sizes), sizes)
    found: NDArray[np.uint8] = letters[np.arange(len(shift)) + shift]
    return found


class _Words:
    """The tokens of a text's units, furniture excepted; no run of known words crosses from one unit into another."""

    def __init__(self, text: str, units: Iterable[Unit]) -> None:
        self._spans = name_spans(text, bounds_of(u for u in units if u.kind not in FURNITURE))
        self.types, firsts = span_types(text, self._spans[:, 0], self._spans[:, 1])
        self._plain = [text[a:b].translate(_QUOTES) for a, b in self._spans[firsts].tolist()]
        self.folded = [word.casefold() for word in self._plain]
        """The words of each type, as names are compared."""

    def plain(self, first: int, end: int) -> list[str]:
        """Tokens with quotes made plain."""
        return [self._plain[number] for number in self.types[first:end].tolist()]

    def folded_run(self, first: int, end: int) -> tuple[str, ...]:
        return tuple(self.folded[number] for number in self.types[first:end].tolist())

    def span(self, first: int, end: int) -> tuple[int, int]:
        return int(self._spans[first, 0]), int(self._spans[end - 1, 1])


def find_few(
    names: Iterable[tuple[str, str]], text: str, units: Iterable[Unit]
) -> list[tuple[int, int, str]]:
    """Find a handful of names as a `Gazetteer` of them would, without the cost of building one."""
    label_of: dict[tuple[str, ...], tuple[str, list[str]]] = {}
    for surface, label in names:
        for written in _variants(surface):
            label_of.setdefault(tuple(word.casefold() for word in written), (label, written))
    if not label_of:
        return []
    longest: dict[str, int] = {}
    for name in label_of:
        longest[name[0]] = max(longest.get(name[0], 0), len(name))
    words = _Words(text, units)
    sizes = np.array([longest.get(word, 0) for word in words.folded], np.int32)[words.types]
    rows = []
    floor = 0
    for at in np.flatnonzero(sizes).tolist():
        if at < floor:
            continue
        run = words.folded_run(at, at + int(sizes[at]))
        for size in range(len(run), 0, -1):
            known = label_of.get(run[:size])
            if known:
                floor = at + size
                if _case_allows(known[1], words.plain(at, floor)):
                    rows.append((*words.span(at, floor), known[0]))
                break
    return rows


def _variants(surface: str) -> list[list[str]]:
    surface = surface.strip().strip('"“”«»')
    whole = np.array([[0, len(surface)]], np.int32)
    cut = name_spans(surface, whole).tolist()
    tokens = [w for a, b in cut if (w := surface[a:b].translate(_QUOTES))]
    while tokens and not any(c.isalnum() for c in tokens[0]) and len(tokens) > 1:
        tokens = tokens[1:]
    if not tokens or not any(c.isalnum() for t in tokens for c in t):
        return []
    variants = [tokens]
    if tokens[-1] == "." and len(tokens) > 1:
        variants.append(tokens[:-1])
    return variants


def _case_allows(written: Sequence[str], words: Sequence[str]) -> bool:
    if all(a == b for a, b in itertools.zip_longest(written, words)):
        return True
    together = "".join(words)
    if len(written) > 1:
        return len(together) > _SHORT or together.isupper()
    name = written[0]
    if len(name) <= _SHORT:
        return False
    return together.isupper() or (name.islower() and together[1:].islower()) or name.isupper()


__all__ = ["NAME", "SCORE", "Gazetteer", "digest_of", "find_few"]
