"""Records as Arrow columns; the one place of this front that needs pyarrow."""

from __future__ import annotations

from collections.abc import Sequence

from salient.errors import Misconfigured

try:
    import pyarrow
except ImportError as exc:
    raise Misconfigured("batches need a library: pip install 'salient[arrow]'") from exc

SCHEMA = pyarrow.schema(
    [pyarrow.field(name, pyarrow.string(), nullable=False) for name in ("id", "record")]
)


def batch(ids: Sequence[str], texts: Sequence[str]) -> pyarrow.RecordBatch:
    columns = [pyarrow.array(ids, pyarrow.string()), pyarrow.array(texts, pyarrow.string())]
    return pyarrow.record_batch(columns, schema=SCHEMA)


def same(found: pyarrow.RecordBatch) -> pyarrow.RecordBatch:
    """Columns that a database made, under our names and types."""
    return pyarrow.record_batch(
        [column.cast(pyarrow.string()) for column in found.columns], schema=SCHEMA
    )
