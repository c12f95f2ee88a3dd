"""What one document says: its names, where they stand, and its findings. No store is touched.

Reading depends on the document alone, so it can happen anywhere and in any order; `resolve` joins
what many readings say.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any, ClassVar

import numpy as np

from salient.errors import Corrupt
from salient.knowledge import agreements, coreference
from salient.knowledge.coreference import Coreference, Kind, Shape
from salient.knowledge.dates import is_date
from salient.knowledge.extract import extract
from salient.knowledge.grammar_search import rules as people
from salient.knowledge.mentions import Mention, linked
from salient.knowledge.names import name_id, normalise
from salient.knowledge.ontology import Ontology
from salient.knowledge.places import Reference
from salient.knowledge.statements import Candidate
from salient.knowledge.syntax import Tree
from salient.model import Annotations, Text

FORMAT = 1
_VALUES = frozenset({"DATE", "MONEY", "PERCENT"})

_MAX_QUOTE = 2000
_MAX_NEAR = 6
_LEAST_SURE = 0.5  # of all links between the two together
_MOST_WRONG = frozenset({Shape.THEY})  # its antecedent is too often one of several
_MAX_BACK = 3  # sentences between a pronoun and the name that it stands for


@dataclass(frozen=True, slots=True)
class MentionRow:
    ordinal: int
    start: int
    end: int
    page: int | None
    label: str
    surface: str
    score: float
    name_id: str
    sentence_start: int
    sentence_end: int


@dataclass(frozen=True, slots=True)
class NameRow:
    """A name as this document has it. `context`: "forms" (surface -> count), "near" (norms beside it)."""

    name_id: str
    type: str
    norm: str
    n_mentions: int
    surface: str
    context: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class FindingRow:
    """A fact as this document states it; `quote` is `text[start:end]`."""

    ordinal: int
    subject_name: str
    predicate: str
    object_name: str | None
    object_value: str | None
    qualifiers: Mapping[str, str]
    start: int
    end: int
    page: int | None
    quote: str
    confidence: float
    component: str = ""
    """What found it, where that is not the reading itself: a rule of the workspace."""


@dataclass(frozen=True, slots=True)
class ReferenceRow:
    """A pronoun or common noun, and the last name before it of whom it means.

    `kind` says what the link rests on: see `coreference.Kind`.
    """

    start: int
    end: int
    name_id: str
    antecedent_start: int
    antecedent_end: int
    kind: str
    score: float
    sentence_start: int
    sentence_end: int


@dataclass(frozen=True, slots=True)
class Reading:
    """All that linking and extraction made of one document. Equal input gives equal bytes."""

    COMPONENT: ClassVar[str] = "salient.reading@3"

    workspace: str
    component: str = COMPONENT
    mentions: tuple[MentionRow, ...] = ()
    names: tuple[NameRow, ...] = ()
    findings: tuple[FindingRow, ...] = ()
    references: tuple[ReferenceRow, ...] = ()

    def dump(self) -> bytes:
        body = {"format": FORMAT, **asdict(self)}
        for row in body["findings"]:
            if not row["component"]:
                del row["component"]
        return json.dumps(body, sort_keys=True, separators=(",", ":")).encode()

    @classmethod
    def load(cls, data: bytes | memoryview) -> Reading:
        """Raises Corrupt: `data` is not a reading of this format."""
        try:
            body = json.loads(bytes(data))
            if body["format"] != FORMAT:
                raise Corrupt("stored reading is not of this format", format=body["format"])
            return cls(
                body["workspace"],
                body["component"],
                tuple(MentionRow(**row) for row in body["mentions"]),
                tuple(NameRow(**row) for row in body["names"]),
                tuple(FindingRow(**row) for row in body["findings"]),
                tuple(ReferenceRow(**row) for row in body.get("references", ())),
            )
        except (ValueError, KeyError, TypeError) as exc:
            raise Corrupt("stored reading is damaged") from exc


def read_document(
    text: Text,
    annotations: Annotations,
    workspace: str,
    ontology: Ontology,
    rules: people.Rules = people.NONE,
) -> Reading:
    """Names, mentions and findings of a document.

    - Mentions of types that the ontology links, and of terms the document defines for them.
    - A short form joins the one longer form of the document that it can be short for; with two it
      stays alone. Engine labels that disagree on a name are settled by vote.
    - Page headers and footers are passed over: they repeat.

    Cost: linear in the text but for distinct names of one document, which are compared by key.
    """
    kept, roles, tree = linked(text, annotations, ontology)
    sentences = annotations.sentence_spans()
    ids = [name_id(workspace, *m.root) for m in kept]
    rows = _mention_rows(text, kept, ids, sentences)
    names = _name_rows(kept, ids, rows)
    solved = coreference.resolve(text.text, annotations, tree, coreference.names_of(kept))
    findings = _findings(text, annotations, ontology, kept, ids, roles, tree, solved, rules)
    references = _reference_rows(solved, ids, sentences)
    return Reading(workspace, Reading.COMPONENT, rows, names, findings, references)


def references_of(
    text: str, mentions: Sequence[Mention], annotations: Annotations
) -> tuple[list[Reference], list[Reference]]:
    """Mentions and values as extraction wants them."""
    references = [Reference(m.start, m.end, m.kind, i) for i, m in enumerate(mentions)]
    values = [
        Reference(start, end, label, i)
        for i, (start, end, label, _) in enumerate(annotations.labelled(annotations.mentions))
        if label in _VALUES and (label != "DATE" or is_date(text[start:end]))
    ]
    return references, values


def meant_by(
    solved: Coreference, references: Sequence[Reference]
) -> dict[int, tuple[Reference, float]]:
    """By the token of a pronoun or common noun: the name near it that it stands for.

    Nothing is said of a name that is too far off for one quote to show both, nor of what is too often
    wrong to make a fact of.
    """
    found = solved.found
    unsure = {one.mention for one in solved.links if one.kind == Kind.CLAUSE}
    return {
        int(found.head[row]): (references[int(found.name[name])], score)
        for row, (name, score) in solved.bearers().items()
        if found.sentence[row] - found.sentence[name] <= _MAX_BACK
        and score >= _LEAST_SURE
        and row not in unsure
        and found.shape[row] not in _MOST_WRONG
    }


def _reference_rows(
    solved: Coreference, ids: Sequence[str], sentences: Any
) -> tuple[ReferenceRow, ...]:
    found = solved.found
    kinds = {one.mention: one.kind for one in solved.links}
    rows: list[ReferenceRow] = []
    for row, (name, score) in solved.bearers().items():
        start, end = int(found.start[row]), int(found.end[row])
        first, last = sentences[int(found.sentence[row])]
        rows.append(
            ReferenceRow(
                start, end, ids[int(found.name[name])], int(found.start[name]), int(found.end[name]),
                str(kinds[row]), round(score, 4), int(first), int(last),
            )
        )  # fmt: skip
    return tuple(rows)


def _mention_rows(
    text: Text, mentions: Sequence[Mention], ids: Sequence[str], sentences: Any
) -> tuple[MentionRow, ...]:
    starts = sentences[:, 0] if len(sentences) else np.zeros(0, np.int32)
    rows: list[MentionRow] = []
    for ordinal, (m, ident) in enumerate(zip(mentions, ids, strict=True)):
        at = int(np.searchsorted(starts, m.start, side="right")) - 1
        first, last = (m.start, m.end) if at < 0 else (int(sentences[at][0]), int(sentences[at][1]))
        rows.append(
            MentionRow(
                ordinal, m.start, m.end, text.page_at(m.start), m.label, m.surface, round(m.score, 4), ident,
                min(first, m.start), max(last, m.end),
            )
        )  # fmt: skip
    return tuple(rows)


def _name_rows(
    mentions: Sequence[Mention], ids: Sequence[str], rows: Sequence[MentionRow]
) -> tuple[NameRow, ...]:
    forms: dict[str, Counter[str]] = {}
    totals: Counter[str] = Counter(ids)
    near: dict[str, Counter[str]] = {}
    root_of: dict[str, tuple[str, str]] = {}
    locative = {ident for m, ident in zip(mentions, ids, strict=True) if m.locative}
    in_sentence: dict[int, list[int]] = {}
    for position, (m, ident) in enumerate(zip(mentions, ids, strict=True)):
        counted = forms.setdefault(ident, Counter())
        if not m.role:
            counted[_shown(m.surface)] += 1
        root_of[ident] = m.root
        in_sentence.setdefault(rows[position].sentence_start, []).append(position)
    for positions in in_sentence.values():
        here = sorted({ids[p] for p in positions})[:20]
        for ident in here:
            near.setdefault(ident, Counter()).update(root_of[o][1] for o in here if o != ident)
    found: list[NameRow] = []
    for ident in sorted(forms):
        kind, norm = root_of[ident]
        counted = forms[ident] or Counter({root_of[ident][1]: 1})
        best = min(counted, key=lambda s: _fullness(s, counted[s], norm, kind))
        top = sorted(counted.items(), key=lambda kv: (-kv[1], kv[0]))[:8]
        beside = sorted(near.get(ident, Counter()).items(), key=lambda kv: (-kv[1], kv[0]))[
            :_MAX_NEAR
        ]
        context: dict[str, Any] = {"forms": dict(top), "near": [n for n, _ in beside]}
        if ident in locative:
            context["locative"] = True
        found.append(NameRow(ident, kind, norm, totals[ident], best, context))
    return tuple(found)


def _shown(surface: str) -> str:
    """A surface on one line, without the article that running text put before it."""
    words = surface.split()
    return " ".join(words[1:] if len(words) > 1 and words[0] == "the" else words).strip("\"“”'‘’")


def _fullness(surface: str, count: int, norm: str, kind: str) -> tuple[bool, bool, int, int, str]:
    """Sort key: the root's own spelling first, mixed case before capitals, then the more frequent."""
    same = normalise(surface, person=kind == "PERSON") == norm
    shouting = surface.isupper() and len(surface) > 5
    return (not same, shouting, -count, -len(surface), surface)


