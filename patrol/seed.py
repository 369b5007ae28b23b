"""Stores the demonstration station once, so that everybody who tries the product has people, places and partners."""

from __future__ import annotations

from datetime import timedelta

from patrol import mae_sot
from patrol.demo_keys import DemoKeys
from patrol.identity import issue_api_key, issue_device_key
from patrol.imports import ParsedCameras, ParsedZones
from patrol.imports.store import import_cameras, import_zones
from patrol.sharing import add_partner, find_partner, grant
from patrol.stations import add_officer, add_station, find_station, zones_by_code
from storage.cameras import STORED_CAMERAS
from storage.database import Connection
from storage.posts import STORED_POSTS
from storage.stations import STORED_STATIONS
from storage.vocabulary import DetailLevel, OfficerRole, Sector, SharingSubject

_ALL = (SharingSubject.ZONES, SharingSubject.CAMERAS, SharingSubject.INCIDENTS)

GRANTS: dict[Sector, tuple[tuple[SharingSubject, ...], DetailLevel, timedelta]] = {
    Sector.STATE_AGENCY: (_ALL, DetailLevel.FULL, timedelta(0)),
    Sector.POLICE: (_ALL, DetailLevel.FULL, timedelta(0)),
    Sector.LOCAL_GOVERNMENT: (_ALL, DetailLevel.FULL, timedelta(0)),
    Sector.BUSINESS: (
        (SharingSubject.ZONES, SharingSubject.CAMERAS),
        DetailLevel.COARSE,
        timedelta(0),
    ),
    Sector.PEOPLE: (_ALL, DetailLevel.COARSE, timedelta(minutes=15)),
    Sector.MEDIA: (
        (SharingSubject.ZONES, SharingSubject.INCIDENTS),
        DetailLevel.COARSE,
        timedelta(hours=1),
    ),
}
"""What each of the six sectors is granted over the whole demonstration zone."""


async def is_empty(connection: Connection) -> bool:
    """Whether nobody has set up a station yet."""
    return not await connection.fetch(STORED_STATIONS)


async def is_seeded(connection: Connection) -> bool:
    """Whether the demonstration station is there."""
    return any(
        row["code"] == mae_sot.STATION.code for row in await connection.fetch(STORED_STATIONS)
    )


async def seed(connection: Connection) -> None:
    """Stores Mae Sot: station, zones, cameras, posts, officers, and the six partners with their agreements.

    Raises:
        AlreadyExists: the station is there.
    """
    given = mae_sot.STATION
    station = await add_station(
        connection,
        code=given.code,
        name=given.name,
        name_th=given.name_th,
        latitude=given.latitude,
        longitude=given.longitude,
    )
    zones, cameras = mae_sot.zones(), mae_sot.cameras()
    await import_zones(connection, station, ParsedZones(zones, (), (), len(zones)))
    await import_cameras(connection, station, ParsedCameras(cameras, (), (), len(cameras)))
    for officer in mae_sot.OFFICERS:
        patrols = await zones_by_code(connection, station, officer.zone_codes, inner=True)
        await add_officer(
            connection,
            station,
            badge=officer.code,
            role=officer.role,
            rank=officer.rank,
            name=officer.name,
            name_th=officer.name_th,
            scopes=[station] if officer.role is OfficerRole.SUPERVISOR else patrols,
        )
    whole = await zones_by_code(connection, station, [mae_sot.MAIN_ZONE], inner=True)
    for partner in mae_sot.ORGANISATIONS:
        organisation = await add_partner(
            connection,
            code=partner.code,
            name=partner.name,
            name_th=partner.name_th,
            sector=partner.sector,
        )
        subjects, detail, delay = GRANTS[partner.sector]
        await grant(connection, organisation, whole, subjects, detail=detail, delay=delay)


async def issue_demo_keys(connection: Connection) -> DemoKeys:
    """Makes a key for each demonstration partner, and for the first camera and SOS post.

    Raises:
        NotFound: the demonstration station is not there.
    """
    station = await find_station(connection, mae_sot.STATION.code)
    partners = {}
    for given in mae_sot.ORGANISATIONS:
        partner = await find_partner(connection, given.code)
        key = await issue_api_key(connection, partner["id"], "demonstration")
        partners[given.code] = key.secret
    cameras = await connection.fetch(STORED_CAMERAS, station)
    posts = await connection.fetch(STORED_POSTS, station)
    camera, post = cameras[0], posts[0]
    camera_key = await issue_device_key(connection, camera_id=camera["id"])
    post_key = await issue_device_key(connection, post_id=post["id"])
    return DemoKeys(
        partners,
        camera["id"],
        camera["code"],
        camera_key.secret,
        post["id"],
        post["code"],
        post_key.secret,
    )
