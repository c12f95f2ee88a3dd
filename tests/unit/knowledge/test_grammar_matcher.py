"""What patterns find: as a slow and plain matcher does, alike in both schemes of trees."""

import itertools
import time

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from salient.errors import LimitExceeded, TimedOut
from salient.knowledge.grammar_search import Block, Matcher, Source, parse
from salient.knowledge.grammar_search.language import All, Anything, Gap, Is, Not, OneOf
from salient.knowledge.grammar_search.relations import covered
from salient.model import Annotations, Strings, Tokens, spans_from

WORDS = ("ant", "bee", "cow")


def annotated(rows, mentions=()):
    """Annotations and text of (form, lemma, upos, relation, head, features) rows, these at will.

    A blank row begins a sentence.
    """
    strings = Strings()
    tokens, starts, fresh = [], [], True
    for row in rows:
        if row is None:
            fresh = True
            continue
        tokens.append(row)
        starts.append(fresh)
        fresh = False
    text = " ".join(t[0] for t in tokens)
    ends = np.cumsum([len(t[0]) + 1 for t in tokens]).astype(np.int32) - 1
    start = ends - np.array([len(t[0]) for t in tokens], np.int32)
    spans = [(int(start[a]), int(ends[b]), label, 1.0) for a, b, label in mentions]
    columns = Tokens(
        start=start.astype(np.int32),
        end=ends.astype(np.int32),
        lemma=strings.codes([t[1] for t in tokens]),
        upos=strings.codes([t[2] for t in tokens]),
        xpos=np.zeros(len(tokens), np.int32),
        feats=strings.codes([t[5] if len(t) > 5 else "" for t in tokens]),
        head=np.array([t[4] for t in tokens], np.int32),
        deprel=strings.codes([t[3] for t in tokens]),
        sent_start=np.array(starts, np.bool_),
    )
    found, none = spans_from(spans, strings), spans_from([], strings)
    return Annotations("test@1", "en", 1.0, strings.table(), columns, found, none), text


def found(pattern, *documents):
    """Matches as words: a tuple of what nodes stand for, None for optional ones that are not there."""
    block = Block([Source(a, lambda t=t: t) for a, t in documents])
    matches = Matcher(parse(pattern)).find(block)
    texts = [t for _, t in documents]
    return [
        tuple(texts[d][a:b] if a >= 0 else None for a, b in zip(starts, ends, strict=True))
        for d, starts, ends in zip(
            matches.document.tolist(), matches.start.tolist(), matches.end.tolist(), strict=True
        )
    ]


# ---- beside a slow matcher


@st.composite
def documents(draw):
    rows, mentions, n = [], [], 0
    for _ in range(draw(st.integers(1, 3))):
        size = draw(st.integers(1, 6))
        order = draw(st.permutations(range(size)))
        heads = {order[0]: order[0]}
        for place, token in enumerate(order[1:], 1):
            heads[token] = order[draw(st.integers(0, place - 1))]
        rows.append(None)
        for token in range(size):
            lemma = draw(st.sampled_from(WORDS))
            form = draw(st.sampled_from([lemma, lemma.upper(), "dog"]))
            upos = draw(st.sampled_from(["NOUN", "VERB"]))
            relation = draw(st.sampled_from(["nsubj", "nsubj:pass", "obj", "obl", "obl:agent", "case"]))  # fmt: skip
            root = heads[token] == token
            rows.append((form, lemma, upos, "root" if root else relation, n + heads[token]))
        if draw(st.booleans()):
            a = draw(st.integers(0, size - 1))
            b = draw(st.integers(a, size - 1))
            mentions.append((n + a, n + b, draw(st.sampled_from(["ORG", "DATE"]))))
        n += size
    return annotated(rows, mentions)


NODES = st.sampled_from(
    ["*", "ant", "bee", "ORG", "!ant", '"dog"', "[upos=VERB]", "(ant|ORG)", "[lemma=/[ab].*/ & upos=NOUN]", "[dep=obl]"]
)  # fmt: skip
STEPS = st.sampled_from(
    ["-nsubj->", "<obj-", "-->", "<--", "-obl->", "-obl[ant]->", "<nsubj|obj-", "-*2->", "<*0..2-", "-obj*0..1->", "", "..", "..1"]
)  # fmt: skip


@st.composite
def patterns(draw):
    def branch():
        kind = draw(st.sampled_from(["", "", "({})", "({})?", "!({})"]))
        step = draw(STEPS.filter(bool))
        return kind.format(f"{step} {draw(NODES)}")

    said = f"{draw(NODES)} {branch()}"
    for _ in range(draw(st.integers(0, 2))):
        said += f" {draw(STEPS)} {draw(NODES)} {branch()}"
    return said


