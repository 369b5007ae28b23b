"""Adds the subjects that phones hold beside zones, cameras, incidents and alerts."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from storage.base import Xid8
from storage.migrations import run_script

revision = "0008"
down_revision = "0007"
branch_labels = None
depends_on = None

NEW = ("incident_note", "media", "notice")
GROWN = ("officer", "sos_step")
IN_SCOPE = "scope_id = any (array(select access.officer_scopes(access.id_of(access.principal()))))"
KNOWN = "access.principal() is not null"
DOORS = "patrol_phone, patrol_partner, patrol_admin, patrol_writer, patrol_system"

# The staff of a station is a scope of its own. Were the station's id used, everybody would hold the scope of whoever
# has the whole station, and a pull could not tell the two apart when somebody becomes the one or the other.
STAFF = f"""
create function access.staff_scope(station uuid) returns uuid
language sql immutable strict parallel safe as $$
    -- A UUID of version 8 (RFC 9562): the first bytes of a hash, marked as such. One expression, so that it is inlined.
    select overlay(overlay(encode(substring(sha256('staff'::bytea || uuid_send(station)) for 16), 'hex')
                           placing '8' from 13 for 1) placing 'a' from 17 for 1)::uuid
$$;
revoke all on function access.staff_scope(uuid) from public;
grant execute on function access.staff_scope(uuid) to patrol_app, patrol_sharing, {DOORS};

create or replace function access.officer_scopes(holder uuid) returns setof uuid
language sql stable security definer rows 20 set search_path = public, pg_temp as $$
    -- A station includes its zones, a zone the zones inside it.
    with recursive held as (
        select scope_id from assignment
        where officer_id = holder and valid_from <= now() and (valid_until is null or valid_until > now())
        union
        select zone.id from held join zone on zone.station_id = held.scope_id or zone.parent_id = held.scope_id
    )
    select scope_id from held
    union all
    -- Everybody of a station has its staff, whatever is assigned to him, and so has whoever holds the station.
    select access.staff_scope(officer.station_id) from officer where officer.id = holder
    union all
    select access.staff_scope(station.id) from held join station on station.id = held.scope_id
    where station.id <> (select officer.station_id from officer where officer.id = holder)
$$;
"""

STAFF_BEFORE = """
create or replace function access.officer_scopes(holder uuid) returns setof uuid
language sql stable security definer rows 20 set search_path = public, pg_temp as $$
    -- A station includes its zones, a zone the zones inside it.
    with recursive held as (
        select scope_id from assignment
        where officer_id = holder and valid_from <= now() and (valid_until is null or valid_until > now())
        union
        select zone.id from held join zone on zone.station_id = held.scope_id or zone.parent_id = held.scope_id
    )
    select scope_id from held
$$;
drop function access.staff_scope(uuid);
"""

# A child's scope is its parent's, whoever writes it: in the rules it would be forgotten by the next one.
FUNCTIONS = """
create function scope_of_staff() returns trigger language plpgsql as $$
begin
    new.scope_id := access.staff_scope(new.station_id);
    return new;
end $$;

create function scope_of_notice() returns trigger language plpgsql as $$
begin
    new.scope_id := coalesce(new.zone_id, access.staff_scope(new.station_id));
    return new;
end $$;

create function scope_of_parent() returns trigger language plpgsql as $$
declare parent record;
begin
    -- The lock makes a move of the parent that is under way come first, so that no child is left behind.
    execute format('select scope_id, deleted_at from %I where id = $1 for share', tg_argv[0])
        into parent using (to_jsonb(new) ->> tg_argv[1])::uuid;
    if parent.scope_id is not null then
        new.scope_id := parent.scope_id;
        new.deleted_at := coalesce(new.deleted_at, parent.deleted_at);
    end if;
    return new;
end $$;

create function carry_children() returns trigger language plpgsql as $$
declare place integer;
begin
    for place in 1 .. tg_nargs - 1 loop
        execute format(
            'update %I set scope_id = $2, deleted_at = case when deleted_at is not distinct from $3 then $4 else deleted_at end '
            'where %I = $1', tg_argv[place], tg_argv[0])
        using new.id, new.scope_id, old.deleted_at, new.deleted_at;
    end loop;
    return null;
end $$;

create function carry_side_rows() returns trigger language plpgsql as $$
begin
    execute format('update %I set scope_id = $2 where %I = $1', tg_argv[0], tg_argv[1])
        using (to_jsonb(new) ->> tg_argv[2])::uuid, new.scope_id;
    return null;
end $$;
"""

TRIGGERS = """
create trigger scope_of_staff before insert or update of station_id on officer
    for each row execute function scope_of_staff();
create trigger scope_of_notice before insert or update of station_id, zone_id on notice
    for each row execute function scope_of_notice();
create trigger scope_of_parent before insert on incident_note
    for each row execute function scope_of_parent('incident', 'incident_id');
create trigger scope_of_incident before insert on media
    for each row when (new.incident_id is not null) execute function scope_of_parent('incident', 'incident_id');
create trigger scope_of_alert before insert on media
    for each row when (new.alert_id is not null) execute function scope_of_parent('sos_alert', 'alert_id');
