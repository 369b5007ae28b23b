"""Phones, their officers' sessions and push addresses, and the keys of cameras and poles."""

from __future__ import annotations

from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import CheckConstraint, LargeBinary, UniqueConstraint, text
from sqlalchemy.dialects.postgresql import JSONB
from sqlmodel import Field, SQLModel

from storage.base import NOW, Kept, known
from storage.vocabulary import DeviceKeyKind, PostAction, PushAddressKind


class Device(Kept, table=True):
    """A phone, known by its own public key; several officers may have sessions on it."""

    __tablename__ = "device"

    key_thumbprint: str = Field(unique=True)
    public_key: dict[str, Any] = Field(sa_type=JSONB)
    platform: str
    model: str
    revoked_at: datetime | None = None
    wipe_ordered_at: datetime | None = None
    wiped_at: datetime | None = None
    """When the phone said that it has erased its copy, as it was ordered to."""


class DeviceState(SQLModel, table=True):
    """What beats often about a phone. Never synced."""

    __tablename__ = "device_state"

    device_id: UUID = Field(primary_key=True, foreign_key="device.id")
    last_seen_at: datetime = Field(sa_column_kwargs={"server_default": NOW})
    app_version: str | None = None


class EnrolmentCode(Kept, table=True):
    """A one-time code that turns a phone into an officer's phone; only its SHA-256 is kept."""

    __tablename__ = "enrolment_code"

    code_sha256: bytes = Field(sa_type=LargeBinary, unique=True)
    officer_id: UUID = Field(foreign_key="officer.id", index=True)
    issued_by: str
    expires_at: datetime
    used_at: datetime | None = None
    session_id: UUID | None = Field(default=None, foreign_key="session.id")


class Session(Kept, table=True):
    """An officer signed in on a device. `generation` counts its refresh tokens: the newest is good, and the one
    before it for as long as the newest has not been used.
    """

    __tablename__ = "session"
    __table_args__ = (CheckConstraint("generation > 0", name="generation"),)

    device_id: UUID = Field(foreign_key="device.id", index=True)
    officer_id: UUID = Field(foreign_key="officer.id", index=True)
    generation: int = Field(default=1, sa_column_kwargs={"server_default": text("1")})
    expires_at: datetime
    revoked_at: datetime | None = None
    revoked_reason: str | None = None


class Installation(Kept, table=True):
    """The address at which Firebase reaches a phone, for the officer who is signed in there."""

    __tablename__ = "installation"
    __table_args__ = (
        UniqueConstraint("session_id"),
        known("kind", PushAddressKind),
    )

    session_id: UUID = Field(foreign_key="session.id")
    kind: str
    address: str = Field(index=True)
    retired_at: datetime | None = None
    retired_reason: str | None = None


class DeviceKey(Kept, table=True):
    """What opens the door for one camera or one SOS post; only a hash of it is kept."""

    __tablename__ = "device_key"
    __table_args__ = (
        CheckConstraint("(camera_id is null) <> (post_id is null)", name="one_holder"),
        known("kind", DeviceKeyKind),
        known("action", PostAction, optional=True),
        CheckConstraint(
            "(kind = 'PASSWORD') = (password_hash is not null) and (kind = 'PASSWORD') = (key_sha256 is null)",
            name="password",
        ),
        CheckConstraint(
            "(kind = 'LINK') = (action is not null) and (kind = 'KEY' or post_id is not null)",
            name="link",
        ),
    )

    prefix: str
    key_sha256: bytes | None = Field(default=None, sa_type=LargeBinary, unique=True)
    kind: str = Field(default="KEY", sa_column_kwargs={"server_default": text("'KEY'")})
    action: str | None = None
    password_hash: str | None = None
    camera_id: UUID | None = Field(default=None, foreign_key="camera.id", index=True)
    post_id: UUID | None = Field(default=None, foreign_key="sos_post.id", index=True)
    revoked_at: datetime | None = None


INSERT_CODE = """
insert into enrolment_code (id, code_sha256, officer_id, issued_by, expires_at)
select $1, $2, id, $4, now() + $5::interval from officer where id = $3 and active
returning expires_at
"""
"""Keeps a code for an active officer; no row when there is no such officer."""

LOCK_CODE = """
select code.id, code.expires_at > now() as fresh, code.used_at is not null as used, code.session_id,
       officer.id as officer_id, officer.station_id, officer.role, officer.badge, officer.rank, officer.name, officer.name_th
from enrolment_code code
join officer on officer.id = code.officer_id and officer.active
where code.code_sha256 = $1
for update of code
"""
"""A code with its officer; two phones that hold the same code come one after the other."""

USE_CODE = "update enrolment_code set used_at = now(), session_id = $2 where id = $1"
"""Spends a code on a session."""

KEEP_DEVICE = """
insert into device (id, key_thumbprint, public_key, platform, model) values ($1, $2, $3::jsonb, $4, $5)
on conflict (key_thumbprint) do update set platform = excluded.platform, model = excluded.model
returning id, revoked_at is not null as revoked, wipe_ordered_at is not null and wiped_at is null as wipe
"""
"""The phone of a key, which may have other officers' sessions already."""

