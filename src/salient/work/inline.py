"""Work in this process, one item after another."""

from __future__ import annotations

from collections.abc import Generator, Iterable
from typing import final

from salient.errors import Error, Misconfigured, TimedOut, Unavailable
from salient.work import Done, End, Failed, Item, Place, Pool, Recipe, WorkConfig


@final
class Inline(Pool):
    """No worker at all: what a handler does to its process, it does to this one."""

    def __init__(self, place: Place) -> None:
        self._place = place

    @property
    def slots(self) -> int:
        return 1

    def run(self, recipe: Recipe, items: Iterable[Item], *, urgent: bool = False) -> Generator[End]:
        handler = recipe.kind().factory(recipe.setup, self._place)
        try:
            for item in items:
                try:
                    result = handler(item.value)
                except Error as error:
                    if away(error):
                        raise
                    yield Failed(item, error)
                    continue
                yield Done(item, result)
        finally:
            handler.close()

    def close(self) -> None:
        """Nothing is open between runs."""


def away(error: Error) -> bool:
    """Whether a store or server is away: no item is to blame."""
    return isinstance(error, Unavailable) and not isinstance(error, TimedOut)


def open_pool(rest: str, place: Place, config: WorkConfig) -> Pool:
    """`inline:`."""
    if rest:
        raise Misconfigured("inline: takes nothing more")
    return Inline(place)
