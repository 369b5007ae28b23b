"""Keeps what each officer does about an alert, what his phone heard of it, and everything that happened to the alert."""

from __future__ import annotations

revision = "0013"
down_revision = "0012"
branch_labels = None
depends_on = None


def upgrade() -> None:
    pass


def downgrade() -> None:
    pass