TOUCH_DEVICE = """
insert into device_state (device_id, last_seen_at, app_version) values ($1, now(), $2)
on conflict (device_id) do update
set last_seen_at = excluded.last_seen_at, app_version = coalesce(excluded.app_version, device_state.app_version)
"""
"""Notes that a phone was heard of."""

INSERT_SESSION = """
insert into session (id, device_id, officer_id, expires_at) values ($1, $2, $3, now() + $4::interval)
returning expires_at
"""
"""Signs an officer in on a phone."""

READ_SESSION = """
select session.id, session.device_id, session.generation, session.expires_at, session.expires_at <= now() as expired,
       session.revoked_at is not null or device.revoked_at is not null or not officer.active as revoked,
       device.wipe_ordered_at is not null and device.wiped_at is null as wipe,
       device.public_key, device.key_thumbprint,
       officer.id as officer_id, officer.station_id, officer.role, officer.badge, officer.rank, officer.name, officer.name_th
from session
join device on device.id = session.device_id
join officer on officer.id = session.officer_id
where session.id = $1
"""
"""A session with its phone and officer, good or not."""

LOCK_SESSION = "select from session where id = $1 for update"
"""Lets two refreshes of one session come one after the other."""

ADVANCE_SESSION = """
update session set generation = $2, expires_at = now() + $3::interval where id = $1 returning expires_at
"""
"""Counts a new refresh token; the session lives on from now."""

REVOKE_SESSIONS = """
with ended as (
    update session set revoked_at = now(), revoked_reason = $1
    where revoked_at is null and case
        when $2 = 'session' then id = $3
        when $2 = 'device' then device_id = $3
        when $2 = 'officer' then officer_id = $3
    end and ($4::uuid is null or officer_id = $4) and ($5::uuid is null or id <> $5)
    returning id, officer_id
), silenced as (
    update installation set retired_at = now(), retired_reason = $1
    from ended where installation.session_id = ended.id and retired_at is null
)
select id, officer_id from ended
"""
"""Ends sessions of a session, device or officer id, and their push addresses with them."""

REVOKE_DEVICE = (
    "update device set revoked_at = now() where id = $1 and revoked_at is null returning id"
)
"""Stops believing a phone's key."""

LOCK_ADDRESS = "select pg_advisory_xact_lock(hashtextextended('push address ' || $1, 0))"
"""Two officers who register one phone at the same time come one after the other."""

TAKE_ADDRESS_OVER = """
update installation set retired_at = now(), retired_reason = 'TAKEN_OVER'
where address = $1 and session_id <> $2 and retired_at is null
"""
"""Takes a push address from the sessions that had it."""

KEEP_ADDRESS = """
insert into installation (id, session_id, kind, address) values ($1, $2, $3, $4)
on conflict (session_id) do update
set kind = excluded.kind, address = excluded.address, retired_at = null, retired_reason = null
"""
"""Where a session's officer is reached from now on."""

INSERT_DEVICE_KEY = """
insert into device_key (id, prefix, key_sha256, camera_id, post_id)
select $1, $2, $3, camera.id, post.id
from (select) as one
left join camera on camera.id = $4 and camera.deleted_at is null
left join sos_post post on post.id = $5 and post.deleted_at is null
where camera.id is not null or post.id is not null
returning id
"""
"""Keeps the key of a camera or of a post; no row when there is no such thing."""

INSERT_POST_KEY = """
insert into device_key (id, post_id, kind, action, prefix, key_sha256, password_hash)
select $1, post.id, $3, $4, $5, $6, $7 from sos_post post where post.id = $2 and post.deleted_at is null
returning id
"""
"""Keeps a password of a post, or a secret that stands in an address; no row when there is no such post."""

FIND_POST_PASSWORDS = """
select id, password_hash from device_key
where post_id = $1 and kind = 'PASSWORD' and revoked_at is null order by id desc limit 4
"""
"""The passwords of a post, the newest first; few, because each one is hashed slowly."""

FIND_POST_LINK = """
select id from device_key
where key_sha256 = $1 and post_id = $2 and kind = 'LINK' and ($3::text is null or action = $3)
"""
"""Whose secret this is, also when it is no longer good."""

REVOKE_DEVICE_KEY = (
    "update device_key set revoked_at = now() where id = $1 and revoked_at is null returning id"
)
"""Ends a key of a camera or post at once."""

STORED_DEVICES = """
select device.id, device.platform, device.model, device.revoked_at, device_state.app_version,
       device_state.last_seen_at,
       array(select officer.badge from session join officer on officer.id = session.officer_id
             where session.device_id = device.id and session.revoked_at is null and session.expires_at > now()
             order by officer.badge) as officers,
       array(select officer.badge || ' ' || (phone.sos_held + phone.records_held + phone.tracks_held)
             from officer_phone phone join officer on officer.id = phone.officer_id
             where phone.device_id = device.id and phone.sos_held + phone.records_held + phone.tracks_held > 0
             order by officer.badge) as held,
       device.wipe_ordered_at, device.wiped_at
from device left join device_state on device_state.device_id = device.id
order by device.id
"""
"""All phones, who is signed in on them, and what they last said that they still hold for whom."""

STORED_DEVICE_KEYS = """
select id, kind, action, prefix, created_at, revoked_at from device_key
where camera_id = $1 or post_id = $1 order by id
"""
"""The keys of a camera or post, also revoked ones; what they open with is not kept."""
