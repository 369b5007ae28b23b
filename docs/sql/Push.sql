-- Push. Made by `make schema`; change the code, not this file.

insert into sync_lane (device_id, officer_id, lane) values ($1, $2, $3)
on conflict (device_id, officer_id, lane) do update set updated_at = now()
returning applied_sequence, epoch_id, asked_epoch_id, asked_at < clock_timestamp() - interval '1 minute' as asked_long,
          (select id from sync_epoch order by number desc limit 1) as current_epoch,
          (select number from sync_epoch order by number desc limit 1) as epoch_number,
          (select durable_through from sync_backup order by id desc limit 1) as durable_through;

select sequence, mutation_id, content_sha256, outcome, code, row_id, rev, detail,
       device_id = $1 and officer_id = $2 and lane = $3 as same_lane
from sync_outcome
where (device_id = $1 and officer_id = $2 and lane = $3 and sequence = any ($4::bigint[]))
   or mutation_id = any ($5::uuid[]);

select station_id, role, array(select access.officer_scopes(id)) as scopes from officer where id = $1;

SAVEPOINT a_run;

select id from zone where station_id = $1 and id = any ($2::uuid[]) and deleted_at is null;

insert into incident
    (id, scope_id, station_id, zone_id, category, severity, status, title, description, latitude, longitude,
     accuracy_m, occurred_at, captured_at_raw, received_at, time_suspect, reported_by, device_id)
select r.id, r.scope_id, r.station_id, r.zone_id, r.category, r.severity, r.status, r.title,
       coalesce(r.description, ''), r.latitude, r.longitude, r.accuracy_m, r.occurred_at, r.captured_at_raw,
       r.received_at, r.time_suspect, r.reported_by, r.device_id
from jsonb_to_recordset($1::jsonb) as r (
    id uuid, scope_id uuid, station_id uuid, zone_id uuid, category text, severity text, status text, title text,
    description text, latitude float8, longitude float8, accuracy_m float8, occurred_at timestamptz,
    captured_at_raw text, received_at timestamptz, time_suspect boolean, reported_by uuid, device_id uuid)
on conflict (id) do nothing
returning id, rev;

RELEASE SAVEPOINT a_run;

select id, scope_id, rev, deleted_at, field_revs, zone_id, category, severity, status, title, description,
       latitude, longitude, accuracy_m, occurred_at
from incident where id = any ($1::uuid[]) order by id for update;

update incident i
set scope_id = r.scope_id, zone_id = r.zone_id, category = r.category, severity = r.severity, status = r.status,
    title = r.title, description = r.description, latitude = r.latitude, longitude = r.longitude,
    accuracy_m = r.accuracy_m, occurred_at = r.occurred_at, field_revs = r.field_revs
from jsonb_to_recordset($1::jsonb) as r (
    id uuid, scope_id uuid, zone_id uuid, category text, severity text, status text, title text, description text,
    latitude float8, longitude float8, accuracy_m float8, occurred_at timestamptz, field_revs jsonb)
where i.id = r.id
returning i.id, i.rev;

insert into sync_outcome
    (device_id, officer_id, lane, sequence, mutation_id, content_sha256, outcome, code, row_id, rev, detail)
select $1, $2, $3, r.sequence, r.mutation_id, decode(r.content_sha256, 'hex'), r.outcome, r.code, r.row_id,
       r.rev, coalesce(r.detail, '{}')
from jsonb_to_recordset($4::jsonb) as r (
    sequence bigint, mutation_id uuid, content_sha256 text, outcome text, code text, row_id uuid,
    rev bigint, detail jsonb);

update sync_lane set applied_sequence = $4, epoch_id = $5 where device_id = $1 and officer_id = $2 and lane = $3;
