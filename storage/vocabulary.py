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


class DeviceKeyKind(Term):
    """How a camera or pole proves which one it is."""

    KEY = "KEY", "256 random bits, sent as Bearer or as the password of Basic."
    PASSWORD = (
        "PASSWORD",
        "A short password for a box that takes no longer one; opens one post only.",
    )
    LINK = "LINK", "A secret in the address itself, for a box that can only call an address."


class PostAction(Term):
    """What an address with a secret in it does; it does nothing else."""

    ALARM = "ALARM", "Presses the button."
    HEARTBEAT = "HEARTBEAT", "Says that the pole lives."


class PostButton(Term):
    """What a pole says of its own button."""

    OK = "OK", "Not pressed, and it works."
    PRESSED = "PRESSED", "Pressed at this moment."
    FAULT = "FAULT", "The pole has found a fault in it."


class PostPower(Term):
    """What a pole lives on."""

    MAINS = "MAINS", "The grid, or its own panel."
    BATTERY = "BATTERY", "Its battery."
    LOST = "LOST", "Power is failing; it may fall silent at any moment."


class PostLamp(Term):
    """What a pole's lamp shows the one who stands before it."""

    NONE = "NONE", "Nobody has called for help."
    MUTED = "MUTED", "The button is muted: the press was counted and calls nobody."
    OPEN = "OPEN", "People are being called."
    ACKNOWLEDGED = "ACKNOWLEDGED", "Somebody has answered."
    ON_THE_WAY = "ON_THE_WAY", "Somebody is on the way."
    ON_SCENE = "ON_SCENE", "Somebody is there."
    CLOSED = "CLOSED", "Help was given."
    CANCELLED = "CANCELLED", "It was called off."


class PostEventKind(Term):
    """What happened to a pole, apart from alarms."""

    SILENT = "SILENT", "No sign of life for three intervals."
    BACK = "BACK", "It speaks again."
    TAMPERED = "TAMPERED", "Somebody opened or moved it."
    TAMPER_OVER = "TAMPER_OVER", "It is closed again."
    POWER_LOST = "POWER_LOST", "It lives on its battery, or power is failing."
    POWER_BACK = "POWER_BACK", "It has mains power again."
    BUTTON_STUCK = "BUTTON_STUCK", "The button is pressed all the time, far too often, or at fault."
    BUTTON_FREE = "BUTTON_FREE", "The button is well again."
    MUTED = "MUTED", "A person ordered that its presses call nobody until a certain time."
    UNMUTED = "UNMUTED", "Its presses call people again."
    TEST_ARMED = "TEST_ARMED", "Its next press within minutes is a test."
    TESTED = "TESTED", "A test press ran the whole chain."
    TEST_OVERDUE = "TEST_OVERDUE", "Nobody has tested it for longer than its interval."
    SETTING_CHANGED = "SETTING_CHANGED", "An administrator changed how it is served."


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


class ClipContainer(Term):
    """How the segments of a clip are packed."""

    MPEG_TS = "MPEG_TS", "MPEG transport stream; every segment can be read by itself."
    FMP4 = "FMP4", "Fragmented MP4: segments are read together with the head before them."


class VideoCodec(Term):
    """How the picture of a clip is coded."""

    H264 = "H264", "H.264 (AVC), which every browser plays."
    HEVC = "HEVC", "H.265 (HEVC)."


class AudioCodec(Term):
    """How the sound of a clip is coded."""

    AAC = "AAC", "AAC."


class ClipState(Term):
    """How far the recording of a call for help has come."""

    RECORDING = "RECORDING", "Segments come, or may come; it can be watched."
    ENDED = (
        "ENDED",
        "The recorder ended it or fell silent; one file is being made of what is there.",
    )
    READY = "READY", "There is one file of all segments that arrived; a late one makes it anew."
    FAILED = (
        "FAILED",
        "No one file could be made, for the reason given; the segments are kept and can be watched.",
    )


