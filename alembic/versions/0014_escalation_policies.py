"""Lets each station say whom a call for help reaches and when, and lets supervisors steer it."""

from __future__ import annotations

from alembic import op

from storage.migrations import run_script

revision = "0014"
down_revision = "0013"
branch_labels = None
depends_on = None

TABLES = ("escalation_policy", "sos_deadline")
KNOWN = "access.principal() is not null"

UP = """
create table escalation_policy (
    id uuid not null, created_at timestamptz not null default now(),
    station_id uuid not null, version integer not null, content jsonb not null, set_by varchar not null,
    reason varchar not null default '',
    constraint escalation_policy_pkey primary key (id),
    constraint escalation_policy_station_id_version_key unique (station_id, version),
    constraint escalation_policy_version_check check (version > 0),
    constraint escalation_policy_reason_check check (length(reason) <= 1000),
    constraint escalation_policy_station_id_fkey foreign key (station_id) references station (id)
);
create trigger append_only before update or delete or truncate on escalation_policy
    for each statement execute function append_only();

create table sos_deadline (
    id uuid not null, created_at timestamptz not null default now(),
    alert_id uuid not null, kind varchar not null, due_at timestamptz not null,
    done_at timestamptz, outcome varchar,
    constraint sos_deadline_pkey primary key (id),
    constraint sos_deadline_kind_check check (kind in ('CARE', 'AGAIN')),
    constraint sos_deadline_outcome_check
        check (outcome is null or outcome in ('KEPT', 'REOPENED', 'CALLED_AGAIN', 'NOT_NEEDED')),
    constraint sos_deadline_done_at_check check ((done_at is null) = (outcome is null)),
    constraint sos_deadline_alert_id_fkey foreign key (alert_id) references sos_alert (id)
);
create index sos_deadline_alert_id_idx on sos_deadline (alert_id);
create unique index sos_deadline_waiting_key on sos_deadline (alert_id, kind) where done_at is null;
create index sos_deadline_due_idx on sos_deadline (due_at) where done_at is null;

alter table sos_alert
    add column policy_version integer, add column resolution varchar, add column resolution_note varchar,
    add column resolution_missing boolean not null default false, add column duplicate_of uuid,
    add constraint sos_alert_resolution_check check (resolution is null or resolution in (
        'HELPED', 'FALSE_ALARM', 'DRILL', 'DUPLICATE', 'HANDED_OVER', 'OTHER')),
    add constraint sos_alert_resolution_note_check check (length(resolution_note) <= 4000),
    add constraint sos_alert_duplicate_of_check check (duplicate_of <> id),
    add constraint sos_alert_duplicate_of_fkey foreign key (duplicate_of) references sos_alert (id);
create index sos_alert_duplicate_of_idx on sos_alert (duplicate_of) where duplicate_of is not null;
create index sos_alert_resolution_missing_idx on sos_alert (station_id, closed_at) where resolution_missing;

alter table sos_step
    add column round integer not null default 1, add column options jsonb not null default '{}',
    drop constraint sos_step_target_check,
    add constraint sos_step_target_check check (target in (
        'ON_DUTY', 'ZONE', 'STATION', 'SUPERVISORS', 'NEIGHBOURS', 'CHANNELS'));

-- Among jobs of one urgency the one that is due first comes first: by its number, the later steps of old alerts would
-- come before the first steps of new ones.
drop index pgqueuer_ep_prio_id_idx;
create index pgqueuer_turn_idx on pgqueuer (entrypoint, priority desc, execute_after, id) where status = 'queued';
"""

# A step to people whom the release before does not know becomes one that it can call.
DOWN = """
drop index pgqueuer_turn_idx;
create index pgqueuer_ep_prio_id_idx on pgqueuer (entrypoint, priority desc, id) where status = 'queued';
drop table sos_deadline, escalation_policy;
drop index sos_alert_duplicate_of_idx, sos_alert_resolution_missing_idx;
alter table sos_alert
    drop constraint sos_alert_resolution_check, drop constraint sos_alert_resolution_note_check,
    drop constraint sos_alert_duplicate_of_check, drop constraint sos_alert_duplicate_of_fkey,
    drop column policy_version, drop column resolution, drop column resolution_note,
    drop column resolution_missing, drop column duplicate_of;
update sos_step set target = 'SUPERVISORS' where target not in ('ON_DUTY', 'STATION', 'SUPERVISORS');
alter table sos_step
    drop column round, drop column options,
    drop constraint sos_step_target_check,
    add constraint sos_step_target_check check (target in ('ON_DUTY', 'STATION', 'SUPERVISORS'));
"""


def upgrade() -> None:
    run_script(op.get_bind(), UP)
    for table in TABLES:
        op.execute(f"alter table {table} enable row level security")
        op.execute(
            f"create policy admin on {table} for select to patrol_admin using (access.principal_is('admin'))"
        )
        op.execute(f"grant select on {table} to patrol_admin")
        op.execute(
            f"create policy writer on {table} to patrol_writer using ({KNOWN}) with check ({KNOWN})"
        )
        op.execute(
            f"create policy system on {table} to patrol_system "
            "using (access.principal_is('system')) with check (access.principal_is('system'))"
        )
    op.execute("grant select, insert on escalation_policy to patrol_writer, patrol_system")
    op.execute("grant select, insert, update on sos_deadline to patrol_writer, patrol_system")


def downgrade() -> None:
    run_script(op.get_bind(), DOWN)
