"""The phone's copy of what its officer may see, kept by applying the pages of a pull in the contract's order."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

SUBJECTS = (
    "alerts",
    "steps",
    "stations",
    "zones",
    "posts",
    "checkpoints",
    "communities",
    "cameras",
    "officers",
    "notices",
    "incidents",
    "notes",
    "media",
    "patrols",
    "checkins",
    "duty",
)

Row = dict[str, Any]


@dataclass
class Replica:
    """Rows by subject and id. It never holds what the phone itself has not sent yet: that is in the outbox."""

    cursor: str | None = None
    rows: dict[str, dict[str, Row]] = field(
        default_factory=lambda: {subject: {} for subject in SUBJECTS}
    )
    scopes: frozenset[str] = frozenset()
    applied: dict[str, int] = field(default_factory=dict)
    complete: bool = False

    def apply(self, page: dict[str, Any]) -> int:
        """Applies one page and keeps its cursor; returns how many rows and removals it brought.

        The order is the contract's: reset (of all, of single lists), revoked scopes, removals, rows, what has expired. On a real phone all of this and the cursor
        are one transaction, so that a crash in between costs a repeated page and nothing else.
        """
        if page["reset"] is not None:
            for rows in self.rows.values():
                rows.clear()
        for subject in page["resetSubjects"]:
            self.rows[subject].clear()
        revoked = set(page["revokedScopes"])
        for rows in self.rows.values():
            for key in [key for key, row in rows.items() if row["scopeId"] in revoked]:
                del rows[key]
        for gone in page["removals"]:
            self.rows[gone["subject"]].pop(gone["id"], None)
        news = len(page["removals"]) + len(revoked)
        for subject in SUBJECTS:
            self.rows[subject].update({row["id"]: row for row in page[subject]})
            news += len(page[subject])
        now = datetime.fromisoformat(page["serverTime"])
        for key, row in list(self.rows["notices"].items()):
            if row["expiresAt"] is not None and datetime.fromisoformat(row["expiresAt"]) <= now:
                del self.rows["notices"][key]
        self.scopes = frozenset(page["scopes"])
        self.applied = {lane["lane"]: lane["appliedSequence"] for lane in page["lanes"]}
        self.complete = page["complete"]
        self.cursor = page["cursor"]
        return news

    def __len__(self) -> int:
        return sum(len(rows) for rows in self.rows.values())

    @property
    def incidents(self) -> dict[str, Row]:
        """Incidents by id."""
        return self.rows["incidents"]

    @property
    def alerts(self) -> dict[str, Row]:
        """Calls for help by id."""
        return self.rows["alerts"]
