"""Sends the files that were attached, over a line that breaks: what has arrived the server knows, so nothing is kept here.

ask what is to be sent → PUT it to the store → say that it is complete; after any break ask again. See `uploads.md`.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import httpx

Ask = Callable[..., Awaitable[dict[str, Any]]]
"""Runs an operation by its name with variables, as `Account.ask`."""

AT_ONCE: Final = 20
"""Files in one question."""


@dataclass
class Uploader:
    """What this phone still has to send: where the bytes of each file lie on it, by the file's id.

    A file leaves `waiting` when the server has it verified, or will not have it (`refused`, with the reason); only then may
    the app think of its room. QUARANTINED bytes are kept by the server, and the app keeps its own for a person to decide.
    """

    ask: Ask
    client: httpx.AsyncClient
    waiting: dict[str, Path] = field(default_factory=dict)
    done: dict[str, Path] = field(default_factory=dict)
    refused: dict[str, str] = field(default_factory=dict)

    async def turn(self, network: str | None = None) -> bool:
        """Sends what the server asks for on this kind of line; whether anything is left that is to be sent on it.

        Raises:
            Away: the server or the store was not heard; call it again when there is signal.
        """
        ids = list(self.waiting)[:AT_ONCE]
        if not ids:
            return False
        plan = (await self.ask("MediaUpload", ids=ids, network=network))["mediaUpload"]
        if plan["refusal"] is not None:
            return True
        places = asyncio.Semaphore(plan["atOnce"])
        # Begun in the order given; as many beside each other as the server advises.
        sent = [
            asyncio.create_task(self._send(places, one["id"], place))
            for one in plan["files"]
            for place in _places(one)
        ]
        if sent:
            await asyncio.gather(*sent)
        now = [one["id"] for one in plan["files"] if one["advice"] == "NOW" and not one["refusal"]]
        told = (await self.ask("CompleteMedia", ids=now))["completeMedia"]["files"] if now else []
        self._note(plan["files"])
        return any(one["state"] in ("DECLARED", "UPLOADED") for one in told)

    async def _send(self, places: asyncio.Semaphore, id: str, place: Mapping[str, Any]) -> None:
        async with places:
            with self.waiting[id].open("rb") as file:
                file.seek(place["offset"])
                piece = file.read(place["size"])
            try:
                await self.client.put(place["url"], content=piece, headers=place["headers"])
            except httpx.HTTPError:
                # Nor is any answer looked at: what has arrived, also before (412), the server sees by itself.
                return

    def _note(self, files: list[dict[str, Any]]) -> None:
        for one in files:
            if one["id"] not in self.waiting:
                continue
            if one["refusal"] is not None:
                self.refused[one["id"]] = one["refusal"]["code"]
            elif one["state"] == "QUARANTINED":
                # Bytes that broke on their way stand as DECLARED again as soon as one asks.
                self.refused[one["id"]] = one["reason"]
            elif one["state"] == "READY":
                self.done[one["id"]] = self.waiting[one["id"]]
            else:
                continue
            del self.waiting[one["id"]]


def _places(one: Mapping[str, Any]) -> list[dict[str, Any]]:
    """The pieces of a file that are to be sent."""
    if one["whole"] is not None:
        headers = {each["name"]: each["value"] for each in one["whole"]["headers"]}
        return [{"url": one["whole"]["url"], "headers": headers, "offset": 0, "size": -1}]
    return [
        {"url": part["url"], "headers": {}, "offset": int(part["offset"]), "size": int(part["sizeBytes"])}
        for part in one["parts"]
    ]  # fmt: skip
