"""A phone records while its officer calls for help: it declares segments, sends their bytes, and the control room watches."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from functools import partial
from hashlib import sha256
from typing import Any

import httpx

from api.demo.film import SECONDS, segments
from api.demo.phone import Phone
from mobile_contracts.reference import Account, Away
from mobile_contracts.reference.ids import uuid7

SEGMENTS = 3
PAUSE = 0.2
PATIENCE = 40.0
"""Seconds until a recording that nobody could watch is left for the verdict to find."""


@dataclass
class Recording:
    """One clip of one call. `watched` is how many segments the control room's list had while it was being recorded."""

    phone: Phone
    desk: Account
    alert: str
    client: httpx.AsyncClient
    clip: str = ""
    watched: int = 0

    def __post_init__(self) -> None:
        # The phone may be handed on meanwhile; what it records stays his who called.
        self.account = self.phone.officer

    async def run(self) -> None:
        """Records, sends, and ends; a line that breaks costs time and no segment."""
        pieces = await asyncio.to_thread(segments, SEGMENTS)
        clip = {"alertId": self.alert, "container": "MPEG_TS", "videoCodec": "H264"}
        self.clip = self._record("declareClip", clip)
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(PATIENCE):
                await self._live(pieces)

    async def _live(self, pieces: list[bytes]) -> None:
        for number, piece in enumerate(pieces):
            told = {
                "sequence": number, "sha256": sha256(piece).hexdigest(), "sizeBytes": len(piece), "seconds": SECONDS,
            }  # fmt: skip
            self._record("declareSegments", {"id": self.clip, "segments": [told]})
            await self._until(partial(self._send, number, piece))
            if number == 0:
                await self._until(self._watch)
        self._record("closeClip", {"id": self.clip, "segmentCount": SEGMENTS})
        await self._until(self._is_one_file)

    def _record(self, kind: str, members: dict[str, Any]) -> str:
        change = {"id": uuid7(), **members}
        self.account.outbox.record({kind: change}, self.phone.clock())
        self.phone.woken.set()
        return str(change["id"])

    async def _until(self, done: Callable[[], Awaitable[bool]]) -> None:
        while True:
            try:
                if await done():
                    return
            except (Away, httpx.TransportError):
                pass
            await asyncio.sleep(PAUSE)

    async def _send(self, number: int, piece: bytes) -> bool:
        """Whether the bytes are in the store; the link takes these and no others, once."""
        asked = {"clipId": self.clip, "sequences": [number]}
        links = (await self.account.ask("ClipLinks", **asked))["clipLinks"]["links"] or []
        for link in links:
            if link["url"] is not None:
                headers = {one["name"]: one["value"] for one in link["headers"]}
                await self.client.put(link["url"], content=piece, headers=headers)
        told = (await self.account.ask("CompleteSegments", **asked))["completeSegments"]
        return bool(told["segments"]) and told["segments"][0]["state"] in ("UPLOADED", "READY")

    async def _watch(self) -> bool:
        """Whether the control room sees the first segment while the phone still records."""
        shown = await self.shown()
        if shown is None or shown["liveUrl"] is None:
            return False
        self.watched = (await self.client.get(shown["liveUrl"])).text.count("#EXTINF")
        return self.watched > 0

    async def _is_one_file(self) -> bool:
        shown = await self.shown()
        return shown is not None and shown["state"] in ("READY", "FAILED")

    async def shown(self) -> dict[str, Any] | None:
        """The clip as the control room sees it."""
        alert = (await self.desk.ask("AlertClips", id=self.alert))["alert"]
        clips = [] if alert is None else alert["clips"]
        return next((one for one in clips if one["id"] == self.clip), None)
