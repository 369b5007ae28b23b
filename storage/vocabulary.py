"""The fixed words of the trade, so that tables, rules, contracts and imports spell them the same way.

Every member carries one sentence that says what it means (`member.description`); the class docstring says what the
whole word list is for. Both are meant to be shown to people: in the SDL, in the import guide, in the CLI's help.
The values are stable: clients store them, so a member may be added but never renamed or reused.
"""

from __future__ import annotations

from enum import StrEnum
from typing import Self


class Term(StrEnum):
    """A word list whose members are plain strings that know their own meaning."""

    description: str

    def __new__(cls, value: str, description: str = "") -> Self:
        """One member: the stored word and its meaning in one sentence."""
        member = str.__new__(cls, value)
        member._value_ = value
        member.description = description
        return member


class ZoneKind(Term):
    """What a zone on the map is for."""

    SAFETY_ZONE = "SAFETY_ZONE", "The area of a Smart Safety Zone, the scope that partners share."
    COMMUNITY = "COMMUNITY", "A registered community (chumchon) with its own committee."
    PATROL_BEAT = "PATROL_BEAT", "The area that one patrol covers in a shift."
    RISK_SPOT = (
        "RISK_SPOT",
        "A small area that needs attention: a dark lane, a black spot of accidents.",
    )
    SCHOOL_ZONE = "SCHOOL_ZONE", "Streets around a school, watched when children come and go."
    EVENT = "EVENT", "An area that matters for a while: a market day, a festival, a road closure."


class CameraKind(Term):
    """What a camera is built to see."""

    FIXED = "FIXED", "A camera that always looks the same way."
    PTZ = "PTZ", "A camera that can pan, tilt and zoom."
    DOME = "DOME", "A wide view of a whole junction or square."
    LICENSE_PLATE = "LICENSE_PLATE", "A camera that reads number plates."
    TRAFFIC = "TRAFFIC", "A camera of the traffic direction system."
    SOS_POST = "SOS_POST", "The camera in an SOS pole, beside the alarm button."


class IncidentCategory(Term):
    """What happened, in the words of a community police station."""

    THEFT = "THEFT", "Something was stolen without force."
    ROBBERY = "ROBBERY", "Something was taken by force or threat."
    BURGLARY = "BURGLARY", "Somebody broke into a building."
    ASSAULT = "ASSAULT", "Somebody was attacked or hurt by another person."
    DOMESTIC_VIOLENCE = "DOMESTIC_VIOLENCE", "Violence inside a family or household."
    DRUGS = "DRUGS", "Use, possession or sale of narcotics."
    FRAUD = "FRAUD", "Somebody was cheated of money or goods, also online."
    VANDALISM = "VANDALISM", "Property was damaged on purpose."
    TRAFFIC_ACCIDENT = "TRAFFIC_ACCIDENT", "A crash or fall in traffic."
    TRAFFIC_OBSTRUCTION = "TRAFFIC_OBSTRUCTION", "A road is blocked or a vehicle stands in the way."
    NOISE = "NOISE", "Noise or another nuisance that disturbs neighbours."
    SUSPICIOUS_PERSON = "SUSPICIOUS_PERSON", "Somebody behaves in a way that worries people."
    SUSPICIOUS_OBJECT = "SUSPICIOUS_OBJECT", "A thing was left that may be dangerous."
    MISSING_PERSON = "MISSING_PERSON", "Somebody is missing or lost, or was found and is unknown."
    ILLEGAL_CROSSING = (
        "ILLEGAL_CROSSING",
        "People or goods crossed the border outside a checkpoint.",
    )
    FIRE = "FIRE", "Something burns or smokes."
    FLOOD = "FLOOD", "Water on streets or in houses."
    MEDICAL = "MEDICAL", "Somebody is ill or injured without another's doing."
    ANIMAL = "ANIMAL", "A dangerous, stray or injured animal."
    LOST_PROPERTY = "LOST_PROPERTY", "Something was lost or found."
    TOURIST_ASSISTANCE = "TOURIST_ASSISTANCE", "A visitor needs help, directions or an interpreter."
    OTHER = "OTHER", "Anything that no other category names; the description says what."


