"""Anybody's training data: CoNLL-U treebanks of any language, and files of names in BIO.

What the project's own English model is made of is read by `data.load`, which knows each corpus.
"""

from __future__ import annotations

import dataclasses
import hashlib
import lzma
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from salient.errors import InvalidInput, NotFound
from salient.nlp.training import conllu, entities
from salient.nlp.training.conllu import Document, Sentence
from salient.nlp.training.data import HELD_OUT, Builder, Gold, Labels, Types
from salient.nlp.training.entities import Corpus, Scheme, Tagged

TREEBANKS: Final = (".conllu", ".conllu.xz")
NAMES: Final = (".bio", ".bio.xz", ".iob2", ".iob2.xz", ".conll", ".conll.xz")

_STRETCH = 20  # sentences; a treebank that does not part its documents is cut into so many
_PLACES = frozenset({"GPE", "LOC", "FAC"})
_MISC = frozenset("NORP EVENT PRODUCT WORK_OF_ART LAW LANGUAGE".split())
_MEANT = {"PER": frozenset({"PERSON"}), "LOC": _PLACES, "MISC": _MISC}
_MEANT |= {name: frozenset({name}) for name in entities.TYPES if name not in _MEANT}

_ANY = Scheme(_MEANT, frozenset())

LABELS: Final = tuple(sorted(_MEANT))
"""What a file of names may call them: OntoNotes' labels, and PER, LOC and MISC of CoNLL 2003.

A file that has "LOC" and none of the other kinds of place means any place by it.
"""


@dataclass(slots=True)
class Files:
    """Files by their part: `train` to train on and to choose by, `dev` only to report on."""

    treebanks: dict[str, list[Path]] = field(default_factory=lambda: {"train": [], "dev": []})
    names: dict[str, list[Path]] = field(default_factory=lambda: {"train": [], "dev": []})
    left_out: list[Path] = field(default_factory=list)
    """Files of a test part."""

    @classmethod
    def of(
        cls, folder: Path | None, treebanks: Sequence[Path] = (), names: Sequence[Path] = ()
    ) -> Files:
        """The files given, and those of a folder, whose kinds their names' ends say.

        A file is of the part that its name holds as a word: "de_gsd-ud-dev.conllu" of dev. A test part
        is left out, and any other name is of train.

        Raises:
            NotFound: a file is not there, or there is no treebank to train on.
        """
        found = cls()
        inside = sorted(folder.iterdir()) if folder is not None and folder.is_dir() else []
        trees = [p for p in inside if p.name.endswith(TREEBANKS)]
        tagged = [p for p in inside if p.name.endswith(NAMES)]
        for into, paths in (
            (found.treebanks, [*trees, *treebanks]),
            (found.names, [*tagged, *names]),
        ):
            for path in dict.fromkeys(paths):
                if not path.is_file():
                    raise NotFound("a file of training data is not there", file=str(path))
                part = _part(path)
                into.get(part, found.left_out).append(path)
        if not found.treebanks["train"]:
            raise NotFound(
                "there is no treebank to train on: a file in .conllu", folder=str(folder)
            )
        return found

    def digest(self) -> str:
        """Of all that they hold, so that a stopped run is gone on with on the same data only."""
        made = hashlib.sha256()
        for part in ("train", "dev"):
            for path in [*self.treebanks[part], *self.names[part]]:
                made.update(f"{part} {path.name}\0".encode())
                made.update(hashlib.sha256(path.read_bytes()).digest())
        return made.hexdigest()


def _part(path: Path) -> str:
    words = path.name.split(".")[0].replace("_", "-").split("-")
    return next((part for part in ("test", "dev") if part in words), "train")


