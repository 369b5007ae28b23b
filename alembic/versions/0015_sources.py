"""Lets poles, citizens and officers without data call for help, and tells when a pole falls silent."""

from __future__ import annotations

from alembic import op

from storage.migrations import run_script

revision = "0015"
down_revision = "0014"
branch_labels = None
depends_on = None

ALERTS = """
alter table sos_alert
    add column silent boolean not null default false,
    add column late boolean not null default false,
    add column severity varchar not null default 'CRITICAL',
    add column cancel_asked_by uuid,
    add column cancel_asked_at timestamptz,
    add column texted_at timestamptz,
    add constraint sos_alert_cancel_asked_by_fkey foreign key (cancel_asked_by) references officer (id),
    add constraint sos_alert_severity_check check (severity in ('LOW', 'MEDIUM', 'HIGH', 'CRITICAL')),
    drop constraint sos_alert_post_check,
    -- A citizen's alert belongs to the post whose code was scanned.
    add constraint sos_alert_post_check check (
        case source when 'POST' then post_id is not null when 'OFFICER' then post_id is null else true end);
update sos_alert set severity = 'LOW' where drill;

-- A real press must never be swallowed by a drill that is open at the same post.
drop index sos_alert_open_post_key;
create unique index sos_alert_open_post_key on sos_alert (post_id, drill)
    where status in ('OPEN', 'ACKNOWLEDGED') and deleted_at is null;

create table sos_cancel (
    id uuid not null,
    created_at timestamptz not null default now(),
    alert_id uuid not null,
    officer_id uuid not null,
    device_id uuid,
    asked_at timestamptz not null,
    captured_at_raw varchar not null,
    received_at timestamptz not null,
    time_suspect boolean not null default false,
    applied_at timestamptz,
    constraint sos_cancel_pkey primary key (id),
    constraint sos_cancel_alert_id_officer_id_key unique (alert_id, officer_id),
    constraint sos_cancel_officer_id_fkey foreign key (officer_id) references officer (id),
    constraint sos_cancel_device_id_fkey foreign key (device_id) references device (id)
);
"""

POSTS = """
alter table device_key
    alter column key_sha256 drop not null,
    add column kind varchar not null default 'KEY',
    add column action varchar,
    add column password_hash varchar,
    add constraint device_key_kind_check check (kind in ('KEY', 'PASSWORD', 'LINK')),
    add constraint device_key_action_check check (action is null or action in ('ALARM', 'HEARTBEAT')),
    add constraint device_key_password_check check (
        (kind = 'PASSWORD') = (password_hash is not null) and (kind = 'PASSWORD') = (key_sha256 is null)),
    add constraint device_key_link_check check (
        (kind = 'LINK') = (action is not null) and (kind = 'KEY' or post_id is not null));

alter table sos_post_state
    add column last_beat_at timestamptz,
    add column button varchar,
    add column pressed_since timestamptz,
    add column power varchar,
    add column battery_percent integer,
    add column tampered boolean,
    add column silent_since timestamptz,
    add column stuck_since timestamptz,
    add column power_lost_since timestamptz,
    add column tampered_since timestamptz,
    add column last_test_at timestamptz,
    add column overdue_told_at timestamptz,
    add constraint sos_post_state_button_check check (button is null or button in ('OK', 'PRESSED', 'FAULT')),
    add constraint sos_post_state_power_check check (power is null or power in ('MAINS', 'BATTERY', 'LOST')),
    add constraint sos_post_state_battery_percent_check check (battery_percent between 0 and 100);

create table sos_post_setting (
    post_id uuid not null,
    updated_at timestamptz not null default now(),
    get_allowed boolean not null default false,
    heartbeat_seconds integer not null default 60,
    watched_from timestamptz,
    test_days integer not null default 30,
    test_armed_until timestamptz,
    qr_version integer not null default 1,
    constraint sos_post_setting_pkey primary key (post_id),
    constraint sos_post_setting_post_id_fkey foreign key (post_id) references sos_post (id),
    constraint sos_post_setting_heartbeat_seconds_check check (heartbeat_seconds between 10 and 86400),
    constraint sos_post_setting_test_days_check check (test_days between 1 and 366),
    constraint sos_post_setting_qr_version_check check (qr_version between 1 and 65535)
);

create table sos_post_mute (
    id uuid not null,
    created_at timestamptz not null default now(),
    post_id uuid not null,
    scope_id uuid not null,
    reason varchar not null,
    muted_by varchar not null,
    until timestamptz not null,
    ended_at timestamptz,
    ended_by varchar,
    presses integer not null default 0,
    last_press_at timestamptz,
    constraint sos_post_mute_pkey primary key (id),
    constraint sos_post_mute_post_id_fkey foreign key (post_id) references sos_post (id),
    constraint sos_post_mute_reason_check check (length(reason) between 1 and 500)
);
create index sos_post_mute_post_id_idx on sos_post_mute (post_id);
create unique index sos_post_mute_running_key on sos_post_mute (post_id) where ended_at is null;

create table sos_post_press (
    id uuid not null,
    created_at timestamptz not null default now(),
    post_id uuid not null,
    scope_id uuid not null,
    press_id varchar,
    alert_id uuid,
    joined boolean not null default false,
    drill boolean not null default false,
    muted boolean not null default false,
    pressed_at timestamptz not null,
    constraint sos_post_press_pkey primary key (id),
    constraint sos_post_press_post_id_press_id_key unique (post_id, press_id),
    constraint sos_post_press_post_id_fkey foreign key (post_id) references sos_post (id),
    constraint sos_post_press_alert_id_fkey foreign key (alert_id) references sos_alert (id)
);
create index sos_post_press_recent_idx on sos_post_press (post_id, pressed_at);

create table sos_post_event (
    id uuid not null,
    created_at timestamptz not null default now(),
    post_id uuid not null,
    scope_id uuid not null,
    kind varchar not null,
    at timestamptz not null,
    principal varchar,
    detail jsonb not null default '{}',
    constraint sos_post_event_pkey primary key (id),
    constraint sos_post_event_post_id_fkey foreign key (post_id) references sos_post (id),
    constraint sos_post_event_kind_check check (kind ~ '^[A-Z_]+$')
);
create index sos_post_event_post_id_idx on sos_post_event (post_id);

create trigger carry_mutes after update on sos_post
    for each row when (old.scope_id <> new.scope_id) execute function carry_side_rows('sos_post_mute', 'post_id', 'id');
create trigger carry_presses after update on sos_post
    for each row when (old.scope_id <> new.scope_id) execute function carry_side_rows('sos_post_press', 'post_id', 'id');
create trigger carry_events after update on sos_post
    for each row when (old.scope_id <> new.scope_id) execute function carry_side_rows('sos_post_event', 'post_id', 'id');
"""

