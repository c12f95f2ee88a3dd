"""What workers say of themselves, and what is made of it."""

import json

import msgspec
import pytest

from salient.errors import Unavailable
from salient.services.workers import Workers, read
from salient.storage.kv import KeyValue
from salient.work.notes import Beat, Presence


@pytest.fixture
def cache():
    with KeyValue.open("memory:") as opened:
        yield opened


def say(cache, key, what, **options):
    cache.put(key, msgspec.json.encode(what), **options)


def test_without_a_queue_there_are_none(cache):
    assert read(cache) == Workers()


def test_those_who_said_so_are_there_with_what_they_are_at(cache):
    say(cache, "worker/b", Presence("b", "host", 7, ("salient",), 4, 0.0, "1"))
    say(cache, "worker/a", Presence("a", "host", 8, ("salient.ocr",), 1, 0.0, "1"))
    say(cache, "beat/r/b1", Beat("host:9", 3, 0, 10, 2.04))
    say(cache, "beat/r/b2", Beat("host:8", 3, 4, 5, 65.0, "blobs"))
    found = read(cache, {"salient": 3, "salient.ocr": 0}.__getitem__)
    assert [(w.name, w.slots, w.since) for w in found.workers] == [
        ("a", 1, "1970-01-01T00:00:00+00:00"), ("b", 4, "1970-01-01T00:00:00+00:00"),
    ]  # fmt: skip
    assert [(b.worker, b.item, b.n_items, b.seconds, b.waits) for b in found.busy] == [
        ("host:8", 5, 5, 65.0, "blobs"), ("host:9", 1, 10, 2.0, ""),
    ]  # fmt: skip
    assert found.waiting == {"salient": 3, "salient.ocr": 0}


@pytest.mark.parametrize("text", [b"", b"no JSON", b"[]", b'{"name": 1}', b"\xff"])
def test_one_of_another_release_hides_no_other(cache, text):
    say(cache, "worker/b", Presence("b", "host", 7, ("salient",), 4, 0.0, "1"))
    cache.put("worker/a", text)
    cache.put("beat/r/a", text)
    assert [w.name for w in read(cache).workers] == ["b"]
    assert read(cache).busy == ()


def test_a_broker_that_is_away_hides_no_worker(cache):
    def depth(queue):
        raise Unavailable("the broker is away")

    say(cache, "worker/b", Presence("b", "host", 7, ("salient",), 4, 0.0, "1"))
    found = read(cache, depth)
    assert len(found.workers) == 1
    assert found.waiting == {}


def test_it_goes_through_json(cache):
    say(cache, "worker/b", Presence("b", "host", 7, ("salient",), 4, 0.0, "1"))
    found = read(cache)
    assert Workers.model_validate(json.loads(found.model_dump_json())) == found
