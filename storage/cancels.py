"""Wishes that a call for help was none: kept from the first, also when they are here before their alert."""

from __future__ import annotations

LOCK_ALERT_IDS = """
select pg_advisory_xact_lock(hashtextextended('sos alert ' || id, 0)) from (
    select id from unnest($1::uuid[]) as given (id) order by id) as sorted
"""
"""Lets an alert and a cancel of it come one after the other, whichever is here first."""

KEEP_CANCELS = """
insert into sos_cancel (id, alert_id, officer_id, device_id, asked_at, captured_at_raw, received_at, time_suspect)
select r.id, r.alert_id, r.officer_id, r.device_id, r.at, r.captured_at_raw, r.received_at, r.time_suspect
from jsonb_to_recordset($1::jsonb) as r (
    id uuid, alert_id uuid, officer_id uuid, device_id uuid, at timestamptz, captured_at_raw text,
    received_at timestamptz, time_suspect boolean)
on conflict (alert_id, officer_id) do nothing
"""
"""Keeps wishes to cancel; an officer's first one for an alert is the one that counts."""

READ_CANCELS = """
select alert_id, officer_id, device_id, asked_at, captured_at_raw, received_at, time_suspect, applied_at
from sos_cancel where alert_id = any ($1::uuid[]) order by id
"""
"""Every wish to cancel one of these alerts, as they came."""

MARK_APPLIED = """
update sos_cancel set applied_at = $2 where alert_id = any ($1::uuid[]) and applied_at is null
"""
"""Says that wishes did what they could."""

READ_FOR_CANCEL = """
select id, scope_id, status, officer_id, raised_at, time_suspect, cancel_asked_by, deleted_at, rev,
       officer_id is not distinct from $2
       or exists (select from sos_recipient where alert_id = sos_alert.id and officer_id = $2)
       or exists (select from sos_response where alert_id = sos_alert.id and officer_id = $2) as concerns
from sos_alert where id = any ($1::uuid[]) order by id for update
"""
"""Alerts that somebody wants to cancel, and whether he has to do with them; locked in the order of their ids."""

APPLY_CANCELS = """
update sos_alert alert
set status = case when r.cancelled then 'CANCELLED' else alert.status end,
    closed_at = case when r.cancelled then r.at else alert.closed_at end,
    cancel_asked_by = coalesce(alert.cancel_asked_by, r.asked_by),
    cancel_asked_at = coalesce(alert.cancel_asked_at, r.asked_at)
from jsonb_to_recordset($1::jsonb) as r (
    id uuid, cancelled boolean, at timestamptz, asked_by uuid, asked_at timestamptz)
where alert.id = r.id
returning alert.id, alert.status, alert.rev
"""
"""Cancels alerts, or writes down who asked for it."""
