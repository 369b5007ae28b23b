"""Refresh tokens that need no storage: the session counts them, and a MAC proves that we made the one that is shown."""

from __future__ import annotations

import hmac
import re
from dataclasses import dataclass
from uuid import UUID

from patrol.errors import RefreshTokenInvalid
from patrol.identity.phone_key import base64url
from patrol.keys import Key, KeySet

_FORM = re.compile(
    r"([0-9a-zA-Z]{1,32})\.([0-9a-f]{32})\.([1-9][0-9]{0,8})\.[A-Za-z0-9_-]{22}", re.ASCII
)


@dataclass(frozen=True, slots=True)
class RefreshToken:
    """The `generation`-th refresh token of a session."""

    session_id: UUID
    generation: int

    def written(self, keys: KeySet) -> str:
        """`kid.session.generation.mac`: the same text each time, for as long as the same key signs."""
        return _written(keys.current, self)


def read_refresh_token(keys: KeySet, text: str) -> RefreshToken:
    """What a refresh token says, once it is known to be ours.

    Raises:
        RefreshTokenInvalid: it is not ours.
    """
    parts = _FORM.fullmatch(text)
    # A retired key too, or its end would sign phones out for good. It opens nothing by itself: the phone must prove its
    # own key for this very token, and what it gets is made with the key of today.
    key = keys.get(parts[1], retired_too=True) if parts else None
    if parts is None or key is None:
        raise RefreshTokenInvalid
    token = RefreshToken(UUID(parts[2]), int(parts[3]))
    if not hmac.compare_digest(_written(key, token), text):
        raise RefreshTokenInvalid
    return token


def _written(key: Key, token: RefreshToken) -> str:
    body = f"{key.kid}.{token.session_id.hex}.{token.generation}"
    return f"{body}.{base64url(key.mac('refresh', body.encode()))}"
