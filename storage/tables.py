"""All tables in one import, for migrations, the planner and the tests that walk over every one of them."""

from __future__ import annotations

from sqlalchemy import MetaData
from sqlmodel import SQLModel

from storage.admins import AdminToken, AuditEntry, AuditSeal
from storage.alerts import SosAlert, SosRecipient, SosStep
from storage.base import Synced
from storage.cameras import Camera, CameraState, Snapshot
from storage.checkpoints import Checkin, Checkpoint, CheckpointKey
from storage.compaction import HeldSnapshot, PurgedRow, SyncHorizon
from storage.custody import OfficerPhone
from storage.devices import (
    Device,
    DeviceKey,
    DeviceState,
    EnrolmentCode,
    Installation,
    Session,
)
from storage.duty import DutyChange
from storage.history import SyncBackup, SyncGap, SyncMark
from storage.incidents import Incident
from storage.job_turns import JobSchedule
from storage.keys import SigningKey
from storage.media import Media
from storage.notes import IncidentNote
from storage.notices import Notice
from storage.objects import StoredObject
from storage.officers import Assignment, Officer, OfficerState
from storage.patrols import Patrol
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
from storage.tracks import TrackPoint
from storage.zones import Community, Zone

metadata: MetaData = SQLModel.metadata

SYNCED: tuple[type[Synced], ...] = (
    Station,
    Zone,
    Community,
    Camera,
    SosPost,
    Officer,
    Notice,
    Incident,
    IncidentNote,
    Media,
    SosAlert,
    SosStep,
    Checkpoint,
    Patrol,
    Checkin,
    DutyChange,
)
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
    "Checkin",
    "Checkpoint",
    "CheckpointKey",
    "Community",
    "Device",
    "DeviceKey",
    "DeviceState",
    "DutyChange",
    "EnrolmentCode",
    "HeldSnapshot",
    "Incident",
    "IncidentNote",
    "Installation",
    "JobSchedule",
    "Media",
    "Notice",
    "Officer",
    "OfficerPhone",
    "OfficerState",
    "Organisation",
    "Patrol",
    "PurgedRow",
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
    "SyncBackup",
    "SyncEpoch",
    "SyncGap",
    "SyncHorizon",
    "SyncLane",
    "SyncMark",
    "SyncOutcome",
    "SyncSet",
    "TrackPoint",
    "Zone",
    "metadata",
]
