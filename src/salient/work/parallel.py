"""A function that can be done elsewhere as well: here, in other processes, on other machines.

    @parallel
    def count(text: str) -> int: ...

    count("one two")                            # here and now, as ever
    with count.on("processes:4") as elsewhere:
        for n in elsewhere.map(texts): ...      # texts may be a generator of millions
        future = elsewhere.delay("one two")     # concurrent.futures.Future

Arguments and results cross as JSON. What the function's hints say is what arrives: dates, dataclasses,
models of msgspec, and so on; without hints, what JSON has.
"""

from __future__ import annotations

import functools
import inspect
import threading
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from types import TracebackType
from typing import Any, Generic, ParamSpec, Self, TypeVar, cast, get_type_hints, overload

import msgspec

from salient import log
from salient.errors import Error, InvalidInput, Unavailable
from salient.work import Done, Failed, Item, Lost, Place, Pool, Recipe, handler

P = ParamSpec("P")
R = TypeVar("R")

_log = log.get(__name__)

_AT_ONCE = 32  # calls of `delay` that are watched at once; more wait in this process
_ATTEMPTS = 3  # of a call that kills its workers

Opener = Callable[[str | None], Pool]
"""Opens the pool of a URL, or for None that of the settings."""


class Call(msgspec.Struct, frozen=True):
    """Arguments, as JSON has them."""

    args: tuple[Any, ...] = ()
    kwargs: dict[str, Any] = {}


class Function(Generic[P, R]):
    """A function of a module that workers can import. Call it as before, or `on` a pool."""

    def __init__(self, function: Callable[P, R], opener: Opener, *, once: bool) -> None:
        name, module = function.__qualname__, function.__module__
        if module == "__main__" or "<" in name:
            raise InvalidInput(
                f"workers cannot import {name!r}: write it at the top level of a module other than the script that is run"
            )
        functools.update_wrapper(self, function)
        self._function = function
        self._opener = opener
        self._once = once
        hints = get_type_hints(function)
        self._result = hints.get("return", Any)
        self._hints = hints
        self._names = list(inspect.signature(function).parameters)
        factory = cast("Any", functools.partial(_Calls, self))
        factory.__module__, factory.__qualname__ = module, name
        handler(value=Call, once=once)(factory)
        self.recipe = Recipe.of(factory)

    def __call__(self, *args: P.args, **kwargs: P.kwargs) -> R:
        return self._function(*args, **kwargs)

    def on(self, url: str | None = None) -> Elsewhere[P, R]:
        """The function as workers do it; without a URL, those of the setting `work.on`.

        Raises:
            Misconfigured: the URL names no pool.
        """
        returned = functools.partial(_as_hinted, hint=self._result)
        return Elsewhere(self._opener(url), self.recipe, Call, returned, once=self._once)

    def call(self, value: Call) -> Any:
        """Do what came as JSON, and give back JSON."""
        try:
            args = [self._arrived(n, a) for n, a in zip(self._names, value.args, strict=False)]
            args += value.args[len(args) :]
            kwargs = {n: self._arrived(n, a) for n, a in value.kwargs.items()}
        except (msgspec.ValidationError, TypeError) as exc:
            raise InvalidInput(f"{self.recipe.name} cannot be called with that: {exc}") from exc
        result = cast("Callable[..., R]", self._function)(*args, **kwargs)
        return _as_json(result)

    def _arrived(self, name: str, value: Any) -> Any:
        hint = self._hints.get(name, Any)
        return value if hint is Any else msgspec.convert(value, hint)


class _Calls:
    """What a worker makes of a function."""

    def __init__(self, function: Function[Any, Any], _: Any, __: Place) -> None:
        self._function = function

    def __call__(self, value: Call) -> Any:
        try:
            return self._function.call(value)
        except Error:
            raise
        except Exception as exc:  # a function of somebody else's: its fault is that call's result
            _log.exception("call.failed", function=self._function.recipe.name)
            raise InvalidInput(
                f"{self._function.recipe.name} raised {type(exc).__name__}: {exc}",
                exception=type(exc).__name__,
            ) from exc

    def close(self) -> None:
        pass


