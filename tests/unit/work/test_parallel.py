"""A function that workers do as well: the same arguments, the same results, the same errors."""

import fnmatch
import functools
import itertools
import threading
from contextlib import closing
from datetime import date

import pytest

import salient
from salient.errors import Corrupt, Error, InvalidInput, Misconfigured, Unavailable
from salient.interfaces import parallel as parallel_module
from salient.work import Place, WorkConfig, open_pool
from salient.work.parallel import Function
from tests.unit.work import parallel_tasks as tasks


@pytest.fixture(scope="module", params=["inline:", "processes:2"])
def url(request):
    return request.param


@pytest.fixture(autouse=True)
def plain(monkeypatch, tmp_path):
    """Settings of nobody."""
    monkeypatch.setenv("SALIENT_DATA_DIR", str(tmp_path))


@pytest.fixture(scope="module")
def opened(url):
    """The pool of a URL, which the module's tests share."""
    with open_pool(url, Place("memory:", "memory:"), WorkConfig(hang_s=60)) as pool:
        yield pool


@pytest.fixture
def on(opened, monkeypatch):
    """`Function.on`, on that pool; it outlives who closes it."""
    monkeypatch.setattr(type(opened), "close", lambda self: None)

    def get(function):
        monkeypatch.setattr(function, "_opener", lambda url: opened)
        return function.on()

    yield get
    monkeypatch.undo()


processes = pytest.mark.parametrize("url", ["processes:2"], indirect=True)


def test_it_is_called_as_ever():
    assert tasks.double(4) == 8
    assert tasks.add(1, b=2) == 3
    assert tasks.double.__name__ == "double"
    assert tasks.double.__doc__ == "Twice as much."
    with pytest.raises(ZeroDivisionError):
        tasks.fails(1)


def test_a_call_elsewhere_is_a_call(on):
    assert on(tasks.double)(4) == 8
    assert on(tasks.double).delay(4).result() == 8


@pytest.mark.parametrize(
    ("args", "kwargs"),
    [((1,), {}), ((1, 2), {}), ((), {"a": 1}), ((1,), {"b": 5}), ((1, 2, 3, 4), {}), ((), {"b": 3, "a": 4})],
)  # fmt: skip
def test_arguments_arrive_as_they_were_given(on, args, kwargs):
    assert on(tasks.add)(*args, **kwargs) == tasks.add(*args, **kwargs)


@pytest.mark.parametrize(
    ("args", "kwargs"), [((), {}), ((1, 2, 3), {}), (("a",), {"c": 1}), (("a",), {"a": "b"})]
)
def test_arguments_that_do_not_fit_are_refused_here(on, args, kwargs):
    with pytest.raises(InvalidInput, match="two"):
        on(tasks.two).delay(*args, **kwargs)


def test_dataclasses_and_dates_arrive_as_such(on):
    point = tasks.Point(1, date(2024, 2, 29))
    assert on(tasks.move)(point) == tasks.Point(2, point.day)


def test_a_function_without_hints_gets_what_was_given(on):
    assert on(tasks.untyped)({"a": [None]}, y="é") == [{"a": [None]}, "é"]


def test_map_gives_results_in_the_order_of_the_values(on):
    assert list(on(tasks.double).map(range(500))) == [2 * n for n in range(500)]
    assert list(on(tasks.double).map([])) == []


@processes
def test_map_keeps_those_that_are_early_or_gives_them_at_once(on, tmp_path):
    for ordered, first in ((True, 0), (False, 1)):
        folder = tmp_path / str(ordered)
        folder.mkdir()
        call = on(tasks.slow_first)
        value = call._value
        call._value = lambda args, kw, value=value, folder=folder: value((*args, str(folder)), kw)
        found = list(call.map(range(6), ordered=ordered))
        assert sorted(found) == list(range(6))
        assert found[0] == first
        if not ordered:
            assert found[-1] == 0


def test_map_takes_from_a_generator_without_end(on):
    with closing(on(tasks.double).map(itertools.count())) as results:
        assert list(itertools.islice(results, 300)) == [2 * n for n in range(300)]


def test_an_error_is_raised_when_it_is_its_turn(on):
    results = on(tasks.fails).map([0, 3, 2, 4])
    assert [next(results), next(results)] == [0, 3]
    with pytest.raises(Corrupt, match="as it is") as info:
        next(results)
    assert info.value.context == {"n": 2}
    assert list(results) == []


def test_an_exception_of_another_s_is_told_by_name(on):
    with pytest.raises(InvalidInput, match="fails raised ZeroDivisionError: by nothing") as info:
        on(tasks.fails)(1)
    assert info.value.context == {"exception": "ZeroDivisionError"}


