"""The redacted views that partners read, as the migrations make them; reading anything else is refused to their role."""

from __future__ import annotations

from sqlalchemy import BigInteger, Column, DateTime, Float, MetaData, String, Table, Uuid
from sqlalchemy.dialects.postgresql import JSONB

_VIEWS = MetaData(schema="partner")
_MOMENT = DateTime(timezone=True)

PARTNER_ZONE = Table(
    "zone", _VIEWS,
    Column("id", Uuid), Column("scope_id", Uuid), Column("code", String), Column("kind", String),
    Column("name", String), Column("name_th", String), Column("boundary", JSONB), Column("area_km2", Float),
    Column("updated_at", _MOMENT),
)  # fmt: skip

PARTNER_CAMERA = Table(
    "camera", _VIEWS,
    Column("id", Uuid), Column("scope_id", Uuid), Column("zone_id", Uuid), Column("code", String),
    Column("kind", String), Column("name", String), Column("name_th", String), Column("detail", String),
    Column("latitude", Float), Column("longitude", Float), Column("snapshot_taken_at", _MOMENT),
    Column("snapshot_320_key", String), Column("snapshot_960_key", String), Column("updated_at", _MOMENT),
)  # fmt: skip

PARTNER_INCIDENT = Table(
    "incident", _VIEWS,
    Column("id", Uuid), Column("scope_id", Uuid), Column("zone_id", Uuid), Column("category", String),
    Column("severity", String), Column("status", String), Column("detail", String), Column("title", String),
    Column("description", String), Column("latitude", Float), Column("longitude", Float),
    Column("occurred_at", _MOMENT), Column("updated_at", _MOMENT), Column("cell", BigInteger),
    Column("area", BigInteger),
)  # fmt: skip

READ_GRANTED = "select zone_id from access.granted($1, $2)"
"""The zones that are granted to an organisation for a subject, now."""