def load(files: Files, vectors: Mapping[str, int] | None = None) -> Gold:
    """Read treebanks and names.

    Of every twenty documents to train on, one is kept to choose by. A treebank that does not part its
    documents is cut into stretches of twenty sentences. A file of names that has the treebank's
    sentences, by name and words, is the treebank's layer of names; any other is a corpus of its own.

    Args:
        vectors: rows of word vectors by norm, from 1.

    Raises:
        InvalidInput: a file cannot be read, or there are too few documents to keep one.
    """
    trees = {part: _documents(paths) for part, paths in files.treebanks.items()}
    tagged = {part: _Names.read(paths) for part, paths in files.names.items()}
    parts = {"train": _every(trees["train"], held=False), "tune": _every(trees["train"], held=True)}
    if not parts["tune"]:
        raise InvalidInput(
            "there is too little to keep some of it for choosing",
            sentences=sum(len(d.sentences) for d in trees["train"]),
            fewest=_STRETCH * HELD_OUT,
        )
    labels, types = Labels.learn(parts["train"]), Types(vectors or {})
    train, tune, shown = (Builder(types, labels) for _ in range(3))
    for builder, documents in ((train, parts["train"]), (tune, parts["tune"])):
        tagged["train"].lay(documents, builder)
    tagged["dev"].lay(trees["dev"], shown)
    apart = tagged["train"].corpora(trees["train"])
    tune_names, shown_names = Builder(types, labels), Builder(types, labels)
    for scheme, corpus in apart:
        for at, document in enumerate(corpus):
            (tune_names if _held(at) else train).names(document, scheme)
    for scheme, corpus in tagged["dev"].corpora(trees["dev"]):
        for document in corpus:
            shown_names.names(document, scheme)
    made = {"treebank": (tune, shown), "names": (tune_names, shown_names)}
    columns = {name: (a.columns(), b.columns()) for name, (a, b) in made.items()}
    return Gold(
        labels, types, train.columns(),
        {name: a for name, (a, _) in columns.items() if a.n_words},
        {name: b for name, (_, b) in columns.items() if b.n_words},
    )  # fmt: skip


def _held(at: int) -> bool:
    return at % HELD_OUT == HELD_OUT - 1


def _every(documents: Sequence[Document], *, held: bool) -> list[Document]:
    return [d for at, d in enumerate(documents) if _held(at) == held]


# --- treebanks ----------------------------------------------------------------------------------


def _documents(paths: Iterable[Path]) -> list[Document]:
    found: list[Document] = []
    for path in paths:
        try:
            read = conllu.read(path)
        except (OSError, EOFError, UnicodeDecodeError, lzma.LZMAError) as exc:
            raise InvalidInput("a treebank cannot be read", file=str(path)) from exc
        found += [part for d in read for part in (_parted(d) if len(read) == 1 else [d])]
    return [
        dataclasses.replace(d, sentences=tuple(_surface(s, d.text) for s in d.sentences))
        for d in found
    ]


def _parted(document: Document) -> Iterator[Document]:
    for at in range(0, len(document.sentences), _STRETCH):
        first, *rest = document.sentences[at : at + _STRETCH]
        sentences = (dataclasses.replace(first, paragraph=True), *rest)
        yield Document(f"{document.name}-{at}", document.text, sentences)


def _surface(sentence: Sentence, text: str) -> Sentence:
    """The sentence with one word for each that the text shows.

    The engine reads what is written. A token of several words that do not spell it ("zum" of "zu" and
    "dem") becomes one word. It is what the highest of them in the tree is; of several as high, the one that
    more hangs from.
    """
    depth = _depths(sentence)
    groups: list[list[int]] = []
    for at, span in enumerate(sentence.spans):
        if groups and sentence.spans[groups[-1][0]] == span:
            groups[-1].append(at)
        else:
            groups.append([at])
    if len(groups) == len(sentence.forms):
        return sentence
    place = {at: number for number, group in enumerate(groups, 1) for at in group}
    kept = [
        min(group, key=lambda at: (depth[at], -sentence.heads.count(at + 1))) for group in groups
    ]

    def column(name: str) -> tuple[str, ...]:
        values: tuple[str, ...] = getattr(sentence, name)
        return tuple(values[at] for at in kept)

    forms = [
        sentence.forms[at] if len(group) == 1 else text[slice(*sentence.spans[at])]
        for at, group in zip(kept, groups, strict=True)
    ]
    heads = [place[h - 1] if (h := sentence.heads[at]) else 0 for at in kept]
    return dataclasses.replace(
        sentence, forms=tuple(forms), heads=tuple(heads), lemmas=column("lemmas"), upos=column("upos"),
        xpos=column("xpos"), feats=column("feats"), relations=column("relations"), misc=column("misc"),
        spans=tuple(sentence.spans[at] for at in kept),
    )  # fmt: skip


