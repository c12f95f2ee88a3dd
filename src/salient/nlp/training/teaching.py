"""Runs of the teacher: `python -m salient.nlp.training.teaching learn | label | vectors`.

What a run makes lies in one folder (`--work`), and a run that was stopped goes on from there.
"""

from __future__ import annotations

import argparse
import sys
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Final

import numpy as np
from numpy.typing import NDArray

from salient.errors import Error, Misconfigured
from salient.nlp.native import features
from salient.nlp.training import (
    conllu,
    corpora,
    data,
    entities,
    pytorch,
    scores,
    silver,
    vectors,
)
from salient.nlp.training.corpora import Words
from salient.nlp.training.entities import BEGIN, INSIDE, LAST, OUTSIDE, UNIT

if TYPE_CHECKING:
    from torch import Tensor

    from salient.nlp.training.minilm import Words as Pieces
    from salient.nlp.training.reading import Reading, Teacher
    from salient.nlp.training.teacher import Names, Sentence, Training

_DATA = Path("../shared/data")
_CHECKPOINT: Final = "teacher.pt"
_SAVE_EVERY = 50  # steps
_FEWEST_FEATS = 2  # words with a set of features that the teacher is to know

_SETTLED = frozenset("DATE TIME PERCENT MONEY QUANTITY ORDINAL CARDINAL NORP LANGUAGE".split())
"""Types that a finder is believed about where gold leaves them open; about others it is heard only."""

_ALL = tuple(entities.tags(frozenset([name]), BEGIN, INSIDE, LAST, UNIT) for name in entities.TYPES)


def main(arguments: list[str] | None = None) -> int:
    """Run a command; 0, or 1 with the reason on stderr where salient's own errors end it."""
    chosen = _parser().parse_args(arguments)
    try:
        chosen.run(chosen)
    except Error as error:
        sys.stderr.write(f"{error.code}: {error.message} {error.context or ''}\n")
        return 1
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m salient.nlp.training.teaching", description=__doc__
    )
    commands = parser.add_subparsers(required=True)
    for name, run, about in (
        ("learn", _learn, "train the teacher on the gold data"),
        ("label", _label, "label unlabelled text, shard by shard"),
        ("vectors", _vectors, "make the table of word vectors"),
    ):
        command = commands.add_parser(name, help=about)
        command.add_argument("--work", type=Path, required=True, help="the run's folder")
        command.add_argument("--data", type=Path, default=_DATA)
        command.add_argument("--seed", type=int, default=5)
        command.add_argument("--threads", type=int, default=2)
        command.add_argument("--minilm", type=Path, help="folder of all-MiniLM-L6-v2's files")
        command.set_defaults(run=run)
        if name == "learn":
            command.add_argument("--epochs", type=int, default=5)
        else:
            command.add_argument("--out", type=Path, required=True)
            command.add_argument("--share", type=float, default=1.0, help="of the sample")
        if name == "vectors":
            command.add_argument(
                "--kind",
                choices=["potion", "teacher", "both"],
                default="both",
                help="whose they are",
            )
    return parser


def _say(line: str) -> None:
    sys.stdout.write(line + "\n")
    sys.stdout.flush()


def _minilm(chosen: argparse.Namespace) -> Path:
    folder: Path | None = chosen.minilm
    if folder is None or not (folder / "tokenizer.json").is_file():
        raise Misconfigured(
            "the teacher needs --minilm, a folder with all-MiniLM-L6-v2's model.safetensors and "
            "tokenizer.json", folder=str(folder),
        )  # fmt: skip
    return folder


# --- gold -------------------------------------------------------------------------------------


