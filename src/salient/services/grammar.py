"""Search by patterns over tokens and dependency trees, and rules of extraction made of them."""

from __future__ import annotations

import json
import time
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from functools import partial
from typing import Annotated, Any

from pydantic import Field

from salient.errors import InvalidInput, NotFound, TimedOut
from salient.knowledge.grammar_search import Block, Chain, Matcher, Matches, Source, parse
from salient.knowledge.grammar_search.rules import Rule, Rules, check
from salient.knowledge.ontology import Ontology
from salient.knowledge.reading import FindingRow, read_document
from salient.model import Annotations, Value
from salient.nlp.gazetteer import Gazetteer
from salient.pipeline import known
from salient.pipeline.ledger import now
from salient.pipeline.run import Progress
from salient.pipeline.worker import reading_component
from salient.services import Context, service
from salient.services.context import Blocks, Texts
from salient.services.documents import Added, Reindex, added
from salient.services.quotes import quote
from salient.services.rulebook import RuleBook
from salient.services.views import DocumentId, Done, Limit, Offset, Quote
from salient.storage.sql import fold, like

BLOCK_CHARACTERS = 250_000
"""Of the documents that are searched together: some 50,000 tokens."""
_AT_ONCE = 500  # rows of the ledger read together
_TRIED = 50  # newest documents with a match that a rule is tried on

Row = dict[str, Any]
PatternText = Annotated[str, Field(min_length=1, max_length=2000)]
SlotName = Annotated[str, Field(min_length=1, max_length=32)]


class SearchGrammar(Value):
    """A pattern, and where to look. `docs/how/grammar-search.md` describes patterns."""

    pattern: PatternText
    documents: Annotated[tuple[DocumentId, ...], Field(max_length=1000)] = ()
    """Only these; all without."""
    offset: Offset = 0
    limit: Limit = 50
    seconds: Annotated[float, Field(gt=0, le=120)] = 20.0
    """After which the search ends with what it has."""


class Filled(Value):
    """What a node of the pattern stands for in a match; `slot` is its name, if it has one."""

    slot: str | None
    text: str
    start: int
    end: int


class GrammarMatch(Value):
    """A match in its sentence; the quote's hits are what nodes stand for."""

    quote: Quote
    filled: tuple[Filled, ...]


class GrammarMatches(Value):
    """A page of matches, in order of documents and of their text.

    `total` and `n_documents` count what was found until the search ended; `complete` says whether
    that was all of it.
    """

    pattern: str
    """As it was understood."""
    slots: tuple[str, ...]
    total: int
    n_documents: int
    n_searched: int
    n_tokens: int
    complete: bool
    seconds: float
    matches: tuple[GrammarMatch, ...]


@service("grammar.search")
def search(request: SearchGrammar, context: Context) -> GrammarMatches:
    """Find a pattern of words and dependencies, such as `ORG <nsubj- acquire -obj-> ORG`.

    Raises:
        InvalidInput: it is no pattern; the context has the `position` and what was `expected`.
        NotFound: the pattern names an entity that there is not.
        LimitExceeded: it fits too many combinations of words.
    """
    began = time.monotonic()
    pattern = parse(request.pattern)
    scan = Scan(pattern, context, request.documents, deadline=began + request.seconds)
    total = 0
    shown: list[GrammarMatch] = []
    in_documents: set[str] = set()
    for found in scan.run():
        matches = found.matches
        for number in range(len(matches)):
            if request.offset <= total < request.offset + request.limit:
                shown.append(_shown(context, scan.matcher, found, number))
            total += 1
        in_documents.update(found.documents[d] for d in matches.document.tolist())
    return GrammarMatches(
        pattern=str(pattern),
        slots=pattern.slots,
        total=total,
        n_documents=len(in_documents),
        n_searched=scan.n_searched,
        n_tokens=scan.n_tokens,
        complete=scan.complete,
        seconds=round(time.monotonic() - began, 4),
        matches=tuple(shown),
    )


@dataclass(frozen=True, slots=True)
class Found:
    """Matches in a block, and the ids of its documents."""

    documents: tuple[str, ...]
    matches: Matches


