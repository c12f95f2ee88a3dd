"""Values that several services answer with."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from salient.model import Box, Value

Limit = Annotated[int, Field(ge=1, le=1000)]
Offset = Annotated[int, Field(ge=0, le=10_000_000)]
DocumentId = Annotated[str, Field(min_length=1, max_length=64)]


class Done(Value):
    """How many rows an action changed."""

    n: int


class Piece(Value):
    """A stretch of text that is wholly inside or outside each mark over it.

    Pieces are sent instead of offsets into a string, since JavaScript counts UTF-16 units. `start`
    is still a code-point offset in the canonical text. `marks` are ordinals of mentions, `hit` says
    that it is part of a search match or quote.
    """

    text: str
    start: int
    marks: tuple[int, ...] = ()
    hit: bool = False


class Quote(Value):
    """A passage or sentence with where it stands. `pieces` joined are the quoted text."""

    document_id: str
    document_name: str
    title: str | None = None
    version: str
    start: int
    end: int
    page: int | None = None
    view_page: int
    """The page of `documents.page` that shows it (1-based); equals `page` for paged formats."""
    pieces: tuple[Piece, ...]
    boxes: tuple[Box, ...] = ()

    @property
    def text(self) -> str:
        return "".join(piece.text for piece in self.pieces)


class EntityCount(Value):
    """An entity and how often it stands in what was asked about."""

    id: str
    name: str
    type: str
    n: int


class FacetValue(Value):
    """One value of a facet: `value` goes into a filter, `label` is for people."""

    value: str
    label: str
    n: int
