"""Lets a restore or failover be noticed, and phones bring back what it lost."""

from __future__ import annotations

from alembic import op

from storage.migrations import run_script

revision = "0010"
down_revision = "0009"
branch_labels = None
depends_on = None

TABLES = """
alter table sync_epoch add column cause varchar not null default 'BY_HAND';
alter table sync_epoch add column evidence jsonb not null default '{}';
alter table sync_epoch add constraint sync_epoch_cause_check check (cause in (
    'BY_HAND', 'SYSTEM', 'TIMELINE', 'DATABASE', 'TABLE', 'COUNTER', 'LOG', 'STAMPS', 'WITNESS', 'CURSOR', 'RECEIPT'));

create table sync_mark (
    slot integer not null,
    serial bigint not null,
    token uuid not null,
    epoch_id uuid not null,
    system_identifier varchar,
    timeline integer not null,
    database_oid bigint not null,
    table_oid bigint not null,
    xid xid8 not null,
    lsn varchar not null,
    made_at timestamptz not null default now(),
    constraint sync_mark_pkey primary key (slot),
    constraint sync_mark_serial_key unique (serial),
    constraint sync_mark_epoch_id_fkey foreign key (epoch_id) references sync_epoch (id)
);

create table sync_backup (
    id uuid not null,
    created_at timestamptz not null default now(),
    epoch_id uuid not null,
    durable_through timestamptz not null,
    note varchar not null,
    constraint sync_backup_pkey primary key (id),
    constraint sync_backup_epoch_id_fkey foreign key (epoch_id) references sync_epoch (id)
);

create table sync_gap (
    id uuid not null,
    created_at timestamptz not null default now(),
    device_id uuid not null,
    officer_id uuid not null,
    lane varchar not null,
    from_sequence bigint not null,
    to_sequence bigint not null,
    epoch_id uuid not null,
    constraint sync_gap_pkey primary key (id),
    constraint sync_gap_device_id_fkey foreign key (device_id) references device (id),
    constraint sync_gap_officer_id_fkey foreign key (officer_id) references officer (id),
    constraint sync_gap_epoch_id_fkey foreign key (epoch_id) references sync_epoch (id),
    constraint sync_gap_lane_check check (lane in ('SOS', 'RECORDS', 'TRACKS')),
    constraint sync_gap_span_check check (from_sequence <= to_sequence)
);
create index sync_gap_device_id_officer_id_lane_idx on sync_gap (device_id, officer_id, lane);

alter table sync_lane add column epoch_id uuid;
alter table sync_lane add column asked_epoch_id uuid;
alter table sync_lane add column asked_at timestamptz;
update sync_lane set epoch_id = (select id from sync_epoch order by number desc limit 1);
"""

FUNCTIONS = """
create or replace function stamp_row() returns trigger language plpgsql as $$
begin
    -- pg_current_xact_id() is the top-level transaction, also inside savepoints, where xmin would be the inner one.
    new.sync_xid := pg_current_xact_id();
    if tg_op = 'UPDATE' and current_setting('patrol.restamping', true) = 'on' then
        -- The row did not change, only the counter that its stamp is read by: a phone's base version stays good.
        return new;
    end if;
    if tg_op = 'INSERT' then
        new.rev := 1;
    else
        new.rev := old.rev + 1;
        new.updated_at := clock_timestamp();
    end if;
    return new;
end $$;

create function access.stamps_ahead() returns table (name text, ahead bigint)
language plpgsql stable security definer set search_path = public, pg_temp as $$
begin
    -- Every stamped table, also those that a later release adds.
    for name in
        select c.relname::text from pg_attribute a join pg_class c on c.oid = a.attrelid
        where a.attname = 'sync_xid' and a.atttypid = 'xid8'::regtype and not a.attisdropped
          and c.relkind = 'r' and c.relnamespace = 'public'::regnamespace
        order by 1
    loop
        execute format(
            'select count(*) from public.%I where sync_xid >= pg_snapshot_xmax(pg_current_snapshot()) '
            'and sync_xid is distinct from pg_current_xact_id_if_assigned()', name) into ahead;
        if ahead > 0 then
            return next;
        end if;
    end loop;
end $$;

create function access.restamp() returns bigint
language plpgsql volatile security definer set search_path = public, pg_temp as $$
declare
    one text;
    restamped bigint;
    total bigint := 0;
begin
    perform set_config('patrol.restamping', 'on', true);
    for one in select name from access.stamps_ahead() loop
        -- A stamp that this cluster's counter has yet to reach would hide its row from every phone until then.
        execute format(
            'update public.%I set sync_xid = pg_current_xact_id() '
            'where sync_xid >= pg_snapshot_xmax(pg_current_snapshot())', one);
        get diagnostics restamped = row_count;
        total := total + restamped;
    end loop;
    perform set_config('patrol.restamping', 'off', true);
    return total;
end $$;

revoke all on function access.stamps_ahead(), access.restamp() from public;
grant execute on function access.stamps_ahead(), access.restamp() to patrol_system;
"""

ACCESS = """
alter table sync_mark enable row level security;
alter table sync_backup enable row level security;
alter table sync_gap enable row level security;

-- Phones are told the backup's horizon and whether the tables were made anew, and nothing of the server itself.
create policy phone on sync_mark for select to patrol_phone using (access.principal_is('officer'));
grant select (serial, table_oid) on sync_mark to patrol_phone;
create policy phone on sync_backup for select to patrol_phone using (access.principal_is('officer'));
grant select (id, durable_through) on sync_backup to patrol_phone;
create policy phone on sync_gap for select to patrol_phone
    using (access.principal_is('officer') and officer_id = access.id_of(access.principal()));
grant select on sync_gap to patrol_phone;
"""

FOR_ALL = """
create policy admin on {table} for select to patrol_admin using (access.principal_is('admin'));
grant select on {table} to patrol_admin;
create policy writer on {table} to patrol_writer
    using (access.principal() is not null) with check (access.principal() is not null);
grant select, insert on {table} to patrol_writer;
create policy system on {table} to patrol_system
    using (access.principal_is('system')) with check (access.principal_is('system'));
grant select, insert, update on {table} to patrol_system;
"""

ADDED = ("sync_mark", "sync_backup", "sync_gap")

STAMP_ROW_OF_BEFORE = """
create or replace function stamp_row() returns trigger language plpgsql as $$
begin
    -- pg_current_xact_id() is the top-level transaction, also inside savepoints, where xmin would be the inner one.
    new.sync_xid := pg_current_xact_id();
    if tg_op = 'INSERT' then
        new.rev := 1;
    else
        new.rev := old.rev + 1;
        new.updated_at := clock_timestamp();
    end if;
    return new;
end $$;
"""


def upgrade() -> None:
    bind = op.get_bind()
    run_script(bind, TABLES)
    run_script(bind, FUNCTIONS)
    run_script(bind, ACCESS)
    for table in ADDED:
        run_script(bind, FOR_ALL.format(table=table))
    op.execute("revoke insert on sync_mark from patrol_writer")


def downgrade() -> None:
    bind = op.get_bind()
    run_script(bind, STAMP_ROW_OF_BEFORE)
    op.execute("drop function access.restamp()")
    op.execute("drop function access.stamps_ahead()")
    for column in ("asked_at", "asked_epoch_id", "epoch_id"):
        op.execute(f"alter table sync_lane drop column {column}")
    for table in reversed(ADDED):
        op.execute(f"drop table {table}")
    op.execute("alter table sync_epoch drop column evidence, drop column cause")
