"""Every setting of the product in one place, read once from the environment and handed down as plain values."""

from __future__ import annotations

from functools import cached_property
from pathlib import Path
from typing import Literal

from pydantic import Field, HttpUrl, PostgresDsn, SecretStr, TypeAdapter, field_validator
from pydantic_settings import BaseSettings, SettingsConfigDict


class Settings(BaseSettings):
    """The environment of a process; every name is prefixed with `PATROL_`."""

    model_config = SettingsConfigDict(env_prefix="PATROL_", env_ignore_empty=True, extra="ignore")

    data_dir: Path = Field(
        Path(".patrol"),
        description="Where embedded servers and the key secret live when no external address is given.",
    )
    host: str = Field("127.0.0.1", description="Address that the HTTP server binds to.")
    port: int = Field(8000, ge=0, le=65535, description="Port of the HTTP server; 0 picks a free one.")
    public_url: str | None = Field(
        None, description="Address of the HTTP server as phones and partners see it."
    )

    database_url: str | None = Field(
        None, description="PostgreSQL 15 to 18 as the application's login. Empty: an embedded server."
    )
    database_owner_url: str | None = Field(
        None, description="The same database as the tables' owner, for `migrate`; default: database_url."
    )
    database_pool: int = Field(
        20, ge=2, le=500, description="Largest number of pooled connections per process."
    )

    s3_url: str | None = Field(
        None, description="S3 endpoint such as https://minio.example:9000. Empty: an embedded server."
    )
    s3_access_key: str | None = Field(None, description="Access key of the store.")
    s3_secret_key: SecretStr | None = Field(None, description="Secret key of the store.")
    s3_region: str = Field("us-east-1", description="Region that requests are signed for.")
    s3_public_url: str | None = Field(
        None, description="Address of the store that signed links carry to phones; default: s3_url."
    )
    s3_prefix: str = Field("patrol-", description="Prefix of every bucket name.")

    secret: SecretStr | None = Field(
        None,
        description="Wraps the signing keys at rest (32 or more characters, the same for every process). "
        "Empty: a file in data_dir is made and used.",
    )
    firebase_credentials: Path | None = Field(
        None, description="Service account JSON of the Firebase project. Empty: push is off."
    )
    firebase_endpoint: str | None = Field(
        None, description="Only for tests and the demo: another address of the FCM service."
    )

    trusted_operations: Literal["only", "any"] = Field(
        "only",
        description="`only`: the phone door runs nothing but mobile_contracts/operations; `any`: all valid operations.",
    )
    access_token_seconds: int = Field(600, ge=30, le=86_400, description="Lifetime of access tokens.")
    session_days: int = Field(90, ge=1, le=3650, description="Lifetime of a phone's session.")
    link_seconds: int = Field(3600, ge=30, le=604_800, description="Lifetime of signed media links.")
    snapshot_bytes: int = Field(
        16 * 1024 * 1024, ge=1024, description="Largest snapshot that a camera may send."
    )
    body_bytes: int = Field(4 * 1024 * 1024, ge=1024, description="Largest body of a GraphQL request.")
    log_format: Literal["json", "console"] = Field("json", description="How log lines are written.")
    log_level: Literal["debug", "info", "warning", "error"] = Field(
        "info", description="The least severe lines that are written."
    )

    @field_validator("database_url", "database_owner_url")
    @classmethod
    def _is_postgres(cls, value: str | None) -> str | None:
        if value is not None and not value.startswith("postgresql://?"):
            # A Unix socket address has no host part, which PostgresDsn refuses.
            if "://" not in value or value.split("://", 1)[0] not in ("postgresql", "postgres"):
                raise ValueError("must start with postgresql://")
            if "@/" not in value and ":///" not in value:
                TypeAdapter(PostgresDsn).validate_python(value)
        return value

    @field_validator("s3_url", "s3_public_url", "public_url", "firebase_endpoint")
    @classmethod
    def _is_http(cls, value: str | None) -> str | None:
        if value is not None:
            TypeAdapter(HttpUrl).validate_python(value)
            return value.rstrip("/")
        return value

    @cached_property
    def owner_url(self) -> str | None:
        """The address that migrations use."""
        return self.database_owner_url or self.database_url
