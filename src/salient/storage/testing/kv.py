"""What every key-value backend promises."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import pytest

from salient.errors import (
    Conflict,
    InvalidInput,
    LimitExceeded,
    TimedOut,
    Unavailable,
    Unsupported,
)
from salient.storage.kv import MAX_COUNT, MAX_MESSAGE_BYTES, MAX_VALUE_BYTES, PUBSUB, KeyValue

KEYS = ["a", "a/b", "a:b", "ключ", "a%b_c", " ", "x" * 512, "\n", "é" * 256, "🜚", "'; drop"]


class KeyValueContract:
    """Supply `kv`, an empty open store, and `pass_time(seconds)`, which moves its clock."""

    def test_missing_key_reads_as_none(self, kv: KeyValue) -> None:
        assert kv.get("nowhere") is None

    @pytest.mark.parametrize("key", KEYS)
    @pytest.mark.parametrize("value", [b"", b"\x00\xff", b"v" * 4096])
    def test_value_comes_back_as_it_went_in(self, kv: KeyValue, key: str, value: bytes) -> None:
        assert kv.put(key, value)
        assert kv.get(key) == value
        assert list(kv.scan(key)) == [key]

    @pytest.mark.parametrize("key", ["", "x" * 513, "é" * 257, "a\0b", "\0lock/a", "\ud800"])
    def test_bad_key_is_the_callers_fault(self, kv: KeyValue, key: str) -> None:
        for call in (
            kv.get, kv.delete, kv.increment, kv.get_expiring, lambda k: kv.put(k, b""),
            lambda k: kv.get_many(["a", k]), lambda k: kv.swap(k, None, b""),
        ):  # fmt: skip
            with pytest.raises(InvalidInput):
                call(key)

    def test_keys_differ_by_case_and_by_trailing_blanks(self, kv: KeyValue) -> None:
        for key in ("a", "A", "a ", " a"):
            kv.put(key, key.encode())
        assert [kv.get(k) for k in ("a", "A", "a ", " a")] == [b"a", b"A", b"a ", b" a"]

    def test_oversized_value_is_refused(self, kv: KeyValue) -> None:
        with pytest.raises(LimitExceeded):
            kv.put("k", bytes(MAX_VALUE_BYTES + 1))
        kv.put("k", bytes(MAX_VALUE_BYTES))
        assert len(kv.get("k") or b"") == MAX_VALUE_BYTES

    def test_put_replaces(self, kv: KeyValue) -> None:
        kv.put("k", b"v")
        assert kv.put("k", b"w")
        assert kv.get("k") == b"w"

    def test_claiming_a_taken_key_changes_nothing(self, kv: KeyValue) -> None:
        kv.put("k", b"v")
        assert not kv.put("k", b"w", only_if_absent=True)
        assert kv.get("k") == b"v"

    def test_delete_says_whether_the_key_was_there(self, kv: KeyValue) -> None:
        kv.put("k", b"v")
        assert (kv.delete("k"), kv.delete("k")) == (True, False)
        assert kv.get("k") is None

    def test_many_are_read_at_once(self, kv: KeyValue) -> None:
        values = {key: key.encode() for key in [*KEYS, *(f"n{i}" for i in range(1500))]}
        kv.put_many(values)
        assert kv.get_many([]) == {}
        assert kv.get_many(["missing", "a", "a"]) == {"a": b"a"}
        assert kv.get_many([*values, "missing"]) == values

    def test_many_are_replaced_and_removed_at_once(
        self, kv: KeyValue, pass_time: Callable[[float], None]
    ) -> None:
        keys = [f"{i}" for i in range(1200)]
        kv.put_many({})
        kv.put("0", b"old", ttl_s=1)
        kv.get("0")
        kv.get("1")
        kv.put_many(dict.fromkeys(keys, b"new"))
        pass_time(1.5)
        assert (kv.get("0"), kv.get("1"), kv.get("1199")) == (b"new", b"new", b"new")
        kv.put_many({"1": b"short", "2": b"short"}, ttl_s=1)
        assert kv.get("1") == b"short"
        pass_time(1.5)
        assert (kv.get("1"), kv.get("2"), kv.get("3")) == (None, None, b"new")
        assert kv.delete_many([]) == 0
        assert kv.delete_many([*keys, "0", "missing"]) == 1198
        assert kv.get("3") is None
        assert list(kv.scan()) == []

    def test_one_bad_of_many_changes_nothing(self, kv: KeyValue) -> None:
        with pytest.raises(LimitExceeded):
            kv.put_many({"a": b"", "b": bytes(MAX_VALUE_BYTES + 1)})
        with pytest.raises(InvalidInput):
            kv.put_many({"a": b"", "b\0": b""})
        with pytest.raises(InvalidInput):
            kv.put_many({"a": b""}, ttl_s=0)
        kv.put("c", b"")
        with pytest.raises(InvalidInput):
            kv.delete_many(["c", ""])
        assert list(kv.scan()) == ["c"]

    def test_many_large_values_are_written_at_once(self, kv: KeyValue) -> None:
        values = {f"{i}": bytes([i]) * 700_000 for i in range(5)}
        kv.put_many(values)
        assert kv.get_many(values) == values

    # --- expiry

    def test_key_expires(self, kv: KeyValue, pass_time: Callable[[float], None]) -> None:
        kv.put("k", b"v", ttl_s=1)
        assert kv.get("k") == b"v"
        pass_time(1.5)
        assert kv.get("k") is None
        assert list(kv.scan()) == []
        assert not kv.delete("k")
        assert kv.put("k", b"w", only_if_absent=True)
        assert kv.get("k") == b"w"

    def test_deleting_an_expired_key_finds_nothing(
        self, kv: KeyValue, pass_time: Callable[[float], None]
    ) -> None:
        kv.put("k", b"v", ttl_s=1)
        pass_time(1.5)
        assert not kv.delete("k")

    def test_put_forgets_an_older_expiry(
        self, kv: KeyValue, pass_time: Callable[[float], None]
    ) -> None:
        kv.put("k", b"v", ttl_s=1)
        kv.put("k", b"w")
        pass_time(1.5)
        assert kv.get("k") == b"w"

    def test_remaining_time_is_told(self, kv: KeyValue, pass_time: Callable[[float], None]) -> None:
        assert kv.get_expiring("k") is None
        kv.put("k", b"v")
        assert kv.get_expiring("k") == (b"v", None)
        kv.put("k", b"w", ttl_s=10)
        pass_time(4)
        value, left_s = kv.get_expiring("k") or (b"", None)
        assert value == b"w"
        assert left_s is not None
        assert 0 < left_s <= 6
        pass_time(6.5)
        assert kv.get_expiring("k") is None
        assert kv.get_many(["k"]) == {}

    def test_swap_sets_the_expiry_it_is_given(
        self, kv: KeyValue, pass_time: Callable[[float], None]
    ) -> None:
        kv.put("a", b"v", ttl_s=1)
        kv.put("b", b"v")
        assert kv.swap("a", b"v", b"w")
        assert kv.swap("b", b"v", b"w", ttl_s=1)
        pass_time(1.5)
        assert (kv.get("a"), kv.get("b")) == (b"w", None)
        assert not kv.swap("b", b"w", b"x")
        assert kv.swap("b", None, b"x", ttl_s=1)

    @pytest.mark.parametrize("ttl_s", [0.001, 1e6, 1e15, 1e300])
    def test_any_positive_time_is_taken(self, kv: KeyValue, ttl_s: float) -> None:
        assert kv.put("k", b"v", ttl_s=ttl_s)
        assert ttl_s < 1 or kv.get("k") == b"v"
        assert kv.swap("s", None, b"v", ttl_s=ttl_s)
        kv.increment("n", ttl_s=ttl_s)

    @pytest.mark.parametrize("ttl_s", [0, -1, float("nan"), float("inf")])
    def test_time_to_live_is_positive(self, kv: KeyValue, ttl_s: float) -> None:
        with pytest.raises(InvalidInput):
            kv.put("k", b"v", ttl_s=ttl_s)

    # --- scan

    def test_scan_treats_the_prefix_literally(self, kv: KeyValue) -> None:
        for key in ("a%b", "a_b", "axb", "b", "A", "a*", "a[b]"):
            kv.put(key, b"")
        assert set(kv.scan("a%")) == {"a%b"}
        assert set(kv.scan("a*")) == {"a*"}
        assert set(kv.scan("a[")) == {"a[b]"}
        assert set(kv.scan("a")) == {"a%b", "a_b", "axb", "a*", "a[b]"}
        assert len(set(kv.scan())) == 7
        kv.put("\\*", b"")
        kv.put("^a-?", b"")
        assert set(kv.scan("\\")) == {"\\*"}
        assert set(kv.scan("^a-?")) == {"^a-?"}
        assert set(kv.scan("?")) == set()

    @pytest.mark.parametrize("prefix", ["\0", "\0lock/", "x" * 513, "\ud800"])
    def test_bad_prefix_is_the_callers_fault(self, kv: KeyValue, prefix: str) -> None:
        with pytest.raises(InvalidInput):
            kv.scan(prefix)

    def test_scan_gives_every_key_once_while_others_come_and_go(self, kv: KeyValue) -> None:
        stay = {f"stay/{i:04}" for i in range(2500)}
        kv.put_many(dict.fromkeys(stay, b""))
        seen: list[str] = []
        for i, key in enumerate(kv.scan("stay/")):
            seen.append(key)
            if i % 100 == 0:
                kv.put(f"stay/{i:04}", b"again")
                kv.put(f"other/{i}", b"")
        assert sorted(seen) == sorted(stay)

    # --- concurrency

    def test_only_one_of_many_claims_a_key(self, kv: KeyValue) -> None:
        with ThreadPoolExecutor(8) as pool:
            won = list(
                pool.map(lambda i: kv.put("lock", str(i).encode(), only_if_absent=True), range(64))
            )
        assert won.count(True) == 1
        assert kv.get("lock") == str(won.index(True)).encode()

    def test_increment_loses_no_count(self, kv: KeyValue) -> None:
        with ThreadPoolExecutor(8) as pool:
            sums = list(pool.map(lambda _: kv.increment("n"), range(200)))
        assert sorted(sums) == list(range(1, 201))
        assert kv.get("n") == b"200"

    def test_swap_lets_one_of_many_win(self, kv: KeyValue) -> None:
        kv.put("k", b"old")
        with ThreadPoolExecutor(8) as pool:
            won = list(pool.map(lambda i: kv.swap("k", b"old", str(i).encode()), range(64)))
        assert won.count(True) == 1
        assert kv.get("k") == str(won.index(True)).encode()

    def test_swap_knows_absence(self, kv: KeyValue) -> None:
        assert not kv.swap("k", b"x", b"y")
        assert kv.swap("k", None, b"y")
        assert not kv.swap("k", None, b"z")
        assert kv.swap("k", b"y", None)
        assert kv.get("k") is None
        assert kv.swap("k", None, None)

    # --- counters

    def test_increment_counts_from_nothing_and_back(self, kv: KeyValue) -> None:
        assert kv.increment("n") == 1
        assert kv.increment("n", 41) == 42
        assert kv.increment("n", -50) == -8
        assert kv.get("n") == b"-8"

    def test_counter_keeps_the_expiry_it_began_with(
        self, kv: KeyValue, pass_time: Callable[[float], None]
    ) -> None:
        kv.increment("n", ttl_s=10)
        pass_time(6)
        assert kv.increment("n", ttl_s=10) == 2
        pass_time(6)
        assert kv.increment("n", ttl_s=10) == 1

    @pytest.mark.parametrize(
        "value", [b"", b"one", b"1.5", b" 1", b"1_0", b"9" * 40, b"+1", b"01", b"-0", b"1\n"]
    )
    def test_increment_of_what_is_no_counter_is_a_conflict(
        self, kv: KeyValue, value: bytes
    ) -> None:
        kv.put("n", value)
        with pytest.raises(Conflict):
            kv.increment("n")
        assert kv.get("n") == value

    def test_counter_does_not_overflow(self, kv: KeyValue) -> None:
        assert kv.increment("n", MAX_COUNT) == MAX_COUNT
        with pytest.raises(Conflict):
            kv.increment("n")
        assert kv.get("n") == str(MAX_COUNT).encode()
        assert kv.increment("n", -MAX_COUNT) == 0
        assert kv.increment("n", -MAX_COUNT - 1) == -MAX_COUNT - 1
        with pytest.raises(Conflict):
            kv.increment("n", -1)
        assert kv.increment("n", 3) == -MAX_COUNT + 2  # exact beyond what a float can count
        assert kv.get("n") == str(-MAX_COUNT + 2).encode()
        with pytest.raises(InvalidInput):
            kv.increment("n", MAX_COUNT + 1)

    # --- locks

    def test_lock_keeps_others_out_until_its_block_ends(self, kv: KeyValue) -> None:
        with kv.lock("l"), pytest.raises(TimedOut), kv.lock("l"):
            pass
        with kv.lock("l"):
            pass
        assert list(kv.scan()) == []

    def test_holders_of_a_lock_do_not_overlap(self, kv: KeyValue) -> None:
        inside: list[int] = []
        overlaps: list[int] = []

        def hold(i: int) -> int:
            with kv.lock("l", wait_s=30) as lease:
                overlaps.extend(inside)
                inside.append(i)
                time.sleep(0.001)
                inside.remove(i)
                return lease.token

        with ThreadPoolExecutor(6) as pool:
            tokens = list(pool.map(hold, range(24)))
        assert overlaps == []
        assert len(set(tokens)) == 24

    def test_fencing_tokens_only_grow(
        self, kv: KeyValue, pass_time: Callable[[float], None]
    ) -> None:
        with kv.lock("l", ttl_s=1) as first:
            pass_time(1.5)
            with kv.lock("l", ttl_s=1) as second:
                assert second.token > first.token
                assert not first.renew()
                assert not first.release()
                with pytest.raises(TimedOut), kv.lock("l"):
                    pass

    def test_renewed_lock_lasts(self, kv: KeyValue, pass_time: Callable[[float], None]) -> None:
        with kv.lock("l", ttl_s=10) as lease:
            pass_time(6)
            assert lease.renew()
            pass_time(6)
            with pytest.raises(TimedOut), kv.lock("l"):
                pass

    # --- messages

    def test_store_without_messages_says_so(self, kv: KeyValue) -> None:
        if PUBSUB in kv.features:
            kv.publish("nobody listens", b"")
            return
        with pytest.raises(Unsupported):
            kv.publish("c", b"")
        with pytest.raises(Unsupported):
            kv.subscribe("c")

    @pytest.mark.parametrize("channel", KEYS)
    def test_message_reaches_all_that_are_subscribed(self, kv: KeyValue, channel: str) -> None:
        if PUBSUB not in kv.features:
            return
        kv.publish(channel, b"too early")
        with kv.subscribe(channel) as one, kv.subscribe(channel) as other:
            for message in (b"", b"\0\xff", b"x" * MAX_MESSAGE_BYTES):
                kv.publish(channel, message)
                kv.publish(f"{channel[1:]}*", b"for others")
                assert (one.get(10), other.get(10)) == (message, message)
            assert (one.get(), other.get(0.01)) == (None, None)
            assert (one.gaps, one.live) == (0, True)

    def test_messages_come_in_order_and_once(self, kv: KeyValue) -> None:
        if PUBSUB not in kv.features:
            return
        with kv.subscribe("c") as subscription:
            for i in range(1200):
                kv.publish("c", b"%d" % i)
            assert [subscription.get(10) for _ in range(1200)] == [b"%d" % i for i in range(1200)]
            assert subscription.get() is None
            with ThreadPoolExecutor(4) as pool:
                list(pool.map(lambda i: kv.publish("c", b"%d" % i), range(100)))
            got = [subscription.get(10) or b"" for _ in range(100)]
            assert sorted(map(int, got)) == list(range(100))

    def test_subscriber_that_waits_is_woken(self, kv: KeyValue) -> None:
        if PUBSUB not in kv.features:
            return
        with kv.subscribe("c") as subscription, ThreadPoolExecutor(1) as pool:
            waiting = pool.submit(subscription.get, 60)
            time.sleep(0.05)
            kv.publish("c", b"up")
            assert waiting.result() == b"up"

    def test_closed_subscription_is_unavailable(self, kv: KeyValue) -> None:
        if PUBSUB not in kv.features:
            return
        with ThreadPoolExecutor(1) as pool:
            subscription = kv.subscribe("c")
            waiting = pool.submit(subscription.get, 60)
            time.sleep(0.05)
            subscription.close()
            assert isinstance(waiting.exception(), Unavailable)
        subscription.close()
        with pytest.raises(Unavailable):
            subscription.get()
        kv.publish("c", b"")

    def test_bad_channel_or_message_is_the_callers_fault(self, kv: KeyValue) -> None:
        if PUBSUB not in kv.features:
            return
        for channel in ("", "a\0b", "x" * 513, "\ud800"):
            with pytest.raises(InvalidInput):
                kv.publish(channel, b"")
            with pytest.raises(InvalidInput):
                kv.subscribe(channel)
        with pytest.raises(LimitExceeded):
            kv.publish("c", bytes(MAX_MESSAGE_BYTES + 1))

    # --- gone

    def test_closed_store_is_unavailable(self, kv: KeyValue) -> None:
        kv.put("k", b"v")
        assert kv.get("k") == b"v"
        listening = [kv.subscribe("c")] if PUBSUB in kv.features else []
        kv.close()
        for subscription in listening:
            with pytest.raises(Unavailable):
                subscription.get(1)
            with pytest.raises(Unavailable):
                kv.publish("c", b"")
            with pytest.raises(Unavailable):
                kv.subscribe("c")
        for call in (
            lambda: kv.get("k"),
            lambda: kv.put("k", b""),
            lambda: kv.delete("k"),
            lambda: kv.increment("k"),
            lambda: kv.swap("k", b"v", b"w"),
            lambda: kv.get_expiring("k"),
            lambda: kv.get_many(["k"]),
            lambda: kv.put_many({"k": b""}),
            lambda: kv.delete_many(["k"]),
            lambda: kv.swap("k", None, None),
            lambda: kv.put("l", b"", only_if_absent=True),
            lambda: list(kv.scan()),
        ):
            with pytest.raises(Unavailable):
                call()
        kv.close()

    def test_closing_leaves_no_thread(self, kv: KeyValue) -> None:
        kv.put("k", b"v")
        kv.get("k")
        with ThreadPoolExecutor(4) as pool:
            list(pool.map(kv.increment, ["a", "b", "c", "a"]))
        kv.close()
        assert not [t for t in threading.enumerate() if t.name.startswith("salient-store")]
