"""Sketches by least values: what was kept of texts before cannot be held against them, and is made anew by the next run."""

from __future__ import annotations

from salient.storage.sql import steps

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None

_TABLES = ("copy_group", "copy_pair", "sketch_band", "sketch")


def upgrade() -> None:
    for table in _TABLES:
        steps.empty(table)


def downgrade() -> None:
    for table in _TABLES:
        steps.empty(table)
