"""Work: items that go through a handler, in this process, in others, or on other machines.

A pool is opened by URL: `inline:`, `processes:4`, `celery:redis://…`, `celery:amqp://…`,
`dask:tcp://…`. Whoever hands it items and takes results does not know which.

    pool = open_pool("processes:4", place, WorkConfig())
    for end in pool.run(Recipe.of(open_handler, {"language": "en"}), items):
        ...
"""

from __future__ import annotations

import importlib
from abc import ABC, abstractmethod
from collections.abc import Callable, Generator, Iterable
from dataclasses import dataclass
from functools import cached_property
from types import TracebackType
from typing import Any, Protocol, Self

import msgspec

from salient.errors import Error, Misconfigured
from salient.storage import urls
from salient.storage.blob import Blobs
from salient.storage.kv import KeyValue

MAIN, OCR = "salient", "salient.ocr"
"""Queues. A pool without queues works on all items alike."""

# scheme -> module that holds `open_pool(rest, place, config)`.
SCHEMES = {
    "celery": "salient.work.celery",
    "dask": "salient.work.dask",
    "inline": "salient.work.inline",
    "processes": "salient.work.processes",
}


class Item(msgspec.Struct, eq=False):
    """One thing to work on. The very object comes back with its end.

    `value` is what the handler's recipe says it takes; `cost_s` how many seconds it is expected to
    take, 0 when nobody knows: what earlier ones took is then the guess.
    """

    value: Any
    cost_s: float = 0.0
    queue: str = MAIN


class Done(msgspec.Struct, frozen=True, eq=False):
    """An item and what its handler returned."""

    item: Item
    result: Any


class Failed(msgspec.Struct, frozen=True, eq=False):
    """An item and what its handler raised."""

    item: Item
    error: Error


class Lost(msgspec.Struct, frozen=True, eq=False):
    """An item whose worker died, or hung, while it had this item alone."""

    item: Item
    reason: str


End = Done | Failed | Lost


@dataclass(frozen=True, slots=True)
class WorkConfig:
    """How pools work; the fields are those of the settings `work`."""

    beat_s: float = 15.0
    hang_s: float = 900.0
    batch_s: float = 10.0
    queue_limit: int = 1000
    modules: tuple[str, ...] = ()


class Place:
    """The stores that handlers use. Opened when first asked for; sent to other processes by URL.

    `models` is the folder where this machine's processes share models, and how many bytes it may hold.
    """

    def __init__(self, blobs: str, cache: str, models: tuple[str, int] | None = None) -> None:
        self._urls = (blobs, cache)
        self.models = models

    @cached_property
    def blobs(self) -> Blobs:
        return Blobs.open(self._urls[0])

    @cached_property
    def cache(self) -> KeyValue:
        return KeyValue.open(self._urls[1])

    def close(self) -> None:
        """Close what was opened; asked again, it opens anew."""
        for name in ("blobs", "cache"):
            store = self.__dict__.pop(name, None)
            if store is not None:
                store.close()

    def __reduce__(self) -> tuple[type[Place], tuple[str, str, tuple[str, int] | None]]:
        return Place, (*self._urls, self.models)


class Handler(Protocol):
    """Takes one item's value at a time; kept by a worker for as long as its recipe is in use."""

    def __call__(self, value: Any, /) -> Any: ...

    def close(self) -> None: ...


Factory = Callable[[Any, Place], Handler]


class Kind:
    """What a registered factory makes, and how values, results and setups are read from JSON."""

    def __init__(
        self, factory: Factory, value: Any, result: Any, setup: Any, *, once: bool
    ) -> None:
        self.factory = factory
        self.once = once
        """Whether a value may be given to the handler once only, since doing it again does harm."""
        self.setup = msgspec.json.Decoder(setup)
        self.values = msgspec.json.Decoder(list[value])
        self.results = msgspec.json.Decoder(list[result | None])


_KINDS: dict[str, Kind] = {}


def handler(
    *, value: Any = Any, result: Any = Any, setup: Any = Any, once: bool = False
) -> Callable[[Factory], Factory]:
    """Register a factory of handlers, so that workers may be asked for it by name.

    Args:
        value: type of an item's value, `result` of what the handler returns, `setup` of what the
            factory takes: JSON as msgspec reads and writes it.
    """

    def register(factory: Factory) -> Factory:
        _KINDS[_name(factory)] = Kind(factory, value, result, setup, once=once)
        return factory

    return register


@dataclass(frozen=True, slots=True)
class Recipe:
    """How a worker makes its handler: a registered factory's name, and what to give it."""

    name: str
    setup: Any = None

    @classmethod
    def of(cls, factory: Factory, setup: Any = None) -> Self:
        """The recipe of a factory that was registered with `@handler`."""
        return cls(_name(factory), setup)

    @property
    def module(self) -> str:
        """Whose import registers the factory."""
        return self.name.partition(":")[0]

    def kind(self, allowed: Iterable[str] = ()) -> Kind:
        """What was registered under the name, its module imported if it is one of ours or `allowed`.

        Raises:
            Misconfigured: nothing was, or the module is not to be imported.
        """
        module = self.module
        if self.name not in _KINDS and (module.startswith("salient.") or module in set(allowed)):
            try:
                importlib.import_module(module)
            except ImportError as exc:
                raise Misconfigured(f"the module {module!r} cannot be imported: {exc}") from exc
        if self.name not in _KINDS:
            raise Misconfigured(
                f"this worker knows no {self.name!r}: name its module in work.modules, and run the same release everywhere"
            )
        return _KINDS[self.name]


def _name(factory: Any) -> str:
    return f"{factory.__module__}:{factory.__qualname__}"


class Pool(ABC):
    """Runs items through handlers.

    What every pool promises:

    - Items are taken from their generator as workers become free, so that memory is flat.
    - Each comes back once, as `Done`, `Failed` or `Lost`, in any order.
    - A worker that dies costs nobody's item: those beside the one that killed it are done by others.
    - `Unavailable` is raised when the pool itself cannot go on.
    """

    @abstractmethod
    def run(self, recipe: Recipe, items: Iterable[Item], *, urgent: bool = False) -> Generator[End]:
        """Do all items. Closed early, it leaves the rest undone.

        Args:
            urgent: before those of others who are not.
        """

    @property
    @abstractmethod
    def slots(self) -> int:
        """How many items are worked on at once, as far as is known; at least 1."""

    def depth(self, queue: str) -> int:
        """Batches that wait in a queue; 0 of a pool that has none. Raises: Unavailable."""
        return 0

    @abstractmethod
    def close(self) -> None: ...

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()


def open_pool(url: str, place: Place, config: WorkConfig | None = None) -> Pool:
    """Open the pool that a URL names.

    Raises:
        Misconfigured: there is no such scheme, its library is not installed, or the URL is wrong.
    """
    scheme, colon, rest = url.partition(":")
    if not colon or scheme not in SCHEMES:
        raise Misconfigured(
            f"work cannot be done on {urls.shown(url)!r}: it begins with one of {', '.join(sorted(SCHEMES))}, and a colon",
        )
    try:
        module = importlib.import_module(SCHEMES[scheme])
    except ImportError as exc:
        raise Misconfigured(f"{scheme} is not installed: pip install 'salient[{scheme}]'") from exc
    pool: Pool = module.open_pool(rest, place, config or WorkConfig())
    return pool
