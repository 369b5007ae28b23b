"""Every setting of the product in one place, read once from the environment and handed down as plain values."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Literal, Self

from pydantic import (
    Field,
    HttpUrl,
    PostgresDsn,
    SecretStr,
    TypeAdapter,
    ValidationError,
    field_validator,
    model_validator,
)
from pydantic_settings import BaseSettings, SettingsConfigDict

PREFIX = "PATROL_"
SHORTEST_SECRET = 32
SHORTEST_GATEWAY_SECRET = 16


class SettingsWrong(Exception):
    """A setting is missing or cannot be used; the message names it and never repeats its value."""


class Settings(BaseSettings):
    """The environment of a process; every name is prefixed with `PATROL_`."""

    model_config = SettingsConfigDict(env_prefix=PREFIX, env_ignore_empty=True, extra="ignore")

    data_dir: Path = Field(
        default=Path(".patrol"),
        description="Where embedded servers and the key secret live when no external address is given.",
    )
    host: str = Field(default="127.0.0.1", description="Address that the HTTP server binds to.")
    port: int = Field(
        default=8000, ge=0, le=65535, description="Port of the HTTP server; 0 picks a free one."
    )
    public_url: str | None = Field(
        default=None, description="Address of the HTTP server as phones and partners see it."
    )

    database_url: str | None = Field(
        default=None,
        description="PostgreSQL 15 to 18 as the application's login. Empty: an embedded server.",
    )
    database_owner_url: str | None = Field(
        default=None,
        description="The same database as the tables' owner, for `migrate`; default: database_url.",
    )
    database_pool: int = Field(
        default=20, ge=2, le=500, description="Largest number of pooled connections per process."
    )

    s3_url: str | None = Field(
        default=None,
        description="S3 endpoint such as https://minio.example:9000. Empty: an embedded server.",
    )
    s3_access_key: str | None = Field(default=None, description="Access key of the store.")
    s3_secret_key: SecretStr | None = Field(default=None, description="Secret key of the store.")
    s3_region: str = Field(default="us-east-1", description="Region that requests are signed for.")
    s3_public_url: str | None = Field(
        default=None,
        description="Address of the store that signed links carry to phones; default: s3_url.",
    )
    s3_prefix: str = Field(default="patrol-", description="Prefix of every bucket name.")

    sms_secret: SecretStr | None = Field(
        default=None,
        description="What an SMS gateway shows at /ingest/sms, at least 16 characters. Empty: no gateway.",
    )
    sms_text_field: str | None = Field(
        default=None,
        description="How the gateway calls what was written, when it is not text, message, body, content or msg.",
    )

    secret: SecretStr | None = Field(
        default=None,
        description="Wraps the signing keys at rest (32 or more characters, the same for every process). "
        "Empty: a file in data_dir is made and used.",
    )
    firebase_credentials: Path | None = Field(
        default=None,
        description="Service account JSON of the Firebase project. Empty: push is off.",
    )
    firebase_endpoint: str | None = Field(
        default=None, description="Only for tests and the demo: another address of the FCM service."
    )

    heartbeat_url: SecretStr | None = Field(
        default=None,
        description="An address outside that is asked (GET) each minute while all is well with calls for help, so that its "
        "silence raises the alarm; as of healthchecks.io.",
    )
    alert_page_url: str | None = Field(
        default=None,
        description="The control room's page of an alert, for texts through fallback channels; `{alert}` stands for its id.",
    )

    trusted_operations: Literal["only", "any"] = Field(
        default="only",
        description="`only`: the phone door runs nothing but mobile_contracts/operations; `any`: all valid operations.",
    )
    access_token_seconds: int = Field(
        default=600, ge=30, le=86_400, description="Lifetime of access tokens."
    )
    session_days: int = Field(
        default=90, ge=1, le=3650, description="Lifetime of a phone's session."
    )
    silent_days: int = Field(
        default=90,
        ge=2,
        le=3650,
        description="A phone that did not pull for more days begins its copy anew; until then deleted rows are kept for it.",
    )
    shift_hours: int = Field(
        default=12,
        ge=1,
        le=168,
        description="A refused record that waits for a person for more hours raises the alarm.",
    )
    link_seconds: int = Field(
        default=3600, ge=30, le=604_800, description="Least lifetime of signed media links."
    )
    snapshot_bytes: int = Field(
        default=16 * 1024 * 1024, ge=1024, description="Largest snapshot that a camera may send."
    )
    photo_bytes: int = Field(
        default=32 * 1024 * 1024,
        ge=1024,
        le=32 * 1024 * 1024,
        description="Largest photograph of an incident or alert.",
    )
    video_bytes: int = Field(
        default=2 * 1024 * 1024 * 1024,
        ge=1024,
        le=4 * 1024 * 1024 * 1024,
        description="Largest film of an incident or alert.",
    )
    audio_bytes: int = Field(
        default=256 * 1024 * 1024,
        ge=1024,
        le=1024 * 1024 * 1024,
        description="Largest recording of sound of an incident or alert.",
    )
    document_bytes: int = Field(
        default=32 * 1024 * 1024,
        ge=1024,
        le=1024 * 1024 * 1024,
        description="Largest document of an incident or alert.",
    )
    upload_days: int = Field(
        default=14,
        ge=1,
        le=365,
        description="An upload with which nobody goes on for more days is given up; its file can be sent anew.",
    )
    evidence_days: int = Field(
        default=365,
        ge=1,
        le=36_500,
        description="For how many days the store locks a verified part of a clip or a verified file, so that nobody can delete it before.",
    )
    body_bytes: int = Field(
        default=4 * 1024 * 1024, ge=1024, description="Largest body of a GraphQL request."
    )
    log_format: Literal["json", "console"] = Field(
        default="json", description="How log lines are written."
    )
    log_level: Literal["debug", "info", "warning", "error"] = Field(
        default="info", description="The least severe lines that are written."
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

    @field_validator("heartbeat_url")
    @classmethod
    def _is_secret_http(cls, value: SecretStr | None) -> SecretStr | None:
        if value is not None:
            TypeAdapter(HttpUrl).validate_python(value.get_secret_value())
        return value

    @field_validator("alert_page_url")
    @classmethod
    def _is_page(cls, value: str | None) -> str | None:
        if value is not None:
            if value.count("{alert}") != 1 or "{" in value.replace("{alert}", ""):
                raise ValueError("must hold {alert} once, for the alert's id")
            TypeAdapter(HttpUrl).validate_python(value.replace("{alert}", "id"))
        return value

    @field_validator("sms_secret")
    @classmethod
    def _is_long_for_a_gateway(cls, value: SecretStr | None) -> SecretStr | None:
        if value is not None and len(value.get_secret_value()) < SHORTEST_GATEWAY_SECRET:
            raise ValueError(f"must have at least {SHORTEST_GATEWAY_SECRET} characters")
        return value

    @field_validator("secret")
    @classmethod
    def _is_long(cls, value: SecretStr | None) -> SecretStr | None:
        if value is not None and len(value.get_secret_value()) < SHORTEST_SECRET:
            raise ValueError(f"must have {SHORTEST_SECRET} or more characters")
        return value

    @model_validator(mode="after")
    def _store_is_whole(self) -> Self:
        if self.s3_url is not None and (self.s3_access_key is None or self.s3_secret_key is None):
            raise ValueError(
                "PATROL_S3_ACCESS_KEY and PATROL_S3_SECRET_KEY must be set together with PATROL_S3_URL"
            )
        return self

    @property
    def owner_url(self) -> str | None:
        """The address that migrations use."""
        return self.database_owner_url or self.database_url


def load_settings() -> Settings:
    """The settings of this process's environment.

    Raises:
        SettingsWrong: in one line, everything that is wrong with them.
    """
    try:
        return Settings()
    except ValidationError as error:
        # Never the error's own text: it repeats values, and some of them are secrets.
        found = []
        for one in error.errors(include_input=False, include_url=False, include_context=False):
            name = f"{PREFIX}{str(one['loc'][0]).upper()}: " if one["loc"] else ""
            found.append(name + one["msg"].removeprefix("Value error, "))
        raise SettingsWrong("; ".join(found) + ".") from None


def unknown_settings(environment: Iterable[str]) -> list[str]:
    """Names of the environment that look like settings of ours and are none, as after a slip of the keyboard."""
    known = {f"{PREFIX}{name.upper()}" for name in Settings.model_fields}
    return sorted(
        name
        for name in environment
        if name.startswith(PREFIX) and name not in known and not name.startswith("PATROL_TEST_")
    )