def _findings(
    text: Text,
    annotations: Annotations,
    ontology: Ontology,
    mentions: Sequence[Mention],
    ids: Sequence[str],
    roles: Mapping[int, str],
    tree: Tree,
    solved: Coreference,
    rules: people.Rules,
) -> tuple[FindingRow, ...]:
    references, values = references_of(text.text, mentions, annotations)
    candidates: list[Candidate] = []
    meant = meant_by(solved, references)
    if annotations.language in {"en", "und"} and len(annotations.tokens):
        candidates = extract(tree, text.text, references, values, ontology, meant)
    role_of = {i: roles[m.start] for i, m in enumerate(mentions) if m.start in roles}
    preamble = agreements.read_preamble(text.text, references, values, list(ids), role_of)
    if preamble is not None:
        candidates += [
            c
            for c in agreements.facts_of(preamble, dict(enumerate(references)), role_of)
            if c.predicate in ontology.predicates
        ]
    # Last, so that of equal findings the reading's own is kept.
    candidates += people.state(
        rules, tree, text.text, annotations, references, values, ontology, meant
    )
    rows: list[FindingRow] = []
    seen: set[tuple[Any, ...]] = set()
    for c in sorted(
        candidates,
        key=lambda c: (c.start, c.end, c.predicate, bool(c.component), c.subject_at, c.object_at),
    ):
        subject = ids[c.subject]
        other = ids[c.object] if c.object is not None else None
        if subject == other or c.end - c.start > _MAX_QUOTE:
            continue
        key = (subject, c.predicate, other, c.value, c.start)
        if key in seen:
            continue
        seen.add(key)
        rows.append(
            FindingRow(
                len(rows), subject, c.predicate, other, c.value, dict(sorted(c.qualifiers.items())),
                c.start, c.end, text.page_at(c.start), text.text[c.start : c.end], c.confidence, c.component,
            )
        )  # fmt: skip
    return tuple(rows)
