"""What passes between a coordinator and workers of a queue, when it comes twice, late, or not at all."""

import itertools
import queue
import threading
import time
from collections import Counter
from contextlib import closing, suppress

import msgspec
import pytest

from salient.errors import Misconfigured, NotFound, Unavailable
from salient.storage.kv import KeyValue
from salient.work import (
    MAIN,
    Done,
    Failed,
    Item,
    Lost,
    Place,
    Recipe,
    WorkConfig,
    handler,
    notes,
    queued,
)
from salient.work.notes import Death, Ends, Message, Offer, Presence
from salient.work.queued import Queued, Transport, release
from salient.work.remote import Remote

BEAT_S = 1.0
CONFIG = WorkConfig(beat_s=BEAT_S, batch_s=1.0, hang_s=60.0)

DONE: list = []
"""What handlers of these tests were given."""


class Noting:
    def __call__(self, value):
        DONE.append(value)
        if value == "bug":
            raise RuntimeError("a fault in code")
        if value == "away":
            raise Unavailable("some store is away")
        return value

    def close(self):
        pass


@handler()
def noting(setup, place):
    return Noting()


@handler(once=True)
def noting_once(setup, place):
    return Noting()


@handler(value=int, setup=dict[str, int])
def exact(setup, place):
    return Noting()


@handler(result=int)
def promising(setup, place):
    return Noting()


RECIPE = Recipe.of(noting)


class Carried(Transport):
    """Messages in this process. `how` decides what becomes of each: how often, and if, it comes."""

    def __init__(self):
        self.waiting = queue.PriorityQueue()
        self.sent = []
        self.how = lambda message: [message]
        self._count = itertools.count()

    def send(self, message, queue, *, urgent):
        self.sent.append(message)
        for one in self.how(message):
            self.waiting.put((not urgent, next(self._count), one))

    def depth(self, queue):
        return self.waiting.qsize()

    def slots(self, queue):
        return 1

    def close(self):
        pass


@pytest.fixture
def place(tmp_path):
    with closing(Place(f"file:{tmp_path}/blobs", "memory:")) as made:
        yield made


@pytest.fixture
def transport():
    return Carried()


@pytest.fixture
def pool(transport, place):
    DONE.clear()
    return Queued(transport, place, CONFIG)


@pytest.fixture
def remote(place):
    with closing(Remote(place, CONFIG)) as made:
        yield made


@pytest.fixture
def worker(transport, remote):
    """A worker in a thread; the list has what it said of each message."""
    said = []

    def work():
        while (message := transport.waiting.get()[2]) is not None:
            said.append(remote.handle(message))

    thread = threading.Thread(target=work)
    thread.start()
    yield said
    transport.waiting.put((True, 1 << 30, None))
    thread.join()


def items(*values, cost_s=0.0):
    return [Item(value, cost_s=cost_s) for value in values]


def told(ends):
    return Counter((end.item.value, type(end)) for end in ends)


def done(*values):
    return Counter((value, Done) for value in values)


def begin(place, run="r", batch="1", values=("x",), recipe=RECIPE):
    """A run as its coordinator begins it."""
    setup = msgspec.Raw(msgspec.json.encode(recipe.setup))
    offer = Offer(recipe.name, setup, release())
    place.blobs.put(notes.recipe_blob(run), msgspec.json.encode(offer))
    place.blobs.put(notes.items_blob(run, batch), msgspec.json.encode(values))
    place.cache.put(notes.run_key(run), b"1", ttl_s=60)
    return Message(run, batch)


def ends_of(place, message):
    return msgspec.json.decode(place.blobs.get(notes.ends_blob(message.run, message.batch)), type=Ends)  # fmt: skip