class Elsewhere(Generic[P, R]):
    """Calls that a pool does. Threads may share one; close it, or use it as a context manager."""

    def __init__(
        self,
        pool: Pool,
        recipe: Recipe,
        value: Callable[[tuple[Any, ...], dict[str, Any]], Any],
        returned: Callable[[Any], R],
        *,
        once: bool,
        given_up: Callable[[Any, Error, int], object] | None = None,
    ) -> None:
        """Use `Function.on`, or `salient.parallel`.

        Args:
            value: makes an item's value of arguments, both as JSON.
            returned: makes a result of what the handler returned.
            once: a call is not tried again after it killed its worker.
            given_up: told of a value that killed its workers, with how many it was.
        """
        self.pool = pool
        self._recipe = recipe
        self._once = once
        self._returned = returned
        self._value = value
        self._given_up = given_up
        self._lock = threading.Lock()
        self._watchers: ThreadPoolExecutor | None = None

    def __call__(self, *args: P.args, **kwargs: P.kwargs) -> R:
        """Have it done, and wait for it."""
        return self.delay(*args, **kwargs).result()

    def delay(self, *args: P.args, **kwargs: P.kwargs) -> Future[R]:
        """Have it done soon, before what `map` sends."""
        with self._lock:
            if self._watchers is None:
                self._watchers = ThreadPoolExecutor(_AT_ONCE, thread_name_prefix="salient-delay")
            watchers = self._watchers
        value = self._made(args, kwargs)
        return watchers.submit(lambda: next(self._results([value], urgent=True))[1])

    @overload
    def map(self, values: Iterable[Any], *, ordered: bool = True) -> Iterator[R]: ...

    @overload
    def map(
        self, values: Iterable[Any], *, ordered: bool = True, errors: bool
    ) -> Iterator[R | Error]: ...

    def map(
        self, values: Iterable[Any], *, ordered: bool = True, errors: bool = False
    ) -> Iterator[R | Error]:
        """Do it with each value as its one argument; taken from a generator as workers get free.

        Args:
            ordered: results come as values went, those that are early being kept until their turn.
            errors: a call that failed gives its error instead of raising it.

        Raises:
            Error: what a call raised, once it is its turn; the rest is not done then.
            Unavailable: a call killed its workers again and again, or no store or broker answers.
        """
        made = (self._made((value,), {}) for value in values)
        results = self._results(made, urgent=False, errors=errors)
        for _, result in _in_order(results) if ordered else results:
            yield result

    def close(self) -> None:
        """Wait for what was delayed, and close the pool."""
        with self._lock:
            watchers, self._watchers = self._watchers, None
        if watchers is not None:
            watchers.shutdown()
        self.pool.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def _made(self, args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> Any:
        return self._value(_as_json(args), _as_json(dict(kwargs)))

    def _results(
        self, values: Iterable[Any], *, urgent: bool, errors: bool = False
    ) -> Iterator[tuple[int, Any]]:
        """(number of the value, result), as they come."""
        numbers: dict[int, int] = {}
        attempts: dict[int, int] = {}
        again: deque[Item] = deque()

        def items() -> Iterator[Item]:
            for n, value in enumerate(values):
                while again:
                    yield again.popleft()
                item = Item(value)
                numbers[id(item)] = n
                yield item

        rounds: Iterable[Item] = items()
        while True:
            for end in self.pool.run(self._recipe, rounds, urgent=urgent):
                key = id(end.item)
                if isinstance(end, Done):
                    attempts.pop(key, None)
                    yield numbers.pop(key), self._returned(end.result)
                    continue
                if isinstance(end, Failed):
                    error = end.error
                else:
                    attempts[key] = attempts.get(key, 0) + 1
                    if attempts[key] < _ATTEMPTS and not self._once:
                        again.append(end.item)
                        continue
                    error = self._killed(end, attempts.pop(key))
                if not errors:
                    raise error
                yield numbers.pop(key), error
            if not again:
                return
            rounds, again = list(again), deque()

    def _killed(self, end: Lost, attempts: int) -> Error:
        error = Unavailable(f"{self._recipe.name} killed its worker {attempts} times: {end.reason}")
        if self._given_up is not None:
            self._given_up(end.item.value, error, attempts)
        return error


def _in_order(results: Iterator[tuple[int, Any]]) -> Iterator[tuple[int, Any]]:
    early: dict[int, Any] = {}
    turn = 0
    for n, result in results:
        early[n] = result
        while turn in early:
            yield turn, early.pop(turn)
            turn += 1


def _as_json(value: Any) -> Any:
    try:
        return msgspec.to_builtins(value)
    except (TypeError, ValueError, RecursionError) as exc:
        raise InvalidInput(f"it cannot cross processes, since it is no JSON: {exc}") from exc


def _as_hinted(result: Any, hint: Any) -> Any:
    if hint is Any or hint is None or hint is type(None):
        return result
    try:
        return msgspec.convert(result, hint)
    except msgspec.ValidationError as exc:
        raise InvalidInput(f"the result is not what the function's hint says: {exc}") from exc
