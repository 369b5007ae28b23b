"""The contract of administrators, `/admin/graphql`: everything that is kept but secrets, and the acts that need a right."""

from __future__ import annotations

from typing import Any

import strawberry

from schema.announcements import AnnouncementsMutation, AnnouncementsQuery
from schema.buckets import BucketsMutation, BucketsQuery
from schema.channels import ChannelsMutation, ChannelsQuery
from schema.checkpoints import CheckpointsMutation, CheckpointsQuery
from schema.decisions import DecisionsMutation
from schema.door import Door
from schema.escalation import EscalationMutation, EscalationQuery
from schema.files import FilesQuery
from schema.handed_out import AdminReportMutation
from schema.history import HistoryMutation, HistoryQuery
from schema.log import LogQuery
from schema.organisations import OrganisationsMutation, OrganisationsQuery
from schema.people import PeopleQuery
from schema.people_acts import PeopleMutation
from schema.places import PlacesMutation, PlacesQuery
from schema.post_acts import PostActsMutation
from schema.records import RecordsQuery
from schema.scalars import config
from storage.principal import Role


@strawberry.type
class Query(
    PlacesQuery,
    PeopleQuery,
    OrganisationsQuery,
    FilesQuery,
    RecordsQuery,
    CheckpointsQuery,
    ChannelsQuery,
    LogQuery,
    BucketsQuery,
    AnnouncementsQuery,
    HistoryQuery,
    EscalationQuery,
):
    pass


@strawberry.type
class Mutation(
    PlacesMutation,
    PostActsMutation,
    CheckpointsMutation,
    ChannelsMutation,
    PeopleMutation,
    OrganisationsMutation,
    BucketsMutation,
    AnnouncementsMutation,
    HistoryMutation,
    EscalationMutation,
    DecisionsMutation,
    AdminReportMutation,
):
    pass


def admin_door(**options: Any) -> Door:
    """The door of administrators; `options` go to `Door.of`."""
    schema = strawberry.Schema(query=Query, mutation=Mutation, config=config())
    return Door.of("admin", Role.ADMIN, schema, **options)
