"""Training by workers: one is the single process, and what goes wrong with one changes nothing in kind."""

import dataclasses

import msgspec
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from salient.errors import Conflict, InvalidInput, Unavailable, Unsupported
from salient.learning.embeddings import DistributedTraining, combining, distributed
from salient.learning.embeddings.combining import Delta, Pull, combine
from salient.learning.embeddings.distributed import Missing
from salient.work import Done, Item, Lost, Place, Pool, WorkConfig, open_pool
from salient.work.inline import Inline
from tests.unit.learning.test_embeddings import GROUPS, small, texts


@pytest.fixture
def place(tmp_path):
    place = Place(f"file:{tmp_path}/blobs", "memory:")
    yield place
    place.close()


def train(pool, place, *, prefix="run", workers=3, model=None, **more):
    model = model or small(epochs=10)
    training = DistributedTraining(
        model, pool, place, prefix=prefix, workers=workers, shards_a_task=1, **more
    )
    training.fit(texts(1200))
    return training, model


def good(model):
    """How many of the words have those of their group as neighbours."""
    return sum(
        {n for n, _ in model.keyed_.neighbours(w, 3)} == set(g) - {w} for g in GROUPS for w in g
    )


def bits(model):
    return model.tables_.inputs.tobytes() + model.tables_.outputs.tobytes()


@pytest.mark.parametrize("how", [{}, {"min_n": 2, "max_n": 3, "buckets": 64}, {"mode": "cbow"}])
@pytest.mark.parametrize("ranges", [1, 3])
def test_one_worker_is_the_single_process(place, how, ranges):
    alone = small(**how).fit(texts(600))
    model = small(**how)
    DistributedTraining(model, Inline(place), place, prefix="r", workers=1, ranges=ranges).fit(
        texts(600)
    )
    assert bits(model) == bits(alone)
    assert model.vocabulary_.digest == alone.vocabulary_.digest


@pytest.mark.parametrize("ranges", [1, 2])
def test_several_workers_learn_the_same(place, ranges):
    training, model = train(Inline(place), place, ranges=ranges)
    assert good(model) == 12
    assert training.last_.seen == training.last_.total == 1200 * 12 * 10


def test_reducers_by_range_make_the_same_tables(place):
    one, four = (
        train(Inline(place), place, prefix=f"r{n}", ranges=n, model=small(epochs=2))[1]
        for n in (1, 4)
    )
    # Which directions are taken as one follows from the rows of a range: to some thousandths.
    apart = np.linalg.norm(one.tables_.inputs - four.tables_.inputs)
    assert apart < 0.01 * np.linalg.norm(one.tables_.inputs)


class Unruly(Pool):
    """Does tasks inline, but kills, repeats, delays and reorders some of them."""

    def __init__(self, place, *, kill=0.0, twice=0.0, late=0.0, seed=0):
        self.inside, self.random = Inline(place), np.random.default_rng(seed)
        self.kill, self.twice, self.late = kill, twice, late
        self.waiting, self.done = [], {"killed": 0, "twice": 0, "late": 0}

    slots = 3

    def run(self, recipe, items, *, urgent=False):
        handler = recipe.kind().factory(recipe.setup, self.inside._place)
        for old in self.waiting:  # what was too late for its round is done in a later one
            try:
                handler(old)
                self.done["late"] += 1
            except LookupError:
                pass  # its base is gone
        self.waiting = []
        items = list(items)
        self.random.shuffle(items)
        for item in items:
            if self.random.random() < self.late and item.value.kind == "train":
                self.waiting.append(item.value)
                yield Lost(item, "no word of it")
                continue
            result = None
            if self.random.random() < self.kill:
                self.done["killed"] += 1
                if self.random.random() < 0.5:
                    handler(item.value)  # it had written its result
                yield Lost(item, "killed")
                continue
            result = handler(item.value)
            if self.random.random() < self.twice:
                self.done["twice"] += 1
                handler(item.value)
            yield Done(item, result)

    def close(self):
        pass


@pytest.mark.parametrize(
    "trouble",
    [{"kill": 0.15}, {"twice": 0.5}, {"late": 0.3}, {"kill": 0.1, "twice": 0.3, "late": 0.1}],
)
def test_killed_repeated_and_late_workers_change_nothing_in_kind(place, trouble):
    pool = Unruly(place, **trouble)
    training, model = train(pool, place)
    assert sum(pool.done.values()) > 0
    assert good(model) == 12
    assert training.last_.seen == training.last_.total


