"""How SOS posts fare: what they say of themselves, when they fall silent, and what people ordered about them."""

from __future__ import annotations

INSERT_POST_EVENTS = """
insert into sos_post_event (id, post_id, scope_id, kind, at, principal, detail)
select r.id, r.post_id, post.scope_id, r.kind, r.at, access.principal(), r.detail
from jsonb_to_recordset($1::jsonb) as r (id uuid, post_id uuid, kind text, at timestamptz, detail jsonb)
join sos_post post on post.id = r.post_id
"""
"""Adds to the log of posts, with who acts."""

MARK_TESTED = """
with disarmed as (
    update sos_post_setting
    -- Whoever tests presses more than once: what follows within seconds still belongs to the test.
    set test_armed_until = least(test_armed_until, $2::timestamptz + interval '10 seconds')
    where post_id = $1 and test_armed_until is not null
)
update sos_post_state set last_test_at = $2, overdue_told_at = null where post_id = $1
"""
"""Says that a post was tested."""

KEEP_BEAT = """
insert into sos_post_state as state (
    post_id, scope_id, last_seen_at, last_beat_at, button, pressed_since, power, battery_percent, tampered)
select id, scope_id, $2::timestamptz, $2::timestamptz, $3::text, case when $3::text = 'PRESSED' then $2::timestamptz end, $4, $5, $6
from sos_post where id = $1 and deleted_at is null
on conflict (post_id) do update
set last_seen_at = greatest(state.last_seen_at, excluded.last_seen_at),
    last_beat_at = greatest(state.last_beat_at, excluded.last_beat_at),
    scope_id = excluded.scope_id,
    button = coalesce(excluded.button, state.button),
    pressed_since = case when excluded.button is null then state.pressed_since
                         when excluded.button = 'PRESSED' then coalesce(state.pressed_since, excluded.pressed_since)
                    end,
    power = coalesce(excluded.power, state.power),
    battery_percent = coalesce(excluded.battery_percent, state.battery_percent),
    tampered = coalesce(excluded.tampered, state.tampered)
returning post_id
"""
"""Keeps what a post says of itself; what it leaves out stays as it was."""

TAKES_GET = "select coalesce((select get_allowed from sos_post_setting where post_id = $1), false)"
"""Whether a post may raise an alarm by GET."""

SET_POST = """
insert into sos_post_setting as setting (post_id, get_allowed, heartbeat_seconds, watched_from, test_days)
select id, coalesce($2, false), coalesce($3, 60), case when $3::integer is not null then now() end, coalesce($4, 30)
from sos_post where id = $1 and deleted_at is null
on conflict (post_id) do update
set updated_at = now(), get_allowed = coalesce($2, setting.get_allowed),
    heartbeat_seconds = coalesce($3, setting.heartbeat_seconds),
    -- Whoever says how often a pole speaks wants to be told when it does not.
    watched_from = coalesce(setting.watched_from, excluded.watched_from),
    test_days = coalesce($4, setting.test_days)
returning get_allowed, heartbeat_seconds, test_days
"""
"""Changes how a post is served; what is null stays."""

ARM_TEST = """
insert into sos_post_setting as setting (post_id, test_armed_until)
select id, $2 from sos_post where id = $1 and deleted_at is null
on conflict (post_id) do update set test_armed_until = excluded.test_armed_until, updated_at = now()
returning post_id
"""
"""Makes the next press of a post until then a test."""

NEXT_QR = """
insert into sos_post_setting as setting (post_id, qr_version)
select id, 2 from sos_post where id = $1 and deleted_at is null
on conflict (post_id) do update set qr_version = setting.qr_version + 1, updated_at = now()
returning qr_version
"""
"""Makes the codes of a post that hang about worthless."""

READ_QR_POST = """
select post.id, post.code, post.station_id, post.scope_id, post.zone_id, post.name, post.name_th, post.latitude,
       post.longitude, coalesce(setting.qr_version, 1) as qr_version, station.name as station_name,
       station.name_th as station_name_th
from sos_post post
join station on station.id = post.station_id
left join sos_post_setting setting on setting.post_id = post.id
where post.id = $1 and post.deleted_at is null
"""
"""A post as the page of its code shows it."""

REPLACE_MUTE = """
update sos_post_mute set ended_at = least(until, $2), ended_by = access.principal()
where post_id = $1 and ended_at is null
"""
"""Ends the mute in whose place a new one comes."""

MUTE_POST = """
insert into sos_post_mute (id, post_id, scope_id, reason, muted_by, until)
select $1, post.id, post.scope_id, $3, access.principal(), $4
from sos_post post where post.id = $2 and post.deleted_at is null
returning scope_id
"""
"""Mutes a post."""

END_MUTE = """
update sos_post_mute set ended_at = $2, ended_by = access.principal()
where post_id = $1 and ended_at is null and until > $2
returning id, scope_id, presses
"""
"""Ends a post's mute before its time."""

