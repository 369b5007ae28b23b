"""The SQL of the floor, as one writes it who knows the question and nothing else."""

from __future__ import annotations

ZONES = """
select id::text, code, kind, name, name_th, boundary, id as zone from zone
where scope_id = any ($1::uuid[]) and deleted_at is null order by name, id limit $2
"""
"""The first zones by name."""

CAMERAS = """
select here.* from unnest($1::uuid[]) with ordinality as zone (id, place)
cross join lateral (
    select camera.id::text, camera.code, camera.name, camera.name_th, camera.latitude, camera.longitude,
           snapshot.id::text as snapshot_id, snapshot.taken_at, snapshot.thumb_320_key, snapshot.thumb_960_key,
           zone.id::text as parent
    from camera
    left join camera_state on camera_state.camera_id = camera.id
    left join snapshot on snapshot.id = camera_state.last_snapshot_id
    where camera.zone_id = zone.id and camera.deleted_at is null
    order by camera.name, camera.id limit $2
) as here
order by zone.place, here.name, here.id
"""
"""The first cameras of some zones, with their last pictures."""

INCIDENTS = """
select here.id::text, here.category, here.severity, here.status, here.title, here.latitude, here.longitude,
       here.occurred_at, here.updated_at, here.zone_id, here.name, here.name_th
from unnest($1::uuid[]) as scope (id)
cross join lateral (
    select incident.id, incident.category, incident.severity, incident.status, incident.title, incident.latitude,
           incident.longitude, incident.occurred_at, incident.updated_at, zone.id::text as zone_id, zone.name, zone.name_th
    from incident left join zone on zone.id = incident.zone_id
    where incident.scope_id = scope.id and incident.deleted_at is null
    order by incident.occurred_at desc, incident.id desc limit $2
) as here
order by here.occurred_at desc, here.id desc limit $2
"""
"""The latest incidents: one bounded index scan for each scope, merged."""

FULL_FIELDS = (
    "id", "scopeId", "zoneId", "category", "severity", "status", "title", "description", "latitude", "longitude",
    "accuracyM", "occurredAt", "capturedAtRaw", "receivedAt", "timeSuspect", "reportedBy", "rev", "createdAt",
    "updatedAt",
)  # fmt: skip

INCIDENT = """
select incident.id::text, incident.scope_id::text, incident.zone_id::text, incident.category, incident.severity,
       incident.status, incident.title, incident.description, incident.latitude, incident.longitude,
       incident.accuracy_m, incident.occurred_at, incident.captured_at_raw, incident.received_at,
       incident.time_suspect, incident.reported_by::text, incident.rev, incident.created_at, incident.updated_at,
       zone.id::text, zone.name, zone.name_th, officer.id::text, officer.rank, officer.name, officer.name_th
from incident
left join zone on zone.id = incident.zone_id
left join officer on officer.id = incident.reported_by
where incident.id = $1 and incident.scope_id = any ($2::uuid[]) and incident.deleted_at is null
"""
"""One incident in full."""

SYNCED_FIELDS = (
    "id", "scopeId", "stationId", "zoneId", "category", "severity", "status", "title", "description", "latitude",
    "longitude", "accuracyM", "occurredAt", "capturedAtRaw", "receivedAt", "timeSuspect", "reportedBy", "rev",
    "createdAt", "updatedAt",
)  # fmt: skip

FILL = """
select id::text, scope_id::text, station_id::text, zone_id::text, category, severity, status, title, description,
       latitude, longitude, accuracy_m, occurred_at, captured_at_raw, received_at, time_suspect, reported_by::text, rev,
       created_at, updated_at, sync_xid::text, id as row_id
from incident
where scope_id = $1 and deleted_at is null and pg_visible_in_snapshot(sync_xid, $2::text::pg_snapshot)
  and (sync_xid, id) > ($3::text::xid8, $4::text::uuid)
order by incident.sync_xid, incident.id limit $5
"""
"""The next incidents of one scope as they stood at a snapshot."""