class Scan:
    """A pattern searched for in documents, block by block; annotations are read as it comes to them.

    Memory does not grow with the number of documents. Each block reports progress, so that the
    search can be cancelled there.
    """

    def __init__(
        self,
        pattern: Chain,
        context: Context,
        documents: Iterable[str] = (),
        *,
        deadline: float | None = None,
    ) -> None:
        """Raises NotFound: the pattern names an entity that there is not."""
        self.matcher = Matcher(pattern)
        self.complete = True
        self.n_searched = self.n_tokens = 0
        self._context = context
        self._deadline = deadline
        self._keeps = False
        self._sql = context.tables.load("salient.services", "grammar.sql")
        self._spans = {name: self._mentions(name) for name in sorted(self.matcher.entities)}
        self._only = sorted(set(documents)) or None
        for name, places in self._spans.items():
            if self._only is None and self.matcher.must_name(name):
                self._only = sorted(places)

    def run(self) -> Iterator[Found]:
        """Matches, a block at a time. When the deadline passes it ends, and `complete` is False.

        Raises:
            LimitExceeded: the pattern fits too many combinations of words.
        """
        total, characters = self._size()
        self._keeps = characters <= Blocks.CHARACTERS and self._only is None
        gathered: list[Any] = []
        size = 0
        for row in self._rows():
            gathered.append(row)
            size += row.n_characters or 0
            if size >= BLOCK_CHARACTERS:
                yield from self._block(gathered, total)
                gathered, size = [], 0
                if not self.complete:
                    return
        if gathered:
            yield from self._block(gathered, total)

    def _size(self) -> tuple[int, int]:
        """How many documents there are to search, and their characters."""
        if self._only is not None:
            return len(self._only), 0
        values = {"workspace": self._context.workspace}
        with self._context.tables.read() as tx:
            row = tx.one(self._sql.extent, values)
        return (0, 0) if row is None else (int(row.n), int(row.n_characters))

    def _rows(self) -> Iterator[Any]:
        workspace, tables = self._context.workspace, self._context.tables
        if self._only is not None:
            for first in range(0, len(self._only), _AT_ONCE):
                with tables.read() as tx:
                    ids = self._only[first : first + _AT_ONCE]
                    yield from list(tx.rows(self._sql.some, {"workspace": workspace, "ids": ids}))
            return
        after = ""
        while True:
            with tables.read() as tx:
                values = {"workspace": workspace, "after": after, "n": _AT_ONCE}
                rows = list(tx.rows(self._sql.after, values))
            if not rows:
                return
            yield from rows
            after = rows[-1].id

    def _block(self, rows: list[Any], total: int) -> Iterator[Found]:
        self.n_searched += len(rows)
        try:
            self._check_time()
            ids, block = self._opened(rows)
            if block is not None:
                self.n_tokens += block.n
                spans = {
                    name: [(at, a, b) for at, ident in enumerate(ids) for a, b in places.get(ident, ())]
                    for name, places in self._spans.items()
                }  # fmt: skip
                matches = self.matcher.find(block, entities=spans, deadline=self._deadline)
                if len(matches):
                    yield Found(ids, matches)
        except TimedOut:
            self.complete = False
            self.n_searched -= len(rows)
        self._context.report(Progress("search", self.n_searched, total))

    def _check_time(self) -> None:
        if self._deadline is not None and time.monotonic() > self._deadline:
            raise TimedOut("the search took too long")

    def _opened(self, rows: list[Any]) -> tuple[tuple[str, ...], Block | None]:
        """The documents as a block; without those whose strings rule a match out, if it is new."""
        kept = self._context.blocks
        key = tuple(row.artifact for row in rows)
        block = kept.get(key)
        if block is not None:
            return tuple(row.id for row in rows), block
        blobs, texts = self._context.blobs, self._context.texts
        ids, sources = [], []
        for row in rows:
            data = blobs.view(row.artifact)
            if self._keeps or self.matcher.may_fit(data):
                ids.append(row.id)
                sources.append(Source(Annotations.load(data), partial(_text_of, texts, row.id)))
        if not sources:
            return (), None
        block = Block(sources)
        if self._keeps:
            kept.put(key, block)
        return tuple(ids), block

    def _mentions(self, name: str) -> Mapping[str, list[tuple[int, int]]]:
        """Where the entity stands, by document."""
        folded = fold(name)
        values = {
            "workspace": self._context.workspace,
            "id": name,
            "folded": folded,
            "alias": like(json.dumps(folded, ensure_ascii=False)),
        }
        found: dict[str, list[tuple[int, int]]] = {}
        with self._context.tables.read() as tx:
            ids = [r.id for r in tx.rows(self._sql.entities_called, values)]
            if not ids:
                raise NotFound(f"no entity is called {name!r}", name=name)
            for row in tx.rows(
                self._sql.mentions_of, {"workspace": values["workspace"], "ids": ids}
            ):
                found.setdefault(row.document_id, []).append((row.start_at, row.end_at))
        return found