def refine(sets: Sequence[int], spans: Sequence[silver.Span]) -> list[int]:
    """Narrow what gold allows by what a finder of all types says.

    - In a name whose type gold leaves open, a type of the finder's that gold allows settles it; the
      bounds stay gold's.
    - Outside, the finder's values and nationalities hold; other types that gold leaves open are
      allowed beside O; and where it is silent, or contradicts gold, O holds against types that the
      corpus would have marked.
    """
    out = list(sets)
    silent = [True] * len(sets)
    for start, end, name in spans:
        family = _ALL[entities.TYPES.index(name)]
        whole = all(sets[i] & OUTSIDE for i in range(start, end))
        for at in range(start, end):
            silent[at] = False
            given = sets[at]
            if not given & OUTSIDE:
                out[at] = given & family or given
            elif not whole:
                continue
            elif given & family:
                position = UNIT if end - start == 1 else BEGIN if at == start else LAST if at == end - 1 else INSIDE  # fmt: skip
                tag = entities.tags(frozenset([name]), position)
                out[at] = tag if name in _SETTLED else OUTSIDE | tag
    return [
        OUTSIDE if s & OUTSIDE and quiet and s != entities.ANYTHING else s
        for s, quiet in zip(out, silent, strict=True)
    ]


def gold_documents(
    root: Path, finder: silver.Finder | None
) -> tuple[list[list[Sentence]], Names, NDArray[np.bool_]]:
    """The training documents, less those held out for choosing, with the names of all labels.

    Returns:
        Documents, names, and the table of allowed tags, (rows, tags).
    """
    from salient.nlp.training.teacher import Names, Sentence

    treebanks, named = list(_treebanks(root)), list(_named(root))
    counts = [Counter[str]() for _ in range(4)]
    for document in treebanks:
        for s, _ in document:
            for counter, column in zip(counts, (s.upos, s.xpos, s.feats, s.relations), strict=True):
                counter.update(column)
    upos, xpos, feats, relations = (tuple(w for w, _ in c.most_common()) for c in counts)
    feats = tuple(f for f in feats if counts[2][f] >= _FEWEST_FEATS)
    names = Names(upos, xpos, feats, relations, entities.TAGS)
    numbers = [{v: i for i, v in enumerate(values)} for values in (upos, xpos, feats, relations)]
    rows: dict[int, int] = {}

    def entity_rows(forms: tuple[str, ...], sets: Sequence[int] | None) -> NDArray[np.int16]:
        if sets is None:
            return np.full(len(forms), -1, np.int16)
        if finder is not None:
            (spans,) = finder([_unit(forms)])
            sets = refine(sets, spans)
        return np.array([rows.setdefault(s, len(rows)) for s in sets], np.int16)

    documents: list[list[Sentence]] = []
    for treebank in treebanks:
        documents.append([])
        for s, sets in treebank:
            tags = [
                [table.get(v, -1) for v in column]
                for table, column in zip(numbers, (s.upos, s.xpos, s.feats), strict=False)
            ]
            documents[-1].append(
                Sentence(
                    s.forms, np.array(tags, np.int16).T, np.array(s.heads, np.int16) - 1,
                    np.array([numbers[3][r] for r in s.relations], np.int16),
                    entity_rows(s.forms, sets),
                )
            )  # fmt: skip
    for tagged in named:
        documents.append([])
        for t in tagged:
            n = len(t.forms)
            documents[-1].append(
                Sentence(
                    t.forms, np.full((n, 3), -1, np.int16), np.full(n, -2, np.int16),
                    np.full(n, -1, np.int16), entity_rows(t.forms, t.allowed),
                )
            )  # fmt: skip
    return documents, names, entities.masks(list(rows))


def _unit(forms: tuple[str, ...]) -> Words:
    bits = np.array([features.SPACE_BEFORE * s for s in entities.spaces(forms)], np.uint16)
    bits[0] |= features.FIRST_OF_UNIT
    return Words("gold", "", forms, bits)


_Annotated = tuple[conllu.Sentence, Sequence[int] | None]