class TestWorker:
    def test_a_message_that_comes_twice_is_done_once(self, place, remote, pool):
        message = begin(place)
        assert remote.handle(message)
        assert not remote.handle(message)
        assert DONE == ["x"]

    def test_many_workers_with_the_same_message_do_it_once(self, place, pool):
        message = begin(place)
        remotes = [Remote(place, CONFIG) for _ in range(6)]
        barrier = threading.Barrier(len(remotes))
        said = []

        def handle(remote):
            barrier.wait()
            said.append(remote.handle(message))

        threads = [threading.Thread(target=handle, args=(r,)) for r in remotes]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        for remote in remotes:
            remote.close()
        assert sorted(said) == [False] * 5 + [True]
        assert DONE == ["x"]

    def test_a_message_of_a_run_that_ended_is_dropped(self, place, remote, pool):
        message = begin(place)
        place.cache.delete(notes.run_key(message.run))
        assert not remote.handle(message)
        assert DONE == []

    def test_a_batch_that_was_given_up_is_dropped(self, place, remote, pool):
        message = begin(place)
        place.blobs.delete(notes.items_blob(message.run, message.batch))
        assert not remote.handle(message)
        with pytest.raises(NotFound):
            ends_of(place, message)

    def test_a_message_of_nothing_at_all_is_dropped(self, remote):
        assert not remote.handle(Message("no such run", "1"))

    def test_what_ended_meanwhile_leaves_no_ends(self, place, remote, pool, monkeypatch):
        message = begin(place)
        monkeypatch.setattr(Noting, "__call__", lambda *_: place.cache.delete(notes.run_key("r")))
        assert not remote.handle(message)
        with pytest.raises(NotFound):
            ends_of(place, message)

    def test_another_release_is_refused(self, place, remote, monkeypatch, pool):
        monkeypatch.setattr(queued, "release", lambda: "0.0.0")
        message = begin(place)
        offer = Offer(RECIPE.name, msgspec.Raw(b"null"), "0.0.0")
        place.blobs.put(notes.recipe_blob("r"), msgspec.json.encode(offer))
        assert remote.handle(message)
        refused = ends_of(place, message).refused
        assert refused.code == "misconfigured"
        assert "was sent by 0.0.0" in refused.message
        assert DONE == []

    @pytest.mark.parametrize(
        ("recipe", "says"),
        [
            (Recipe("os:system", "true"), "knows no"),
            (Recipe.of(exact, {"n": "seven"}), "cannot be set up"),
        ],
    )
    def test_what_it_cannot_make_is_refused(self, place, remote, pool, recipe, says):
        message = begin(place, recipe=recipe)
        assert remote.handle(message)
        assert says in ends_of(place, message).refused.message
        assert DONE == []

    def test_a_value_of_another_type_fails_alone(self, place, remote, pool):
        message = begin(place, values=(1, "two", 3), recipe=Recipe.of(exact, {}))
        assert remote.handle(message)
        ends = ends_of(place, message)
        assert DONE == [1, 3]
        assert set(ends.faults) == {1}
        assert ends.faults[1].code == "invalid_input"

    def test_a_fault_in_code_is_told_as_a_death(self, place, remote, pool):
        message = begin(place, values=("a", "bug", "c"))
        assert not remote.handle(message)
        death = msgspec.json.decode(place.cache.get("died/r/1"), type=Death)
        assert death == Death("RuntimeError: a fault in code", 1)

    def test_it_goes_on_after_a_fault_in_code(self, place, remote, pool):
        remote.handle(begin(place, values=("bug",)))
        assert remote.handle(begin(place, batch="2", values=("x",)))

    def test_two_recipes_are_kept_and_a_third_closes_the_oldest(self, place, remote, monkeypatch):
        made, closed = [], []

        def factory(setup, place):
            made.append(setup)
            one = Noting()
            one.close = lambda: closed.append(setup)
            return one

        monkeypatch.setattr(RECIPE.kind(), "factory", factory)
        for n, setup in enumerate(["a", "b", "a", "c", "a", "b"]):
            remote.handle(begin(place, run=f"r{n}", recipe=Recipe(RECIPE.name, setup)))
        assert made == ["a", "b", "c", "b"]
        assert closed == ["b", "c"]

    def test_a_store_that_is_away_is_waited_for(self, place, remote, pool, monkeypatch):
        calls = []

        def call(self, value):
            calls.append(value)
            if len(calls) < 3:
                raise Unavailable("away")
            return value

        monkeypatch.setattr(Noting, "__call__", call)
        message = begin(place)
        assert remote.handle(message)
        assert calls == ["x"] * 3
        assert ends_of(place, message).faults == {}

    def test_what_may_be_done_once_is_not_tried_again_while_a_store_is_away(
        self, place, remote, pool
    ):
        message = begin(place, values=("away",), recipe=Recipe.of(noting_once))
        assert remote.handle(message)
        assert DONE == ["away"]
        assert ends_of(place, message).faults[0].code == "unavailable"


