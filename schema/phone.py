"""The contract of phones and the control room, `/graphql`."""

from __future__ import annotations

from datetime import datetime
from typing import Any
from uuid import UUID

import strawberry
from sqlalchemy import Text, any_, cast
from sqlalchemy.dialects.postgresql import ARRAY

from schema import alerts as alert_types
from schema import incidents as incident_types
from schema.alerts import Alert, AlertConnection
from schema.cameras import CameraConnection, found_cameras
from schema.clips import ClipsMutation
from schema.custody import CustodyMutation, CustodyQuery
from schema.dispatch import DispatchMutation
from schema.door import Door
from schema.enums import (
    AlertStatus,
    CameraKind,
    IncidentCategory,
    IncidentSeverity,
    IncidentStatus,
    ZoneKind,
)
from schema.finding import BY_NAME_OR_UPDATE, BoundsInput, IncidentOrder, NearInput, PlaceOrder
from schema.incidents import Incident, IncidentConnection
from schema.live import Subscription
from schema.notices import NoticesMutation, NoticesQuery
from schema.patrols import PatrolQuery
from schema.planner import Columns, Conditions, all_scopes, page, single
from schema.posts import PostsMutation
from schema.presence import PresenceMutation, PresenceQuery
from schema.push import PushMutation
from schema.quarantine import QuarantineMutation, QuarantineQuery
from schema.reachability import ReachabilityMutation, ReachabilityQuery
from schema.report import ReportMutation
from schema.scalars import SearchText, config
from schema.sync import SyncQuery
from schema.trail import TrailQuery
from schema.uploads import UploadsMutation
from schema.zones import ZoneConnection, placed
from storage.principal import Role


@strawberry.type
class Query(
    SyncQuery,
    PresenceQuery,
    PatrolQuery,
    NoticesQuery,
    QuarantineQuery,
    CustodyQuery,
    ReachabilityQuery,
    TrailQuery,
):
    @page(
        returns=ZoneConnection,
        order=BY_NAME_OR_UPDATE,
        limit=200,
        description="Zones in the caller's scopes, by name.",
    )
    def zones(
        row: Columns,
        first: int = 50,
        after: str | None = None,
        kind: ZoneKind | None = None,
        text: SearchText | None = None,
        order: PlaceOrder = PlaceOrder.NAME,
    ) -> Conditions:
        yield row.deleted_at.is_(None)
        yield from placed(row, kind, text)

    @page(
        returns=CameraConnection,
        order=BY_NAME_OR_UPDATE,
        limit=200,
        description="Cameras in the caller's scopes, by name.",
    )
    def cameras(
        row: Columns,
        first: int = 50,
        after: str | None = None,
        zone_id: UUID | None = None,
        kind: CameraKind | None = None,
        text: SearchText | None = None,
        within: BoundsInput | None = None,
        near: NearInput | None = None,
        order: PlaceOrder = PlaceOrder.NAME,
    ) -> Conditions:
        yield row.deleted_at.is_(None)
        yield from found_cameras(row, zone_id, kind, text, within, near)

    @page(
        returns=IncidentConnection,
        order=incident_types.LATEST_FIRST,
        limit=200,
        description="Incidents in the caller's scopes, latest first. To copy them, use `pull`.",
    )
    def incidents(
        row: Columns,
        first: int = 50,
        after: str | None = None,
        zone_id: UUID | None = None,
        category: list[IncidentCategory] | None = None,
        severity: list[IncidentSeverity] | None = None,
        status: list[IncidentStatus] | None = None,
        since: datetime | None = None,
        until: datetime | None = None,
        text: SearchText | None = None,
        within: BoundsInput | None = None,
        near: NearInput | None = None,
        order: IncidentOrder = IncidentOrder.OCCURRED,
    ) -> Conditions:
        yield row.deleted_at.is_(None)
        yield from incident_types.matching(
            row, zone_id=zone_id, category=category, severity=severity, status=status, since=since,
            until=until, text=text, within=within, near=near,
        )  # fmt: skip

    @single(
        returns=Incident | None,
        description="One incident in the caller's scopes; null where there is none.",
    )
    def incident(row: Columns, id: UUID) -> Conditions:
        yield row.id == id
        yield row.deleted_at.is_(None)

    @page(
        returns=AlertConnection,
        order=alert_types.LATEST_FIRST,
        limit=200,
        description="Calls for help in the caller's scopes, latest first.",
    )
    def alerts(
        row: Columns,
        first: int = 50,
        after: str | None = None,
        status: list[AlertStatus] | None = None,
        resolution_missing: bool | None = None,
    ) -> Conditions:
        yield row.deleted_at.is_(None)
        if status is not None:
            yield row.status == any_(cast(status, ARRAY(Text)))
        if resolution_missing is not None:
            yield row.resolution_missing == resolution_missing

    @single(
        returns=Alert | None,
        description="One call for help in the caller's scopes; null where there is none.",
    )
    def alert(row: Columns, id: UUID) -> Conditions:
        yield row.id == id
        yield row.deleted_at.is_(None)

    @single(
        returns=Alert | None,
        admit=all_scopes,
        description="One call for help in the caller's scopes, or that he was called for or sent to from elsewhere. The "
        "latter is no part of a pull: ask when the push rings, show it, and drop it when this answers null, which it "
        "does a day after the alert was finished.",
    )
    def called_alert(row: Columns, id: UUID) -> Conditions:
        yield row.id == id
        yield row.deleted_at.is_(None)


@strawberry.type
class Mutation(
    PushMutation,
    PresenceMutation,
    NoticesMutation,
    PostsMutation,
    QuarantineMutation,
    CustodyMutation,
    ClipsMutation,
    UploadsMutation,
    ReachabilityMutation,
    DispatchMutation,
    ReportMutation,
):
    pass


def phone_door(**options: Any) -> Door:
    """The door of phones; `options` go to `Door.of`."""
    schema = strawberry.Schema(
        query=Query, mutation=Mutation, subscription=Subscription, config=config()
    )
    return Door.of("phone", Role.PHONE, schema, **options)
