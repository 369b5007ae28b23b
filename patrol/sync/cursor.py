"""The pull cursor: what a phone has, as a snapshot, signed so that it can be neither forged nor swapped."""

from __future__ import annotations

import hmac
from base64 import urlsafe_b64decode, urlsafe_b64encode
from dataclasses import dataclass
from typing import Any
from uuid import UUID

import orjson

from patrol.keys import KeySet


class CursorRefused(Exception):
    """The cursor cannot be honoured; `reason` is told to the phone with the reset."""

    def __init__(self, reason: str) -> None:
        self.reason = reason
        super().__init__(reason)


@dataclass(frozen=True, slots=True)
class Done:
    """A state that a phone has completely: everything visible at `snapshot`, of these scopes, in these shapes."""

    snapshot: str
    scopes: str
    shapes: str


@dataclass(frozen=True, slots=True)
class Pass:
    """A walk that is under way from `Cursor.done` to the state `until`; `part` and `after` say how far it came.

    `part` is None at the beginning. `after` is (sync_xid, id) of the last row that was given of the part. `filled` when
    this walk or the one before it filled anything, so that its end is worth a check.
    """

    until: str
    scopes: str
    shapes: str
    part: str | None
    after: tuple[str, str] | None
    filled: bool = False


@dataclass(frozen=True, slots=True)
class Cursor:
    """What a phone has, and where it is on the way to more."""

    epoch: UUID
    done: Done | None
    walk: Pass | None


def sign(cursor: Cursor, keys: KeySet, *, holder: UUID) -> str:
    """The opaque text of a cursor, bound to the officer who holds it."""
    key = keys.current
    body = orjson.dumps(
        [
            str(cursor.epoch),
            None if cursor.done is None else _fields(cursor.done),
            None if cursor.walk is None else _fields(cursor.walk),
        ]
    )
    mac = key.mac("cursor", holder.bytes + body)
    return f"{key.kid}.{_text(mac)}.{_text(body)}"


def read(text: str, keys: KeySet, *, holder: UUID) -> Cursor:
    """The cursor of a text.

    Raises:
        CursorRefused: forged, damaged, of another officer, or signed by a retired key.
    """
    try:
        kid, mac, body = text.split(".")
        raw = _bytes(body)
        key = keys.get(kid)
        if key is None or not hmac.compare_digest(
            key.mac("cursor", holder.bytes + raw), _bytes(mac)
        ):
            raise CursorRefused("CURSOR_INVALID")
        epoch, done, walk = orjson.loads(raw)
        return Cursor(
            UUID(epoch),
            None if done is None else Done(*done),
            None if walk is None else _pass(*walk),
        )
    except (ValueError, TypeError, IndexError) as error:
        raise CursorRefused("CURSOR_INVALID") from error


def _pass(
    until: str, scopes: str, shapes: str, part: str | None, after: Any, filled: bool = False
) -> Pass:
    # A cursor of an older release has fewer fields, and stays good.
    return Pass(until, scopes, shapes, part, after and (after[0], after[1]), filled)


def xmin(snapshot: str) -> str:
    """The transaction of a snapshot below which all were finished."""
    return snapshot.split(":")[0]


def xmax(snapshot: str) -> int:
    """The first transaction that a snapshot knows nothing of."""
    return int(snapshot.split(":")[1])


def _fields(part: Done | Pass) -> list[Any]:
    return [getattr(part, name) for name in part.__slots__]


def _text(raw: bytes) -> str:
    return urlsafe_b64encode(raw).decode().rstrip("=")


def _bytes(text: str) -> bytes:
    return urlsafe_b64decode(text + "=" * (-len(text) % 4))
