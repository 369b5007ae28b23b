"""Short access tokens for phones: JWT signed with EdDSA by the key set, verified once and then remembered."""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from uuid import UUID

import jwt

from patrol.errors import NotSignedIn, TokenExpired
from patrol.keys import KeySet
from storage.principal import Principal, PrincipalKind

LONGEST_TOKEN = 2048
"""Characters; a token of ours has about 400."""

_CLAIMS = ["sub", "sid", "did", "sta", "role", "iat", "exp"]
_BROKEN = "The access token is not one of ours."


@dataclass(frozen=True, slots=True)
class AccessClaims:
    """What an access token says. `role` is what it was at the last refresh: rights are asked of the database."""

    officer_id: UUID
    session_id: UUID
    device_id: UUID
    station_id: UUID
    role: str
    expires_at: datetime
    principal: Principal = field(init=False)
    """The officer, as the database is told; made once, since claims are remembered."""

    def __post_init__(self) -> None:
        officer = Principal(PrincipalKind.OFFICER, self.officer_id, self.session_id, self.device_id)
        object.__setattr__(self, "principal", officer)


class AccessTokens:
    """Issues and verifies. A verification costs 0.24 ms, so that the newest `remembered` tokens are kept by their hash.

    A remembered token is still held to its end and to its key; whether its session is good is asked of the database at
    each checkout.
    """

    def __init__(
        self,
        keys: KeySet,
        *,
        lifetime: timedelta = timedelta(minutes=10),
        remembered: int = 10_000,
    ) -> None:
        self.keys = keys
        self.lifetime = lifetime
        self._remembered = remembered
        self._verified: OrderedDict[bytes, tuple[str, AccessClaims]] = OrderedDict()

    def issue(
        self, *, officer_id: UUID, session_id: UUID, device_id: UUID, station_id: UUID, role: str
    ) -> str:
        """A token for a session that was just proven to be good."""
        now, key = datetime.now(UTC), self.keys.current
        claims = {
            "sub": str(officer_id),
            "sid": str(session_id),
            "did": str(device_id),
            "sta": str(station_id),
            "role": role,
            "iat": int(now.timestamp()),
            "exp": int((now + self.lifetime).timestamp()),
        }
        return jwt.encode(claims, key.token_key, algorithm="EdDSA", headers={"kid": key.kid})

    def verify(self, token: str) -> AccessClaims:
        """What a token of ours says.

        Raises:
            TokenExpired: it was ours; the phone should refresh.
            NotSignedIn: it is not, or its key is no longer believed.
        """
        if len(token) > LONGEST_TOKEN:
            raise NotSignedIn(_BROKEN)
        mark = sha256(token.encode()).digest()
        kid, claims = self._verified.get(mark) or self._decode(token)
        if self.keys.get(kid) is None:
            self._verified.pop(mark, None)
            raise NotSignedIn(_BROKEN)
        if claims.expires_at <= datetime.now(UTC):
            self._verified.pop(mark, None)
            raise TokenExpired
        self._verified[mark] = (kid, claims)
        self._verified.move_to_end(mark)
        if len(self._verified) > self._remembered:
            self._verified.popitem(last=False)
        return claims

    def _decode(self, token: str) -> tuple[str, AccessClaims]:
        try:
            kid = jwt.get_unverified_header(token).get("kid")
            key = self.keys.get(kid) if isinstance(kid, str) else None
            if key is None:
                raise NotSignedIn(_BROKEN)
            # The algorithm is ours to say, never the token's; the end is judged by `verify`, and the start by nobody,
            # because two of our servers may differ by a second.
            said = jwt.decode(
                token,
                key.token_key.public_key(),
                algorithms=["EdDSA"],
                options={"require": _CLAIMS, "verify_exp": False, "verify_iat": False},
            )
            return key.kid, AccessClaims(
                UUID(said["sub"]),
                UUID(said["sid"]),
                UUID(said["did"]),
                UUID(said["sta"]),
                str(said["role"]),
                datetime.fromtimestamp(said["exp"], UTC),
            )
        except (jwt.PyJWTError, ValueError, TypeError, AttributeError, RecursionError) as error:
            raise NotSignedIn(_BROKEN) from error
