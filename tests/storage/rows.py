"""The tables and views by name, and a row in every one, so that an empty answer means that nothing was shown and not that nothing was there."""

from __future__ import annotations

from random import Random
from uuid import UUID

import asyncpg

from storage import tables
from storage.principal import Role
from tests.personas import as_admin, as_camera, as_officer, as_partner
from tests.schema.seeds import add_alert, add_picture
from tests.world import World, now

SHARING = "patrol_sharing"
ROLES = (*(role.value for role in Role), SHARING)
QUEUE = ("pgqueuer", "pgqueuer_log")
VIEWS = tuple(
    f"partner.{name}" for name in ("zone", "camera", "incident", "organisation", "agreement")
)
BASE = (*sorted(tables.metadata.tables), *QUEUE)
EVERYTHING = (*BASE, *VIEWS, "alembic_version")


async def fill_every_table(world: World, owner: asyncpg.Connection) -> None:
    """Adds what a small station lacks; what has no simple maker is written by the tables' owner."""
    officer = await as_officer(world, world.kanya)
    await as_partner(world, world.radio)
    await as_camera(world, world.market_camera)
    await as_admin(world)
    incident = await world.add_incident(world.market)
    await world.change("update incident set scope_id = $2 where id = $1", incident, world.temple)
    await add_picture(world, world.market_camera)
    await add_alert(world, Random(1), world.market, now())
    await add_clip(world, officer.device_id)
    await world.store(
        "community", scope_id=world.market, zone_id=world.market, name="Market", name_th="ตลาด"
    )
    device = officer.device_id
    captured = {"captured_at_raw": "2026", "received_at": now(), "device_id": device}
    await world.store(
        "incident_note",
        scope_id=world.temple,
        incident_id=incident,
        text="Seen again",
        written_by=world.kanya,
        occurred_at=now(),
        **captured,
    )
    await world.store(
        "media",
        scope_id=world.temple,
        incident_id=incident,
        kind="PHOTO",
        content_type="image/jpeg",
        size_bytes=1000,
        sha256=bytes(32),
        state="DECLARED",
        attached_by=world.kanya,
        taken_at=now(),
        **captured,
    )
    await world.store(
        "notice",
        station_id=world.station,
        severity="INFO",
        title="Market day",
        body="The market opens at five.",
        valid_from=now(),
    )
    await add_patrols(world, officer.device_id)
    lane = (officer.device_id, officer.id)
    for statement, *values in (
        ("insert into device_state (device_id) values ($1)", officer.device_id),
        ("insert into officer_state (officer_id, on_duty) values ($1, true)", world.kanya),
        (
            "insert into sos_post_state (post_id, scope_id) values ($1, $2)",
            world.post,
            world.market,
        ),
        (
            "insert into sos_event (id, alert_id, scope_id, kind, at, received_at) "
            "select gen_random_uuid(), id, scope_id, 'RAISED', now(), now() from sos_alert limit 1",
        ),
        ("insert into installation_state (installation_id) select id from installation limit 1",),
        (
            "insert into station_reach (station_id, reachable, since, on_duty, reached, checked_at) "
            "values ($1, true, now(), 1, 1, now())",
            world.station,
        ),
        ("insert into sos_post_setting (post_id) values ($1)", world.post),
        (
            "insert into media_upload (id, media_id, key, asked_at) "
            "select gen_random_uuid(), id, 'k', now() from media limit 1",
        ),
        (
            "insert into escalation_policy (id, station_id, version, content, set_by) "
            "values (gen_random_uuid(), $1, 1, '{}', 'test')",
            world.station,
        ),
        (
            "insert into sos_deadline (id, alert_id, kind, due_at) "
            "select gen_random_uuid(), id, 'CARE', now() from sos_alert limit 1",
        ),
        (
            "insert into sos_post_mute (id, post_id, scope_id, reason, muted_by, until) "
            "values (gen_random_uuid(), $1, $2, 'stuck', 'test', now())",
            world.post,
            world.market,
        ),
        (
            "insert into sos_post_press (id, post_id, scope_id, pressed_at) "
            "values (gen_random_uuid(), $1, $2, now())",
            world.post,
            world.market,
        ),
        (
            "insert into sos_post_event (id, post_id, scope_id, kind, at) "
            "values (gen_random_uuid(), $1, $2, 'SILENT', now())",
            world.post,
            world.market,
        ),
        (
            "insert into sos_cancel (id, alert_id, officer_id, asked_at, captured_at_raw, received_at) "
            "values (gen_random_uuid(), gen_random_uuid(), $1, now(), '2026', now())",
            world.kanya,
        ),
        (
            "insert into sos_channel (id, station_id, label, scheme, sealed, added_by) "
            "values (gen_random_uuid(), $1, 'Duty room', 'line', '', 'test')",
            world.station,
        ),
        (
            "insert into sos_channel_call (id, channel_id, alert_id, scope_id, call_id, outcome, attempted_at) "
            "select gen_random_uuid(), channel.id, alert.id, alert.scope_id, gen_random_uuid(), 'TOLD', now() "
            "from sos_channel channel, sos_alert alert limit 1",
        ),
        (
            "insert into sos_finding (id, kind, subject_id, seen_at) "
            "values (gen_random_uuid(), 'STEP_OVERDUE', gen_random_uuid(), now())",
        ),
        (
            "insert into enrolment_code (id, code_sha256, officer_id, issued_by, expires_at) "
            "values (gen_random_uuid(), 'code', $1, 'test', now())",
            world.kanya,
        ),
        ("insert into sync_lane (device_id, officer_id, lane) values ($1, $2, 'RECORDS')", *lane),
        (
            "insert into sync_outcome (device_id, officer_id, lane, sequence, mutation_id, content_sha256, outcome, row_id) "
            "values ($1, $2, 'RECORDS', 1, gen_random_uuid(), sha256('x'), 'APPLIED', gen_random_uuid())",
            *lane,
        ),
        (
            "insert into quarantine (id, device_id, officer_id, lane, sequence, mutation_id, code, payload) "
            "values (gen_random_uuid(), $1, $2, 'RECORDS', 1, gen_random_uuid(), 'X', '{}')",
            *lane,
        ),
        (
            "insert into sync_mark (slot, serial, token, epoch_id, timeline, database_oid, table_oid, xid, lsn) "
            "select 1, 1, gen_random_uuid(), id, 1, 1, tableoid::bigint, '3', '0/1' from sync_epoch",
        ),
        (
            "insert into sync_backup (id, epoch_id, durable_through, note) "
            "select gen_random_uuid(), id, now(), '' from sync_epoch",
        ),
        (
            "insert into sync_gap (id, device_id, officer_id, lane, from_sequence, to_sequence, epoch_id) "
            "select gen_random_uuid(), $1, $2, 'RECORDS', 1, 1, id from sync_epoch",
            *lane,
        ),
        ("insert into sync_set (id, content) values ('x', '[]')",),
        (
            "insert into held_snapshot (device_id, officer_id, subjects, epoch_id, snapshot, sets) "
            "values ($1, $2, '', gen_random_uuid(), pg_current_snapshot(), '{}')",
            *lane,
        ),
        (
            "insert into sync_horizon (id, epoch_id, oldest) "
            "values (gen_random_uuid(), gen_random_uuid(), pg_current_xact_id())",
        ),
        ("insert into purged_row (subject, id) values ('incident', gen_random_uuid())",),
        ("insert into signing_key (kid, wrapped, signs_from) values ('k', 'w', now())",),
        ("insert into audit_entry (principal, act, subject) values ('system:test', 'test', '')",),
        (
            "insert into audit_seal (number, snapshot, entries, sha256, kid, mac) "
            "values (1, pg_current_snapshot(), 1, sha256('x'), 'k', 'm')",
        ),
        ("insert into job_schedule (name, every, due_at) values ('x', interval '1 hour', now())",),
        ("insert into pgqueuer (priority, status, entrypoint) values (0, 'failed', 'x')",),
        (
            "insert into pgqueuer_log (job_id, status, priority, entrypoint) values (1, 'failed', 0, 'x')",
        ),
    ):
        await owner.execute(statement, *values)


