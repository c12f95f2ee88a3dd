"""A model at work: what it says of tokens does not depend on what it has read before."""

import dataclasses

import numpy as np
import pytest

from salient.nlp.native import features, network
from salient.nlp.native.network import Asked, Network, Words, known_bits, open_model
from tests.unit.nlp.native import random_models as random

WORDS = "the old ship carried ships and men , Ships was sailing Bergen 's größe 2,000 .".split()


@pytest.fixture(scope="module")
def directory(tmp_path_factory):
    return random.write(tmp_path_factory.mktemp("model"))


@pytest.fixture
def net(directory):
    return Network(open_model(directory))


def tokens(n, seed=1, words=WORDS):
    rng = np.random.default_rng(seed)
    forms = [words[at] for at in rng.integers(0, len(words), n)]
    must = np.zeros(n, bool)
    must[0] = True
    return Asked(Words.of(forms), np.ones(n, np.uint16), must, np.array([f in ",." for f in forms]))


def read(net, asked):
    (parsed,) = net.read([asked])
    return parsed


def same(one, two):
    return all(
        getattr(one, f.name).tobytes() == getattr(two, f.name).tobytes()
        for f in dataclasses.fields(one)
    )


def test_every_token_is_told_of(net):
    about = net.description
    parsed = read(net, tokens(350))
    assert parsed.tags.shape == parsed.tag_shares.shape == (350, 4)
    sizes = [len(about.upos), len(about.xpos), len(about.feats), about.n_choices]
    assert (parsed.tags < sizes).all()
    assert (parsed.relations < len(about.relations)).all()
    for shares in (parsed.tag_shares, parsed.starts, parsed.head_shares, parsed.relation_shares):
        assert shares.dtype == np.float32
        assert ((shares >= 0) & (shares <= 1 + 1e-6)).all()


def test_just_the_roots_are_called_so(net):
    parsed = read(net, tokens(350))
    roots = parsed.heads == np.arange(350)
    assert roots.sum() == len(parsed.sentences) - 1
    assert ((parsed.relations == net.description.relations.index("root")) == roots).all()


def test_a_long_sentence_without_signs_is_one_tree(net):
    parsed = read(net, tokens(700, words=["ship", "old", "the"]))
    assert parsed.sentences.tolist() == [0, 700]
    up = parsed.heads
    for _ in range(10):
        up = up[up]
    assert len(set(up.tolist())) == 1


def test_it_says_the_same_bytes_whatever_it_read_before(directory, monkeypatch):
    """Few types are remembered, so that they come and go."""
    monkeypatch.setattr(network, "MOST_TYPES", 40)
    loaded = open_model(directory)
    fresh = [read(Network(loaded), tokens(60, seed)) for seed in range(6)]
    net = Network(loaded)
    rare = [[f"w{seed}x{at}" for at in range(35)] for seed in range(12)]
    for seed in range(6):
        read(net, tokens(60, seed, rare[2 * seed]))
        read(net, tokens(90, seed, rare[2 * seed + 1] + rare[2 * seed][:9]))  # too many at once
        assert same(read(net, tokens(60, seed)), fresh[seed])


def test_sequences_that_are_read_together_do_not_see_each_other(net):
    asked = [tokens(n, seed=n) for n in (40, 1, 350, 7, 64, 65)]
    alone = [read(net, one) for one in asked]
    for one, two in zip(alone, net.read(asked), strict=True):
        assert same(one, two)
    assert net.read([asked[1], asked[0]])[1].tags.tobytes() == alone[0].tags.tobytes()


def test_words_that_are_read_often_stay_remembered(directory, monkeypatch):
    monkeypatch.setattr(network, "MOST_TYPES", 40)
    net = Network(open_model(directory))
    worked_out = []
    whole = net._types._worked_out
    monkeypatch.setattr(net._types, "_worked_out", lambda f: worked_out.extend(f) or whole(f))
    for at in range(40):
        read(net, tokens(60, at))
        read(net, tokens(3, at, [f"rare{at}a", f"rare{at}b"]))
    assert max(worked_out.count(word) for word in WORDS) == 1
    assert len(worked_out) > 60


