"""Calls that were given up, kept for people to look at: the last so many, older ones are dropped."""

from __future__ import annotations

import time
import uuid
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from itertools import islice
from typing import Any

import msgspec

from salient import log
from salient.errors import Error, InvalidInput, LimitExceeded
from salient.storage.docs import Records
from salient.work import Item, Recipe

COLLECTION = "dead_letters"
_SHOWN = 2000  # characters of an item that is no JSON


@dataclass(frozen=True, slots=True)
class DeadLetter:
    """A call that no worker could do, or that killed those who tried."""

    id: str
    at: str
    """When it was given up; ISO 8601, UTC."""
    workspace: str
    handler: str
    setup: Any
    item: Any
    """What it was called with, as JSON; where that cannot be, as text for people."""
    code: str
    message: str
    attempts: int
    worker: str | None = None
    ids: Mapping[str, str] = field(default_factory=dict)
    """What ties it to log records: `request_id`, `job_id`, `trace_id`."""

    def call(self, allowed: Iterable[str] = ()) -> tuple[Recipe, Item]:
        """What to hand to a pool to call again.

        Args:
            allowed: modules besides ours whose handlers may be imported.

        Raises:
            Misconfigured: its handler is not known here.
            InvalidInput: it was kept as text, or by a release whose values were others.
        """
        recipe = Recipe(self.handler, self.setup)
        kind = recipe.kind(allowed)
        try:
            setup = kind.setup.decode(msgspec.json.encode(self.setup))
            (value,) = kind.values.decode(msgspec.json.encode([self.item]))
        except msgspec.ValidationError as exc:
            raise InvalidInput(
                f"the call {self.id!r} cannot be made again: {exc}", id=self.id
            ) from exc
        return Recipe(self.handler, setup), Item(value)


def put(
    records: Records,
    recipe: Recipe,
    item: Any,
    error: Error,
    *,
    keep: int,
    workspace: str = "",
    attempts: int = 1,
    worker: str | None = None,
    ids: Mapping[str, str] | None = None,
) -> DeadLetter:
    """Keep a call that was given up, and drop the oldest where there are more than `keep`."""
    letter = DeadLetter(
        # By time, so that ids sort as the letters came.
        id=f"{time.time_ns():020d}-{uuid.uuid4().hex[:12]}",
        at=datetime.now(UTC).isoformat(timespec="milliseconds"),
        workspace=workspace,
        handler=recipe.name,
        setup=msgspec.to_builtins(recipe.setup, enc_hook=repr),
        item=msgspec.to_builtins(item, enc_hook=repr),
        code=error.code,
        message=error.message,
        attempts=attempts,
        worker=worker,
        ids=log.correlation() if ids is None else dict(ids),
    )
    row = {name: getattr(letter, name) for name in DeadLetter.__dataclass_fields__}
    try:
        records.put(COLLECTION, letter.id, row)
    except (InvalidInput, LimitExceeded):  # numbers that JSON has not, or too much of it
        letter = replace(letter, item=repr(item)[:_SHOWN])
        records.put(COLLECTION, letter.id, {**row, "item": letter.item})
    bound(records, keep)
    return letter


def bound(records: Records, keep: int) -> int:
    """Drop the oldest letters until there are `keep`; return how many were dropped."""
    extra = records.count(COLLECTION) - keep
    if extra <= 0:
        return 0
    oldest = records.query(COLLECTION, order="id", limit=extra)
    return records.delete_many(COLLECTION, [str(r["id"]) for r in oldest])


def find(records: Records, workspace: str, *, limit: int | None = None) -> Iterator[DeadLetter]:
    """The letters of a workspace, newest first."""
    found = records.query(COLLECTION, {"workspace": workspace}, order="-id", limit=limit)
    return (_letter(row) for row in found)


def count(records: Records, workspace: str) -> int:
    """How many letters a workspace has."""
    return records.count(COLLECTION, {"workspace": workspace})


def get_many(records: Records, workspace: str, idents: Iterable[str]) -> list[DeadLetter]:
    """Those of the letters that are there, in the order asked for."""
    found = records.get_many(COLLECTION, idents).values()
    return [_letter(row) for row in found if row.get("workspace") == workspace]


def clear(records: Records, workspace: str, idents: Iterable[str] | None = None) -> int:
    """Drop letters, or all of a workspace; return how many there were."""
    letters = (
        find(records, workspace) if idents is None else iter(get_many(records, workspace, idents))
    )
    dropped = 0
    while chunk := [letter.id for letter in islice(letters, 500)]:
        dropped += records.delete_many(COLLECTION, chunk)
    return dropped


def _letter(row: Mapping[str, Any]) -> DeadLetter:
    return DeadLetter(**{k: v for k, v in row.items() if k in DeadLetter.__dataclass_fields__})
