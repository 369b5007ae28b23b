"""What happens at an SOS post in the moments when somebody stands before it: presses, mutes, and the state of its lamp."""

from __future__ import annotations

LAMP = """case alert.status
    when 'ACKNOWLEDGED' then coalesce((
        select case when bool_or(response.status = 'ON_SCENE') then 'ON_SCENE'
                    when bool_or(response.status = 'ON_THE_WAY') then 'ON_THE_WAY' end
        from sos_response response where response.alert_id = alert.id and response.deleted_at is null), 'ACKNOWLEDGED')
    else alert.status end"""
"""How far the help for an alert has come, as far as the one who waits for it need know."""

READ_PRESSED_POST = """
select sos_post.station_id, sos_post.scope_id, sos_post.zone_id, sos_post.latitude, sos_post.longitude,
       mute.id as mute_id, coalesce(setting.test_armed_until > $3, false) as armed,
       exists (select from sos_alert
               where post_id = $1 and not drill and status in ('OPEN', 'ACKNOWLEDGED') and deleted_at is null)
           as in_earnest,
       (select count(*) from (
           select from sos_post_press where post_id = $1 and pressed_at > $3 - interval '10 minutes' limit 200
       ) as one) as recent,
       press.id is not null or coalesce(state.last_press_id = $2, false) as told,
       alert.id as told_alert_id, alert.status as told_status, {LAMP} as told_lamp,
       coalesce(press.joined, state.last_press_joined) as told_joined,
       coalesce(press.muted, false) as told_muted, coalesce(alert.drill, false) as told_drill
from sos_post
join sos_post_state state on state.post_id = sos_post.id
left join sos_post_setting setting on setting.post_id = sos_post.id
left join sos_post_mute mute on mute.post_id = sos_post.id and mute.ended_at is null and mute.until > $3
left join sos_post_press press on press.post_id = sos_post.id and press.press_id = $2
left join sos_alert alert
    on alert.id = case when press.id is not null then press.alert_id
                       when state.last_press_id = $2 then state.last_press_alert_id end
where sos_post.id = $1
""".replace("{LAMP}", LAMP)
"""A post as a press finds it, and, when the press was here before, what it was told then."""

KEEP_PRESS = """
insert into sos_post_press (id, post_id, scope_id, press_id, alert_id, joined, drill, muted, pressed_at)
values ($1, $2, $3, $4, $5, $6, $7, $8, $9) on conflict do nothing
"""
"""Keeps one press."""

COUNT_MUTED = "update sos_post_mute set presses = presses + 1, last_press_at = $2 where id = $1"
"""Counts a press that calls nobody."""

READ_LAMP = """
select alert.id, alert.drill, {LAMP} as state
from sos_alert alert
where alert.post_id = $1 and alert.deleted_at is null
  and (alert.id = $2 or ($2::uuid is null and alert.status in ('OPEN', 'ACKNOWLEDGED')))
order by alert.drill, alert.id limit 1
""".replace("{LAMP}", LAMP)
"""How far the help for a post's unfinished alert has come, or for one that is named; a drill is shown last."""
