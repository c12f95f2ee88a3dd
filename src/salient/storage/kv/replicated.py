"""The same keys in several stores: `replicated:[URL][URL][URL]?write=quorum`.

- `write=all`, the default: a change is acknowledged when all stores have it; reads ask the first one
  that answers. One store that is away stops changes, and reads go on.
- `write=quorum`: a change is acknowledged when more than half of the stores have it, and reads ask
  as many: both go on while more than half are there.

Either way changes are atomic for all threads and processes, and reads repair what is behind: see
`salient.storage.registers`. `tombstone_s` is for how long a store may be away before keys that were
deleted meanwhile could come back with it. Processes open the same stores with the same `write`.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from salient.errors import Error
from salient.storage import urls
from salient.storage.kv import KeyValueDriver, counted, driver
from salient.storage.registers import Registers, State


class Driver(KeyValueDriver):
    features: frozenset[str] = frozenset()

    def __init__(self, rest: str) -> None:
        found, options = urls.inner(rest, "replicated", least=2)
        write = options.choice("write", ("all", "quorum"), "all")
        tombstone_s = options.number("tombstone_s", 86_400.0, least=60.0)
        options.done()
        opened: list[KeyValueDriver] = []
        try:
            for url in found:
                opened.append(driver(url))  # noqa: PERF401 # those opened must be closed
        except Error:
            for one in opened:
                one.close()
            raise
        self.inner = tuple(opened)
        quorum = len(opened) if write == "all" else len(opened) // 2 + 1
        self._registers = Registers(opened, quorum=quorum, tombstone_s=tombstone_s)

    def get(self, key: str) -> bytes | None:
        return self._registers.read(key).value

    def get_expiring(self, key: str) -> tuple[bytes, float | None] | None:
        value, ttl_s = self._registers.read(key)
        return None if value is None else (value, ttl_s)

    def get_many(self, keys: Sequence[str]) -> dict[str, bytes]:
        found = self._registers.read_many(keys)
        return {key: state.value for key, state in found.items() if state.value is not None}

    def put(self, key: str, value: bytes, *, ttl_s: float | None, only_if_absent: bool) -> bool:
        def step(state: State) -> tuple[bool, State | None]:
            if only_if_absent and state.value is not None:
                return False, None
            return True, State(bytes(value), ttl_s)

        return self._registers.change(key, step)

    def delete(self, key: str) -> bool:
        def step(state: State) -> tuple[bool, State | None]:
            return (False, None) if state.value is None else (True, State())

        return self._registers.change(key, step)

    def swap(
        self, key: str, expected: bytes | None, value: bytes | None, *, ttl_s: float | None
    ) -> bool:
        def step(state: State) -> tuple[bool, State | None]:
            if state.value != expected:
                return False, None
            if expected is None and value is None:
                return True, None
            return True, State(None if value is None else bytes(value), ttl_s)

        return self._registers.change(key, step)

    def increment(self, key: str, by: int, *, ttl_s: float | None) -> int | None:
        def step(state: State) -> tuple[int | None, State | None]:
            total = counted(state.value, by)
            if total is None:
                return None, None
            return total, State(b"%d" % total, ttl_s if state.value is None else state.ttl_s)

        return self._registers.change(key, step)

    def scan(self, prefix: str) -> Iterator[str]:
        return self._registers.keys(prefix)

    def close(self) -> None:
        for one in self.inner:
            one.close()