class MediaKind(Term):
    """What a file is that belongs to an incident or an alert."""

    PHOTO = "PHOTO", "A photograph."
    VIDEO = "VIDEO", "A film, with or without sound."
    AUDIO = "AUDIO", "A recording of sound."
    DOCUMENT = "DOCUMENT", "Anything else: a scanned form, a statement."


class UploadState(Term):
    """How far the bytes of a declared file have come on one way to the store."""

    OPEN = "OPEN", "They are being sent, or wait to be."
    ARRIVED = "ARRIVED", "All of them are in the store."
    ABANDONED = (
        "ABANDONED",
        "Nobody went on for long, so what there was of them was given up; they can be sent anew.",
    )


class NetworkClass(Term):
    """What kind of line a phone has just now, as it knows it."""

    WIFI = "WIFI", "Wireless LAN or cable that nobody pays by volume."
    FAST = "FAST", "4G or 5G."
    SLOW = "SLOW", "2G or 3G, or a signal that comes and goes."


class UploadAdvice(Term):
    """When a phone does best to send a file."""

    NOW = "NOW", "Send it, in the order given."
    WHEN_FASTER = (
        "WHEN_FASTER",
        "Wait for a faster line; on this one it would hold up what presses more.",
    )


class NoticeSeverity(Term):
    """How much a notice presses."""

    INFO = "INFO", "Good to know."
    WARNING = "WARNING", "To be minded on patrol."
    URGENT = "URGENT", "Everybody must know it now."


class StepTarget(Term):
    """Whom a step of the escalation calls."""

    ON_DUTY = "ON_DUTY", "Officers on duty in the scope, nearest first."
    ZONE = "ZONE", "Officers who were assigned the zone or one around it, on duty or not."
    STATION = "STATION", "Every officer of the station."
    SUPERVISORS = "SUPERVISORS", "The station's supervisors."
    NEIGHBOURS = "NEIGHBOURS", "Officers of the nearest other stations."
    CHANNELS = "CHANNELS", "The station's fallback channels, such as its telephone or LINE group."


class NeighbourCall(Term):
    """Who is called at a neighbouring station."""

    ON_DUTY = "ON_DUTY", "Its officers who are on duty."
    SUPERVISORS = "SUPERVISORS", "Its supervisors, on duty or not."
    BOTH = "BOTH", "Its officers on duty and its supervisors."


class DeadlineKind(Term):
    """Why an alert must be looked at again."""

    CARE = "CARE", "Somebody said that he takes care of it, and has to do what follows."
    AGAIN = "AGAIN", "All steps are over and nobody answered: people are called again."


class DeadlineOutcome(Term):
    """What a deadline led to."""

    KEPT = "KEPT", "What was to be done was done."
    REOPENED = "REOPENED", "Nobody did it, so the alert was opened again."
    CALLED_AGAIN = "CALLED_AGAIN", "A new round of calls began."
    NOT_NEEDED = "NOT_NEEDED", "The alert had gone on without it."


class AlertResolution(Term):
    """How a call for help ended."""

    HELPED = "HELPED", "Help was given."
    FALSE_ALARM = "FALSE_ALARM", "Nobody was in need."
    DRILL = "DRILL", "It was a drill."
    DUPLICATE = "DUPLICATE", "Another alert tells of the same need."
    HANDED_OVER = "HANDED_OVER", "Others took over, such as an ambulance or the fire brigade."
    OTHER = "OTHER", "Anything else; the note says what."


class StepOutcome(Term):
    """How a step of the escalation ended."""

    CALLED = "CALLED", "At least one phone's push was accepted."
    NOBODY = "NOBODY", "Nobody could be reached, so the next step was taken at once."
    PUSH_OFF = "PUSH_OFF", "No push service is configured; only open apps were told."
    ANSWERED = "ANSWERED", "Nobody was called, because the alert was no longer open."
    REPLACED = "REPLACED", "The alert was handed back, and the escalation began anew."