class Tardy(Unruly):
    """Loses word of a task of the first rounds, whose delta is there when the next one begins."""

    def __init__(self, place):
        super().__init__(place)
        self.n_rounds = 0
        self.trained = []

    def run(self, recipe, items, *, urgent=False):
        handler = recipe.kind().factory(recipe.setup, self.inside._place)
        items = list(items)
        if items[0].value.kind == "train":
            self.n_rounds += 1
            self.trained += [s for i in items for s in i.value.shards]
        again = self.n_rounds < 3 and items[0].value.kind == "train"
        for item in items:
            if again and item.value.number == 0:
                if item not in self.waiting:
                    self.waiting.append(item)
                yield Lost(item, "no word of it")
                continue
            yield Done(item, handler(item.value))
        if items[0].value.kind == "combine":
            for item in self.waiting:
                handler(item.value)
            self.waiting = []


def test_a_late_delta_counts_and_its_shards_are_not_trained_again(place, monkeypatch):
    monkeypatch.setattr(distributed, "_ATTEMPTS", 1)
    pool = Tardy(place)
    training, model = train(pool, place)
    assert training.last_.late == 2
    assert training.last_.missing == ()
    assert training.last_.seen == training.last_.total
    shards = len(set(pool.trained))
    assert len(pool.trained) == shards * 10  # each once an epoch, the late ones too
    assert good(model) == 12


def test_a_delta_that_comes_when_its_shards_were_given_out_again_changes_nothing(
    place, monkeypatch
):
    monkeypatch.setattr(distributed, "_ATTEMPTS", 1)
    calm = Unruly(place)
    stale = Tardy(place)
    first = train(stale, place, prefix="a")[0]
    training = DistributedTraining(
        small(epochs=10), calm, place, prefix="a", workers=3, shards_a_task=1
    )
    state = training._last()
    old = Missing(delta=f"deltas/000000-{'0' * 16}/000000", shards=(0,), round=0)
    training._store.once(old.delta, b"never read")
    left = tuple(s for s in state.left if s != 0)
    assert training._late(msgspec.structs.replace(state, missing=(old,), left=left)) == ([], left)
    assert first.last_.seen == first.last_.total


def test_a_repeated_task_changes_not_a_bit(place):
    calm = train(Inline(place), place, prefix="a")[1]
    assert bits(train(Unruly(place, twice=0.9), place, prefix="b")[1]) == bits(calm)
    assert bits(train(Unruly(place, kill=0.2), place, prefix="c")[1]) == bits(calm)


def test_a_stopped_run_goes_on_to_the_same_bits(place):
    calm = train(Inline(place), place, prefix="a")[1]

    class Stop(Exception):
        pass

    def stop(stage, done, total):
        if stage == "train" and done > total / 2:
            raise Stop

    model = small(epochs=10)
    training = DistributedTraining(
        model, Inline(place), place, prefix="b", workers=3, shards_a_task=1
    )
    with pytest.raises(Stop):
        training.fit(texts(1200), told=stop)
    assert not hasattr(model, "keyed_")
    again = small(epochs=10)
    DistributedTraining(again, Inline(place), place, prefix="b", workers=3, shards_a_task=1).fit(
        iter(())
    )
    assert bits(again) == bits(calm)
    with pytest.raises(Conflict):
        DistributedTraining(small(window=2), Inline(place), place, prefix="b").fit(texts())


def test_a_worker_that_went_astray_gives_nothing(place, monkeypatch):
    before = distributed.Trainer.train

    def astray(self, tables, *rest):
        done = before(self, tables, *rest)
        tables.outputs[1] = np.nan
        return done

    monkeypatch.setattr(distributed.Trainer, "train", astray)
    with pytest.raises(InvalidInput, match="rate"):
        train(Inline(place), place)
    assert not list(place.blobs.list("run/deltas/"))


def test_no_worker_at_all_is_unavailable(place):
    pool = Unruly(place, kill=1.0)
    with pytest.raises(Unavailable):
        train(pool, place)


def test_old_tables_and_deltas_are_swept(place):
    train(Inline(place), place)
    keys = list(place.blobs.list("run/"))
    assert not [k for k in keys if "/deltas/" in k]
    assert len({k.split("/")[2] for k in keys if "/ranges/" in k}) <= 3


@pytest.mark.slow
def test_processes_of_this_machine_are_workers(place):
    with open_pool("processes:2", place, WorkConfig()) as pool:
        _, model = train(pool, place, prefix="p", workers=2)
    inline = train(Inline(place), place, prefix="i", workers=2)[1]
    assert bits(model) == bits(inline)


