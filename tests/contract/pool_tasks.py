"""What the suite of pools has workers do."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime
from enum import Enum
from pathlib import Path
from typing import Any

from salient import errors
from salient.work import Place, handler

ALLOWED = __name__


class Each:
    """A handler of a plain function."""

    def __init__(self, function: Callable[[Any], Any]) -> None:
        self._function = function

    def __call__(self, value: Any) -> Any:
        return self._function(value)

    def close(self) -> None:
        pass


class Colour(Enum):
    RED = "red"
    BLUE = "blue"


@dataclass(frozen=True)
class Line:
    what: str
    amounts: dict[str, float]


@dataclass(frozen=True)
class Order:
    name: str
    day: date
    at: datetime | None
    colour: Colour
    lines: tuple[Line, ...] = ()
    parent: Order | None = None


ORDERS = [
    Order("a", date(2024, 2, 29), None, Colour.RED),
    Order(
        "żółć 👩‍🔬 \x00", date(1, 1, 1), datetime(2024, 5, 1, 12, 30, 1, 999, UTC), Colour.BLUE,
        (Line("", {}), Line("x", {"é": 1.5})), Order("p", date(9999, 12, 31), None, Colour.RED),
    ),
]  # fmt: skip


@handler(value=Order, result=Order)
def orders(setup: Any, place: Place) -> Each:
    """Each order with another name and a year."""
    return Each(lambda order: replace(order, name=order.name[::-1]))


@handler(value=dict[str, Any])
def deeds(setup: Any, place: Place) -> Each:
    """Does what the value says: {"do": DEED, …}."""
    return Each(lambda value: DEEDS[value["do"]](value))


@handler(value=dict[str, Any], once=True)
def deeds_once(setup: Any, place: Place) -> Each:
    """The same, for what does harm when it is done twice."""
    return Each(lambda value: DEEDS[value["do"]](value))


def echo(value: Any) -> Any:
    return value.get("x")


def die(value: Any) -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def leave(value: Any) -> None:
    os._exit(7)


def hang(value: Any) -> None:
    while True:
        time.sleep(60)


def refuse(value: Any) -> None:
    raise errors.tree()[value["code"]](value["message"], value["context"])


def note(value: Any) -> Any:
    """Write down that this was done; as one write, since several processes do so."""
    with Path(value["file"]).open("ab", buffering=0) as file:
        file.write(f"{value['x']}\n".encode())
    return value["x"]


def note_and_die(value: Any) -> None:
    note(value)
    die(value)


def wait(value: Any) -> Any:
    """Not before a file is there."""
    note(value)
    while not Path(value["gate"]).exists():
        time.sleep(0.01)
    return value["x"]


DEEDS: dict[str, Callable[[Any], Any]] = {
    deed.__name__: deed for deed in (echo, die, leave, hang, refuse, note, note_and_die, wait)
}


@handler(value=dict[str, Any])
def unmade(setup: Any, place: Place) -> Each:
    """Cannot be made here."""
    raise errors.Misconfigured("there is no such model here", name=setup["name"])


@handler(value=int)
def strangers(setup: Any, place: Place) -> Each:
    """For odd numbers what can neither be pickled nor is JSON."""
    return Each(lambda n: (lambda: n) if n % 2 else n)
