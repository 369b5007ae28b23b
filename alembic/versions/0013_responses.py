"""Keeps what each officer does about an alert, what his phone heard of it, and everything that happened to the alert."""

from __future__ import annotations

from alembic import op

from storage.migrations import run_script

revision = "0013"
down_revision = "0012"
branch_labels = None
depends_on = None

ME = "access.id_of(access.principal())"
IN_SCOPE = f"scope_id = any (array(select access.officer_scopes({ME})))"
CALLED = f"any (array(select access.called_alerts({ME})))"
KNOWN = "access.principal() is not null"
SYSTEM = "access.principal_is('system')"

TABLES = """
create table sos_response (
    id uuid not null, created_at timestamptz not null default now(), scope_id uuid not null,
    rev bigint not null default 1, sync_xid xid8 not null default pg_current_xact_id(),
    updated_at timestamptz not null default now(), deleted_at timestamptz,
    alert_id uuid not null, officer_id uuid not null, status varchar not null,
    lead boolean not null default false, assigned_by uuid, reason varchar,
    changed_at timestamptz not null, captured_at_raw varchar not null, received_at timestamptz not null,
    time_suspect boolean not null default false,
    assigned_at timestamptz, acknowledged_at timestamptz, on_the_way_at timestamptz, on_scene_at timestamptz,
    declined_at timestamptz, stood_down_at timestamptz,
    constraint sos_response_pkey primary key (id),
    constraint sos_response_alert_id_officer_id_key unique (alert_id, officer_id),
    constraint sos_response_status_check check (status in (
        'ASSIGNED', 'ACKNOWLEDGED', 'ON_THE_WAY', 'ON_SCENE', 'DECLINED', 'STOOD_DOWN')),
    constraint sos_response_reason_check check (length(reason) between 1 and 2000),
    constraint sos_response_lead_check check (not lead or status in ('ACKNOWLEDGED', 'ON_THE_WAY', 'ON_SCENE')),
    constraint sos_response_alert_id_fkey foreign key (alert_id) references sos_alert (id),
    constraint sos_response_officer_id_fkey foreign key (officer_id) references officer (id),
    constraint sos_response_assigned_by_fkey foreign key (assigned_by) references officer (id)
);
create index sos_response_sync_idx on sos_response (scope_id, sync_xid, id);
create unique index sos_response_lead_key on sos_response (alert_id) where lead;
create index sos_response_officer_idx on sos_response (officer_id, updated_at);
create index sos_response_engaged_idx on sos_response (officer_id)
    where status in ('ASSIGNED', 'ACKNOWLEDGED', 'ON_THE_WAY', 'ON_SCENE');

-- Who had answered under the release before is the lead.
insert into sos_response (
    id, scope_id, deleted_at, alert_id, officer_id, status, lead, changed_at, captured_at_raw, received_at,
    acknowledged_at)
select gen_random_uuid(), scope_id, deleted_at, id, acknowledged_by, 'ACKNOWLEDGED', true, acknowledged_at,
       acknowledged_at::text, acknowledged_at, acknowledged_at
from sos_alert where acknowledged_by is not null and acknowledged_at is not null;

create table sos_event (
    id uuid not null, created_at timestamptz not null default now(),
    alert_id uuid not null, scope_id uuid not null, kind varchar not null, at timestamptz not null,
    captured_at_raw varchar, received_at timestamptz not null, time_suspect boolean not null default false,
    officer_id uuid, device_id uuid, installation_id uuid, step_id uuid, detail jsonb not null default '{}',
    constraint sos_event_pkey primary key (id),
    constraint sos_event_kind_check check (kind ~ '^[A-Z_]+$'),
    constraint sos_event_alert_id_fkey foreign key (alert_id) references sos_alert (id),
    constraint sos_event_officer_id_fkey foreign key (officer_id) references officer (id),
    constraint sos_event_device_id_fkey foreign key (device_id) references device (id),
    constraint sos_event_installation_id_fkey foreign key (installation_id) references installation (id),
    constraint sos_event_step_id_fkey foreign key (step_id) references sos_step (id)
);
create index sos_event_alert_idx on sos_event (alert_id, at, id);

alter table sos_recipient
    add column received_at timestamptz, add column received_at_raw varchar, add column received_told_at timestamptz,
    add column displayed_at timestamptz, add column displayed_at_raw varchar, add column displayed_told_at timestamptz;
create index sos_recipient_officer_idx on sos_recipient (officer_id, attempted_at);

create table installation_state (
    installation_id uuid not null,
    notifications_allowed boolean, full_screen_allowed boolean, silent boolean, battery_exempt boolean,
    battery_percent integer, charging boolean, last_push_at timestamptz, reported_at timestamptz,
    proven_at timestamptz,
    sync_asked_at timestamptz,
    test_id uuid, test_sent_at timestamptz, test_outcome varchar, test_reason varchar, test_received_at timestamptz,
    constraint installation_state_pkey primary key (installation_id),
    constraint installation_state_battery_percent_check check (battery_percent between 0 and 100),
    constraint installation_state_test_outcome_check check (
        test_outcome is null or test_outcome in ('ACCEPTED', 'DEAD', 'RETRY', 'FAILED')),
    constraint installation_state_installation_id_fkey foreign key (installation_id) references installation (id)
);

create table station_reach (
    station_id uuid not null, reachable boolean not null, since timestamptz not null, on_duty integer not null,
    reached integer not null, checked_at timestamptz not null,
    constraint station_reach_pkey primary key (station_id),
    constraint station_reach_station_id_fkey foreign key (station_id) references station (id)
);
"""

