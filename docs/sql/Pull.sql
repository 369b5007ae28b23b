-- Pull. Made by `make schema`; change the code, not this file.

select pg_current_snapshot()::text as snapshot, clock_timestamp() as now,
       epoch.id as epoch, mark.table_oid <> epoch.tableoid::bigint as torn,
       server.standby,
       case when not server.standby then (
    pg_current_wal_flush_lsn() >= server.written
    or (pg_current_wal_flush_lsn() - '0/0'::pg_lsn) % current_setting('wal_block_size')::int = 0
       and server.written - pg_current_wal_flush_lsn() <= 40
) end as flushed,
       (select durable_through from sync_backup order by id desc limit 1) as durable_through,
       array(select access.officer_scopes($1)) as scopes,
       access.horizon()::text as horizon,
       held.snapshot::text as held_snapshot, held.sets as held_sets, held.must_reset,
       held.seen_at < now() - interval '1 hour' as held_is_old
from (select pg_is_in_recovery() as standby,
             case when not pg_is_in_recovery() then pg_current_wal_insert_lsn() end as written offset 0) server
left join (select id, tableoid from sync_epoch order by number desc limit 1) epoch on true
left join (select table_oid from sync_mark order by serial desc limit 1) mark on true
left join held_snapshot held
    on held.device_id = $2 and held.officer_id = $1 and held.subjects = $3 and held.epoch_id = epoch.id;

SELECT CAST(t.id AS TEXT) AS c0, CAST(t.scope_id AS TEXT) AS c1, CAST(t.station_id AS TEXT) AS c2, CAST(t.zone_id AS TEXT) AS c3, t.source AS c4, t.status AS c5, t.drill AS c6, CAST(t.officer_id AS TEXT) AS c7, CAST(t.post_id AS TEXT) AS c8, t.latitude AS c9, t.longitude AS c10, t.accuracy_m AS c11, t.raised_at AS c12, t.time_suspect AS c13, t.presses AS c14, CAST(t.acknowledged_by AS TEXT) AS c15, t.acknowledged_at AS c16, t.closed_at AS c17, t.rev AS c18, t.updated_at AS c19, $1::INTEGER + coalesce(octet_length(t.source), $2::INTEGER) + coalesce(octet_length(t.status), $3::INTEGER) AS _size, CAST(t.sync_xid AS TEXT) AS _xid, t.id AS _id, t.sync_xid AS _stamp
FROM sos_alert AS t
WHERE t.scope_id = $4::UUID AND t.deleted_at IS NULL AND pg_visible_in_snapshot(t.sync_xid, CAST(CAST($5::VARCHAR AS TEXT) AS pg_snapshot)) AND (t.sync_xid, t.id) > (CAST(CAST($6::VARCHAR AS TEXT) AS xid8), CAST(CAST($7::VARCHAR AS TEXT) AS UUID)) ORDER BY t.sync_xid, t.id
 LIMIT $8::INTEGER;

SELECT CAST(t.id AS TEXT) AS c0, CAST(t.scope_id AS TEXT) AS c1, CAST(t.alert_id AS TEXT) AS c2, t.number AS c3, t.target AS c4, t.due_at AS c5, t.done_at AS c6, t.outcome AS c7, t.rev AS c8, t.updated_at AS c9, $1::INTEGER + coalesce(octet_length(t.target), $2::INTEGER) + coalesce(octet_length(t.outcome), $3::INTEGER) AS _size, CAST(t.sync_xid AS TEXT) AS _xid, t.id AS _id, t.sync_xid AS _stamp
FROM sos_step AS t
WHERE t.scope_id = $4::UUID AND t.deleted_at IS NULL AND pg_visible_in_snapshot(t.sync_xid, CAST(CAST($5::VARCHAR AS TEXT) AS pg_snapshot)) AND (t.sync_xid, t.id) > (CAST(CAST($6::VARCHAR AS TEXT) AS xid8), CAST(CAST($7::VARCHAR AS TEXT) AS UUID)) ORDER BY t.sync_xid, t.id
 LIMIT $8::INTEGER;