def _text_of(texts: Texts, document: str) -> str:
    return texts.text(document).text


def _shown(context: Context, matcher: Matcher, found: Found, number: int) -> GrammarMatch:
    matches = found.matches
    ident = found.documents[int(matches.document[number])]
    text = context.texts.text(ident).text
    spans = list(zip(matches.start[number].tolist(), matches.end[number].tolist(), strict=True))
    start, end = (int(v) for v in matches.sentence[number])
    start, end = min([start, *(a for a, _ in spans if a >= 0)]), max([end, *(b for _, b in spans)])
    row = context.ledger.row(ident)
    return GrammarMatch(
        quote=quote(context, row, start, end, [s for s in spans if s[0] >= 0], with_boxes=False),
        filled=tuple(
            Filled(slot=node.name, text=text[a:b], start=a, end=b)
            for node, (a, b) in zip(matcher.nodes, spans, strict=True)
            if a >= 0
        ),
    )


def table(context: Context, filters: Mapping[str, str]) -> tuple[tuple[str, ...], Iterator[Row]]:
    """Every match as a row with a column a named slot, for exports.

    Raises:
        InvalidInput: there is no pattern, or it is none.
    """
    unknown = sorted(set(filters) - {"pattern", "documents"})
    if unknown or "pattern" not in filters:
        raise InvalidInput("matches are exported of one `pattern`, and of `documents` by ids")
    pattern = parse(filters["pattern"])
    documents = [d for d in filters.get("documents", "").split(",") if d]
    scan = Scan(pattern, context, documents)
    slots = pattern.slots
    columns = ("document_id", "document", "version", "page", "start_at", "end_at", *(f"slot_{s}" for s in slots), "sentence")  # fmt: skip

    def rows() -> Iterator[Row]:
        for found in scan.run():
            for number in range(len(found.matches)):
                match = _shown(context, scan.matcher, found, number)
                filled = {f"slot_{f.slot}": f.text for f in match.filled if f.slot}
                said = match.quote
                yield (
                    dict.fromkeys(columns)
                    | filled
                    | {
                        "document_id": said.document_id,
                        "document": said.document_name,
                        "version": said.version,
                        "page": said.page,
                        "start_at": min(f.start for f in match.filled),
                        "end_at": max(f.end for f in match.filled),
                        "sentence": said.text,
                    }
                )

    return columns, rows()


# ---- rules


class RuleOf(Value):
    """A rule: which slots of a pattern state a predicate. `qualifiers` has slots by qualifier."""

    pattern: PatternText
    predicate: Annotated[str, Field(min_length=1, max_length=64)]
    subject: SlotName
    object: SlotName
    qualifiers: Annotated[dict[str, str], Field(max_length=8)] = Field(default_factory=dict)
    confidence: Annotated[float, Field(gt=0, le=1)] = 0.8

    def rule(self) -> Rule:
        """It as readings use it, with the pattern as it was understood."""
        said = self.model_dump(include=set(RuleOf.model_fields))
        return Rule(**(said | {"pattern": str(parse(self.pattern))}))


