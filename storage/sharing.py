"""Partner organisations, the agreements that grant them zones and subjects, and their API keys."""

from __future__ import annotations

from datetime import datetime
from uuid import UUID

from sqlalchemy import CheckConstraint, LargeBinary, Text, text
from sqlalchemy.dialects.postgresql import ARRAY
from sqlmodel import Field, SQLModel

from storage.base import Kept, known
from storage.vocabulary import DetailLevel, Sector, SharingSubject

_SUBJECTS = ", ".join(f"'{subject.value}'" for subject in SharingSubject)


class Organisation(Kept, table=True):
    """A partner agency, in one of the six sectors."""

    __tablename__ = "organisation"
    __table_args__ = (known("sector", Sector),)

    code: str = Field(unique=True)
    name: str
    name_th: str
    sector: str
    active: bool = Field(default=True, sa_column_kwargs={"server_default": text("true")})


class Agreement(Kept, table=True):
    """A sharing agreement: zones × subjects × detail × period. `delay_seconds` holds back what is too recent."""

    __tablename__ = "agreement"
    __table_args__ = (
        known("detail", DetailLevel),
        CheckConstraint(f"subjects <@ array[{_SUBJECTS}]::text[]", name="subjects"),
        CheckConstraint("valid_until is null or valid_until > valid_from", name="period"),
        CheckConstraint("delay_seconds >= 0", name="delay_seconds"),
    )

    organisation_id: UUID = Field(foreign_key="organisation.id", index=True)
    subjects: list[str] = Field(sa_type=ARRAY(Text))  # type: ignore[call-overload] # an instance, not a class
    detail: str
    delay_seconds: int = Field(default=0, sa_column_kwargs={"server_default": text("0")})
    valid_from: datetime
    valid_until: datetime | None = None
    revoked_at: datetime | None = None


class AgreementZone(SQLModel, table=True):
    """A zone that an agreement grants."""

    __tablename__ = "agreement_zone"

    agreement_id: UUID = Field(primary_key=True, foreign_key="agreement.id")
    zone_id: UUID = Field(primary_key=True, foreign_key="zone.id", index=True)


class ApiKey(Kept, table=True):
    """A partner's key; only its SHA-256 is kept, and its prefix so that people can tell keys apart."""

    __tablename__ = "api_key"

    organisation_id: UUID = Field(foreign_key="organisation.id", index=True)
    prefix: str
    key_sha256: bytes = Field(sa_type=LargeBinary, unique=True)
    label: str
    expires_at: datetime | None = None
    revoked_at: datetime | None = None
