"""Keeps the fallback channels of stations, what became of each call through them, and what the auditor of calls found."""

from __future__ import annotations

from alembic import op

from storage.migrations import run_script

revision = "0017"
down_revision = "0016"
branch_labels = None
depends_on = None

TABLES = """
create table sos_channel (
    id uuid not null,
    created_at timestamptz not null default now(),
    station_id uuid not null,
    label varchar not null,
    scheme varchar not null,
    sealed bytea not null,
    language varchar not null default 'BOTH',
    added_by varchar not null,
    removed_at timestamptz,
    removed_by varchar,
    tested_at timestamptz,
    test_outcome varchar,
    test_reason varchar,
    failing_since timestamptz,
    constraint sos_channel_pkey primary key (id),
    constraint sos_channel_station_id_fkey foreign key (station_id) references station (id),
    constraint sos_channel_language_check check (language in ('THAI', 'ENGLISH', 'BOTH')),
    constraint sos_channel_test_outcome_check check (
        test_outcome is null or test_outcome in ('CALLING', 'TOLD', 'FAILED', 'TIMEOUT', 'UNREADABLE'))
);
create unique index sos_channel_label_key on sos_channel (station_id, label) where removed_at is null;

create table sos_channel_call (
    id uuid not null,
    created_at timestamptz not null default now(),
    channel_id uuid not null,
    alert_id uuid not null,
    scope_id uuid not null,
    call_id uuid not null,
    outcome varchar not null,
    reason varchar,
    attempts integer not null default 1,
    attempted_at timestamptz not null,
    constraint sos_channel_call_pkey primary key (id),
    constraint sos_channel_call_call_id_channel_id_key unique (call_id, channel_id),
    constraint sos_channel_call_channel_id_fkey foreign key (channel_id) references sos_channel (id),
    constraint sos_channel_call_alert_id_fkey foreign key (alert_id) references sos_alert (id),
    constraint sos_channel_call_outcome_check check (
        outcome in ('CALLING', 'TOLD', 'FAILED', 'TIMEOUT', 'UNREADABLE'))
);
create index sos_channel_call_alert_id_idx on sos_channel_call (alert_id);

create table sos_finding (
    id uuid not null,
    created_at timestamptz not null default now(),
    kind varchar not null,
    subject_id uuid not null,
    alert_id uuid,
    step_id uuid,
    station_id uuid,
    seen_at timestamptz not null,
    told_at timestamptz,
    times_told integer not null default 0,
    reached integer not null default 0,
    repaired boolean not null default false,
    resolved_at timestamptz,
    constraint sos_finding_pkey primary key (id),
    constraint sos_finding_alert_id_fkey foreign key (alert_id) references sos_alert (id),
    constraint sos_finding_step_id_fkey foreign key (step_id) references sos_step (id),
    constraint sos_finding_station_id_fkey foreign key (station_id) references station (id),
    constraint sos_finding_kind_check check (kind ~ '^[A-Z_]+$')
);
create unique index sos_finding_open_key on sos_finding (kind, subject_id) where resolved_at is null;
create index sos_finding_alert_id_idx on sos_finding (alert_id);

-- One row: when calls were last audited, and when all was last well.
create table sos_audit (
    slot integer not null default 1,
    looked_at timestamptz,
    well_at timestamptz,
    findings integer not null default 0,
    constraint sos_audit_pkey primary key (slot),
    constraint sos_audit_slot_check check (slot = 1)
);
insert into sos_audit default values;

create index sos_alert_unfinished_idx on sos_alert (received_at)
    where status in ('OPEN', 'ACKNOWLEDGED') and deleted_at is null;

create trigger carry_channel_calls after update on sos_alert for each row
    when (old.scope_id <> new.scope_id) execute function carry_side_rows('sos_channel_call', 'alert_id', 'id');
"""

ACCESS = """
alter table {table} enable row level security;
create policy admin on {table} for select to patrol_admin using (access.principal_is('admin'));
create policy writer on {table} to patrol_writer
    using (access.principal() is not null) with check (access.principal() is not null);
grant select, insert, update on {table} to patrol_writer;
create policy system on {table} to patrol_system
    using (access.principal_is('system')) with check (access.principal_is('system'));
grant select, insert, update on {table} to patrol_system;
"""

# Never the sealed address: only who tells may open it.
READS = """
grant select (id, created_at, station_id, label, scheme, language, added_by, removed_at, removed_by, tested_at,
    test_outcome, test_reason, failing_since) on sos_channel to patrol_admin;
grant select on sos_channel_call, sos_finding, sos_audit to patrol_admin;

-- The control room may see how its calls went through fallback channels, and what the auditor found.
create policy phone on sos_channel_call for select to patrol_phone
    using (scope_id = any (array(select access.officer_scopes(access.id_of(access.principal())))));
grant select on sos_channel_call to patrol_phone;
revoke insert, update on sos_finding, sos_audit from patrol_writer;
"""

ADDED = ("sos_channel", "sos_channel_call", "sos_finding", "sos_audit")


def upgrade() -> None:
    bind = op.get_bind()
    run_script(bind, TABLES)
    for table in ADDED:
        run_script(bind, ACCESS.format(table=table))
    run_script(bind, READS)


def downgrade() -> None:
    op.execute("drop trigger carry_channel_calls on sos_alert")
    op.execute("drop index sos_alert_unfinished_idx")
    for table in reversed(ADDED):
        op.execute(f"drop table {table}")