class Slow:
    """Tries every token for every node."""

    def __init__(self, annotations, text):
        self.a, self.text = annotations, text
        t = annotations.tokens
        self.head, self.n = t.head.tolist(), len(t)
        self.relation = [annotations.strings[c] for c in t.deprel]
        self.sentence = np.cumsum(t.sent_start).tolist()
        self.spans = {}
        for start, end, label, _ in annotations.labelled(annotations.mentions):
            rows = [r for r in range(self.n) if start <= t.start[r] and t.end[r] <= end]
            for row in rows:
                if self.head[row] == row or self.head[row] not in rows:
                    self.spans[row] = rows[0], rows[-1], label

    def passes(self, test, row):
        t, strings = self.a.tokens, self.a.strings
        match test:
            case Anything():
                return True
            case Not(inner):
                return not self.passes(inner, row)
            case All(tests):
                return all(self.passes(x, row) for x in tests)
            case OneOf(tests):
                return any(self.passes(x, row) for x in tests)
            case Is("label", value):
                return row in self.spans and self.spans[row][2] == value
            case Is("form", value):
                return self.text[t.start[row] : t.end[row]].lower() == value.lower()
            case Is("dep", value):
                return covered(value, [self.relation[row]])[0]
            case Is("lemma", "[ab].*", regex=True):
                return strings[t.lemma[row]][0] in "ab"
            case Is(attribute, value):
                return strings[getattr(t, attribute)[row]] == value
        raise AssertionError(test)

    def extent(self, node, row):
        wide = not isinstance(node.test, Not) and "ORG" in str(node.test)
        return self.spans[row][:2] if wide and row in self.spans else (row, row)

    def up(self, row, arc):
        if self.head[row] == row:
            return []
        for wanted in arc.relations:
            cases = [
                c
                for c in range(self.n)
                if self.head[c] == row and c != row and self.relation[c] == "case"
                and self.a.strings[self.a.tokens.lemma[c]] in wanted.cases
            ]  # fmt: skip
            if covered(wanted.name, [self.relation[row]])[0] and (cases or not wanted.cases):
                return [self.head[row]]
        return [] if arc.relations else [self.head[row]]

    def leads(self, step, before, a, after, b):
        if isinstance(step, Gap):
            (_, last), (first, _) = self.extent(before, a), self.extent(after, b)
            gap = first - last - 1
            within = step.most is None or gap <= step.most
            return gap >= 0 and within and self.sentence[a] == self.sentence[b]
        low, high = (b, a) if step.down else (a, b)
        ways = {low}
        for length in range(step.most + 1):
            if length >= step.least and high in ways:
                return True
            ways = {up for row in ways for up in self.up(row, step)}
        return False

    def chain(self, chain, bound, hung=None):
        """Every way to bind a chain; `bound` is a tuple of (node, row, exempt)."""
        ways = [bound]
        before = hung
        for step, node in ((hung[1] if hung else None, chain.node), *chain.rest):
            fresh = []
            for way in ways:
                at = way[before[0]] if before is not None and before[0] >= 0 else None
                for row in range(self.n):
                    if not self.passes(node.test, row):
                        continue
                    if at is not None and not self.leads(step, at[0], at[1], node, row):
                        continue
                    zero = at is not None and getattr(step, "least", 1) == 0
                    if any(other[1] == row and not (zero and other is at) for other in way):
                        continue
                    fresh.append((*way, (node, row)))
            here = len(ways[0]) if ways else 0
            ways = fresh
            for branch in node.branches:
                if branch.need == "with":
                    ways = [w for way in ways for w in self.chain(branch.chain, way, (here, branch.step))]  # fmt: skip
            before = (here, step)
        return ways

    def run(self, pattern):
        """Spans of nodes as they are written, -1 where one is not there."""
        nodes = list(pattern.nodes())
        results = set()
        for way in self.chain(pattern, ()):
            by_node = {id(node): row for node, row in way}
            for row in self.hang(pattern, by_node):
                spans = [self.extent(n, row[id(n)]) if id(n) in row else (-1, -1) for n in nodes]
                results.add(tuple(spans))
        return results

    def hang(self, pattern, by_node):
        rows = [by_node]
        for node in [pattern.node, *(n for _, n in pattern.rest)]:
            for branch in node.branches:
                if branch.need == "with":
                    continue
                alone = self.chain(branch.chain, ((node, by_node[id(node)]),), (0, branch.step))
                if branch.need == "without":
                    rows = [] if alone else rows
                    continue
                fresh = []
                for row in rows:
                    others = [r for k, r in row.items() if k != id(node)]
                    ways = [w for w in alone if not {r for _, r in w[1:]} & set(others)]
                    fresh += [row | {id(n): r for n, r in w[1:]} for w in ways] or [row]
                rows = fresh
        return rows


