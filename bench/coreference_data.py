"""GUM's coreference: texts with gold tokens, trees, mentions and chains; and the standard scores."""

from __future__ import annotations

import lzma
import re
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from salient.knowledge.coreference import Name, Referring, Span, names_of
from salient.knowledge.coreference.referring import referring
from salient.knowledge.mentions import linked
from salient.knowledge.ontology import base
from salient.knowledge.syntax import Tree
from salient.model import Annotations, Block, Builder, Kind, Part, Strings, Tokens
from salient.nlp.assembly import assembled

_LABELS = {"person": "PERSON", "organization": "ORG", "place": "GPE", "object": "PRODUCT", "event": "EVENT"}  # fmt: skip
_MARK = re.compile(r"\([^()]+\)?|[^()]+\)")


@dataclass
class Passage:
    """A GUM document. `gold` has the chain of each mention of `found`, by number."""

    text: str
    annotations: Annotations
    tree: Tree
    names: list[Name]
    spans: list[Span]
    gold: list[str]
    found: Referring = field(init=False)

    def __post_init__(self) -> None:
        self.found = described(self)


def read(path: Path) -> Iterator[Passage]:
    """The documents of a GUM file."""
    with lzma.open(path, "rt", encoding="utf-8") as lines:
        rows: list[list[str]] = []
        for line in lines:
            if line.startswith("# newdoc") and rows:
                yield _passage(rows)
                rows = []
            elif line.startswith(("# newpar", "# sent_id")):
                rows.append([line[2:8]])
            elif line.partition("\t")[0].isdigit():
                rows.append(line.rstrip("\n").split("\t"))
        yield _passage(rows)


@dataclass
class _Columns:
    start: list[int] = field(default_factory=list)
    end: list[int] = field(default_factory=list)
    head: list[int] = field(default_factory=list)
    first: list[bool] = field(default_factory=list)
    words: list[list[str]] = field(default_factory=list)


def _passage(rows: Sequence[Sequence[str]]) -> Passage:
    columns, pieces, length = _Columns(), [], 0
    opened: list[tuple[str, int, str]] = []
    marked: list[tuple[int, int, str, str]] = []
    base_row, fresh, gap = 0, True, ""
    for row in rows:
        if len(row) == 1:
            fresh = True
            gap = "\n\n" if row[0] == "newpar" and pieces else gap
            base_row = len(columns.start)
            continue
        pieces.append(gap + row[1])
        columns.start.append(length + len(gap))
        length += len(gap) + len(row[1])
        columns.end.append(length)
        at = len(columns.words)
        columns.head.append(base_row + int(row[6]) - 1 if row[6] != "0" else at)
        columns.first.append(fresh)
        columns.words.append(list(row))
        fresh, gap = False, "" if "SpaceAfter=No" in row[9] else " "
        marked += _closed(row[9], at, opened)
    return _built("".join(pieces), columns, marked)


def _closed(
    misc: str, at: int, opened: list[tuple[str, int, str]]
) -> list[tuple[int, int, str, str]]:
    """Open and close entities at a token; (first, last, chain, type) of those that end."""
    found = []
    entity = next((m[7:] for m in misc.split("|") if m.startswith("Entity=")), "")
    for mark in _MARK.findall(entity):
        number, *fields = mark.strip("()").split("-")
        number = number.split("[")[0]
        if mark[0] == "(":
            opened.append((number, at, fields[0]))
        if mark[-1] == ")":
            place = next(
                (i for i in range(len(opened) - 1, -1, -1) if opened[i][0] == number), None
            )
            if place is not None:
                _, first, kind = opened.pop(place)
                found.append((first, at + 1, number, kind))
    return found


def _built(text: str, columns: _Columns, marked: list[tuple[int, int, str, str]]) -> Passage:
    strings = Strings()
    part = {name: strings.codes([w[i] if w[i] != "_" else "" for w in columns.words]) for name, i in (("lemma", 2), ("upos", 3), ("xpos", 4), ("feats", 5), ("deprel", 7))}  # fmt: skip
    tokens = Tokens(
        start=np.array(columns.start, np.int32), end=np.array(columns.end, np.int32),
        head=np.array(columns.head, np.int32), sent_start=np.array(columns.first), **part,
    )  # fmt: skip
    plain = assembled("gold@1", ("en", 1.0), strings, tokens, [], [])
    tree = Tree(plain, text)
    marked = sorted(set(marked), key=lambda m: (m[0], -m[1]))
    spans = [(first, last, _head(tree, first, last)) for first, last, *_ in marked]
    labelled = {
        _name_around(tree, head): _LABELS.get(kind, "PRODUCT")
        for (*_, head), (*_, kind) in zip(spans, marked, strict=True)
        if tree.upos[head] == "PROPN"
    }
    rows = [(tree.start[a], tree.end[b - 1], label, 0.9) for (a, b), label in labelled.items()]
    annotations = assembled("gold@1", ("en", 1.0), strings, tokens, rows, [])
    return Passage(
        text, annotations, tree, _names(text, annotations), spans, [m[2] for m in marked]
    )


def _head(tree: Tree, first: int, last: int) -> int:
    return next((r for r in range(first, last) if not first <= tree.head[r] < last), last - 1)


