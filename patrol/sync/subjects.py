"""The subjects that phones hold copies of, in the order in which a phone needs them."""

from __future__ import annotations

from dataclasses import dataclass

from sqlalchemy import FromClause

from storage import tables


@dataclass(frozen=True, slots=True)
class Subject:
    """A synced table under the name that the contract gives it."""

    name: str
    table: FromClause


def _of(name: str, model: type) -> Subject:
    return Subject(name, model.__table__)  # type: ignore[attr-defined] # every SQLModel table has it


SUBJECTS: tuple[Subject, ...] = (
    _of("alerts", tables.SosAlert),
    _of("steps", tables.SosStep),
    _of("responses", tables.SosResponse),
    _of("clips", tables.SosClip),
    _of("stations", tables.Station),
    _of("zones", tables.Zone),
    _of("posts", tables.SosPost),
    _of("checkpoints", tables.Checkpoint),
    _of("communities", tables.Community),
    _of("cameras", tables.Camera),
    _of("officers", tables.Officer),
    _of("notices", tables.Notice),
    _of("incidents", tables.Incident),
    _of("notes", tables.IncidentNote),
    _of("media", tables.Media),
    _of("patrols", tables.Patrol),
    _of("checkins", tables.Checkin),
    _of("duty", tables.DutyChange),
)
"""Open calls for help first, then where to go and with whom, then history; what belongs to a row comes after it."""

BY_NAME = {subject.name: subject for subject in SUBJECTS}
BY_TABLE = {subject.table.description: subject for subject in SUBJECTS}
