"""Cameras and SOS poles: plain HTTP with a device key, and nothing that needs an SDK."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from hashlib import sha256
from typing import Any
from uuid import uuid4

import httpx

from mobile_contracts.reference.line import AWAY

Frame = Callable[[str, datetime], bytes]
"""Draws or takes one JPEG, given the camera's name and the time. Blocking."""

TRIES = 8
PAUSE = 0.3


@dataclass
class Camera:
    """A camera. `sent` maps the ids that the server gave to the sizes of the frames."""

    client: httpx.AsyncClient
    id: str
    code: str
    name: str
    key: str = field(repr=False)
    frame: Frame = field(repr=False)
    sent: dict[str, int] = field(default_factory=dict)
    last_sha256: str = ""
    repeated: int = 0
    failed: list[str] = field(default_factory=list)

    async def shoot(self, *, answer_lost: bool = False) -> None:
        """Takes one picture and sends it until the server has it; with `answer_lost` it is sent twice."""
        at = datetime.now(UTC)
        data = await asyncio.to_thread(self.frame, self.name, at)
        for _ in range(2 if answer_lost else 1):
            told = await self._put(data, at)
            if told is not None:
                self.sent[told["id"]] = len(data)
                self.last_sha256 = sha256(data).hexdigest()
                self.repeated += told["duplicate"]

    async def _put(self, data: bytes, at: datetime) -> dict[str, Any] | None:
        headers = {"content-type": "image/jpeg", "x-taken-at": at.isoformat()}
        response = await _send(
            self.client, "PUT", f"/ingest/cameras/{self.id}/snapshots", self.key, headers, data
        )
        if response is None or response.is_error:
            self.failed.append("no answer" if response is None else response.text[:200])
            return None
        told: dict[str, Any] = response.json()
        return told


@dataclass
class Pole:
    """An SOS pole with its button."""

    client: httpx.AsyncClient
    id: str
    code: str
    name: str
    key: str = field(repr=False)
    failed: list[str] = field(default_factory=list)

    async def press(self, times: int = 1) -> tuple[str, bool] | None:
        """Somebody presses the button, more than once when he is afraid; the id of the alert, and whether it was raised
        by this (else it joined one that was open before).

        The pole repeats its last signal, as one does whose answer was lost; the press has a name, so it counts once.
        """
        alert = None
        for press in range(times):
            headers = {"idempotency-key": uuid4().hex}
            for _ in range(2 if press == times - 1 else 1):
                response = await _send(
                    self.client, "POST", f"/ingest/posts/{self.id}/alarm", self.key, headers, b""
                )
                if response is None or response.is_error:
                    self.failed.append("no answer" if response is None else response.text[:200])
                else:
                    told = response.json()
                    alert = alert or (str(told["alertId"]), not told["joined"])
        return alert


async def _send(
    client: httpx.AsyncClient,
    method: str,
    path: str,
    key: str,
    headers: dict[str, str],
    data: bytes,
) -> httpx.Response | None:
    """Sends until there is an answer that means something; None when there was none for long."""
    headers = {**headers, "authorization": f"Bearer {key}"}
    for attempt in range(TRIES):
        try:
            response = await client.request(method, path, headers=headers, content=data)
        except httpx.TransportError:
            response = None
        if response is not None and response.status_code not in AWAY:
            return response
        await asyncio.sleep(PAUSE * 2**attempt)
    return None