class PreviewRule(RuleOf):
    """A rule to try on the newest documents that its pattern may fit."""

    documents: Annotated[int, Field(ge=1, le=500)] = 100


class RuleFact(Value):
    """A fact that the rule would give; `is_known` says that a reading without it gives it too."""

    subject: str
    predicate: str
    predicate_label: str
    object: str
    qualifiers: dict[str, str]
    confidence: float
    is_known: bool
    quote: Quote


class RulePreview(Value):
    """What a rule would give; at most so many of `total` facts are shown."""

    pattern: str
    n_documents: int
    n_matching: int
    """Documents that the pattern fits; at most so many are read."""
    total: int
    facts: tuple[RuleFact, ...]


_SHOWN = 100


@service("grammar.preview")
def preview(request: PreviewRule, context: Context) -> RulePreview:
    """Show the facts that a rule would give, before it is saved.

    Raises:
        InvalidInput: the pattern is none, or the rule cannot be used; the message says why.
    """
    rule = request.rule()
    pattern = check(rule, context.ontology)
    sql = context.tables.load("salient.services", "grammar.sql")
    with context.tables.read() as tx:
        values = {"workspace": context.workspace, "n": request.documents}
        newest = [r.id for r in tx.rows(sql.newest, values)]
    scan = Scan(pattern, context, newest)
    fitting = [
        found.documents[at]
        for found in scan.run()
        for at in sorted(set(found.matches.document.tolist()))
    ] if newest else []  # fmt: skip
    facts: list[RuleFact] = []
    total = 0
    with _gazetteer(context) as overlaid:
        for ident in fitting[:_TRIED]:
            found = _facts_of(rule, ident, context, overlaid)
            total += len(found)
            facts += found[: _SHOWN - len(facts)]
    return RulePreview(
        pattern=str(pattern),
        n_documents=len(newest),
        n_matching=len(fitting),
        total=total,
        facts=tuple(facts),
    )


@contextmanager
def _gazetteer(context: Context) -> Iterator[Gazetteer | None]:
    """The names of the knowledge base, as readings have them."""
    spec = context.coordinator.recipe().gazetteer
    if spec is None:
        yield None
        return
    with context.models.open_named(spec) as model:
        yield known.load(model)


def _facts_of(rule: Rule, ident: str, context: Context, names: Gazetteer | None) -> list[RuleFact]:
    text, annotations = context.texts.text(ident), context.texts.annotations(ident)
    if names is not None:
        annotations = known.overlay(text, annotations, names)
    workspace, ontology = context.workspace, context.ontology
    own = read_document(text, annotations, workspace, ontology)
    # Without other patterns, so that what they find as well is shown to be the rule's too.
    made = read_document(text, annotations, workspace, _bare(ontology), Rules.of([rule]))
    said = {_key(f) for f in own.findings}
    surface = {n.name_id: n.surface for n in made.names}
    row = context.ledger.row(ident)
    return [
        RuleFact(
            subject=surface.get(f.subject_name, f.subject_name),
            predicate=f.predicate,
            predicate_label=ontology.label_of(f.predicate),
            object=surface.get(f.object_name or "", f.object_value or ""),
            qualifiers=dict(f.qualifiers),
            confidence=f.confidence,
            is_known=_key(f) in said,
            quote=quote(context, row, f.start, f.end, with_boxes=False),
        )
        for f in made.findings
        if f.component == rule.component
    ]


def _key(finding: FindingRow) -> tuple[str | None, ...]:
    return (finding.subject_name, finding.predicate, finding.object_name, finding.object_value)


def _bare(ontology: Ontology) -> Ontology:
    """The ontology without its own patterns."""
    bare = {n: p.model_copy(update={"patterns": ()}) for n, p in ontology.predicates.items()}
    return ontology.model_copy(
        update={"name": f"{ontology.name} without patterns", "predicates": bare}
    )


class SaveRule(RuleOf):
    """A rule to keep, under a name for people."""

    name: Annotated[str, Field(max_length=200)] = ""
    person: Annotated[str, Field(min_length=1, max_length=128)] = "local"


