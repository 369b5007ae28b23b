"""Who may watch a clip: a short-lived signed link that names its reader, of whom the database is asked at every step.

A player cannot send our Authorization header with each of its requests, so the link itself says who watches. It opens one
clip, and only for as long as its reader may see that clip and his session lives.
"""

from __future__ import annotations

import hmac
import struct
from base64 import urlsafe_b64decode, urlsafe_b64encode
from binascii import Error as NotBase64
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any, Final
from uuid import UUID

from patrol.clips.playlist import Recording, recording_of
from patrol.errors import ClipUnknown, SegmentMissing, WatchLinkInvalid
from patrol.keys import KeySet
from storage.clip_segments import READ_PLAYABLE, READ_PLAYED
from storage.clips import READ_WATCHED
from storage.database import Database
from storage.principal import Principal, PrincipalKind, Role

PURPOSE: Final = "watch"
_MARK: Final = "W1"
_BODY: Final = struct.Struct(">16s16s16s16sBQ")
_NOBODY: Final = UUID(int=0)
_READERS: Final = (PrincipalKind.OFFICER, PrincipalKind.ADMIN)
"""By the number that stands in a link: a new kind goes to the end."""

_ROLES: Final[Mapping[PrincipalKind, Role]] = {
    PrincipalKind.OFFICER: Role.PHONE,
    PrincipalKind.ADMIN: Role.ADMIN,
}


def watch_key(keys: KeySet, principal: Principal, clip_id: UUID, until: datetime) -> str:
    """What a link to watch one clip by carries as `key`."""
    assert isinstance(principal.id, UUID)  # officers and administrators
    signing = keys.current
    body = _BODY.pack(
        clip_id.bytes,
        principal.id.bytes,
        (principal.credential_id or _NOBODY).bytes,
        (principal.device_id or _NOBODY).bytes,
        _READERS.index(principal.kind),
        int(until.timestamp()),
    )
    return f"{_MARK}.{signing.kid}.{_text(body)}.{_text(signing.mac(PURPOSE, body))}"


def reader_of(keys: KeySet, clip_id: UUID, key: str, now: datetime) -> Principal:
    """Who watches by a link.

    Raises:
        WatchLinkInvalid: it was not made here, is for another clip, or has expired.
    """
    try:
        mark, kid, body, mac = key.split(".")
        raw = _bytes(body)
        signing = keys.get(kid)
        if (
            mark != _MARK
            or signing is None
            or not hmac.compare_digest(signing.mac(PURPOSE, raw), _bytes(mac))
        ):
            raise WatchLinkInvalid
        clip, reader, credential, device, kind, until = _BODY.unpack(raw)
    except (ValueError, NotBase64, struct.error) as error:
        raise WatchLinkInvalid from error
    if UUID(bytes=clip) != clip_id or datetime.fromtimestamp(until, UTC) < now:
        raise WatchLinkInvalid
    return Principal(
        _READERS[kind],
        UUID(bytes=reader),
        _known(UUID(bytes=credential)),
        _known(UUID(bytes=device)),
    )


async def watched(database: Database, reader: Principal, clip_id: UUID) -> Recording:
    """A clip as its reader may see it now.

    Raises:
        ClipUnknown: there is none for him. PrincipalRevoked: he may see nothing any more.
    """
    async with database.read(_ROLES[reader.kind], reader) as entered:
        clip = await entered.connection.fetchrow(READ_WATCHED, clip_id)
        rows = await entered.connection.fetch(READ_PLAYABLE, clip_id)
    if clip is None:
        raise ClipUnknown
    return recording_of(clip, rows)


async def played(
    database: Database, reader: Principal, clip_id: UUID, sequence: int, *, init: bool
) -> tuple[str, str]:
    """Bucket and key of a segment that can be played.

    Raises:
        SegmentMissing: there is none for him.
    """
    async with database.enter(_ROLES[reader.kind], reader) as entered:
        row: Any = await entered.connection.fetchrow(READ_PLAYED, clip_id, sequence, init)
    if row is None:
        raise SegmentMissing
    return row["bucket"], row["key"]


def _known(one: UUID) -> UUID | None:
    return None if one == _NOBODY else one


def _text(raw: bytes) -> str:
    return urlsafe_b64encode(raw).decode().rstrip("=")


def _bytes(text: str) -> bytes:
    return urlsafe_b64decode(text + "=" * (-len(text) % 4))
