"""Items into batches: all of them once, none too early, none mixed."""

from collections import Counter

from hypothesis import given
from hypothesis import strategies as st

from salient.work import MAIN, OCR, Item
from salient.work.batches import MOST, Batcher

COSTS = st.sampled_from([0.0, 0.001, 0.3, 1.0, 50.0])
ITEMS = st.lists(st.tuples(COSTS, st.sampled_from([MAIN, OCR])), max_size=200)


class Counted:
    """A stream that knows how many were taken."""

    def __init__(self, items):
        self._items = iter(items)
        self.taken = 0

    def __iter__(self):
        return self

    def __next__(self):
        item = next(self._items)
        self.taken += 1
        return item


def endless(cost_s=0.0, queue=MAIN):
    while True:
        yield Item(None, cost_s=cost_s, queue=queue)


def sizes(batcher, slots, n, observed_s=None):
    found = []
    for _ in range(n):
        batch = batcher.next(slots)
        found.append(len(batch))
        if observed_s is not None:
            batcher.observe(batch, observed_s * len(batch))
    return found


@given(ITEMS, st.integers(1, 5), st.floats(0.01, 20), st.integers(1, 30), st.booleans())
def test_each_item_is_in_one_batch_of_its_queue(made, slots, batch_s, most, observed):
    items = [Item(n, cost_s=cost, queue=queue) for n, (cost, queue) in enumerate(made)]
    batcher = Batcher(iter(items), batch_s, most)
    seen = []
    while batch := batcher.next(slots):
        assert len({item.queue for item in batch}) == 1
        assert len(batch) <= most
        seen += batch
        if observed:
            batcher.observe(batch, 0.01 * len(batch))
    assert Counter(map(id, seen)) == Counter(map(id, items))
    assert batcher.next(slots) is None


@given(ITEMS, st.integers(1, 5), st.sets(st.sampled_from([MAIN, OCR])))
def test_nothing_is_sent_to_a_queue_that_is_full(made, slots, full):
    items = [Item(n, cost_s=cost, queue=queue) for n, (cost, queue) in enumerate(made)]
    batcher = Batcher(iter(items), 1.0)
    seen = []
    while batch := batcher.next(slots, full):
        assert batch[0].queue not in full
        seen += batch
    rest = []
    while batch := batcher.next(slots):
        rest += batch
    assert Counter(map(id, seen + rest)) == Counter(map(id, items))
    if not full:
        assert rest == []


@given(
    st.lists(st.tuples(COSTS, st.sampled_from([MAIN, OCR])), min_size=1, max_size=50),
    st.integers(1, 4), st.integers(1, 40), st.integers(1, 20), st.sampled_from([0.0001, 0.1, 10.0]),
)  # fmt: skip
def test_no_more_is_taken_than_the_slots_want_next(cycle, slots, n, most, observed_s):
    def items():
        while True:
            for cost, queue in cycle:
                yield Item(None, cost_s=cost, queue=queue)

    stream = Counted(items())
    batcher = Batcher(stream, 2.0, most)
    given_out = 0
    for _ in range(n):
        batch = batcher.next(slots)
        given_out += len(batch)
        batcher.observe(batch, observed_s * len(batch))
        assert stream.taken - given_out <= (slots + 1) * most


def test_items_known_to_be_dear_are_not_taken_before_they_are_wanted():
    """Even where earlier ones took less than was said."""
    stream = Counted(endless(cost_s=2.0))
    batcher = Batcher(stream, 2.0)
    for n in range(1, 50):
        batcher.observe(batcher.next(2), 0.0001)
        assert stream.taken - n <= 2


def test_a_full_queue_stops_the_stream():
    stream = Counted(endless())
    batcher = Batcher(stream, 10.0)
    given_out = sum(sizes(batcher, 2, 20, observed_s=0.001))
    before = stream.taken
    for _ in range(10):
        assert batcher.next(2, {MAIN}) is None
    assert stream.taken == before
    assert stream.taken - given_out <= 3 * MOST


def test_for_a_queue_with_room_a_mixed_stream_is_looked_through():
    """The OCR pool is not to starve behind what waits for the other."""
    items = [Item(n, cost_s=1.0, queue=OCR if n in (1, 150) else MAIN) for n in range(10_000)]
    stream = Counted(items)
    batcher = Batcher(stream, 1.0)
    while batcher.next(1)[0].queue != OCR:
        pass
    (found,) = batcher.next(1, {MAIN})
    assert (found.value, found.queue) == (150, OCR)
    assert batcher.next(1, {MAIN}) is None
    assert stream.taken <= 150 + 2 * MOST


def test_batches_begin_small_and_grow_to_what_was_asked_for():
    found = sizes(Batcher(endless(), 10.0), 2, 60, observed_s=0.1)
    assert found[0] == 1
    assert found[-1] == 100
    assert found == sorted(found)


def test_what_is_unknown_goes_one_by_one_until_the_first_have_come_back():
    assert sizes(Batcher(endless(), 10.0), 4, 100) == [1] * 100


def test_the_last_are_shared_out():
    items = [Item(n, cost_s=1.0) for n in range(64)]
    batcher = Batcher(iter(items), 1000.0)
    batcher._target_s = 1000.0
    found = []
    while batch := batcher.next(4):
        found.append(len(batch))
    assert found[0] == 64 // 8
    assert found[-1] == 1
    assert found == sorted(found, reverse=True)


def test_a_dear_item_goes_alone():
    items = [Item(n, cost_s=100.0 if n == 1 else 0.1) for n in range(3)]
    batcher = Batcher(iter(items), 10.0)
    batcher._target_s = 10.0
    found = []
    while batch := batcher.next(1):
        found.append([item.value for item in batch])
    assert [1] in found