SELECT CAST(t.id AS TEXT) AS c0, CAST(t.scope_id AS TEXT) AS c1, t.code AS c2, t.name AS c3, t.name_th AS c4, t.latitude AS c5, t.longitude AS c6, t.rev AS c7, t.updated_at AS c8, $1::INTEGER + coalesce(octet_length(t.code), $2::INTEGER) + coalesce(octet_length(t.name), $3::INTEGER) + coalesce(octet_length(t.name_th), $4::INTEGER) AS _size, CAST(t.sync_xid AS TEXT) AS _xid, t.id AS _id, t.sync_xid AS _stamp
FROM station AS t
WHERE t.scope_id = $5::UUID AND t.deleted_at IS NULL AND pg_visible_in_snapshot(t.sync_xid, CAST(CAST($6::VARCHAR AS TEXT) AS pg_snapshot)) AND (t.sync_xid, t.id) > (CAST(CAST($7::VARCHAR AS TEXT) AS xid8), CAST(CAST($8::VARCHAR AS TEXT) AS UUID)) ORDER BY t.sync_xid, t.id
 LIMIT $9::INTEGER;

SELECT CAST(t.id AS TEXT) AS c0, CAST(t.scope_id AS TEXT) AS c1, CAST(t.station_id AS TEXT) AS c2, CAST(t.parent_id AS TEXT) AS c3, t.code AS c4, t.kind AS c5, t.name AS c6, t.name_th AS c7, t.boundary AS c8, t.area_km2 AS c9, t.rev AS c10, t.updated_at AS c11, $1::INTEGER + coalesce(octet_length(t.code), $2::INTEGER) + coalesce(octet_length(t.kind), $3::INTEGER) + coalesce(octet_length(t.name), $4::INTEGER) + coalesce(octet_length(t.name_th), $5::INTEGER) + coalesce(octet_length(CAST(t.boundary AS TEXT)), $6::INTEGER) AS _size, CAST(t.sync_xid AS TEXT) AS _xid, t.id AS _id, t.sync_xid AS _stamp
FROM zone AS t
WHERE t.scope_id = $7::UUID AND t.deleted_at IS NULL AND pg_visible_in_snapshot(t.sync_xid, CAST(CAST($8::VARCHAR AS TEXT) AS pg_snapshot)) AND (t.sync_xid, t.id) > (CAST(CAST($9::VARCHAR AS TEXT) AS xid8), CAST(CAST($10::VARCHAR AS TEXT) AS UUID)) ORDER BY t.sync_xid, t.id
 LIMIT $11::INTEGER;

SELECT CAST(t.id AS TEXT) AS c0, CAST(t.scope_id AS TEXT) AS c1, CAST(t.station_id AS TEXT) AS c2, CAST(t.zone_id AS TEXT) AS c3, CAST(t.camera_id AS TEXT) AS c4, t.code AS c5, t.name AS c6, t.name_th AS c7, t.latitude AS c8, t.longitude AS c9, t.rev AS c10, t.updated_at AS c11, $1::INTEGER + coalesce(octet_length(t.code), $2::INTEGER) + coalesce(octet_length(t.name), $3::INTEGER) + coalesce(octet_length(t.name_th), $4::INTEGER) AS _size, CAST(t.sync_xid AS TEXT) AS _xid, t.id AS _id, t.sync_xid AS _stamp
FROM sos_post AS t
WHERE t.scope_id = $5::UUID AND t.deleted_at IS NULL AND pg_visible_in_snapshot(t.sync_xid, CAST(CAST($6::VARCHAR AS TEXT) AS pg_snapshot)) AND (t.sync_xid, t.id) > (CAST(CAST($7::VARCHAR AS TEXT) AS xid8), CAST(CAST($8::VARCHAR AS TEXT) AS UUID)) ORDER BY t.sync_xid, t.id
 LIMIT $9::INTEGER;