def _depths(sentence: Sentence) -> list[int]:
    """Of each word, how many stand above it.

    Raises:
        InvalidInput: the heads are no tree under one root.
    """
    heads, n = sentence.heads, len(sentence.heads)
    depth = [0 if head == 0 else -1 for head in heads]
    for start in range(n):
        at, path = start, list[int]()
        while depth[at] < 0:
            path.append(at)
            at = heads[at] - 1
            if not 0 <= at < n or len(path) > n:
                raise InvalidInput("the heads of a sentence are no tree", sentence=sentence.name)
        for below, word in enumerate(reversed(path), 1):
            depth[word] = depth[at] + below
    if heads.count(0) != 1:
        raise InvalidInput("a sentence has not one root", sentence=sentence.name)
    return depth


# --- names --------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class _Names:
    """Files of names of one part: (scheme, documents) each."""

    files: list[tuple[Scheme, list[list[Tagged]]]]

    @classmethod
    def read(cls, paths: Iterable[Path]) -> _Names:
        files: list[tuple[Scheme, list[list[Tagged]]]] = []
        for path in paths:
            try:
                corpus = corpus_of(path)
                files.append((corpus.scheme, entities.read(path, corpus)))
            except (OSError, EOFError, UnicodeDecodeError, lzma.LZMAError) as exc:
                raise InvalidInput("a file of names cannot be read", file=str(path)) from exc
        return cls(files)

    def lay(self, documents: Sequence[Document], builder: Builder) -> None:
        """Add treebank documents with the names that files have for their sentences."""
        layer = {t.name: t for _, found in self.files for d in found for t in d}
        for document in documents:
            tagged = {s.name: layer[s.name] for s in document.sentences if s.name in layer}
            builder.treebank(document, tagged or None, _ANY)

    def corpora(self, documents: Sequence[Document]) -> Iterator[tuple[Scheme, list[list[Tagged]]]]:
        """The files that are no layer of these documents."""
        names = {s.name: s.forms for d in documents for s in d.sentences}
        for scheme, found in self.files:
            if not any(names.get(t.name) == t.forms for d in found for t in d):
                yield scheme, found


def corpus_of(path: Path) -> Corpus:
    """How a file of names is to be read: by its columns, and what its labels can mean.

    Lines are "word tag", with whatever between, and an empty line behind each sentence; or those of
    Universal NER, "number TAB word TAB tag". What no label of the file means, its "O" leaves open.

    Raises:
        InvalidInput: a label is none of LABELS, or no line has a tag.
    """
    rows = [
        line.split()
        for line in conllu.lines(path)
        if line.strip() and not line.startswith(("# ", "-DOCSTART-"))
    ]
    numbered = bool(rows) and all(len(row) > 2 and row[0].isdigit() for row in rows)
    column, word = (2, 1) if numbered else (-1, 0)
    tags = {row[column] for row in rows if len(row) > 1}
    labels = sorted({tag.partition("-")[2] for tag in tags} - {""})
    if not tags or any(tag != "O" and tag[:2] not in ("B-", "I-") for tag in tags):
        raise InvalidInput("a file of names has no B-, I- and O in its column", file=str(path))
    unknown = [label for label in labels if label not in _MEANT]
    if unknown:
        raise InvalidInput(
            "a file of names has labels that are not known",
            file=str(path), labels=unknown, known=list(LABELS),
        )  # fmt: skip
    types = {label: _MEANT[label] for label in labels}
    if "LOC" in types and {"GPE", "FAC"} & types.keys():
        types["LOC"] = frozenset({"LOC"})
    seen = frozenset[str]().union(*types.values())
    alone = not any(line.startswith("-DOCSTART-") for line in conllu.lines(path))
    scheme = Scheme(types, frozenset(entities.TYPES) - seen)
    return Corpus(scheme, column=column, word=word, alone=alone)
