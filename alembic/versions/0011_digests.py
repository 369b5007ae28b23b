"""Lets phones verify and repair what they hold, and keeps tombstones from growing without end."""

from __future__ import annotations

from alembic import op

from storage.migrations import run_script

revision = "0011"
down_revision = "0010"
branch_labels = None
depends_on = None

TABLES = """
create table held_snapshot (
    device_id uuid not null,
    officer_id uuid not null,
    subjects varchar not null,
    epoch_id uuid not null,
    snapshot pg_snapshot not null,
    sets bytea[] not null,
    seen_at timestamptz not null default now(),
    must_reset boolean not null default false,
    constraint held_snapshot_pkey primary key (device_id, officer_id, subjects),
    constraint held_snapshot_device_id_fkey foreign key (device_id) references device (id),
    constraint held_snapshot_officer_id_fkey foreign key (officer_id) references officer (id)
);

create table sync_horizon (
    id uuid not null,
    created_at timestamptz not null default now(),
    epoch_id uuid not null,
    oldest xid8 not null,
    horizon xid8,
    constraint sync_horizon_pkey primary key (id)
);

create table purged_row (
    subject varchar not null,
    id uuid not null,
    constraint purged_row_pkey primary key (subject, id)
);

-- What phones hold from before this release is not known: the oldest there can be, until they pull or are silent too long.
insert into held_snapshot (device_id, officer_id, subjects, epoch_id, snapshot, sets)
select device_id, officer_id, '', (select id from sync_epoch order by number desc limit 1), '3:3:'::pg_snapshot,
       array(select id from sync_set)
from (select distinct device_id, officer_id from session where revoked_at is null) phone;
"""

FUNCTIONS = """
create function stay_gone() returns trigger language plpgsql as $$
begin
    -- A late push brings a row that was deleted long ago: nothing is stored, as if its id were still taken.
    if exists (select from purged_row where subject = tg_table_name and id = new.id) then
        return null;
    end if;
    return new;
end $$;

create or replace function refuse_delete() returns trigger language plpgsql as $$
begin
    if current_setting('patrol.purging', true) = 'on' then
        if old.deleted_at is not null then
            return old;
        end if;
    end if;
    raise exception 'rows of % are tombstoned by deleted_at, never deleted', tg_table_name
        using errcode = 'restrict_violation';
end $$;

create function access.horizon() returns xid8
language sql stable security definer set search_path = public, pg_temp as $$
    select horizon from sync_horizon
    where epoch_id = (select id from sync_epoch order by number desc limit 1) and horizon is not null
    order by horizon desc limit 1
$$;

create function access.purge_tombstones(name text, room integer) returns bigint
language plpgsql volatile security definer set search_path = public, pg_temp as $$
declare
    lowest constant xid8 := access.horizon();
    unnamed text;
    purged bigint;
begin
    if not exists (
        select from pg_trigger where tgrelid = to_regclass(format('public.%I', name)) and tgname = 'refuse_delete'
    ) then
        raise exception '% is not a table that phones hold copies of', name using errcode = 'invalid_parameter_value';
    end if;
    -- A tombstone that another row still names stays until that row is gone.
    select coalesce(string_agg(format(
        ' and not exists (select from %s child where child.%I = dead.id)', con.conrelid::regclass, att.attname), ''), '')
    into unnamed
    from pg_constraint con
    join pg_attribute att on att.attrelid = con.conrelid and att.attnum = con.conkey[1]
    where con.contype = 'f' and con.conparentid = 0 and con.confrelid = format('public.%I', name)::regclass;
    perform set_config('patrol.purging', 'on', true);
    execute format(
        'with dead as (
             select id from public.%1$I dead where deleted_at is not null and sync_xid < $1 %2$s
             limit $2 for update skip locked),
         gone as (delete from public.%1$I t using dead where t.id = dead.id returning t.id)
         insert into purged_row (subject, id) select %1$L, id from gone on conflict do nothing',
        name, unnamed) using lowest, room;
    get diagnostics purged = row_count;
    perform set_config('patrol.purging', '', true);
    return purged;
end $$;

create function access.purge_exits(room integer) returns bigint
language sql volatile security definer set search_path = public, pg_temp as $$
    with old as (
        select subject, row_id, scope_id from scope_exit where sync_xid < access.horizon()
        limit room for update skip locked),
    gone as (
        delete from scope_exit t using old
        where t.subject = old.subject and t.row_id = old.row_id and t.scope_id = old.scope_id returning 1)
    select count(*) from gone
$$;

create function access.sweep_sets(young interval, silent interval) returns bigint
language sql volatile security definer set search_path = public, pg_temp as $$
    delete from held_snapshot where must_reset and seen_at < now() - silent;
    delete from sync_horizon
    where created_at < now() - 3 * young
      and created_at < (select max(created_at) from sync_horizon where created_at < now() - young);
    with gone as (
        delete from sync_set
        where created_at < now() - young
          and not exists (
              select from (select unnest(sets) as id from held_snapshot) named where named.id = sync_set.id)
        returning 1)
    select count(*) from gone
$$;

revoke all on function access.horizon(), access.purge_tombstones(text, integer), access.purge_exits(integer),
    access.sweep_sets(interval, interval) from public;
grant execute on function access.purge_tombstones(text, integer), access.purge_exits(integer),
    access.sweep_sets(interval, interval) to patrol_system;
grant execute on function access.horizon() to patrol_phone, patrol_system, patrol_admin;
"""