def test_what_workers_cannot_train_is_said(place):
    for model in (small(documents="dm"), small(phrases=True), small(threads=2)):
        with pytest.raises(Unsupported):
            DistributedTraining(model, Inline(place), place, prefix="x")
    with pytest.raises(InvalidInput):
        DistributedTraining(small(), Inline(place), place, prefix="x", workers=0)


def test_items_cross_as_json():
    from salient.learning.embeddings.distributed import Answer, Setup, Task, worker
    from salient.work import Recipe

    setup = Setup(prefix="p", parameters=small().parameters, workers=2, ranges=((0, 3),))
    kind = Recipe.of(worker, setup).kind()
    assert kind.setup.decode(msgspec.json.encode(setup)) == setup
    task = Task(kind="train", shards=(1, 2), base="x")
    assert kind.values.decode(msgspec.json.encode([Item(task).value])) == [task]
    assert kind.results.decode(msgspec.json.encode([Answer(words=3)])) == [Answer(words=3)]


def deltas_of(base, changes):
    return [Delta.between(base, base + c) for c in changes]


def test_rare_rows_add_and_those_that_have_arrived_average():
    base = np.zeros((3, 8), np.float32)
    changes = [np.full((3, 8), n, np.float32) for n in (1, 3)]
    changes[1][2] = 0  # of one alone
    pull = Pull(np.array([1e-6, 1e6, 1e6], np.float32), np.eye(8))
    made = combine(base, deltas_of(base, changes), pull=pull)
    np.testing.assert_allclose(made[:, 0], [4, 2, 1], rtol=1e-3)
    for how, wanted in {"sum": [4, 4, 1], "mean": [2, 2, 1]}.items():
        np.testing.assert_allclose(
            combine(base, deltas_of(base, changes), how, pull)[:, 0], wanted, rtol=1e-3
        )


def test_what_n_learn_the_same_counts_once_and_the_rest_n_times():
    base = np.zeros((1, 8), np.float32)
    changes = [np.array([[1, 1, 0, 0, 0, 0, 0, 0]], np.float32)] * 4
    spread = np.zeros((8, 8))
    spread[0, 0] = 1  # all predictions bend along the first direction alone
    made = combine(base, deltas_of(base, changes), pull=Pull(np.array([1e6], np.float32), spread))
    np.testing.assert_allclose(made[0, :2], [1, 4], rtol=1e-3)


@pytest.mark.parametrize("a", [0.01, 0.3, 1.0, 3.0, 30.0])
@pytest.mark.parametrize("n", [2, 8])
def test_n_beside_one_another_come_as_far_as_one_after_the_other(a, n):
    """Of a quadratic loss, for which the rule is made; to what its short form is exact."""
    alone, together = 1 - np.exp(-a), 1 - np.exp(-n * a)
    base = np.zeros((1, 8), np.float32)
    change = np.full((1, 8), alone, np.float32)
    made = combine(
        base, deltas_of(base, [change] * n), pull=Pull(np.array([a], np.float32), np.eye(8))
    )
    assert 0.95 * together <= made[0, 0] <= 2 * together


def test_a_delta_of_an_older_base_weighs_less():
    base = np.zeros((1, 8), np.float32)
    one, late = deltas_of(base, [np.ones((1, 8), np.float32)] * 2)
    made = combine(base, [one, dataclasses.replace(late, weight=0.5)], "sum")
    np.testing.assert_allclose(made, 1.5, rtol=1e-3)


@given(st.integers(0, 1000), st.integers(1, 5))
def test_deltas_come_back_and_are_sparse(seed, n):
    random = np.random.default_rng(seed)
    base = random.normal(0, 1, (20, 8)).astype(np.float32)
    after = base.copy()
    rows = np.unique(random.integers(0, 20, n))
    after[rows] += random.normal(0, 10.0 ** random.integers(-7, 3), (len(rows), 8)).astype(
        np.float32
    )
    changed = np.flatnonzero((after != base).any(axis=1))
    for exact in (False, True):
        data = combining.stream({"t": Delta.between(base, after, exact=exact)}, {}).read()
        delta = combining.load(data, ["t"])[1]["t"]
        np.testing.assert_array_equal(delta.rows, changed)
        made = combine(base, [delta])
        if exact:
            np.testing.assert_array_equal(made, after)
        else:
            largest = np.abs(after - base).max()
            np.testing.assert_allclose(made, after, atol=max(largest * 1e-3, 1e-6))
        halves = [
            combine(base[a:b], [Delta.between(base[a:b], after[a:b], exact=exact)])
            for a, b in ((0, 7), (7, 20))
        ]
        np.testing.assert_array_equal(np.concatenate(halves), made)
