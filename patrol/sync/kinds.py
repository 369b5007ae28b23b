"""The kinds of mutation that phones push: which lane carries them and which rule applies them."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass

from patrol import checkins, duty, incidents, patrols, tracks
from patrol.sos import trail
from patrol.sync import alerts, clips, media, notes, responses
from patrol.sync.mutation import Author, Effect, Mutation
from storage.database import Connection
from storage.vocabulary import Lane

Apply = Callable[[Connection, Author, Sequence[Mutation]], Awaitable[list[Effect]]]


@dataclass(frozen=True, slots=True)
class Kind:
    """A kind of mutation. `apply` is set-based, gets each row at most once, and answers in the order it was given.

    `parent` is the field that names the row which a new one belongs to; both may stand in one batch.
    """

    lane: Lane
    subject: str
    apply: Apply
    parent: str | None = None


KINDS: Mapping[str, Kind] = {
    "report_incident": Kind(Lane.RECORDS, "incidents", incidents.report),
    "change_incident": Kind(Lane.RECORDS, "incidents", incidents.change),
    "add_note": Kind(Lane.RECORDS, "notes", notes.add_notes, "incident_id"),
    "attach_media": Kind(Lane.RECORDS, "media", media.attach_to_incidents, "incident_id"),
    "attach_alert_media": Kind(Lane.SOS, "media", media.attach_to_alerts, "alert_id"),
    "raise_alert": Kind(Lane.SOS, "alerts", alerts.raise_from_phones),
    "answer_alert": Kind(Lane.SOS, "alerts", alerts.answer_from_phones),
    "close_alert": Kind(Lane.SOS, "alerts", alerts.close_from_phones),
    "respond_to_alert": Kind(Lane.SOS, "alerts", responses.respond_from_phones),
    "report_call": Kind(Lane.SOS, "alerts", responses.report_from_phones),
    "report_positions": Kind(Lane.SOS, "trail", trail.report_positions, "alert_id"),
    "declare_clip": Kind(Lane.SOS, "clips", clips.declare_from_phones, "alert_id"),
    "declare_segments": Kind(Lane.SOS, "clips", clips.segments_from_phones),
    "close_clip": Kind(Lane.SOS, "clips", clips.close_from_phones),
    "change_duty": Kind(Lane.RECORDS, "duty", duty.change_from_phones),
    "start_patrol": Kind(Lane.RECORDS, "patrols", patrols.start),
    "change_patrol": Kind(Lane.RECORDS, "patrols", patrols.change),
    "check_in": Kind(Lane.RECORDS, "checkins", checkins.check_in),
    "record_track": Kind(Lane.TRACKS, "tracks", tracks.record),
}
