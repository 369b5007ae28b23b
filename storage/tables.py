"""All tables in one import, for migrations, the planner and the tests that walk over every one of them."""

from __future__ import annotations

from sqlalchemy import MetaData
from sqlmodel import SQLModel

from storage.admins import AdminToken, AuditEntry, AuditSeal
from storage.alerts import SosAlert, SosCancel, SosRecipient, SosStep
from storage.base import Synced
from storage.cameras import Camera, CameraState, Snapshot
from storage.channels import SosChannel, SosChannelCall
from storage.checkpoints import Checkin, Checkpoint, CheckpointKey
from storage.clip_segments import SosClipSegment
from storage.clips import SosClip
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
from storage.escalation import EscalationPolicy, SosDeadline
from storage.findings import SosAudit, SosFinding
from storage.history import SyncBackup, SyncGap, SyncMark
from storage.incidents import Incident
from storage.job_turns import JobSchedule
from storage.keys import SigningKey
from storage.media import Media
from storage.media_uploads import MediaUpload
from storage.notes import IncidentNote
from storage.notices import Notice
from storage.objects import StoredObject
from storage.officers import Assignment, Officer, OfficerState
from storage.patrols import Patrol
from storage.posts import (
    SosPost,
    SosPostEvent,
    SosPostMute,
    SosPostPress,
    SosPostSetting,
    SosPostState,
)
from storage.reachability import InstallationState, StationReach
from storage.responses import SosEvent, SosResponse
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
    SosResponse,
    SosClip,
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
    "EscalationPolicy",
    "HeldSnapshot",
    "Incident",
    "IncidentNote",
    "Installation",
    "InstallationState",
    "JobSchedule",
    "Media",
    "MediaUpload",
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
    "SosAudit",
    "SosCancel",
    "SosChannel",
    "SosChannelCall",
    "SosClip",
    "SosClipSegment",
    "SosDeadline",
    "SosEvent",
    "SosFinding",
    "SosPost",
    "SosPostEvent",
    "SosPostMute",
    "SosPostPress",
    "SosPostSetting",
    "SosPostState",
    "SosRecipient",
    "SosResponse",
    "SosStep",
    "Station",
    "StationReach",
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
