"""A function that can be done elsewhere as well: here, in other processes, on other machines.

    @parallel
    def count(text: str) -> int: ...

    count("one two")                            # here and now, as ever
    with count.on("processes:4") as elsewhere:
        for n in elsewhere.map(texts): ...      # texts may be a generator of millions
        future = elsewhere.delay("one two")     # concurrent.futures.Future

Processes of this machine are given arguments, and give results, as they are. On a queue both cross as
JSON, and the function's hints say what arrives: dates, dataclasses, and what else msgspec knows; without
hints, what JSON has.
"""

from __future__ import annotations

import functools
import inspect
import threading
from collections.abc import Callable, Generator, Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import closing
from types import TracebackType
from typing import Any, Generic, ParamSpec, Self, TypeVar, cast, get_type_hints, overload

import msgspec

from salient import log
from salient.errors import Error, InvalidInput, Unavailable
from salient.work import Done, Failed, Item, Lost, Place, Pool, Recipe, handler

P = ParamSpec("P")
R = TypeVar("R")
T = TypeVar("T")

_log = log.get(__name__)

_AT_ONCE = 32  # calls of `delay` that are watched at once; more wait in this process
_ATTEMPTS = 3  # of a call that kills its workers

Opener = Callable[[str | None], Pool]
"""Opens the pool of a URL, or for None that of the settings."""


class Function(Generic[P, R]):
    """A function of a module that workers can import. Call it as before, or `on` a pool."""

    def __init__(self, function: Callable[P, R], opener: Opener, *, once: bool) -> None:
        if not inspect.isfunction(function):
            raise InvalidInput(
                f"{function!r} is no function that workers could import by its name: write one that calls it"
            )
        name, module = function.__qualname__, function.__module__
        if module == "__main__" or "<" in name:
            raise InvalidInput(
                f"workers cannot import {name!r}: write it at the top level of a module other than the script that is run"
            )
        self._signature = inspect.signature(function)
        parameters = self._signature.parameters.values()
        if any(p.kind in (p.KEYWORD_ONLY, p.VAR_KEYWORD) for p in parameters):
            raise InvalidInput(
                f"{name!r} takes arguments by name only, which cannot be sent: let it take them in order"
            )
        functools.update_wrapper(self, function)
        self._function: Callable[P, R] = function
        self._opener = opener
        self._once = once
        factory = cast("Any", functools.partial(_Calls, function))
        factory.__module__, factory.__qualname__ = module, name
        value, result = _hinted(function, self._signature)
        handler(value=value, result=result, once=once)(factory)
        self.recipe = Recipe.of(factory)

    def __call__(self, *args: P.args, **kwargs: P.kwargs) -> R:
        return self._function(*args, **kwargs)

    def on(self, url: str | None = None) -> Elsewhere[P, R]:
        """The function as workers do it; without a URL, those of the setting `work.on`.

        Raises:
            Misconfigured: the URL names no pool.
        """
        return Elsewhere(self._opener(url), self.recipe, self._in_order, once=self._once)

    def _in_order(self, args: tuple[Any, ...], kwargs: dict[str, Any]) -> tuple[Any, ...]:
        """Arguments as they are sent: by position, defaults filled in."""
        if not kwargs and len(args) == len(self._signature.parameters):
            return args
        try:
            bound = self._signature.bind(*args, **kwargs)
        except TypeError as exc:
            raise InvalidInput(f"{self.recipe.name}: {exc}") from exc
        bound.apply_defaults()
        return bound.args


def _hinted(function: Callable[..., Any], signature: inspect.Signature) -> tuple[Any, Any]:
    """Types of arguments and result as they are read from JSON; Any where JSON cannot tell."""
    hints = get_type_hints(function)
    parameters = list(signature.parameters.values())
    value: Any = list[Any]
    if not any(p.kind is p.VAR_POSITIONAL for p in parameters):
        value = tuple[tuple(_readable(hints.get(p.name, Any)) for p in parameters)]  # type: ignore[misc] # made of what the function says
    return value, _readable(hints.get("return", Any))


def _readable(hint: Any) -> Any:
    try:
        msgspec.json.Decoder(list[hint | None])
    except TypeError:
        return Any
    return hint


class _Calls:
    """What a worker makes of a function."""

    def __init__(self, function: Callable[..., Any], _: Any, __: Place) -> None:
        self._function = function

    def __call__(self, value: Sequence[Any]) -> Any:
        try:
            return self._function(*value)
        except Error:
            raise
        except Exception as exc:  # a function of somebody else's: its fault is that call's result
            name = self._function.__qualname__
            _log.exception("call.failed", function=name)
            raise InvalidInput(
                f"{name} raised {type(exc).__name__}: {exc}", exception=type(exc).__name__
            ) from exc

    def close(self) -> None:
        pass


class _Numbered(Item):
    """An item, which of them all it is, and how many workers it has killed."""

    number: int = 0
    killed: int = 0


class Elsewhere(Generic[P, R]):
    """Calls that a pool does. Threads may share one; close it, or use it as a context manager."""

    def __init__(
        self,
        pool: Pool,
        recipe: Recipe,
        value: Callable[[tuple[Any, ...], dict[str, Any]], Any],
        returned: Callable[[Any], R] | None = None,
        *,
        once: bool,
        given_up: Callable[[Any, Error, int], object] | None = None,
    ) -> None:
        """Use `Function.on`, or `salient.parallel`.

        Args:
            value: makes an item's value of arguments by position and by name.
            returned: makes a result of what the handler returned, if that is not it.
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
        value = self._value(args, kwargs)
        return watchers.submit(self._one, value)

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
        made = (self._value((value,), {}) for value in values)
        with closing(self._results(made, urgent=False)) as results:
            for _, result in _in_order(results) if ordered else results:
                try:
                    value = result()
                except Error as error:
                    if not errors:
                        raise
                    value = error
                yield value

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

    def _one(self, value: Any) -> Any:
        ((_, result),) = self._results([value], urgent=True)
        return result()

    def _results(
        self, values: Iterable[Any], *, urgent: bool
    ) -> Generator[tuple[int, Callable[[], Any]]]:
        """(number of the value, what gives its result or raises its error), as they come."""
        again: list[_Numbered] = []
        returned = self._returned
        items: Iterable[Item] = (_Numbered(value, number=n) for n, value in enumerate(values))
        while True:
            with closing(self.pool.run(self._recipe, items, urgent=urgent)) as ends:
                for end in ends:
                    item = cast("_Numbered", end.item)
                    if isinstance(end, Done):
                        yield item.number, functools.partial(returned or _same, end.result)
                        continue
                    if isinstance(end, Failed):
                        yield item.number, functools.partial(_raise, end.error)
                        continue
                    item.killed += 1
                    if item.killed < _ATTEMPTS and not self._once:
                        again.append(item)
                        continue
                    yield item.number, functools.partial(_raise, self._killed(end, item.killed))
            if not again:
                return
            items, again = again, []

    def _killed(self, end: Lost, attempts: int) -> Error:
        error = Unavailable(f"{self._recipe.name} killed its worker {attempts} times: {end.reason}")
        if self._given_up is not None:
            self._given_up(end.item.value, error, attempts)
        return error


def _same(value: Any) -> Any:
    return value


def _raise(error: Error) -> Any:
    raise error


def _in_order(results: Iterator[tuple[int, T]]) -> Iterator[tuple[int, T]]:
    early: dict[int, T] = {}
    turn = 0
    for n, result in results:
        early[n] = result
        while turn in early:
            yield turn, early.pop(turn)
            turn += 1