SELECT CAST(t.id AS TEXT) AS c0, CAST(t.scope_id AS TEXT) AS c1, CAST(t.station_id AS TEXT) AS c2, CAST(t.zone_id AS TEXT) AS c3, t.code AS c4, t.name AS c5, t.name_th AS c6, t.latitude AS c7, t.longitude AS c8, t.active AS c9, t.code_number AS c10, t.rev AS c11, t.updated_at AS c12, $1::INTEGER + coalesce(octet_length(t.code), $2::INTEGER) + coalesce(octet_length(t.name), $3::INTEGER) + coalesce(octet_length(t.name_th), $4::INTEGER) AS _size, CAST(t.sync_xid AS TEXT) AS _xid, t.id AS _id, t.sync_xid AS _stamp
FROM checkpoint AS t
WHERE t.scope_id = $5::UUID AND t.deleted_at IS NULL AND pg_visible_in_snapshot(t.sync_xid, CAST(CAST($6::VARCHAR AS TEXT) AS pg_snapshot)) AND (t.sync_xid, t.id) > (CAST(CAST($7::VARCHAR AS TEXT) AS xid8), CAST(CAST($8::VARCHAR AS TEXT) AS UUID)) ORDER BY t.sync_xid, t.id
 LIMIT $9::INTEGER;

SELECT CAST(t.id AS TEXT) AS c0, CAST(t.scope_id AS TEXT) AS c1, CAST(t.zone_id AS TEXT) AS c2, t.name AS c3, t.name_th AS c4, t.leader AS c5, t.phone AS c6, t.rev AS c7, t.updated_at AS c8, $1::INTEGER + coalesce(octet_length(t.name), $2::INTEGER) + coalesce(octet_length(t.name_th), $3::INTEGER) + coalesce(octet_length(t.leader), $4::INTEGER) + coalesce(octet_length(t.phone), $5::INTEGER) AS _size, CAST(t.sync_xid AS TEXT) AS _xid, t.id AS _id, t.sync_xid AS _stamp
FROM community AS t
WHERE t.scope_id = $6::UUID AND t.deleted_at IS NULL AND pg_visible_in_snapshot(t.sync_xid, CAST(CAST($7::VARCHAR AS TEXT) AS pg_snapshot)) AND (t.sync_xid, t.id) > (CAST(CAST($8::VARCHAR AS TEXT) AS xid8), CAST(CAST($9::VARCHAR AS TEXT) AS UUID)) ORDER BY t.sync_xid, t.id
 LIMIT $10::INTEGER;

SELECT CAST(t.id AS TEXT) AS c0, CAST(t.scope_id AS TEXT) AS c1, CAST(t.station_id AS TEXT) AS c2, CAST(t.zone_id AS TEXT) AS c3, t.code AS c4, t.kind AS c5, t.name AS c6, t.name_th AS c7, t.latitude AS c8, t.longitude AS c9, t.rev AS c10, t.updated_at AS c11, $1::INTEGER + coalesce(octet_length(t.code), $2::INTEGER) + coalesce(octet_length(t.kind), $3::INTEGER) + coalesce(octet_length(t.name), $4::INTEGER) + coalesce(octet_length(t.name_th), $5::INTEGER) AS _size, CAST(t.sync_xid AS TEXT) AS _xid, t.id AS _id, t.sync_xid AS _stamp
FROM camera AS t
WHERE t.scope_id = $6::UUID AND t.deleted_at IS NULL AND pg_visible_in_snapshot(t.sync_xid, CAST(CAST($7::VARCHAR AS TEXT) AS pg_snapshot)) AND (t.sync_xid, t.id) > (CAST(CAST($8::VARCHAR AS TEXT) AS xid8), CAST(CAST($9::VARCHAR AS TEXT) AS UUID)) ORDER BY t.sync_xid, t.id
 LIMIT $10::INTEGER;

SELECT CAST(t.id AS TEXT) AS c0, CAST(t.scope_id AS TEXT) AS c1, CAST(t.station_id AS TEXT) AS c2, t.badge AS c3, t.role AS c4, t.rank AS c5, t.name AS c6, t.name_th AS c7, t.active AS c8, t.rev AS c9, t.updated_at AS c10, $1::INTEGER + coalesce(octet_length(t.badge), $2::INTEGER) + coalesce(octet_length(t.role), $3::INTEGER) + coalesce(octet_length(t.rank), $4::INTEGER) + coalesce(octet_length(t.name), $5::INTEGER) + coalesce(octet_length(t.name_th), $6::INTEGER) AS _size, CAST(t.sync_xid AS TEXT) AS _xid, t.id AS _id, t.sync_xid AS _stamp
FROM officer AS t
WHERE t.scope_id = $7::UUID AND t.deleted_at IS NULL AND pg_visible_in_snapshot(t.sync_xid, CAST(CAST($8::VARCHAR AS TEXT) AS pg_snapshot)) AND (t.sync_xid, t.id) > (CAST(CAST($9::VARCHAR AS TEXT) AS xid8), CAST(CAST($10::VARCHAR AS TEXT) AS UUID)) ORDER BY t.sync_xid, t.id
 LIMIT $11::INTEGER;

