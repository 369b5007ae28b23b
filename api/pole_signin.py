"""Recognises a pole by whatever its box can send, and counts wrong guesses without ever locking the pole itself out.

Wrong passwords count for the one who guesses: a network, and a network at one post. Beside them the guesses of everybody at
one post count together, so that a thousand addresses guess no faster than one. A network from which the post's right
password came is held to its guesses at this post only: whoever guesses from elsewhere, and a neighbour behind the same
address whose box has an old password, cannot silence the button. Keys and secrets in addresses are too long to be guessed,
so nothing holds them up.
"""

from __future__ import annotations

from base64 import b64decode
from binascii import Error as Base64Error
from collections import OrderedDict
from contextlib import ExitStack
from dataclasses import dataclass, field
from uuid import UUID

from starlette.applications import Starlette
from starlette.requests import Request

from api.attempts import Attempts
from api.problems import as_problem
from api.signin import authenticate_device
from patrol.errors import NotSignedIn
from patrol.identity.credentials import looks_like_key
from patrol.identity.post_keys import PostKeys
from storage.faults import StorageFault
from storage.principal import Principal
from storage.vocabulary import PostAction

REMEMBERED = 10_000
SCHEMES = ["Bearer", "Basic"]


@dataclass(frozen=True)
class PoleDesk:
    """What one application remembers of poles: right passwords, and who guessed wrong."""

    keys: PostKeys
    one: Attempts = field(default_factory=lambda: Attempts(burst=20, seconds=30))
    network: Attempts = field(default_factory=lambda: Attempts(burst=100, seconds=10))
    post: Attempts = field(default_factory=lambda: Attempts(burst=200, seconds=10))
    known: OrderedDict[tuple[UUID, str], None] = field(default_factory=OrderedDict)

    @classmethod
    def of(cls, app: Starlette) -> PoleDesk:
        """The application's desk; its first request opens it."""
        desk: PoleDesk | None = getattr(app.state, "pole_desk", None)
        if desk is None:
            desk = app.state.pole_desk = cls(PostKeys(app.state.services.database))
        return desk

    async def recognise(
        self, request: Request, post_id: UUID, action: PostAction | None, network: str
    ) -> Principal:
        """The pole that asks.

        Raises:
            NotSignedIn: nothing it sent is known here, or it is not for this act.
            TooMany: too many wrong guesses came from there.
            Unavailable: nobody can be asked.
        """
        try:
            secret = request.path_params.get("secret")
            if secret is not None:
                return await self.keys.by_link(post_id, action, secret)
            password = _password(request)
            if password is None or looks_like_key(password):
                # 256 random bits are not guessed; nor are the 192 of a secret in an address.
                return await authenticate_device(request)
            return await self._by_password(post_id, password, network)
        except NotSignedIn as problem:
            raise NotSignedIn(problem.message, schemes=SCHEMES) from None
        except StorageFault as fault:
            raise as_problem(fault) from fault

    async def _by_password(self, post_id: UUID, password: str, network: str) -> Principal:
        here = (post_id, network)
        with ExitStack() as counted:
            counted.enter_context(self.one.bounded(f"{post_id} {network}", wrong=NotSignedIn))
            if here not in self.known:
                counted.enter_context(self.network.bounded(network, wrong=NotSignedIn))
                counted.enter_context(self.post.bounded(str(post_id), wrong=NotSignedIn))
            principal = await self.keys.by_password(post_id, password)
        self.known[here] = None
        self.known.move_to_end(here)
        if len(self.known) > REMEMBERED:
            self.known.popitem(last=False)
        return principal


def _password(request: Request) -> str | None:
    """The password of Basic authentication; None where there is no such header."""
    given = request.headers.getlist("authorization")
    if len(given) != 1:
        return None
    scheme, _, credential = given[0].strip().partition(" ")
    if scheme.lower() != "basic":
        return None
    try:
        return b64decode(credential.strip(), validate=True).decode().partition(":")[2]
    except (Base64Error, ValueError):
        return None
