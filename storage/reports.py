"""Everything that is kept about one alert, for its timeline: who was told, when, through what, and what they did."""

from __future__ import annotations

READ_ALERT = """
select alert.id, alert.source, alert.status, alert.severity, alert.drill, alert.silent, alert.late, alert.latitude,
       alert.longitude, alert.accuracy_m, alert.raised_at, alert.captured_at_raw, alert.received_at, alert.time_suspect,
       alert.presses, alert.acknowledged_at, alert.closed_at, alert.resolution, alert.resolution_note,
       alert.duplicate_of, alert.policy_version, alert.station_id,
       station.code as station_code, station.name as station_name, station.name_th as station_name_th,
       zone.code as zone_code, zone.name as zone_name, zone.name_th as zone_name_th,
       post.code as post_code, post.name as post_name, post.name_th as post_name_th,
       raiser.badge as raiser_badge, raiser.rank as raiser_rank, raiser.name as raiser_name,
       raiser.name_th as raiser_name_th,
       array(select other.id from sos_alert other where other.duplicate_of = alert.id order by other.raised_at)
           as duplicates
from sos_alert alert
join station on station.id = alert.station_id
left join zone on zone.id = alert.zone_id
left join sos_post post on post.id = alert.post_id
left join officer raiser on raiser.id = alert.officer_id
where alert.id = $1 and alert.deleted_at is null
"""
"""An alert with the names of what it names."""

READ_EVENTS = """
select event.id, event.kind, event.at, event.received_at, event.captured_at_raw, event.time_suspect, event.detail,
       step.number as step, step.target, officer.badge, officer.rank, officer.name, officer.name_th, device.platform,
       device.model
from sos_event event
left join sos_step step on step.id = event.step_id
left join officer on officer.id = event.officer_id
left join device on device.id = event.device_id
where event.alert_id = $1
order by event.at, event.received_at, event.id
"""
"""All that happened, in the order of time."""

READ_STEPS = """
select number, round, target, due_at, done_at, outcome from sos_step
where alert_id = $1 and deleted_at is null order by number
"""
"""The steps of the escalation, in turn."""

READ_CALLS = """
select step.number as step, officer.badge, officer.rank, officer.name, officer.name_th, installation.kind,
       ledger.outcome, ledger.reason, ledger.message_id, ledger.attempts, ledger.attempted_at, ledger.received_at,
       ledger.received_at_raw, ledger.received_told_at, ledger.displayed_at, ledger.displayed_at_raw,
       ledger.displayed_told_at
from sos_recipient ledger
join sos_step step on step.id = ledger.step_id
join officer on officer.id = ledger.officer_id
join installation on installation.id = ledger.installation_id
where ledger.alert_id = $1
order by step.number, ledger.attempted_at, officer.badge, ledger.id
"""
"""Each call to each phone."""

READ_RESPONSES = """
select officer.badge, officer.rank, officer.name, officer.name_th, response.status, response.lead, response.reason,
       sender.badge as assigned_by, response.assigned_at, response.acknowledged_at, response.on_the_way_at,
       response.on_scene_at, response.declined_at, response.stood_down_at
from sos_response response
join officer on officer.id = response.officer_id
left join officer sender on sender.id = response.assigned_by
where response.alert_id = $1 and response.deleted_at is null
order by response.created_at, officer.badge
"""
"""What each officer did."""

READ_CHANNEL_CALLS = """
select channel.label, channel.scheme, call.outcome, call.reason, call.attempts, call.attempted_at
from sos_channel_call call join sos_channel channel on channel.id = call.channel_id
where call.alert_id = $1 order by call.attempted_at, channel.label
"""
"""Each call through a fallback channel."""

READ_CLIPS = """
select clip.id, officer.badge, post.code as post_code, clip.state, clip.reason, clip.started_at, clip.ended_at,
       clip.expected, clip.declared, clip.arrived, clip.ready, clip.quarantined, clip.seconds,
       encode(clip.file_sha256, 'hex') as file_sha256, clip.file_bytes
from sos_clip clip
left join officer on officer.id = clip.officer_id
left join sos_post post on post.id = clip.post_id
where clip.alert_id = $1 and clip.deleted_at is null order by clip.started_at, clip.id
"""
"""Recordings."""

READ_FILES = """
select media.id, officer.badge, media.kind, media.content_type, media.size_bytes, encode(media.sha256, 'hex') as sha256,
       media.state, media.taken_at
from media join officer on officer.id = media.attached_by
where media.alert_id = $1 and media.deleted_at is null order by media.taken_at, media.id
"""
"""Files that were attached."""

READ_WAYS = """
with person as (
    select officer_id, raised_at as since, coalesce(closed_at, 'infinity') as until
    from sos_alert where id = $1 and officer_id is not null
    union all
    select response.officer_id,
           least(response.assigned_at, response.acknowledged_at, response.on_the_way_at, response.on_scene_at),
           least(response.declined_at, response.stood_down_at, alert.closed_at, 'infinity')
    from sos_response response join sos_alert alert on alert.id = response.alert_id
    where response.alert_id = $1 and response.deleted_at is null and response.officer_id is distinct from alert.officer_id
)
select officer.badge, point.at, point.latitude, point.longitude, point.accuracy_m, point.time_suspect
from person
join track_point point on point.officer_id = person.officer_id and point.at between person.since and person.until
join officer on officer.id = person.officer_id
order by point.at, point.id limit $2
"""
"""The ways of its raiser and responders while it was open."""

LIST_ALERTS = """
select alert.id, alert.status, alert.severity, alert.source, alert.drill, alert.raised_at, station.code as station,
       coalesce(post.code, zone.code) as place
from sos_alert alert
join station on station.id = alert.station_id
left join zone on zone.id = alert.zone_id
left join sos_post post on post.id = alert.post_id
where alert.deleted_at is null and ($1 is false or alert.status in ('OPEN', 'ACKNOWLEDGED'))
  and ($2::text is null or station.code = $2)
order by alert.raised_at desc, alert.id limit $3
"""
"""Alerts, the unfinished ones or all."""

READ_STATION = "select station_id from sos_alert where id = $1 and deleted_at is null"
"""The station of an alert."""
