"""A phone that is lost: what it had been given is written down, its sessions end, and it erases itself when it is heard of."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import lru_cache
from uuid import UUID

from patrol.audit import audit
from patrol.errors import BadRequest, NotFound
from patrol.identity.revocation import EndReason, end_sessions
from patrol.sync.subjects import SUBJECTS
from storage.custody import COPIED_SCOPES, ORDER_WIPE, READ_LOST
from storage.database import Connection
from storage.devices import REVOKE_DEVICE

COUNT_SECONDS = 120.0
"""Counting a station's whole history takes about a second for a million rows."""


@dataclass(frozen=True, slots=True)
class Received:
    """Rows of a subject in a scope that a phone may have copies of."""

    scope_id: UUID
    name: str | None
    subject: str
    rows: int


@dataclass(frozen=True, slots=True)
class LostPhone:
    """What is known of a lost phone. `received` is at most what it had: every row that stood in its officers' scopes
    before its sessions ended.
    """

    device_id: UUID
    platform: str
    model: str
    app_version: str | None
    last_seen_at: datetime | None
    last_pull_at: datetime | None
    officers: Sequence[str]
    received: Sequence[Received]


async def lose_device(connection: Connection, device: UUID, *, reason: str) -> LostPhone:
    """Revokes a phone, has it erase its copy when it is next heard of, and says what it had been given.

    Doing it again changes nothing and says the same. Times of pulls are noted about hourly.

    Raises:
        NotFound: there is no such phone.
        BadRequest: no reason was given.
    """
    if not reason.strip():
        raise BadRequest("Say what happened to the phone.")
    row = await connection.fetchrow(READ_LOST, device)
    if row is None:
        raise NotFound("There is no such phone.")
    received = await _received(connection, device, row["until"])
    await connection.execute(REVOKE_DEVICE, device)
    ended = await end_sessions(connection, EndReason.DEVICE_REVOKED, device_id=device)
    await connection.execute(ORDER_WIPE, device)
    await audit(
        connection,
        "device.lost",
        device,
        reason=reason.strip(),
        sessions=ended,
        officers=list(row["officers"]),
        last_pull_at=row["last_pull_at"],
        received=[
            {"scope": one.scope_id, "subject": one.subject, "rows": one.rows} for one in received
        ],
    )
    return LostPhone(
        row["id"],
        row["platform"],
        row["model"],
        row["app_version"],
        row["last_seen_at"],
        row["last_pull_at"],
        list(row["officers"]),
        received,
    )


async def _received(connection: Connection, device: UUID, until: datetime) -> list[Received]:
    names = {row["id"]: row["name"] for row in await connection.fetch(COPIED_SCOPES, device)}
    if not names:
        return []
    rows = await connection.fetch(_counts(), list(names), until, timeout=COUNT_SECONDS)
    order = {key: place for place, key in enumerate(names)}
    subjects = {subject.name: place for place, subject in enumerate(SUBJECTS)}
    rows.sort(key=lambda row: (order[row["scope_id"]], subjects[row["subject"]]))
    return [
        Received(row["scope_id"], names[row["scope_id"]], row["subject"], row["rows"])
        for row in rows
    ]


@lru_cache(maxsize=1)
def _counts() -> str:
    return " union all ".join(
        f"select '{one.name}' as subject, scope_id, count(*) as rows from {one.table.description} "  # noqa: S608 # ours
        "where scope_id = any ($1::uuid[]) and created_at <= $2 and (deleted_at is null or deleted_at > $2) group by scope_id"
        for one in SUBJECTS
    )