# A secret that stands in an address opens that address and no other door.
CREDENTIAL = """
create or replace function access.credential(sha256 bytea)
returns table (kind text, holder_id uuid, credential_id uuid)
language sql stable security definer rows 1 set search_path = public, pg_temp as $$
    select 'partner', organisation_id, id from api_key where key_sha256 = sha256
    union all
    select case when camera_id is null then 'post' else 'camera' end, coalesce(camera_id, post_id), id
    from device_key where key_sha256 = sha256 and device_key.kind = 'KEY'
    union all
    select 'admin', id, id from admin_token where token_sha256 = sha256
$$;
"""

CREDENTIAL_BEFORE = """
create or replace function access.credential(sha256 bytea)
returns table (kind text, holder_id uuid, credential_id uuid)
language sql stable security definer rows 1 set search_path = public, pg_temp as $$
    select 'partner', organisation_id, id from api_key where key_sha256 = sha256
    union all
    select case when camera_id is null then 'post' else 'camera' end, coalesce(camera_id, post_id), id
    from device_key where key_sha256 = sha256
    union all
    select 'admin', id, id from admin_token where token_sha256 = sha256
$$;
"""

IN_SCOPE = "scope_id = any (array(select access.officer_scopes(access.id_of(access.principal()))))"
KNOWN = "access.principal() is not null"
SHOWN = ("sos_post_mute", "sos_post_press", "sos_post_event")
KEPT = ("sos_cancel", "sos_post_setting")


def _open(table: str) -> None:
    op.execute(f"alter table {table} enable row level security")
    if table in SHOWN:
        op.execute(f"create policy phone on {table} for select to patrol_phone using ({IN_SCOPE})")
        op.execute(f"grant select on {table} to patrol_phone")
    op.execute(
        f"create policy admin on {table} for select to patrol_admin using (access.principal_is('admin'))"
    )
    op.execute(
        f"create policy writer on {table} to patrol_writer using ({KNOWN}) with check ({KNOWN})"
    )
    op.execute(
        f"create policy system on {table} to patrol_system "
        "using (access.principal_is('system')) with check (access.principal_is('system'))"
    )
    op.execute(f"grant select on {table} to patrol_admin")
    op.execute(f"grant select, insert, update on {table} to patrol_writer, patrol_system")


def upgrade() -> None:
    run_script(op.get_bind(), ALERTS)
    run_script(op.get_bind(), POSTS)
    run_script(op.get_bind(), CREDENTIAL)
    for table in (*SHOWN, *KEPT):
        _open(table)


DOWN = """
drop trigger carry_events on sos_post;
drop trigger carry_presses on sos_post;
drop trigger carry_mutes on sos_post;
drop table sos_post_event;
drop table sos_post_press;
drop table sos_post_mute;
drop table sos_post_setting;
alter table sos_post_state
    drop column last_beat_at, drop column button, drop column pressed_since, drop column power,
    drop column battery_percent, drop column tampered, drop column silent_since, drop column stuck_since,
    drop column power_lost_since, drop column tampered_since, drop column last_test_at, drop column overdue_told_at;
delete from device_key where kind <> 'KEY';
alter table device_key
    drop column kind, drop column action, drop column password_hash, alter column key_sha256 set not null;
drop table sos_cancel;
drop index sos_alert_open_post_key;
-- The release before knows one unfinished alert for a post, and no post of a citizen's.
update sos_alert set post_id = null where source = 'CITIZEN' and post_id is not null;
update sos_alert set status = 'CANCELLED', closed_at = now()
where drill and source = 'POST' and status in ('OPEN', 'ACKNOWLEDGED');
create unique index sos_alert_open_post_key on sos_alert (post_id)
    where status in ('OPEN', 'ACKNOWLEDGED') and deleted_at is null;
alter table sos_alert
    drop constraint sos_alert_post_check,
    add constraint sos_alert_post_check check ((source = 'POST') = (post_id is not null)),
    drop column silent, drop column late, drop column severity, drop column cancel_asked_by,
    drop column cancel_asked_at, drop column texted_at;
"""


def downgrade() -> None:
    run_script(op.get_bind(), CREDENTIAL_BEFORE)
    run_script(op.get_bind(), DOWN)
