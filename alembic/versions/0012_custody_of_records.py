"""Lets staff replay what was refused, take what revoked phones still hold, and see what each phone has to send."""

from __future__ import annotations

from alembic import op

from storage.migrations import run_script

revision = "0012"
down_revision = "0011"
branch_labels = None
depends_on = None

TABLES = """
alter table quarantine
    add column station_id uuid,
    add column detail jsonb not null default '{}',
    add column state varchar not null default 'KEPT',
    add column surrendered boolean not null default false,
    add column outcome varchar,
    add column attempts integer not null default 0,
    add column resolved_by varchar,
    add column reason varchar,
    add column alarmed_at timestamptz;
update quarantine set station_id = officer.station_id,
    state = case when resolved_at is null then 'KEPT' else 'DISCARDED' end
from officer where officer.id = quarantine.officer_id;
alter table quarantine
    alter column station_id set not null,
    add constraint quarantine_station_id_fkey foreign key (station_id) references station (id),
    add constraint quarantine_state_check check (state in ('KEPT', 'REPLAYED', 'DISCARDED')),
    add constraint quarantine_outcome_check check (outcome is null or outcome in (
        'APPLIED', 'MERGED', 'CONFLICT', 'REJECTED', 'DUPLICATE', 'SEQUENCE_REUSED', 'GAP', 'RETRY'));
create index quarantine_kept_idx on quarantine (station_id, created_at) where state = 'KEPT';

alter table device add column wipe_ordered_at timestamptz, add column wiped_at timestamptz;

create table officer_phone (
    id uuid not null default gen_random_uuid(),
    created_at timestamptz not null default now(),
    device_id uuid not null,
    officer_id uuid not null,
    heard_at timestamptz not null default now(),
    reported_at timestamptz,
    app_version varchar,
    contract_version varchar,
    battery_percent integer,
    sos_held integer not null default 0,
    sos_oldest_at timestamptz,
    records_held integer not null default 0,
    records_oldest_at timestamptz,
    tracks_held integer not null default 0,
    tracks_oldest_at timestamptz,
    constraint officer_phone_pkey primary key (id),
    constraint officer_phone_device_id_officer_id_key unique (device_id, officer_id),
    constraint officer_phone_device_id_fkey foreign key (device_id) references device (id),
    constraint officer_phone_officer_id_fkey foreign key (officer_id) references officer (id),
    constraint officer_phone_battery_percent_check check (battery_percent between 0 and 100),
    constraint officer_phone_held_check check (sos_held >= 0 and records_held >= 0 and tracks_held >= 0)
);
create index officer_phone_officer_id_idx on officer_phone (officer_id);
insert into officer_phone (device_id, officer_id, created_at, heard_at)
select device_id, officer_id, min(created_at), max(created_at) from session group by device_id, officer_id;
"""

FUNCTIONS = """
create function keep_with_station() returns trigger language plpgsql as $$
begin
    -- Where the officer is later does not matter: who led him then decides.
    if new.station_id is null then
        select station_id into new.station_id from officer where id = new.officer_id;
    end if;
    return new;
end $$;
create trigger keep_with_station before insert on quarantine for each row execute function keep_with_station();

create function know_phone() returns trigger language plpgsql as $$
begin
    insert into officer_phone (device_id, officer_id) values (new.device_id, new.officer_id)
    on conflict (device_id, officer_id) do update set heard_at = now();
    return null;
end $$;
create trigger know_phone after insert on session for each row execute function know_phone();

-- Whose phones one may look at: one's own, and those of the officers whom one leads.
create function access.led(holder uuid) returns setof uuid
language sql stable security definer rows 50 set search_path = public, pg_temp as $$
    select holder
    union
    select officer.id from officer join access.supervised_stations(holder) led on led = officer.station_id
$$;

create function access.led_devices(holder uuid) returns setof uuid
language sql stable security definer rows 50 set search_path = public, pg_temp as $$
    select device_id from officer_phone join access.led(holder) led on led = officer_phone.officer_id
$$;

create function access.wipe_ordered(device uuid) returns boolean
language sql stable security definer set search_path = public, pg_temp as $$
    select exists (select from device one where one.id = device and wipe_ordered_at is not null and wiped_at is null)
$$;

-- At most what a phone had: the scopes that its cursors name, and those that its officers have now.
create function access.copied_scopes(device uuid) returns setof uuid
language sql stable security definer rows 20 set search_path = public, pg_temp as $$
    select scope.id::uuid
    from held_snapshot held
    cross join unnest(held.sets) as name
    join sync_set on sync_set.id = name
    cross join jsonb_array_elements_text(sync_set.content) as scope (id)
    where held.device_id = device and jsonb_typeof(sync_set.content -> 0) = 'string'
    union
    select access.officer_scopes(officer_id) from officer_phone where device_id = device
$$;

revoke all on function access.led(uuid), access.led_devices(uuid), access.wipe_ordered(uuid),
    access.copied_scopes(uuid) from public;
grant execute on function access.led(uuid), access.led_devices(uuid) to patrol_phone;
grant execute on function access.copied_scopes(uuid) to patrol_writer, patrol_system;
"""

ME = "access.id_of(access.principal())"

ACCESS = f"""
grant execute on function access.wipe_ordered(uuid)
    to patrol_phone, patrol_partner, patrol_admin, patrol_writer, patrol_system;

create policy supervisor on quarantine for select to patrol_phone
    using (station_id = any (array(select access.supervised_stations({ME}))));

alter table officer_phone enable row level security;
create policy phone on officer_phone for select to patrol_phone
    using (access.principal_is('officer') and officer_id = any (array(select access.led({ME}))));
create policy admin on officer_phone for select to patrol_admin using (access.principal_is('admin'));
create policy writer on officer_phone to patrol_writer
    using (access.principal() is not null) with check (access.principal() is not null);
create policy system on officer_phone to patrol_system
    using (access.principal_is('system')) with check (access.principal_is('system'));
grant select on officer_phone to patrol_phone, patrol_admin;
grant select, insert, update on officer_phone to patrol_writer, patrol_system;

create policy phone on device for select to patrol_phone
    using (access.principal_is('officer') and id = any (array(select access.led_devices({ME}))));
-- Never the key.
grant select (id, created_at, platform, model, revoked_at, wipe_ordered_at, wiped_at) on device to patrol_phone;

create policy writer on held_snapshot for select to patrol_writer using (access.principal() is not null);
grant select on held_snapshot to patrol_writer;
"""

DOWN = """
drop policy writer on held_snapshot;
revoke select on held_snapshot from patrol_writer;
revoke select (id, created_at, platform, model, revoked_at, wipe_ordered_at, wiped_at) on device from patrol_phone;
drop policy phone on device;
drop policy supervisor on quarantine;
drop trigger know_phone on session;
drop function know_phone();
drop trigger keep_with_station on quarantine;
drop function keep_with_station();
drop table officer_phone;
drop function access.copied_scopes(uuid);
drop function access.wipe_ordered(uuid);
drop function access.led_devices(uuid);
drop function access.led(uuid);
alter table device drop column wipe_ordered_at, drop column wiped_at;
alter table quarantine
    drop column station_id, drop column detail, drop column state, drop column surrendered, drop column outcome,
    drop column attempts, drop column resolved_by, drop column reason, drop column alarmed_at;
"""


def upgrade() -> None:
    run_script(op.get_bind(), TABLES)
    run_script(op.get_bind(), FUNCTIONS)
    run_script(op.get_bind(), ACCESS)


def downgrade() -> None:
    run_script(op.get_bind(), DOWN)
