"""Every table of the first release, as the models in storage/ declare them."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

from storage.base import Xid8

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "admin_token",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column(
            "created_at",
            sa.DateTime(timezone=True),
            server_default=sa.text("now()"),
            nullable=False,
        ),
        sa.Column("name", sa.String(), nullable=False),
        sa.Column("prefix", sa.String(), nullable=False),
        sa.Column("token_sha256", sa.LargeBinary(), nullable=False),
        sa.Column("expires_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("revoked_at", sa.DateTime(timezone=True), nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("admin_token_pkey")),
        sa.UniqueConstraint("token_sha256", name=op.f("admin_token_token_sha256_key")),
    )
    op.create_table(
        "audit_entry",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=True), nullable=False),
        sa.Column(
            "at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False
        ),
        sa.Column("xid", Xid8(), server_default=sa.text("pg_current_xact_id()"), nullable=False),
        sa.Column("principal", sa.String(), nullable=False),
        sa.Column("act", sa.String(), nullable=False),
        sa.Column("subject", sa.String(), nullable=False),
        sa.Column(
            "detail",
            postgresql.JSONB(astext_type=sa.Text()),
            server_default=sa.text("'{}'"),
            nullable=False,
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("audit_entry_pkey")),
    )
    op.create_index("audit_entry_xid_idx", "audit_entry", ["xid"], unique=False)
    op.create_table(
        "audit_seal",
        sa.Column("number", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column(
            "sealed_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False
        ),
        sa.Column("snapshot", sa.String(), nullable=False),
        sa.Column("entries", sa.Integer(), nullable=False),
        sa.Column("sha256", sa.LargeBinary(), nullable=False),
        sa.Column("kid", sa.String(), nullable=False),
        sa.Column("mac", sa.LargeBinary(), nullable=False),
        sa.PrimaryKeyConstraint("number", name=op.f("audit_seal_pkey")),
    )
    op.create_table(
        "device",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column(
            "created_at",
            sa.DateTime(timezone=True),
            server_default=sa.text("now()"),
            nullable=False,
        ),
        sa.Column("key_thumbprint", sa.String(), nullable=False),
        sa.Column("public_key", postgresql.JSONB(astext_type=sa.Text()), nullable=False),
        sa.Column("platform", sa.String(), nullable=False),
        sa.Column("model", sa.String(), nullable=False),
        sa.Column("revoked_at", sa.DateTime(timezone=True), nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("device_pkey")),
        sa.UniqueConstraint("key_thumbprint", name=op.f("device_key_thumbprint_key")),
    )
    op.create_table(
        "job_schedule",
        sa.Column("name", sa.String(), nullable=False),
        sa.Column("every", sa.Interval(), nullable=False),
        sa.Column("due_at", sa.DateTime(timezone=True), nullable=False),
        sa.CheckConstraint("every > interval '0'", name=op.f("job_schedule_every_check")),
        sa.PrimaryKeyConstraint("name", name=op.f("job_schedule_pkey")),
    )
    op.create_table(
        "organisation",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column(
            "created_at",
            sa.DateTime(timezone=True),
            server_default=sa.text("now()"),
            nullable=False,
        ),
        sa.Column("code", sa.String(), nullable=False),
        sa.Column("name", sa.String(), nullable=False),
        sa.Column("name_th", sa.String(), nullable=False),
        sa.Column("sector", sa.String(), nullable=False),
        sa.Column("active", sa.Boolean(), server_default=sa.text("true"), nullable=False),
        sa.CheckConstraint(
            "sector in ('STATE_AGENCY', 'BUSINESS', 'PEOPLE', 'LOCAL_GOVERNMENT', 'POLICE', 'MEDIA')",
            name=op.f("organisation_sector_check"),
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("organisation_pkey")),
        sa.UniqueConstraint("code", name=op.f("organisation_code_key")),
    )
    op.create_table(
        "scope_exit",
        sa.Column("subject", sa.String(), nullable=False),
        sa.Column("row_id", sa.Uuid(), nullable=False),
        sa.Column("scope_id", sa.Uuid(), nullable=False),
        sa.Column(
            "sync_xid", Xid8(), server_default=sa.text("pg_current_xact_id()"), nullable=False
        ),
        sa.PrimaryKeyConstraint("subject", "row_id", "scope_id", name=op.f("scope_exit_pkey")),
    )
    op.create_index(
        "scope_exit_sync_idx", "scope_exit", ["scope_id", "sync_xid", "row_id"], unique=False
    )
    op.create_table(
        "signing_key",
        sa.Column("kid", sa.String(), nullable=False),
        sa.Column("wrapped", sa.LargeBinary(), nullable=False),
        sa.Column(
            "created_at",
            sa.DateTime(timezone=True),
            server_default=sa.text("now()"),
            nullable=False,
        ),
        sa.Column("signs_from", sa.DateTime(timezone=True), nullable=False),
        sa.Column("believed_until", sa.DateTime(timezone=True), nullable=True),
        sa.PrimaryKeyConstraint("kid", name=op.f("signing_key_pkey")),
    )
    op.create_table(
        "station",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column(
            "created_at",
            sa.DateTime(timezone=True),
            server_default=sa.text("now()"),
            nullable=False,
        ),
        sa.Column("scope_id", sa.Uuid(), nullable=False),
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
        sa.Column("code", sa.String(), nullable=False),
        sa.Column("name", sa.String(), nullable=False),
        sa.Column("name_th", sa.String(), nullable=False),
        sa.Column("latitude", sa.Float(), nullable=False),
        sa.Column("longitude", sa.Float(), nullable=False),
        sa.CheckConstraint("latitude between -90 and 90", name=op.f("station_latitude_check")),
        sa.CheckConstraint("longitude between -180 and 180", name=op.f("station_longitude_check")),
        sa.PrimaryKeyConstraint("id", name=op.f("station_pkey")),
        sa.UniqueConstraint("code", name=op.f("station_code_key")),
    )
    op.create_index("station_sync_idx", "station", ["scope_id", "sync_xid", "id"], unique=False)
    op.create_table(
        "stored_object",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column(
            "created_at",
            sa.DateTime(timezone=True),
            server_default=sa.text("now()"),
            nullable=False,
        ),
        sa.Column("scope_id", sa.Uuid(), nullable=False),
        sa.Column("bucket", sa.String(), nullable=False),
        sa.Column("key", sa.String(), nullable=False),
        sa.Column("version_id", sa.String(), nullable=True),
        sa.Column("size_bytes", sa.BigInteger(), nullable=False),
        sa.Column("sha256", sa.LargeBinary(), nullable=False),
        sa.Column("content_type", sa.String(), nullable=False),
        sa.Column("state", sa.String(), nullable=False),
        sa.Column("reason", sa.String(), nullable=True),
        sa.CheckConstraint(
            "state in ('DECLARED', 'UPLOADED', 'READY', 'QUARANTINED', 'EXPIRED')",
            name=op.f("stored_object_state_check"),
        ),
        sa.CheckConstraint("octet_length(sha256) = 32", name=op.f("stored_object_sha256_check")),
        sa.CheckConstraint("size_bytes >= 0", name=op.f("stored_object_size_bytes_check")),
        sa.PrimaryKeyConstraint("id", name=op.f("stored_object_pkey")),
        sa.UniqueConstraint("bucket", "key", name=op.f("stored_object_bucket_key_key")),
    )
    op.create_table(
        "sync_epoch",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("number", sa.Integer(), nullable=False),
        sa.Column("reason", sa.String(), nullable=False),
        sa.Column(
            "created_at",
            sa.DateTime(timezone=True),
            server_default=sa.text("now()"),
            nullable=False,
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("sync_epoch_pkey")),
        sa.UniqueConstraint("number", name=op.f("sync_epoch_number_key")),
    )
    op.create_table(
        "sync_set",
        sa.Column("id", sa.LargeBinary(), nullable=False),
        sa.Column("content", postgresql.JSONB(astext_type=sa.Text()), nullable=False),
        sa.Column(
            "created_at",
            sa.DateTime(timezone=True),
            server_default=sa.text("now()"),
            nullable=False,
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("sync_set_pkey")),
    )
    op.create_table(
        "agreement",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column(
            "created_at",
            sa.DateTime(timezone=True),
            server_default=sa.text("now()"),
            nullable=False,
        ),
        sa.Column("organisation_id", sa.Uuid(), nullable=False),
        sa.Column("subjects", postgresql.ARRAY(sa.Text()), nullable=False),
        sa.Column("detail", sa.String(), nullable=False),
        sa.Column("delay_seconds", sa.Integer(), server_default=sa.text("0"), nullable=False),
        sa.Column("valid_from", sa.DateTime(timezone=True), nullable=False),
        sa.Column("valid_until", sa.DateTime(timezone=True), nullable=True),
        sa.Column("revoked_at", sa.DateTime(timezone=True), nullable=True),
        sa.CheckConstraint("detail in ('COARSE', 'FULL')", name=op.f("agreement_detail_check")),
        sa.CheckConstraint(
            "subjects <@ array['ZONES', 'CAMERAS', 'INCIDENTS']::text[]",
            name=op.f("agreement_subjects_check"),
        ),
        sa.CheckConstraint("delay_seconds >= 0", name=op.f("agreement_delay_seconds_check")),
        sa.CheckConstraint(
            "valid_until is null or valid_until > valid_from", name=op.f("agreement_period_check")
        ),
        sa.ForeignKeyConstraint(
            ["organisation_id"], ["organisation.id"], name=op.f("agreement_organisation_id_fkey")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("agreement_pkey")),
    )
    op.create_index(
        op.f("agreement_organisation_id_idx"), "agreement", ["organisation_id"], unique=False
    )
    op.create_table(
        "api_key",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column(
            "created_at",
            sa.DateTime(timezone=True),
            server_default=sa.text("now()"),
            nullable=False,
        ),
        sa.Column("organisation_id", sa.Uuid(), nullable=False),
        sa.Column("prefix", sa.String(), nullable=False),
        sa.Column("key_sha256", sa.LargeBinary(), nullable=False),
        sa.Column("label", sa.String(), nullable=False),
        sa.Column("expires_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("revoked_at", sa.DateTime(timezone=True), nullable=True),
        sa.ForeignKeyConstraint(
            ["organisation_id"], ["organisation.id"], name=op.f("api_key_organisation_id_fkey")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("api_key_pkey")),
        sa.UniqueConstraint("key_sha256", name=op.f("api_key_key_sha256_key")),
    )
    op.create_index(
        op.f("api_key_organisation_id_idx"), "api_key", ["organisation_id"], unique=False
    )
    op.create_table(
        "device_state",
        sa.Column("device_id", sa.Uuid(), nullable=False),
        sa.Column(
            "last_seen_at",
            sa.DateTime(timezone=True),
            server_default=sa.text("now()"),
            nullable=False,
        ),
        sa.Column("app_version", sa.String(), nullable=True),
        sa.ForeignKeyConstraint(
            ["device_id"], ["device.id"], name=op.f("device_state_device_id_fkey")
        ),
        sa.PrimaryKeyConstraint("device_id", name=op.f("device_state_pkey")),
    )
    op.create_table(
        "officer",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column(
            "created_at",
            sa.DateTime(timezone=True),
            server_default=sa.text("now()"),
            nullable=False,
        ),
        sa.Column("station_id", sa.Uuid(), nullable=False),
        sa.Column("badge", sa.String(), nullable=False),
        sa.Column("role", sa.String(), nullable=False),
        sa.Column("rank", sa.String(), nullable=False),
        sa.Column("name", sa.String(), nullable=False),
        sa.Column("name_th", sa.String(), nullable=False),
        sa.Column("active", sa.Boolean(), server_default=sa.text("true"), nullable=False),
        sa.CheckConstraint("role in ('OFFICER', 'SUPERVISOR')", name=op.f("officer_role_check")),
        sa.ForeignKeyConstraint(
            ["station_id"], ["station.id"], name=op.f("officer_station_id_fkey")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("officer_pkey")),
        sa.UniqueConstraint("station_id", "badge", name=op.f("officer_station_id_badge_key")),
    )
    op.create_index(op.f("officer_station_id_idx"), "officer", ["station_id"], unique=False)
    op.create_table(
        "zone",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column(
            "created_at",
            sa.DateTime(timezone=True),
            server_default=sa.text("now()"),
            nullable=False,
        ),
        sa.Column("scope_id", sa.Uuid(), nullable=False),
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
        sa.Column("station_id", sa.Uuid(), nullable=False),
        sa.Column("parent_id", sa.Uuid(), nullable=True),
        sa.Column("code", sa.String(), nullable=False),
        sa.Column("kind", sa.String(), nullable=False),
        sa.Column("name", sa.String(), nullable=False),
        sa.Column("name_th", sa.String(), nullable=False),
        sa.Column("boundary", postgresql.JSONB(astext_type=sa.Text()), nullable=False),
        sa.Column("area_km2", sa.Float(), nullable=False),
        sa.Column("min_latitude", sa.Float(), nullable=False),
        sa.Column("min_longitude", sa.Float(), nullable=False),
        sa.Column("max_latitude", sa.Float(), nullable=False),
        sa.Column("max_longitude", sa.Float(), nullable=False),
        sa.CheckConstraint(
            "kind in ('SAFETY_ZONE', 'COMMUNITY', 'PATROL_BEAT', 'RISK_SPOT', 'SCHOOL_ZONE', 'EVENT')",
            name=op.f("zone_kind_check"),
        ),
        sa.CheckConstraint("parent_id <> id", name=op.f("zone_parent_check")),
        sa.CheckConstraint("scope_id = id", name=op.f("zone_own_scope_check")),
        sa.ForeignKeyConstraint(["parent_id"], ["zone.id"], name=op.f("zone_parent_id_fkey")),
        sa.ForeignKeyConstraint(["station_id"], ["station.id"], name=op.f("zone_station_id_fkey")),
        sa.PrimaryKeyConstraint("id", name=op.f("zone_pkey")),
        sa.UniqueConstraint("station_id", "code", name=op.f("zone_station_id_code_key")),
    )
    op.create_index(op.f("zone_parent_id_idx"), "zone", ["parent_id"], unique=False)
    op.create_index(op.f("zone_station_id_idx"), "zone", ["station_id"], unique=False)
    op.create_index("zone_sync_idx", "zone", ["scope_id", "sync_xid", "id"], unique=False)
    op.create_table(
        "agreement_zone",
        sa.Column("agreement_id", sa.Uuid(), nullable=False),
        sa.Column("zone_id", sa.Uuid(), nullable=False),
        sa.ForeignKeyConstraint(
            ["agreement_id"], ["agreement.id"], name=op.f("agreement_zone_agreement_id_fkey")
        ),
        sa.ForeignKeyConstraint(["zone_id"], ["zone.id"], name=op.f("agreement_zone_zone_id_fkey")),
        sa.PrimaryKeyConstraint("agreement_id", "zone_id", name=op.f("agreement_zone_pkey")),
    )
    op.create_index(op.f("agreement_zone_zone_id_idx"), "agreement_zone", ["zone_id"], unique=False)
    op.create_table(
        "assignment",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column(
            "created_at",
            sa.DateTime(timezone=True),
            server_default=sa.text("now()"),
            nullable=False,
        ),
        sa.Column("officer_id", sa.Uuid(), nullable=False),
        sa.Column("scope_id", sa.Uuid(), nullable=False),
        sa.Column(
            "valid_from",
            sa.DateTime(timezone=True),
            server_default=sa.text("now()"),
            nullable=False,
        ),
        sa.Column("valid_until", sa.DateTime(timezone=True), nullable=True),
        sa.CheckConstraint(
            "valid_until is null or valid_until > valid_from", name=op.f("assignment_period_check")
        ),
        sa.ForeignKeyConstraint(
            ["officer_id"], ["officer.id"], name=op.f("assignment_officer_id_fkey")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("assignment_pkey")),
    )
    op.create_index(
        "assignment_officer_id_idx", "assignment", ["officer_id", "scope_id"], unique=False
    )
    op.create_table(
        "camera",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column(
            "created_at",
            sa.DateTime(timezone=True),
            server_default=sa.text("now()"),
            nullable=False,
        ),
        sa.Column("scope_id", sa.Uuid(), nullable=False),
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
        sa.Column("station_id", sa.Uuid(), nullable=False),
        sa.Column("zone_id", sa.Uuid(), nullable=True),
        sa.Column("code", sa.String(), nullable=False),
        sa.Column("kind", sa.String(), nullable=False),
        sa.Column("name", sa.String(), nullable=False),
        sa.Column("name_th", sa.String(), nullable=False),
        sa.Column("latitude", sa.Float(), nullable=False),
        sa.Column("longitude", sa.Float(), nullable=False),
        sa.CheckConstraint(
            "kind in ('FIXED', 'PTZ', 'DOME', 'LICENSE_PLATE', 'TRAFFIC', 'SOS_POST')",
            name=op.f("camera_kind_check"),
        ),
        sa.CheckConstraint("latitude between -90 and 90", name=op.f("camera_latitude_check")),
        sa.CheckConstraint("longitude between -180 and 180", name=op.f("camera_longitude_check")),
        sa.ForeignKeyConstraint(
            ["station_id"], ["station.id"], name=op.f("camera_station_id_fkey")
        ),
        sa.ForeignKeyConstraint(["zone_id"], ["zone.id"], name=op.f("camera_zone_id_fkey")),
        sa.PrimaryKeyConstraint("id", name=op.f("camera_pkey")),
        sa.UniqueConstraint("station_id", "code", name=op.f("camera_station_id_code_key")),
    )
    op.create_index(op.f("camera_station_id_idx"), "camera", ["station_id"], unique=False)
    op.create_index("camera_sync_idx", "camera", ["scope_id", "sync_xid", "id"], unique=False)
    op.create_index(op.f("camera_zone_id_idx"), "camera", ["zone_id"], unique=False)
    op.create_table(
        "community",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column(
            "created_at",
            sa.DateTime(timezone=True),
            server_default=sa.text("now()"),
            nullable=False,
        ),
        sa.Column("scope_id", sa.Uuid(), nullable=False),
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
        sa.Column("zone_id", sa.Uuid(), nullable=False),
        sa.Column("name", sa.String(), nullable=False),
        sa.Column("name_th", sa.String(), nullable=False),
        sa.Column("leader", sa.String(), nullable=True),
        sa.Column("phone", sa.String(), nullable=True),
        sa.ForeignKeyConstraint(["zone_id"], ["zone.id"], name=op.f("community_zone_id_fkey")),
        sa.PrimaryKeyConstraint("id", name=op.f("community_pkey")),
        sa.UniqueConstraint("zone_id", name=op.f("community_zone_id_key")),
    )
    op.create_index("community_sync_idx", "community", ["scope_id", "sync_xid", "id"], unique=False)
    op.create_table(
        "incident",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column(
            "created_at",
            sa.DateTime(timezone=True),
            server_default=sa.text("now()"),
            nullable=False,
        ),
        sa.Column("scope_id", sa.Uuid(), nullable=False),
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
        sa.Column("station_id", sa.Uuid(), nullable=False),
        sa.Column("zone_id", sa.Uuid(), nullable=True),
        sa.Column("category", sa.String(), nullable=False),
        sa.Column("severity", sa.String(), nullable=False),
        sa.Column("status", sa.String(), nullable=False),
        sa.Column("title", sa.String(), nullable=False),
        sa.Column("description", sa.String(), server_default=sa.text("''"), nullable=False),
        sa.Column("latitude", sa.Float(), nullable=True),
        sa.Column("longitude", sa.Float(), nullable=True),
        sa.Column("accuracy_m", sa.Float(), nullable=True),
        sa.Column("occurred_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("captured_at_raw", sa.String(), nullable=False),
        sa.Column("received_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("time_suspect", sa.Boolean(), server_default=sa.text("false"), nullable=False),
        sa.Column("reported_by", sa.Uuid(), nullable=False),
        sa.Column("device_id", sa.Uuid(), nullable=False),
        sa.Column(
            "field_revs",
            postgresql.JSONB(astext_type=sa.Text()),
            server_default=sa.text("'{}'"),
            nullable=False,
        ),
        sa.CheckConstraint(
            "category in ('THEFT', 'ROBBERY', 'BURGLARY', 'ASSAULT', 'DOMESTIC_VIOLENCE', 'DRUGS', 'FRAUD', 'VANDALISM', 'TRAFFIC_ACCIDENT', 'TRAFFIC_OBSTRUCTION', 'NOISE', 'SUSPICIOUS_PERSON', 'SUSPICIOUS_OBJECT', 'MISSING_PERSON', 'ILLEGAL_CROSSING', 'FIRE', 'FLOOD', 'MEDICAL', 'ANIMAL', 'LOST_PROPERTY', 'TOURIST_ASSISTANCE', 'OTHER')",
            name=op.f("incident_category_check"),
        ),
        sa.CheckConstraint(
            "severity in ('LOW', 'MEDIUM', 'HIGH', 'CRITICAL')",
            name=op.f("incident_severity_check"),
        ),
        sa.CheckConstraint(
            "status in ('OPEN', 'IN_PROGRESS', 'RESOLVED', 'CLOSED')",
            name=op.f("incident_status_check"),
        ),
        sa.CheckConstraint(
            "(latitude is null) = (longitude is null)", name=op.f("incident_position_whole_check")
        ),
        sa.CheckConstraint("accuracy_m >= 0", name=op.f("incident_accuracy_m_check")),
        sa.CheckConstraint("latitude between -90 and 90", name=op.f("incident_latitude_check")),
        sa.CheckConstraint("length(description) <= 10000", name=op.f("incident_description_check")),
        sa.CheckConstraint("length(title) between 1 and 200", name=op.f("incident_title_check")),
        sa.CheckConstraint("longitude between -180 and 180", name=op.f("incident_longitude_check")),
        sa.ForeignKeyConstraint(["device_id"], ["device.id"], name=op.f("incident_device_id_fkey")),
        sa.ForeignKeyConstraint(
            ["reported_by"], ["officer.id"], name=op.f("incident_reported_by_fkey")
        ),
        sa.ForeignKeyConstraint(
            ["station_id"], ["station.id"], name=op.f("incident_station_id_fkey")
        ),
        sa.ForeignKeyConstraint(["zone_id"], ["zone.id"], name=op.f("incident_zone_id_fkey")),
        sa.PrimaryKeyConstraint("id", name=op.f("incident_pkey")),
    )
    op.create_index(
        "incident_occurred_idx", "incident", ["scope_id", "occurred_at", "id"], unique=False
    )
    op.create_index(op.f("incident_station_id_idx"), "incident", ["station_id"], unique=False)
    op.create_index("incident_sync_idx", "incident", ["scope_id", "sync_xid", "id"], unique=False)
    op.create_index(
        "incident_updated_idx", "incident", ["scope_id", "updated_at", "id"], unique=False
    )
    op.create_index(op.f("incident_zone_id_idx"), "incident", ["zone_id"], unique=False)
    op.create_table(
        "officer_state",
        sa.Column("officer_id", sa.Uuid(), nullable=False),
        sa.Column("on_duty", sa.Boolean(), server_default=sa.text("false"), nullable=False),
        sa.Column("on_duty_since", sa.DateTime(timezone=True), nullable=True),
        sa.Column("latitude", sa.Float(), nullable=True),
        sa.Column("longitude", sa.Float(), nullable=True),
        sa.Column("fix_at", sa.DateTime(timezone=True), nullable=True),
        sa.CheckConstraint(
            "(latitude is null) = (longitude is null)",
            name=op.f("officer_state_position_whole_check"),
        ),
        sa.CheckConstraint(
            "latitude between -90 and 90", name=op.f("officer_state_latitude_check")
        ),
        sa.CheckConstraint(
            "longitude between -180 and 180", name=op.f("officer_state_longitude_check")
        ),
        sa.ForeignKeyConstraint(
            ["officer_id"], ["officer.id"], name=op.f("officer_state_officer_id_fkey")
        ),
        sa.PrimaryKeyConstraint("officer_id", name=op.f("officer_state_pkey")),
    )
    op.create_table(
        "quarantine",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column(
            "created_at",
            sa.DateTime(timezone=True),
            server_default=sa.text("now()"),
            nullable=False,
        ),
        sa.Column("device_id", sa.Uuid(), nullable=False),
        sa.Column("officer_id", sa.Uuid(), nullable=False),
        sa.Column("lane", sa.String(), nullable=False),
        sa.Column("sequence", sa.BigInteger(), nullable=False),
        sa.Column("mutation_id", sa.Uuid(), nullable=False),
        sa.Column("code", sa.String(), nullable=False),
        sa.Column("payload", postgresql.JSONB(astext_type=sa.Text()), nullable=False),
        sa.Column("resolved_at", sa.DateTime(timezone=True), nullable=True),
        sa.CheckConstraint(
            "lane in ('SOS', 'RECORDS', 'TRACKS')", name=op.f("quarantine_lane_check")
        ),
        sa.ForeignKeyConstraint(
            ["device_id"], ["device.id"], name=op.f("quarantine_device_id_fkey")
        ),
        sa.ForeignKeyConstraint(
            ["officer_id"], ["officer.id"], name=op.f("quarantine_officer_id_fkey")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("quarantine_pkey")),
        sa.UniqueConstraint("mutation_id", name=op.f("quarantine_mutation_id_key")),
    )
    op.create_index(op.f("quarantine_officer_id_idx"), "quarantine", ["officer_id"], unique=False)
    op.create_table(
        "session",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column(
            "created_at",
            sa.DateTime(timezone=True),
            server_default=sa.text("now()"),
            nullable=False,
        ),
        sa.Column("device_id", sa.Uuid(), nullable=False),
        sa.Column("officer_id", sa.Uuid(), nullable=False),
        sa.Column("generation", sa.Integer(), server_default=sa.text("1"), nullable=False),
        sa.Column("expires_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("revoked_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("revoked_reason", sa.String(), nullable=True),
        sa.CheckConstraint("generation > 0", name=op.f("session_generation_check")),
        sa.ForeignKeyConstraint(["device_id"], ["device.id"], name=op.f("session_device_id_fkey")),
        sa.ForeignKeyConstraint(
            ["officer_id"], ["officer.id"], name=op.f("session_officer_id_fkey")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("session_pkey")),
    )
    op.create_index(op.f("session_device_id_idx"), "session", ["device_id"], unique=False)
    op.create_index(op.f("session_officer_id_idx"), "session", ["officer_id"], unique=False)
    op.create_table(
        "sync_lane",
        sa.Column("device_id", sa.Uuid(), nullable=False),
        sa.Column("officer_id", sa.Uuid(), nullable=False),
        sa.Column("lane", sa.String(), nullable=False),
        sa.Column("applied_sequence", sa.BigInteger(), server_default=sa.text("0"), nullable=False),
        sa.Column(
            "updated_at",
            sa.DateTime(timezone=True),
            server_default=sa.text("now()"),
            nullable=False,
        ),
        sa.CheckConstraint(
            "lane in ('SOS', 'RECORDS', 'TRACKS')", name=op.f("sync_lane_lane_check")
        ),
        sa.ForeignKeyConstraint(
            ["device_id"], ["device.id"], name=op.f("sync_lane_device_id_fkey")
        ),
        sa.ForeignKeyConstraint(
            ["officer_id"], ["officer.id"], name=op.f("sync_lane_officer_id_fkey")
        ),
        sa.PrimaryKeyConstraint("device_id", "officer_id", "lane", name=op.f("sync_lane_pkey")),
    )
    op.create_table(
        "sync_outcome",
        sa.Column("device_id", sa.Uuid(), nullable=False),
        sa.Column("officer_id", sa.Uuid(), nullable=False),
        sa.Column("lane", sa.String(), nullable=False),
        sa.Column("sequence", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("mutation_id", sa.Uuid(), nullable=False),
        sa.Column("content_sha256", sa.LargeBinary(), nullable=False),
        sa.Column("outcome", sa.String(), nullable=False),
        sa.Column("code", sa.String(), nullable=True),
        sa.Column("row_id", sa.Uuid(), nullable=False),
        sa.Column("rev", sa.BigInteger(), nullable=True),
        sa.Column(
            "detail",
            postgresql.JSONB(astext_type=sa.Text()),
            server_default=sa.text("'{}'"),
            nullable=False,
        ),
        sa.Column(
            "created_at",
            sa.DateTime(timezone=True),
            server_default=sa.text("now()"),
            nullable=False,
        ),
        sa.CheckConstraint(
            "lane in ('SOS', 'RECORDS', 'TRACKS')", name=op.f("sync_outcome_lane_check")
        ),
        sa.CheckConstraint(
            "outcome in ('APPLIED', 'MERGED', 'CONFLICT', 'REJECTED', 'DUPLICATE', 'SEQUENCE_REUSED', 'GAP', 'RETRY')",
            name=op.f("sync_outcome_outcome_check"),
        ),
        sa.CheckConstraint(
            "octet_length(content_sha256) = 32", name=op.f("sync_outcome_content_sha256_check")
        ),
        sa.ForeignKeyConstraint(
            ["device_id"], ["device.id"], name=op.f("sync_outcome_device_id_fkey")
        ),
        sa.ForeignKeyConstraint(
            ["officer_id"], ["officer.id"], name=op.f("sync_outcome_officer_id_fkey")
        ),
        sa.PrimaryKeyConstraint(
            "device_id", "officer_id", "lane", "sequence", name=op.f("sync_outcome_pkey")
        ),
        sa.UniqueConstraint("mutation_id", name=op.f("sync_outcome_mutation_id_key")),
    )
    op.create_table(
        "enrolment_code",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column(
            "created_at",
            sa.DateTime(timezone=True),
            server_default=sa.text("now()"),
            nullable=False,
        ),
        sa.Column("code_sha256", sa.LargeBinary(), nullable=False),
        sa.Column("officer_id", sa.Uuid(), nullable=False),
        sa.Column("issued_by", sa.String(), nullable=False),
        sa.Column("expires_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("used_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("session_id", sa.Uuid(), nullable=True),
        sa.ForeignKeyConstraint(
            ["officer_id"], ["officer.id"], name=op.f("enrolment_code_officer_id_fkey")
        ),
        sa.ForeignKeyConstraint(
            ["session_id"], ["session.id"], name=op.f("enrolment_code_session_id_fkey")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("enrolment_code_pkey")),
        sa.UniqueConstraint("code_sha256", name=op.f("enrolment_code_code_sha256_key")),
    )
    op.create_index(
        op.f("enrolment_code_officer_id_idx"), "enrolment_code", ["officer_id"], unique=False
    )
    op.create_table(
        "installation",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column(
            "created_at",
            sa.DateTime(timezone=True),
            server_default=sa.text("now()"),
            nullable=False,
        ),
        sa.Column("session_id", sa.Uuid(), nullable=False),
        sa.Column("kind", sa.String(), nullable=False),
        sa.Column("address", sa.String(), nullable=False),
        sa.Column("retired_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("retired_reason", sa.String(), nullable=True),
        sa.CheckConstraint("kind in ('FID', 'TOKEN')", name=op.f("installation_kind_check")),
        sa.ForeignKeyConstraint(
            ["session_id"], ["session.id"], name=op.f("installation_session_id_fkey")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("installation_pkey")),
        sa.UniqueConstraint("session_id", name=op.f("installation_session_id_key")),
    )
    op.create_index(op.f("installation_address_idx"), "installation", ["address"], unique=False)
    op.create_table(
        "snapshot",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column(
            "created_at",
            sa.DateTime(timezone=True),
            server_default=sa.text("now()"),
            nullable=False,
        ),
        sa.Column("camera_id", sa.Uuid(), nullable=False),
        sa.Column("scope_id", sa.Uuid(), nullable=False),
        sa.Column("object_id", sa.Uuid(), nullable=False),
        sa.Column("sha256", sa.LargeBinary(), nullable=False),
        sa.Column("taken_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("width", sa.Integer(), nullable=False),
        sa.Column("height", sa.Integer(), nullable=False),
        sa.Column("thumb_320_key", sa.String(), nullable=True),
        sa.Column("thumb_960_key", sa.String(), nullable=True),
        sa.Column("ready_at", sa.DateTime(timezone=True), nullable=True),
        sa.ForeignKeyConstraint(["camera_id"], ["camera.id"], name=op.f("snapshot_camera_id_fkey")),
        sa.ForeignKeyConstraint(
            ["object_id"], ["stored_object.id"], name=op.f("snapshot_object_id_fkey")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("snapshot_pkey")),
        sa.UniqueConstraint("camera_id", "sha256", name=op.f("snapshot_camera_id_sha256_key")),
        sa.UniqueConstraint("object_id", name=op.f("snapshot_object_id_key")),
    )
    op.create_index(
        "snapshot_camera_taken_idx", "snapshot", ["camera_id", "taken_at", "id"], unique=False
    )
    op.create_table(
        "sos_post",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column(
            "created_at",
            sa.DateTime(timezone=True),
            server_default=sa.text("now()"),
            nullable=False,
        ),
        sa.Column("scope_id", sa.Uuid(), nullable=False),
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
        sa.Column("station_id", sa.Uuid(), nullable=False),
        sa.Column("zone_id", sa.Uuid(), nullable=True),
        sa.Column("camera_id", sa.Uuid(), nullable=True),
        sa.Column("code", sa.String(), nullable=False),
        sa.Column("name", sa.String(), nullable=False),
        sa.Column("name_th", sa.String(), nullable=False),
        sa.Column("latitude", sa.Float(), nullable=False),
        sa.Column("longitude", sa.Float(), nullable=False),
        sa.CheckConstraint("latitude between -90 and 90", name=op.f("sos_post_latitude_check")),
        sa.CheckConstraint("longitude between -180 and 180", name=op.f("sos_post_longitude_check")),
        sa.ForeignKeyConstraint(["camera_id"], ["camera.id"], name=op.f("sos_post_camera_id_fkey")),
        sa.ForeignKeyConstraint(
            ["station_id"], ["station.id"], name=op.f("sos_post_station_id_fkey")
        ),
        sa.ForeignKeyConstraint(["zone_id"], ["zone.id"], name=op.f("sos_post_zone_id_fkey")),
        sa.PrimaryKeyConstraint("id", name=op.f("sos_post_pkey")),
        sa.UniqueConstraint("station_id", "code", name=op.f("sos_post_station_id_code_key")),
    )
    op.create_index(op.f("sos_post_station_id_idx"), "sos_post", ["station_id"], unique=False)
    op.create_index("sos_post_sync_idx", "sos_post", ["scope_id", "sync_xid", "id"], unique=False)
    op.create_index(op.f("sos_post_zone_id_idx"), "sos_post", ["zone_id"], unique=False)
    op.create_table(
        "camera_state",
        sa.Column("camera_id", sa.Uuid(), nullable=False),
        sa.Column("scope_id", sa.Uuid(), nullable=False),
        sa.Column("last_seen_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("last_snapshot_id", sa.Uuid(), nullable=True),
        sa.ForeignKeyConstraint(
            ["camera_id"], ["camera.id"], name=op.f("camera_state_camera_id_fkey")
        ),
        sa.ForeignKeyConstraint(
            ["last_snapshot_id"], ["snapshot.id"], name=op.f("camera_state_last_snapshot_id_fkey")
        ),
        sa.PrimaryKeyConstraint("camera_id", name=op.f("camera_state_pkey")),
    )
    op.create_table(
        "device_key",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column(
            "created_at",
            sa.DateTime(timezone=True),
            server_default=sa.text("now()"),
            nullable=False,
        ),
        sa.Column("prefix", sa.String(), nullable=False),
        sa.Column("key_sha256", sa.LargeBinary(), nullable=False),
        sa.Column("camera_id", sa.Uuid(), nullable=True),
        sa.Column("post_id", sa.Uuid(), nullable=True),
        sa.Column("revoked_at", sa.DateTime(timezone=True), nullable=True),
        sa.CheckConstraint(
            "(camera_id is null) <> (post_id is null)", name=op.f("device_key_one_holder_check")
        ),
        sa.ForeignKeyConstraint(
            ["camera_id"], ["camera.id"], name=op.f("device_key_camera_id_fkey")
        ),
        sa.ForeignKeyConstraint(["post_id"], ["sos_post.id"], name=op.f("device_key_post_id_fkey")),
        sa.PrimaryKeyConstraint("id", name=op.f("device_key_pkey")),
        sa.UniqueConstraint("key_sha256", name=op.f("device_key_key_sha256_key")),
    )
    op.create_index(op.f("device_key_camera_id_idx"), "device_key", ["camera_id"], unique=False)
    op.create_index(op.f("device_key_post_id_idx"), "device_key", ["post_id"], unique=False)
    op.create_table(
        "sos_alert",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column(
            "created_at",
            sa.DateTime(timezone=True),
            server_default=sa.text("now()"),
            nullable=False,
        ),
        sa.Column("scope_id", sa.Uuid(), nullable=False),
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
        sa.Column("station_id", sa.Uuid(), nullable=False),
        sa.Column("zone_id", sa.Uuid(), nullable=True),
        sa.Column("source", sa.String(), nullable=False),
        sa.Column("status", sa.String(), nullable=False),
        sa.Column("drill", sa.Boolean(), server_default=sa.text("false"), nullable=False),
        sa.Column("officer_id", sa.Uuid(), nullable=True),
        sa.Column("post_id", sa.Uuid(), nullable=True),
        sa.Column("latitude", sa.Float(), nullable=True),
        sa.Column("longitude", sa.Float(), nullable=True),
        sa.Column("accuracy_m", sa.Float(), nullable=True),
        sa.Column("raised_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("captured_at_raw", sa.String(), nullable=False),
        sa.Column("received_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("time_suspect", sa.Boolean(), server_default=sa.text("false"), nullable=False),
        sa.Column("presses", sa.Integer(), server_default=sa.text("1"), nullable=False),
        sa.Column("acknowledged_by", sa.Uuid(), nullable=True),
        sa.Column("acknowledged_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("closed_at", sa.DateTime(timezone=True), nullable=True),
        sa.CheckConstraint(
            "(source = 'OFFICER') = (officer_id is not null)", name=op.f("sos_alert_officer_check")
        ),
        sa.CheckConstraint(
            "(source = 'POST') = (post_id is not null)", name=op.f("sos_alert_post_check")
        ),
        sa.CheckConstraint(
            "source in ('OFFICER', 'POST', 'CITIZEN')", name=op.f("sos_alert_source_check")
        ),
        sa.CheckConstraint(
            "status in ('OPEN', 'ACKNOWLEDGED', 'CLOSED', 'CANCELLED')",
            name=op.f("sos_alert_status_check"),
        ),
        sa.CheckConstraint(
            "(latitude is null) = (longitude is null)", name=op.f("sos_alert_position_whole_check")
        ),
        sa.CheckConstraint("accuracy_m >= 0", name=op.f("sos_alert_accuracy_m_check")),
        sa.CheckConstraint("latitude between -90 and 90", name=op.f("sos_alert_latitude_check")),
        sa.CheckConstraint(
            "longitude between -180 and 180", name=op.f("sos_alert_longitude_check")
        ),
        sa.ForeignKeyConstraint(
            ["acknowledged_by"], ["officer.id"], name=op.f("sos_alert_acknowledged_by_fkey")
        ),
        sa.ForeignKeyConstraint(
            ["officer_id"], ["officer.id"], name=op.f("sos_alert_officer_id_fkey")
        ),
        sa.ForeignKeyConstraint(["post_id"], ["sos_post.id"], name=op.f("sos_alert_post_id_fkey")),
        sa.ForeignKeyConstraint(
            ["station_id"], ["station.id"], name=op.f("sos_alert_station_id_fkey")
        ),
        sa.ForeignKeyConstraint(["zone_id"], ["zone.id"], name=op.f("sos_alert_zone_id_fkey")),
        sa.PrimaryKeyConstraint("id", name=op.f("sos_alert_pkey")),
    )
    op.create_index(
        "sos_alert_open_idx",
        "sos_alert",
        ["scope_id", "raised_at"],
        unique=False,
        postgresql_where=sa.text("status = 'OPEN'"),
    )
    op.create_index(
        "sos_alert_open_post_key",
        "sos_alert",
        ["post_id"],
        unique=True,
        postgresql_where=sa.text("status in ('OPEN', 'ACKNOWLEDGED') and deleted_at is null"),
    )
    op.create_index(op.f("sos_alert_station_id_idx"), "sos_alert", ["station_id"], unique=False)
    op.create_index("sos_alert_sync_idx", "sos_alert", ["scope_id", "sync_xid", "id"], unique=False)
    op.create_table(
        "sos_post_state",
        sa.Column("post_id", sa.Uuid(), nullable=False),
        sa.Column("scope_id", sa.Uuid(), nullable=False),
        sa.Column("last_seen_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("last_press_id", sa.String(), nullable=True),
        sa.Column("last_press_alert_id", sa.Uuid(), nullable=True),
        sa.Column("last_press_joined", sa.Boolean(), nullable=True),
        sa.ForeignKeyConstraint(
            ["last_press_alert_id"],
            ["sos_alert.id"],
            name=op.f("sos_post_state_last_press_alert_id_fkey"),
        ),
        sa.ForeignKeyConstraint(
            ["post_id"], ["sos_post.id"], name=op.f("sos_post_state_post_id_fkey")
        ),
        sa.PrimaryKeyConstraint("post_id", name=op.f("sos_post_state_pkey")),
    )
    op.create_table(
        "sos_step",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column(
            "created_at",
            sa.DateTime(timezone=True),
            server_default=sa.text("now()"),
            nullable=False,
        ),
        sa.Column("alert_id", sa.Uuid(), nullable=False),
        sa.Column("scope_id", sa.Uuid(), nullable=False),
        sa.Column("number", sa.Integer(), nullable=False),
        sa.Column("target", sa.String(), nullable=False),
        sa.Column("due_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("done_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("outcome", sa.String(), nullable=True),
        sa.CheckConstraint(
            "outcome is null or outcome in ('CALLED', 'NOBODY', 'PUSH_OFF', 'ANSWERED', 'REPLACED')",
            name=op.f("sos_step_outcome_check"),
        ),
        sa.CheckConstraint(
            "target in ('ON_DUTY', 'STATION', 'SUPERVISORS')", name=op.f("sos_step_target_check")
        ),
        sa.ForeignKeyConstraint(
            ["alert_id"], ["sos_alert.id"], name=op.f("sos_step_alert_id_fkey")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("sos_step_pkey")),
        sa.UniqueConstraint("alert_id", "number", name=op.f("sos_step_alert_id_number_key")),
    )
    op.create_index(
        "sos_step_due_idx",
        "sos_step",
        ["due_at"],
        unique=False,
        postgresql_where=sa.text("done_at is null"),
    )
    op.create_table(
        "sos_recipient",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column(
            "created_at",
            sa.DateTime(timezone=True),
            server_default=sa.text("now()"),
            nullable=False,
        ),
        sa.Column("alert_id", sa.Uuid(), nullable=False),
        sa.Column("step_id", sa.Uuid(), nullable=False),
        sa.Column("scope_id", sa.Uuid(), nullable=False),
        sa.Column("officer_id", sa.Uuid(), nullable=False),
        sa.Column("installation_id", sa.Uuid(), nullable=False),
        sa.Column("outcome", sa.String(), nullable=False),
        sa.Column("reason", sa.String(), nullable=True),
        sa.Column("message_id", sa.String(), nullable=True),
        sa.Column("attempts", sa.Integer(), server_default=sa.text("1"), nullable=False),
        sa.Column("attempted_at", sa.DateTime(timezone=True), nullable=False),
        sa.CheckConstraint(
            "outcome in ('ACCEPTED', 'DEAD', 'RETRY', 'FAILED')",
            name=op.f("sos_recipient_outcome_check"),
        ),
        sa.ForeignKeyConstraint(
            ["alert_id"], ["sos_alert.id"], name=op.f("sos_recipient_alert_id_fkey")
        ),
        sa.ForeignKeyConstraint(
            ["installation_id"],
            ["installation.id"],
            name=op.f("sos_recipient_installation_id_fkey"),
        ),
        sa.ForeignKeyConstraint(
            ["officer_id"], ["officer.id"], name=op.f("sos_recipient_officer_id_fkey")
        ),
        sa.ForeignKeyConstraint(
            ["step_id"], ["sos_step.id"], name=op.f("sos_recipient_step_id_fkey")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("sos_recipient_pkey")),
        sa.UniqueConstraint(
            "step_id", "installation_id", name=op.f("sos_recipient_step_id_installation_id_key")
        ),
    )
    op.create_index(op.f("sos_recipient_alert_id_idx"), "sos_recipient", ["alert_id"], unique=False)


def downgrade() -> None:
    op.drop_index(op.f("sos_recipient_alert_id_idx"), table_name="sos_recipient")
    op.drop_table("sos_recipient")
    op.drop_index(
        "sos_step_due_idx", table_name="sos_step", postgresql_where=sa.text("done_at is null")
    )
    op.drop_table("sos_step")
    op.drop_table("sos_post_state")
    op.drop_index("sos_alert_sync_idx", table_name="sos_alert")
    op.drop_index(op.f("sos_alert_station_id_idx"), table_name="sos_alert")
    op.drop_index(
        "sos_alert_open_post_key",
        table_name="sos_alert",
        postgresql_where=sa.text("status in ('OPEN', 'ACKNOWLEDGED') and deleted_at is null"),
    )
    op.drop_index(
        "sos_alert_open_idx", table_name="sos_alert", postgresql_where=sa.text("status = 'OPEN'")
    )
    op.drop_table("sos_alert")
    op.drop_index(op.f("device_key_post_id_idx"), table_name="device_key")
    op.drop_index(op.f("device_key_camera_id_idx"), table_name="device_key")
    op.drop_table("device_key")
    op.drop_table("camera_state")
    op.drop_index(op.f("sos_post_zone_id_idx"), table_name="sos_post")
    op.drop_index("sos_post_sync_idx", table_name="sos_post")
    op.drop_index(op.f("sos_post_station_id_idx"), table_name="sos_post")
    op.drop_table("sos_post")
    op.drop_index("snapshot_camera_taken_idx", table_name="snapshot")
    op.drop_table("snapshot")
    op.drop_index(op.f("installation_address_idx"), table_name="installation")
    op.drop_table("installation")
    op.drop_index(op.f("enrolment_code_officer_id_idx"), table_name="enrolment_code")
    op.drop_table("enrolment_code")
    op.drop_table("sync_outcome")
    op.drop_table("sync_lane")
    op.drop_index(op.f("session_officer_id_idx"), table_name="session")
    op.drop_index(op.f("session_device_id_idx"), table_name="session")
    op.drop_table("session")
    op.drop_index(op.f("quarantine_officer_id_idx"), table_name="quarantine")
    op.drop_table("quarantine")
    op.drop_table("officer_state")
    op.drop_index(op.f("incident_zone_id_idx"), table_name="incident")
    op.drop_index("incident_updated_idx", table_name="incident")
    op.drop_index("incident_sync_idx", table_name="incident")
    op.drop_index(op.f("incident_station_id_idx"), table_name="incident")
    op.drop_index("incident_occurred_idx", table_name="incident")
    op.drop_table("incident")
    op.drop_index("community_sync_idx", table_name="community")
    op.drop_table("community")
    op.drop_index(op.f("camera_zone_id_idx"), table_name="camera")
    op.drop_index("camera_sync_idx", table_name="camera")
    op.drop_index(op.f("camera_station_id_idx"), table_name="camera")
    op.drop_table("camera")
    op.drop_index("assignment_officer_id_idx", table_name="assignment")
    op.drop_table("assignment")
    op.drop_index(op.f("agreement_zone_zone_id_idx"), table_name="agreement_zone")
    op.drop_table("agreement_zone")
    op.drop_index("zone_sync_idx", table_name="zone")
    op.drop_index(op.f("zone_station_id_idx"), table_name="zone")
    op.drop_index(op.f("zone_parent_id_idx"), table_name="zone")
    op.drop_table("zone")
    op.drop_index(op.f("officer_station_id_idx"), table_name="officer")
    op.drop_table("officer")
    op.drop_table("device_state")
    op.drop_index(op.f("api_key_organisation_id_idx"), table_name="api_key")
    op.drop_table("api_key")
    op.drop_index(op.f("agreement_organisation_id_idx"), table_name="agreement")
    op.drop_table("agreement")
    op.drop_table("sync_set")
    op.drop_table("sync_epoch")
    op.drop_table("stored_object")
    op.drop_index("station_sync_idx", table_name="station")
    op.drop_table("station")
    op.drop_table("signing_key")
    op.drop_index("scope_exit_sync_idx", table_name="scope_exit")
    op.drop_table("scope_exit")
    op.drop_table("organisation")
    op.drop_table("job_schedule")
    op.drop_table("device")
    op.drop_table("audit_seal")
    op.drop_index("audit_entry_xid_idx", table_name="audit_entry")
    op.drop_table("audit_entry")
    op.drop_table("admin_token")
