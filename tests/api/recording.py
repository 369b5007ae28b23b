"""A phone that records a call for help, as an app does it: by the contract's operations, and straight to the store."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

import asyncpg
import httpx
from uuid_utils.compat import uuid7

from api.trusted import OPERATIONS
from patrol.clips.joining import join_clip
from patrol.clips.verifying import verify_clip
from storage.buckets import ObjectStore
from storage.database import Database
from tests.patrol.films import Film, declared
from tests.phone import Phone, ask

LINKS = (OPERATIONS / "ClipLinks.graphql").read_text()
COMPLETE = (OPERATIONS / "CompleteSegments.graphql").read_text()
WATCH = (OPERATIONS / "AlertClips.graphql").read_text()


@dataclass
class Recorder:
    """A phone, and one film that it records."""

    phone: Phone
    film: Film
    http: httpx.AsyncClient
    alert: str = field(default_factory=lambda: str(uuid7()))
    clip: str = field(default_factory=lambda: str(uuid7()))

    async def begin(self, **more: Any) -> None:
        """Raises the alert and declares the clip, in one push."""
        call = self.phone.mutation(
            "SOS", {"raiseAlert": {"id": self.alert, "latitude": 16.7151, "longitude": 98.5728}}
        )
        answers = await self.phone.push("SOS", call, self.declaring(**more))
        assert [one["outcome"] for one in answers] == ["APPLIED"] * 2, answers
        if self.film.head is not None:
            await self.declare(heads=[0])
            await self.send(0, heads=True)

    def declaring(self, **more: Any) -> dict[str, Any]:
        """The declaration of the clip as the next mutation."""
        clip = {
            "id": self.clip, "alertId": self.alert, "container": self.film.container,
            "videoCodec": "H264", "audioCodec": "AAC",
        } | more  # fmt: skip
        return self.phone.mutation("SOS", {"declareClip": clip})

    async def declare(
        self, *numbers: int, heads: Sequence[int] = (), given: Sequence[dict[str, Any]] = ()
    ) -> dict[str, Any]:
        """Declares segments; the answer."""
        assert self.film.head is not None or not heads
        segments = [
            *given,
            *(declared(self.film.head or b"", number, None) for number in heads),
            *(self.film.declared(number) for number in numbers),
        ]
        [answer] = await self.phone.push(
            "SOS",
            self.phone.mutation(
                "SOS", {"declareSegments": {"id": self.clip, "segments": segments}}
            ),
        )
        return answer

    async def links(self, *numbers: int) -> dict[tuple[int, bool], dict[str, Any]]:
        """Where to send segments, by number and whether it is a head."""
        answer = await ask(
            self.phone.door, self.phone.context, LINKS, clipId=self.clip, sequences=list(numbers)
        )
        done = answer["data"]["clipLinks"]
        assert done["refusal"] is None, done
        return {(one["sequence"], one["init"]): one for one in done["links"]}

    async def put(self, link: dict[str, Any], data: bytes, **headers: str) -> httpx.Response:
        """Sends bytes to the store by a link."""
        told = {one["name"]: one["value"] for one in link["headers"]} | headers
        return await self.http.put(link["url"], content=data, headers=told)

    async def send(self, *numbers: int, heads: bool = False) -> None:
        """Sends segments that were declared, and says so."""
        links = await self.links(*numbers)
        for number in numbers:
            data = self.film.head if heads else self.film.segments[number]
            assert data is not None
            answer = await self.put(links[number, heads], data)
            assert answer.status_code == 200, answer.text
        await self.complete(*numbers)

    async def complete(self, *numbers: int) -> list[dict[str, Any]]:
        """Says that segments were sent; what is known of them."""
        answer = await ask(
            self.phone.door, self.phone.context, COMPLETE, clipId=self.clip, sequences=list(numbers)
        )
        done = answer["data"]["completeSegments"]
        assert done["refusal"] is None, done
        segments: list[dict[str, Any]] = done["segments"]
        return segments

    async def record(self, *numbers: int) -> None:
        """Declares and sends segments."""
        await self.declare(*numbers)
        await self.send(*numbers)

    async def close(self, count: int | None = None) -> dict[str, Any]:
        """Ends the clip."""
        end = {"id": self.clip} | ({} if count is None else {"segmentCount": count})
        [answer] = await self.phone.push("SOS", self.phone.mutation("SOS", {"closeClip": end}))
        assert answer["outcome"] == "APPLIED", answer
        return answer

    async def seen(self, phone: Phone | None = None) -> dict[str, Any]:
        """The clip as somebody sees it who asks for the alert."""
        by = phone or self.phone
        answer = await ask(by.door, by.context, WATCH, id=self.alert)
        [clip] = answer["data"]["alert"]["clips"]
        return clip


async def settle(database: Database, store: ObjectStore, clip: str) -> None:
    """What the worker does by itself: verifies what there is, and makes the one file."""
    while await verify_clip(database, store, UUID(clip)) is not None:
        pass
    await join_clip(database, store, UUID(clip))


async def states(owner: asyncpg.Connection, clip: str) -> dict[int, tuple[str, str | None]]:
    """State and reason of segments by number; heads have negative ones."""
    rows = await owner.fetch(
        "select sequence, init, state, reason from sos_clip_segment where clip_id = $1 "
        "order by state = 'QUARANTINED' desc",
        UUID(clip),
    )
    return {
        -1 - row["sequence"] if row["init"] else row["sequence"]: (row["state"], row["reason"])
        for row in rows
    }
