"""Tells who asks from what they carry, for each door; whether it is still good, the database says at each checkout."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Collection

from patrol.errors import NotSignedIn
from patrol.identity.access_tokens import AccessTokens
from patrol.identity.credentials import key_hash, looks_like_key
from storage.admins import FIND_CREDENTIAL
from storage.database import Database
from storage.principal import Principal, PrincipalKind, Role, system

_SAID = {
    PrincipalKind.PARTNER: "a partner's key",
    PrincipalKind.CAMERA: "a camera's key",
    PrincipalKind.POST: "an SOS post's key",
    PrincipalKind.ADMIN: "an administrator's token",
}


class Recognition:
    """Recognises the credentials of one installation.

    Whose key it is never changes, so it is remembered; an unknown key is asked for each time, for it may be issued the
    next moment. A key that has expired or was revoked is recognised too: `Database.enter` refuses it.
    """

    def __init__(
        self, database: Database, access: AccessTokens, *, remembered: int = 10_000
    ) -> None:
        self.access = access
        self._database = database
        self._remembered = remembered
        self._known: OrderedDict[bytes, Principal] = OrderedDict()

    def officer(self, token: str) -> Principal:
        """The officer of an access token.

        Raises:
            TokenExpired, NotSignedIn: see `AccessTokens.verify`; a key of another door is named.
        """
        if looks_like_key(token):
            raise NotSignedIn(
                "This door takes officers' access tokens; this is another door's key."
            )
        return self.access.verify(token).principal

    async def partner(self, secret: str) -> Principal:
        """The organisation of an API key. Raises NotSignedIn."""
        return await self._holder(secret, {PrincipalKind.PARTNER}, "partners' API keys")

    async def device(self, secret: str) -> Principal:
        """The camera or SOS post of a device key. Raises NotSignedIn."""
        kinds = {PrincipalKind.CAMERA, PrincipalKind.POST}
        return await self._holder(secret, kinds, "keys of cameras and SOS posts")

    async def admin(self, secret: str) -> Principal:
        """The administrator of a token. Raises NotSignedIn."""
        return await self._holder(secret, {PrincipalKind.ADMIN}, "administrators' tokens")

    async def _holder(self, secret: str, kinds: Collection[PrincipalKind], taken: str) -> Principal:
        if not looks_like_key(secret):
            raise NotSignedIn(f"This door takes {taken}; this is none.")
        principal = await self._find(key_hash(secret))
        if principal is None:
            raise NotSignedIn("The key is not known here.")
        if principal.kind not in kinds:
            raise NotSignedIn(f"This door takes {taken}; this is {_SAID[principal.kind]}.")
        return principal

    async def _find(self, mark: bytes) -> Principal | None:
        if mark in self._known:
            self._known.move_to_end(mark)
            return self._known[mark]
        async with self._database.enter(Role.SYSTEM, system("sign-in")) as entered:
            row = await entered.connection.fetchrow(FIND_CREDENTIAL, mark)
        if row is None:
            return None
        principal = Principal(PrincipalKind(row["kind"]), row["holder_id"], row["credential_id"])
        self._known[mark] = principal
        if len(self._known) > self._remembered:
            self._known.popitem(last=False)
        return principal