create trigger scope_of_parent before insert on sos_step
    for each row execute function scope_of_parent('sos_alert', 'alert_id');

create trigger carry_children after update on incident
    for each row when (old.scope_id <> new.scope_id or old.deleted_at is distinct from new.deleted_at)
    execute function carry_children('incident_id', 'incident_note', 'media');
create trigger carry_children after update on sos_alert
    for each row when (old.scope_id <> new.scope_id or old.deleted_at is distinct from new.deleted_at)
    execute function carry_children('alert_id', 'sos_step', 'media');
create trigger carry_recipients after update on sos_step
    for each row when (old.scope_id <> new.scope_id) execute function carry_side_rows('sos_recipient', 'step_id', 'id');
create trigger carry_object after update on media
    for each row when (old.scope_id <> new.scope_id and new.object_id is not null)
    execute function carry_side_rows('stored_object', 'id', 'object_id');
"""


def upgrade() -> None:
    run_script(op.get_bind(), STAFF)
    _grow("officer", "access.staff_scope(station_id)")
    _grow("sos_step", None)
    op.execute(
        "update sos_step set scope_id = alert.scope_id, deleted_at = alert.deleted_at from sos_alert alert "
        "where alert.id = alert_id and (sos_step.scope_id <> alert.scope_id or alert.deleted_at is not null)"
    )
    _create_notes()
    _create_media()
    _create_notices()
    run_script(op.get_bind(), FUNCTIONS)
    for table in (*NEW, *GROWN):
        _stamp(table)
    run_script(op.get_bind(), TRIGGERS)
    for table in NEW:
        _open(table)
    op.execute("drop policy phone on officer")
    op.execute(f"create policy phone on officer for select to patrol_phone using ({IN_SCOPE})")


def _stamps() -> list[sa.Column[object]]:
    return [
        sa.Column("rev", sa.BigInteger(), server_default=sa.text("1"), nullable=False),
        sa.Column(
            "sync_xid", Xid8(), server_default=sa.text("pg_current_xact_id()"), nullable=False
        ),
        sa.Column(
            "updated_at",
            sa.DateTime(timezone=True),
            server_default=sa.text("now()"),
            nullable=False,
        ),
        sa.Column("deleted_at", sa.DateTime(timezone=True), nullable=True),
    ]


def _kept() -> list[sa.Column[object]]:
    return [
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column(
            "created_at",
            sa.DateTime(timezone=True),
            server_default=sa.text("now()"),
            nullable=False,
        ),
        sa.Column("scope_id", sa.Uuid(), nullable=False),
        *_stamps(),
    ]


def _captured() -> list[sa.Column[object]]:
    return [
        sa.Column("captured_at_raw", sa.String(), nullable=False),
        sa.Column("received_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("time_suspect", sa.Boolean(), server_default=sa.text("false"), nullable=False),
    ]


def _grow(table: str, scope: str | None) -> None:
    """Makes a table that there is a synced one. A default that does not vary rewrites no row."""
    if scope is not None:
        op.add_column(table, sa.Column("scope_id", sa.Uuid(), nullable=True))
        op.execute(f"update {table} set scope_id = {scope}")
        op.alter_column(table, "scope_id", nullable=False)
    for column in _stamps():
        op.add_column(table, column)
    op.create_index(f"{table}_sync_idx", table, ["scope_id", "sync_xid", "id"])


def _references(table: str, **columns: str) -> list[sa.ForeignKeyConstraint]:
    return [
        sa.ForeignKeyConstraint([column], [f"{target}.id"], name=op.f(f"{table}_{column}_fkey"))
        for column, target in columns.items()
    ]


def _create_notes() -> None:
    op.create_table(
        "incident_note",
        *_kept(),
        sa.Column("incident_id", sa.Uuid(), nullable=False),
        sa.Column("text", sa.String(), nullable=False),
        sa.Column("written_by", sa.Uuid(), nullable=False),
        sa.Column("device_id", sa.Uuid(), nullable=False),
        sa.Column("occurred_at", sa.DateTime(timezone=True), nullable=False),
        *_captured(),
        sa.CheckConstraint(
            "length(text) between 1 and 4000", name=op.f("incident_note_text_check")
        ),
        *_references(
            "incident_note", incident_id="incident", written_by="officer", device_id="device"
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("incident_note_pkey")),
    )
    op.create_index("incident_note_sync_idx", "incident_note", ["scope_id", "sync_xid", "id"])
    op.create_index(op.f("incident_note_incident_id_idx"), "incident_note", ["incident_id"])


def _create_media() -> None:
    op.create_table(
        "media",
        *_kept(),
        sa.Column("incident_id", sa.Uuid(), nullable=True),
        sa.Column("alert_id", sa.Uuid(), nullable=True),
        sa.Column("kind", sa.String(), nullable=False),
        sa.Column("content_type", sa.String(), nullable=False),
        sa.Column("size_bytes", sa.BigInteger(), nullable=False),
        sa.Column("sha256", sa.LargeBinary(), nullable=False),
        sa.Column("state", sa.String(), nullable=False),
        sa.Column("object_id", sa.Uuid(), nullable=True),
        sa.Column("thumb_320_key", sa.String(), nullable=True),
        sa.Column("thumb_960_key", sa.String(), nullable=True),
        sa.Column("attached_by", sa.Uuid(), nullable=False),
        sa.Column("device_id", sa.Uuid(), nullable=False),
        sa.Column("taken_at", sa.DateTime(timezone=True), nullable=False),
        *_captured(),
        sa.CheckConstraint(
            "(incident_id is null) <> (alert_id is null)", name=op.f("media_one_parent_check")
        ),
        sa.CheckConstraint(
            "kind in ('PHOTO', 'VIDEO', 'AUDIO', 'DOCUMENT')", name=op.f("media_kind_check")
        ),
        sa.CheckConstraint(
            "state in ('DECLARED', 'UPLOADED', 'READY', 'QUARANTINED', 'EXPIRED')",
            name=op.f("media_state_check"),
        ),
        sa.CheckConstraint(
            "length(content_type) <= 100 and content_type ~ '^[a-z]+/[a-z0-9][a-z0-9.+-]*$'",
            name=op.f("media_content_type_check"),
        ),
        sa.CheckConstraint("size_bytes > 0", name=op.f("media_size_bytes_check")),
        sa.CheckConstraint("octet_length(sha256) = 32", name=op.f("media_sha256_check")),
        *_references(
            "media",
            incident_id="incident",
            alert_id="sos_alert",
            object_id="stored_object",
            attached_by="officer",
            device_id="device",
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("media_pkey")),
    )
    op.create_index("media_sync_idx", "media", ["scope_id", "sync_xid", "id"])
    op.create_index(op.f("media_incident_id_idx"), "media", ["incident_id"])
    op.create_index(op.f("media_alert_id_idx"), "media", ["alert_id"])
    op.create_index(op.f("media_object_id_idx"), "media", ["object_id"])


def _create_notices() -> None:
    op.create_table(
        "notice",
        *_kept(),
        sa.Column("station_id", sa.Uuid(), nullable=False),
        sa.Column("zone_id", sa.Uuid(), nullable=True),
        sa.Column("severity", sa.String(), nullable=False),
        sa.Column("title", sa.String(), nullable=False),
        sa.Column("title_th", sa.String(), nullable=True),
        sa.Column("body", sa.String(), nullable=False),
        sa.Column("body_th", sa.String(), nullable=True),
        sa.Column("valid_from", sa.DateTime(timezone=True), nullable=False),
        sa.Column("expires_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("posted_by", sa.Uuid(), nullable=True),
        sa.CheckConstraint(
            "severity in ('INFO', 'WARNING', 'URGENT')", name=op.f("notice_severity_check")
        ),
        sa.CheckConstraint("length(title) between 1 and 200", name=op.f("notice_title_check")),
        sa.CheckConstraint(
            "length(title_th) between 1 and 200", name=op.f("notice_title_th_check")
        ),
        sa.CheckConstraint("length(body) between 1 and 4000", name=op.f("notice_body_check")),
        sa.CheckConstraint("length(body_th) between 1 and 4000", name=op.f("notice_body_th_check")),
        sa.CheckConstraint("expires_at > valid_from", name=op.f("notice_expires_at_check")),
        *_references("notice", station_id="station", zone_id="zone", posted_by="officer"),
        sa.PrimaryKeyConstraint("id", name=op.f("notice_pkey")),
    )
    op.create_index("notice_sync_idx", "notice", ["scope_id", "sync_xid", "id"])
    op.create_index("notice_valid_idx", "notice", ["scope_id", "valid_from", "id"])
    op.create_index(op.f("notice_station_id_idx"), "notice", ["station_id"])


def _stamp(table: str) -> None:
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


def _open(table: str) -> None:
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


def downgrade() -> None:
    for table in ("incident", "sos_alert"):
        op.execute(f"drop trigger carry_children on {table}")
    for table in NEW:
        op.drop_table(table)
    op.execute("drop policy phone on officer")
    op.execute("drop trigger scope_of_staff on officer")
    op.execute("drop trigger scope_of_parent on sos_step")
    op.execute("drop trigger carry_recipients on sos_step")
    for table in GROWN:
        for trigger in ("refuse_delete", "leave_scope", "stamp_update", "stamp_insert"):
            op.execute(f"drop trigger {trigger} on {table}")
        op.drop_index(f"{table}_sync_idx", table_name=table)
        for column in ("deleted_at", "updated_at", "sync_xid", "rev"):
            op.drop_column(table, column)
    op.drop_column("officer", "scope_id")
    op.execute(
        "create policy phone on officer for select to patrol_phone "
        "using (id = any (array(select access.colleagues(access.id_of(access.principal())))))"
    )
    op.execute(
        "drop function scope_of_staff, scope_of_notice, scope_of_parent, carry_children, carry_side_rows"
    )
    # What left a scope under this release means nothing to the one before.
    op.execute(
        "delete from scope_exit where subject in ('officer', 'sos_step', 'incident_note', 'media', 'notice')"
    )
    run_script(op.get_bind(), STAFF_BEFORE)