ACCESS = """
alter table held_snapshot enable row level security;
alter table sync_horizon enable row level security;
alter table purged_row enable row level security;

create policy phone on held_snapshot for select to patrol_phone
    using (access.principal_is('officer') and officer_id = access.id_of(access.principal()));
grant select on held_snapshot to patrol_phone;

-- The trigger asks as whoever writes.
create policy writer on purged_row for select to patrol_writer using (access.principal() is not null);
grant select on purged_row to patrol_writer;
"""

FOR_ALL = """
create policy admin on {table} for select to patrol_admin using (access.principal_is('admin'));
grant select on {table} to patrol_admin;
create policy system on {table} to patrol_system
    using (access.principal_is('system')) with check (access.principal_is('system'));
grant select, insert, update on {table} to patrol_system;
"""

ADDED = ("held_snapshot", "sync_horizon", "purged_row")

# Every table that is stamped, whichever migration made it.
TRIGGERS = """
do $$
declare name text;
begin
    for name in select tgrelid::regclass::text from pg_trigger where tgname = 'stamp_insert' loop
        execute format('create trigger a_stay_gone before insert on %s for each row execute function stay_gone()', name);
    end loop;
end $$;
"""

DOWN = """
do $$
declare name text;
begin
    for name in select tgrelid::regclass::text from pg_trigger where tgname = 'a_stay_gone' loop
        execute format('drop trigger a_stay_gone on %s', name);
    end loop;
end $$;
drop function stay_gone();
drop function access.sweep_sets(interval, interval);
drop function access.purge_exits(integer);
drop function access.purge_tombstones(text, integer);
drop function access.horizon();
create or replace function refuse_delete() returns trigger language plpgsql as $$
begin
    raise exception 'rows of % are tombstoned by deleted_at, never deleted', tg_table_name
        using errcode = 'restrict_violation';
end $$;
drop table purged_row, sync_horizon, held_snapshot;
"""


def upgrade() -> None:
    bind = op.get_bind()
    run_script(bind, TABLES)
    run_script(bind, FUNCTIONS)
    run_script(bind, ACCESS)
    for table in ADDED:
        run_script(bind, FOR_ALL.format(table=table))
    run_script(bind, TRIGGERS)


def downgrade() -> None:
    run_script(op.get_bind(), DOWN)
