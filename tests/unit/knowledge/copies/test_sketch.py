"""Two texts are copies if they say the same, not if they are merely written alike."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from salient.errors import Corrupt
from salient.knowledge.copies.sketch import ENOUGH, Several, Sketch, Why, sketch_of, weight
from tests.unit.knowledge.copies import stories


def sketch(text, who=(), title=""):
    return sketch_of(text, title, stories.ids_of(who))


def verdict(one, other):
    return Several([other]).against(one)[0]


def why(one, other):
    found = verdict(one, other)
    return None if found is None else found.why


STORY = stories.story(1)
WHO = stories.names(1)
OWN = sketch(STORY, WHO, "Halden buys a plant in Kiel")


@pytest.mark.parametrize("share", [0.0, 0.02, 0.05])
def test_an_edited_story_is_a_copy(share):
    found = verdict(OWN, sketch(stories.edited(STORY, share), WHO))
    assert found.why is Why.SAME
    assert found.similarity > 0.5


def test_case_signs_and_spaces_make_no_difference():
    assert verdict(OWN, sketch(STORY.upper().replace(" ", " \n* "), WHO)).similarity == 1.0


def test_a_shortened_story_is_a_part():
    found = verdict(OWN, sketch(" ".join(STORY.split()[:70]), WHO))
    assert found.why is Why.PART
    assert found.containment > 0.8 > 0.5 > found.similarity


@pytest.mark.parametrize("n_words", [200, 2000])
def test_a_part_that_is_left_as_it_was_is_contained_whole(n_words):
    text = stories.story(1, n_words)
    part = sketch(" ".join(text.split()[: n_words // 3]), WHO)
    assert verdict(sketch(text, WHO), part).containment == 1.0


@given(st.integers(0, 50), st.integers(0, 50), st.floats(0, 0.3), st.integers(20, 700))
def test_it_makes_no_difference_which_is_held_against_which(seed, other, share, n_words):
    one = sketch(stories.story(seed, n_words), stories.names(seed))
    two = sketch(stories.edited(stories.story(seed, n_words), share, other), stories.names(other))
    assert verdict(one, two) == verdict(two, one)


def test_a_story_told_again_has_its_title_or_beginning():
    head = " ".join(STORY.split()[:60])
    rest = " ".join(STORY.split()[60:])
    retold = f"{head} {stories.edited(rest, 0.25)}"
    found = verdict(OWN, sketch(retold, WHO, "Halden buys a plant in Kiel"))
    assert found.similarity < 0.5
    assert found.why is Why.RETOLD
    assert why(OWN, sketch(retold, stories.names(7), "")) is None, "about others"


@pytest.mark.parametrize("seed", range(5))
def test_a_letter_to_another_customer_is_no_copy(seed):
    other = stories.refilled(STORY, seed)
    who = [f"other {seed} {i}" for i in range(len(WHO))]
    assert why(OWN, sketch(other, who)) is None


def test_a_letter_that_has_but_a_few_names_is_no_copy():
    text = (
        "We thank {} for the visit in {} and shall send what was asked for by the end of week {}. "
        + STORY
    )
    one = sketch(text.format("Anna Dahl", "Lima", 27), ["Anna Dahl", "Lima"])
    other = sketch(text.format("Piet Vos", "Bonn", 31), ["Piet Vos", "Bonn"])
    assert why(one, other) is None


def test_where_every_tenth_word_differs_names_tell_a_copy():
    edited = stories.edited(STORY, 0.1)
    assert verdict(OWN, sketch(edited, WHO)).similarity < 0.5
    assert why(OWN, sketch(edited, WHO)) is Why.RETOLD
    assert why(OWN, sketch(edited, [f"other {i}" for i in range(len(WHO))])) is None


def test_a_daily_report_with_other_numbers_is_no_copy():
    text = (
        "Shares in Oslo closed at {} on {} and oil at {} a barrel, while {} ships called at Bergen. "
        * 6
    )
    days = [text.format(*range(start, start + 24)) for start in (1000, 2000)]
    with_same_names = [sketch(day, ["Oslo", "Bergen", "Exchange"]) for day in days]
    assert why(*with_same_names) is None


@pytest.mark.parametrize("seed", range(20))
def test_another_story_is_none(seed):
    assert why(OWN, sketch(stories.story(seed + 100), stories.names(seed + 100))) is None


@pytest.mark.parametrize("text", ["", " ", "Thanks!", "a b c", "\ud800", "..." * 999, "\0"])
def test_what_is_too_short_is_nobodys_copy(text):
    short = sketch(text)
    assert short.found_by() == []
    assert why(short, short) is None


def near(one, other):
    first, second = (s.found_by()[:16] for s in (one, other))
    return sum(map(weight, {*first} & {*second})) >= ENOUGH


def test_copies_share_enough_keys():
    cut = 0
    for seed in range(60):
        text = stories.story(seed)
        own = sketch(text)
        for share in (0.02, 0.05, 0.1):
            assert near(own, sketch(stories.edited(text, share, seed))), (seed, share)
        assert near(own, sketch(" ".join(text.split()[:120]))), seed
        cut += near(own, sketch(" ".join(text.split()[:80])))
    assert cut >= 58


def test_other_stories_share_less_than_enough():
    made = [sketch(stories.story(seed)) for seed in range(60)]
    assert not any(near(a, b) for i, a in enumerate(made) for b in made[:i])


def test_what_says_the_same_again_and_again_is_found_too():
    assert near(sketch("spam " * 40), sketch("spam " * 50))


def test_a_title_alone_is_enough():
    title = "Halden buys a plant in Kiel"
    assert near(OWN, sketch(stories.story(77), stories.names(77), title))
    assert not near(sketch(STORY, WHO, "Halden buys"), sketch(stories.story(77), (), "Halden buys"))


@given(st.text(max_size=300), st.text(max_size=80), st.lists(st.text(max_size=9), max_size=90))
def test_a_sketch_comes_back_from_its_column(text, title, who):
    made = sketch(text, who, title)
    dumped = made.dump()
    assert dumped.isascii()
    assert Sketch.load(dumped) == made
    assert all(0 <= key < 2**63 for key in made.found_by())


def test_many_numbers_are_kept_as_few_that_can_be_compared():
    numbers = " ".join(str(n * 7919) for n in range(100, 5000))
    whole, half = sketch(f"{STORY} {numbers}"), sketch(f"{STORY} {numbers[: len(numbers) // 2]}")
    assert len(whole.dump()) < 3000
    assert why(whole, half) in {Why.SAME, Why.PART}


@pytest.mark.parametrize("data", ["", "no sketch", "VRzqmMh", "é"])
def test_what_is_no_sketch_is_said_to_be_none(data):
    with pytest.raises(Corrupt):
        Sketch.load(data)


def test_agreements_of_one_pattern_with_other_suppliers_are_no_copies():
    said = (
        "This Supply Agreement is made on {0} March 2021 between Company Number {0} Ltd (the Supplier) and Halden Maritime AS "
        "(the Buyer). The Buyer takes {1} pumps. This Agreement is governed by the laws of Norway. "
    ) * 5
    made = [
        sketch_of(said.format(n, n + 1), "Supply Agreement", [(f"{n:08x}", 5), ("aaaaaaaa", 5), ("bbbbbbbb", 5)])
        for n in (11, 12)
    ]  # fmt: skip
    assert why(*made) is None
