"""Administrators' tokens, and the append-only log of what was done with rights that others do not have."""

from __future__ import annotations

from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import BigInteger, Column, Identity, LargeBinary, text
from sqlalchemy.dialects.postgresql import JSONB
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
    """A link of the hash chain over audit entries: everything visible at `snapshot` and not at the one before."""

    __tablename__ = "audit_seal"

    number: int = Field(sa_column=Column(BigInteger, primary_key=True, autoincrement=False))
    sealed_at: datetime = Field(sa_column_kwargs={"server_default": NOW})
    snapshot: str
    entries: int
    sha256: bytes = Field(sa_type=LargeBinary)


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

REVOKE_ADMIN = "update admin_token set revoked_at = now() where id = $1 and revoked_at is null returning id"
"""Ends an administrator's token at once."""

FIND_CREDENTIAL = "select kind, holder_id, credential_id from access.credential($1)"
"""Whose key this SHA-256 belongs to, also when the key is no longer good."""
