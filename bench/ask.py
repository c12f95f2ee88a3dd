"""Questions over articles that no part of us was trained on: the right sentence, or none.

    python bench/ask.py [--shared FOLDER] [--questions N]

SQuAD 2.0's development articles (half A) become documents of a workspace; `ask` is called for
questions that they answer and for as many that they do not. The peer is what search alone gives:
BM25 with stemming (tantivy) over the same sentences. It cannot refuse, so it is given the refusal
threshold that serves it best on these very questions, which flatters it.
"""

from __future__ import annotations

import argparse
import json
import lzma
import random
import re
import statistics
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import tantivy

import salient

ROOT = Path(__file__).resolve().parent.parent


@dataclass(frozen=True)
class Question:
    """`answers` are (offset in its paragraph, text); none where nothing answers."""

    text: str
    paragraph: str
    answers: tuple[tuple[int, str], ...]


def read(path: Path) -> tuple[dict[str, list[str]], list[Question]]:
    """Paragraphs by article, and the questions."""
    articles: dict[str, list[str]] = {}
    questions = []
    with lzma.open(path, "rt", encoding="utf-8") as lines:
        for row in map(json.loads, lines):
            paragraph = " ".join(row["context"].split())
            articles.setdefault(row["title"], []).append(paragraph)
            for qa in row["qas"]:
                answers = [(a["answer_start"], a["text"]) for a in qa["answers"]]
                if len(paragraph) != len(row["context"]):
                    answers = [(paragraph.find(t), t) for _, t in answers if t in paragraph]
                if bool(answers) != bool(qa.get("is_impossible")):  # else its place was lost
                    questions.append(Question(qa["question"], paragraph, tuple(answers)))
    return articles, questions


def is_right(sentence: str, question: Question) -> bool:
    """Whether a sentence holds an answer at one of its true places."""
    plain = " ".join(sentence.split())
    at = question.paragraph.find(plain)
    return at >= 0 and any(at <= a and a + len(t) <= at + len(plain) for a, t in question.answers)


class Bm25:
    """Sentences behind BM25."""

    def __init__(self, sentences: Sequence[str]) -> None:
        builder = tantivy.SchemaBuilder()
        builder.add_text_field("body", stored=True, tokenizer_name="en_stem")
        self._index = tantivy.Index(builder.build())
        writer = self._index.writer(50_000_000, 1)
        for sentence in sentences:
            writer.add_document(tantivy.Document(body=[sentence]))
        writer.commit()
        writer.wait_merging_threads()
        self._index.reload()
        self._searcher = self._index.searcher()

    def ask(self, question: str) -> tuple[list[str], float]:
        words = " ".join(re.findall(r"\w+", question))
        query, _ = self._index.parse_query_lenient(words, ["body"])
        hits = self._searcher.search(query, 3).hits
        texts = [self._searcher.doc(a).to_dict()["body"][0] for _, a in hits]
        return texts, float(hits[0][0]) if hits else 0.0


def report(
    asked: Sequence[Question], top: Sequence[Sequence[str]], shown: Sequence[bool]
) -> dict[str, float]:
    """Shares: of answered questions with the right sentence, and of rightly refused ones."""
    first, three, kept, refused = [], [], [], []
    for question, sentences, found in zip(asked, top, shown, strict=True):
        if not question.answers:
            refused.append(not found)
            continue
        right = [is_right(s, question) for s in sentences[:3]]
        first.append(bool(right and right[0]))
        three.append(any(right))
        kept.append(found and any(right))
    return {
        "hit_at_1": round(statistics.fmean(first), 3),
        "hit_at_3": round(statistics.fmean(three), 3),
        "shown_and_right": round(statistics.fmean(kept), 3),
        "refused": round(statistics.fmean(refused), 3),
    }


def best_threshold(
    asked: Sequence[Question], top: Sequence[Sequence[str]], scores: Sequence[float]
) -> list[bool]:
    """Shown or refused by the score's bound with the best sum of the two last shares."""

    def value(bound: float) -> float:
        row = report(asked, top, [s >= bound for s in scores])
        return row["shown_and_right"] + row["refused"]

    bound = max(sorted(set(scores))[:: max(1, len(scores) // 100)], key=value)
    return [s >= bound for s in scores]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--shared", type=Path, default=ROOT.parent / "shared")
    parser.add_argument("--questions", type=int, default=600, help="half of them unanswerable")
    given = parser.parse_args()
    articles, questions = read(given.shared / "data/qa/squad/squad20_dev_halfA.jsonl.xz")
    random.Random(7).shuffle(questions)
    half = given.questions // 2
    asked = [q for q in questions if q.answers][:half]
    asked += [q for q in questions if not q.answers][:half]
    rows: dict[str, Any] = {"articles": len(articles), "questions": len(asked)}
    with tempfile.TemporaryDirectory() as work:
        folder = Path(work, "articles")
        folder.mkdir()
        for title, paragraphs in articles.items():
            name = re.sub(r"\W+", "_", title)
            (folder / f"{name}.txt").write_text(
                title.replace("_", " ") + "\n\n" + "\n\n".join(paragraphs), encoding="utf-8"
            )
        with salient.open(Path(work, "data")) as workspace:
            workspace.add(folder)
            began = time.perf_counter()
            replies = [workspace.ask(q.text, limit=3) for q in asked]
            seconds = time.perf_counter() - began
            sentences = []
            for document in workspace.documents(limit=1000).documents:
                text = workspace.text(document.id)
                spans = workspace.app.context.texts.annotations(document.id).sentence_spans()
                sentences += [text[a:b] for a, b in spans]
    top = [["".join(p.text for p in s.quote.pieces) for s in r.sentences] for r in replies]
    rows["salient"] = report(asked, top, [r.found for r in replies])
    rows["salient"]["ms_a_question"] = round(1000 * seconds / len(asked), 1)
    peer = Bm25(sentences)
    began = time.perf_counter()
    found = [peer.ask(q.text) for q in asked]
    seconds = time.perf_counter() - began
    top = [texts for texts, _ in found]
    rows["bm25"] = report(asked, top, best_threshold(asked, top, [s for _, s in found]))
    rows["bm25"]["ms_a_question"] = round(1000 * seconds / len(asked), 1)
    for name, row in rows.items():
        print(f"{name:10} {row}")
    line = {"at": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()), **rows}
    with (ROOT / "bench" / "results" / "ask.jsonl").open("a", encoding="utf-8") as file:
        file.write(json.dumps(line) + "\n")


if __name__ == "__main__":
    main()
