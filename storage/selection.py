"""Whom a step of an alert's escalation could call, and what is known of each of them."""

from __future__ import annotations

from storage.reachability import JOIN_REACH, WHY_UNREACHABLE

READ_CALLED = f"""
with recursive around (id) as (
    select $3::uuid
    union
    select zone.parent_id from around join zone on zone.id = around.id where zone.parent_id is not null
),
here as (
    select coalesce($6::float8, latitude) as latitude, coalesce($7::float8, longitude) as longitude,
           111.195 * cos(radians(coalesce($6::float8, latitude))) as km_east
    from station where id = $4
),
neighbour as (
    -- As far as the nearest edge of what the station looks after; degrees as kilometres, which is exact enough to rank.
    select station.id, min(least(
        sqrt(power((station.latitude - here.latitude) * 111.195, 2)
             + power((station.longitude - here.longitude) * here.km_east, 2)),
        case when zone.id is not null then sqrt(power(greatest(zone.min_latitude - here.latitude, here.latitude - zone.max_latitude, 0) * 111.195, 2)
             + power(greatest(zone.min_longitude - here.longitude, here.longitude - zone.max_longitude, 0)
                     * here.km_east, 2)) end)) as km
    from here, station
    left join zone on zone.station_id = station.id and zone.deleted_at is null
    where $2 = 'NEIGHBOURS' and station.id <> $4 and station.deleted_at is null
    group by station.id
),
nearest as (
    select id from neighbour where km <= ($8::jsonb ->> 'withinKm')::float8
    order by km, id limit ($8::jsonb ->> 'stations')::int
),
called (id) as (
    select id from officer where $2 in ('ON_DUTY', 'STATION') and station_id = $4
    union
    select id from officer where $2 = 'SUPERVISORS' and station_id = $4 and role = 'SUPERVISOR'
    union
    select officer_id from assignment
    where $2 in ('ON_DUTY', 'STATION', 'ZONE')
      and (scope_id in (select id from around) or $2 <> 'ZONE' and scope_id = $4)
      and valid_from <= now() and (valid_until is null or valid_until > now())
    union
    select officer.id from nearest join officer on officer.station_id = nearest.id
)
select installation.id as installation_id, installation.kind, installation.address, officer.id as officer_id,
       officer.station_id,
       state.latitude, state.longitude, state.accuracy_m,
       greatest(extract(epoch from now() - state.fix_at), 0)::float8
           + case when state.fix_suspect then 3600 else 0 end as fix_age_s,
       ledger.outcome, coalesce(ledger.attempts, 0) as attempts,
       {WHY_UNREACHABLE} as unreachable,
       (select response.status from sos_response response
        where response.alert_id = $9 and response.officer_id = officer.id and response.deleted_at is null) as response,
       exists (
           select from sos_response response join sos_alert other on other.id = response.alert_id
           where response.officer_id = officer.id and response.alert_id <> $9 and response.deleted_at is null
             and other.status in ('OPEN', 'ACKNOWLEDGED') and other.deleted_at is null
             -- A drill never keeps anybody from a call for help.
             and (not other.drill or $10::boolean)
             and (response.status in ('ACKNOWLEDGED', 'ON_THE_WAY', 'ON_SCENE')
                  or response.status = 'ASSIGNED' and response.received_at > now() - $11::interval)) as engaged
from installation
join session on session.id = installation.session_id
            and session.revoked_at is null and session.expires_at > now()
join device on device.id = session.device_id and device.revoked_at is null
join officer on officer.id = session.officer_id and officer.active
left join officer_state state on state.officer_id = officer.id
left join sos_recipient ledger on ledger.step_id = $1 and ledger.installation_id = installation.id
{JOIN_REACH}
where installation.retired_at is null
  -- As an array, so that it begins with these few and not with all phones of the country.
  and session.officer_id = any (array(select id from called))
  and officer.id is distinct from $5
  -- A silent alert must not show on the phone that raised it, whoever else is signed in there.
  and not exists (
      select from sos_alert silent join sos_event raised on raised.alert_id = silent.id and raised.kind = 'RAISED'
      where silent.id = $9 and silent.silent and raised.device_id = session.device_id)
  and case $2
      when 'ON_DUTY' then coalesce(state.on_duty, false)
      when 'NEIGHBOURS' then
          officer.role = 'SUPERVISOR' and $8::jsonb ->> 'who' in ('SUPERVISORS', 'BOTH')
          or coalesce(state.on_duty, false) and $8::jsonb ->> 'who' in ('ON_DUTY', 'BOTH')
      else true
      end
"""  # noqa: S608  # both are constants of this house
"""The phones that a step could call, given the step, its target, the alert's scope and station, who raised it, where
(degrees, or none), the step's options, the alert, whether it is a drill, and how long an assignment waits for its answer.

Of its own station these are the officers, and guests who were assigned the scope, a zone around it, or the station.
"""
