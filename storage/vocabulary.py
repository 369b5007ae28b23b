"""The words that columns may hold: one place for the database's checks, the rules and the GraphQL enums.

The line under a word is its meaning, and becomes its description in the SDL.
"""

from __future__ import annotations

from enum import StrEnum


class Words(StrEnum):
    """A vocabulary whose members carry their meaning."""

    meaning: str

    def __new__(cls, value: str, meaning: str = "") -> Words:
        word = str.__new__(cls, value)
        word._value_ = value
        word.meaning = meaning
        return word


class OfficerRole(Words):
    """What an officer may do."""

    OFFICER = "OFFICER", "Patrols, records and answers."
    SUPERVISOR = "SUPERVISOR", "Also enrols phones, dispatches and decides about refused records."


class ZoneKind(Words):
    """What an area is for."""

    SAFETY_ZONE = "SAFETY_ZONE", "The area of a Smart Safety Zone."
    PATROL_BEAT = "PATROL_BEAT", "The area of one patrol."
    COMMUNITY = "COMMUNITY", "The area where a community lives."
    POINT_OF_INTEREST = "POINT_OF_INTEREST", "A place with rules of its own: a market, school or temple."


class CameraKind(Words):
    """How a camera is built."""

    FIXED = "FIXED", "Looks in one direction."
    PTZ = "PTZ", "Pans, tilts and zooms."
    DOME = "DOME", "Looks down, all around."
    TRAFFIC = "TRAFFIC", "Watches a road or junction."
    BODY = "BODY", "Worn by an officer."


class IncidentCategory(Words):
    """What happened."""

    THEFT = "THEFT", "Something was taken without force."
    ROBBERY = "ROBBERY", "Something was taken with force or threat."
    BURGLARY = "BURGLARY", "Somebody broke into a building."
    ASSAULT = "ASSAULT", "Somebody was attacked."
    DRUGS = "DRUGS", "Possession, use or sale of drugs."
    TRAFFIC_ACCIDENT = "TRAFFIC_ACCIDENT", "A collision on the road."
    TRAFFIC_OBSTRUCTION = "TRAFFIC_OBSTRUCTION", "Something blocks the road."
    NOISE = "NOISE", "A disturbance by noise."
    SUSPICIOUS_PERSON = "SUSPICIOUS_PERSON", "Somebody behaves suspiciously."
    MISSING_PERSON = "MISSING_PERSON", "Somebody is missed."
    FIRE = "FIRE", "Something burns."
    FLOOD = "FLOOD", "Water where it should not be."
    LOST_PROPERTY = "LOST_PROPERTY", "Something was lost or found."
    TOURIST_ASSISTANCE = "TOURIST_ASSISTANCE", "A visitor needs help."
    OTHER = "OTHER", "None of the other words."


class IncidentSeverity(Words):
    """How much harm is done or threatens, least first."""

    LOW = "LOW", "No danger; can wait."
    MEDIUM = "MEDIUM", "Needs an officer today."
    HIGH = "HIGH", "Needs an officer now."
    CRITICAL = "CRITICAL", "A life is in danger."


class IncidentStatus(Words):
    """Where an incident stands."""

    OPEN = "OPEN", "Reported, nobody works on it yet."
    IN_PROGRESS = "IN_PROGRESS", "An officer works on it."
    RESOLVED = "RESOLVED", "Dealt with; waits for a supervisor."
    CLOSED = "CLOSED", "Finished for good."


class AlertSource(Words):
    """Who called for help."""

    OFFICER = "OFFICER", "An officer, on the phone."
    POST = "POST", "The button of an SOS post."
    CITIZEN = "CITIZEN", "A citizen, through a web link."


class AlertStatus(Words):
    """Where a call for help stands."""

    OPEN = "OPEN", "Nobody has answered yet."
    ACKNOWLEDGED = "ACKNOWLEDGED", "An officer has answered."
    CLOSED = "CLOSED", "Help was given."
    CANCELLED = "CANCELLED", "Taken back by the one who raised it."


class StepTarget(Words):
    """Whom a step of the escalation calls."""

    ON_DUTY = "ON_DUTY", "Officers on duty in the scope, nearest first."
    STATION = "STATION", "Every officer of the station."
    SUPERVISORS = "SUPERVISORS", "The station's supervisors."


class DeliveryOutcome(Words):
    """What the push service said of one message."""

    ACCEPTED = "ACCEPTED", "Taken by the push service; not yet proof that anybody heard."
    DEAD = "DEAD", "The address no longer exists and was retired."
    RETRY = "RETRY", "Not taken now; it is sent again."
    FAILED = "FAILED", "Refused; the reason is stored."


class PushAddressKind(Words):
    """How a push address is written."""

    FID = "FID", "A Firebase installation id."
    TOKEN = "TOKEN", "A Firebase registration token."


class Sector(Words):
    """The big six that run a Smart Safety Zone together."""

    STATE_AGENCY = "STATE_AGENCY", "A state agency."
    BUSINESS = "BUSINESS", "A business or chamber."
    PEOPLE = "PEOPLE", "A community or people's network."
    LOCAL_GOVERNMENT = "LOCAL_GOVERNMENT", "A municipality or other local government."
    POLICE = "POLICE", "Another police unit."
    MEDIA = "MEDIA", "The media."


class SharingSubject(Words):
    """What an agreement can grant."""

    ZONES = "ZONES", "Zones and their boundaries."
    CAMERAS = "CAMERAS", "Cameras and their latest pictures."
    INCIDENTS = "INCIDENTS", "Incidents."


class DetailLevel(Words):
    """How much of a record is shared."""

    COARSE = "COARSE", "Position rounded to about a hundred metres, no free text, no pictures."
    FULL = "FULL", "Everything that the contract has."


class Lane(Words):
    """The separate queues of a phone's outbox, so that an SOS never waits behind track points."""

    SOS = "SOS", "Alerts and what answers them."
    RECORDS = "RECORDS", "Incidents and other records."
    TRACKS = "TRACKS", "Positions and check-ins."


class MutationOutcome(Words):
    """What became of a pushed mutation."""

    APPLIED = "APPLIED", "Stored as it was sent."
    MERGED = "MERGED", "Stored together with somebody else's change of other fields."
    CONFLICT = "CONFLICT", "Another change of the same field stands; the refused values are in quarantine."
    REJECTED = "REJECTED", "Not stored; the whole mutation is in quarantine."
    DUPLICATE = "DUPLICATE", "Was stored before; the first answer still holds."
    SEQUENCE_REUSED = "SEQUENCE_REUSED", "The number was used for other content, as by a cloned phone."
    GAP = "GAP", "An earlier mutation is missing; send from the expected number on."
    RETRY = "RETRY", "Could not be stored now; send it again."


class StoredObjectState(Words):
    """Where a file stands on its way into the store."""

    DECLARED = "DECLARED", "Announced; its bytes have not arrived."
    UPLOADED = "UPLOADED", "Its bytes are stored, and not yet checked."
    READY = "READY", "Checked and usable."
    QUARANTINED = "QUARANTINED", "Kept apart; the reason says why."
    EXPIRED = "EXPIRED", "Deleted by a retention rule."