SELECT CAST(t.id AS TEXT) AS c0, CAST(t.scope_id AS TEXT) AS c1, CAST(t.station_id AS TEXT) AS c2, CAST(t.zone_id AS TEXT) AS c3, t.severity AS c4, t.title AS c5, t.title_th AS c6, t.body AS c7, t.body_th AS c8, t.valid_from AS c9, t.expires_at AS c10, CAST(t.posted_by AS TEXT) AS c11, t.rev AS c12, t.updated_at AS c13, $1::INTEGER + coalesce(octet_length(t.severity), $2::INTEGER) + coalesce(octet_length(t.title), $3::INTEGER) + coalesce(octet_length(t.title_th), $4::INTEGER) + coalesce(octet_length(t.body), $5::INTEGER) + coalesce(octet_length(t.body_th), $6::INTEGER) AS _size, CAST(t.sync_xid AS TEXT) AS _xid, t.id AS _id, t.sync_xid AS _stamp
FROM notice AS t
WHERE t.scope_id = $7::UUID AND t.deleted_at IS NULL AND NOT coalesce(t.expires_at <= $8::TIMESTAMP WITH TIME ZONE, false) AND pg_visible_in_snapshot(t.sync_xid, CAST(CAST($9::VARCHAR AS TEXT) AS pg_snapshot)) AND (t.sync_xid, t.id) > (CAST(CAST($10::VARCHAR AS TEXT) AS xid8), CAST(CAST($11::VARCHAR AS TEXT) AS UUID)) ORDER BY t.sync_xid, t.id
 LIMIT $12::INTEGER;

SELECT CAST(t.id AS TEXT) AS c0, CAST(t.scope_id AS TEXT) AS c1, CAST(t.station_id AS TEXT) AS c2, CAST(t.zone_id AS TEXT) AS c3, t.category AS c4, t.severity AS c5, t.status AS c6, t.title AS c7, t.description AS c8, t.latitude AS c9, t.longitude AS c10, t.accuracy_m AS c11, t.occurred_at AS c12, t.captured_at_raw AS c13, t.received_at AS c14, t.time_suspect AS c15, CAST(t.reported_by AS TEXT) AS c16, t.rev AS c17, t.created_at AS c18, t.updated_at AS c19, $1::INTEGER + coalesce(octet_length(t.category), $2::INTEGER) + coalesce(octet_length(t.severity), $3::INTEGER) + coalesce(octet_length(t.status), $4::INTEGER) + coalesce(octet_length(t.title), $5::INTEGER) + coalesce(octet_length(t.description), $6::INTEGER) + coalesce(octet_length(t.captured_at_raw), $7::INTEGER) AS _size, CAST(t.sync_xid AS TEXT) AS _xid, t.id AS _id, t.sync_xid AS _stamp
FROM incident AS t
WHERE t.scope_id = $8::UUID AND t.deleted_at IS NULL AND pg_visible_in_snapshot(t.sync_xid, CAST(CAST($9::VARCHAR AS TEXT) AS pg_snapshot)) AND (t.sync_xid, t.id) > (CAST(CAST($10::VARCHAR AS TEXT) AS xid8), CAST(CAST($11::VARCHAR AS TEXT) AS UUID)) ORDER BY t.sync_xid, t.id
 LIMIT $12::INTEGER;