class ResponseStatus(Term):
    """What an officer does about a call for help."""

    ASSIGNED = "ASSIGNED", "A supervisor has sent him; he has not answered yet."
    ACKNOWLEDGED = "ACKNOWLEDGED", "He has heard it and takes care of it."
    ON_THE_WAY = "ON_THE_WAY", "He is going there."
    ON_SCENE = "ON_SCENE", "He is there."
    DECLINED = "DECLINED", "He cannot go; the reason is kept."
    STOOD_DOWN = "STOOD_DOWN", "He was freed, or the alert was finished before he arrived."


class AlertEventKind(Term):
    """What happened to a call for help."""

    RAISED = "RAISED", "It was raised."
    CALLED = "CALLED", "A step called phones, and the push service took messages."
    CALL_FAILED = "CALL_FAILED", "A step called phones, and the push service took no message."
    RECEIVED = "RECEIVED", "A phone received the call."
    DISPLAYED = "DISPLAYED", "A phone showed the call; nobody has answered by that."
    ASSIGNED = "ASSIGNED", "A supervisor sent an officer."
    ACKNOWLEDGED = "ACKNOWLEDGED", "An officer answered."
    ON_THE_WAY = "ON_THE_WAY", "An officer set out."
    ON_SCENE = "ON_SCENE", "An officer arrived."
    DECLINED = "DECLINED", "An officer cannot go; the reason is kept."
    STOOD_DOWN = "STOOD_DOWN", "An officer was freed."
    LEAD_CHANGED = "LEAD_CHANGED", "Another officer leads from now on."
    REOPENED = "REOPENED", "Nobody takes care of it any more, so people are called anew."
    CLOSED = "CLOSED", "It was dealt with."
    CANCELLED = "CANCELLED", "It was called off."
    PASSED_OVER = "PASSED_OVER", "A step did not call some people first; the reasons are kept."
    CALLED_AGAIN = (
        "CALLED_AGAIN",
        "All steps were over and nobody had answered, so another round began.",
    )
    NOT_ANSWERED = "NOT_ANSWERED", "An officer who was sent did not answer in time."
    LINKED = "LINKED", "A supervisor said of which other alert it is a duplicate."
    UNLINKED = "UNLINKED", "A supervisor said that it is no duplicate after all."
    SEVERITY_RAISED = "SEVERITY_RAISED", "A supervisor said that it presses more."
    RESOLVED = "RESOLVED", "A person said how it ended, after it was closed without."
    CANCEL_ASKED = "CANCEL_ASKED", "Somebody asked to call it off; a second person must agree."
    PRESSED = "PRESSED", "The button was pressed again, or the citizen asked again."
    JOINED = "JOINED", "What had come as a text message also came over data."
    RAISER_ASKED = (
        "RAISER_ASKED",
        "It came late, so its raiser was asked whether he still needs help.",
    )
    CHANNEL_TOLD = (
        "CHANNEL_TOLD",
        "It was told through a fallback channel, and the service took it.",
    )
    CHANNEL_FAILED = "CHANNEL_FAILED", "A fallback channel failed; the reason is kept."
    ALARM = "ALARM", "The auditor found that something due had not happened, and raised the alarm."
    CLIP_STARTED = "CLIP_STARTED", "A phone or pole began a recording."
    CLIP_ENDED = "CLIP_ENDED", "A recording was ended, or its recorder fell silent."
    CLIP_SEGMENT_REFUSED = (
        "CLIP_SEGMENT_REFUSED",
        "A part of a recording is not what was declared; its bytes are kept apart.",
    )
    CLIP_READY = "CLIP_READY", "A recording was put together into one file."
    CLIP_FAILED = (
        "CLIP_FAILED",
        "A recording could not be put together into one file; its parts can be watched.",
    )


