"""The one set of signing keys that all processes share; private parts are wrapped at rest."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import LargeBinary
from sqlmodel import Field, SQLModel

from storage.base import NOW


class SigningKey(SQLModel, table=True):
    """A key of the set. It signs from `signs_from` on and is believed until `believed_until`."""

    __tablename__ = "signing_key"

    kid: str = Field(primary_key=True)
    wrapped: bytes = Field(sa_type=LargeBinary)
    created_at: datetime = Field(sa_column_kwargs={"server_default": NOW})
    signs_from: datetime
    believed_until: datetime | None = None


READ_KEYS = "select kid, wrapped, signs_from, believed_until from signing_key order by signs_from"
"""Every key, oldest first."""

INSERT_KEY = "insert into signing_key (kid, wrapped, signs_from) values ($1, $2, $3)"
"""Adds a key."""

RETIRE_KEY = "update signing_key set believed_until = now() where kid = $1 returning kid"
"""Stops believing a key."""