class SavedRule(RuleOf):
    """A rule that is kept. `component` is what the evidence of its facts names as their origin."""

    id: str
    component: str
    name: str
    person: str
    made_at: str
    fault: str | None = None
    """Why it cannot be used any more, such as a predicate that the ontology has lost."""
    n_findings: int = 0
    """Sentences that it reads a fact in."""


@service("grammar.save")
def save(request: SaveRule, context: Context) -> SavedRule:
    """Save a rule of extraction: documents read from now on get facts by it; `grammar.apply` reads the others.

    Raises:
        InvalidInput: the pattern is none, or the rule cannot be used; the message says why.
        LimitExceeded: there are too many.
    """
    rule = request.rule()
    check(rule, context.ontology)
    made_at = now()
    _book(context).put(rule, name=request.name, person=request.person, made_at=made_at)
    return _saved(
        context, rule, {"name": request.name, "person": request.person, "made_at": made_at}
    )


class RemoveRule(Value):
    """A rule by its id."""

    id: Annotated[str, Field(pattern=r"^[0-9a-f]{12}$")]


@service("grammar.remove")
def remove(request: RemoveRule, context: Context) -> Done:
    """Remove a rule; its facts go when documents are read again, as by `grammar.apply`.

    Removing one that is not there does nothing.
    """
    return Done(n=int(_book(context).remove(request.id)))


class ListRules(Value):
    """Nothing to say."""


class PredicateView(Value):
    """What a rule can state. `object_types` is empty where the object is a value."""

    name: str
    label: str
    subject_types: tuple[str, ...]
    object_types: tuple[str, ...]
    value: str | None
    qualifiers: tuple[str, ...]


class RuleList(Value):
    """The rules of the workspace, oldest first, and the predicates that one can state."""

    rules: tuple[SavedRule, ...]
    predicates: tuple[PredicateView, ...]
    n_stale: int
    """Documents that were read with other rules than these."""


@service("grammar.rules")
def rules(request: ListRules, context: Context) -> RuleList:
    """List the rules of extraction that people saved."""
    return RuleList(
        rules=tuple(_saved(context, rule, about) for rule, about in _book(context).entries()),
        predicates=tuple(
            PredicateView(
                name=name, label=p.label, subject_types=p.subject, object_types=p.object,
                value=p.value, qualifiers=p.qualifiers,
            )
            for name, p in sorted(context.ontology.predicates.items())
        ),
        n_stale=len(_stale(context)),
    )  # fmt: skip


class ApplyRules(Reindex):
    """How many worker processes; 0 or none lets the number of documents decide."""


@service("grammar.apply", long=True)
def apply(request: ApplyRules, context: Context) -> Added:
    """Read the documents again that were read with other rules than those saved now.

    What was annotated stays. Interrupted, `documents.add` goes on with it.
    """
    context.ledger.requeue(_stale(context))
    return added(context.coordinator.resume(context.report, request.processes))


def _stale(context: Context) -> list[str]:
    component = reading_component(_book(context).rules())
    sql = context.tables.load("salient.services", "grammar.sql")
    with context.tables.read() as tx:
        values = {"workspace": context.workspace, "component": component}
        return [r.id for r in tx.rows(sql.read_otherwise, values)]


def _book(context: Context) -> RuleBook:
    return RuleBook(context.records, context.workspace)


def _saved(context: Context, rule: Rule, about: Mapping[str, Any]) -> SavedRule:
    fault = None
    try:
        check(rule, context.ontology)
    except InvalidInput as error:
        fault = error.message
    sql = context.tables.load("salient.services", "grammar.sql")
    with context.tables.read() as tx:
        values = {"workspace": context.workspace, "component": rule.component}
        n = int(tx.value(sql.n_findings, values) or 0)
    return SavedRule(
        **{**asdict(rule), "qualifiers": dict(rule.qualifiers)},
        id=rule.id,
        component=rule.component,
        name=about.get("name") or "",
        person=about.get("person") or "",
        made_at=about.get("made_at") or "",
        fault=fault,
        n_findings=n,
    )