FUNCTIONS = """
-- Why an SOS would not be heard on a phone, as far as it can be known; null where nothing speaks against it. A phone of
-- which nothing is known yet counts as reachable: silence must not empty the list of those who are called.
create function why_unreachable(state installation_state) returns text language sql stable as $$
    select case
        when state.notifications_allowed = false then 'NOT_ALLOWED'
        when state.silent then 'SILENT'
        when state.test_outcome in ('DEAD', 'FAILED') then 'TEST_REFUSED'
        -- A test that the push service could not take says nothing of the phone.
        when state.test_sent_at < now() - interval '2 minutes' and state.test_outcome is distinct from 'RETRY'
             and (state.proven_at is null or state.proven_at < state.test_sent_at) then 'TEST_UNANSWERED'
    end
$$;
revoke all on function why_unreachable(installation_state) from public;
grant execute on function why_unreachable(installation_state) to patrol_phone, patrol_admin, patrol_writer, patrol_system;

-- What an officer was called for, or given, and may see for it although it lies outside his scopes. It leaves him a day
-- after it was finished.
create function access.called_alerts(holder uuid) returns setof uuid
language sql stable security definer rows 5 set search_path = public, pg_temp as $$
    select alert.id from sos_alert alert
    join (
        select alert_id from sos_recipient where officer_id = holder and attempted_at > now() - interval '30 days'
        union
        select alert_id from sos_response
        where officer_id = holder and updated_at > now() - interval '30 days' and deleted_at is null
    ) called on called.alert_id = alert.id
    where alert.deleted_at is null and (alert.closed_at is null or alert.closed_at > now() - interval '1 day')
$$;

-- Whom one meets at an alert: raisers and responders of other stations, for as long as it concerns somebody.
create function access.met_at_alerts(holder uuid) returns setof uuid
language sql stable security definer rows 20 set search_path = public, pg_temp as $$
    with seen as (
        select id, officer_id from sos_alert
        where deleted_at is null and (closed_at is null or closed_at > now() - interval '1 day')
          and raised_at > now() - interval '30 days'
          and scope_id = any (array(select access.officer_scopes(holder)))
        union
        select id, officer_id from sos_alert where id = any (array(select access.called_alerts(holder)))
    )
    select officer_id from seen where officer_id is not null
    union
    select response.officer_id from sos_response response join seen on seen.id = response.alert_id
$$;

revoke all on function access.called_alerts(uuid), access.met_at_alerts(uuid) from public;
grant execute on function access.called_alerts(uuid), access.met_at_alerts(uuid) to patrol_phone;

-- Who of the stations that one leads is on duty, with each of his phones and why it would not ring.
create function access.reach(holder uuid)
returns table (
    officer_id uuid, station_id uuid, on_duty_since timestamptz, installation_id uuid, why varchar,
    notifications_allowed boolean, full_screen_allowed boolean, silent boolean, battery_exempt boolean,
    battery_percent integer, charging boolean, last_push_at timestamptz, reported_at timestamptz,
    test_sent_at timestamptz, test_received_at timestamptz)
language sql stable security definer rows 50 set search_path = public, pg_temp as $$
    select officer.id, officer.station_id, duty.on_duty_since, phone.id,
           case when phone.session is null then 'NO_PHONE' when phone.id is null then 'NO_ADDRESS'
                else why_unreachable(state) end,
           state.notifications_allowed, state.full_screen_allowed, state.silent, state.battery_exempt,
           state.battery_percent, state.charging, state.last_push_at, state.reported_at,
           state.test_sent_at, state.test_received_at
    from officer
    join access.supervised_stations(holder) led on led = officer.station_id
    join officer_state duty on duty.officer_id = officer.id and duty.on_duty
    left join lateral (
        select session.id as session, installation.id from session
        join device on device.id = session.device_id and device.revoked_at is null
        left join installation on installation.session_id = session.id and installation.retired_at is null
        where session.officer_id = officer.id and session.revoked_at is null and session.expires_at > now()
    ) phone on true
    left join installation_state state on state.installation_id = phone.id
    where officer.active
$$;
revoke all on function access.reach(uuid) from public;
grant execute on function access.reach(uuid) to patrol_phone;
"""