class IncidentSeverity(Term):
    """How much an incident presses."""

    LOW = "LOW", "To be noted; nobody has to hurry."
    MEDIUM = "MEDIUM", "To be dealt with in this shift."
    HIGH = "HIGH", "Somebody should go there now."
    CRITICAL = "CRITICAL", "Life or safety is at stake."


class IncidentStatus(Term):
    """Where the work on an incident stands."""

    OPEN = "OPEN", "Reported; nobody works on it yet."
    IN_PROGRESS = "IN_PROGRESS", "An officer works on it."
    RESOLVED = "RESOLVED", "The officer is done; a supervisor may look at it."
    CLOSED = "CLOSED", "Finished for good."


class AlertSource(Term):
    """Where an SOS came from."""

    OFFICER = "OFFICER", "An officer's phone."
    POST = "POST", "The button of an SOS pole."
    CITIZEN = "CITIZEN", "The link that a citizen was given."


class AlertStatus(Term):
    """Where an SOS stands."""

    OPEN = "OPEN", "Raised; nobody has answered yet, so it keeps escalating."
    ACKNOWLEDGED = "ACKNOWLEDGED", "A person has answered and takes care of it."
    CLOSED = "CLOSED", "Dealt with."
    CANCELLED = "CANCELLED", "Raised by mistake, or as a drill that was stopped."


class Sector(Term):
    """The big six: who runs a Smart Safety Zone together."""

    STATE_AGENCY = "STATE_AGENCY", "A ministry, district office, hospital or school of the state."
    BUSINESS = "BUSINESS", "Shops, banks, hotels and their associations."
    PEOPLE = "PEOPLE", "Residents: community committees and volunteers."
    LOCAL_GOVERNMENT = "LOCAL_GOVERNMENT", "The municipality or another elected local body."
    POLICE = "POLICE", "Other police units."
    MEDIA = "MEDIA", "Newspapers, radio, local news pages."


class SharingSubject(Term):
    """What a sharing agreement can open to a partner."""

    ZONES = "ZONES", "The zones and their outlines."
    CAMERAS = "CAMERAS", "The cameras and their snapshots."
    INCIDENTS = "INCIDENTS", "The incidents."


class DetailLevel(Term):
    """How much of a shared subject a partner sees."""

    COARSE = (
        "COARSE",
        "Positions are rounded to about a hundred metres, without free text and pictures.",
    )
    FULL = "FULL", "As the station sees it."


class PatrolStatus(Term):
    """Where a patrol stands."""

    ACTIVE = "ACTIVE", "Under way."
    PAUSED = "PAUSED", "Interrupted by its officer, who means to go on."
    ENDED = "ENDED", "Over; a patrol that goes on later is a new one."


class CheckinFlag(Term):
    """What makes a check-in a weaker proof. It is kept whatever is wrong with it."""

    UNREADABLE = "UNREADABLE", "What was scanned is no code of ours, or was damaged."
    FORGED = "FORGED", "The code looks like one of ours, but none of our keys has signed it."
    KEY_RETIRED = "KEY_RETIRED", "The code was signed by a key that is believed no more."
    UNKNOWN_POINT = "UNKNOWN_POINT", "The code is ours, but there is no such checkpoint."
    OTHER_STATION = "OTHER_STATION", "The checkpoint belongs to another station."
    SUPERSEDED = "SUPERSEDED", "The checkpoint's code was issued anew since; this is an older one."
    RETIRED = "RETIRED", "The checkpoint is no longer in use."
    NO_FIX = "NO_FIX", "The phone did not know where it was."
    FAR_AWAY = "FAR_AWAY", "The phone was not near the checkpoint, its own accuracy allowed for."