@settings(max_examples=400, deadline=None)
@given(documents(), patterns())
def test_it_finds_what_trying_every_token_finds(document, said):
    pattern = parse(said)
    annotations, text = document
    matches = Matcher(pattern).find(Block([Source(annotations, lambda: text)]))
    got = [
        tuple(zip(first, last, strict=True))
        for first, last in zip(matches.first.tolist(), matches.last.tolist(), strict=True)
    ]
    assert len(got) == len(set(got))
    assert set(got) == Slow(annotations, text).run(pattern)


@settings(max_examples=60, deadline=None)
@given(st.lists(documents(), min_size=1, max_size=4), patterns())
def test_documents_together_give_what_each_gives_alone(several, said):
    together = found(said, *several)
    assert together == list(itertools.chain.from_iterable(found(said, d) for d in several))


@given(documents(), patterns())
def test_a_document_with_a_match_is_never_ruled_out_by_its_strings(document, said):
    matcher = Matcher(parse(said))
    if found(said, document):
        assert matcher.may_fit(document[0].dump())


# ---- both schemes

SPACY = annotated(
    [
        ("Acme", "Acme", "PROPN", "nsubj", 2), ("has", "have", "AUX", "aux", 2),
        ("acquired", "acquire", "VERB", "ROOT", 2), ("Beta", "Beta", "PROPN", "dobj", 2),
        (",", ",", "PUNCT", "punct", 3), ("Gamma", "Gamma", "PROPN", "conj", 3),
        ("and", "and", "CCONJ", "cc", 5), ("Delta", "Delta", "PROPN", "conj", 5),
        ("in", "in", "ADP", "prep", 2), ("March", "March", "PROPN", "pobj", 8), None,
        ("Beta", "Beta", "PROPN", "nsubjpass", 12), ("was", "be", "AUX", "auxpass", 12),
        ("bought", "buy", "VERB", "ROOT", 12), ("by", "by", "ADP", "agent", 12),
        ("Acme", "Acme", "PROPN", "pobj", 13), None,
        ("Acme", "Acme", "PROPN", "nsubj", 16), ("is", "be", "AUX", "ROOT", 16),
        ("maker", "maker", "NOUN", "attr", 16), ("of", "of", "ADP", "prep", 17),
        ("pumps", "pump", "NOUN", "pobj", 18), ("not", "not", "PART", "neg", 16),
    ],
    [(0, 0, "ORG"), (3, 3, "ORG"), (5, 5, "ORG"), (7, 7, "ORG"), (10, 10, "ORG"), (14, 14, "ORG"), (15, 15, "ORG")],
)  # fmt: skip
UD = annotated(
    [
        ("Acme", "Acme", "PROPN", "nsubj", 2), ("has", "have", "AUX", "aux", 2),
        ("acquired", "acquire", "VERB", "root", 2), ("Beta", "Beta", "PROPN", "obj", 2),
        (",", ",", "PUNCT", "punct", 5), ("Gamma", "Gamma", "PROPN", "conj", 3),
        ("and", "and", "CCONJ", "cc", 7), ("Delta", "Delta", "PROPN", "conj", 3),
        ("in", "in", "ADP", "case", 9), ("March", "March", "PROPN", "obl", 2), None,
        ("Beta", "Beta", "PROPN", "nsubj:pass", 12), ("was", "be", "AUX", "aux:pass", 12),
        ("bought", "buy", "VERB", "root", 12), ("by", "by", "ADP", "case", 14),
        ("Acme", "Acme", "PROPN", "obl:agent", 12), None,
        ("Acme", "Acme", "PROPN", "nsubj", 17), ("is", "be", "AUX", "cop", 17),
        ("maker", "maker", "NOUN", "root", 17), ("of", "of", "ADP", "case", 19),
        ("pumps", "pump", "NOUN", "nmod", 17), ("not", "not", "PART", "advmod", 17),
    ],
    [(0, 0, "ORG"), (3, 3, "ORG"), (5, 5, "ORG"), (7, 7, "ORG"), (10, 10, "ORG"), (14, 14, "ORG"), (15, 15, "ORG")],
)  # fmt: skip


@pytest.mark.parametrize(
    ("pattern", "expected"),
    [
        ("ORG <nsubj- acquire -obj-> ORG", [("Acme", "acquired", "Beta")]),
        ("acquire -obj-> Beta -conj-> ORG", [("acquired", "Beta", "Gamma"), ("acquired", "Beta", "Delta")]),
        ("acquire -obl[in]-> *", [("acquired", "March")]),
        ("acquire -obl[by]-> *", []),
        ("ORG <obl:agent- buy -nsubj:pass-> ORG", [("Acme", "bought", "Beta")]),
        ("buy -obl[by]-> *", [("bought", "Acme")]),
        ("buy -nsubj-> *", []),
        ("ORG <nsubj- maker -nmod[of]-> *", [("Acme", "maker", "pumps")]),
        ("maker -cop-> be", [("maker", "is")]),
        ("maker -neg-> *", [("maker", "not")]),
        ("maker !(-neg-> *)", []),
        ("acquire !(-neg-> *) -aux-> *", [("acquired", None, "has")]),
        ("[dep=root]", [("acquired",), ("bought",), ("maker",)]),
    ],
)  # fmt: skip
def test_a_pattern_means_the_same_on_both_schemes(pattern, expected):
    assert found(pattern, SPACY) == found(pattern, UD) == expected


