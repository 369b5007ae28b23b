"""How alerts end, and what was not said of it at first."""

from __future__ import annotations

CLOSE_ALERTS = """
update sos_alert alert
set status = 'CLOSED', closed_at = r.at, resolution = r.resolution, resolution_note = r.note,
    resolution_missing = r.missing
from jsonb_to_recordset($1::jsonb) as r (id uuid, at timestamptz, resolution text, note text, missing boolean)
where alert.id = r.id
returning alert.id, alert.rev
"""
"""Closes alerts with how they ended, as far as that was said."""

RESOLVE_ALERTS = """
update sos_alert alert
set resolution = r.resolution, resolution_note = r.note, resolution_missing = r.missing
from jsonb_to_recordset($1::jsonb) as r (id uuid, resolution text, note text, missing boolean)
where alert.id = r.id
returning alert.id, alert.rev
"""
"""Says how closed alerts ended."""