def test_errors_may_be_asked_for_as_results(on):
    found = list(on(tasks.fails).map(range(4), errors=True))
    assert [x if isinstance(x, int) else x.code for x in found] == [0, "invalid_input", "corrupt", 3]  # fmt: skip
    assert all(isinstance(x, (int, Error)) for x in found)


def test_delayed_calls_go_on_at_once_from_many_threads(on):
    call = on(tasks.double)
    results = {}

    def go(k):
        results[k] = [call.delay(k * 100 + n) for n in range(20)]

    threads = [threading.Thread(target=go, args=(k,)) for k in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for k, futures in results.items():
        assert [f.result() for f in futures] == [2 * (k * 100 + n) for n in range(20)]
    call.close()


def test_closing_waits_for_what_was_delayed(on):
    with on(tasks.double) as call:
        future = call.delay(3)
    assert future.done()
    assert future.result() == 6


@processes
def test_a_call_that_kills_its_worker_is_tried_again(on, tmp_path):
    file = tmp_path / "tries"
    assert on(tasks.deadly)(str(file), 2) == 2
    assert file.stat().st_size == 3


@processes
def test_a_call_that_kills_every_worker_is_given_up(on, tmp_path):
    file = tmp_path / "tries"
    with pytest.raises(Unavailable, match=r"killed its worker 3 times.*SIGKILL"):
        on(tasks.deadly)(str(file), 99)
    assert file.stat().st_size == 3


@processes
def test_what_may_be_done_once_is_not_tried_again(on, tmp_path):
    file = tmp_path / "tries"
    with pytest.raises(Unavailable, match="killed its worker 1 times"):
        on(tasks.harm)(str(file))
    assert file.stat().st_size == 1


@processes
def test_one_that_kills_costs_no_other(on, tmp_path):
    call = on(tasks.deadly)
    files = [tmp_path / str(n) for n in range(6)]
    call._value = lambda args, _: (str(args[0]), 99 if args[0] == files[2] else 0)
    found = list(call.map(files, errors=True))
    assert [isinstance(x, Unavailable) for x in found] == [n == 2 for n in range(6)]


def outer():
    def inner(x):
        return x

    return inner


def by_name(x, *, y):
    return x


def any_names(**more):
    return more


class Holder:
    def method(self, x):
        return x

    def __call__(self, x):
        return x


@pytest.mark.parametrize(
    ("function", "says"),
    [
        (lambda x: x, "cannot import"),
        (outer(), "cannot import"),
        (by_name, "by name only"),
        (any_names, "by name only"),
    ],
    ids=["lambda", "local", "keyword only", "any keywords"],
)
def test_what_cannot_be_sent_is_refused_when_it_is_wrapped(function, says):
    with pytest.raises(InvalidInput, match=says):
        salient.parallel(function)


def test_a_function_of_the_script_that_runs_is_refused():
    def script(x):
        return x

    script.__module__, script.__qualname__ = "__main__", "script"
    with pytest.raises(InvalidInput, match="other than the script that is run"):
        salient.parallel(script)


@pytest.mark.parametrize(
    "what", [functools.partial(by_name, 1), Holder(), len, int], ids=["partial", "object", "builtin", "class"]
)  # fmt: skip
def test_what_is_no_function_of_a_module_is_refused(what):
    with pytest.raises(InvalidInput):
        salient.parallel(what)


def test_a_function_of_another_s_module_needs_no_decorator(on):
    """The module that workers import knows nothing of salient."""
    assert on(salient.parallel(fnmatch.translate))("a*") == fnmatch.translate("a*")


def test_with_options_it_is_still_a_function():
    assert isinstance(tasks.harm, Function)
    assert tasks.harm.recipe.kind().once


def test_a_wrong_url_is_said():
    with pytest.raises(Misconfigured, match="begins with one of"):
        tasks.double.on("threads:3")


def test_without_a_url_the_settings_decide(monkeypatch):
    asked = []
    monkeypatch.setattr(parallel_module, "open_pool", lambda url, *_: asked.append(url))
    for on in ("auto", "inline:", "processes:7"):
        monkeypatch.setenv("SALIENT_WORK__ON", on)
        tasks.double.on()
    tasks.double.on("processes:3")
    assert asked == ["processes:", "inline:", "processes:7", "processes:3"]


def test_it_opens_a_pool_of_its_own_and_closes_it(tmp_path):
    with tasks.double.on("inline:") as call:
        assert call(2) == 4
    call.close()
