"""Calls that were given up: kept, found, bounded, dropped."""

import datetime as dt
import threading

import msgspec
import pytest

from salient import errors, log
from salient.storage.docs import Records
from salient.work import Place, Recipe, deadletters, handler

CALL = Recipe("salient.somewhere:open_it", {"language": "en"})


@pytest.fixture
def records(tmp_path):
    with Records.open(f"sqlite:{tmp_path}/records.db") as opened:
        yield opened


def put(records, item, keep=1000, workspace="w", **more):
    error = errors.Corrupt(f"{item} cannot be read")
    return deadletters.put(records, CALL, item, error, keep=keep, workspace=workspace, **more)


def items(records, **more):
    return [letter.item for letter in deadletters.find(records, "w", **more)]


def test_a_letter_comes_back_as_it_went_in(records):
    with log.bound({"job_id": "j1"}):
        sent = put(records, {"blob": "a/b", "n": [1, None, "é"]}, attempts=3, worker="host:7")
    (found,) = deadletters.find(records, "w")
    assert found == sent
    assert found.setup == CALL.setup
    assert (found.code, found.attempts, found.worker) == ("corrupt", 3, "host:7")
    assert found.ids == {"job_id": "j1"}


class Setup(msgspec.Struct, frozen=True):
    language: str


class Nothing:
    def __call__(self, value):
        return value

    def close(self) -> None:
        pass


@handler(value=tuple[int, dt.date], setup=Setup)
def open_nothing(setup: Setup, place: Place) -> Nothing:
    return Nothing()


def test_a_call_is_made_again_with_values_of_their_types(records):
    recipe = Recipe.of(open_nothing, Setup("en"))
    deadletters.put(
        records, recipe, (3, dt.date(2026, 1, 2)), errors.Corrupt("torn"), keep=9, workspace="w"
    )
    (found,) = deadletters.find(records, "w")
    again, item = found.call()
    assert (again, item.value) == (recipe, (3, dt.date(2026, 1, 2)))


@pytest.mark.parametrize("value", [float("nan"), 2**80, object(), "x" * 9_000_000, {1: 2}])
def test_what_is_no_json_is_kept_as_text_and_not_called_again(records, value):
    recipe = Recipe.of(open_nothing, Setup("en"))
    deadletters.put(records, recipe, value, errors.Corrupt("torn"), keep=9, workspace="w")
    (found,) = deadletters.find(records, "w")
    assert len(repr(found.item)) < 3000
    with pytest.raises(errors.InvalidInput, match="cannot be made again"):
        found.call()


def test_a_call_of_a_handler_that_nobody_knows_is_refused(records):
    with pytest.raises(errors.Misconfigured, match=r"salient\.somewhere"):
        put(records, 1).call()


def test_the_newest_come_first(records):
    for n in range(5):
        put(records, n)
    assert items(records) == [4, 3, 2, 1, 0]
    assert items(records, limit=2) == [4, 3]
    assert deadletters.count(records, "w") == 5


@pytest.mark.parametrize("keep", [1, 3])
def test_older_ones_than_so_many_are_dropped(records, keep):
    for n in range(10):
        put(records, n, keep=keep)
    assert items(records) == [9, 8, 7][:keep]


def test_many_who_put_at_once_keep_the_bound(records):
    threads = [
        threading.Thread(target=lambda n=n: [put(records, n, keep=7) for _ in range(10)])
        for n in range(4)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    put(records, "last", keep=7)
    assert len(items(records)) == 7
    assert items(records)[0] == "last"


def test_another_workspace_sees_none_of_them(records):
    mine = put(records, "mine")
    other = put(records, "other", workspace="other")
    assert items(records) == ["mine"]
    assert [x.id for x in deadletters.get_many(records, "w", [other.id, mine.id])] == [mine.id]
    assert deadletters.clear(records, "w", [other.id]) == 0
    assert deadletters.clear(records, "w") == 1
    assert deadletters.count(records, "other") == 1


def test_some_are_cleared_and_the_others_stay(records):
    letters = [put(records, n) for n in range(4)]
    assert deadletters.clear(records, "w", [letters[0].id, letters[2].id, "unknown"]) == 2
    assert items(records) == [3, 1]
