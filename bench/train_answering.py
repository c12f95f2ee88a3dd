"""Train the weights of `salient.services.answering` and write them beside it.

    python bench/train_answering.py --data ../shared/data --questions 8000

Open corpus: all paragraphs of the training articles are indexed, each question is searched for, and
every sentence found is a row. Of the questions, 56 % keep their answer; of the rest the answering
passages are taken away, the whole article is taken away, or the question is twisted. From a part
of the answering passages the names of the question are taken out, as in papers that name somebody
once and then say "the Supplier" or "it". Numpy only.
"""

from __future__ import annotations

import argparse
import math
import random
import re
import time
from collections import Counter
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from ask_corpus import (
    Annotator,
    Asked,
    Corpus,
    Twister,
    Window,
    gold_windows,
    is_gold,
    read_squad,
    windows,
)
from numpy.typing import NDArray

from salient.services import answering
from salient.services.answering import ranking, short
from salient.services.answering.features import FEATURES, INDEX, SPAN_FEATURES
from salient.services.answering.forest import Forest, Linear, sigmoid
from salient.services.answering.terms import Rarity, tokenise

TARGET = Path(__file__).parent.parent / "src/salient/services/answering" / ranking.WEIGHTS
BINS = 48
SHOWN = 0.4
"""Confidence from which a sentence is shown as an answer. Confidences are calibrated, and three
sentences are shown: so the right one is more likely among them than not."""
MASKED = 0.35
"""Of the questions with a name; more than in encyclopaedic text, less than in contracts."""
KINDS = ("answerable", "answer removed", "article removed", "twisted")


# ---------------------------------------------------------------- learners


def edges_of(table: NDArray[np.float32]) -> list[NDArray[np.float32]]:
    quantiles = np.linspace(0, 1, BINS + 1)[1:-1]
    return [np.unique(np.quantile(column, quantiles)).astype(np.float32) for column in table.T]


