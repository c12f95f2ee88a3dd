"""Which versions live processes use, told to all machines through the key-value store."""

from __future__ import annotations

import os
import socket
import threading
import uuid
from collections import Counter
from typing import Final, final

from salient import log
from salient.errors import Unavailable
from salient.storage.kv import KeyValue

_log = log.get(__name__)

_PREFIX: Final = "model/held/"
TTL_S: Final = 90.0
"""For so long a version counts as used after its process was killed."""


@final
class Holds:
    """What this process uses, said again and again by a thread while it does."""

    def __init__(self, cache: KeyValue | None) -> None:
        self._cache = cache
        self._owner = f"{socket.gethostname()}-{os.getpid()}-{uuid.uuid4().hex[:8]}"
        self._used: Counter[str] = Counter()
        self._lock = threading.Lock()
        self._thread: threading.Thread | None = None
        self._ended = threading.Event()

    def add(self, version: str) -> None:
        with self._lock:
            self._used[version] += 1
            first = self._used[version] == 1
            if self._cache is not None and self._thread is None and not self._ended.is_set():
                self._thread = threading.Thread(
                    target=self._beat, name="salient-models", daemon=True
                )
                self._thread.start()
        if first:
            self._say([version])

    def drop(self, version: str) -> None:
        with self._lock:
            self._used[version] -= 1
            last = self._used[version] <= 0
            if last:
                del self._used[version]
        if last and self._cache is not None:
            try:
                self._cache.delete(self._key(version))
            except Unavailable as error:  # it expires by itself
                _log.debug("model.hold_not_ended", reason=error.message)

    def held(self) -> set[str]:
        """Versions that any process on any machine uses."""
        if self._cache is None:
            return set()
        return {k.removeprefix(_PREFIX).partition("/")[0] for k in self._cache.scan(_PREFIX)}

    def close(self) -> None:
        self._ended.set()
        if self._thread is not None:
            self._thread.join()

    def _beat(self) -> None:
        while not self._ended.wait(TTL_S / 3):
            with self._lock:
                used = list(self._used)
            self._say(used)

    def _say(self, versions: list[str]) -> None:
        if self._cache is None or not versions:
            return
        try:
            self._cache.put_many({self._key(v): b"" for v in versions}, ttl_s=TTL_S)
        except Unavailable as error:
            # What is used lies in the local cache too, where its lock keeps it.
            _log.warning("model.hold_not_told", reason=error.message)

    def _key(self, version: str) -> str:
        return f"{_PREFIX}{version}/{self._owner}"
