"""Documents that say the same: sketches of texts, pairs that are copies, and their groups."""

from __future__ import annotations

import sqlalchemy as sa

from salient.storage.sql import steps

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None


def upgrade() -> None:
    steps.create_table(
        "sketch",
        sa.Column("document_id", steps.text(20), nullable=False, primary_key=True),
        sa.Column("workspace", steps.text(64), nullable=False),
        sa.Column("version", steps.fixed(64), nullable=False),
        sa.Column("waiting", sa.Integer(), nullable=False),
        sa.Column("data", steps.text(), nullable=False),
    )
    steps.create_index("sketch_waiting", "sketch", ["workspace", "waiting", "document_id"])
    steps.create_table(
        "sketch_band",
        sa.Column("workspace", steps.text(64), nullable=False),
        sa.Column("band", sa.BigInteger(), nullable=False),
        sa.Column("document_id", steps.text(20), nullable=False),
        sa.PrimaryKeyConstraint("workspace", "band", "document_id"),
    )
    steps.create_table(
        "copy_pair",
        sa.Column("workspace", steps.text(64), nullable=False),
        sa.Column("one", steps.text(20), nullable=False),
        sa.Column("other", steps.text(20), nullable=False),
        sa.Column("similarity", sa.DOUBLE_PRECISION(), nullable=False),
        sa.Column("containment", sa.DOUBLE_PRECISION(), nullable=False),
        sa.Column("why", steps.text(16), nullable=False),
        sa.PrimaryKeyConstraint("workspace", "one", "other"),
    )
    steps.create_index("copy_pair_by_other", "copy_pair", ["workspace", "other", "one"])
    steps.create_table(
        "copy_group",
        sa.Column("document_id", steps.text(20), nullable=False, primary_key=True),
        sa.Column("workspace", steps.text(64), nullable=False),
        sa.Column("first_id", steps.text(20), nullable=False),
    )
    steps.create_index(
        "copy_group_by_first", "copy_group", ["workspace", "first_id", "document_id"]
    )


def downgrade() -> None:
    for table in ("copy_group", "copy_pair", "sketch_band", "sketch"):
        steps.drop_table(table)
