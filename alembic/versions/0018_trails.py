"""Shows where the raiser of an alert and those who go there are, to whoever sees the alert, for as long as it matters."""

from __future__ import annotations

from alembic import op

from storage.migrations import run_script

revision = "0018"
down_revision = "0017"
branch_labels = None
depends_on = None

FUNCTIONS = """
-- Whose way belongs to an alert, and from when until when. While it is unfinished whoever sees the alert sees it; later
-- only who leads its station.
create function access.alert_people(holder uuid, asked uuid)
returns table (officer_id uuid, part varchar, status varchar, lead boolean, since timestamptz, until timestamptz)
language sql stable security definer rows 10 set search_path = public, pg_temp as $$
    with alert as (
        select id, officer_id, raised_at, closed_at from sos_alert
        where id = asked and deleted_at is null
          and (station_id = any (array(select access.supervised_stations(holder)))
               or closed_at is null
                  and (scope_id = any (array(select access.officer_scopes(holder)))
                       or id = any (array(select access.called_alerts(holder)))))
    )
    select officer_id, 'RAISER', null, false, raised_at, coalesce(closed_at, 'infinity')
    from alert where officer_id is not null
    union all
    select response.officer_id, 'RESPONDER', response.status, response.lead,
           least(response.assigned_at, response.acknowledged_at, response.on_the_way_at, response.on_scene_at),
           -- Who declined once and comes all the same is on his way.
           least(case when response.status in ('DECLINED', 'STOOD_DOWN')
                 then greatest(response.declined_at, response.stood_down_at) end, alert.closed_at, 'infinity')
    from alert join sos_response response on response.alert_id = alert.id and response.deleted_at is null
    where response.officer_id is distinct from alert.officer_id
      and coalesce(response.assigned_at, response.acknowledged_at, response.on_the_way_at, response.on_scene_at)
          is not null
$$;

-- Their names, where they are now, and how old that is. A fix from before they had to do with the alert is none.
create function access.alert_whereabouts(holder uuid, asked uuid)
returns table (
    officer_id uuid, part varchar, status varchar, lead boolean, badge varchar, rank varchar, name varchar,
    name_th varchar, latitude float8, longitude float8, accuracy_m float8, fix_at timestamptz, fix_suspect boolean)
language sql stable security definer rows 10 set search_path = public, pg_temp as $$
    select person.officer_id, person.part, person.status, person.lead, officer.badge, officer.rank, officer.name,
           officer.name_th, state.latitude, state.longitude, state.accuracy_m, state.fix_at, state.fix_suspect
    from access.alert_people(holder, asked) person
    join officer on officer.id = person.officer_id
    left join officer_state state
        on state.officer_id = person.officer_id and state.fix_at >= person.since - interval '1 hour'
           and person.until = 'infinity'
$$;

-- The newest points of their ways.
create function access.alert_trail(holder uuid, asked uuid, later_than timestamptz, most integer)
returns table (
    officer_id uuid, id uuid, at timestamptz, latitude float8, longitude float8, accuracy_m real, speed_mps real,
    heading_deg real, battery_percent smallint, time_suspect boolean)
language sql stable security definer rows 500 set search_path = public, pg_temp as $$
    select point.officer_id, point.id, point.at, point.latitude, point.longitude, point.accuracy_m, point.speed_mps,
           point.heading_deg, point.battery_percent, point.time_suspect
    from access.alert_people(holder, asked) person
    cross join lateral (
        select * from track_point
        where track_point.officer_id = person.officer_id and track_point.at between person.since and person.until
          and track_point.at > later_than
        order by track_point.at desc, track_point.id desc limit most
    ) point
    order by point.at desc, point.id desc limit most
$$;

revoke all on function access.alert_people(uuid, uuid), access.alert_whereabouts(uuid, uuid),
    access.alert_trail(uuid, uuid, timestamptz, integer) from public;
grant execute on function access.alert_whereabouts(uuid, uuid), access.alert_trail(uuid, uuid, timestamptz, integer)
    to patrol_phone;
"""

DOWN = """
drop function access.alert_trail(uuid, uuid, timestamptz, integer);
drop function access.alert_whereabouts(uuid, uuid);
drop function access.alert_people(uuid, uuid);
"""


def upgrade() -> None:
    run_script(op.get_bind(), FUNCTIONS)


def downgrade() -> None:
    run_script(op.get_bind(), DOWN)
