"""`salient.parallel`. Light to import: workers do so for each module of functions."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING, Any, ParamSpec, TypeVar, overload

from salient.work import Pool, open_pool
from salient.work.parallel import Function

if TYPE_CHECKING:
    from salient.settings import Settings

P = ParamSpec("P")
R = TypeVar("R")


@overload
def parallel(function: Callable[P, R], *, once: bool = False) -> Function[P, R]: ...


@overload
def parallel(*, once: bool = False) -> Callable[[Callable[P, R]], Function[P, R]]: ...


def parallel(function: Any = None, *, once: bool = False) -> Any:
    """Make a function that other processes and machines can do as well; also as a decorator.

    `count.on("processes:4").map(texts)`, see `salient.work.parallel`. Its module is imported by
    workers: on those of a queue, name it in the setting `work.modules`.

    Args:
        once: doing it twice does harm, so a call whose worker died is not tried again.

    Raises:
        InvalidInput: workers could not import the function.
    """
    if function is None:
        return partial(parallel, once=once)
    return Function(function, _opened, once=once)


def url_of(given: str | None, settings: Settings) -> str:
    """The URL of the pool that calls are made on."""
    on = settings.work.on if given is None else given
    return "processes:" if on == "auto" else on


def _opened(url: str | None) -> Pool:
    from salient.app import place_of, work_config
    from salient.settings import load

    settings = load()
    return open_pool(url_of(url, settings), place_of(settings), work_config(settings))
