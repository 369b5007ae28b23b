"""Sees to it that a pole that falls silent, sticks, loses power, is opened or goes untested reaches a person, once.

Each turn compares what poles said with what people were told. What has begun or ended since becomes a notice to the
station's staff, one for all its poles, and a line in each pole's story.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final
from uuid import UUID

import structlog
from uuid_utils.compat import uuid7

from patrol.notices import NewNotice, post_notice
from patrol.sos.post_log import PostEvent, note_posts
from storage.database import Connection, Database
from storage.job_turns import Every
from storage.post_health import END_EXPIRED_MUTES, JUDGE_POSTS, KEEP_STATES
from storage.principal import Role, system
from storage.vocabulary import NoticeSeverity, PostEventKind

log = structlog.get_logger(__name__)

WATCH: Final = "sos.watch_posts"
SCHEDULES: Final = (Every(WATCH, timedelta(seconds=20)),)

PRESSED_TOO_LONG: Final = timedelta(seconds=60)
PRESSED_TOO_OFTEN: Final = 30
"""Presses in ten minutes. A frightened person presses often too: people are told, and decide."""

LOWEST_CHARGE: Final = 20
"""Per cent."""

_HOLDS = timedelta(days=1)

_WORKER = system("posts")


@dataclass(frozen=True, slots=True)
class Change:
    """One kind of trouble: how it shows in what is judged, and what begins and ends with it."""

    before: str
    now: str
    begins: PostEventKind
    ends: PostEventKind


_CHANGES: Final = (
    Change("was_silent", "silent", PostEventKind.SILENT, PostEventKind.BACK),
    Change("was_stuck", "stuck", PostEventKind.BUTTON_STUCK, PostEventKind.BUTTON_FREE),
    Change("was_powerless", "powerless", PostEventKind.POWER_LOST, PostEventKind.POWER_BACK),
    Change("was_tampered", "tampered", PostEventKind.TAMPERED, PostEventKind.TAMPER_OVER),
)

_WORDS: Final[Mapping[PostEventKind, tuple[NoticeSeverity, str, str]]] = {
    PostEventKind.SILENT: (
        NoticeSeverity.URGENT,
        "SOS pole silent: its button may not work",
        "เสา SOS ขาดการติดต่อ ปุ่มอาจใช้งานไม่ได้",
    ),
    PostEventKind.BACK: (
        NoticeSeverity.INFO,
        "SOS pole speaks again",
        "เสา SOS กลับมาติดต่อได้แล้ว",
    ),
    PostEventKind.BUTTON_STUCK: (
        NoticeSeverity.URGENT,
        "SOS pole's button seems stuck: look there, and mute it only then",
        "ปุ่มเสา SOS อาจค้าง โปรดไปตรวจสอบก่อนปิดเสียง",
    ),
    PostEventKind.BUTTON_FREE: (
        NoticeSeverity.INFO,
        "SOS pole's button is well again",
        "ปุ่มเสา SOS กลับมาปกติแล้ว",
    ),
    PostEventKind.POWER_LOST: (
        NoticeSeverity.WARNING,
        "SOS pole without mains power",
        "เสา SOS ไฟฟ้าดับหรือแบตเตอรี่ต่ำ",
    ),
    PostEventKind.POWER_BACK: (
        NoticeSeverity.INFO,
        "SOS pole has power again",
        "เสา SOS มีไฟฟ้าแล้ว",
    ),
    PostEventKind.TAMPERED: (
        NoticeSeverity.URGENT,
        "SOS pole was opened or moved",
        "เสา SOS ถูกเปิดหรือเคลื่อนย้าย",
    ),
    PostEventKind.TAMPER_OVER: (
        NoticeSeverity.INFO,
        "SOS pole is closed again",
        "เสา SOS ถูกปิดเรียบร้อยแล้ว",
    ),
    PostEventKind.UNMUTED: (
        NoticeSeverity.INFO,
        "SOS pole's button calls people again",
        "ปุ่มเสา SOS กลับมาแจ้งเหตุตามปกติแล้ว",
    ),
    PostEventKind.TEST_OVERDUE: (
        NoticeSeverity.WARNING,
        "SOS pole is due for a test press",
        "เสา SOS ถึงกำหนดทดสอบปุ่ม",
    ),
}


@dataclass(frozen=True, slots=True)
class PostNews:
    """A notice that was posted to a station's staff; `scope_id` is whom to poke."""

    station_id: UUID
    scope_id: UUID
    notice_id: UUID
    severity: NoticeSeverity


async def watch_posts(database: Database, now: datetime) -> list[PostNews]:
    """One turn: writes down what began and ended, and tells the staff of each station."""
    async with database.write(_WORKER, Role.SYSTEM) as connection:
        await connection.execute(KEEP_STATES)
        # The few presses that wait for these rows wait for this transaction only, which asks nobody else.
        rows = await connection.fetch(
            JUDGE_POSTS, now, PRESSED_TOO_LONG, PRESSED_TOO_OFTEN, LOWEST_CHARGE
        )
        happened = [(row, kind) for row in rows for kind in _kinds(row)]
        happened += [
            (row, PostEventKind.UNMUTED) for row in await connection.fetch(END_EXPIRED_MUTES, now)
        ]
        await note_posts(
            connection, [PostEvent(row["post_id"], kind, now) for row, kind in happened]
        )
        news = await _tell(connection, happened, now)
    for row, kind in happened:
        log.warning("sos_post", kind=kind.value, post=row["code"], post_id=str(row["post_id"]))
    return news


def _kinds(row: Mapping[str, Any]) -> list[PostEventKind]:
    found = [
        change.begins if row[change.now] else change.ends
        for change in _CHANGES
        if row[change.before] != row[change.now]
    ]
    if row["overdue"] and row["overdue_untold"]:
        found.append(PostEventKind.TEST_OVERDUE)
    return found


async def _tell(
    connection: Connection,
    happened: Sequence[tuple[Mapping[str, Any], PostEventKind]],
    now: datetime,
) -> list[PostNews]:
    """One notice for each station and kind, however many poles a cut line has silenced."""
    told: dict[tuple[UUID, PostEventKind], list[Mapping[str, Any]]] = defaultdict(list)
    for row, kind in happened:
        told[row["station_id"], kind].append(row)
    news = []
    for (station, kind), rows in told.items():
        severity, title, title_th = _WORDS[kind]
        notice = NewNotice(
            uuid7(),
            severity,
            title,
            _listed(rows, "name"),
            title_th=title_th,
            body_th=_listed(rows, "name_th"),
            expires_at=now + _HOLDS,
        )
        scope = await post_notice(connection, station, notice, None)
        news.append(PostNews(station, scope, notice.id, severity))
    return news


def _listed(rows: Sequence[Mapping[str, Any]], name: str) -> str:
    lines = [f"{row['code']} {row[name]}" for row in rows[:30]]
    more = len(rows) - len(lines)
    return "\n".join([*lines, *([f"+ {more}"] if more > 0 else [])])
