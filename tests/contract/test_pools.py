"""Whatever does the work, each item comes back once, and only what kills its worker is lost."""

import itertools
import threading
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from dataclasses import replace

import psutil
import pytest

from salient import errors, work
from salient.errors import InvalidInput, Misconfigured
from salient.work import MAIN, Done, Failed, Item, Lost, Recipe, WorkConfig, open_pool, queued
from tests.cluster.roles import until
from tests.contract import pool_secret, pools
from tests.contract.pool_tasks import ORDERS, deeds, deeds_once, orders, strangers, unmade
from tests.contract.pools import BATCH_S, BEAT_S, KINDS, OTHERS, QUEUES, SLOTS

pytestmark = pytest.mark.slow

DEEDS = Recipe.of(deeds)
ONCE = Recipe.of(deeds_once)


@pytest.fixture(scope="module")
def site_of(tmp_path_factory, servers):
    """Workers by kind, started when first asked for."""
    opened = {}
    entered = []

    def get(kind):
        if kind not in opened:
            context = pools.site(kind, tmp_path_factory.mktemp(kind), servers)
            opened[kind] = context.__enter__()
            entered.append(context)
        return opened[kind]

    yield get
    for context in reversed(entered):
        context.__exit__(None, None, None)


@pytest.fixture
def site(request, site_of):
    return site_of(request.param)


@pytest.fixture
def pool(site):
    before = set(threading.enumerate())
    with site.open() as opened:
        yield opened
    after = set(threading.enumerate()) - before
    assert [t.name for t in after if t.name.startswith("salient")] == []
    if site.kind == pools.PROCESSES:
        assert [p for p in psutil.Process().children() if "spawn_main" in " ".join(p.cmdline())] == []  # fmt: skip


def on(*kinds):
    return pytest.mark.parametrize("site", kinds, indirect=True)


on_all, on_others, on_queues = on(*KINDS), on(*OTHERS), on(*QUEUES)


def do(deed, x=None, **more):
    return {"do": deed, "x": x, **more}


def items_of(values, **options):
    return [Item(value, **options) for value in values]


def told(end):
    """An end as something to compare."""
    match end:
        case Done(item, result):
            return item.value.get("x"), "done", result
        case Failed(item, error):
            return item.value.get("x"), "failed", error.code
        case Lost(item):
            return item.value.get("x"), "lost", None


def all_told(ends):
    return sorted(told(end) for end in ends)


def lines(file):
    return file.read_text().split() if file.exists() else []


