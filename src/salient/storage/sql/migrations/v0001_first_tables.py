"""The first tables: documents and their ledger, mentions, names, entities, findings, decisions."""

from __future__ import annotations

import sqlalchemy as sa

from salient.storage.sql import steps

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None


def upgrade() -> None:
    steps.create_table(
        "document",
        sa.Column("id", steps.text(20), nullable=False, primary_key=True),
        sa.Column("workspace", steps.text(64), nullable=False),
        sa.Column("source_key", steps.text(), nullable=False),
        sa.Column("name", steps.text(), nullable=False),
        sa.Column("parent_id", steps.text(20), nullable=True),
        sa.Column("version", steps.fixed(64), nullable=False),
        sa.Column("media_type", steps.text(128), nullable=True),
        sa.Column("size_bytes", sa.BigInteger(), nullable=False),
        sa.Column("metadata", steps.text(), nullable=False),
        sa.Column("title", steps.text(), nullable=True),
        sa.Column("language", steps.text(8), nullable=True),
        sa.Column("document_date", steps.text(10), nullable=True),
        sa.Column("n_pages", sa.Integer(), nullable=True),
        sa.Column("n_characters", sa.Integer(), nullable=True),
        sa.Column("state", steps.text(12), nullable=False),
        sa.Column("stage", steps.text(16), nullable=True),
        sa.Column("code", steps.text(32), nullable=True),
        sa.Column("reason", steps.text(), nullable=True),
        sa.Column("notes", steps.text(), nullable=False),
        sa.Column("duplicate_of", steps.text(20), nullable=True),
        sa.Column("depth", sa.Integer(), nullable=False),
        sa.Column("attempts", sa.Integer(), nullable=False),
        sa.Column("owner", steps.text(128), nullable=True),
        sa.Column("lease_until", sa.DOUBLE_PRECISION(), nullable=True),
        sa.Column("added_at", steps.text(32), nullable=False),
        sa.Column("updated_at", steps.text(32), nullable=False),
    )
    steps.create_index("document_by_state", "document", ["workspace", "state", "id"])
    steps.create_index("document_by_version", "document", ["workspace", "version"])
    steps.create_index("document_by_parent", "document", ["parent_id"])
    steps.create_index("document_by_added", "document", ["workspace", "added_at", "id"])
    steps.create_table(
        "document_version",
        sa.Column("document_id", steps.text(20), nullable=False),
        sa.Column("version", steps.fixed(64), nullable=False),
        sa.Column("size_bytes", sa.BigInteger(), nullable=False),
        sa.Column("added_at", steps.text(32), nullable=False),
        sa.PrimaryKeyConstraint("document_id", "version"),
    )
    steps.create_table(
        "stage_run",
        sa.Column("document_id", steps.text(20), nullable=False),
        sa.Column("stage", steps.text(16), nullable=False),
        sa.Column("component", steps.text(128), nullable=False),
        sa.Column("artifact", steps.text(255), nullable=True),
        sa.Column("seconds", sa.DOUBLE_PRECISION(), nullable=False),
        sa.Column("finished_at", steps.text(32), nullable=False),
        sa.PrimaryKeyConstraint("document_id", "stage"),
    )
    steps.create_index("stage_run_by_component", "stage_run", ["stage", "component"])
    steps.create_table(
        "mention",
        sa.Column("document_id", steps.text(20), nullable=False),
        sa.Column("ordinal", sa.Integer(), nullable=False),
        sa.Column("start_at", sa.Integer(), nullable=False),
        sa.Column("end_at", sa.Integer(), nullable=False),
        sa.Column("page", sa.Integer(), nullable=True),
        sa.Column("label", steps.text(16), nullable=False),
        sa.Column("surface", steps.text(), nullable=False),
        sa.Column("score", sa.DOUBLE_PRECISION(), nullable=False),
        sa.Column("name_id", steps.text(20), nullable=False),
        sa.Column("sentence_start", sa.Integer(), nullable=False),
        sa.Column("sentence_end", sa.Integer(), nullable=False),
        sa.Column("component", steps.text(128), nullable=False),
        sa.PrimaryKeyConstraint("document_id", "ordinal"),
    )
    steps.create_index("mention_by_name", "mention", ["name_id", "document_id"])
    steps.create_table(
        "name",
        sa.Column("id", steps.text(20), nullable=False, primary_key=True),
        sa.Column("workspace", steps.text(64), nullable=False),
        sa.Column("type", steps.text(16), nullable=False),
        sa.Column("norm", steps.text(255), nullable=False),
    )
    steps.create_index("name_by_norm", "name", ["workspace", "norm"])
    steps.create_table(
        "name_document",
        sa.Column("name_id", steps.text(20), nullable=False),
        sa.Column("document_id", steps.text(20), nullable=False),
        sa.Column("n_mentions", sa.Integer(), nullable=False),
        sa.Column("surface", steps.text(), nullable=False),
        sa.Column("context", steps.text(), nullable=False),
        sa.PrimaryKeyConstraint("name_id", "document_id"),
    )
    steps.create_index("name_document_by_document", "name_document", ["document_id"])
    steps.create_table(
        "entity",
        sa.Column("id", steps.text(64), nullable=False),
        sa.Column("workspace", steps.text(64), nullable=False),
        sa.Column("type", steps.text(16), nullable=False),
        sa.Column("name", steps.text(), nullable=False),
        sa.Column("origin", steps.text(8), nullable=False),
        sa.Column("aliases", steps.text(), nullable=False),
        sa.Column("identifiers", steps.text(), nullable=False),
        sa.Column("properties", steps.text(), nullable=False),
        sa.Column("n_mentions", sa.Integer(), nullable=False),
        sa.Column("n_documents", sa.Integer(), nullable=False),
        sa.PrimaryKeyConstraint("workspace", "id"),
    )
    steps.create_index("entity_by_size", "entity", ["workspace", "n_mentions"])
    steps.create_table(
        "entity_alias",
        sa.Column("workspace", steps.text(64), nullable=False),
        sa.Column("norm", steps.text(255), nullable=False),
        sa.Column("entity_id", steps.text(64), nullable=False),
        sa.Column("surface", steps.text(), nullable=False),
        sa.PrimaryKeyConstraint("workspace", "norm", "entity_id"),
    )
    steps.create_table(
        "name_entity",
        sa.Column("name_id", steps.text(20), nullable=False, primary_key=True),
        sa.Column("workspace", steps.text(64), nullable=False),
        sa.Column("entity_id", steps.text(64), nullable=False),
        sa.Column("score", sa.DOUBLE_PRECISION(), nullable=False),
        sa.Column("method", steps.text(32), nullable=False),
    )
    steps.create_index("name_entity_by_entity", "name_entity", ["workspace", "entity_id"])
    steps.create_table(
        "finding",
        sa.Column("document_id", steps.text(20), nullable=False),
        sa.Column("ordinal", sa.Integer(), nullable=False),
        sa.Column("workspace", steps.text(64), nullable=False),
        sa.Column("subject_name", steps.text(20), nullable=False),
        sa.Column("predicate", steps.text(64), nullable=False),
        sa.Column("object_name", steps.text(20), nullable=True),
        sa.Column("object_value", steps.text(), nullable=True),
        sa.Column("qualifiers", steps.text(), nullable=False),
        sa.Column("start_at", sa.Integer(), nullable=False),
        sa.Column("end_at", sa.Integer(), nullable=False),
        sa.Column("page", sa.Integer(), nullable=True),
        sa.Column("quote", steps.text(), nullable=False),
        sa.Column("component", steps.text(128), nullable=False),
        sa.Column("confidence", sa.DOUBLE_PRECISION(), nullable=False),
        sa.PrimaryKeyConstraint("document_id", "ordinal"),
    )
    steps.create_index("finding_by_subject", "finding", ["subject_name"])
    steps.create_index("finding_by_object", "finding", ["object_name"])
    steps.create_index("finding_by_predicate", "finding", ["workspace", "predicate"])
    steps.create_table(
        "decision",
        sa.Column("id", steps.text(20), nullable=False, primary_key=True),
        sa.Column("workspace", steps.text(64), nullable=False),
        sa.Column("sequence", sa.Integer(), nullable=False),
        sa.Column("verb", steps.text(16), nullable=False),
        sa.Column("subjects", steps.text(), nullable=False),
        sa.Column("value", steps.text(), nullable=True),
        sa.Column("person", steps.text(128), nullable=False),
        sa.Column("reason", steps.text(), nullable=True),
        sa.Column("made_at", steps.text(32), nullable=False),
    )
    steps.create_index("decision_in_order", "decision", ["workspace", "sequence"], unique=True)


def downgrade() -> None:
    steps.drop_table("decision")
    steps.drop_table("finding")
    steps.drop_table("name_entity")
    steps.drop_table("entity_alias")
    steps.drop_table("entity")
    steps.drop_table("name_document")
    steps.drop_table("name")
    steps.drop_table("mention")
    steps.drop_table("stage_run")
    steps.drop_table("document_version")
    steps.drop_table("document")
