"""Adds patrols, checkpoints and who checked in, the log of duty, and the track points of phones."""

from __future__ import annotations

from alembic import op

from storage.migrations import run_script

revision = "0009"
down_revision = "0008"
branch_labels = None
depends_on = None

SYNCED = ("patrol", "checkpoint", "checkin", "duty_change")
DOORS = "patrol_phone, patrol_partner, patrol_admin, patrol_writer, patrol_system"
IN_SCOPE = "scope_id = any (array(select access.officer_scopes(access.id_of(access.principal()))))"
KNOWN = "access.principal() is not null"

_STAMPS = """
    id uuid not null, created_at timestamptz not null default now(), scope_id uuid not null,
    rev bigint not null default 1, sync_xid xid8 not null default pg_current_xact_id(),
    updated_at timestamptz not null default now(), deleted_at timestamptz"""
_CAPTURED = """
    captured_at_raw varchar not null, received_at timestamptz not null, time_suspect boolean not null default false"""
_FIX = """
    latitude double precision, longitude double precision, accuracy_m double precision"""


def _fix_checks(table: str) -> str:
    return f"""
    constraint {table}_latitude_check check (latitude between -90 and 90),
    constraint {table}_longitude_check check (longitude between -180 and 180),
    constraint {table}_position_whole_check check ((latitude is null) = (longitude is null)),
    constraint {table}_accuracy_m_check check (accuracy_m >= 0)"""


def _references(table: str, **columns: str) -> str:
    return ", ".join(
        f"constraint {table}_{column}_fkey foreign key ({column}) references {target}"
        for column, target in columns.items()
    )


