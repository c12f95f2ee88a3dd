"""Plain values that cross module boundaries. No I/O, no behaviour beyond invariants."""

from salient.model.annotations import Annotations, Spans, Strings, Tokens, spans_from
from salient.model.documents import ENDED, Document, Source, State, document_id
from salient.model.jobs import JOB_ENDED, Asked, Job, JobState
from salient.model.knowledge import Decision, Entity, Fact, Status, Verb
from salient.model.layout import (
    FURNITURE,
    Block,
    Builder,
    Cell,
    Child,
    Kind,
    Metadata,
    Note,
    Part,
    Piece,
    Text,
)
from salient.model.values import Box, Evidence, Span, Value

__all__ = [
    "ENDED",
    "FURNITURE",
    "JOB_ENDED",
    "Annotations",
    "Asked",
    "Block",
    "Box",
    "Builder",
    "Cell",
    "Child",
    "Decision",
    "Document",
    "Entity",
    "Evidence",
    "Fact",
    "Job",
    "JobState",
    "Kind",
    "Metadata",
    "Note",
    "Part",
    "Piece",
    "Source",
    "Span",
    "Spans",
    "State",
    "Status",
    "Strings",
    "Text",
    "Tokens",
    "Value",
    "Verb",
    "document_id",
    "spans_from",
]
