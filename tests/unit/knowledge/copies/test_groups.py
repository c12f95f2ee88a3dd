"""Groups are a function of pairs and of what people said."""

from hypothesis import given
from hypothesis import strategies as st

from salient.knowledge.copies.groups import Pair, grouped

IDS = "abcdefgh"
documents = st.sampled_from(IDS)
pairs = st.lists(
    st.builds(Pair, documents, documents, st.sampled_from([0.5, 0.7, 0.9])).filter(lambda p: p.one != p.other),
    max_size=12,
)  # fmt: skip
said = st.lists(st.tuples(documents, documents).filter(lambda p: p[0] != p[1]), max_size=4)


def test_a_chain_is_one_group_called_by_its_least():
    assert grouped(IDS, [Pair("b", "c", 0.9), Pair("a", "c", 0.6)]) == dict.fromkeys("abc", "a")


def test_what_is_kept_apart_is_apart_however_many_lie_between():
    chain = [Pair("a", "b", 0.9), Pair("b", "c", 0.8)]
    assert grouped(IDS, chain, apart=[("c", "a")]) == {"a": "a", "b": "a"}
    assert grouped(IDS, [], together=[("a", "d")]) == {"a": "a", "d": "a"}


@given(pairs, said, said, st.randoms())
def test_the_order_of_pairs_makes_no_difference(pairs, together, apart, chance):
    made = grouped(IDS, pairs, together=together, apart=apart)
    chance.shuffle(pairs)
    assert grouped(list(reversed(IDS)), pairs, together=together, apart=apart) == made
    for one, other in apart:
        assert made.get(one, one) != made.get(other, other)
    for member, first in made.items():
        assert made[first] == first <= member
        assert sum(group == first for group in made.values()) > 1


@given(pairs)
def test_without_decisions_a_group_is_what_pairs_connect(pairs):
    made = grouped(IDS, pairs)
    for pair in pairs:
        assert made[pair.one] == made[pair.other]
