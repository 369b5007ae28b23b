"""Rows that make readers err: equal order values, tombstones, missing relations, relations out of scope."""

from __future__ import annotations

from datetime import datetime, timedelta
from random import Random
from typing import Any
from uuid import UUID

from uuid_utils.compat import uuid7

from storage.vocabulary import (
    AlertStatus,
    CameraKind,
    IncidentCategory,
    IncidentSeverity,
    IncidentStatus,
    ResponseStatus,
    ZoneKind,
)
from tests.world import World, now

PLACES: list[dict[str, Any]] = [{}, {"latitude": None, "longitude": None}, {"accuracy_m": 8.5}]


async def fill(world: World, seed: int = 1, rows: int = 30) -> None:
    """Adds rows in and out of the market officer's scope; she also has a gate that lies in the market."""
    chance = Random(seed)
    hour = now().replace(minute=0, second=0, microsecond=0)
    gate = await world.add_zone("Gate", "ประตู", parent=world.market, kind=ZoneKind.COMMUNITY)
    gone = await world.add_zone("Market", parent=world.market)
    await world.change("update zone set deleted_at = now() where id = $1", gone)
    zones = [world.market, gate, world.temple, gone]
    for _ in range(rows // 2):
        camera = await world.add_camera(
            chance.choice(zones),
            kind=chance.choice(list(CameraKind)),
            name=chance.choice(["กล้อง ก", "North", "north"]),
        )
        if chance.random() < 0.3:
            # A relation that points out of the scope: it may not be followed.
            await world.change(
                "update camera set zone_id = $2 where id = $1", camera, chance.choice(zones)
            )
        if chance.random() < 0.2:
            await world.change("update camera set deleted_at = now() where id = $1", camera)
        if chance.random() < 0.6:
            await add_picture(world, camera, ready=chance.random() < 0.7)
    for _ in range(rows):
        incident = await world.add_incident(
            chance.choice(zones),
            chance.choice([world.kanya, world.prasert]),
            category=chance.choice(list(IncidentCategory)),
            severity=chance.choice(list(IncidentSeverity)),
            status=chance.choice(list(IncidentStatus)),
            title=chance.choice(["Theft", "ลักทรัพย์", 'Quote " and \\ and \n']),
            occurred_at=hour
            - timedelta(hours=chance.randrange(4), microseconds=chance.choice([0, 0, 1])),
            **chance.choice(PLACES),
        )
        if chance.random() < 0.15:
            await world.change("update incident set deleted_at = now() where id = $1", incident)
        for _ in range(chance.choice([0, 0, 2])):
            await add_belongings(world, chance, incident, hour)
    for number in range(rows // 2):
        await add_alert(world, chance, chance.choice(zones), hour - timedelta(minutes=number // 2))
    await world.change(
        "insert into officer_state (officer_id, on_duty, latitude, longitude, fix_at) values ($1, true, 16.5, 98.25, $2)",
        world.kanya, hour - timedelta(days=1),
    )  # fmt: skip
    for zone in zones:
        await world.store(
            "community", scope_id=zone, zone_id=zone, name=chance.choice("AB"), name_th="ชุมชน"
        )
    for camera in await world.change("select array_agg(id order by id) from camera"):
        for _ in range(chance.randrange(4)):
            # Several of one moment.
            await add_older_picture(world, camera, hour - timedelta(hours=chance.randrange(3)))

    for zone in (world.market, gate, world.temple, None):
        for _ in range(3):
            await add_notice(world, chance, zone, hour)
    await add_track(world, hour)
    await world.change(
        "insert into checkpoint_key (kid, public_key) select 'none of ours', sha256('a key')"
    )


async def add_notice(world: World, chance: Random, zone: UUID | None, hour: datetime) -> UUID:
    """A notice that is valid, will be or was; some are withdrawn, and several begin at one moment."""
    begins = hour - timedelta(days=chance.randrange(1, 3))
    return await world.store(
        "notice", station_id=world.station, scope_id=world.staff, zone_id=zone, severity=chance.choice(["INFO", "URGENT"]),
        title="Flood", title_th=chance.choice([None, "น้ำท่วม"]), body="The lower road is closed.",
        valid_from=begins, expires_at=chance.choice([None, begins + timedelta(hours=2), hour + timedelta(days=9)]),
        posted_by=chance.choice([None, world.prasert]), deleted_at=chance.choice([None, None, None, hour]),
    )  # fmt: skip


async def add_track(world: World, hour: datetime) -> None:
    """Where two phones were, several times at one moment."""
    ids = [uuid7() for _ in range(16)]
    days = [hour.date(), (hour - timedelta(days=1)).date()]
    await world.change("select make_track_partitions($1)", days)
    for number, one in enumerate(ids):
        await world.store(
            "track_point", id=one, officer_id=[world.kanya, world.somkid][number % 2], at=hour - timedelta(minutes=number // 4),
            device_id=one, station_id=world.station, received_at=hour, latitude=16.5 + number / 64, longitude=98.5,
            accuracy_m=[None, 8.5][number % 3 == 0], heading_deg=90, battery_percent=number, time_suspect=number == 5,
        )  # fmt: skip


async def add_older_picture(world: World, camera: UUID, taken_at: datetime) -> UUID:
    """A picture of a camera that is not its last one, with its file."""
    row = await world.row("select scope_id from camera where id = $1", camera)
    file, picture = uuid7(), uuid7()
    await world.store(
        "stored_object", id=file, scope_id=row["scope_id"], bucket="snapshots", key=str(file), size_bytes=9,
        sha256=picture.bytes * 2, content_type="image/jpeg", state="READY",
    )  # fmt: skip
    return await world.store(
        "snapshot", id=picture, camera_id=camera, scope_id=row["scope_id"], object_id=file,
        sha256=picture.bytes * 2, taken_at=taken_at, width=640, height=480,
    )  # fmt: skip


async def add_belongings(world: World, chance: Random, incident: UUID, hour: datetime) -> None:
    """A note and a file of an incident; some are deleted, and several are of one moment."""
    at = hour - timedelta(hours=chance.randrange(2))
    device = await world.add_device()
    captured = {"device_id": device, "captured_at_raw": "2026", "received_at": at}
    note = await world.store(
        "incident_note", scope_id=world.station, incident_id=incident, text=chance.choice(["Seen", "พบแล้ว"]),
        written_by=chance.choice([world.kanya, world.prasert]), occurred_at=at, **captured,
    )  # fmt: skip
    ready = {"state": "READY", "thumb_320_key": f"{note}/320", "thumb_960_key": f"{note}/960"}
    await world.store(
        "media", scope_id=world.station, incident_id=incident, kind=chance.choice(["PHOTO", "VIDEO"]),
        content_type="image/jpeg", size_bytes=2**40, sha256=note.bytes * 2, attached_by=world.kanya, taken_at=at,
        **captured, **(ready if chance.random() < 0.5 else {"state": "DECLARED"}),
    )  # fmt: skip
    if chance.random() < 0.2:
        await world.change("update incident_note set deleted_at = now() where id = $1", note)


async def add_picture(world: World, camera: UUID, *, ready: bool = True) -> UUID:
    """The last picture of a camera, with its file."""
    row = await world.row("select scope_id from camera where id = $1", camera)
    file, picture = uuid7(), uuid7()
    digest = picture.bytes * 2
    await world.store(
        "stored_object", id=file, scope_id=row["scope_id"], bucket="snapshots", key=str(file), size_bytes=2**40,
        sha256=digest, content_type="image/jpeg", state="READY",
    )  # fmt: skip
    await world.store(
        "snapshot", id=picture, camera_id=camera, scope_id=row["scope_id"], object_id=file, sha256=digest,
        taken_at=now() - timedelta(hours=2), width=1280, height=720,
        **({"thumb_320_key": f"{picture}/320", "thumb_960_key": f"{picture}/960", "ready_at": now()} if ready else {}),
    )  # fmt: skip
    await world.change(
        "insert into camera_state (camera_id, scope_id, last_seen_at, last_snapshot_id) values ($1, $2, now(), $3)",
        camera, row["scope_id"], picture,
    )  # fmt: skip
    return picture


async def add_alert(world: World, chance: Random, zone: UUID, raised_at: Any) -> UUID:
    """A call for help with two steps, each with people who were called."""
    by_post = chance.random() < 0.4
    alert = await world.store(
        "sos_alert", scope_id=zone, station_id=world.station, zone_id=zone, source="POST" if by_post else "OFFICER",
        status=AlertStatus.CLOSED.value if by_post else chance.choice(list(AlertStatus)).value,
        post_id=world.post if by_post else None, officer_id=None if by_post else world.kanya, raised_at=raised_at,
        captured_at_raw="2026", received_at=raised_at, acknowledged_by=chance.choice([None, world.somkid]),
    )  # fmt: skip
    for number in range(2):
        step = await world.store(
            "sos_step",
            alert_id=alert,
            scope_id=zone,
            number=number,
            target="ON_DUTY",
            due_at=raised_at,
        )
        for officer in chance.sample([world.kanya, world.somkid, world.prasert], 2):
            session = await world.store(
                "session",
                device_id=await world.add_device(),
                officer_id=officer,
                expires_at=now() + timedelta(days=1),
            )
            phone = await world.store(
                "installation", session_id=session, kind="FID", address=str(session)
            )
            await world.store(
                "sos_recipient", alert_id=alert, step_id=step, scope_id=zone, officer_id=officer, installation_id=phone,
                outcome="ACCEPTED", attempted_at=raised_at + timedelta(seconds=chance.randrange(2)),
            )  # fmt: skip
    for officer in chance.sample([world.kanya, world.somkid, world.prasert], 2):
        await world.store(
            "sos_response", alert_id=alert, scope_id=zone, officer_id=officer, changed_at=raised_at,
            status=chance.choice(list(ResponseStatus)).value, captured_at_raw="2026", received_at=raised_at,
        )  # fmt: skip
    return alert