class PushKind(Term):
    """What a push is about."""

    SOS = "SOS", "A call for help."
    TEST = "TEST", "Nothing: it shows that an SOS would arrive. The phone tells of it."
    ASSIGNED = "ASSIGNED", "A supervisor has sent this officer to an alert, or freed him."
    NOTICE = "NOTICE", "A notice that presses."
    ASK = "ASK", "This officer's call for help came late; it asks whether help is still needed."
    SYNC = "SYNC", "The phone holds records for too long: it should push and pull."
    QUARANTINE = (
        "QUARANTINE",
        "Refused records of the station have waited for a decision for too long.",
    )
    STATION_SILENT = "STATION_SILENT", "Nobody on duty at the station can be reached."
    STATION_REACHED = "STATION_REACHED", "Somebody on duty at the station can be reached again."
    CHANNEL_FAILS = "CHANNEL_FAILS", "A fallback channel of the station failed its test."
    ALARM = "ALARM", "What was due for a call for help did not happen: a person must act."


class CallReport(Term):
    """What a phone tells of a call for help that came to it."""

    RECEIVED = "RECEIVED", "The call is on the phone."
    DISPLAYED = "DISPLAYED", "The phone has shown it; nobody has answered by that."


class ReachProblem(Term):
    """Why an SOS would not be heard by an officer, or on a phone of his."""

    NO_PHONE = "NO_PHONE", "He is signed in on no phone."
    NO_ADDRESS = "NO_ADDRESS", "The phone has no push address, or Firebase called it dead."
    NOT_ALLOWED = "NOT_ALLOWED", "The phone does not let the app show anything."
    SILENT = "SILENT", "The phone would make no sound."
    TEST_REFUSED = "TEST_REFUSED", "The push service refused the test push."
    TEST_UNANSWERED = (
        "TEST_UNANSWERED",
        "The phone did not tell of the test push within two minutes.",
    )


class ChannelOutcome(Term):
    """What became of one call through a station's fallback channel."""

    CALLING = "CALLING", "Begun; without another word its process died on the way."
    TOLD = "TOLD", "The service took the text; not yet proof that anybody read it."
    FAILED = "FAILED", "The service refused the text or cannot be reached; the reason is stored."
    TIMEOUT = "TIMEOUT", "The service did not answer in time; the text may have got through."
    UNREADABLE = "UNREADABLE", "The address was sealed with another secret; add the channel anew."


class ChannelLanguage(Term):
    """In which language a fallback channel is told."""

    THAI = "THAI", "Thai only, which keeps a text message short."
    ENGLISH = "ENGLISH", "English only."
    BOTH = "BOTH", "Thai first, then English."


class CallFinding(Term):
    """What the auditor of calls for help may find."""

    STEP_OVERDUE = "STEP_OVERDUE", "A step is due and has reached nobody."
    STEP_WITHOUT_CALL = (
        "STEP_WITHOUT_CALL",
        "A step is marked as called, and nothing shows that anybody was.",
    )
    NO_STEP_LEFT = "NO_STEP_LEFT", "Nobody has answered, and nobody else is going to be called."
    DEADLINE_OVERDUE = (
        "DEADLINE_OVERDUE",
        "Who answered did not come in time, and nobody was called again.",
    )
    NO_DEADLINE = "NO_DEADLINE", "Somebody answered, and nothing watches whether he comes."
    CLOCK_WENT_BACK = (
        "CLOCK_WENT_BACK",
        "An alert was received in the future; its steps were moved to their time.",
    )
    JOB_LOST = "JOB_LOST", "A step waited without a job; it was given a new one."
    WORKERS_SILENT = "WORKERS_SILENT", "No worker has kept a turn for half a minute."


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


class ReportForm(Term):
    """How a report is written."""

    JSON = "JSON", "For programs."
    PDF = "PDF", "For people: A4, in Thai and English."
