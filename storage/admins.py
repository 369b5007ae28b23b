"""Administrators' tokens, and the append-only log of what was done with rights that others do not have."""

from __future__ import annotations

from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import BigInteger, Column, Identity, Index, LargeBinary, text
from sqlalchemy.dialects.postgresql import INT8MULTIRANGE, JSONB
from sqlmodel import Field, SQLModel

from storage.base import NOW, Kept, Xid8


class AdminToken(Kept, table=True):
    """A token of an administrator; only its SHA-256 is kept."""

    __tablename__ = "admin_token"

    name: str
    prefix: str
    token_sha256: bytes = Field(sa_type=LargeBinary, unique=True)
    expires_at: datetime | None = None
    revoked_at: datetime | None = None


class AuditEntry(SQLModel, table=True):
    """One act. Appended unchained, so that writers never wait for each other; sealed by the worker afterwards."""

    __tablename__ = "audit_entry"
    __table_args__ = (Index("audit_entry_xid_idx", "xid"),)

    id: int | None = Field(
        default=None, sa_column=Column(BigInteger, Identity(always=True), primary_key=True)
    )
    at: datetime = Field(sa_column_kwargs={"server_default": NOW})
    xid: str = Field(
        sa_type=Xid8, sa_column_kwargs={"server_default": text("pg_current_xact_id()")}
    )
    principal: str
    act: str
    subject: str
    detail: dict[str, Any] = Field(sa_type=JSONB, sa_column_kwargs={"server_default": text("'{}'")})


class AuditSeal(SQLModel, table=True):
    """A link of the hash chain over audit entries: what was visible at `snapshot` and in no link before.

    `ids` are the entries that it covers. `above`: up to this id entries came with a restore, so their transaction ids say
    nothing here. `epoch_id` is the epoch that it was made in. `mac` is made with the key `kid` of the installation, so that
    who rewrites the database cannot chain it anew.
    """

    __tablename__ = "audit_seal"

    number: int = Field(sa_column=Column(BigInteger, primary_key=True, autoincrement=False))
    sealed_at: datetime = Field(sa_column_kwargs={"server_default": NOW})
    snapshot: str
    entries: int
    sha256: bytes = Field(sa_type=LargeBinary)
    kid: str
    mac: bytes = Field(sa_type=LargeBinary)
    ids: Any = Field(sa_type=INT8MULTIRANGE, sa_column_kwargs={"server_default": text("'{}'")})
    above: int = Field(
        default=0, sa_type=BigInteger, sa_column_kwargs={"server_default": text("0")}
    )
    epoch_id: UUID | None = None


APPEND_AUDIT = "select access.audit($1, $2, $3::jsonb)"
"""Writes down an act of the connection's principal, in the transaction that does it."""

AUDIT_TAIL = """
select id, at, principal, act, subject, detail from audit_entry where id > $1 order by id desc limit $2
"""
"""The newest acts after an entry."""


AUDIT = "select access.audit($1, $2, $3::jsonb)"
"""Writes an act, its subject and details to the audit log, in the name of the connection's principal."""

INSERT_ADMIN = """
insert into admin_token (id, name, prefix, token_sha256, expires_at) values ($1, $2, $3, $4, $5) returning id
"""
"""Keeps an administrator's token."""

REVOKE_ADMIN = (
    "update admin_token set revoked_at = now() where id = $1 and revoked_at is null returning id"
)
"""Ends an administrator's token at once."""

FIND_CREDENTIAL = "select kind, holder_id, credential_id from access.credential($1)"
"""Whose key this SHA-256 belongs to, also when the key is no longer good."""

OPEN_SEAL = """
select pg_try_advisory_xact_lock(hashtextextended('audit seal', 0)) as held,
       pg_current_xact_id_if_assigned() is null as untouched, now() as now,
       (select id from sync_epoch order by number desc limit 1) as epoch
"""
"""Lets one worker seal at a time, until commit; whether the transaction has written nothing yet; and the current epoch."""

READ_LAST_SEAL = """
select number, snapshot, sha256, kid, above,
       pg_snapshot_xmax(snapshot::pg_snapshot) > pg_snapshot_xmax(pg_current_snapshot())
           or epoch_id is distinct from $1 as moved
from audit_seal order by number desc limit 1
"""
"""The newest seal, and whether the log may have been moved into another server since."""

READ_UNSEALED = """
select id, at, xid::text, principal, act, subject, detail::text, pg_current_snapshot()::text as snapshot, $2::bigint as above
from audit_entry
where xid >= pg_snapshot_xmin($1::text::pg_snapshot)
  and not pg_visible_in_snapshot(xid, $1::text::pg_snapshot) and id > $2
order by id
"""
"""The entries that are visible now and were not at a snapshot, each with the snapshot of this very statement."""

READ_UNCOVERED = """
select entry.id, entry.at, entry.xid::text, entry.principal, entry.act, entry.subject, entry.detail::text,
       base.snapshot, base.above
from (
    select pg_current_snapshot()::text as snapshot,
           (select coalesce(max(id), 0) from audit_entry
            where not pg_visible_in_snapshot(xid, pg_current_snapshot())) as above
) base
left join audit_entry entry on not entry.id <@ (select coalesce(range_agg(ids), '{}') from audit_seal)
order by entry.id
"""
"""As `READ_UNSEALED` after a restore: the entries that no seal covers, whatever their transaction ids say, or one row
without an entry.

`above` is the highest id of those that are here although their transaction is not: they came with the restore, and so did
all with lower ids.
"""

INSERT_SEAL = """
insert into audit_seal (number, sealed_at, snapshot, entries, sha256, kid, mac, ids, above, epoch_id)
values ($1, $2, $3, $4, $5, $6, $7, $8::text::int8multirange, $9, $10)
"""
"""Adds a link to the chain."""

READ_SEAL_SNAPSHOTS = "select number, snapshot from audit_seal order by number"
"""What each seal says that it has seen."""

READ_SEALED = """
select seal.number, seal.sealed_at, seal.snapshot, seal.entries, seal.sha256, seal.kid, seal.mac, entry.*
from audit_seal seal
left join lateral (
    -- By its bounds: under row policies only a comparison with plain columns may use the index.
    select id, at, xid::text, principal, act, subject, detail::text
    from unnest(seal.ids) as span
    join audit_entry on audit_entry.id >= lower(span) and audit_entry.id < upper(span)
) entry on true
where $1::bigint is null or seal.number < $1
order by seal.number, entry.id
"""
"""Every seal below a number with the entries that it covers, or one row without an entry."""

COUNT_UNSEALED = """
select count(*) filter (where not seen) as unsealed, count(*) filter (where seen) as strays
from (
    select xid < pg_snapshot_xmin($1::text::pg_snapshot) or pg_visible_in_snapshot(xid, $1::text::pg_snapshot) as seen
    from audit_entry
    where not id <@ (select coalesce(range_agg(ids), '{}') from audit_seal)
) entry
"""
"""How many entries no seal covers: those that none has seen up to a snapshot, and those that it should have seen."""

STORED_ADMINS = (
    "select id, name, prefix, created_at, expires_at, revoked_at from admin_token order by id"
)
"""The administrators' tokens, also revoked ones; what they open with is not kept."""
