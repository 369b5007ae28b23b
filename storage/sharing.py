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
    subjects: list[str] = Field(sa_type=ARRAY(Text))
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


INSERT_ORGANISATION = """
insert into organisation (id, code, name, name_th, sector) values ($1, $2, $3, $4, $5)
on conflict (code) do nothing returning id
"""
"""Adds a partner unless its code is taken."""

FIND_ORGANISATION = (
    "select id, code, name, name_th, sector, active from organisation where code = $1"
)
"""A partner by its code."""

STORED_ORGANISATIONS = """
select organisation.id, organisation.code, organisation.name, organisation.name_th, organisation.sector,
       organisation.active,
       (select count(*) from agreement where agreement.organisation_id = organisation.id and revoked_at is null
          and valid_from <= now() and (valid_until is null or valid_until > now())) as agreements,
       (select count(*) from api_key where api_key.organisation_id = organisation.id and revoked_at is null
          and (expires_at is null or expires_at > now())) as keys
from organisation order by organisation.code
"""
"""All partners with how many agreements and keys of theirs hold now."""

INSERT_AGREEMENT = """
insert into agreement (id, organisation_id, subjects, detail, delay_seconds, valid_from, valid_until)
values ($1, $2, $3, $4, $5, $6, $7)
"""
"""Adds an agreement; its zones follow in the same transaction."""

INSERT_AGREEMENT_ZONES = """
insert into agreement_zone (agreement_id, zone_id) select $1, unnest($2::uuid[])
"""
"""Adds the zones that an agreement grants."""

REVOKE_AGREEMENT = """
update agreement set revoked_at = now() where id = $1 and revoked_at is null returning organisation_id
"""
"""Ends an agreement at once."""

STORED_AGREEMENTS = """
select agreement.id, agreement.subjects, agreement.detail, agreement.delay_seconds, agreement.valid_from,
       agreement.valid_until, agreement.revoked_at,
       array(select zone.code from agreement_zone join zone on zone.id = agreement_zone.zone_id
             where agreement_zone.agreement_id = agreement.id order by zone.code) as zones
from agreement where agreement.organisation_id = $1 order by agreement.id
"""
"""The agreements of a partner, also ended ones, with the codes of their zones."""

STORED_API_KEYS = """
select id, prefix, label, created_at, expires_at, revoked_at from api_key where organisation_id = $1 order by id
"""
"""The keys of a partner, also revoked ones; what they open with is not kept."""


READ_OWN_ORGANISATION = "select id, code, name, name_th, sector from partner.organisation"
"""The organisation that reads."""

READ_OWN_AGREEMENTS = """
select id, subjects, detail, delay_seconds, valid_from, valid_until, zone_ids
from partner.agreement order by valid_from, id
"""
"""The agreements of the organisation that reads, in force now."""

INSERT_API_KEY = """
insert into api_key (id, organisation_id, prefix, key_sha256, label, expires_at)
select $1, id, $3, $4, $5, $6 from organisation where id = $2 and active
returning id
"""
"""Keeps a partner's key; no row when there is no such active partner."""

REVOKE_API_KEY = (
    "update api_key set revoked_at = now() where id = $1 and revoked_at is null returning id"
)
"""Ends a partner's key at once."""
