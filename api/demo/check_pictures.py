"""Whether every picture that a camera was told is stored can be looked at: verified, with its small ones behind links."""

from __future__ import annotations

import asyncio
import io
from hashlib import sha256
from typing import Any

import httpx
from PIL import Image

from api.demo.cast import Cast
from api.demo.device import Camera
from api.demo.finding import Finding

FIELDS = "id cameraId readyAt width height takenAt url320 url960 original { state reason sizeBytes sha256 url }"
WIDTHS = {"url320": 320, "url960": 960}
READY_SECONDS = 30.0
PAUSE = 0.3


async def check_pictures(cast: Cast) -> list[Finding]:
    """Waits until the worker is done, and then fetches what a phone would."""
    cameras = [*cast.cameras, *cast.pole_cameras.values()]
    sent = {picture: camera for camera in cameras for picture in camera.sent}
    pictures = await _verified(cast, set(sent))
    ready = Finding("every picture is verified and has its small ones", "pictures")
    links = Finding("their signed links can be fetched", "links")
    for camera in cameras:
        ready.expect(not camera.failed, f"{camera.code}: {camera.failed[:1]}")
    async with httpx.AsyncClient(timeout=30, trust_env=False) as client:
        for picture, camera in sent.items():
            row = pictures.get(picture)
            ready.expect(_is_ready(row), f"{camera.code}: picture {picture} is {_state(row)}")
            if row is None or not _is_ready(row):
                continue
            ready.expect(
                row["original"]["sizeBytes"] == camera.sent[picture],
                f"{camera.code}: picture {picture} has another size than was sent",
            )
            for name, width in WIDTHS.items():
                links.expect(*await _small(client, camera, row, name, width))
        for camera in cameras:
            if camera.sent and (row := pictures.get(list(camera.sent)[-1])) is not None:
                links.expect(*await _original(client, camera, row))
    return [ready, links]


async def _verified(cast: Cast, wanted: set[str]) -> dict[str, dict[str, Any]]:
    deadline = asyncio.get_running_loop().time() + READY_SECONDS
    while True:
        rows = {row["id"]: row for row in await cast.office.every("snapshots", FIELDS)}
        waiting = [
            one for one in wanted if one in rows and rows[one]["original"]["state"] == "UPLOADED"
        ]
        if not waiting or asyncio.get_running_loop().time() > deadline:
            return rows
        await asyncio.sleep(PAUSE)


def _is_ready(row: dict[str, Any] | None) -> bool:
    return (
        row is not None
        and row["original"]["state"] == "READY"
        and row["readyAt"] is not None
        and all(row[name] for name in WIDTHS)
    )


def _state(row: dict[str, Any] | None) -> str:
    if row is None:
        return "not stored"
    return f"{row['original']['state']} {row['original']['reason'] or ''}".strip()


async def _small(
    client: httpx.AsyncClient, camera: Camera, row: dict[str, Any], name: str, width: int
) -> tuple[bool, str]:
    what = f"{camera.code}: {name} of {row['id']}"
    answer = await client.get(row[name])
    if answer.status_code != 200:
        return False, f"{what} answers {answer.status_code}"
    with Image.open(io.BytesIO(answer.content)) as image:
        fits = image.format == "WEBP" and image.width == min(width, row["width"])
        return fits, f"{what} is {image.format} of {image.width} pixels"


async def _original(
    client: httpx.AsyncClient, camera: Camera, row: dict[str, Any]
) -> tuple[bool, str]:
    """The original is the very bytes that the camera sent."""
    answer = await client.get(row["original"]["url"])
    digest = sha256(answer.content).hexdigest()
    fits = answer.status_code == 200 and digest == row["original"]["sha256"] == camera.last_sha256
    return fits, f"{camera.code}: the original of {row['id']} is not what was sent"
