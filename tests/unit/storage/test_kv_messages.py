"""Subscribers that fall behind: what is kept for them is bounded, and they are told what they missed."""

import time

import pytest

from salient.errors import Misconfigured
from salient.storage.kv import KeyValue, memory, sqlite


def test_subscriber_in_the_process_that_does_not_read_gets_a_gap(monkeypatch):
    monkeypatch.setattr(memory, "_WAITING", 10)
    with KeyValue.open("memory:") as kv, kv.subscribe("c") as slow:
        for i in range(25):
            kv.publish("c", b"%d" % i)
        assert slow.gaps == 2
        assert [slow.get() for _ in range(6)] == [b"20", b"21", b"22", b"23", b"24", None]
        slow.close()
        assert kv.driver._listeners == {}


@pytest.mark.parametrize("by", ["number", "age"])
def test_messages_in_a_file_are_bounded_and_what_was_missed_is_told(tmp_path, monkeypatch, by):
    url = f"sqlite:{tmp_path}/kv.db"
    if by == "number":
        monkeypatch.setattr(sqlite, "_MESSAGES_KEPT", 50)
    with KeyValue.open(url) as kv, KeyValue.open(url) as other:
        slow, quick = kv.subscribe("c"), other.subscribe("c")
        for i in range(400):
            kv.publish("c", b"%d" % i)
            assert quick.get(10) == b"%d" % i
            if i == 150 and by == "age":
                kv.driver._clock = lambda: time.time() + 100
        assert quick.gaps == 0
        assert slow.get() is None
        assert slow.gaps == 1
        left = []
        while (message := slow.get()) is not None:
            left.append(int(message))
        assert left == list(range(left[0], 400))
        [(count,)] = kv.driver._db.execute("select count(*) from kv_messages").fetchall()
        assert count < 300
        kv.publish("d", b"on another channel")
        assert slow.get() is None
        assert slow.gaps == 1


def test_many_missed_messages_of_another_channel_are_a_gap_too(tmp_path, monkeypatch):
    monkeypatch.setattr(sqlite, "_MESSAGES_KEPT", 10)
    with KeyValue.open(f"sqlite:{tmp_path}/kv.db") as kv, kv.subscribe("quiet") as quiet:
        for _ in range(300):
            kv.publish("loud", b"")
        assert quiet.get() is None
        assert quiet.gaps == 1  # it cannot know which channel they were of


def test_file_is_polled_as_often_as_its_url_says(tmp_path):
    with pytest.raises(Misconfigured):
        KeyValue.open(f"sqlite:{tmp_path}/kv.db?poll_s=0")
    url = f"sqlite:{tmp_path}/kv.db"
    with (
        KeyValue.open(url + "?poll_s=5") as late,
        KeyValue.open(url) as other,
        late.subscribe("c") as subscription,
    ):
        other.publish("c", b"m")
        assert subscription.get(0.2) == b"m"  # it looks before it waits
        assert subscription.get(0.05) is None
