"""Names and titles as they compare without case: no database's LOWER is like another's."""

from __future__ import annotations

import sqlalchemy as sa

from salient.storage.sql import steps

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    # None are required: rows get them in the next step, and later ones from who writes them.
    steps.add_column("document", sa.Column("name_folded", steps.text(), nullable=True))
    steps.add_column("document", sa.Column("title_folded", steps.text(), nullable=True))
    steps.add_column("entity", sa.Column("name_folded", steps.text(), nullable=True))
    steps.add_column("entity", sa.Column("aliases_folded", steps.text(), nullable=True))
    steps.fill(
        "document", ["id"], {"name_folded": "name", "title_folded": "title"}, lambda t: t.casefold()
    )
    steps.fill(
        "entity",
        ["workspace", "id"],
        {"name_folded": "name", "aliases_folded": "aliases"},
        lambda t: t.casefold(),
    )


def downgrade() -> None:
    steps.drop_column("entity", "aliases_folded")
    steps.drop_column("entity", "name_folded")
    steps.drop_column("document", "title_folded")
    steps.drop_column("document", "name_folded")