END_EXPIRED_MUTES = """
update sos_post_mute set ended_at = until, ended_by = access.principal()
from sos_post post
where post.id = post_id and ended_at is null and until <= $1
returning post_id, post.station_id, post.code, post.name, post.name_th, presses
"""
"""Ends the mutes whose time is over."""

KEEP_STATES = """
insert into sos_post_state (post_id, scope_id)
select id, scope_id from sos_post where deleted_at is null on conflict (post_id) do nothing
"""
"""Gives every post a row in which its troubles can be kept, also one that was never heard of."""

JUDGE_POSTS = """
with judged as (
    select state.post_id, post.station_id, post.code, post.name, post.name_th,
           state.silent_since is not null as was_silent, state.stuck_since is not null as was_stuck,
           state.power_lost_since is not null as was_powerless, state.tampered_since is not null as was_tampered,
           (state.last_beat_at is not null or setting.watched_from is not null)
               and greatest(state.last_seen_at, setting.watched_from)
                   < $1::timestamptz - 3 * make_interval(secs => coalesce(setting.heartbeat_seconds, 60)) as silent,
           coalesce(state.button = 'FAULT' or (state.button = 'PRESSED' and state.pressed_since < $1::timestamptz - $2::interval),
                    false)
               or (select count(*) from (
                       select from sos_post_press press
                       where press.post_id = post.id and coalesce(press.press_id not like 'citizen %', true)
                         and press.pressed_at > $1::timestamptz - interval '10 minutes' limit $3::integer
                   ) as one) >= $3::integer as stuck,
           coalesce(state.power in ('BATTERY', 'LOST') or state.battery_percent <= $4::integer, false) as powerless,
           coalesce(state.tampered, false) as tampered,
           greatest(state.last_test_at, post.created_at)
               < $1::timestamptz - make_interval(days => coalesce(setting.test_days, 30)) as overdue,
           coalesce(state.overdue_told_at < $1::timestamptz - interval '7 days', true) as overdue_untold
    from sos_post post
    join sos_post_state state on state.post_id = post.id
    left join sos_post_setting setting on setting.post_id = post.id
    where post.deleted_at is null
)
update sos_post_state state
set silent_since = case when judged.silent then coalesce(state.silent_since, $1::timestamptz) end,
    stuck_since = case when judged.stuck then coalesce(state.stuck_since, $1::timestamptz) end,
    power_lost_since = case when judged.powerless then coalesce(state.power_lost_since, $1::timestamptz) end,
    tampered_since = case when judged.tampered then coalesce(state.tampered_since, $1::timestamptz) end,
    overdue_told_at = case when not judged.overdue then null
                           when judged.overdue_untold then $1::timestamptz else state.overdue_told_at end
from judged
where judged.post_id = state.post_id
  and (judged.silent <> judged.was_silent or judged.stuck <> judged.was_stuck
       or judged.powerless <> judged.was_powerless or judged.tampered <> judged.was_tampered
       or (judged.overdue and judged.overdue_untold))
returning judged.*, state.last_seen_at
"""
"""Finds the posts whose troubles began or ended, and writes that down, so that each is told once.

Given the time, how long a button may be pressed, how many presses in ten minutes are too many, and the lowest charge.
"""

COUNT_TROUBLES = """
select count(*) filter (where state.silent_since is not null) as silent,
       count(*) filter (where state.stuck_since is not null) as stuck,
       count(*) filter (where state.power_lost_since is not null) as powerless,
       count(*) filter (where state.tampered_since is not null) as tampered,
       count(*) filter (where state.overdue_told_at is not null) as untested,
       count(*) filter (where exists (
           select from sos_post_mute mute
           where mute.post_id = post.id and mute.ended_at is null and mute.until > now())) as muted,
       (select count(*) from sos_alert
        where drill and status in ('OPEN', 'ACKNOWLEDGED') and deleted_at is null) as drills
from sos_post post join sos_post_state state on state.post_id = post.id
where post.deleted_at is null
"""
"""How many posts are in trouble, by kind, and how many drills are under way."""

STORED_HEALTH = """
select post.id, post.code, post.name, post.name_th, state.last_seen_at, state.silent_since, state.stuck_since,
       state.power, state.battery_percent, state.tampered_since, mute.until as muted_until, mute.reason as mute_reason,
       mute.presses as muted_presses, coalesce(setting.get_allowed, false) as get_allowed,
       coalesce(setting.heartbeat_seconds, 60) as heartbeat_seconds, state.last_test_at,
       greatest(state.last_test_at, post.created_at)
           + make_interval(days => coalesce(setting.test_days, 30)) as test_due_at
from sos_post post
left join sos_post_state state on state.post_id = post.id
left join sos_post_setting setting on setting.post_id = post.id
left join sos_post_mute mute on mute.post_id = post.id and mute.ended_at is null and mute.until > now()
where post.station_id = $1 and post.deleted_at is null order by post.code
"""
"""The posts of a station, how they fare and how they are served, by code."""

READ_POST_STATION = "select station_id from sos_post where id = $1 and deleted_at is null"
"""Whose post it is."""
