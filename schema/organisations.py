"""Partner organisations, their agreements and keys in the administrator's contract."""

from __future__ import annotations

from datetime import datetime, timedelta
from uuid import UUID

import strawberry

from patrol.identity import IssuedKey, issue_api_key, revoke_api_key
from patrol.sharing import add_partner, grant, revoke
from schema.acts import AdminDone, AdminInfo, AdminIssued, AdminRefusal, act, administrators, done
from schema.enums import DetailLevel, Sector, SharingSubject
from schema.mutations import planned
from schema.paging import AdminPageInfo
from schema.planner import Columns, Conditions, Order, many, page, reads, single
from schema.zones import BY_NAME
from storage import tables
from storage.administration import GRANTED_ZONE
from storage.database import Connection

BY_CODE = {"CODE": Order("code")}
BY_BEGIN = {"BEGIN": Order("valid_from")}
OLDEST_FIRST = {"CREATED": Order("created_at")}


@reads(GRANTED_ZONE, name="GrantedZone", scope=None)
class AdminGrantedZone:
    """A zone that an agreement grants."""

    id: UUID
    code: str
    name: str
    name_th: str


@reads(tables.Agreement, name="Agreement", scope=None)
class AdminAgreement:
    """A sharing agreement: zones × subjects × detail × period. The delay holds back what is too recent."""

    id: UUID
    subjects: list[SharingSubject]
    detail: DetailLevel
    delay_seconds: int
    valid_from: datetime
    valid_until: datetime | None
    revoked_at: datetime | None
    created_at: datetime

    @many(
        "agreement_id",
        returns=list[AdminGrantedZone],
        order=BY_CODE,
        description="The zones that it grants, by code.",
    )
    def zones(row: Columns, first: int = 50) -> Conditions:
        yield from ()  # every zone of the agreement


@reads(tables.ApiKey, name="ApiKey", scope=None)
class AdminApiKey:
    """A partner's key. What it opens with is not kept."""

    id: UUID
    prefix: str
    label: str
    created_at: datetime
    expires_at: datetime | None
    revoked_at: datetime | None


@reads(tables.Organisation, name="Organisation", scope=None)
class AdminOrganisation:
    """A partner agency, in one of the six sectors."""

    id: UUID
    code: str
    name: str
    name_th: str
    sector: Sector
    active: bool
    created_at: datetime

    @many(
        "organisation_id",
        returns=list[AdminAgreement],
        order=BY_BEGIN,
        description="Its agreements, also ended ones.",
    )
    def agreements(row: Columns, first: int = 50) -> Conditions:
        yield from ()  # every agreement of the partner

    @many(
        "organisation_id",
        returns=list[AdminApiKey],
        order=OLDEST_FIRST,
        description="Its keys, also revoked ones.",
    )
    def keys(row: Columns, first: int = 50) -> Conditions:
        yield from ()  # every key of the partner


@strawberry.type(name="OrganisationConnection", description="Partners, page by page.")
class AdminOrganisationConnection:
    nodes: list[AdminOrganisation]
    page_info: AdminPageInfo
    total_count: int


@strawberry.type
class OrganisationsQuery:
    @page(
        returns=AdminOrganisationConnection,
        order=BY_NAME,
        admit=administrators,
        description="Partners, by name.",
    )
    def organisations(
        row: Columns, first: int = 50, after: str | None = None, sector: Sector | None = None
    ) -> Conditions:
        if sector is not None:
            yield row.sector == sector

    @single(
        returns=AdminOrganisation | None,
        admit=administrators,
        description="One partner; null where there is none.",
    )
    def organisation(row: Columns, id: UUID) -> Conditions:
        yield row.id == id


@strawberry.input(name="AddOrganisationInput")
class AdminAddOrganisationInput:
    """A new partner, who sees nothing until an agreement grants something."""

    code: str
    name: str
    name_th: str
    sector: Sector


@strawberry.input(name="GrantAgreementInput")
class AdminGrantAgreementInput:
    """A new agreement. Agreements of one partner add up."""

    organisation_id: UUID
    zone_ids: list[UUID] = strawberry.field(description="Exactly these, not the zones inside them.")
    subjects: list[SharingSubject]
    detail: DetailLevel = DetailLevel.COARSE
    delay_seconds: int = 0
    valid_from: datetime | None = strawberry.field(default=None, description="By default now.")
    valid_until: datetime | None = strawberry.field(
        default=None, description="By default until it is revoked."
    )


@strawberry.type(name="OrganisationDone", description="The partner as it stands now, or a refusal.")
class AdminOrganisationDone(AdminDone):
    organisation: AdminOrganisation | None = planned("id")


@strawberry.type(name="AgreementDone", description="The agreement as it stands now, or a refusal.")
class AdminAgreementDone(AdminDone):
    agreement: AdminAgreement | None = planned("id")


@strawberry.type(name="ApiKeyDone", description="The key as it stands now, or a refusal.")
class AdminApiKeyDone(AdminDone):
    api_key: AdminApiKey | None = planned("id")


@strawberry.type(name="ApiKeyIssued", description="A partner's new key, or a refusal.")
class AdminApiKeyIssued(AdminIssued):
    api_key: AdminApiKey | None = planned("id")


@strawberry.type
class OrganisationsMutation:
    @strawberry.mutation(description="Adds a partner organisation.")
    async def add_organisation(
        self, info: AdminInfo, organisation: AdminAddOrganisationInput
    ) -> AdminOrganisationDone:
        return await done(
            AdminOrganisationDone,
            info,
            lambda connection: add_partner(
                connection,
                code=organisation.code,
                name=organisation.name,
                name_th=organisation.name_th,
                sector=Sector(organisation.sector),  # within an input it may come as plain text
            ),
        )

    @strawberry.mutation(description="Grants a partner zones and subjects for a time.")
    async def grant_agreement(
        self, info: AdminInfo, agreement: AdminGrantAgreementInput
    ) -> AdminAgreementDone:
        return await done(
            AdminAgreementDone,
            info,
            lambda connection: grant(
                connection,
                agreement.organisation_id,
                agreement.zone_ids,
                [SharingSubject(one) for one in agreement.subjects],
                detail=DetailLevel(agreement.detail),
                delay=timedelta(seconds=agreement.delay_seconds),
                valid_from=agreement.valid_from,
                valid_until=agreement.valid_until,
            ),
        )

    @strawberry.mutation(description="Ends an agreement at once.")
    async def revoke_agreement(self, info: AdminInfo, id: UUID) -> AdminAgreementDone:
        return await done(AdminAgreementDone, info, lambda connection: revoke(connection, id), id)

    @strawberry.mutation(description="Makes a key for a partner, beside those that it has.")
    async def issue_api_key(
        self,
        info: AdminInfo,
        organisation_id: UUID,
        label: str,
        expires_at: datetime | None = None,
    ) -> AdminApiKeyIssued:
        async def issue(connection: Connection) -> IssuedKey:
            return await issue_api_key(connection, organisation_id, label, expires_at=expires_at)

        key = await act(info, issue)
        if isinstance(key, AdminRefusal):
            return AdminApiKeyIssued(refusal=key)
        return AdminApiKeyIssued(id=key.id, secret=key.secret, expires_at=expires_at)

    @strawberry.mutation(description="Ends a partner's key at once.")
    async def revoke_api_key(self, info: AdminInfo, id: UUID) -> AdminApiKeyDone:
        return await done(
            AdminApiKeyDone, info, lambda connection: revoke_api_key(connection, id), id
        )
