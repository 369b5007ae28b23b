"""Whom ordinary pushes reach: the phones of officers, of a notice's readers, of supervisors, and those that lie behind."""

from __future__ import annotations

_LIVE = """
from installation
join session on session.id = installation.session_id and session.revoked_at is null and session.expires_at > now()
join device on device.id = session.device_id and device.revoked_at is null
join officer on officer.id = session.officer_id and officer.active
"""

READ_PHONES = f"""
select installation.id, installation.kind, installation.address, officer.id as officer_id
{_LIVE}
where installation.retired_at is null and officer.id = any ($1::uuid[])
order by officer.id, installation.id
"""
"""The phones on which officers are reached."""

READ_READERS = f"""
select distinct officer.id
{_LIVE}
where installation.retired_at is null and officer.id is distinct from $2
  and $1::uuid in (select access.officer_scopes(officer.id))
"""  # noqa: S608 # our own words
"""Who of those that can be reached holds a scope, but for one."""

READ_SUPERVISORS = """
select id from officer where station_id = $1 and role = 'SUPERVISOR' and active
"""
"""The supervisors of a station."""

READ_NOTICE_PUSHED = """
select scope_id, posted_by from notice
where id = $1 and deleted_at is null and (expires_at is null or expires_at > now())
"""
"""A notice that still holds, and who is to know of it."""

ASK_TO_SYNC = f"""
insert into installation_state (installation_id, sync_asked_at)
select installation.id, now()
{_LIVE}
join officer_phone phone on phone.device_id = device.id and phone.officer_id = officer.id
left join installation_state state on state.installation_id = installation.id
where installation.retired_at is null
  and least(case when phone.sos_held > 0 then phone.sos_oldest_at end,
            case when phone.records_held > 0 then phone.records_oldest_at end,
            case when phone.tracks_held > 0 then phone.tracks_oldest_at end) < now() - $1::interval
  and phone.heard_at < now() - $2::interval
  and (state.sync_asked_at is null or state.sync_asked_at < now() - $3::interval)
on conflict (installation_id) do update set sync_asked_at = excluded.sync_asked_at
returning installation_id
"""
"""The phones that hold something older than one time, were not heard of for another, and were not asked for a third.

That they are asked is noted with it."""

READ_INSTALLATIONS = f"""
select installation.id, installation.kind, installation.address, officer.id as officer_id
{_LIVE}
where installation.retired_at is null and installation.id = any ($1::uuid[])
order by installation.id
"""
"""Phones by themselves."""