def test_the_gazetteers_bits_are_seen(net):
    asked = tokens(80)
    plain = read(net, asked)
    told = read(net, dataclasses.replace(asked, bits=asked.bits | np.uint16(0b110000)))
    assert not same(plain, told)


def test_lemmas_come_from_the_lexicon_then_from_the_rule(net):
    upos = random.UPOS.index
    forms = ["Ships", "men", "ships", "running", "was", "cat"]
    tags = np.zeros((6, 4), np.int32)
    tags[:, 0] = [upos("NOUN"), upos("NOUN"), upos("VERB"), upos("VERB"), upos("AUX"), upos("NOUN")]
    tags[:, 3] = [0, 0, 0, 2, 1, 1]
    parsed = dataclasses.replace(read(net, tokens(6)), tags=tags)
    # "men" has a rule that does not fit it, and "cat" does not end in "s".
    wanted = ["ship", "men", "ships", "runn", "be", "cat"]
    assert lemmas(net, forms, parsed) == wanted
    back = dataclasses.replace(parsed, tags=tags[::-1])
    assert lemmas(net, forms[::-1], back) == wanted[::-1]


def lemmas(net, forms, parsed):
    told, numbers = net.lemmas(Words.of(forms), parsed)
    return [told[number] for number in numbers]


def test_lemmas_are_the_same_when_many_are_known(net, monkeypatch):
    forms = [f"{word}{at}s" for at in range(30) for word in WORDS]
    parsed = read(net, tokens(len(forms)))
    wanted = lemmas(net, forms, parsed)
    monkeypatch.setattr(network, "_MOST_LEMMAS", 20)
    assert lemmas(net, forms, parsed) == wanted
    assert lemmas(net, ["x", *forms[1:]], parsed)[1:] == wanted[1:]


def test_temperatures_change_how_sure_it_is_and_not_what_it_says(directory, net, tmp_path):
    heads = ("upos", "xpos", "feats", "lemma", "start", "arc", "label", "ner")
    about = random.description(temperatures=dict.fromkeys(heads, 2.0))
    cool, warm = (
        read(net, tokens(120)),
        read(Network(open_model(random.write(tmp_path, about))), tokens(120)),
    )
    for name in ("tags", "heads", "relations", "sentences", "entities"):
        np.testing.assert_array_equal(getattr(cool, name), getattr(warm, name))
    for name in ("tag_shares", "head_shares", "relation_shares", "entity_shares"):
        assert getattr(warm, name).mean() < getattr(cool, name).mean()
    logit = np.log(warm.starts / (1 - warm.starts))
    np.testing.assert_allclose(
        2 * logit, np.log(cool.starts / (1 - cool.starts)), rtol=0.01, atol=0.01
    )


@pytest.mark.parametrize(
    ("names", "bits"),
    [
        ([], [0, 0, 0, 0]),
        ([(0, 3, "PERSON", 1.0)], [16, 0, 0, 0]),
        ([(4, 12, "ORG", 1.0)], [0, 64, 128, 0]),
        ([(0, 3, "GPE", 1.0), (8, 17, "LAW", 1.0)], [256, 0, 1024, 2048]),
        ([(1, 3, "ORG", 1.0)], [0, 0, 0, 0]),  # a part of a token is none
        ([(99, 105, "ORG", 1.0)], [0, 0, 0, 0]),
    ],
)
def test_known_names_become_bits_of_their_tokens(names, bits):
    start, end = np.array([0, 4, 8, 13], np.int32), np.array([3, 7, 12, 17], np.int32)
    made = known_bits(start, end, names)
    assert made.tolist() == bits
    assert made.dtype == np.uint16
    assert made.max(initial=0) < 1 << features.N_CONTEXT


def test_known_names_of_other_parts_of_the_text_are_not_looked_at():
    looked_at = []

    class Name(tuple):
        def __iter__(self):
            looked_at.append(self[0])
            return super().__iter__()

    names = [Name((at, at + 3, "ORG", 1.0)) for at in range(0, 100_000, 4)]
    start = np.arange(40_000, 40_080, 4, dtype=np.int32)
    assert known_bits(start, start + 3, names).tolist() == [64] * 20
    assert looked_at == start.tolist()
