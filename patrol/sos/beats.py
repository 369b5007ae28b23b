"""Reads what poles say of themselves, in whatever words their boxes use; what cannot be read still means that they live."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, TypeVar
from urllib.parse import parse_qsl
from uuid import UUID

import orjson

from patrol.errors import PostUnknown
from patrol.sos.pressing import require_own
from storage.database import Database
from storage.post_health import KEEP_BEAT
from storage.principal import Principal
from storage.vocabulary import PostButton, PostPower

T = TypeVar("T")

_BUTTONS = {
    PostButton.OK: ("ok", "0", "false", "off", "up", "released", "normal"),
    PostButton.PRESSED: ("pressed", "1", "true", "on", "down"),
    PostButton.FAULT: ("fault", "stuck", "error", "broken"),
}
_POWERS = {
    PostPower.MAINS: ("mains", "ac", "grid", "solar", "ok", "1", "true", "on"),
    PostPower.BATTERY: ("battery", "bat", "dc", "ups"),
    PostPower.LOST: ("lost", "fail", "failing", "low", "0", "false", "off"),
}
_TAMPERED = {
    **dict.fromkeys(("1", "true", "yes", "open", "on"), True),
    **dict.fromkeys(("0", "false", "no", "closed", "ok", "off"), False),
}


@dataclass(frozen=True, slots=True)
class Beat:
    """What a pole said; None where it said nothing that is understood. Nothing said leaves what was known."""

    button: PostButton | None = None
    power: PostPower | None = None
    battery_percent: int | None = None
    tampered: bool | None = None


def read_beat(asked: Mapping[str, str], body: bytes) -> Beat:
    """A heartbeat from the address's query and a body, which may be a form or a JSON object. Raises nothing."""
    said = {**_members(body), **asked}
    words = {
        str(name).lower(): str(value).strip().lower()[:20]
        for name, value in said.items()
        if isinstance(value, str | int | float | bool)
    }
    return Beat(
        _word(words.get("button"), _BUTTONS),
        _word(words.get("power"), _POWERS),
        _percent(words.get("battery")),
        _TAMPERED.get(words.get("tamper", "")),
    )


async def beat_post(
    database: Database, principal: Principal, post_id: UUID, beat: Beat, now: datetime
) -> None:
    """Notes that a pole lives, and what it said of itself.

    Raises:
        PostUnknown: the key is not this pole's, or the pole stands no more.
    """
    require_own(principal, post_id)
    async with database.write(principal) as connection:
        kept = await connection.fetchval(
            KEEP_BEAT,
            post_id,
            now,
            beat.button and beat.button.value,
            beat.power and beat.power.value,
            beat.battery_percent,
            beat.tampered,
        )
        if kept is None:
            raise PostUnknown


def _members(body: bytes) -> dict[str, Any]:
    if body.lstrip()[:1] == b"{":
        try:
            said = orjson.loads(body)
        except orjson.JSONDecodeError:
            return {}
        return said if isinstance(said, dict) else {}
    try:
        return dict(parse_qsl(body.decode("ascii"), max_num_fields=20))
    except (UnicodeDecodeError, ValueError):
        return {}


def _word(word: str | None, meanings: Mapping[T, tuple[str, ...]]) -> T | None:
    return next((meant for meant, words in meanings.items() if word in words), None)


def _percent(word: str | None) -> int | None:
    try:
        number = round(float((word or "").rstrip("% ")))
    except (ValueError, OverflowError):
        return None
    return number if 0 <= number <= 100 else None
