"""The phone's copy of what its officer may see, kept by applying the pages of a pull in the contract's order.

It never holds what the phone itself has not sent yet: that is in the outbox.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Any, Final, TypeAlias

from mobile_contracts.reference.store import Store

SUBJECTS: Final = (
    "alerts", "steps", "responses", "clips", "stations", "zones", "posts", "checkpoints", "communities", "cameras",
    "officers", "notices", "incidents", "notes", "media", "patrols", "checkins", "duty",
)  # fmt: skip

Row: TypeAlias = dict[str, Any]

Choice: TypeAlias = tuple[str, ...] | None
"""Lists that are pulled together, by a cursor of their own; None is all."""


def name_of(choice: Iterable[str] | None) -> str:
    """By its first list, because a later release may add lists, and goes on with the same cursor."""
    return "" if choice is None else next(iter(choice))


class Copy:
    """Rows by subject and id, of one officer."""

    def __init__(self, store: Store, officer: str) -> None:
        self.store, self.officer = store, officer

    def apply(
        self,
        page: Mapping[str, Any],
        subjects: Iterable[str] | None = None,
        *,
        begins: bool = False,
    ) -> int:
        """Applies one page; returns how many rows and removals it brought. Call it inside a transaction.

        Args:
            subjects: the lists that the pull was about, None for all: a filtered one speaks of its own only.
            begins: it was asked for without a cursor. What is deleted by now is not in it, and nobody removes it.
        """
        chosen = SUBJECTS if subjects is None else tuple(subjects)
        for subject in chosen if begins or page["reset"] is not None else page["resetSubjects"]:
            self._drop("subject = ?", subject)
        for scope in page["revokedScopes"]:
            for subject in chosen:
                self._drop("subject = ? and scope_id = ?", subject, scope)
        for gone in page["removals"]:
            self._drop("subject = ? and id = ?", gone["subject"], gone["id"])
        news = len(page["removals"]) + len(page["revokedScopes"])
        for subject in chosen:
            rows = page.get(subject, ())
            self.store.db.executemany(
                "insert or replace into copy (officer, subject, id, scope_id, rev, expires_at, content) "
                "values (?, ?, ?, ?, ?, ?, ?)",
                [
                    (
                        self.officer, subject, row["id"], row["scopeId"], row["rev"], row.get("expiresAt"),
                        json.dumps(row, ensure_ascii=False),
                    )
                    for row in rows
                ],
            )  # fmt: skip
            news += len(rows)
        self.purge(datetime.fromisoformat(page["serverTime"]))
        return news

    def purge(self, at: datetime) -> None:
        """Drops what has expired; without signal by the phone's own clock."""
        rows = self.store.db.execute(
            "select subject, id, expires_at from copy where officer = ? and expires_at is not null",
            (self.officer,),
        ).fetchall()
        for row in rows:
            if datetime.fromisoformat(row["expires_at"]) <= at:
                self._drop("subject = ? and id = ?", row["subject"], row["id"])

    def _drop(self, condition: str, *values: str) -> None:
        self.store.db.execute(
            f"delete from copy where officer = ? and {condition}",  # noqa: S608 # our own conditions
            (self.officer, *values),
        )

    def rows(self, subject: str) -> dict[str, Row]:
        """The rows of a subject by id."""
        found = self.store.db.execute(
            "select id, content from copy where officer = ? and subject = ?",
            (self.officer, subject),
        )
        return {row["id"]: json.loads(row["content"]) for row in found}

    def row(self, subject: str, key: str) -> Row | None:
        """One row."""
        found = self.store.db.execute(
            "select content from copy where officer = ? and subject = ? and id = ?",
            (self.officer, subject, key),
        ).fetchone()
        return None if found is None else json.loads(found["content"])

    def versions(self) -> list[tuple[str, str, str, int]]:
        """Subject, scope, id and rev of every row: what digests are made of."""
        return [
            tuple(row)
            for row in self.store.db.execute(
                "select subject, scope_id, id, rev from copy where officer = ?", (self.officer,)
            )
        ]

    def lose(self, subject: str, key: str) -> None:
        """Forgets one row, as a phone with a fault would; the next check must notice."""
        self._drop("subject = ? and id = ?", subject, key)

    def __len__(self) -> int:
        count: int = self.store.db.execute(
            "select count(*) from copy where officer = ?", (self.officer,)
        ).fetchone()[0]
        return count
