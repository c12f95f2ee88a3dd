"""The current version of a model in a running process: it changes without a restart."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import TracebackType
from typing import TYPE_CHECKING, Generic, Self, TypeVar, final

from salient import log
from salient.errors import Error, Unavailable
from salient.learning.registry.model import Model

if TYPE_CHECKING:
    from salient.learning.registry import Registry

_log = log.get(__name__)

T = TypeVar("T")
_SURE_EVERY = 10
_LONGEST_WAIT_S = 600.0


@final
class Current(Generic[T]):
    """What `build` makes of the current version of `name`.

    - A call that begins after a swap has the new one; calls under way keep the one they began
      with, which is closed when the last of them ends.
    - A version that cannot be fetched or built leaves the old one in use; the log says so, and it is
      tried again, ever less often.
    - A change is seen at once where the key-value store carries messages, else within `check_s`.

    Threads may share an instance. Close it before its registry.
    """

    def __init__(
        self, registry: Registry, name: str, build: Callable[[Model], T], *, check_s: float = 10.0
    ) -> None:
        """Open the current version.

        Args:
            build: called in the thread that looks for changes, when there is one.

        Raises:
            NotFound: nothing was published under that name.
            Corrupt, LimitExceeded, Unavailable: it cannot be fetched.
        """
        self._registry, self._name, self._build, self._check_s = registry, name, build, check_s
        self._lock = threading.Lock()
        self._refused: str | None = None
        # Listened to before the first look, so that no change falls between.
        self._messages = registry.messages(name)
        try:
            self._now = self._opened(registry.open(name))
        except BaseException:
            if self._messages is not None:
                self._messages.close()
            raise
        self._ended = threading.Event()
        self._thread = threading.Thread(
            target=self._watch, name=f"salient-model-{name}", daemon=True
        )
        self._thread.start()

    @property
    def version(self) -> str:
        """The version that new calls get."""
        return self._now.model.version

    @contextmanager
    def use(self) -> Iterator[T]:
        """The current one, which stays open for the block."""
        with self._lock:
            used = self._now
            used.users += 1
        try:
            yield used.value
        finally:
            self._left(used)

    def check(self, *, sure: bool = True) -> bool:
        """Look for another version now and take it over; whether there was one.

        Raises:
            Corrupt, LimitExceeded, Unavailable, …: it cannot be used; the old one stays.
        """
        state = self._registry.state(self._name, sure=sure)
        if state.served == self.version:
            return False
        fresh = self._opened(self._registry.open(self._name, state.served))
        with self._lock:
            old, self._now = self._now, fresh
            old.users += 1
        self._left(old, retire=True)
        _log.info("model.swapped", model=self._name, version=state.served)
        return True

    def close(self) -> None:
        """Stop watching; the model closes when the last call under way has ended."""
        self._ended.set()
        if self._messages is not None:
            self._messages.close()
        self._thread.join()
        with self._lock:
            self._now.users += 1
        self._left(self._now, retire=True)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def _opened(self, model: Model) -> _Opened[T]:
        try:
            return _Opened(model, self._build(model))
        except BaseException:
            model.close()
            raise

    def _left(self, used: _Opened[T], *, retire: bool = False) -> None:
        with self._lock:
            used.users -= 1
            used.retired |= retire
            last = used.retired and not used.users
        if last:
            used.model.close()

    def _watch(self) -> None:
        looks, pause_s = 0, self._check_s
        while not self._ended.is_set():
            told = self._wait(pause_s)
            if self._ended.is_set():
                return
            looks += 1
            try:
                # The copy of the pointer may have fallen behind its history, if rarely.
                self.check(sure=told or looks % _SURE_EVERY == 0)
            except Exception as error:  # whatever a builder raises, the old one serves on
                pause_s = min(pause_s * 2, _LONGEST_WAIT_S)
                self._complain(error, pause_s)
            else:
                pause_s, self._refused = self._check_s, None

    def _complain(self, error: Exception, pause_s: float) -> None:
        reason = error.message if isinstance(error, Error) else f"{type(error).__name__}: {error}"
        if reason != self._refused:
            self._refused = reason
            _log.warning(
                "model.not_swapped",
                model=self._name, kept=self.version, reason=reason, next_try_s=pause_s,
            )  # fmt: skip

    def _wait(self, seconds: float) -> bool:
        """Wait for that long, or until a change is announced; whether one was."""
        if self._messages is None:
            self._ended.wait(seconds)
            return False
        ends = time.monotonic() + seconds
        try:
            gaps = self._messages.gaps
            while (left := ends - time.monotonic()) > 0 and not self._ended.is_set():
                if self._messages.get(left) is not None or self._messages.gaps != gaps:
                    return True
        except Unavailable:  # it was closed, by us or with its store: then looking must do
            self._messages = None
        return False


@final
class _Opened(Generic[T]):
    """A version in use, and by how many calls."""

    def __init__(self, model: Model, value: T) -> None:
        self.model, self.value = model, value
        self.users = 0
        self.retired = False


__all__ = ["Current"]