def _name_around(tree: Tree, head: int) -> tuple[int, int]:
    """The proper nouns that stand together with one, as a recogniser of names would mark them."""
    first, last = head, head + 1
    while first > 0 and tree.upos[first - 1] == "PROPN" and tree.head[first - 1] == head:
        first -= 1
    while last < len(tree.upos) and tree.upos[last] == "PROPN" and tree.head[last] == head:
        last += 1
    return first, last


def _names(text: str, annotations: Annotations) -> list[Name]:
    builder = Builder()
    builder.add(Part([Block(Kind.PARAGRAPH, text)]))
    found, _, _ = linked(builder.build(), annotations, base())
    return names_of(found)


def described(passage: Passage) -> Referring:
    """The gold mentions as the resolver describes mentions; a name is the mention with its head."""
    by_row: dict[int, int] = {}
    for number, name in enumerate(passage.names):
        first = int(np.searchsorted(passage.tree.end, name.start, side="right"))
        last = int(np.searchsorted(passage.tree.start, name.end, side="left"))
        by_row |= dict.fromkeys(range(first, last), number)
    named: set[int] = set()
    mentions = []
    for span in passage.spans[::-1]:  # of nested mentions with one head, the inner has the name
        number = by_row.get(span[2], -1)
        number = -1 if number in named else number
        named.add(number)
        mentions.append((span, number))
    return referring(passage.text, passage.tree, mentions[::-1], passage.names)


# ---------------------------------------------------------------- scores

Clusters = Sequence[frozenset[int]]


def muc(key: Clusters, response: Clusters) -> tuple[float, float, float, float]:
    """Vilain et al. 1995: (right, of the key's, right, of the response's) links."""
    return (*_links(key, response), *_links(response, key))


def _links(of: Clusters, by: Clusters) -> tuple[float, float]:
    at = {m: n for n, cluster in enumerate(by) for m in cluster}
    right = total = 0
    for cluster in of:
        parts = {at.get(m, -1 - m) for m in cluster}
        right += len(cluster) - len(parts)
        total += len(cluster) - 1
    return right, total


def b_cubed(key: Clusters, response: Clusters) -> tuple[float, float, float, float]:
    """Bagga and Baldwin 1998: sums over mentions of the shares that agree, and the mentions."""
    return (*_shares(key, response), *_shares(response, key))


def _shares(of: Clusters, by: Clusters) -> tuple[float, float]:
    at = {m: n for n, cluster in enumerate(by) for m in cluster}
    right = 0.0
    for cluster in of:
        overlap = Counter(at[m] for m in cluster if m in at)
        right += sum(n * n for n in overlap.values()) / len(cluster)
    return right, sum(map(len, of))


def ceaf_e(key: Clusters, response: Clusters) -> tuple[float, float, float, float]:
    """Luo 2005 with the entity-based similarity: the best one-to-one match of chains, and their number."""
    if not key or not response:
        return 0.0, len(key), 0.0, len(response)
    table = np.array([[2 * len(k & r) / (len(k) + len(r)) for r in response] for k in key])
    best = assignment(table)
    return best, len(key), best, len(response)


def assignment(gain: NDArray[np.float64]) -> float:
    """The largest sum over a one-to-one match of rows and columns (Kuhn 1955; Munkres 1957)."""
    cost = -(gain if gain.shape[0] <= gain.shape[1] else gain.T)
    n, m = cost.shape
    u, v = np.zeros(n + 1), np.zeros(m + 1)
    match, way = np.zeros(m + 1, int), np.zeros(m + 1, int)
    for i in range(1, n + 1):
        match[0], j = i, 0
        least, used = np.full(m + 1, np.inf), np.zeros(m + 1, bool)
        while match[j]:
            used[j] = True
            row = match[j]
            free = ~used[1:]
            reduced = cost[row - 1] - u[row] - v[1:]
            better = free & (reduced < least[1:])
            least[1:][better] = reduced[better]
            way[1:][better] = j
            step = np.where(free, least[1:], np.inf)
            following = int(step.argmin()) + 1
            delta = step[following - 1]
            u[match[used]] += delta
            v[used] -= delta
            least[~used] -= delta
            j = following
        while j:
            match[j] = match[way[j]]
            j = way[j]
    return float(-sum(cost[match[j] - 1, j - 1] for j in range(1, m + 1) if match[j]))


def conll(documents: Sequence[tuple[Clusters, Clusters]]) -> dict[str, float]:
    """F1 of MUC, B cubed and CEAFe over documents, as percentages, and their mean.

    Args:
        documents: (key, response) chains of two mentions or more.
    """
    found: dict[str, float] = {}
    for name, score in (("muc", muc), ("b3", b_cubed), ("ceafe", ceaf_e)):
        sums = np.sum([score(*pair) for pair in documents], axis=0)
        recall, precision = sums[0] / max(sums[1], 1), sums[2] / max(sums[3], 1)
        found[name] = round(100 * 2 * recall * precision / max(recall + precision, 1e-12), 2)
        found[f"{name}_p"], found[f"{name}_r"] = round(100 * precision, 2), round(100 * recall, 2)
    return found | {"conll": round((found["muc"] + found["b3"] + found["ceafe"]) / 3, 2)}


def clusters_of(labels: Sequence[object]) -> list[frozenset[int]]:
    """Chains of two or more from a label a mention."""
    members: dict[object, set[int]] = {}
    for row, label in enumerate(labels):
        members.setdefault(label, set()).add(row)
    return [frozenset(rows) for rows in members.values() if len(rows) > 1]