TRIGGERS = """
create trigger scope_of_parent before insert on sos_response
    for each row execute function scope_of_parent('sos_alert', 'alert_id');
create trigger stamp_insert before insert on sos_response for each row execute function stamp_row();
create trigger stamp_update before update on sos_response for each row
    when (old.* is distinct from new.*) execute function stamp_row();
create trigger leave_scope after update on sos_response for each row
    when (old.scope_id <> new.scope_id) execute function leave_scope();
create trigger refuse_delete before delete on sos_response for each row execute function refuse_delete();

drop trigger carry_children on sos_alert;
create trigger carry_children after update on sos_alert
    for each row when (old.scope_id <> new.scope_id or old.deleted_at is distinct from new.deleted_at)
    execute function carry_children('alert_id', 'sos_step', 'media', 'sos_response');
create trigger carry_events after update on sos_alert
    for each row when (old.scope_id <> new.scope_id) execute function carry_side_rows('sos_event', 'alert_id', 'id');

-- What happened stays as it was told; only its scope follows the alert.
create trigger append_only before update on sos_event for each row
    when ((to_jsonb(old) - 'scope_id') is distinct from (to_jsonb(new) - 'scope_id')) execute function append_only();
create trigger append_only_whole before delete or truncate on sos_event
    for each statement execute function append_only();
"""

ACCESS = f"""
alter table sos_response enable row level security;
alter table sos_event enable row level security;
alter table installation_state enable row level security;
alter table station_reach enable row level security;

create policy phone on sos_response for select to patrol_phone using ({IN_SCOPE});
create policy phone on sos_event for select to patrol_phone using ({IN_SCOPE});
create policy called on sos_alert for select to patrol_phone using (id = {CALLED});
create policy called on sos_step for select to patrol_phone using (alert_id = {CALLED});
create policy called on sos_recipient for select to patrol_phone using (alert_id = {CALLED});
create policy called on sos_response for select to patrol_phone using (alert_id = {CALLED});
create policy called on sos_event for select to patrol_phone using (alert_id = {CALLED});
create policy met on officer for select to patrol_phone using (id = any (array(select access.met_at_alerts({ME}))));
create policy phone on station_reach for select to patrol_phone
    using (station_id = any (array(select access.supervised_stations({ME}))));
grant select on sos_response, sos_event, station_reach to patrol_phone;
"""

NEW = ("sos_response", "sos_event", "installation_state", "station_reach")

DOWN = """
drop policy met on officer;
drop policy called on sos_recipient;
drop policy called on sos_step;
drop policy called on sos_alert;
drop trigger carry_events on sos_alert;
drop trigger carry_children on sos_alert;
create trigger carry_children after update on sos_alert
    for each row when (old.scope_id <> new.scope_id or old.deleted_at is distinct from new.deleted_at)
    execute function carry_children('alert_id', 'sos_step', 'media');
drop function access.reach(uuid);
drop table station_reach, sos_event, sos_response;
drop function access.met_at_alerts(uuid);
drop function access.called_alerts(uuid);
drop function why_unreachable(installation_state);
drop table installation_state;
drop index sos_recipient_officer_idx;
alter table sos_recipient
    drop column received_at, drop column received_at_raw, drop column received_told_at,
    drop column displayed_at, drop column displayed_at_raw, drop column displayed_told_at;
-- What left a scope under this release means nothing to the one before.
delete from scope_exit where subject = 'sos_response';
"""


def upgrade() -> None:
    run_script(op.get_bind(), TABLES)
    run_script(op.get_bind(), FUNCTIONS)
    run_script(op.get_bind(), TRIGGERS)
    run_script(op.get_bind(), ACCESS)
    for table in NEW:
        op.execute(
            f"create policy admin on {table} for select to patrol_admin using (access.principal_is('admin'))"
        )
        op.execute(
            f"create policy writer on {table} to patrol_writer using ({KNOWN}) with check ({KNOWN})"
        )
        op.execute(
            f"create policy system on {table} to patrol_system using ({SYSTEM}) with check ({SYSTEM})"
        )
        op.execute(f"grant select on {table} to patrol_admin")
        op.execute(f"grant select, insert, update on {table} to patrol_writer, patrol_system")
    op.execute("revoke update on sos_event from patrol_writer, patrol_system")
    op.execute("grant update (scope_id) on sos_event to patrol_writer, patrol_system")


def downgrade() -> None:
    run_script(op.get_bind(), DOWN)