@on_all
class TestPool:
    def test_nothing_comes_of_nothing(self, pool):
        assert list(pool.run(DEEDS, [])) == []
        assert list(pool.run(DEEDS, iter(()))) == []

    def test_each_item_comes_back_once_as_the_very_object(self, pool):
        given = items_of([do("echo", n) for n in range(300)])
        ends = list(pool.run(DEEDS, iter(given)))
        assert Counter(id(end.item) for end in ends) == Counter(map(id, given))
        assert all(isinstance(end, Done) and end.result == end.item.value["x"] for end in ends)

    def test_typed_values_come_back_as_they_are(self, pool):
        given = items_of(ORDERS)
        ends = list(pool.run(Recipe.of(orders), given))
        assert {id(end.item): end.result for end in ends} == {
            id(item): replace(item.value, name=item.value.name[::-1]) for item in given
        }

    @pytest.mark.parametrize(
        "x",
        [None, "", "👩‍🔬 żółć \x00 \u2028", [[], {}, {"": [None, True, -1, 2**53, 1e300]}], "x" * 1_000_000],
        ids=["none", "empty", "unicode", "nested", "1 MB"],
    )  # fmt: skip
    def test_values_cross_whole(self, pool, x):
        (end,) = pool.run(DEEDS, [Item(do("echo", x))])
        assert isinstance(end, Done)
        assert end.result == x

    def test_an_error_keeps_class_code_message_and_context(self, pool):
        kinds = [kind for kind in errors.tree().values() if kind is not errors.Unavailable]
        context = {"n": 3, "é": ["x", None]}
        given = items_of([do("refuse", code=k.code, message="as ąsked", context=context) for k in kinds])  # fmt: skip
        ends = list(pool.run(DEEDS, given))
        assert all(isinstance(end, Failed) for end in ends)
        assert {type(end.error) for end in ends} == set(kinds)
        assert all(end.error.code == end.item.value["code"] for end in ends)
        assert {end.error.message for end in ends} == {"as ąsked"}
        assert [end.error.context for end in ends] == [context] * len(ends)

    def test_one_that_fails_harms_no_other(self, pool):
        values = [do("refuse" if n % 7 == 0 else "echo", n, code="corrupt", message="", context={}) for n in range(50)]  # fmt: skip
        found = all_told(pool.run(DEEDS, items_of(values)))
        assert found == [(n, "failed", "corrupt") if n % 7 == 0 else (n, "done", n) for n in range(50)]  # fmt: skip

    def test_a_handler_that_cannot_be_made_is_said(self, pool, monkeypatch):
        monkeypatch.setattr(queued, "_REFUSALS", 1)
        with pytest.raises(Misconfigured, match="no such model here") as info:
            list(pool.run(Recipe.of(unmade, {"name": "m"}), [Item({})]))
        assert info.value.context == {"name": "m"}

    def test_a_handler_nobody_knows_is_said(self, pool):
        with pytest.raises(Misconfigured, match="cannot be imported"):
            list(pool.run(Recipe("salient.nowhere:nothing"), [Item(1)]))
        with pytest.raises(Misconfigured, match=r"knows no 'os:system'"):
            list(pool.run(Recipe("os:system", "true"), [Item("true")]))

    def test_a_generator_is_taken_from_as_workers_get_free(self, pool):
        taken = 0

        def endless():
            nonlocal taken
            for n in itertools.count():
                taken += 1
                yield Item(do("echo", n), cost_s=BATCH_S)

        with closing(pool.run(DEEDS, endless())) as ends:
            for given, _ in enumerate(itertools.islice(ends, 100), start=1):
                assert taken - given <= 5 * SLOTS + 1

    def test_a_generator_that_raises_ends_the_run_with_that(self, pool):
        def broken():
            yield from items_of([do("echo", n) for n in range(20)])
            raise LookupError("the source is gone")

        with pytest.raises(LookupError, match="the source is gone"):
            list(pool.run(DEEDS, broken()))
        assert all_told(pool.run(DEEDS, [Item(do("echo", 1))])) == [(1, "done", 1)]

    def test_a_consumer_that_pauses_loses_nothing(self, pool):
        ends = pool.run(DEEDS, items_of([do("echo", n) for n in range(40)], cost_s=BATCH_S))
        found = [next(ends)]
        time.sleep(1.3 * BEAT_S)  # longer than a worker may be silent
        assert all_told([*found, *ends]) == [(n, "done", n) for n in range(40)]

    def test_two_runs_at_once_get_what_is_theirs(self, pool):
        def run(k):
            return all_told(pool.run(DEEDS, items_of([do("echo", 1000 * k + n) for n in range(200)])))  # fmt: skip

        with ThreadPoolExecutor(2) as both:
            for k, found in enumerate(both.map(run, range(2))):
                assert found == [(1000 * k + n, "done", 1000 * k + n) for n in range(200)]

    def test_a_run_within_a_run_ends(self, pool):
        for end in pool.run(DEEDS, items_of([do("echo", n) for n in range(5)])):
            (inner,) = pool.run(DEEDS, [Item(do("echo", "in"))], urgent=True)
            assert (inner.result, end.result) == ("in", end.item.value["x"])

    def test_many_quick_items_go_together(self, pool, monkeypatch):
        batches = counted(pool, monkeypatch)
        n = 10_000
        ends = pool.run(DEEDS, (Item(do("echo", i)) for i in range(n)))
        assert sum(end.result for end in ends) == n * (n - 1) // 2
        assert len(batches) <= 200

    def test_closing_twice_is_closing_once(self, site):
        pool = site.open()
        assert all_told(pool.run(DEEDS, [Item(do("echo", 1))])) == [(1, "done", 1)]
        pool.close()
        pool.close()

    def test_one_that_was_never_used_closes(self, site):
        site.open().close()


def counted(pool, monkeypatch):
    """What goes to workers from now on, as it goes."""
    seen = []
    owner, name = {
        "Processes": (type(pool), "_put"),
        "Queued": (type(getattr(pool, "_transport", pool)), "send"),
    }.get(type(pool).__name__, (None, ""))
    if owner is not None:
        original = getattr(owner, name)
        monkeypatch.setattr(owner, name, lambda *a, **k: (seen.append(a), original(*a, **k))[1])
    return seen