SELECT CAST(t.id AS TEXT) AS c0, CAST(t.scope_id AS TEXT) AS c1, CAST(t.incident_id AS TEXT) AS c2, t.text AS c3, CAST(t.written_by AS TEXT) AS c4, t.occurred_at AS c5, t.received_at AS c6, t.captured_at_raw AS c7, t.time_suspect AS c8, t.rev AS c9, t.updated_at AS c10, $1::INTEGER + coalesce(octet_length(t.text), $2::INTEGER) + coalesce(octet_length(t.captured_at_raw), $3::INTEGER) AS _size, CAST(t.sync_xid AS TEXT) AS _xid, t.id AS _id, t.sync_xid AS _stamp
FROM incident_note AS t
WHERE t.scope_id = $4::UUID AND t.deleted_at IS NULL AND pg_visible_in_snapshot(t.sync_xid, CAST(CAST($5::VARCHAR AS TEXT) AS pg_snapshot)) AND (t.sync_xid, t.id) > (CAST(CAST($6::VARCHAR AS TEXT) AS xid8), CAST(CAST($7::VARCHAR AS TEXT) AS UUID)) ORDER BY t.sync_xid, t.id
 LIMIT $8::INTEGER;

SELECT CAST(t.id AS TEXT) AS c0, CAST(t.scope_id AS TEXT) AS c1, CAST(t.incident_id AS TEXT) AS c2, CAST(t.alert_id AS TEXT) AS c3, t.kind AS c4, t.content_type AS c5, t.size_bytes AS c6, t.sha256 AS c7, t.state AS c8, CAST(t.attached_by AS TEXT) AS c9, t.taken_at AS c10, t.captured_at_raw AS c11, t.received_at AS c12, t.time_suspect AS c13, t.rev AS c14, t.updated_at AS c15, $1::INTEGER + coalesce(octet_length(t.kind), $2::INTEGER) + coalesce(octet_length(t.content_type), $3::INTEGER) + coalesce($4::INTEGER * octet_length(t.sha256), $5::INTEGER) + coalesce(octet_length(t.state), $6::INTEGER) + coalesce(octet_length(t.captured_at_raw), $7::INTEGER) AS _size, CAST(t.sync_xid AS TEXT) AS _xid, t.id AS _id, t.sync_xid AS _stamp
FROM media AS t
WHERE t.scope_id = $8::UUID AND t.deleted_at IS NULL AND pg_visible_in_snapshot(t.sync_xid, CAST(CAST($9::VARCHAR AS TEXT) AS pg_snapshot)) AND (t.sync_xid, t.id) > (CAST(CAST($10::VARCHAR AS TEXT) AS xid8), CAST(CAST($11::VARCHAR AS TEXT) AS UUID)) ORDER BY t.sync_xid, t.id
 LIMIT $12::INTEGER;

SELECT CAST(t.id AS TEXT) AS c0, CAST(t.scope_id AS TEXT) AS c1, CAST(t.station_id AS TEXT) AS c2, CAST(t.zone_id AS TEXT) AS c3, CAST(t.officer_id AS TEXT) AS c4, CAST(t.device_id AS TEXT) AS c5, t.status AS c6, t.started_at AS c7, t.paused_at AS c8, t.ended_at AS c9, t.captured_at_raw AS c10, t.received_at AS c11, t.time_suspect AS c12, t.latitude AS c13, t.longitude AS c14, t.accuracy_m AS c15, t.note AS c16, CAST(t.overlaps_id AS TEXT) AS c17, t.steps AS c18, t.rev AS c19, t.created_at AS c20, t.updated_at AS c21, $1::INTEGER + coalesce(octet_length(t.status), $2::INTEGER) + coalesce(octet_length(t.captured_at_raw), $3::INTEGER) + coalesce(octet_length(t.note), $4::INTEGER) + coalesce(octet_length(CAST(t.steps AS TEXT)), $5::INTEGER) AS _size, CAST(t.sync_xid AS TEXT) AS _xid, t.id AS _id, t.sync_xid AS _stamp
FROM patrol AS t
WHERE t.scope_id = $6::UUID AND t.deleted_at IS NULL AND pg_visible_in_snapshot(t.sync_xid, CAST(CAST($7::VARCHAR AS TEXT) AS pg_snapshot)) AND (t.sync_xid, t.id) > (CAST(CAST($8::VARCHAR AS TEXT) AS xid8), CAST(CAST($9::VARCHAR AS TEXT) AS UUID)) ORDER BY t.sync_xid, t.id
 LIMIT $10::INTEGER;

