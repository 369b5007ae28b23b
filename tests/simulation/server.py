"""The server of a simulation: the phone's door over PostgreSQL, which can be taken away and put back."""

from __future__ import annotations

import re
from functools import cache
from typing import Any
from uuid import UUID

from api.trusted import OPERATIONS, operation_id
from mobile_contracts.reference import document_id
from patrol.keys import KeySet
from schema.door import Door
from storage.database import Database
from storage.principal import Principal
from tests.phone import ask, context
from tests.simulation.ledger import Ledger

PULL = (OPERATIONS / "Pull.graphql").read_text(encoding="utf-8")
PUSH = (OPERATIONS / "Push.graphql").read_text(encoding="utf-8")

SINCE = (
    "steps",
    "responses",
    "clips",
    "checkpoints",
    "officers",
    "notices",
    "notes",
    "media",
    "patrols",
    "checkins",
    "duty",
)
"""The lists that the first release of the app did not know."""


@cache
def first_release() -> str:
    """The pull of an app that was never updated."""
    text = PULL
    for name in SINCE:
        text, found = re.subn(rf"\n    {name} \{{[^}}]*\}}", "", text)
        assert found == 1, name
    return text.replace(
        "title description latitude longitude accuracyM\n", "title latitude longitude\n"
    )


@cache
def documents(*, old: bool) -> dict[str, str]:
    """The operations of a release, by name: what an app knows of them are their ids."""
    text = first_release() if old else PULL
    return {"Pull": f"sha256:{operation_id(text)}", "Push": document_id("Push")}


@cache
def texts() -> dict[str, str]:
    """All released texts by id."""
    return {f"sha256:{operation_id(text)}": text for text in (PULL, first_release(), PUSH)}


class Server:
    """Answers phones. `ledger` is told what was pushed and what it became, whether the phone learns of it or not."""

    def __init__(self, door: Door, database: Database, keys: KeySet) -> None:
        self.door, self.database, self.keys = door, database, keys
        self.principals: dict[str, Principal] = {}
        self.ledger = Ledger()

    def sign_in(self, principal: Principal) -> str:
        """The access token of an officer on a phone."""
        assert isinstance(principal.credential_id, UUID)
        token = str(principal.credential_id)
        self.principals[token] = principal
        return token

    async def answer(self, body: dict[str, Any], token: str) -> dict[str, Any]:
        """The answer to one request."""
        text, variables = texts()[body["documentId"]], body["variables"]
        answer = await ask(
            self.door, context(self.database, self.principals[token], self.keys), text, **variables
        )
        if text == PUSH and answer.get("data"):
            principal = self.principals[token]
            holder = (str(principal.device_id), str(principal.id), variables["lane"])
            self.ledger.pushed(holder, variables["mutations"], answer["data"]["push"])
        return answer
