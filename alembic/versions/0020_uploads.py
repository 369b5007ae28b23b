"""Takes the bytes of declared files by resumable uploads, and keeps what was found in them."""

from __future__ import annotations

from alembic import op

from storage.migrations import run_script

revision = "0020"
down_revision = "0019"
branch_labels = None
depends_on = None

KNOWN = "access.principal() is not null"

TABLES = """
alter table media
    add column reason varchar, add column arrived_at timestamptz, add column ready_at timestamptz,
    add column thumb_hash bytea, add column width integer, add column height integer,
    add column seconds double precision, add column orientation smallint, add column camera varchar,
    add column file_taken_at timestamptz, add column has_position boolean,
    add column file_latitude double precision, add column file_longitude double precision,
    add constraint media_thumb_hash_check check (octet_length(thumb_hash) between 5 and 25),
    add constraint media_orientation_check check (orientation between 1 and 8),
    add constraint media_file_position_check check (
        (file_latitude is null) = (file_longitude is null) and (file_latitude is null or has_position)
        and file_latitude between -90 and 90 and file_longitude between -180 and 180);
create index media_waiting_idx on media (arrived_at) where state = 'UPLOADED';

create table media_upload (
    id uuid not null, created_at timestamptz not null default now(),
    media_id uuid not null, key varchar not null, multipart_id varchar, part_size integer,
    state varchar not null default 'OPEN', asked_at timestamptz not null, ended_at timestamptz,
    constraint media_upload_pkey primary key (id),
    constraint media_upload_key_key unique (key),
    constraint media_upload_state_check check (state in ('OPEN', 'ARRIVED', 'ABANDONED')),
    constraint media_upload_ended_at_check check ((state = 'OPEN') = (ended_at is null)),
    constraint media_upload_part_size_check check (
        (multipart_id is null) = (part_size is null) and (part_size is null or part_size >= 5242880)),
    constraint media_upload_media_id_fkey foreign key (media_id) references media
);
-- The bytes of a file are on one way at a time.
create unique index media_upload_open_key on media_upload (media_id) where state = 'OPEN';
create index media_upload_media_id_idx on media_upload (media_id);
create index media_upload_asked_at_idx on media_upload (asked_at) where state = 'OPEN';

-- A file in the store is known by its upload, long before the row of its declaration names it.
create function carry_uploads() returns trigger language plpgsql as $$
begin
    update stored_object set scope_id = new.scope_id
    where id in (select id from media_upload where media_id = new.id);
    return null;
end $$;
create trigger carry_uploads after update on media
    for each row when (old.scope_id <> new.scope_id) execute function carry_uploads();
"""

DOWN = """
drop trigger carry_uploads on media;
drop function carry_uploads();
drop table media_upload;
drop index media_waiting_idx;
alter table media
    drop constraint media_thumb_hash_check, drop constraint media_orientation_check,
    drop constraint media_file_position_check,
    drop column reason, drop column arrived_at, drop column ready_at, drop column thumb_hash, drop column width,
    drop column height, drop column seconds, drop column orientation, drop column camera, drop column file_taken_at,
    drop column has_position, drop column file_latitude, drop column file_longitude;
"""


def upgrade() -> None:
    run_script(op.get_bind(), TABLES)
    op.execute("alter table media_upload enable row level security")
    op.execute(
        "create policy admin on media_upload for select to patrol_admin using (access.principal_is('admin'))"
    )
    op.execute("grant select on media_upload to patrol_admin")
    op.execute(
        f"create policy writer on media_upload to patrol_writer using ({KNOWN}) with check ({KNOWN})"
    )
    op.execute(
        "create policy system on media_upload to patrol_system "
        "using (access.principal_is('system')) with check (access.principal_is('system'))"
    )
    op.execute("grant select, insert, update on media_upload to patrol_writer, patrol_system")


def downgrade() -> None:
    run_script(op.get_bind(), DOWN)
