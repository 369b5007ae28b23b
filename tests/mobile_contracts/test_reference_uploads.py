"""The reference phone sends files over a line that breaks, also after it was switched off, and knows when the server has them."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path
from random import Random
from typing import Any
from uuid import UUID

import httpx
import pytest

from api.trusted import OPERATIONS
from mobile_contracts.reference import Away, Uploader, data_of
from patrol.files.verifying import verify_media
from patrol.keys import KeySet
from schema.phone import phone_door
from storage.buckets import ObjectStore
from storage.database import Database
from tests.patrol import sent_files as files
from tests.personas import as_officer
from tests.phone import Phone, ask, context
from tests.schema.sender import Sender
from tests.world import World


class FlakyLine(httpx.AsyncBaseTransport):
    """Loses one request in three, before or after the store has heard it."""

    def __init__(self, random: Random) -> None:
        self.random, self.inner = random, httpx.AsyncHTTPTransport()
        self.lost = 0

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        chance = self.random.random()
        if chance < 0.2:
            self.lost += 1
            raise httpx.ConnectError("no signal")
        answer = await self.inner.handle_async_request(request)
        if chance < 0.35:
            self.lost += 1
            await answer.aclose()
            raise httpx.ReadError("the line broke")
        return answer

    async def aclose(self) -> None:
        await self.inner.aclose()


@pytest.fixture
async def sender(
    database: Database, world: World, keys: KeySet, store: ObjectStore
) -> AsyncIterator[Sender]:
    principal = await as_officer(world, world.kanya)
    async with httpx.AsyncClient(trust_env=False) as http:
        yield Sender(Phone(phone_door(), context(database, principal, keys, store=store)), http)


async def test_files_arrive_over_a_line_that_breaks_and_from_a_phone_that_was_switched_off(
    sender: Sender, world: World, database: Database, store: ObjectStore, tmp_path: Path
) -> None:
    incident = str(await world.add_incident(world.market))
    film, photo = files.mp4(noise=17 * 1024 * 1024), files.jpeg()
    waiting: dict[str, Path] = {}
    for number, (data, *told) in enumerate(
        [(film, "video/mp4", "VIDEO"), (photo, "image/jpeg", "PHOTO"), (photo[:2000], "image/jpeg", "PHOTO")]
    ):  # fmt: skip
        id = await sender.attach(data, *told, incident=incident)
        waiting[id] = tmp_path / str(number)
        waiting[id].write_bytes(data)
    [of_film, of_photo, of_half] = waiting
    large = await sender.attach(photo, incident=incident, sizeBytes=10**9)
    waiting[large] = tmp_path / "1"
    random = Random(3)

    async def asked(operation: str, **variables: Any) -> dict[str, Any]:
        if random.random() < 0.2:
            raise Away("no signal")
        text = (OPERATIONS / f"{operation}.graphql").read_text()
        return data_of(await ask(sender.phone.door, sender.phone.context, text, **variables))

    line = FlakyLine(random)
    async with httpx.AsyncClient(transport=line, trust_env=False) as client:
        uploader = Uploader(asked, client, dict(waiting))
        for turn in range(60):
            try:
                left = await uploader.turn()
            except Away:
                left = True
            for id in (of_film, of_photo, of_half):
                await verify_media(database, store, UUID(id))
            if turn == 3:
                # Switched off: another process begins with what is still to be sent.
                uploader = Uploader(
                    asked, client, dict(uploader.waiting), uploader.done, uploader.refused
                )
            if not left and not uploader.waiting:
                break
    assert line.lost > 0
    assert set(uploader.done) == {of_film, of_photo}
    assert uploader.refused == {of_half: "TRUNCATED", large: "MEDIA_TOO_LARGE"}
    assert uploader.waiting == {}