def grow(
    table: NDArray[np.float32],
    label: NDArray[np.float64],
    weight: NDArray[np.float64],
    *,
    trees: int,
    depth: int,
    rate: float,
    l2: float = 20.0,
    seed: int = 0,
) -> Forest:
    """Boost symmetric trees on the logistic loss, half of rows and 60 % of features a tree."""
    rng = np.random.default_rng(seed)
    edges = edges_of(table)
    binned = np.column_stack(
        [np.searchsorted(e, c, side="left") for e, c in zip(edges, table.T, strict=True)]
    ).astype(np.int32)
    mean = float((label * weight).sum() / weight.sum())
    base = math.log(mean / (1 - mean))
    odds = np.full(len(label), base)
    features = np.zeros((trees, depth), np.uint8)
    thresholds = np.zeros((trees, depth), np.float32)
    leaves = np.zeros((trees, 1 << depth), np.float32)
    for tree in range(trees):
        chance = sigmoid(odds)
        gradient = (label - chance) * weight
        hessian = np.maximum(chance * (1 - chance), 1e-6) * weight
        rows = rng.permutation(len(label))[: len(label) // 2]
        allowed = rng.permutation(table.shape[1])[: max(4, int(0.6 * table.shape[1]))]
        leaf = np.zeros(len(rows), np.int32)
        g, h = gradient[rows], hessian[rows]
        for level in range(depth):
            best = (-1.0, 0, 0)
            for f in allowed:
                if not len(edges[f]):
                    continue
                slot = leaf * (BINS + 1) + binned[rows, f]
                size = (1 << level) * (BINS + 1)
                sums = [
                    np.bincount(slot, v, size).reshape(-1, BINS + 1).cumsum(axis=1) for v in (g, h)
                ]
                (lg, lh), (tg, th) = sums, (sums[0][:, -1:], sums[1][:, -1:])
                gain = (lg**2 / (lh + l2) + (tg - lg) ** 2 / (th - lh + l2)).sum(axis=0)
                at = int(np.argmax(gain[: len(edges[f])]))
                if gain[at] > best[0]:
                    best = (float(gain[at]), int(f), at)
            _, f, at = best
            features[tree, level], thresholds[tree, level] = f, edges[f][at]
            leaf |= (binned[rows, f] > at).astype(np.int32) << level
        size = 1 << depth
        lg, lh = np.bincount(leaf, g, size), np.bincount(leaf, h, size)
        leaves[tree] = rate * lg / (lh + l2)
        everywhere = np.zeros(len(label), np.int32)
        for level in range(depth):
            everywhere |= (table[:, features[tree, level]] > thresholds[tree, level]).astype(
                np.int32
            ) << level
        odds += leaves[tree][everywhere]
    return Forest(base, features, thresholds, leaves)


def regress(table: NDArray[np.float32], label: NDArray[np.float64], l2: float = 5.0) -> Linear:
    """Logistic regression by Newton's method."""
    mean, scale = table.mean(axis=0), table.std(axis=0) + 1e-6
    x = np.column_stack([(table - mean) / scale, np.ones(len(table))]).astype(np.float64)
    w = np.zeros(x.shape[1])
    for _ in range(12):
        p = sigmoid(x @ w)
        step = np.linalg.solve(
            (x * (p * (1 - p))[:, None]).T @ x + l2 * np.eye(len(w)), x.T @ (label - p) - l2 * w
        )
        w += step
    return Linear(
        mean.astype(np.float32), scale.astype(np.float32), w[:-1].astype(np.float32), float(w[-1])
    )


def background(texts: list[str], keep: int = 6000) -> Rarity:
    """Rarity of stems over pieces of 100 words, of the kinds of documents there are."""
    df: Counter[str] = Counter()
    n = 0
    for text in texts:
        stems = [t.stem for t in tokenise(text) if t.form.isalpha()]
        for at in range(0, len(stems), 100):
            df.update(set(stems[at : at + 100]))
            n += 1
    rarity = {s: math.log(1 + n / (1 + c)) for s, c in df.most_common(keep) if c >= 5}
    return Rarity({s: round(v, 1) for s, v in rarity.items()}, max(rarity.values()) + 0.7)


# ---------------------------------------------------------------- rows


def empty_model(rarity: Rarity) -> answering.Model:
    forest = Forest(
        0.0, np.zeros((1, 1), np.uint8), np.zeros((1, 1), np.float32), np.zeros((1, 2), np.float32)
    )
    n = len(SPAN_FEATURES)
    span = Linear(np.zeros(n, np.float32), np.ones(n, np.float32), np.zeros(n, np.float32), 0.0)
    return answering.Model("untrained", 0.5, rarity, forest, forest, span, 0.0)


def normal(text: str) -> list[str]:
    return [t.form for t in tokenise(text) if t.form not in {"a", "an", "the"}]


def overlap(left: str, right: str) -> float:
    a, b = Counter(normal(left)), Counter(normal(right))
    same = sum((a & b).values())
    return 2 * same / (sum(a.values()) + sum(b.values())) if same else 0.0


def span_rows(
    asked: list[Asked], corpus: Corpus, model: answering.Model
) -> tuple[NDArray[np.float32], NDArray[np.float64]]:
    """Rows for the short-answer model: all stretches of the true sentence."""
    tables, labels = [], []
    for q in asked:
        question = answering.analyse(q.text, q.annotations(), idf=corpus.idf, model=model)
        home = [w for w in corpus.windows if w.paragraph.key == q.paragraph]
        candidates = [
            corpus._candidate(corpus.windows.index(w), 1.0, 1.0, None, True) for w in home
        ]
        sentences, _ = ranking.describe(question, candidates)
        for s in sentences:
            c = candidates[s.candidate]
            if not is_gold(q, c, (c.start + s.start, c.start + s.end)):
                continue
            spans = short.possible(question, s, c.text)
            if not spans:
                continue
            tokens = s.view.tokens
            texts = [c.text[tokens[a].start : tokens[b - 1].end] for a, b in spans]
            tables.append(short.describe_spans(question, s, spans, c.text))
            labels.append(np.array([max(overlap(t, a) for a in q.answers) ** 2 for t in texts]))
            break
    return np.concatenate(tables), np.concatenate(labels)


def _of_article(article: str, window: Window) -> bool:
    return window.paragraph.article == article


def masked(c: answering.Candidate, q: Asked, question: answering.Question) -> answering.Candidate:
    """A passage of the paragraph that answers, without the question's names; offsets stay."""
    words = {w for n in question.names for w in re.findall(r"\w+", n.text) if len(w) > 2}
    said = " ".join(q.answers).casefold()
    if c.document_id != q.paragraph or not words or any(w.casefold() in said for w in words):
        return c
    each = "|".join(map(re.escape, sorted(words)))
    pattern = re.compile(rf"\b(?:{each})(?:\W+(?:{each}))*\b", re.IGNORECASE)
    text = pattern.sub(lambda m: "it".ljust(len(m.group())), c.text)
    gone = [m.span() for m in pattern.finditer(c.text)]
    mentions = tuple(
        m for m in c.mentions if not any(a < m[1] - c.start and m[0] - c.start < b for a, b in gone)
    )
    return replace(c, text=text, mentions=mentions)


def rows_of(
    asked: list[Asked],
    corpus: Corpus,
    model: answering.Model,
    twister: Twister,
    encoder: Any,
    seed: int,
) -> list[dict[str, Any]]:
    """One entry a question: its feature table, labels (1 answers, 0 not, -1 leave out), kind."""
    chooser = random.Random(seed)
    made = []
    vectors = encoder.encode([q.text for q in asked]) if encoder is not None else None
    for at, q in enumerate(asked):
        kind = chooser.choices(KINDS, [0.56, 0.15, 0.12, 0.17])[0]
        without, posed = None, q
        if kind == "answer removed":
            without = gold_windows(q)
        elif kind == "article removed":
            without = partial(_of_article, q.article)
        elif kind == "twisted":
            twisted = twister.twist(q)
            if twisted is None:
                kind = "answerable"
            else:
                posed = twisted
        notes = posed.annotations() if posed.mentions and chooser.random() < 0.7 else None
        idf = corpus.idf if chooser.random() < 0.6 else None
        with_vectors = encoder is not None and chooser.random() < 0.7
        question = answering.analyse(posed.text, notes, idf=idf, model=model)
        vector = None
        if with_vectors:
            vector = vectors[at] if posed is q else encoder.encode([posed.text])[0]
        candidates = corpus.candidates(
            answering.search_text(question),
            limit=chooser.choice([8, 12, 16]),
            without=without,
            titles=chooser.random() < 0.6,
            query_vector=vector,
        )
        if kind in ("answerable", "twisted") and chooser.random() < MASKED:
            candidates = [masked(c, q, question) for c in candidates]
        sentences, table = ranking.features(
            question, candidates, encoder=encoder if with_vectors else None, model=model
        )
        if not sentences:
            continue
        label = np.zeros(len(sentences))
        if kind == "answerable":
            wanted = [a.casefold() for a in q.answers if len(a) > 2]
            for i, s in enumerate(sentences):
                c = candidates[s.candidate]
                if is_gold(q, c, (c.start + s.start, c.start + s.end)):
                    label[i] = 1
                elif (
                    any(a in c.text[s.start : s.end].casefold() for a in wanted)
                    and table[i, INDEX["coverage_context"]] > 0.4
                ):
                    label[i] = -1
        made.append({"table": table, "label": label, "kind": kind, "article": q.article})
        if at % 1000 == 0:
            print(f"  {at} questions", flush=True)
    return made


def sampled(
    entries: list[dict[str, Any]], seed: int
) -> tuple[NDArray[np.float32], NDArray[np.float64], NDArray[np.float64]]:
    """True sentences, the likeliest wrong ones, and some others standing for the rest."""
    rng = np.random.default_rng(seed)
    tables, labels, weights = [], [], []
    for e in entries:
        wrong = np.flatnonzero(e["label"] == 0)
        order = wrong[np.argsort(-e["table"][wrong, INDEX["coverage_context"]])]
        hard, easy = order[:10], order[10:]
        some = rng.permutation(easy)[:4]
        right = np.flatnonzero(e["label"] == 1)
        rows = np.concatenate([right, hard, some])
        tables.append(e["table"][rows])
        labels.append(np.r_[np.ones(len(right)), np.zeros(len(hard) + len(some))])
        weights.append(
            np.r_[
                np.ones(len(right) + len(hard)), np.full(len(some), len(easy) / max(len(some), 1))
            ]
        )
    return np.concatenate(tables), np.concatenate(labels), np.concatenate(weights)


def judged(
    entries: list[dict[str, Any]], scores: list[NDArray[np.float64]], top: int = 5
) -> tuple[Any, Any, Any]:
    """Rows for the confidence model: the best sentences of each question."""
    tables, labels, owner = [], [], []
    for n, (e, score) in enumerate(zip(entries, scores, strict=True)):
        order = np.argsort(-score, kind="stable")[:10]
        rows = ranking.confidence_rows(score, order, e["table"])[:top]
        keep = e["label"][order[:top]] >= 0
        tables.append(rows[keep])
        labels.append(e["label"][order[:top]][keep])
        owner.append(np.full(int(keep.sum()), n))
    return np.concatenate(tables), np.concatenate(labels), np.concatenate(owner)


def report(
    entries: list[dict[str, Any]],
    scores: list[NDArray[np.float64]],
    best: NDArray[np.float64],
    tau: float,
) -> None:
    for kind in KINDS:
        rows = [i for i, e in enumerate(entries) if e["kind"] == kind]
        if not rows:
            continue
        refused = np.mean([best[i] < tau for i in rows])
        line = f"  {kind:16s} n={len(rows):5d} refused {refused:.3f}"
        if kind == "answerable":
            hits = [entries[i]["label"][np.argsort(-scores[i], kind="stable")[:3]] for i in rows]
            line += f" hit@1 {np.mean([h[0] == 1 for h in hits]):.3f} hit@3 {np.mean([(h == 1).any() for h in hits]):.3f}"
            line += f" shown&hit@3 {np.mean([(h == 1).any() and best[i] >= tau for h, i in zip(hits, rows, strict=True)]):.3f}"
        print(line)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, default=Path(__file__).parents[2] / "shared/data")
    parser.add_argument("--questions", type=int, default=8000)
    parser.add_argument("--trees", type=int, default=220)
    parser.add_argument("--cache", type=Path, default=Path("/tmp/salient-ask.pickle"))
    parser.add_argument("--encoder", default=None, help="name for learning.vectors.open_encoder")
    parser.add_argument("--out", type=Path, default=TARGET)
    arguments = parser.parse_args()
    started = time.perf_counter()
    paragraphs, asked = read_squad(
        arguments.data / "qa/squad/squad11_train44.jsonl.xz", Annotator(arguments.cache)
    )
    random.Random(1).shuffle(asked)
    asked = asked[: arguments.questions]
    texts = [p.text for p in paragraphs] + general_texts(arguments.data)
    model = empty_model(background(texts))
    corpus = Corpus(windows(paragraphs))
    encoder = None
    if arguments.encoder:
        from salient.learning.vectors import open_encoder

        encoder = open_encoder(arguments.encoder)
        corpus.vectors = encoder.encode([w.paragraph.text[w.start : w.end] for w in corpus.windows])
    print(
        f"{len(asked)} questions, {len(corpus.windows)} passages, {len(model.rarity.background)} stems, {time.perf_counter() - started:.0f} s",
        flush=True,
    )

    span_table, span_label = span_rows(asked[:2500], corpus, model)
    span = regress(span_table, span_label)
    print("span weights", dict(zip(SPAN_FEATURES, span.weight.round(2).tolist(), strict=True)))
    model = replace(model, span=span, span_threshold=-3.0)
    entries = rows_of(asked, corpus, model, Twister(paragraphs, asked, 3), encoder, 5)
    print(f"rows of {len(entries)} questions, {time.perf_counter() - started:.0f} s", flush=True)

    # scores for the confidence model come from forests that have not seen the article
    articles = sorted({e["article"] for e in entries})
    random.Random(2).shuffle(articles)
    fold = {a: i % 3 for i, a in enumerate(articles)}
    scores: list[Any] = [None] * len(entries)
    settings = {"trees": arguments.trees, "depth": 5, "rate": 0.08}
    for f in range(3):
        forest = grow(*sampled([e for e in entries if fold[e["article"]] != f], f), **settings)
        for i, e in enumerate(entries):
            if fold[e["article"]] == f:
                scores[i] = forest.score(e["table"])
    print(f"out-of-fold scores, {time.perf_counter() - started:.0f} s", flush=True)
    table, label, owner = judged(entries, scores)
    folds = np.array([fold[entries[n]["article"]] for n in owner])
    sure = np.zeros(len(label))
    calm = {"trees": 120, "depth": 4, "rate": 0.06}
    for f in range(3):
        inside = folds != f
        sure[folds == f] = sigmoid(
            grow(table[inside], label[inside], np.ones(inside.sum()), seed=f, **calm).score(
                table[folds == f]
            )
        )
    best = np.zeros(len(entries))
    np.maximum.at(best, owner, sure)
    report(entries, scores, best, SHOWN)
    for low in np.arange(0, 1, 0.1):
        inside = (sure >= low) & (sure < low + 0.1)
        if inside.any():
            print(
                f"  said {sure[inside].mean():.2f} was {label[inside].mean():.2f} n={inside.sum()}"
            )
    final = grow(*sampled(entries, 9), **settings)
    use = np.zeros(len(FEATURES))
    for f in final.feature.ravel():
        use[f] += 1
    print("used", [(FEATURES[i], int(use[i])) for i in np.argsort(-use)])
    model = replace(
        model,
        version=f"1-{len(asked)}",
        threshold=SHOWN,
        sentence=final,
        confidence=grow(table, label, np.ones(len(label)), **calm),
    )
    data = model.dump()
    arguments.out.write_bytes(data)
    print(f"{len(data)} bytes to {arguments.out}, {time.perf_counter() - started:.0f} s")


def general_texts(data: Path) -> list[str]:
    """Other kinds of prose for the background rarity: statutes, speeches, contracts."""
    import json
    import lzma

    texts = []
    for name, limit in (
        ("policy/dc_code/titles_01-25", 3000),
        ("policy/ungdc/1970-1995", 250),
        ("contracts/cuad/contracts", 120),
    ):
        with lzma.open(data / f"{name}.jsonl.xz", "rt", encoding="utf-8") as lines:
            for line, _ in zip(lines, range(limit), strict=False):
                row = json.loads(line)
                if row.get("split") != "dev":
                    texts.append(str(row.get("text") or row.get("body") or "")[:30000])
    return texts


if __name__ == "__main__":
    main()