SELECT CAST(t.id AS TEXT) AS c0, CAST(t.scope_id AS TEXT) AS c1, CAST(t.station_id AS TEXT) AS c2, CAST(t.zone_id AS TEXT) AS c3, CAST(t.checkpoint_id AS TEXT) AS c4, CAST(t.patrol_id AS TEXT) AS c5, CAST(t.officer_id AS TEXT) AS c6, CAST(t.device_id AS TEXT) AS c7, t.checked_in_at AS c8, t.captured_at_raw AS c9, t.received_at AS c10, t.time_suspect AS c11, t.latitude AS c12, t.longitude AS c13, t.accuracy_m AS c14, t.note AS c15, t.code_number AS c16, t.code_valid AS c17, t.distance_m AS c18, t.flags AS c19, t.rev AS c20, t.created_at AS c21, t.updated_at AS c22, $1::INTEGER + coalesce(octet_length(t.captured_at_raw), $2::INTEGER) + coalesce(octet_length(t.note), $3::INTEGER) + coalesce(octet_length(CAST(t.flags AS TEXT)), $4::INTEGER) AS _size, CAST(t.sync_xid AS TEXT) AS _xid, t.id AS _id, t.sync_xid AS _stamp
FROM checkin AS t
WHERE t.scope_id = $5::UUID AND t.deleted_at IS NULL AND pg_visible_in_snapshot(t.sync_xid, CAST(CAST($6::VARCHAR AS TEXT) AS pg_snapshot)) AND (t.sync_xid, t.id) > (CAST(CAST($7::VARCHAR AS TEXT) AS xid8), CAST(CAST($8::VARCHAR AS TEXT) AS UUID)) ORDER BY t.sync_xid, t.id
 LIMIT $9::INTEGER;

SELECT CAST(t.id AS TEXT) AS c0, CAST(t.scope_id AS TEXT) AS c1, CAST(t.station_id AS TEXT) AS c2, CAST(t.officer_id AS TEXT) AS c3, CAST(t.device_id AS TEXT) AS c4, t.on_duty AS c5, t.changed_at AS c6, t.captured_at_raw AS c7, t.received_at AS c8, t.time_suspect AS c9, t.latitude AS c10, t.longitude AS c11, t.accuracy_m AS c12, t.rev AS c13, t.updated_at AS c14, $1::INTEGER + coalesce(octet_length(t.captured_at_raw), $2::INTEGER) AS _size, CAST(t.sync_xid AS TEXT) AS _xid, t.id AS _id, t.sync_xid AS _stamp
FROM duty_change AS t
WHERE t.scope_id = $3::UUID AND t.deleted_at IS NULL AND pg_visible_in_snapshot(t.sync_xid, CAST(CAST($4::VARCHAR AS TEXT) AS pg_snapshot)) AND (t.sync_xid, t.id) > (CAST(CAST($5::VARCHAR AS TEXT) AS xid8), CAST(CAST($6::VARCHAR AS TEXT) AS UUID)) ORDER BY t.sync_xid, t.id
 LIMIT $7::INTEGER;

