"""The base of every value that crosses a process, and the evidence that every finding carries."""

from __future__ import annotations

from typing import Annotated, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator


class Value(BaseModel):
    """Base of every value that crosses a process: frozen, and no unknown fields."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class Box(Value):
    """A rectangle on a displayed page: 0..1 of its width and height, origin top left."""

    page: Annotated[int, Field(ge=1)]
    x0: float
    y0: float
    x1: float
    y1: float


class Span(Value):
    """Half-open `[start, end)` in Unicode code points of the version's canonical text."""

    start: Annotated[int, Field(ge=0)]
    end: Annotated[int, Field(ge=0)]

    @model_validator(mode="after")
    def _ordered(self) -> Self:
        if self.end < self.start:
            raise ValueError(f"span ends at {self.end} before it starts at {self.start}")
        return self


class Evidence(Span):
    """Where something was read.

    `quote` equals `text[start:end]` of the version named by `version`; `page` is 1-based and
    None for formats without pages; `component` is `name@version` of the piece that read it, or
    `person:NAME`.
    """

    document_id: str
    version: str
    page: int | None = None
    boxes: tuple[Box, ...] = ()
    quote: str
    component: str
    confidence: Annotated[float, Field(ge=0.0, le=1.0)]