@pytest.mark.usefixtures("worker")
class TestCoordinator:
    def test_every_message_twice(self, pool, transport):
        transport.how = lambda message: [message, message]
        assert told(pool.run(RECIPE, items(*range(50)))) == done(*range(50))
        assert Counter(DONE) == Counter(range(50))

    def test_messages_that_vanish_are_sent_again(self, pool, transport):
        transport.how = lambda m: [] if len(transport.sent) in (1, 3) else [m]
        assert told(pool.run(RECIPE, items(*range(8)))) == done(*range(8))
        assert Counter(DONE) == Counter(range(8))

    def test_a_message_that_only_seemed_to_vanish_is_not_done_twice(self, pool, transport):
        late = []
        transport.how = lambda m: (late.append(m), [])[1] if len(transport.sent) == 1 else [*late, m]  # fmt: skip
        assert told(pool.run(Recipe.of(noting_once), items(*range(4)))) == done(*range(4))
        assert Counter(DONE) == Counter(range(4))

    def test_hints_that_are_lost(self, pool, monkeypatch):
        monkeypatch.setattr(KeyValue, "publish", lambda *_: None)
        assert told(pool.run(RECIPE, items(*range(6)))) == done(*range(6))

    def test_hints_of_what_nobody_sent(self, pool, place):
        found = Counter()
        for end in pool.run(RECIPE, items(*range(10))):
            for hint in (b"77", b"\xff\x00", b"", b"1"):
                place.cache.publish(notes.run_key(run_of(place)), hint)
            found += told([end])
        assert found == done(*range(10))

    def test_a_cache_that_forgets_everything_in_mid_run(self, pool, place):
        ends = pool.run(RECIPE, items(*range(40)))
        found = told([next(ends)])
        for key in list(place.cache.scan()):
            place.cache.delete(key)
        found += told(ends)
        assert found == done(*range(40))

    def test_ends_that_vanish_are_made_again(self, pool, place, monkeypatch):
        put, lost = type(place.blobs).put, []

        def forgetting(self, key, source, **options):
            size = put(self, key, source, **options)
            if key.endswith(".ends") and not lost:
                lost.append(key)
                self.delete(key)
            return size

        monkeypatch.setattr(type(place.blobs), "put", forgetting)
        found = told(pool.run(RECIPE, items("a", "b", cost_s=0.01)))
        assert lost
        assert set(found) <= {("a", Done), ("b", Done), ("a", Lost), ("b", Lost)}
        assert sum(found.values()) == 2

    def test_a_zombie_s_ends_are_passed_over_and_swept(self, pool, place):
        ends = pool.run(RECIPE, items(*range(30)))
        found = told([next(ends)])
        run = run_of(place)
        zombie = Ends("zombie", 1.0, msgspec.Raw(b'["wrong"]'))
        place.blobs.put(notes.ends_blob(run, "999"), msgspec.json.encode(zombie))
        place.cache.publish(notes.run_key(run), b"999")
        found += told(ends)
        assert found == done(*range(30))
        assert list(place.blobs.list("run/")) == []

    def test_a_result_that_is_not_what_was_promised_fails_alone(self, pool):
        ends = list(pool.run(Recipe.of(promising), items(1, "two", 3)))
        assert told(ends) == Counter([(1, Done), ("two", Failed), (3, Done)])
        (failed,) = [end for end in ends if isinstance(end, Failed)]
        assert "not what was promised" in failed.error.message

    def test_a_fault_in_code_costs_its_item_alone(self, pool):
        ends = list(pool.run(RECIPE, items("a", "bug", "c")))
        assert told(ends) == Counter([("a", Done), ("bug", Lost), ("c", Done)])
        (lost,) = [end for end in ends if isinstance(end, Lost)]
        assert lost.reason == "RuntimeError: a fault in code"

    def test_nothing_is_left_of_a_run(self, pool, place):
        list(pool.run(RECIPE, items(*range(30))))
        assert list(place.blobs.list("run/")) == []
        left = {key: place.cache.get_expiring(key) for key in place.cache.scan()}
        assert not [key for key in left if key.startswith("run/")]
        assert all(found is None or found[1] is not None for found in left.values())

    def test_the_urgent_are_sent_as_such(self, pool, transport):
        list(pool.run(RECIPE, items("a"), urgent=True))
        list(pool.run(RECIPE, items("b")))
        assert DONE == ["a", "b"]

    def test_tiny_items_go_in_few_batches(self, pool, transport):
        assert sum(1 for _ in pool.run(RECIPE, (Item(n) for n in range(10_000)))) == 10_000
        assert len(transport.sent) <= 100