with moment as (select $2::timestamptz as now) select 'alerts' as subject, scope_id, '' as suffix, count(*) as count, sum(('x' || encode(substr(sha256(convert_to(id::text || ':' || rev, 'UTF8')), 1, 8), 'hex'))::bit(64)::bigint) as sum from sos_alert, moment where scope_id = any ($1::uuid[]) and deleted_at is null group by scope_id union all select 'steps' as subject, scope_id, '' as suffix, count(*) as count, sum(('x' || encode(substr(sha256(convert_to(id::text || ':' || rev, 'UTF8')), 1, 8), 'hex'))::bit(64)::bigint) as sum from sos_step, moment where scope_id = any ($1::uuid[]) and deleted_at is null group by scope_id union all select 'stations' as subject, scope_id, '' as suffix, count(*) as count, sum(('x' || encode(substr(sha256(convert_to(id::text || ':' || rev, 'UTF8')), 1, 8), 'hex'))::bit(64)::bigint) as sum from station, moment where scope_id = any ($1::uuid[]) and deleted_at is null group by scope_id union all select 'zones' as subject, scope_id, '' as suffix, count(*) as count, sum(('x' || encode(substr(sha256(convert_to(id::text || ':' || rev, 'UTF8')), 1, 8), 'hex'))::bit(64)::bigint) as sum from zone, moment where scope_id = any ($1::uuid[]) and deleted_at is null group by scope_id union all select 'posts' as subject, scope_id, '' as suffix, count(*) as count, sum(('x' || encode(substr(sha256(convert_to(id::text || ':' || rev, 'UTF8')), 1, 8), 'hex'))::bit(64)::bigint) as sum from sos_post, moment where scope_id = any ($1::uuid[]) and deleted_at is null group by scope_id union all select 'checkpoints' as subject, scope_id, '' as suffix, count(*) as count, sum(('x' || encode(substr(sha256(convert_to(id::text || ':' || rev, 'UTF8')), 1, 8), 'hex'))::bit(64)::bigint) as sum from checkpoint, moment where scope_id = any ($1::uuid[]) and deleted_at is null group by scope_id union all select 'communities' as subject, scope_id, '' as suffix, count(*) as count, sum(('x' || encode(substr(sha256(convert_to(id::text || ':' || rev, 'UTF8')), 1, 8), 'hex'))::bit(64)::bigint) as sum from community, moment where scope_id = any ($1::uuid[]) and deleted_at is null group by scope_id union all select 'cameras' as subject, scope_id, '' as suffix, count(*) as count, sum(('x' || encode(substr(sha256(convert_to(id::text || ':' || rev, 'UTF8')), 1, 8), 'hex'))::bit(64)::bigint) as sum from camera, moment where scope_id = any ($1::uuid[]) and deleted_at is null group by scope_id union all select 'officers' as subject, scope_id, '' as suffix, count(*) as count, sum(('x' || encode(substr(sha256(convert_to(id::text || ':' || rev, 'UTF8')), 1, 8), 'hex'))::bit(64)::bigint) as sum from officer, moment where scope_id = any ($1::uuid[]) and deleted_at is null group by scope_id union all select 'notices' as subject, scope_id, '' as suffix, count(*) as count, sum(('x' || encode(substr(sha256(convert_to(id::text || ':' || rev, 'UTF8')), 1, 8), 'hex'))::bit(64)::bigint) as sum from notice, moment where scope_id = any ($1::uuid[]) and deleted_at is null and (expires_at is null or expires_at > moment.now) group by scope_id union all select 'incidents' as subject, scope_id, '' as suffix, count(*) as count, sum(('x' || encode(substr(sha256(convert_to(id::text || ':' || rev, 'UTF8')), 1, 8), 'hex'))::bit(64)::bigint) as sum from incident, moment where scope_id = any ($1::uuid[]) and deleted_at is null group by scope_id union all select 'notes' as subject, scope_id, '' as suffix, count(*) as count, sum(('x' || encode(substr(sha256(convert_to(id::text || ':' || rev, 'UTF8')), 1, 8), 'hex'))::bit(64)::bigint) as sum from incident_note, moment where scope_id = any ($1::uuid[]) and deleted_at is null group by scope_id union all select 'media' as subject, scope_id, '' as suffix, count(*) as count, sum(('x' || encode(substr(sha256(convert_to(id::text || ':' || rev, 'UTF8')), 1, 8), 'hex'))::bit(64)::bigint) as sum from media, moment where scope_id = any ($1::uuid[]) and deleted_at is null group by scope_id union all select 'patrols' as subject, scope_id, '' as suffix, count(*) as count, sum(('x' || encode(substr(sha256(convert_to(id::text || ':' || rev, 'UTF8')), 1, 8), 'hex'))::bit(64)::bigint) as sum from patrol, moment where scope_id = any ($1::uuid[]) and deleted_at is null group by scope_id union all select 'checkins' as subject, scope_id, '' as suffix, count(*) as count, sum(('x' || encode(substr(sha256(convert_to(id::text || ':' || rev, 'UTF8')), 1, 8), 'hex'))::bit(64)::bigint) as sum from checkin, moment where scope_id = any ($1::uuid[]) and deleted_at is null group by scope_id union all select 'duty' as subject, scope_id, '' as suffix, count(*) as count, sum(('x' || encode(substr(sha256(convert_to(id::text || ':' || rev, 'UTF8')), 1, 8), 'hex'))::bit(64)::bigint) as sum from duty_change, moment where scope_id = any ($1::uuid[]) and deleted_at is null group by scope_id;

select lane, applied_sequence from sync_lane where device_id = $1 and officer_id = $2 order by lane;
