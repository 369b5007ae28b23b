"""Takes clips of an alert in segments while they are recorded."""

from __future__ import annotations

from alembic import op

from storage.migrations import run_script

revision = "0016"
down_revision = "0015"
branch_labels = None
depends_on = None

NEW = ("sos_clip", "sos_clip_segment")
IN_SCOPE = "scope_id = any (array(select access.officer_scopes(access.id_of(access.principal()))))"
KNOWN = "access.principal() is not null"

TABLES = """
create table sos_clip (
    id uuid not null, created_at timestamptz not null default now(), scope_id uuid not null,
    rev bigint not null default 1, sync_xid xid8 not null default pg_current_xact_id(),
    updated_at timestamptz not null default now(), deleted_at timestamptz,
    alert_id uuid not null, officer_id uuid, device_id uuid, post_id uuid,
    container varchar not null, video_codec varchar, audio_codec varchar,
    state varchar not null default 'RECORDING', reason varchar, silent boolean not null default false,
    started_at timestamptz not null, captured_at_raw varchar not null, received_at timestamptz not null,
    time_suspect boolean not null default false,
    heard_at timestamptz not null, ended_at timestamptz, expected integer,
    declared integer not null default 0, arrived integer not null default 0, ready integer not null default 0,
    quarantined integer not null default 0, seconds double precision not null default 0,
    file_key varchar, file_of varchar, file_bytes bigint, file_sha256 bytea, file_seconds double precision,
    poster_320_key varchar, poster_960_key varchar,
    constraint sos_clip_pkey primary key (id),
    constraint sos_clip_container_check check (container in ('MPEG_TS', 'FMP4')),
    constraint sos_clip_video_codec_check check (video_codec is null or video_codec in ('H264', 'HEVC')),
    constraint sos_clip_audio_codec_check check (audio_codec is null or audio_codec in ('AAC')),
    constraint sos_clip_some_codec_check check (video_codec is not null or audio_codec is not null),
    constraint sos_clip_state_check check (state in ('RECORDING', 'ENDED', 'READY', 'FAILED')),
    constraint sos_clip_one_maker_check check ((officer_id is null) <> (post_id is null)),
    constraint sos_clip_ended_at_check check ((state = 'RECORDING') = (ended_at is null)),
    constraint sos_clip_expected_check check (expected >= 0),
    constraint sos_clip_file_sha256_check check (octet_length(file_sha256) = 32),
    constraint sos_clip_file_key_check check (state <> 'READY' or file_key is not null),
    constraint sos_clip_alert_id_fkey foreign key (alert_id) references sos_alert,
    constraint sos_clip_officer_id_fkey foreign key (officer_id) references officer,
    constraint sos_clip_device_id_fkey foreign key (device_id) references device,
    constraint sos_clip_post_id_fkey foreign key (post_id) references sos_post
);
create index sos_clip_alert_id_idx on sos_clip (alert_id);
create index sos_clip_sync_idx on sos_clip (scope_id, sync_xid, id);
create index sos_clip_recording_idx on sos_clip (heard_at) where state = 'RECORDING';

create table sos_clip_segment (
    id uuid not null, created_at timestamptz not null default now(),
    clip_id uuid not null, scope_id uuid not null, sequence integer not null, init boolean not null default false,
    sha256 bytea not null, size_bytes bigint not null, seconds double precision,
    discontinuity boolean not null default false, state varchar not null default 'DECLARED', reason varchar,
    object_id uuid, arrived_at timestamptz, ready_at timestamptz, measured_seconds double precision,
    constraint sos_clip_segment_pkey primary key (id),
    constraint sos_clip_segment_sequence_check check (sequence between 0 and 999999),
    constraint sos_clip_segment_sha256_check check (octet_length(sha256) = 32),
    constraint sos_clip_segment_size_bytes_check check (size_bytes > 0),
    constraint sos_clip_segment_seconds_check check (init = (seconds is null) and (seconds is null or seconds > 0)),
    constraint sos_clip_segment_state_check
        check (state in ('DECLARED', 'UPLOADED', 'READY', 'QUARANTINED', 'EXPIRED')),
    constraint sos_clip_segment_clip_id_fkey foreign key (clip_id) references sos_clip,
    constraint sos_clip_segment_object_id_fkey foreign key (object_id) references stored_object
);
-- What was refused gives its place free: the recorder may declare it anew with other bytes.
create unique index sos_clip_segment_place_key on sos_clip_segment (clip_id, init, sequence)
    where state <> 'QUARANTINED';
create index sos_clip_segment_clip_id_idx on sos_clip_segment (clip_id);
create index sos_clip_segment_object_id_idx on sos_clip_segment (object_id);
create index sos_clip_segment_missing_idx on sos_clip_segment (clip_id, created_at)
    where state in ('DECLARED', 'UPLOADED');

create trigger scope_of_parent before insert on sos_clip
    for each row execute function scope_of_parent('sos_alert', 'alert_id');
create function scope_of_clip() returns trigger language plpgsql as $$
begin
    -- The lock makes a move of the clip that is under way come first.
    select scope_id into new.scope_id from sos_clip where id = new.clip_id for share;
    return new;
end $$;
create trigger scope_of_clip before insert on sos_clip_segment
    for each row execute function scope_of_clip();
create trigger carry_clips after update on sos_alert
    for each row when (old.scope_id <> new.scope_id or old.deleted_at is distinct from new.deleted_at)
    execute function carry_children('alert_id', 'sos_clip');
create trigger carry_segments after update on sos_clip
    for each row when (old.scope_id <> new.scope_id)
    execute function carry_side_rows('sos_clip_segment', 'clip_id', 'id');
create trigger carry_object after update on sos_clip_segment
    for each row when (old.scope_id <> new.scope_id and new.object_id is not null)
    execute function carry_side_rows('stored_object', 'id', 'object_id');

create trigger stamp_insert before insert on sos_clip for each row execute function stamp_row();
create trigger stamp_update before update on sos_clip for each row
    when (old.* is distinct from new.*) execute function stamp_row();
create trigger leave_scope after update on sos_clip for each row
    when (old.scope_id <> new.scope_id) execute function leave_scope();
create trigger refuse_delete before delete on sos_clip for each row execute function refuse_delete();
"""


def upgrade() -> None:
    run_script(op.get_bind(), TABLES)
    for table in NEW:
        op.execute(f"alter table {table} enable row level security")
        op.execute(f"create policy phone on {table} for select to patrol_phone using ({IN_SCOPE})")
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
drop trigger carry_clips on sos_alert;
drop table sos_clip_segment, sos_clip;
drop function scope_of_clip();
-- What left a scope under this release means nothing to the one before.
delete from scope_exit where subject = 'sos_clip';
"""


def downgrade() -> None:
    run_script(op.get_bind(), DOWN)
