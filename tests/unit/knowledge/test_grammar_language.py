"""Patterns over words and trees: how they are read and written, and what is refused."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from salient.errors import InvalidInput
from salient.knowledge.grammar_search import parse, regexes
from salient.knowledge.grammar_search.language import (
    All,
    Anything,
    Arc,
    Branch,
    Chain,
    Gap,
    Is,
    Node,
    Not,
    OneOf,
    Relation,
)

WORDS = st.sampled_from(["acquire", "co-found", "ORG", "x", "naïve", "U.S.", "it's", "not", "*", "a b", '"', "\\", "}"])  # fmt: skip
PLAIN = st.one_of(
    st.builds(Is, st.sampled_from(["lemma", "form", "xpos", "label"]), WORDS),
    st.builds(Is, st.just("entity"), st.sampled_from(["Halden Maritime AS", "{x}", "a"])),
    st.builds(Is, st.just("upos"), st.sampled_from(["VERB", "NOUN"])),
    st.builds(Is, st.just("feats"), st.sampled_from(["Tense=Past", "Number[psor]=Sing", "Person=3"])),
    st.builds(Is, st.just("dep"), st.sampled_from(["nsubj", "nmod:poss"])),
    st.builds(
        Is, st.sampled_from(["lemma", "form"]), st.sampled_from([r"a.*", r"\/x", "[ab]c"]), st.just(True)
    ),
)  # fmt: skip


def combined(inner):
    two = st.lists(inner, min_size=2, max_size=3).map(tuple)
    return st.one_of(st.builds(Not, inner), st.builds(All, two), st.builds(OneOf, two))


IN_BRACKETS = st.recursive(PLAIN, combined, max_leaves=5)
TESTS = st.recursive(
    st.one_of(st.just(Anything()), IN_BRACKETS),
    lambda inner: st.one_of(
        st.builds(Not, inner),
        st.builds(OneOf, st.lists(inner, min_size=2, max_size=3).map(tuple)),
    ),
    max_leaves=4,
)
RELATIONS = st.one_of(
    st.builds(Relation, st.sampled_from(["nsubj", "nsubj:pass", "obj", "conj", "nmod:poss"])),
    st.builds(
        Relation, st.just("obl"), st.lists(st.sampled_from(["in", "by"]), max_size=2).map(tuple)
    ),
)
ARCS = st.builds(
    lambda down, relations, span: Arc(down, tuple(relations), *span),
    st.booleans(),
    st.lists(RELATIONS, max_size=2),
    st.sampled_from([(1, 1), (1, 3), (0, 2), (2, 2)]),
)
STEPS = st.one_of(ARCS, st.builds(Gap, st.one_of(st.none(), st.integers(0, 9))))


@st.composite
def chains(draw, depth=0, named=True):
    def node():
        branches = []
        if depth < 2 and draw(st.integers(0, 3)) == 0:
            need = draw(st.sampled_from(["with", "maybe", "without"]))
            chain = draw(chains(depth + 1, named and need != "without"))
            branches.append(Branch(need, draw(STEPS), chain))
        return Node(draw(TESTS), "?" if named and draw(st.booleans()) else None, tuple(branches))

    return Chain(node(), tuple((draw(STEPS), node()) for _ in range(draw(st.integers(0, 2)))))


def numbered(chain):
    """The chain with its named nodes called a, b, c…"""
    names = iter("abcdefghijklmnopqrstuvwxyz")

    def of_node(node):
        name = next(names) if node.name else None
        branches = tuple(Branch(b.need, b.step, of_chain(b.chain)) for b in node.branches)
        return Node(node.test, name, branches)

    def of_chain(chain):
        first = of_node(chain.node)
        return Chain(first, tuple((step, of_node(node)) for step, node in chain.rest))

    return of_chain(chain)


@given(chains().map(numbered).filter(lambda c: len(list(c.nodes())) <= 12))
def test_a_written_pattern_reads_as_itself(pattern):
    assert parse(str(pattern)) == pattern


@given(st.text(alphabet='aAORG<->()[]{}|&!*?:.,"/\\ 0129=~', max_size=40))
def test_any_text_is_read_or_refused_with_a_place_in_it(text):
    try:
        pattern = parse(text)
    except InvalidInput as error:
        fault = error
    else:
        assert parse(str(pattern)) == pattern
        return
    assert 0 <= fault.context["position"] <= len(text)


@pytest.mark.parametrize(
    ("text", "position", "said"),
    [
        ("", 0, "found the end"),
        ("ORG <nsubj acquire", 11, "expected '-', found 'acquire'"),
        ("acquire -obj ORG", 13, "expected '->'"),
        ("acquire (-obj-> ORG", 19, "expected ')', found the end"),
        ("acquire -sbj-> ORG", 9, "did you mean 'nsubj'?"),
        ("COMPANY .. x", 0, "no mention is labelled COMPANY"),
        ("[feats=Past]", 1, "a feature such as Tense=Past"),
        ("[upos=VRB]", 6, "no part of speech 'VRB'"),
        ("[lemma=/(a+)+/]", 12, "itself repeats"),
        ("a:x b a:y", 6, "two nodes are called 'a'"),
        ("x !(-obj-> a:y)", 2, "cannot fill a slot"),
        ("x -nsubj[in]-> y", 8, "nsubj has no preposition"),
        ("x -conj*9-> y", 7, "at most 8"),
        ("x -conj*3..1-> y", 7, "not less than its least"),
        ('"a', 0, 'expected a closing "'),
        ("{ }", 0, "a name between"),
        ("x)", 1, "a step, a branch or the end"),
        ("{x", 0, "a closing }"),
    ],
)
def test_a_mistake_is_told_with_its_place(text, position, said):
    with pytest.raises(InvalidInput, match=re.escape(said)) as caught:
        parse(text)
    assert caught.value.context["position"] == position


@pytest.mark.parametrize(
    "text", ["x " * 13, "(" * 1000 + "x", "!" * 1000 + "x", "[" + "(" * 500, "x" * 2001, "x " + "(-obj-> x " * 12]
)  # fmt: skip
def test_what_is_too_large_or_deep_is_refused(text):
    with pytest.raises(InvalidInput):
        parse(text)


def test_names_of_the_other_scheme_mean_the_same():
    assert parse("a -dobj-> b") == parse("a -obj-> b")
    assert parse("a -nsubjpass-> b") == parse("a -nsubj:pass-> b")


@pytest.mark.parametrize(
    "source",
    ["(a+)+", "(a|b)*", "(a*)*", "(a?){9}", "a*a*a*a*", r"(a)\1", "(?=a)", "a**", "a*?", "a{,3}", "a{99}", "(a", "a)", "[a", "[[a]", r"\b", "*a", "\\"],
)  # fmt: skip
def test_expressions_that_may_run_away_are_refused(source):
    with pytest.raises(InvalidInput):
        regexes.compiled(source, ignore_case=True)


@given(st.text(alphabet="ab.*+?{}()[]|^$\\d12,-&~", max_size=14))
def test_an_expression_that_is_taken_is_one_for_python_too(source):
    try:
        found = regexes.compiled(source, ignore_case=False)
    except InvalidInput:
        return
    assert found.pattern == source
    found.fullmatch("ab" * 32)
