"""What every table shares: the metadata, the stamp of synced rows, and checks made from the vocabulary."""

from __future__ import annotations

from datetime import datetime
from enum import StrEnum
from typing import Any
from uuid import UUID

from sqlalchemy import BigInteger, CheckConstraint, Index, text
from sqlalchemy.dialects.postgresql.base import ischema_names
from sqlalchemy.types import UserDefinedType
from sqlmodel import Field, SQLModel

# Alembic and the database must agree on constraint names, because the error catalogue maps them to codes.
SQLModel.metadata.naming_convention = {
    "ix": "%(table_name)s_%(column_0_N_name)s_idx",
    "uq": "%(table_name)s_%(column_0_N_name)s_key",
    "ck": "%(table_name)s_%(constraint_name)s_check",
    "fk": "%(table_name)s_%(column_0_N_name)s_fkey",
    "pk": "%(table_name)s_pkey",
}


class Xid8(UserDefinedType[str]):
    """PostgreSQL's 64 bit transaction id, which never wraps around."""

    cache_ok = True

    def get_col_spec(self, **_: Any) -> str:
        return "xid8"


class PgSnapshot(UserDefinedType[str]):
    """A set of visible transactions, as `xmin:xmax:xip,…`."""

    cache_ok = True

    def get_col_spec(self, **_: Any) -> str:
        return "pg_snapshot"


ischema_names["xid8"] = Xid8
ischema_names["pg_snapshot"] = PgSnapshot

NOW = text("now()")


class Kept(SQLModel):
    """A row with an id that its maker chose (UUIDv7) and the time at which it was stored."""

    id: UUID = Field(primary_key=True)
    created_at: datetime = Field(sa_column_kwargs={"server_default": NOW})


class Synced(Kept):
    """A row that phones hold a copy of.

    `scope_id` is the zone or station that decides who holds it. `rev` counts its versions and `sync_xid` is the
    transaction that wrote the last one; both are set by the trigger `stamp_row` and by nothing else.
    `deleted_at` makes it a tombstone.
    """

    scope_id: UUID
    rev: int = Field(sa_type=BigInteger, sa_column_kwargs={"server_default": text("1")})
    sync_xid: str = Field(
        sa_type=Xid8, sa_column_kwargs={"server_default": text("pg_current_xact_id()")}
    )
    updated_at: datetime = Field(sa_column_kwargs={"server_default": NOW})
    deleted_at: datetime | None = None


def synced_index(table: str) -> Index:
    """The index that makes a pull as cheap as what it returns."""
    return Index(f"{table}_sync_idx", "scope_id", "sync_xid", "id")


def known(column: str, words: type[StrEnum], *, optional: bool = False) -> CheckConstraint:
    """Holds a text column to a vocabulary, in the database too."""
    listed = ", ".join(f"'{word.value}'" for word in words)
    rule = f"{column} in ({listed})"
    return CheckConstraint(f"{column} is null or {rule}" if optional else rule, name=column)


def position_checks(*, optional: bool = False) -> tuple[CheckConstraint, ...]:
    """WGS 84 degrees; both or neither."""
    checks = (
        CheckConstraint("latitude between -90 and 90", name="latitude"),
        CheckConstraint("longitude between -180 and 180", name="longitude"),
    )
    if optional:
        return (
            *checks,
            CheckConstraint("(latitude is null) = (longitude is null)", name="position_whole"),
        )
    return checks