TABLES = f"""
alter table officer_state
    add column duty_at timestamptz, add column duty_device_id uuid, add column duty_sequence bigint,
    add column accuracy_m double precision,
    add column fix_suspect boolean not null default false,
    add constraint officer_state_accuracy_m_check check (accuracy_m >= 0);

create table patrol ({_STAMPS},
    station_id uuid not null, zone_id uuid, officer_id uuid not null, device_id uuid not null, status varchar not null,
    started_at timestamptz not null, paused_at timestamptz, ended_at timestamptz, {_CAPTURED}, {_FIX},
    note varchar not null default '', overlaps_id uuid, steps jsonb not null,
    constraint patrol_pkey primary key (id),
    constraint patrol_status_check check (status in ('ACTIVE', 'PAUSED', 'ENDED')), {_fix_checks("patrol")},
    constraint patrol_note_check check (length(note) <= 10000),
    constraint patrol_ended_at_check check ((status = 'ENDED') = (ended_at is not null)),
    constraint patrol_paused_at_check check ((status = 'PAUSED') = (paused_at is not null)),
    {_references("patrol", station_id="station", zone_id="zone", officer_id="officer", device_id="device", overlaps_id="patrol")}
);
create index patrol_station_id_idx on patrol (station_id);
create index patrol_zone_id_idx on patrol (zone_id);
create index patrol_started_idx on patrol (scope_id, started_at, id);
create index patrol_open_idx on patrol (officer_id, started_at) where status <> 'ENDED';

create table checkpoint_key (
    kid varchar not null, public_key bytea not null, created_at timestamptz not null default now(),
    constraint checkpoint_key_pkey primary key (kid),
    constraint checkpoint_key_public_key_check check (octet_length(public_key) = 32)
);

create table checkpoint ({_STAMPS},
    station_id uuid not null, zone_id uuid, code varchar not null, name varchar not null, name_th varchar not null,
    latitude double precision not null, longitude double precision not null, active boolean not null default true,
    code_number integer not null default 1, code_kid varchar not null,
    constraint checkpoint_pkey primary key (id),
    constraint checkpoint_station_id_code_key unique (station_id, code),
    constraint checkpoint_latitude_check check (latitude between -90 and 90),
    constraint checkpoint_longitude_check check (longitude between -180 and 180),
    constraint checkpoint_code_number_check check (code_number > 0),
    {_references("checkpoint", station_id="station", zone_id="zone", code_kid="checkpoint_key")}
);
create index checkpoint_station_id_idx on checkpoint (station_id);
create index checkpoint_zone_id_idx on checkpoint (zone_id);

create table checkin ({_STAMPS},
    station_id uuid not null, zone_id uuid, checkpoint_id uuid, patrol_id uuid, officer_id uuid not null,
    device_id uuid not null, checked_in_at timestamptz not null, {_CAPTURED}, {_FIX},
    note varchar not null default '', code_content varchar not null, code_number integer, code_valid boolean not null,
    distance_m double precision, flags text[] not null,
    constraint checkin_pkey primary key (id), {_fix_checks("checkin")},
    constraint checkin_note_check check (length(note) <= 10000),
    constraint checkin_flags_check check (flags <@ array[
        'UNREADABLE', 'FORGED', 'KEY_RETIRED', 'UNKNOWN_POINT', 'OTHER_STATION', 'SUPERSEDED', 'RETIRED', 'NO_FIX',
        'FAR_AWAY']::text[]),
    {_references("checkin", station_id="station", zone_id="zone", checkpoint_id="checkpoint", officer_id="officer", device_id="device")}
);
create index checkin_station_id_idx on checkin (station_id);
create index checkin_zone_id_idx on checkin (zone_id);
create index checkin_checked_in_idx on checkin (scope_id, checked_in_at, id);
create index checkin_checkpoint_idx on checkin (checkpoint_id, checked_in_at);

create table duty_change ({_STAMPS},
    station_id uuid not null, officer_id uuid not null, device_id uuid, on_duty boolean not null,
    changed_at timestamptz not null, {_CAPTURED}, {_FIX},
    constraint duty_change_pkey primary key (id), {_fix_checks("duty_change")},
    constraint duty_change_own_scope_check check (scope_id = station_id),
    {_references("duty_change", station_id="station", officer_id="officer", device_id="device")}
);
create index duty_change_station_id_idx on duty_change (station_id);
create index duty_change_officer_idx on duty_change (officer_id, changed_at, id);

create table track_point (
    officer_id uuid not null, at timestamptz not null, id uuid not null, device_id uuid not null,
    station_id uuid not null, patrol_id uuid, received_at timestamptz not null, latitude double precision not null,
    longitude double precision not null, accuracy_m real, speed_mps real, heading_deg real, battery_percent smallint,
    time_suspect boolean not null default false, at_raw varchar,
    constraint track_point_pkey primary key (officer_id, at, id),
    constraint track_point_latitude_check check (latitude between -90 and 90),
    constraint track_point_longitude_check check (longitude between -180 and 180),
    constraint track_point_accuracy_m_check check (accuracy_m >= 0),
    constraint track_point_speed_mps_check check (speed_mps >= 0),
    constraint track_point_heading_deg_check check (heading_deg between 0 and 360),
    constraint track_point_battery_percent_check check (battery_percent between 0 and 100)
) partition by range (at);
"""