class OfficerRole(Term):
    """What an officer may do beyond his own records."""

    OFFICER = "OFFICER", "Patrols, reports and answers SOS."
    SUPERVISOR = "SUPERVISOR", "Also sees the whole station, dispatches and enrols phones."


class Lane(Term):
    """The queues in which a phone sends its work; one never waits for another."""

    SOS = "SOS", "Alerts and what belongs to them; always first."
    RECORDS = "RECORDS", "Incidents, check-ins and other forms."
    TRACKS = "TRACKS", "Positions of a patrol; many and small."


class StoredObjectState(Term):
    """How far a photograph, clip or other object has come."""

    DECLARED = "DECLARED", "Announced with size and hash; the bytes have not arrived."
    UPLOADED = "UPLOADED", "The bytes have arrived and wait to be verified."
    READY = "READY", "Verified and usable."
    QUARANTINED = (
        "QUARANTINED",
        "Kept, but it is not what was declared; the reason is stored with it.",
    )
    EXPIRED = "EXPIRED", "Removed because its retention ended."


class MediaKind(Term):
    """What a file is that belongs to an incident or an alert."""

    PHOTO = "PHOTO", "A photograph."
    VIDEO = "VIDEO", "A film, with or without sound."
    AUDIO = "AUDIO", "A recording of sound."
    DOCUMENT = "DOCUMENT", "Anything else: a scanned form, a statement."


class NoticeSeverity(Term):
    """How much a notice presses."""

    INFO = "INFO", "Good to know."
    WARNING = "WARNING", "To be minded on patrol."
    URGENT = "URGENT", "Everybody must know it now."


class StepTarget(Term):
    """Whom a step of the escalation calls."""

    ON_DUTY = "ON_DUTY", "Officers on duty in the scope, nearest first."
    STATION = "STATION", "Every officer of the station."
    SUPERVISORS = "SUPERVISORS", "The station's supervisors."


class StepOutcome(Term):
    """How a step of the escalation ended."""

    CALLED = "CALLED", "At least one phone's push was accepted."
    NOBODY = "NOBODY", "Nobody could be reached, so the next step was taken at once."
    PUSH_OFF = "PUSH_OFF", "No push service is configured; only open apps were told."
    ANSWERED = "ANSWERED", "Nobody was called, because the alert was no longer open."
    REPLACED = "REPLACED", "The alert was handed back, and the escalation began anew."


class DeliveryOutcome(Term):
    """What the push service said of one message."""

    ACCEPTED = "ACCEPTED", "Taken by the push service; not yet proof that anybody heard."
    DEAD = "DEAD", "The address no longer exists and was retired."
    RETRY = "RETRY", "Not taken now; it is sent again."
    FAILED = "FAILED", "Refused; the reason is stored."


class PushAddressKind(Term):
    """How a push address is written."""

    FID = "FID", "A Firebase installation id."
    TOKEN = "TOKEN", "A Firebase registration token."


class QuarantineState(Term):
    """What became of a refused mutation that was kept."""

    KEPT = "KEPT", "Waits for a person of the station."
    REPLAYED = "REPLAYED", "Was applied after all, by a person's decision."
    DISCARDED = "DISCARDED", "A person decided that it shall not be applied; it is still kept."


class MutationOutcome(Term):
    """What became of a pushed mutation."""

    APPLIED = "APPLIED", "Stored as it was sent."
    MERGED = "MERGED", "Stored together with somebody else's change of other fields."
    CONFLICT = (
        "CONFLICT",
        "Another change of the same field stands; the refused values are in quarantine.",
    )
    REJECTED = "REJECTED", "Not stored; the whole mutation is in quarantine."
    DUPLICATE = "DUPLICATE", "Was stored before; the first answer still holds."
    SEQUENCE_REUSED = (
        "SEQUENCE_REUSED",
        "The number was used for other content, as by a cloned phone.",
    )
    GAP = "GAP", "An earlier mutation is missing; send from the expected number on."
    RETRY = "RETRY", "Could not be stored now; send it again."