def _treebanks(root: Path) -> Iterator[list[_Annotated]]:
    uner = root / "ner/uner_ewt/en_ewt-ud-train.iob2.xz"
    tagged = {t.name: t for d in entities.read(uner, entities.UNER_EWT) for t in d}
    for at, document in enumerate(conllu.read(root / "ud/ewt/en_ewt-ud-train.conllu.xz")):
        if at % data.HELD_OUT != data.HELD_OUT - 1:
            layers = [entities.joined(s, tagged) for s in document.sentences]
            sets = [None if layer is None else layer.allowed for layer in layers]
            yield list(zip(document.sentences, sets, strict=True))
    for at, document in enumerate(conllu.read(root / "ud/gum/gum-train.conllu.xz")):
        if at % data.HELD_OUT != data.HELD_OUT - 1:
            yield [(s, entities.gum_allowed(s)[0]) for s in document.sentences]


def _named(root: Path) -> Iterator[list[entities.Tagged]]:
    for file, corpus in data.NAMES.values():
        for at, document in enumerate(entities.read(root / file, corpus)):
            if at % data.HELD_OUT != data.HELD_OUT - 1:
                yield document


# --- scores -----------------------------------------------------------------------------------

_COARSE = {"PERSON": "PER", "ORG": "ORG", "GPE": "LOC", "LOC": "LOC", "FAC": "LOC"}


def dev_scores(teacher: Teacher, root: Path) -> dict[str, dict[str, float]]:
    """F1 in per cent on the development parts, with gold words and sentences; nothing is chosen by it."""
    uner = root / "ner/uner_ewt/en_ewt-ud-dev.iob2.xz"
    tagged = {t.name: t for d in entities.read(uner, entities.UNER_EWT) for t in d}
    files = {"ewt": "ud/ewt/en_ewt-ud-dev.conllu.xz", "gum": "ud/gum/gum-dev.conllu.xz"}
    return {
        source: scored(teacher, conllu.read(root / file), tagged if source == "ewt" else {})
        for source, file in files.items()
    }


def scored(
    teacher: Teacher,
    documents: Sequence[conllu.Document],
    tagged: Mapping[str, entities.Tagged],
) -> dict[str, float]:
    """F1 in per cent: UPOS, XPOS, UFeats, UAS, LAS, and Names where there are any."""
    from salient.nlp.training.reading import names_of

    sentences = [list(document.sentences) for document in documents]
    texts = [
        ([f for s in document for f in s.forms], [i == 0 for s in document for i in range(len(s.forms))])
        for document in sentences
    ]  # fmt: skip
    own: list[scores.Sentence] = []
    found: list[list[silver.Span]] = []
    wanted: list[list[silver.Span]] = []
    for document, reading in zip(sentences, teacher.read(texts, given=True), strict=True):
        spans = names_of(reading, teacher.names.entities)
        at = 0
        for s in document:
            end = at + len(s.forms)
            own.append(_said(teacher.names, reading, s.forms, at, end))
            layer = entities.joined(s, tagged)
            if layer is not None:
                wanted.append(list(layer.spans))
                found.append(
                    [(a - at, b - at, _COARSE[n]) for a, b, n in spans
                     if at <= a < end and n in _COARSE]
                )  # fmt: skip
            at = end
    gold = [
        scores.Sentence(s.forms, (), s.upos, s.xpos, s.feats, s.heads, s.relations)
        for document in sentences for s in document
    ]  # fmt: skip
    measured = scores.parsing_scores(gold, own)
    made = {n: 100 * measured[n].f1 for n in ("UPOS", "XPOS", "UFeats", "UAS", "LAS")}
    if wanted:
        made["Names"] = 100 * scores.entity_scores(wanted, found).micro.f1
    return made


def _said(
    names: Names, reading: Reading, forms: Sequence[str], at: int, end: int
) -> scores.Sentence:
    def named(head: str, values: Sequence[str]) -> list[str]:
        return [values[i] for i in reading.labels[head][at:end, 0]]

    return scores.Sentence(
        forms, (), named("upos", names.upos), named("xpos", names.xpos), named("feats", names.feats),
        reading.heads[at:end].tolist(), named("relation", names.relations),
    )  # fmt: skip


# --- commands ---------------------------------------------------------------------------------