# Partitions live in a schema of their own, where nobody has a right: what may be read is decided on the table alone.
# Attaching does not stop those who write to other months; creating a partition in one step would.
FUNCTIONS = f"""
create schema partitions;

create function make_track_partitions(days date[]) returns integer
language plpgsql volatile security definer set search_path = public, pg_temp as $$
declare
    month date;
    partition text;
    made integer := 0;
begin
    for month in select distinct date_trunc('month', day::timestamp)::date from unnest(days) as day order by 1 loop
        partition := 'track_point_' || to_char(month, 'YYYY_MM');
        continue when to_regclass('partitions.' || partition) is not null;
        perform pg_advisory_xact_lock(hashtextextended('make_track_partitions', 0));
        -- Asked of the table, with a snapshot of now: a name is looked up in a cache that a lock like this does not renew.
        continue when exists (
            select from pg_class where relname = partition and relnamespace = 'partitions'::regnamespace);
        execute format('create table partitions.%I (like public.track_point including all)', partition);
        execute format('alter table partitions.%I enable row level security', partition);
        execute format('alter table public.track_point attach partition partitions.%I for values from (%L) to (%L)',
                       partition, month || ' 00:00+00', (month + interval '1 month')::date || ' 00:00+00');
        made := made + 1;
    end loop;
    return made;
end $$;
revoke all on function make_track_partitions(date[]) from public;
grant execute on function make_track_partitions(date[]) to patrol_writer, patrol_system;

create function access.checkpoint_keys()
returns table (kid varchar, public_key bytea, believed_until timestamptz)
language sql stable security definer rows 10 set search_path = public, pg_temp as $$
    select published.kid, published.public_key, signing_key.believed_until
    from checkpoint_key published left join signing_key on signing_key.kid = published.kid
$$;
revoke all on function access.checkpoint_keys() from public;
grant execute on function access.checkpoint_keys() to {DOORS};

-- The stations whose officers one may follow on the map: that of a supervisor.
create function access.supervised_stations(holder uuid) returns setof uuid
language sql stable security definer rows 1 set search_path = public, pg_temp as $$
    select station_id from officer where id = holder and active and role = 'SUPERVISOR'
$$;
revoke all on function access.supervised_stations(uuid) from public;
grant execute on function access.supervised_stations(uuid) to patrol_phone;
"""

OWN_OR_SUPERVISED = """
    (access.principal_is('officer') and officer_id = access.id_of(access.principal()))
    or station_id = any (array(select access.supervised_stations(access.id_of(access.principal()))))
"""


def upgrade() -> None:
    run_script(op.get_bind(), TABLES)
    run_script(op.get_bind(), FUNCTIONS)
    for table in SYNCED:
        op.execute(f"create index {table}_sync_idx on {table} (scope_id, sync_xid, id)")
        op.execute(
            f"create trigger stamp_insert before insert on {table} for each row execute function stamp_row()"
        )
        op.execute(
            f"create trigger stamp_update before update on {table} for each row "
            "when (old.* is distinct from new.*) execute function stamp_row()"
        )
        op.execute(
            f"create trigger leave_scope after update on {table} for each row "
            "when (old.scope_id <> new.scope_id) execute function leave_scope()"
        )
        op.execute(
            f"create trigger refuse_delete before delete on {table} for each row execute function refuse_delete()"
        )
        _open(table, IN_SCOPE)
    _open("checkpoint_key", KNOWN)
    _open("track_point", OWN_OR_SUPERVISED)
    # Where somebody was is only ever added to; what is too old goes with its partition.
    op.execute("revoke update on track_point from patrol_writer, patrol_system")


def _open(table: str, shown: str) -> None:
    op.execute(f"alter table {table} enable row level security")
    op.execute(f"create policy phone on {table} for select to patrol_phone using ({shown})")
    op.execute(
        f"create policy admin on {table} for select to patrol_admin using (access.principal_is('admin'))"
    )
    op.execute(f"grant select on {table} to patrol_phone, patrol_admin")
    op.execute(
        f"create policy writer on {table} to patrol_writer using ({KNOWN}) with check ({KNOWN})"
    )
    op.execute(
        f"create policy system on {table} to patrol_system "
        "using (access.principal_is('system')) with check (access.principal_is('system'))"
    )
    op.execute(f"grant select, insert, update on {table} to patrol_writer, patrol_system")


DOWN = """
drop table track_point, checkin, checkpoint, checkpoint_key, duty_change, patrol;
drop function make_track_partitions(date[]);
drop function access.checkpoint_keys();
drop function access.supervised_stations(uuid);
drop schema partitions cascade;
alter table officer_state
    drop constraint officer_state_accuracy_m_check, drop column duty_at, drop column duty_device_id,
    drop column duty_sequence,
    drop column accuracy_m, drop column fix_suspect;
-- What left a scope under this release means nothing to the one before.
delete from scope_exit where subject in ('patrol', 'checkpoint', 'checkin', 'duty_change');
"""


def downgrade() -> None:
    run_script(op.get_bind(), DOWN)
