"""The signed texts of a citizen's way: the code on the pole, the short visit that it opens, and the page that shows the help.

    code     post, number of its code                 hangs on the pole until it is issued anew
    visit    post, number, end, a random name         ten minutes; one call for help, however often it is sent
    watch    alert, post, end                         some hours; shows how far the help has come

Each is `<kid>.<body>.<mac>` in base64url, with a purpose of its own, so that one never passes for another. They hold ids and
times and nothing about anybody.
"""

from __future__ import annotations

import hmac
import secrets
from base64 import urlsafe_b64decode, urlsafe_b64encode
from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

from patrol.audit import audit
from patrol.errors import CitizenLinkInvalid, NotFound
from patrol.keys import Key, KeySet
from storage.database import Connection
from storage.post_health import NEXT_QR

VISIT_LASTS = timedelta(minutes=10)
WATCH_LASTS = timedelta(hours=6)

_CODE, _VISIT, _WATCH = "citizen code", "citizen visit", "citizen watch"
_SIZES = {_CODE: 18, _VISIT: 30, _WATCH: 36}


@dataclass(frozen=True, slots=True)
class Code:
    """What hangs on a pole."""

    post_id: UUID
    number: int


@dataclass(frozen=True, slots=True)
class Visit:
    """What a scanned code opened for some minutes."""

    post_id: UUID
    number: int
    name: str


@dataclass(frozen=True, slots=True)
class Watch:
    """What the one who called may look at."""

    alert_id: UUID
    post_id: UUID


def sign_post_code(key: Key, post_id: UUID, number: int) -> str:
    """The text of the code that hangs on a pole; the same each time for one key."""
    return _signed(key, _CODE, UUID(str(post_id)).bytes + number.to_bytes(2, "big"))


def read_post_code(keys: KeySet, text: str) -> Code:
    """Raises CitizenLinkInvalid: not one of ours, or signed by a key that is believed no more."""
    body = _read(keys, _CODE, text)
    return Code(UUID(bytes=body[:16]), int.from_bytes(body[16:18], "big"))


def sign_visit(keys: KeySet, code: Code, now: datetime) -> str:
    """A visit that begins now."""
    ends = int((now + VISIT_LASTS).timestamp())
    head = code.post_id.bytes + code.number.to_bytes(2, "big")
    body = head + ends.to_bytes(4, "big") + secrets.token_bytes(8)
    return _signed(keys.current, _VISIT, body)


def read_visit(keys: KeySet, text: str, now: datetime) -> Visit:
    """Raises CitizenLinkInvalid: not one of ours, or over."""
    body = _read(keys, _VISIT, text)
    _require_fresh(body[18:22], now)
    return Visit(UUID(bytes=body[:16]), int.from_bytes(body[16:18], "big"), body[22:].hex())


def sign_watch(keys: KeySet, watch: Watch, now: datetime) -> str:
    """A look at one alert for some hours."""
    ends = int((now + WATCH_LASTS).timestamp())
    body = UUID(str(watch.alert_id)).bytes + UUID(str(watch.post_id)).bytes
    return _signed(keys.current, _WATCH, body + ends.to_bytes(4, "big"))


def read_watch(keys: KeySet, text: str, now: datetime) -> Watch:
    """Raises CitizenLinkInvalid: not one of ours, or over."""
    body = _read(keys, _WATCH, text)
    _require_fresh(body[32:36], now)
    return Watch(UUID(bytes=body[:16]), UUID(bytes=body[16:32]))


async def reissue_post_code(connection: Connection, post_id: UUID) -> int:
    """Makes the codes of a pole that hang about worthless. Returns the new number.

    Raises:
        NotFound: there is no such post.
    """
    number = await connection.fetchval(NEXT_QR, post_id)
    if number is None:
        raise NotFound("There is no such SOS post.")
    await audit(connection, "post.code.reissue", post_id, number=number)
    return int(number)


def _signed(key: Key, purpose: str, body: bytes) -> str:
    return f"{key.kid}.{_text(body)}.{_text(key.mac(purpose, body))}"


def _read(keys: KeySet, purpose: str, text: str) -> bytes:
    try:
        kid, said, signed = text.split(".")
        body, mac = _bytes(said), _bytes(signed)
    except ValueError:
        raise CitizenLinkInvalid from None
    key = keys.get(kid)
    if key is None or len(body) != _SIZES[purpose]:
        raise CitizenLinkInvalid
    if not hmac.compare_digest(mac, key.mac(purpose, body)):
        raise CitizenLinkInvalid
    return body


def _require_fresh(ends: bytes, now: datetime) -> None:
    if now.timestamp() >= int.from_bytes(ends, "big"):
        raise CitizenLinkInvalid("The link is over. Scan the code on the pole again.")


def _text(raw: bytes) -> str:
    return urlsafe_b64encode(raw).decode().rstrip("=")


def _bytes(text: str) -> bytes:
    if not text.isascii() or len(text) > 100:
        raise ValueError
    return urlsafe_b64decode(text + "=" * (-len(text) % 4))
