"""The ways of those who have to do with an alert, out of the tracks of their phones."""

from __future__ import annotations

READ_CONCERNED = """
select alert.id, alert.scope_id,
       alert.officer_id is not distinct from $2
       or exists (select from sos_response where alert_id = alert.id and officer_id = $2)
       or exists (select from sos_recipient where alert_id = alert.id and officer_id = $2) as concerns
from sos_alert alert where alert.id = any ($1::uuid[]) and alert.deleted_at is null
"""
"""Alerts, and whether an officer raised them, was called for them or sent to them."""

READ_WHEREABOUTS = "select * from access.alert_whereabouts($1, $2) order by part, badge"
"""Who has to do with an alert and where each is now, for an officer who may see it: its raiser first."""

READ_TRAIL = "select * from access.alert_trail($1, $2, $3, $4) order by at, id"
"""The newest points of their ways after a time, in the order of time."""

READ_ALERT_PLACE = "select latitude, longitude from sos_alert where id = $1 and deleted_at is null"
"""Where an alert was raised, for whoever may see it."""
