"""The types and resolvers of the stock server. Leaves are attributes of the ORM's rows, as the documentation shows."""

from __future__ import annotations

from base64 import urlsafe_b64encode
from dataclasses import fields
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

import orjson
import strawberry
from sqlalchemy import Text, cast, func, tuple_
from sqlmodel import col, select
from strawberry.types import Info

from bench.servers.stock_push import pushed
from bench.servers.walk import walked
from schema import incidents, stations, sync
from schema.changes import MutationInput
from schema.enums import (
    CameraKind,
    IncidentCategory,
    IncidentSeverity,
    IncidentStatus,
    Lane,
    ZoneKind,
)
from schema.finding import BoundsInput, IncidentOrder, NearInput
from schema.push import PushResult
from schema.scalars import JSON, Long, SearchText
from schema.verify import RangeInput, RepairInput, SyncSubject
from storage import tables
from storage.base import PgSnapshot, Xid8
from storage.sync import READ_PULL_STATE


@strawberry.type
class StockPicture:
    id: UUID
    taken_at: datetime
    thumb_320_key: strawberry.Private[str | None]
    thumb_960_key: strawberry.Private[str | None]

    @strawberry.field(name="url320")
    def url_320(self, info: Info[Any, None]) -> str | None:
        return info.context.link("derived", self.thumb_320_key)

    @strawberry.field(name="url960")
    def url_960(self, info: Info[Any, None]) -> str | None:
        return info.context.link("derived", self.thumb_960_key)


@strawberry.type
class StockCamera:
    id: UUID
    code: str
    kind: CameraKind
    name: str
    name_th: str
    latitude: float
    longitude: float

    @strawberry.field
    async def last_snapshot(self, info: Info[Any, None]) -> StockPicture | None:
        return await info.context.pictures.load(self.id)


@strawberry.type
class StockZone:
    id: UUID
    code: str
    kind: ZoneKind
    name: str
    name_th: str
    boundary: JSON

    @strawberry.field
    async def cameras(self, info: Info[Any, None], first: int = 50) -> list[StockCamera]:
        return (await info.context.cameras_of.load(self.id))[:first]


@strawberry.type
class StockZones:
    nodes: list[StockZone]


@strawberry.type
class StockIncident(incidents.Incident):
    @strawberry.field
    async def zone(self, info: Info[Any, None]) -> StockZone | None:
        return None if self.zone_id is None else await info.context.zones.load(self.zone_id)

    @strawberry.field
    async def reporter(self, info: Info[Any, None]) -> stations.Officer | None:
        return await info.context.officers.load(self.reported_by)


@strawberry.type
class StockPageInfo:
    has_next_page: bool
    end_cursor: str | None


@strawberry.type
class StockIncidents:
    nodes: list[StockIncident]
    page_info: StockPageInfo


@strawberry.type
class Query:
    @strawberry.field
    async def zones(self, info: Info[Any, None], first: int = 50) -> StockZones:
        zone = tables.Zone
        async with info.context.session() as (session, scopes):
            found = await session.exec(
                select(zone)
                .where(col(zone.scope_id).in_(scopes), col(zone.deleted_at).is_(None))
                .order_by(col(zone.name), col(zone.id))
                .limit(first)
            )
            return StockZones(nodes=found.all())

    @strawberry.field
    async def incidents(
        self,
        info: Info[Any, None],
        first: int = 50,
        after: str | None = None,
        zone_id: UUID | None = None,
        status: list[IncidentStatus] | None = None,
        category: list[IncidentCategory] | None = None,
        severity: list[IncidentSeverity] | None = None,
        since: datetime | None = None,
        until: datetime | None = None,
        text: SearchText | None = None,
        within: BoundsInput | None = None,
        near: NearInput | None = None,
        order: IncidentOrder = IncidentOrder.OCCURRED,
    ) -> StockIncidents:
        incident = tables.Incident
        async with info.context.session() as (session, scopes):
            found = await session.exec(
                select(incident)
                .where(col(incident.scope_id).in_(scopes), col(incident.deleted_at).is_(None))
                .order_by(col(incident.occurred_at).desc(), col(incident.id).desc())
                .limit(first + 1)
            )
            rows = found.all()
        end = rows[:first][-1]
        place = orjson.dumps(["OCCURRED", end.occurred_at.astimezone(UTC), str(end.id)])
        cursor = urlsafe_b64encode(place).decode().rstrip("=")
        info_of = StockPageInfo(has_next_page=len(rows) > first, end_cursor=cursor)
        return StockIncidents(nodes=rows[:first], page_info=info_of)

    @strawberry.field
    async def incident(self, info: Info[Any, None], id: UUID) -> StockIncident | None:
        incident = tables.Incident
        async with info.context.session() as (session, scopes):
            found = await session.exec(
                select(incident).where(
                    incident.id == id,
                    col(incident.scope_id).in_(scopes),
                    col(incident.deleted_at).is_(None),
                )
            )
            return found.one_or_none()

    @strawberry.field
    async def pull(
        self,
        info: Info[Any, None],
        cursor: str | None = None,
        first: int = 500,
        max_bytes: int = 0,
        subjects: list[SyncSubject] | None = None,
        verify: bool | None = None,
        ranges: list[RangeInput] | None = None,
        repair: list[RepairInput] | None = None,
    ) -> sync.PullPage:
        context = info.context
        async with context.session() as (session, _):
            raw = await session.connection()
            holder = (context.principal.id, context.principal.device_id, "")
            state = await raw.exec_driver_sql(READ_PULL_STATE, holder)
            row = state.one()

            async def fetch(scope: UUID, until: str, after: tuple[str, str], limit: int) -> Any:
                return [
                    (*one, one[1], one[0].id)
                    for one in await session.exec(_fill(scope, until, after, limit))
                ]

            assert cursor is not None
            rows, following = await walked(
                cursor, row.scopes, context.keys, context.principal.id, fetch, first
            )
        given: dict[str, Any] = {field.name: [] for field in fields(sync.PullPage)}
        return sync.PullPage(
            **given
            | {
                "incidents": [one[0] for one in rows],
                "reset": None,
                "cursor": following,
                "complete": False,
                "scopes": sorted(row.scopes),
                "server_time": row.now,
                "epoch": row.epoch,
                "durable_through": row.durable_through,
                "digests": None,
                "repaired": None,
            }
        )


def _fill(scope: UUID, until: str, after: tuple[str, str], limit: int) -> Any:
    incident = tables.Incident
    stamp = col(incident.sync_xid)
    place = tuple_(cast(cast(after[0], Text), Xid8), UUID(after[1]))
    visible = func.pg_visible_in_snapshot(stamp, cast(cast(until, Text), PgSnapshot))
    return (
        select(incident, cast(stamp, Text).label("stamp"))
        .where(incident.scope_id == scope, col(incident.deleted_at).is_(None), visible)
        .where(tuple_(stamp, col(incident.id)) > place)
        .order_by(stamp, col(incident.id))
        .limit(limit)
    )


@strawberry.type
class Mutation:
    @strawberry.mutation
    async def push(
        self,
        info: Info[Any, None],
        lane: Lane,
        mutations: list[MutationInput],
        epoch: UUID | None = None,
        lowest_held: Long | None = None,
        receipt: str | None = None,
    ) -> PushResult:
        return await pushed(info.context, Lane(lane), mutations)
