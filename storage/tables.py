"""All tables in one import, for migrations, the planner and the tests that walk over every one of them."""

from __future__ import annotations

from sqlalchemy import MetaData
from sqlmodel import SQLModel

from storage.admins import AdminToken, AuditEntry, AuditSeal
from storage.alerts import SosAlert, SosRecipient, SosStep
from storage.base import Synced
from storage.cameras import Camera, CameraState, Snapshot
from storage.devices import (
    Device,
    DeviceKey,
    DeviceState,
    EnrolmentCode,
    Installation,
    Session,
)
from storage.incidents import Incident
from storage.job_turns import JobSchedule
from storage.keys import SigningKey
from storage.objects import StoredObject
from storage.officers import Assignment, Officer, OfficerState
from storage.posts import SosPost, SosPostState
from storage.sharing import Agreement, AgreementZone, ApiKey, Organisation
from storage.stations import Station
from storage.sync import (
    Quarantine,
    ScopeExit,
    SyncEpoch,
    SyncLane,
    SyncOutcome,
    SyncSet,
)
from storage.zones import Community, Zone

metadata: MetaData = SQLModel.metadata

SYNCED: tuple[type[Synced], ...] = (Station, Zone, Community, Camera, SosPost, Incident, SosAlert)
"""The tables that phones hold copies of."""

__all__ = [
    "SYNCED",
    "AdminToken",
    "Agreement",
    "AgreementZone",
    "ApiKey",
    "Assignment",
    "AuditEntry",
    "AuditSeal",
    "Camera",
    "CameraState",
    "Community",
    "Device",
    "DeviceKey",
    "DeviceState",
    "EnrolmentCode",
    "Incident",
    "Installation",
    "JobSchedule",
    "Officer",
    "OfficerState",
    "Organisation",
    "Quarantine",
    "ScopeExit",
    "Session",
    "SigningKey",
    "Snapshot",
    "SosAlert",
    "SosPost",
    "SosPostState",
    "SosRecipient",
    "SosStep",
    "Station",
    "StoredObject",
    "SyncEpoch",
    "SyncLane",
    "SyncOutcome",
    "SyncSet",
    "Zone",
    "metadata",
]
