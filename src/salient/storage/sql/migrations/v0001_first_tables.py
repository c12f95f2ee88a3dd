"""The first tables: documents and their ledger, mentions, names, entities, findings, decisions."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "document",
        sa.Column("id", sa.String(20), nullable=False, primary_key=True),
        sa.Column("workspace", sa.String(64), nullable=False),
        sa.Column("source_key", sa.Text(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("parent_id", sa.String(20), nullable=True),
        sa.Column("version", sa.CHAR(64), nullable=False),
        sa.Column("media_type", sa.String(128), nullable=True),
        sa.Column("size_bytes", sa.BigInteger(), nullable=False),
        sa.Column("metadata", sa.Text(), nullable=False),
        sa.Column("title", sa.Text(), nullable=True),
        sa.Column("language", sa.String(8), nullable=True),
        sa.Column("document_date", sa.String(10), nullable=True),
        sa.Column("n_pages", sa.Integer(), nullable=True),
        sa.Column("n_characters", sa.Integer(), nullable=True),
        sa.Column("state", sa.String(12), nullable=False),
        sa.Column("stage", sa.String(16), nullable=True),
        sa.Column("code", sa.String(32), nullable=True),
        sa.Column("reason", sa.Text(), nullable=True),
        sa.Column("notes", sa.Text(), nullable=False),
        sa.Column("duplicate_of", sa.String(20), nullable=True),
        sa.Column("depth", sa.Integer(), nullable=False),
        sa.Column("attempts", sa.Integer(), nullable=False),
        sa.Column("owner", sa.String(128), nullable=True),
        sa.Column("lease_until", sa.DOUBLE_PRECISION(), nullable=True),
        sa.Column("added_at", sa.String(32), nullable=False),
        sa.Column("updated_at", sa.String(32), nullable=False),
    )
    op.create_index("document_by_state", "document", ["workspace", "state", "id"])
    op.create_index("document_by_version", "document", ["workspace", "version"])
    op.create_index("document_by_parent", "document", ["parent_id"])
    op.create_index("document_by_added", "document", ["workspace", "added_at", "id"])
    op.create_table(
        "document_version",
        sa.Column("document_id", sa.String(20), nullable=False),
        sa.Column("version", sa.CHAR(64), nullable=False),
        sa.Column("size_bytes", sa.BigInteger(), nullable=False),
        sa.Column("added_at", sa.String(32), nullable=False),
        sa.PrimaryKeyConstraint("document_id", "version"),
    )
    op.create_table(
        "stage_run",
        sa.Column("document_id", sa.String(20), nullable=False),
        sa.Column("stage", sa.String(16), nullable=False),
        sa.Column("component", sa.String(128), nullable=False),
        sa.Column("artifact", sa.String(255), nullable=True),
        sa.Column("seconds", sa.DOUBLE_PRECISION(), nullable=False),
        sa.Column("finished_at", sa.String(32), nullable=False),
        sa.PrimaryKeyConstraint("document_id", "stage"),
    )
    op.create_index("stage_run_by_component", "stage_run", ["stage", "component"])
    op.create_table(
        "mention",
        sa.Column("document_id", sa.String(20), nullable=False),
        sa.Column("ordinal", sa.Integer(), nullable=False),
        sa.Column("start_at", sa.Integer(), nullable=False),
        sa.Column("end_at", sa.Integer(), nullable=False),
        sa.Column("page", sa.Integer(), nullable=True),
        sa.Column("label", sa.String(16), nullable=False),
        sa.Column("surface", sa.Text(), nullable=False),
        sa.Column("score", sa.DOUBLE_PRECISION(), nullable=False),
        sa.Column("name_id", sa.String(20), nullable=False),
        sa.Column("sentence_start", sa.Integer(), nullable=False),
        sa.Column("sentence_end", sa.Integer(), nullable=False),
        sa.Column("component", sa.String(128), nullable=False),
        sa.PrimaryKeyConstraint("document_id", "ordinal"),
    )
    op.create_index("mention_by_name", "mention", ["name_id", "document_id"])
    op.create_table(
        "name",
        sa.Column("id", sa.String(20), nullable=False, primary_key=True),
        sa.Column("workspace", sa.String(64), nullable=False),
        sa.Column("type", sa.String(16), nullable=False),
        sa.Column("norm", sa.String(255), nullable=False),
    )
    op.create_index("name_by_norm", "name", ["workspace", "norm"])
    op.create_table(
        "name_document",
        sa.Column("name_id", sa.String(20), nullable=False),
        sa.Column("document_id", sa.String(20), nullable=False),
        sa.Column("n_mentions", sa.Integer(), nullable=False),
        sa.Column("surface", sa.Text(), nullable=False),
        sa.Column("context", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("name_id", "document_id"),
    )
    op.create_index("name_document_by_document", "name_document", ["document_id"])
    op.create_table(
        "entity",
        sa.Column("id", sa.String(64), nullable=False),
        sa.Column("workspace", sa.String(64), nullable=False),
        sa.Column("type", sa.String(16), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("origin", sa.String(8), nullable=False),
        sa.Column("aliases", sa.Text(), nullable=False),
        sa.Column("identifiers", sa.Text(), nullable=False),
        sa.Column("properties", sa.Text(), nullable=False),
        sa.Column("n_mentions", sa.Integer(), nullable=False),
        sa.Column("n_documents", sa.Integer(), nullable=False),
        sa.PrimaryKeyConstraint("workspace", "id"),
    )
    op.create_index("entity_by_size", "entity", ["workspace", "n_mentions"])
    op.create_table(
        "entity_alias",
        sa.Column("workspace", sa.String(64), nullable=False),
        sa.Column("norm", sa.String(255), nullable=False),
        sa.Column("entity_id", sa.String(64), nullable=False),
        sa.Column("surface", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("workspace", "norm", "entity_id"),
    )
    op.create_table(
        "name_entity",
        sa.Column("name_id", sa.String(20), nullable=False, primary_key=True),
        sa.Column("workspace", sa.String(64), nullable=False),
        sa.Column("entity_id", sa.String(64), nullable=False),
        sa.Column("score", sa.DOUBLE_PRECISION(), nullable=False),
        sa.Column("method", sa.String(32), nullable=False),
    )
    op.create_index("name_entity_by_entity", "name_entity", ["workspace", "entity_id"])
    op.create_table(
        "finding",
        sa.Column("document_id", sa.String(20), nullable=False),
        sa.Column("ordinal", sa.Integer(), nullable=False),
        sa.Column("workspace", sa.String(64), nullable=False),
        sa.Column("subject_name", sa.String(20), nullable=False),
        sa.Column("predicate", sa.String(64), nullable=False),
        sa.Column("object_name", sa.String(20), nullable=True),
        sa.Column("object_value", sa.Text(), nullable=True),
        sa.Column("qualifiers", sa.Text(), nullable=False),
        sa.Column("start_at", sa.Integer(), nullable=False),
        sa.Column("end_at", sa.Integer(), nullable=False),
        sa.Column("page", sa.Integer(), nullable=True),
        sa.Column("quote", sa.Text(), nullable=False),
        sa.Column("component", sa.String(128), nullable=False),
        sa.Column("confidence", sa.DOUBLE_PRECISION(), nullable=False),
        sa.PrimaryKeyConstraint("document_id", "ordinal"),
    )
    op.create_index("finding_by_subject", "finding", ["subject_name"])
    op.create_index("finding_by_object", "finding", ["object_name"])
    op.create_index("finding_by_predicate", "finding", ["workspace", "predicate"])
    op.create_table(
        "decision",
        sa.Column("id", sa.String(20), nullable=False, primary_key=True),
        sa.Column("workspace", sa.String(64), nullable=False),
        sa.Column("sequence", sa.Integer(), nullable=False),
        sa.Column("verb", sa.String(16), nullable=False),
        sa.Column("subjects", sa.Text(), nullable=False),
        sa.Column("value", sa.Text(), nullable=True),
        sa.Column("person", sa.String(128), nullable=False),
        sa.Column("reason", sa.Text(), nullable=True),
        sa.Column("made_at", sa.String(32), nullable=False),
    )
    op.create_index("decision_in_order", "decision", ["workspace", "sequence"], unique=True)


def downgrade() -> None:
    op.drop_table("decision")
    op.drop_table("finding")
    op.drop_table("name_entity")
    op.drop_table("entity_alias")
    op.drop_table("entity")
    op.drop_table("name_document")
    op.drop_table("name")
    op.drop_table("mention")
    op.drop_table("stage_run")
    op.drop_table("document_version")
    op.drop_table("document")
