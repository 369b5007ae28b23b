"""Everybody who takes part in the hour, each with the credential that an administrator handed out."""

from __future__ import annotations

import asyncio
import itertools
import threading
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from datetime import datetime
from random import Random
from typing import Any

import httpx

from api.demo.citizen import Citizen
from api.demo.device import Camera, Frame, Pole
from api.demo.hour import crews
from api.demo.line import WeakLine
from api.demo.office import Office, Places
from api.demo.options import Options
from api.demo.partner import Partner
from api.demo.phone import Phone
from api.demo.photos import load_photos, taken_by
from patrol import mae_sot
from patrol.images import draw_frame
from storage.vocabulary import CameraKind

HelpCode = Callable[[str], Awaitable[str]]

BUDDHIST_YEARS = 543
POLES = ("MST-P01", "MST-P05")
"""In the beats of different officers: the second one in that of the officer whose app is of an earlier release."""

POLLS = ("MST-CITY", "MST-VOLUNTEERS", "MST-RADIO")
"""The partners that also poll during the hour: all detail, coarse and late, and one without cameras."""


@dataclass
class Cast:
    """Who is there. `places` is what the administrator knew before the hour; `client` is for those who have no phone."""

    address: str
    office: Office
    places: Places
    client: httpx.AsyncClient
    phones: list[Phone] = field(default_factory=list)
    cameras: list[Camera] = field(default_factory=list)
    poles: list[Pole] = field(default_factory=list)
    pole_cameras: dict[str, Camera] = field(default_factory=dict)
    partners: list[Partner] = field(default_factory=list)
    citizen: Citizen | None = None

    @property
    def control_room(self) -> Phone:
        """The supervisor's phone."""
        return self.phones[0]

    @property
    def polling(self) -> list[Partner]:
        """The partners that poll during the hour."""
        return [partner for partner in self.partners if partner.code in POLLS]

    def name_of(self, badge: str) -> str:
        """An officer as people say it."""
        officer = self.places.officers[badge]
        return f"{officer['rank']} {officer['name'].split()[0]}"


@asynccontextmanager
async def cast(
    address: str, office: Office, options: Options, help_code: HelpCode | None
) -> AsyncIterator[Cast]:
    """Hands out codes and keys, and signs everybody in.

    Args:
        help_code: makes the text of the code that hangs on a pole, given its id; None where only the database's owner can.

    Raises:
        NotTheDemo: the installation is not the demonstration's alone.
        NoPhotos: no photograph can be read.
        Refused: a credential was not given, or is not taken.
    """
    async with AsyncExitStack() as stack:
        client = await stack.enter_async_context(
            httpx.AsyncClient(base_url=address, timeout=30, trust_env=False)
        )
        people = Cast(address, office, await office.places(), client)
        stack.push_async_callback(_close_lines, people)
        await _devices(people, client, options)
        await _partners(people, client)
        if help_code is not None and people.poles:
            pole = people.poles[0]
            people.citizen = Citizen(client, f"/help/{await help_code(pole.id)}", pole.name)
        for number, badges in enumerate(crews(options.phones)):
            people.phones.append(_phone(people, number, options))
            for badge in badges:
                code = await office.enrolment_code(people.places.officer_id(badge))
                await people.phones[-1].enrol(code)
        yield people


def _phone(people: Cast, number: int, options: Options) -> Phone:
    rng = Random(f"{options.seed}/line/{number}")  # noqa: S311  # bad luck on the air, not a secret
    phone = Phone(
        f"phone {number + 1}",
        people.address,
        WeakLine.over(people.address, rng),
        poll_seconds=max(0.5, 4 * options.minute),
    )
    if number == 2:
        # A phone that is set to the Thai calendar; its records must not be lost for it.
        phone.years_ahead = BUDDHIST_YEARS
    # One app is of an earlier release, and nobody may notice.
    phone.older = number == 3
    station = mae_sot.STATION
    phone.go_on_duty(station.latitude + number * 0.0002, station.longitude - number * 0.0003)
    return phone


async def _devices(people: Cast, client: httpx.AsyncClient, options: Options) -> None:
    office, places = people.office, people.places
    places.posts.sort(key=lambda row: str(row["code"]))
    rng = Random(f"{options.seed}/cameras")  # noqa: S311  # a choice, not a secret
    frame = await _frames(options, rng)

    async def camera(row: dict[str, Any]) -> Camera:
        key = await office.camera_key(row["id"])
        return Camera(client, row["id"], row["code"], row["name"], key, frame)

    street = [row for row in places.cameras if row["kind"] != CameraKind.SOS_POST.value]
    street.sort(key=lambda row: str(row["code"]))
    chosen = rng.sample(street, min(options.cameras, len(street)))
    people.cameras = [await camera(row) for row in sorted(chosen, key=lambda row: row["code"])]
    for post in [row for row in places.posts if row["code"] in POLES]:
        key = await office.post_key(post["id"])
        people.poles.append(Pole(client, post["id"], post["code"], post["name"], key))
        if post["camera"] is not None:
            people.pole_cameras[post["id"]] = await camera(post["camera"])


async def _frames(options: Options, rng: Random) -> Frame:
    if options.photos is None:
        return draw_frame
    photos = itertools.cycle(await asyncio.to_thread(load_photos, options.photos, rng))
    turn = threading.Lock()  # frames are taken in threads, and an iterator serves one at a time

    def frame(camera: str, at: datetime) -> bytes:
        with turn:
            photo = next(photos)
        return taken_by(photo, camera, at)

    return frame


async def _partners(people: Cast, client: httpx.AsyncClient) -> None:
    for row in people.places.organisations:
        key = await people.office.partner_key(row["id"])
        people.partners.append(Partner(client, row["code"], row["name"], row["sector"], key))


async def _close_lines(people: Cast) -> None:
    for phone in people.phones:
        await phone.line.close()
