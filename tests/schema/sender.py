"""A phone that sends files, as an app does it: by the contract's operations, and straight to the store."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from hashlib import sha256
from typing import Any
from uuid import UUID

import asyncpg
import httpx
from uuid_utils.compat import uuid7

from api.trusted import OPERATIONS
from patrol.files.verifying import verify_media
from storage.buckets import ObjectStore
from storage.database import Database
from tests.phone import Phone, ask

UPLOAD = (OPERATIONS / "MediaUpload.graphql").read_text()
COMPLETE = (OPERATIONS / "CompleteMedia.graphql").read_text()
SHOWN = """
query ($id: UUID!) { incident(id: $id) { media {
  id state reason thumbHash width height seconds orientation camera fileTakenAt hasPosition fileLatitude fileLongitude
  url320 url960 original { url sha256 sizeBytes }
} } }
"""


@dataclass
class Sender:
    """A phone and the files that it sends; `http` is its line to the store."""

    phone: Phone
    http: httpx.AsyncClient
    bytes_of: dict[str, bytes] = field(default_factory=dict)

    def on(self, store: ObjectStore, database: Database | None = None) -> Sender:
        """The same phone, answered by another server."""
        context = replace(
            self.phone.context, store=store, database=database or self.phone.context.database
        )
        return Sender(replace(self.phone, context=context), self.http, self.bytes_of)

    async def attach(
        self,
        data: bytes,
        content_type: str = "image/jpeg",
        kind: str = "PHOTO",
        **more: Any,
    ) -> str:
        """Declares a file of an incident or alert (`incident`, `alert`); its id."""
        id = str(uuid7())
        told = {
            "id": id, "kind": kind, "contentType": content_type, "sizeBytes": len(data), "sha256": sha256(data).hexdigest(),
        } | more  # fmt: skip
        lane = "SOS" if more.get("alert") else "RECORDS"
        [answer] = await self.phone.push(lane, self.phone.attach(**told))
        assert answer["outcome"] == "APPLIED", answer
        self.bytes_of[id] = data
        return id

    async def asked(self, *ids: str, network: str | None = None) -> dict[str, Any]:
        """What the server says is to be sent."""
        answer = await ask(
            self.phone.door, self.phone.context, UPLOAD, ids=list(ids), network=network
        )
        assert "errors" not in answer, answer
        done: dict[str, Any] = answer["data"]["mediaUpload"]
        return done

    async def file(self, id: str, network: str | None = None) -> dict[str, Any]:
        """The same of one file."""
        done = await self.asked(id, network=network)
        assert done["refusal"] is None, done
        [one] = done["files"]
        return one

    async def put(
        self, place: dict[str, Any], data: bytes, headers: Sequence[dict[str, str]] = ()
    ) -> httpx.Response:
        """Sends bytes by a link."""
        told = {one["name"]: one["value"] for one in place.get("headers", headers)}
        return await self.http.put(place["url"], content=data, headers=told)

    async def send(
        self,
        id: str,
        *,
        network: str | None = None,
        most: int | None = None,
        lie: bytes | None = None,
    ) -> dict[str, Any]:
        """Sends what is asked for, at most so many parts; the answer that it went by."""
        one = await self.file(id, network)
        data = self.bytes_of[id] if lie is None else lie
        if one["whole"] is not None:
            answer = await self.put(one["whole"], data)
            assert answer.status_code in (200, 412), answer.text
        for part in one["parts"][:most]:
            piece = data[part["offset"] : part["offset"] + part["sizeBytes"]]
            answer = await self.put(part, piece)
            assert answer.status_code == 200, answer.text
        return one

    async def complete(self, *ids: str) -> list[dict[str, Any]]:
        """Says that files were sent; how they stand."""
        answer = await ask(self.phone.door, self.phone.context, COMPLETE, ids=list(ids))
        assert "errors" not in answer, answer
        done = answer["data"]["completeMedia"]
        assert done["refusal"] is None, done
        files: list[dict[str, Any]] = done["files"]
        return files

    async def deliver(self, id: str, **more: Any) -> dict[str, Any]:
        """Sends a file, says so, and lets the worker look at it; its row as everybody sees it."""
        await self.send(id, **more)
        [standing] = await self.complete(id)
        assert standing["state"] == "UPLOADED", standing
        store, database = self.phone.context.store, self.phone.context.database
        await verify_media(database, store, UUID(id))
        return await self.seen(id)

    async def seen(self, id: str) -> dict[str, Any]:
        """The file in the phone's copy."""
        await self.phone.pull()
        return self.phone.rows["media"][id]


async def shown(sender: Sender, incident: str) -> dict[str, dict[str, Any]]:
    """The files of an incident, by id, as a reader asks for them."""
    answer = await ask(sender.phone.door, sender.phone.context, SHOWN, id=incident)
    assert "errors" not in answer, answer
    return {one["id"]: one for one in answer["data"]["incident"]["media"]}


async def states(owner: asyncpg.Connection) -> dict[str, tuple[str, str | None]]:
    """State and reason of every file."""
    rows = await owner.fetch("select id, state, reason from media")
    return {str(row["id"]): (row["state"], row["reason"]) for row in rows}