async def add_patrols(world: World, device: UUID | None) -> None:
    """A patrol of Kanya with what belongs to it."""
    mine = {"station_id": world.station, "officer_id": world.kanya, "device_id": device}
    captured = {"captured_at_raw": "2026", "received_at": now()}
    patrol = await world.store(
        "patrol",
        scope_id=world.market,
        zone_id=world.market,
        status="ACTIVE",
        started_at=now(),
        steps="[]",
        **mine,
        **captured,
    )
    checkpoint = await add_checkpoint(world)
    await world.store(
        "checkin",
        scope_id=world.market,
        zone_id=world.market,
        checkpoint_id=checkpoint,
        patrol_id=patrol,
        checked_in_at=now(),
        code_content="patrol://checkpoint",
        code_valid=False,
        flags=["UNREADABLE"],
        **mine,
        **captured,
    )
    await world.store(
        "duty_change",
        scope_id=world.station,
        on_duty=True,
        changed_at=now(),
        **mine,
        **captured,
    )
    await world.change("select make_track_partitions(array[current_date])")
    await world.store(
        "track_point", at=now(), received_at=now(), latitude=16.7, longitude=98.5, **mine
    )


async def add_checkpoint(world: World, code: str = "K1", kid: str = "k") -> UUID:
    """A checkpoint of the market."""
    await world.change(
        "insert into checkpoint_key (kid, public_key) values ($1, $2) on conflict do nothing",
        kid,
        bytes(32),
    )
    return await world.store(
        "checkpoint",
        scope_id=world.market,
        station_id=world.station,
        zone_id=world.market,
        code=code,
        name="Gate",
        name_th="ประตู",
        latitude=16.7131,
        longitude=98.5708,
        code_kid=kid,
    )


async def add_clip(world: World, device: UUID | None) -> None:
    """A clip of the one alert, with a segment."""
    alert = (await world.row("select id from sos_alert limit 1"))["id"]
    clip = await world.store(
        "sos_clip",
        scope_id=world.market,
        alert_id=alert,
        officer_id=world.kanya,
        device_id=device,
        container="MPEG_TS",
        video_codec="H264",
        started_at=now(),
        heard_at=now(),
        captured_at_raw="",
        received_at=now(),
    )
    await world.store(
        "sos_clip_segment",
        scope_id=world.market,
        clip_id=clip,
        sequence=0,
        sha256=bytes(32),
        size_bytes=1,
        seconds=2.0,
    )