class TestDeaths:
    @on(
        pools.PROCESSES, pools.REDIS, pools.RABBITMQ
    )  # Dask starts new workers slowly: one death, below
    @pytest.mark.parametrize("deadly", [{0}, {19}, {3, 4, 11}], ids=["first", "last", "several"])
    def test_only_what_kills_its_worker_is_lost(self, pool, deadly):
        values = [do("die" if n in deadly else "echo", n) for n in range(20)]
        ends = list(pool.run(DEEDS, items_of(values)))
        assert all_told(ends) == [(n, "lost", None) if n in deadly else (n, "done", n) for n in range(20)]  # fmt: skip
        assert all(end.reason for end in ends if isinstance(end, Lost))

    @on_others
    def test_a_worker_that_leaves_is_as_dead(self, pool):
        values = [do("echo", 0), do("leave", 1), do("echo", 2)]
        assert all_told(pool.run(DEEDS, items_of(values))) == [(0, "done", 0), (1, "lost", None), (2, "done", 2)]  # fmt: skip

    @on(pools.PROCESSES, pools.REDIS)
    def test_one_that_hangs_is_lost_and_the_rest_goes_on(self, pool, site):
        with site.open(hang_s=1.5) if site.kind == pools.PROCESSES else site.open() as quick:
            ends = list(quick.run(DEEDS, items_of([do("hang" if n == 2 else "echo", n) for n in range(8)])))  # fmt: skip
        assert all_told(ends) == [(n, "lost", None) if n == 2 else (n, "done", n) for n in range(8)]
        (lost,) = [end for end in ends if isinstance(end, Lost)]
        assert "longer than work.hang_s" in lost.reason

    @on_others
    def test_what_may_be_done_once_is_never_done_again(self, pool, tmp_path):
        file = tmp_path / "done"
        values = [do("note_and_die" if n in (2, 9) else "note", n, file=str(file)) for n in range(12)]  # fmt: skip
        found = all_told(pool.run(ONCE, items_of(values)))
        assert found == [(n, "lost", None) if n in (2, 9) else (n, "done", n) for n in range(12)]
        assert Counter(lines(file)) == Counter(map(str, range(12)))

    @on_others
    def test_what_cannot_be_sent_back_fails_alone(self, pool):
        ends = list(pool.run(Recipe.of(strangers), items_of(range(6))))
        assert {end.item.value for end in ends if isinstance(end, Done)} == {0, 2, 4}
        errors_of = {end.item.value: end.error for end in ends if isinstance(end, Failed)}
        assert set(errors_of) == {1, 3, 5}
        assert all(isinstance(error, InvalidInput) for error in errors_of.values())
        assert all("cannot be sent back" in error.message for error in errors_of.values())

    @on_others
    def test_what_cannot_be_sent_ends_the_run(self, pool):
        with pytest.raises(InvalidInput, match="cannot be sent"):
            list(pool.run(DEEDS, [Item(do("echo", lambda: 1))]))
        assert all_told(pool.run(DEEDS, [Item(do("echo", 1))])) == [(1, "done", 1)]

    # Dask gets them later than these quick ones end: test_dask.py looks at the priority alone.
    @on(pools.PROCESSES, pools.REDIS, pools.RABBITMQ)
    def test_the_urgent_overtake_the_many(self, pool, site, tmp_path):
        file, gate = tmp_path / "order", tmp_path / "gate"
        bulk = 5

        def run(k):
            values = [do("wait", f"bulk-{k}-{n}", file=str(file), gate=str(gate)) for n in range(4)]
            return [end.result for end in pool.run(DEEDS, items_of(values, cost_s=BATCH_S))]

        with ThreadPoolExecutor(bulk + 1) as threads:
            runs = [threads.submit(run, k) for k in range(bulk)]
            rest = 4 * bulk - SLOTS
            until(lambda: len(lines(file)) == SLOTS and waiting(pool) == rest, "all others wait")
            before = waiting(pool)
            one = [Item(do("note", "urgent", file=str(file)))]
            urgent = threads.submit(lambda: list(pool.run(DEEDS, one, urgent=True)))
            until(lambda: waiting(pool) > before, "the urgent one waits too")
            gate.touch()
            assert [type(end) for end in urgent.result()] == [Done]
            assert all(len(one.result()) == 4 for one in runs)
        order = lines(file)
        assert Counter(order) == Counter(["urgent", *(f"bulk-{k}-{n}" for k in range(bulk) for n in range(4))])  # fmt: skip
        # A worker has one at work, and may have got the next already, and its client one more.
        assert order.index("urgent") <= 3 * SLOTS + 1

    @on_others
    def test_a_run_that_is_left_leaves_nothing(self, pool, site):
        with closing(site.place()) as place:
            before = set(place.blobs.list("run/"))
            with closing(pool.run(DEEDS, (Item(do("echo", n)) for n in itertools.count()))) as ends:
                assert [type(end) for end in itertools.islice(ends, 50)] == [Done] * 50
            # Once workers have done what they were at.
            until(lambda: set(place.blobs.list("run/")) <= before, "its blobs are gone")
            found = [place.cache.get_expiring(key) for key in place.cache.scan()]
        assert all(one is None or one[1] is not None for one in found)
        assert all_told(pool.run(DEEDS, [Item(do("echo", 1))])) == [(1, "done", 1)]