def run_of(place):
    """The name of the one run that goes on."""
    (key,) = [key for key in place.cache.scan("run/") if key.count("/") == 1]
    return key.removeprefix("run/")


def test_refusals_end_a_run_when_there_are_too_many(pool, transport, place, worker, monkeypatch):
    monkeypatch.setattr(queued, "_REFUSALS", 3)
    with pytest.raises(Misconfigured, match="cannot be set up"):
        list(pool.run(Recipe.of(exact, {"n": "x"}), items(1)))
    assert len(transport.sent) == 4
    assert list(place.blobs.list("run/")) == []


class TestSilence:
    """A worker that begins and is never heard of again: here the test is the worker."""

    def dead(self, pool, transport, place, recipe, values, known=-1):
        """Begin the first batch, beat once, and say no more; do all others."""
        ends = pool.run(recipe, items(*values, cost_s=0.0001))
        first = []
        remote = Remote(place, CONFIG)

        def work():
            while (message := transport.waiting.get()[2]) is not None:
                if not first:
                    first.append(message)
                    place.cache.increment(notes.started_key(message.run, message.batch))
                    beat = notes.Beat("dead", 1, known, len(values), 0.0)
                    place.cache.put(f"beat/{message.run}/{message.batch}", msgspec.json.encode(beat))  # fmt: skip
                else:
                    remote.handle(message)

        thread = threading.Thread(target=work)
        thread.start()
        try:
            return told(ends)
        finally:
            transport.waiting.put((True, 1 << 30, None))
            thread.join()
            remote.close()

    def test_what_it_had_is_done_by_others(self, pool, transport, place):
        found = self.dead(pool, transport, place, RECIPE, range(6))
        first = Counter({(0, Lost): 1})  # it had that alone
        assert found in (done(*range(6)), done(*range(1, 6)) + first)

    def test_what_may_be_done_once_is_not_done_again(self, pool, transport, place):
        found = self.dead(pool, transport, place, Recipe.of(noting_once), range(4))
        assert found == done(1, 2, 3) + Counter({(0, Lost): 1})
        assert 0 not in DONE


def test_stores_that_do_not_come_back_end_the_run(pool, transport, monkeypatch):
    monkeypatch.setattr(queued, "_PATIENCE_S", 0.3)

    def send(*_, **__):
        raise Unavailable("the broker is away")

    monkeypatch.setattr(transport, "send", send)
    with pytest.raises(Unavailable, match="the broker is away"):
        list(pool.run(RECIPE, items(1)))


def test_an_iterator_is_not_taken_from_before_results_are_asked_for(pool):
    taken = []
    ends = pool.run(RECIPE, (taken.append(n) or Item(n) for n in range(5)))
    assert taken == []
    ends.close()
    assert taken == []


def test_workers_are_counted_by_what_they_say(place):
    class Silent(Carried):
        def slots(self, queue):
            return None

    pool = Queued(Silent(), place, CONFIG)
    assert (pool.slots, pool.count_slots(None)) == (1, 0)
    for n, queues in enumerate([(MAIN,), (MAIN, "salient.ocr"), ("salient.ocr",)]):
        presence = Presence(f"w{n}", "h", 1, queues, 2 + n, time.time(), release())
        place.cache.put(f"worker/w{n}", msgspec.json.encode(presence), ttl_s=60)
    assert [pool.count_slots(q) for q in (None, MAIN, "salient.ocr")] == [9, 5, 7]


def test_a_run_goes_on_after_others_left_the_pool(pool, worker):
    ends = pool.run(RECIPE, items(*range(20)))
    first = next(ends)
    for _ in range(3):
        with closing(pool.run(RECIPE, (Item(n) for n in itertools.count(100)))) as endless:
            next(endless)
    assert told([first, *ends]) == done(*range(20))
    with suppress(StopIteration):
        next(ends)
