"""Settings that several machines share: in a key-value store, read at the start and watched.

The store is named by the variable SALIENT_SETTINGS_STORE, e.g. `redis://host:6379/0`. What it holds counts
less than a machine's own arguments, variables and file, and more than the defaults.
"""

from __future__ import annotations

import json
import os
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any, final

from salient.errors import InvalidInput, Unavailable
from salient.storage.kv import KeyValue, Subscription

VARIABLE = "SALIENT_SETTINGS_STORE"
_PREFIX, _VERSION, _CHANNEL = "settings/", "settings-version", "settings"
_LOOK_EVERY_S = 5.0


@final
class SharedSettings:
    """The settings in one key-value store; each has a key, so that two people may set two at once."""

    def __init__(self, store: KeyValue) -> None:
        self._store = store

    @classmethod
    def open(cls) -> SharedSettings | None:
        """Those that SALIENT_SETTINGS_STORE names; None where it names none.

        Raises:
            Misconfigured: it is no key-value store.
            Unavailable: it is away.
        """
        url = os.environ.get(VARIABLE)
        return cls(KeyValue.open(url)) if url else None

    def values(self) -> dict[str, Any]:
        """All values by dotted name.

        Raises:
            InvalidInput: a value is not JSON; somebody else wrote it.
        """
        found: dict[str, Any] = {}
        for key, raw in self._store.get_many(self._store.scan(_PREFIX)).items():
            name = key.removeprefix(_PREFIX)
            try:
                found[name] = json.loads(raw)
            except ValueError as exc:
                raise InvalidInput(f"the shared setting {name!r} is not JSON") from exc
        return found

    def tree(self) -> dict[str, Any]:
        """All values as nested tables."""
        nested: dict[str, Any] = {}
        for name, value in sorted(self.values().items()):
            *sections, last = name.split(".")
            table = nested
            for section in sections:
                table = table.setdefault(section, {})
            table[last] = value
        return nested

    def put(self, name: str, value: Any) -> None:
        """Set a value for all machines; whether it is a good one is the caller's to check."""
        self._store.put(_PREFIX + name, json.dumps(value).encode())
        self._changed()

    def remove(self, name: str) -> bool:
        """Unset a value; return whether it was set."""
        was_there = self._store.delete(_PREFIX + name)
        self._changed()
        return was_there

    def version(self) -> bytes | None:
        """What differs after every change."""
        return self._store.get(_VERSION)

    def changes(self) -> Subscription:
        """Something comes whenever somebody changes a setting."""
        return self._store.subscribe(_CHANNEL)

    def close(self) -> None:
        self._store.close()

    def _changed(self) -> None:
        self._store.increment(_VERSION)
        self._store.publish(_CHANNEL, b"changed")


@final
class Watch:
    """Tells when a settings file or the shared store has changed, from a thread of its own.

    `changed` is called without arguments; what it raises is not caught.

    Raises:
        Misconfigured, Unavailable: the shared store cannot be opened.
    """

    def __init__(self, file: Path, changed: Callable[[], None]) -> None:
        self._file, self._changed = file, changed
        self._ending = threading.Event()
        self._shared = SharedSettings.open()
        self._changes = None if self._shared is None else self._shared.changes()
        self._seen = self._file_state(), self._shared_state(None)
        self._thread = threading.Thread(target=self._run, name="salient-settings", daemon=True)
        self._thread.start()

    def close(self) -> None:
        self._ending.set()
        if self._changes is not None:
            self._changes.close()
        self._thread.join(2 * _LOOK_EVERY_S)
        if self._shared is not None:
            self._shared.close()

    def _run(self) -> None:
        while not self._ending.is_set():
            self._wait()
            seen = self._file_state(), self._shared_state(self._seen[1])
            if seen != self._seen and not self._ending.is_set():
                self._seen = seen
                self._changed()

    def _wait(self) -> None:
        # A message is at most once: the version is looked at now and then all the same.
        if self._changes is None:
            self._ending.wait(_LOOK_EVERY_S)
            return
        try:
            self._changes.get(_LOOK_EVERY_S)
        except Unavailable:  # closed
            self._ending.wait(_LOOK_EVERY_S)

    def _file_state(self) -> object:
        try:
            stat = self._file.stat()
        except OSError:
            return None
        return stat.st_ino, stat.st_mtime_ns, stat.st_size

    def _shared_state(self, otherwise: object) -> object:
        if self._shared is None:
            return None
        try:
            return self._shared.version()
        except Unavailable:
            return otherwise
