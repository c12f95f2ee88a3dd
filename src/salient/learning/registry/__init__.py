"""Models by name and version: published once, fetched once a machine, mapped by every process.

A version is a folder of files, named by its contents, so that publishing is repeatable and nothing is
stored or sent twice. A name stands for one version at a time; see `salient.learning.registry.history`.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from types import TracebackType
from typing import Final, Self, final

from salient import log
from salient.errors import Conflict, InvalidInput, NotFound, Unavailable, Unsupported
from salient.learning.registry import history as histories
from salient.learning.registry.cache import Cache
from salient.learning.registry.current import Current
from salient.learning.registry.files import Stored
from salient.learning.registry.history import History, State
from salient.learning.registry.holds import Holds
from salient.learning.registry.manifest import File, Manifest
from salient.learning.registry.model import Model
from salient.learning.registry.sweeping import Swept, sweep
from salient.storage.blob import Blobs
from salient.storage.kv import PUBSUB, KeyValue, Lease, Subscription

_log = log.get(__name__)

PREFIX: Final = "model:"
"""With it a setting names a model of the registry, as in `model:NAME` or `model:NAME@VERSION`."""
CACHE_BYTES: Final = 20 * 1024**3
_LOCK: Final = "model/publishing"
_LOCK_S: Final = 60.0


@final
class Registry:
    """Models in a blob store, with a cache folder on this machine.

    - `publish` is all or nothing: readers see the old version until the new one is whole.
    - Of two that publish at once, both are in the history, and the later entry is current.
    - What is current, pinned, held by a live process, or young is never collected.
    - Without its key-value store, names are read from the history and versions still open; to
      publish or collect needs it.

    Threads may share an instance; other processes open their own on the same folder.

    Raises from any method: InvalidInput (a name or version of no proper form), Unavailable.
    """

    def __init__(
        self, blobs: Blobs, cache: KeyValue | None, folder: Path, cache_bytes: int = CACHE_BYTES
    ) -> None:
        """Nothing is read yet.

        Args:
            cache: None for a registry that only reads.
            folder: on a disk of this machine; its processes share it.

        Raises:
            Misconfigured: the folder cannot be made.
        """
        self._blobs, self._kv = blobs, cache
        self.place = (str(folder), cache_bytes)
        """The folder and its bound: what other processes of this machine open theirs with."""
        self._stored = Stored(blobs)
        self._history = History(blobs, cache)
        self._cache = Cache(folder, cache_bytes)
        self._holds = Holds(cache)

    def publish(self, name: str, directory: Path, *, anew: bool = False) -> str:
        """Store a folder and make it what the name stands for, unless another version is pinned.

        Publishing what is current changes nothing.

        Args:
            anew: put files also where the store seems to have them: it heals damaged ones.

        Returns:
            The version.

        Raises:
            InvalidInput: the folder holds nothing, or something that is no file.
            Conflict: a file was changed meanwhile.
            TimedOut: somebody else was committing all the time.
        """
        histories.checked(name)
        manifest = Manifest.of(directory)
        n = self._stored.put(manifest, directory, anew=anew)
        version = manifest.version
        with self._alone():
            # What a collection has taken away since is put again, now that none can run.
            self._stored.put(manifest, directory, anew=False)
            self._stored.commit(manifest)
            self._history.change(name, partial(_published, version))
        _log.info("model.published", model=name, version=version, n_files=n, size_bytes=manifest.size_bytes)  # fmt: skip
        return version

    def open(self, name: str, version: str | None = None) -> Model:
        """Open a version, the current one unless another is named, fetching it if need be.

        Args:
            version: or its first eight characters or more.

        Raises:
            NotFound: no such name, or no such version of it.
            Corrupt: the store lacks a file or has a damaged one.
            LimitExceeded: it does not fit into the cache beside what is in use.
        """
        if version is not None:
            return self._opened(name, self.full(version))
        state = self.state(name)
        try:
            return self._opened(name, state.served)
        except NotFound:
            # The pointer was behind, and what it named has been collected.
            newest = self.state(name, sure=True)
            if newest.served == state.served:
                raise
            return self._opened(name, newest.served)

    def open_named(self, spec: str) -> Model:
        """As `open`, of `model:NAME` or `model:NAME@VERSION`, as settings have it."""
        name, _, version = spec.removeprefix(PREFIX).partition("@")
        return self.open(histories.checked(name), version or None)

    def exact(self, spec: str) -> str:
        """`model:NAME@VERSION` of what `model:NAME` is now; all else as it is."""
        if not spec.startswith(PREFIX) or "@" in spec:
            return spec
        return f"{spec}@{self.state(spec.removeprefix(PREFIX)).served}"

    def state(self, name: str, *, sure: bool = False) -> State:
        """What the name stands for.

        Raises:
            NotFound: nothing was published under that name.
        """
        state = self._history.state(histories.checked(name), sure=sure)
        if state is None:
            raise NotFound(f"no model is called {name!r}: salient models publish", name=name)
        return state

    def names(self) -> list[str]:
        """All names, in order."""
        return self._history.names()

    def history(self, name: str) -> Iterator[State]:
        """What happened to a name, the newest first."""
        return self._history.events(histories.checked(name))

    def files(self, version: str) -> tuple[File, ...]:
        """The files of a version.

        Raises:
            NotFound: no such version.
        """
        return self._stored.manifest(self.full(version)).files

    def full(self, version: str) -> str:
        """A version from its first characters.

        Raises:
            NotFound: none begins so.
            InvalidInput: several do, or it is too short to say.
        """
        if not 8 <= len(version) <= 64 or set(version) - set("0123456789abcdef"):
            raise InvalidInput("a version is 8 to 64 characters of 0-9 and a-f", version=version[:80])  # fmt: skip
        if len(version) == 64:
            return version
        found = self._stored.versions(version)
        if len(found) > 1:
            raise InvalidInput(f"several versions begin with {version!r}", version=version)
        if not found:
            raise NotFound(f"no model has the version {version!r}", version=version)
        return found[0]

    def pin(self, name: str, version: str) -> State:
        """Serve that version until `unpin`, whatever is published.

        Raises:
            NotFound: the name never had that version, or it was collected.
        """
        version = self.full(version)

        def pinned(before: State | None) -> State | None:
            if before is None or all(s.version != version for s in self.history(name)):
                raise NotFound(f"{name!r} has no version {version[:12]}", name=name)
            self._stored.manifest(version)
            return None if before.pinned == version else before.with_pin(version)

        return self._changed(name, pinned)

    def unpin(self, name: str) -> State:
        """Serve the newest version again."""

        def unpinned(before: State | None) -> State | None:
            if before is None or before.pinned is None:
                return None
            return before.with_pin(None)

        return self._changed(name, unpinned)

    def rollback(self, name: str) -> State:
        """Go back to the version before the current one; again, to the one before that.

        Raises:
            NotFound: there is none before it any more.
            Conflict: the name is pinned.
        """

        def back(before: State | None) -> State | None:
            if before is None:
                return None
            if before.pinned is not None:
                raise Conflict(f"{name!r} is pinned: salient models unpin {name}", name=name)
            return before.rolled_back(self._before(name, before.version))

        return self._changed(name, back)

    def gc(self, *, keep: int = 3, min_age_s: float = 86400.0) -> Swept:
        """Remove versions from the store that nobody can want, and files that no version has.

        What stays: what a name stands for, what is pinned, the last `keep` versions of each name,
        what a live process of any machine holds, and all that is younger than `min_age_s`.
        Caches of machines clean themselves.

        Raises:
            Corrupt: a manifest cannot be read; no files were removed.
            TimedOut: somebody was publishing all the time, or the store was too slow.
        """
        if keep < 1 or min_age_s < 0:
            raise InvalidInput("at least the last version is kept, and ages are not negative")

        def in_use() -> set[str]:
            here = {v for v in self._cache.versions() if self._cache.in_use(v)}
            return here | self._holds.held()

        with self._alone() as lease:
            swept = sweep(
                self._blobs, self._history, in_use, lease.renew, keep=keep, min_age_s=min_age_s
            )
        _log.info("model.collected", versions=len(swept.versions), n_files=swept.files, size_bytes=swept.size_bytes)  # fmt: skip
        return swept

    def verify(self, name: str, version: str | None = None) -> tuple[list[str], list[str]]:
        """Read every byte of a version in the store and in this machine's cache.

        What is damaged here is fetched again when it is next opened.

        Returns:
            The damaged files in the store, and those here.
        """
        wanted = self.state(name).served if version is None else self.full(version)
        return self._stored.damaged(self._stored.manifest(wanted)), self._cache.damaged(wanted)

    def messages(self, name: str) -> Subscription | None:
        """Announcements of changes of a name; None where the key-value store carries none.

        The caller closes it.
        """
        if self._kv is None or PUBSUB not in self._kv.features:
            return None
        try:
            return self._kv.subscribe(histories.channel(histories.checked(name)))
        except Unavailable as error:
            _log.warning("model.not_listening", model=name, reason=error.message)
            return None

    def close(self) -> None:
        """Say no more what is held; open models stay open."""
        self._holds.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def _opened(self, name: str, version: str) -> Model:
        self._holds.add(version)
        try:
            hold = self._cache.hold(version, self._stored)
        except BaseException:
            self._holds.drop(version)
            raise
        return Model(name, hold, partial(self._holds.drop, version))

    def _changed(self, name: str, step: histories.Step) -> State:
        histories.checked(name)
        with self._alone():
            state = self._history.change(name, step)
        if state is None:
            raise NotFound(f"no model is called {name!r}", name=name)
        return state

    def _before(self, name: str, version: str) -> State:
        for state in self._history.line(name):
            if state.version != version and self._stored.versions(state.version):
                return state
        raise NotFound(f"{name!r} has no version before {version[:12]}", name=name)

    @contextmanager
    def _alone(self) -> Iterator[Lease]:
        """While it lasts no one else, anywhere, commits or collects."""
        if self._kv is None:
            raise Unsupported("this registry has no key-value store: it only reads")
        with self._kv.lock(_LOCK, ttl_s=_LOCK_S, wait_s=_LOCK_S) as lease:
            yield lease


def _published(version: str, before: State | None) -> State | None:
    if before is None:
        return State.first(version)
    return None if before.version == version else before.published(version)


__all__ = ["CACHE_BYTES", "PREFIX", "Current", "File", "Manifest", "Model", "Registry", "State", "Swept"]  # fmt: skip