def _learn(chosen: argparse.Namespace) -> None:
    minilm, torch = _minilm(chosen), pytorch()
    from safetensors.torch import load_file

    from salient.nlp.training import minilm as pieces
    from salient.nlp.training.reading import Teacher
    from salient.nlp.training.teacher import Recipe, Training

    torch.set_num_threads(chosen.threads)
    documents, names, allowed = gold_documents(chosen.data, silver.spacy_finder())
    training = Training(pieces.Sizes(), names, Recipe(epochs=chosen.epochs, seed=chosen.seed))
    training.network.encoder.load_minilm(load_file(minilm / "model.safetensors"))
    chosen.work.mkdir(parents=True, exist_ok=True)
    checkpoint = chosen.work / _CHECKPOINT
    if checkpoint.exists():
        training.resume(checkpoint)

    words = pieces.Words(minilm / "tokenizer.json")

    def report() -> None:
        made = dev_scores(Teacher(training.network, names, words), chosen.data)
        for source, found in made.items():
            _say(f"{source} dev " + " ".join(f"{n} {v:.2f}" for n, v in found.items()))

    learn(training, documents, torch.from_numpy(allowed), words, checkpoint, report)


def learn(
    training: Training,
    documents: Sequence[Sequence[Sentence]],
    allowed: Tensor,
    words: Pieces,
    checkpoint: Path,
    report: Callable[[], None],
) -> None:
    """Go on with a run to its end, saving as it goes.

    Args:
        allowed: (rows, tags) bool.
        report: called behind every epoch.
    """
    while training.epoch < training.recipe.epochs:
        batches = training.epoch_batches(documents, words)
        while training.step < len(batches):
            loss = training.learn(batches[training.step], allowed, words, of=len(batches))
            if training.step % _SAVE_EVERY == 0:
                training.save(checkpoint)
                _say(f"epoch {training.epoch} step {training.step}/{len(batches)} loss {loss:.3f}")
        training.epoch += 1
        training.step = 0
        training.save(checkpoint)
        _say(f"epoch {training.epoch} of {training.recipe.epochs} done")
        report()


def _words(chosen: argparse.Namespace) -> Iterable[Words]:
    for excerpt in corpora.sample(chosen.data, seed=chosen.seed, share=chosen.share):
        yield corpora.words_of(excerpt)


def _label(chosen: argparse.Namespace) -> None:
    minilm, torch = _minilm(chosen), pytorch()
    from salient.nlp.training.reading import Teacher

    torch.set_num_threads(chosen.threads)
    teacher = Teacher.load(chosen.work / _CHECKPOINT, minilm / "tokenizer.json")
    finders = [silver.spacy_finder(), silver.grammar_finder]
    for path in silver.label_all(_words(chosen), chosen.out, teacher, finders):
        _say(f"wrote {path.name}")


def _vectors(chosen: argparse.Namespace) -> None:
    texts = [words.forms for words in _words(chosen)]
    gold = [s.forms for document in _treebanks(chosen.data) for s, _ in document]
    gold += [t.forms for document in _named(chosen.data) for t in document]
    counts = vectors.vocabulary([*texts, *gold])
    words = list(counts)
    tables: list[NDArray[np.float32]] = []
    if chosen.kind != "teacher":
        from salient.learning.vectors import PotionEncoder

        tables.append(vectors.static_rows(words, PotionEncoder()))
    if chosen.kind != "potion":
        import torch

        from salient.nlp.training.reading import Teacher

        torch.set_num_threads(chosen.threads)
        tokenizer = _minilm(chosen) / "tokenizer.json"
        teacher = Teacher.load(chosen.work / _CHECKPOINT, tokenizer)
        tables.append(vectors.contextual_rows(words, [*gold, *texts], teacher))
    rows = vectors.joined(tables)
    vectors.write(chosen.out, words, vectors.narrowed(rows, np.array(list(counts.values()))))
    _say(f"wrote {chosen.out}, {len(words)} words")


if __name__ == "__main__":
    sys.exit(main())
