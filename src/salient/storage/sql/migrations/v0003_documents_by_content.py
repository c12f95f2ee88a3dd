"""Documents by their content in the order they came: a twin is found without looking at all others."""

from __future__ import annotations

from salient.storage.sql import steps

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None


def upgrade() -> None:
    steps.create_index(
        "document_by_content", "document", ["version", "workspace", "added_at", "id"]
    )
    steps.create_index("document_by_twin", "document", ["duplicate_of"])
    steps.drop_index("document_by_version", "document")


def downgrade() -> None:
    steps.create_index("document_by_version", "document", ["workspace", "version"])
    steps.drop_index("document_by_twin", "document")
    steps.drop_index("document_by_content", "document")
