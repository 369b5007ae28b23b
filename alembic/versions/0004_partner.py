"""What partners read: views that redact, owned by a role that is itself held to the agreements."""

from __future__ import annotations

from alembic import op

from storage.migrations import run_script

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None

# A view runs with its owner's rights. The table owner would bypass the policies and the caller has no right on the
# base tables, so the owner is a role of its own whose policies repeat the agreement: a mistake in a view shows no row
# that was not granted.
POLICIES = {
    "zone": ("ZONES", "scope_id"),
    "camera": ("CAMERAS", "scope_id"),
    "camera_state": ("CAMERAS", "scope_id"),
    "snapshot": ("CAMERAS", "scope_id"),
    "incident": ("INCIDENTS", "scope_id"),
}
OWN = {"organisation": "id", "agreement": "organisation_id"}

# Three decimals of a degree are about a hundred metres. Filters, order and cursors of the door use these columns, so
# that asking cleverly shows no more than reading.
VIEWS = """
create schema partner;
grant usage, create on schema partner to patrol_sharing;
grant usage on schema partner to patrol_partner;

create view partner.zone as
select z.id, z.id as scope_id, z.code, z.kind, z.name, z.name_th, z.boundary, z.area_km2,
       z.min_latitude, z.min_longitude, z.max_latitude, z.max_longitude, z.updated_at
from zone z
join access.granted(access.id_of(access.principal()), 'ZONES') as g on g.zone_id = z.scope_id
where z.deleted_at is null;

create view partner.camera as
select c.id, c.scope_id, c.zone_id, c.code, c.kind, c.name, c.name_th,
       case when g.full_until is null then 'COARSE' else 'FULL' end as detail,
       case when g.full_until is null then round(c.latitude::numeric, 3)::float8 else c.latitude end as latitude,
       case when g.full_until is null then round(c.longitude::numeric, 3)::float8 else c.longitude end as longitude,
       s.id as snapshot_id, s.taken_at as snapshot_taken_at,
       s.thumb_320_key as snapshot_320_key, s.thumb_960_key as snapshot_960_key,
       c.updated_at
from camera c
join access.granted(access.id_of(access.principal()), 'CAMERAS') as g on g.zone_id = c.scope_id
left join lateral (
    select snapshot.id, snapshot.taken_at, snapshot.thumb_320_key, snapshot.thumb_960_key
    from snapshot
    where snapshot.camera_id = c.id and snapshot.ready_at is not null and snapshot.taken_at <= g.full_until
    order by snapshot.taken_at desc, snapshot.id desc limit 1
) s on true
where c.deleted_at is null;

create view partner.incident as
select i.id, i.scope_id, i.zone_id, i.category, i.severity, i.status,
       case when shown.fully then 'FULL' else 'COARSE' end as detail,
       case when shown.fully then i.title end as title,
       case when shown.fully then i.description end as description,
       case when shown.fully then i.latitude else round(i.latitude::numeric, 3)::float8 end as latitude,
       case when shown.fully then i.longitude else round(i.longitude::numeric, 3)::float8 end as longitude,
       i.occurred_at, i.updated_at
from incident i
join access.granted(access.id_of(access.principal()), 'INCIDENTS') as g on g.zone_id = i.scope_id
cross join lateral (select greatest(i.received_at, i.updated_at) as at) latest
cross join lateral (select coalesce(latest.at <= g.full_until, false) as fully) shown
where i.deleted_at is null and latest.at <= g.visible_until;
comment on view partner.incident is
    'Incidents under the agreements in force. Only the latest version of a row is kept, so the delay counts from it: '
    'a delayed agreement shows a row only once its latest version is older than the delay, and an edit hides it anew.';

create view partner.organisation as
select id, code, name, name_th, sector from organisation
where id = access.id_of(access.principal());

create view partner.agreement as
select a.id, a.subjects, a.detail, a.delay_seconds, a.valid_from, a.valid_until,
       array(select zone_id from agreement_zone z where z.agreement_id = a.id order by zone_id) as zone_ids
from agreement a
where a.organisation_id = access.id_of(access.principal()) and a.revoked_at is null and a.valid_from <= now()
  and (a.valid_until is null or a.valid_until > now());

alter view partner.organisation owner to patrol_sharing;
alter view partner.agreement owner to patrol_sharing;
alter view partner.zone owner to patrol_sharing;
alter view partner.camera owner to patrol_sharing;
alter view partner.incident owner to patrol_sharing;
revoke create on schema partner from patrol_sharing;
set local role patrol_sharing;
grant select on partner.zone, partner.camera, partner.incident, partner.organisation, partner.agreement
    to patrol_partner;
reset role;
"""


def upgrade() -> None:
    for table, (subject, column) in POLICIES.items():
        op.execute(
            f"create policy sharing on {table} for select to patrol_sharing using ({column} = any (array("
            f"select zone_id from access.granted(access.id_of(access.principal()), '{subject}'))))"
        )
        op.execute(f"grant select on {table} to patrol_sharing")
    for table, column in OWN.items():
        op.execute(
            f"create policy sharing on {table} for select to patrol_sharing using ("
            f"access.principal_is('partner') and {column} = access.id_of(access.principal()))"
        )
    op.execute(
        "create policy sharing on agreement_zone for select to patrol_sharing "
        "using (agreement_id in (select id from agreement))"
    )
    op.execute("grant select on organisation, agreement, agreement_zone to patrol_sharing")
    run_script(op.get_bind(), VIEWS)


def downgrade() -> None:
    op.execute("drop schema partner cascade")
    for table in (*POLICIES, *OWN, "agreement_zone"):
        op.execute(f"drop policy sharing on {table}")
        op.execute(f"revoke all on {table} from patrol_sharing")