def test_chained_prepositions_and_gerunds_are_turned():
    document = annotated(
        [
            ("came", "come", "VERB", "ROOT", 0), ("out", "out", "ADP", "prep", 0),
            ("of", "of", "ADP", "prep", 1), ("court", "court", "NOUN", "pobj", 2),
            ("by", "by", "ADP", "prep", 0), ("paying", "pay", "VERB", "pcomp", 4),
        ]
    )  # fmt: skip
    assert found("come -obl[out]-> *", document) == [("came", "court")]
    assert found("come -obl[of]-> *", document) == [("came", "court")]
    assert found("come -advcl[by]-> pay", document) == [("came", "paying")]


# ---- what a node stands for


def test_a_mention_is_one_node_wherever_its_head_stands():
    document = annotated(
        [
            ("Halden", "Halden", "PROPN", "compound", 1), ("Maritime", "Maritime", "PROPN", "nsubj", 3),
            ("AS", "AS", "PROPN", "appos", 1), ("bought", "buy", "VERB", "root", 3),
            ("Beta", "Beta", "PROPN", "obj", 3),
        ],
        [(0, 2, "ORG"), (4, 4, "ORG")],
    )  # fmt: skip
    assert found("ORG <nsubj- buy", document) == [("Halden Maritime AS", "bought")]
    assert found("ORG buy ORG", document) == [("Halden Maritime AS", "bought", "Beta")]
    assert found("[upos=PROPN] buy", document) == [("AS", "bought")]


def test_an_entity_is_found_by_the_spans_that_are_given():
    block = Block([Source(UD[0], lambda: UD[1])] * 2)
    matcher = Matcher(parse("{Acme Inc} <nsubj- *"))
    start = UD[1].rindex("Acme is")
    matches = matcher.find(block, entities={"Acme Inc": [(1, start, start + 4)]})
    assert matches.document.tolist() == [1]
    assert matches.start[0].tolist() == [start, UD[1].index("maker")]
    assert len(matcher.find(block)) == 0


@pytest.mark.parametrize("pattern", ["*", "ant", '"x"', "[lemma=/a/]", "* -->  *", "ORG", "x .. y"])
def test_nothing_is_found_in_a_document_without_words(pattern):
    empty = annotated([])
    assert found(pattern, empty) == []
    assert found(pattern, empty, empty) == []


def test_forms_know_no_case_and_any_script():
    document = annotated(
        [("Straße", "straße", "NOUN", "root", 0), ("ÉTÉ", "été", "NOUN", "obj", 0)]
    )
    assert found('"STRAßE" "été"', document) == [("Straße", "ÉTÉ")]
    assert found("ÉTÉ <obj- straße", document) == [("ÉTÉ", "Straße")]


def test_strings_with_zero_bytes_do_no_harm():
    document = annotated([("a\0b", "a\0b", "NOUN", "root", 0), ("ant", "ant", "NOUN", "obj", 0)])
    assert found("ant", document) == [("ant",)]


# ---- bounds


def test_a_pattern_that_pairs_everything_is_stopped():
    long = annotated([("ant", "ant", "NOUN", "root" if i == 0 else "obj", 0) for i in range(3000)])
    with pytest.raises(LimitExceeded):
        found("* .. * .. *", long)


def test_time_is_kept():
    with pytest.raises(TimedOut):
        Matcher(parse("* --> *")).find(
            Block([Source(UD[0], lambda: "")]), deadline=time.monotonic() - 1
        )


def test_features_are_asked_for_one_by_one():
    document = annotated(
        [
            ("Ants", "ant", "NOUN", "nsubj", 1, "Number=Plur"),
            ("bought", "buy", "VERB", "root", 1, "Mood=Ind|Tense=Past|VerbForm=Fin"),
            None,
            ("Buy", "buy", "VERB", "root", 2, "Mood=Imp|VerbForm=Fin"),
        ]
    )
    assert found("[Tense=Past]", document) == [("bought",)]
    assert found("[upos=VERB & Mood != Imp]", document) == [("bought",)]
    assert found("[VerbForm=Fin]", document) == [("bought",), ("Buy",)]
    assert found("[Tense=Pas]", document) == []
