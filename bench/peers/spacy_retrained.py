"""spaCy's small pipeline, trained on exactly the files that our model is trained on.

    python bench/peers/spacy_retrained.py [--shared ../shared] [--cache .salient/bench] [--fold 5/10]

The settings are spaCy's own: what `spacy init config --optimize efficiency` writes for a CPU (`tok2vec` of width
96 and depth 4 over hashed embeddings, tagger, morphologizer, trainable lemmatizer, parser, ner), with the
optimizer's averages, schedule and dropout of the released small pipelines. Documents are given in paragraphs of
ten sentences at most. Sentences come from the parser, as in the released pipelines.

spaCy's `ner` cannot learn from partial labels, so every corpus is mapped to PER, ORG, LOC and MISC
(`language_gold.coarse`). MISC is what a corpus has besides: MISC of wikigold and FIN5, products and works of WNUT17,
events, objects and works of GUM, weapons, nationalities and papers of re3d. UNER-EWT and BTC annotate none, and
there its words count as no names, since spaCy knows "no name" and "unknown" for a word but not "unknown, if it is
MISC". Words of which nobody knows whether they are names (GUM's proper nouns outside its names, re3d's roles,
sentences without a layer) are given as unknown. Values (dates and so on) are not annotated.

The result lies in a folder named by data and settings, and is made once.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import shutil
import sys
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

BENCH = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(BENCH))

from language_gold import Gold, Words, parts  # noqa: E402 # beside this folder, once that is on the path

ROOT = BENCH.parent
PIPES = ["tagger", "morphologizer", "trainable_lemmatizer", "parser", "ner"]
MOST_SENTENCES = 10
STEPS = 4600
"""Seven passes, about: the first 2300 steps grow from 100 to 1000 words. 20 minutes of one core at 2600 words/s."""

QUICK_STEPS, QUICK_SHARE = 40, 0.01


def pipeline(
    data: Path, cache: Path, fold: tuple[int, int], *, steps: int = STEPS, share: float = 1.0
) -> tuple[Path, dict[str, Any]]:
    """The folder of the trained pipeline and what its training took; trains it if it is not there."""
    config = settings(steps)
    golds = parts(data, fold, share=share)
    train = [g for source in golds["train"].values() for g in source]
    tune = [g for source in golds["tune"].values() for g in source] or train[:1]
    made = hashlib.sha256(config.to_str().encode())
    for gold in [*train, *tune]:
        made.update(repr((gold.text.text, gold.sentences)).encode("utf-8", "replace"))
    folder = cache / f"spacy-retrained-{made.hexdigest()[:12]}"
    took = folder / "took.json"
    if not took.is_file():
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir(parents=True)
        took.write_text(json.dumps(fit(config, train, tune, folder)), encoding="utf-8")
    return folder / "model-best", json.loads(took.read_text(encoding="utf-8"))


def settings(steps: int) -> Any:
    """spaCy's settings, as the module's first lines say."""
    from spacy.cli.init_config import init_config

    config = init_config(lang="en", pipeline=PIPES, optimize="efficiency", gpu=False, silent=True)
    training = config["training"]
    training["optimizer"]["use_averages"] = True
    training["max_steps"] = steps
    training["patience"] = 0
    training["eval_frequency"] = max(10, min(500, steps // 4))
    return config


def fit(config: Any, train: Sequence[Gold], tune: Sequence[Gold], folder: Path) -> dict[str, Any]:
    """Train, and return what it took."""
    from spacy.tokens import DocBin
    from thinc.api import NumpyOps, set_current_ops

    # numpy's OpenBLAS is more than twice as fast as the BLIS that thinc brings.
    set_current_ops(NumpyOps(use_blis=False))
    from spacy.training.initialize import init_nlp
    from spacy.training.loop import train as run
    from spacy.vocab import Vocab

    cpu, began = time.process_time(), time.perf_counter()
    vocab = Vocab()
    n_words = 0
    for name, golds in (("train", train), ("dev", tune)):
        binned = DocBin(store_user_data=False)
        for gold in golds:
            for doc in docs(gold, vocab):
                binned.add(doc)
                n_words += len(doc) if name == "train" else 0
        binned.to_disk(folder / f"{name}.spacy")
        config["paths"][name] = str(folder / f"{name}.spacy")
    nlp = init_nlp(config)
    run(nlp, folder, use_gpu=-1, stdout=sys.stderr, stderr=sys.stderr)
    for name in ("train.spacy", "dev.spacy"):
        (folder / name).unlink()
    shutil.rmtree(folder / "model-last", ignore_errors=True)
    return {
        "n_words": n_words,
        "steps": config["training"]["max_steps"],
        "cpu_s": round(time.process_time() - cpu),
        "wall_s": round(time.perf_counter() - began),
    }


def docs(gold: Gold, vocab: Any) -> Iterator[Any]:
    """Paragraphs as spaCy is trained on them, ten sentences at most."""
    for group in groups(gold.sentences):
        yield doc_of(gold, group, vocab, annotated=True)


def groups(sentences: Sequence[Words], most: int = MOST_SENTENCES) -> Iterator[list[Words]]:
    """Consecutive sentences of a paragraph."""
    group: list[Words] = []
    for sentence in sentences:
        if group and (sentence.paragraph or len(group) == most):
            yield group
            group = []
        group.append(sentence)
    if group:
        yield group


def doc_of(gold: Gold, group: Sequence[Words], vocab: Any, *, annotated: bool) -> Any:
    """Gold words as a `Doc`; with what is known of them, or else only where sentences begin."""
    from spacy.tokens import Doc, Span

    text = gold.text.text
    words = [form for s in group for form in s.forms]
    spans = [span for s in group for span in s.spans]
    follows = [*spans[1:], (-1, -1)]
    spaces = [a != b and text[a[1] : a[1] + 1] == " " for a, b in zip(spans, follows, strict=True)]
    first = [at == 0 for s in group for at in range(len(s.forms))]
    if not annotated:
        return Doc(vocab, words=words, spaces=spaces, sent_starts=first)
    known: dict[str, Any] = {}
    if all(s.syntax is not None for s in group):
        trees = [s.syntax for s in group if s.syntax is not None]
        starts = [sum(len(s.forms) for s in group[:n]) for n in range(len(group))]
        known = {
            "tags": [x for t in trees for x in t.xpos],
            "pos": [x for t in trees for x in t.upos],
            "morphs": [x for t in trees for x in t.feats],
            "lemmas": [x for t in trees for x in t.lemmas],
            "heads": [
                at + (h - 1 if h else n)
                for at, t in zip(starts, trees, strict=True)
                for n, h in enumerate(t.heads)
            ],
            "deps": ["ROOT" if r == "root" else r for t in trees for r in t.relations],
        }
    doc = Doc(vocab, words=words, spaces=spaces, **known)
    names, unknown, at = [], [], 0
    for s in group:
        names += [Span(doc, at + a, at + b, label=kind) for a, b, kind in s.names]
        open_words = s.unknown if s.named else range(len(s.forms))
        unknown += [Span(doc, at + n, at + n + 1) for n in open_words]
        at += len(s.forms)
    doc.set_ents(names, missing=unknown, default="outside")
    return doc


def fold_of(text: str) -> tuple[int, int]:
    number, _, of = text.partition("/")
    return int(number), int(of)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)  # fmt: skip
    parser.add_argument("--shared", type=Path, default=ROOT.parent / "shared")
    parser.add_argument("--cache", type=Path, default=ROOT / ".salient" / "bench")
    parser.add_argument("--fold", type=fold_of, default=(5, 10), metavar="K/N")
    parser.add_argument("--steps", type=int, default=STEPS)
    parser.add_argument("--quick", action="store_true", help="a tiny share, to try it out")
    options = parser.parse_args()
    share = QUICK_SHARE if options.quick else 1.0
    steps = QUICK_STEPS if options.quick else options.steps
    folder, took = pipeline(
        options.shared / "data", options.cache, options.fold, steps=steps, share=share
    )
    print(folder, json.dumps(took))


if __name__ == "__main__":
    main()
