"""The tables and views by name, and a row in every one, so that an empty answer means that nothing was shown and not that nothing was there."""

from __future__ import annotations

from random import Random

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
    await world.store(
        "community", scope_id=world.market, zone_id=world.market, name="Market", name_th="ตลาด"
    )
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
        ("insert into sync_set (id, content) values ('x', '[]')",),
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