def waiting(pool):
    """Batches that are on their way to a worker."""
    if isinstance(pool, queued.Queued):
        return pool.depth(MAIN)
    return len(pool._urgent) + len(pool._bulk)


@on_queues
class TestQueues:
    def test_another_release_does_not_take_part(self, pool, monkeypatch, tmp_path):
        monkeypatch.setattr(queued, "_REFUSALS", 2)
        monkeypatch.setattr(queued, "release", lambda: "0.0.0")
        file = tmp_path / "done"
        with pytest.raises(Misconfigured, match=r"sent by 0\.0\.0: run the same release"):
            list(pool.run(DEEDS, [Item(do("note", 1, file=str(file)))]))
        assert not file.exists()

    def test_a_module_that_workers_were_not_told_of_is_not_imported(self, pool, site, monkeypatch):
        monkeypatch.setattr(queued, "_REFUSALS", 2)
        with pytest.raises(Misconfigured, match=r"name its module in work\.modules"):
            list(pool.run(Recipe.of(pool_secret.secret), [Item(1)]))
        assert not (site.folder / "imported").exists()

    def test_a_value_that_is_not_what_was_promised_fails_alone(self, pool):
        given = [Item(ORDERS[0]), Item({"name": "no order"}), Item(ORDERS[0])]
        ends = {id(end.item): end for end in pool.run(Recipe.of(orders), given)}
        assert [type(ends[id(item)]) for item in given] == [Done, Failed, Done]
        assert isinstance(ends[id(given[1])].error, InvalidInput)

    def test_text_that_is_no_unicode_is_refused(self, pool):
        with pytest.raises(InvalidInput, match="cannot be sent"):
            list(pool.run(DEEDS, [Item(do("echo", "\ud800"))]))

    def test_no_worker_is_waited_for(self, pool, site):
        assert pool.slots == SLOTS


@pytest.mark.parametrize(
    ("url", "says"),
    [
        ("", "begins with one of"),
        ("threads:2", "begins with one of"),
        ("inline:2", "nothing more"),
        ("processes:0", "N from 1 to 256"),
        ("processes:-1", "N from 1 to 256"),
        ("processes:two", "N from 1 to 256"),
        ("processes:257", "N from 1 to 256"),
        ("celery:", "names no broker"),
        ("celery:sqs://x", "names no broker"),
        ("celery:redis:x", "names no broker"),
        ("dask:127.0.0.1", "tcp://host:8786"),
    ],
)
def test_a_url_that_names_no_pool_is_said(url, says):
    place = work.Place("memory:", "memory:")
    with pytest.raises(Misconfigured, match=says):
        open_pool(url, place, WorkConfig())


def test_secrets_of_a_wrong_url_are_not_shown():
    with pytest.raises(Misconfigured) as info:
        open_pool("celery:sqs://me:hunter2@host", work.Place("memory:", "memory:"))
    assert "hunter2" not in str(info.value)


def test_a_scheduler_that_is_not_there_is_said():
    with pytest.raises(errors.Unavailable, match="does not answer"):
        open_pool("dask:tcp://127.0.0.1:1", work.Place("memory:", "memory:"))


def test_no_pool_ships_without_the_suite():
    kinds = {"inline": "inline", "processes": "processes", "redis": "celery", "rabbitmq": "celery", "dask": "dask"}  # fmt: skip
    assert {kinds[kind] for kind in KINDS} == set(work.SCHEMES)
