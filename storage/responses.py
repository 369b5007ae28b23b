"""What each officer does about a call for help, and the one log of everything that happened to it."""

from __future__ import annotations

from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import CheckConstraint, Index, UniqueConstraint, text
from sqlalchemy.dialects.postgresql import JSONB
from sqlmodel import Field

from storage.base import Kept, Synced, known, synced_index
from storage.vocabulary import ResponseStatus


class SosResponse(Synced, table=True):
    """What one officer does about one alert. Triggers keep it in its alert's scope.

    `changed_at`, `captured_at_raw`, `received_at` and `time_suspect` are of the last change; each state also keeps the time
    at which it was first reached. One of an alert's responders leads: the first who acknowledged.
    """

    __tablename__ = "sos_response"
    __table_args__ = (
        synced_index("sos_response"),
        UniqueConstraint("alert_id", "officer_id"),
        Index("sos_response_lead_key", "alert_id", unique=True, postgresql_where=text("lead")),
        Index("sos_response_officer_idx", "officer_id", "updated_at"),
        Index(
            "sos_response_engaged_idx",
            "officer_id",
            postgresql_where=text(
                "status in ('ASSIGNED', 'ACKNOWLEDGED', 'ON_THE_WAY', 'ON_SCENE')"
            ),
        ),
        known("status", ResponseStatus),
        CheckConstraint("length(reason) between 1 and 2000", name="reason"),
        CheckConstraint(
            "not lead or status in ('ACKNOWLEDGED', 'ON_THE_WAY', 'ON_SCENE')", name="lead"
        ),
    )

    alert_id: UUID = Field(foreign_key="sos_alert.id")
    officer_id: UUID = Field(foreign_key="officer.id")
    status: str
    lead: bool = Field(default=False, sa_column_kwargs={"server_default": text("false")})
    assigned_by: UUID | None = Field(default=None, foreign_key="officer.id")
    reason: str | None = None
    changed_at: datetime
    captured_at_raw: str
    received_at: datetime
    time_suspect: bool = Field(default=False, sa_column_kwargs={"server_default": text("false")})
    assigned_at: datetime | None = None
    acknowledged_at: datetime | None = None
    on_the_way_at: datetime | None = None
    on_scene_at: datetime | None = None
    declined_at: datetime | None = None
    stood_down_at: datetime | None = None


class SosEvent(Kept, table=True):
    """Something that happened to an alert, by the clock of who did it (`at`, as far as it can be true) and by ours.

    Only ever added to; a trigger lets nothing but the scope change, which follows the alert. `kind` is a member of
    `AlertEventKind`, of which the database checks the form only.
    """

    __tablename__ = "sos_event"
    __table_args__ = (
        Index("sos_event_alert_idx", "alert_id", "at", "id"),
        CheckConstraint("kind ~ '^[A-Z_]+$'", name="kind"),
    )

    alert_id: UUID = Field(foreign_key="sos_alert.id")
    scope_id: UUID
    kind: str
    at: datetime
    captured_at_raw: str | None = None
    received_at: datetime
    time_suspect: bool = Field(default=False, sa_column_kwargs={"server_default": text("false")})
    officer_id: UUID | None = Field(default=None, foreign_key="officer.id")
    device_id: UUID | None = Field(default=None, foreign_key="device.id")
    installation_id: UUID | None = Field(default=None, foreign_key="installation.id")
    step_id: UUID | None = Field(default=None, foreign_key="sos_step.id")
    detail: dict[str, Any] = Field(sa_type=JSONB, sa_column_kwargs={"server_default": text("'{}'")})


INSERT_EVENTS = """
insert into sos_event (
    id, alert_id, scope_id, kind, at, captured_at_raw, received_at, time_suspect, officer_id, device_id,
    installation_id, step_id, detail)
select r.id, r.alert_id, alert.scope_id, r.kind, r.at, r.captured_at_raw, r.received_at, r.time_suspect, r.officer_id,
       r.device_id, r.installation_id, r.step_id, r.detail
from jsonb_to_recordset($1::jsonb) as r (
    id uuid, alert_id uuid, kind text, at timestamptz, captured_at_raw text, received_at timestamptz,
    time_suspect boolean, officer_id uuid, device_id uuid, installation_id uuid, step_id uuid, detail jsonb)
join sos_alert alert on alert.id = r.alert_id
"""
"""Adds what happened to alerts, in the scope that each is in."""

LOCK_ANSWERED = "select id from sos_alert where id = any ($1::uuid[]) order by id for update"
"""Lets those who answer alerts come one after the other; locked in the order of their ids."""

READ_ANSWERED = """
select alert.id, alert.scope_id, alert.status, alert.deleted_at, alert.rev, alert.drill, alert.acknowledged_by,
       alert.officer_id is not distinct from $2
       or exists (select from sos_recipient where alert_id = alert.id and officer_id = $2)
       or response.id is not null as concerns,
       response.status as response, response.lead, response.rev as response_rev,
       response.changed_at, response.time_suspect, alert.officer_id is not distinct from $2 as raised
from sos_alert alert
left join sos_response response on response.alert_id = alert.id and response.officer_id = $2
     and response.deleted_at is null
where alert.id = any ($1::uuid[])
"""
"""Alerts, whether they concern an officer or are his own, and what he does about them.

Read after they were locked: a statement that waits for a lock sees the alert as it is then, but everything else, such as
who leads, as it was before."""

KEEP_RESPONSES = """
insert into sos_response as kept (
    id, scope_id, alert_id, officer_id, status, lead, assigned_by, reason, changed_at, captured_at_raw, received_at,
    time_suspect, assigned_at, acknowledged_at, on_the_way_at, on_scene_at, declined_at, stood_down_at)
select r.id, r.scope_id, r.alert_id, r.officer_id, r.status, r.lead, r.assigned_by, r.reason, r.at, r.captured_at_raw,
       now(), r.time_suspect,
       case r.status when 'ASSIGNED' then r.at end,
       -- Whoever sets out or arrives has heard it, also where nothing else was told.
       case when r.status in ('ACKNOWLEDGED', 'ON_THE_WAY', 'ON_SCENE') then r.at end,
       case r.status when 'ON_THE_WAY' then r.at end, case r.status when 'ON_SCENE' then r.at end,
       case r.status when 'DECLINED' then r.at end, case r.status when 'STOOD_DOWN' then r.at end
from jsonb_to_recordset($1::jsonb) as r (
    id uuid, scope_id uuid, alert_id uuid, officer_id uuid, status text, lead boolean, assigned_by uuid, reason text,
    at timestamptz, captured_at_raw text, time_suspect boolean)
on conflict (alert_id, officer_id) do update
set status = excluded.status, lead = excluded.lead, reason = excluded.reason,
    assigned_by = case excluded.status when 'ASSIGNED' then excluded.assigned_by else kept.assigned_by end,
    changed_at = excluded.changed_at, captured_at_raw = excluded.captured_at_raw,
    received_at = excluded.received_at, time_suspect = excluded.time_suspect,
    assigned_at = case excluded.status when 'ASSIGNED' then excluded.changed_at else kept.assigned_at end,
    acknowledged_at = coalesce(kept.acknowledged_at, excluded.acknowledged_at),
    on_the_way_at = coalesce(kept.on_the_way_at, excluded.on_the_way_at),
    on_scene_at = coalesce(kept.on_scene_at, excluded.on_scene_at),
    declined_at = coalesce(excluded.declined_at, kept.declined_at),
    stood_down_at = coalesce(excluded.stood_down_at, kept.stood_down_at)
returning alert_id, officer_id, id, rev
"""
"""Keeps what officers do about alerts; of the states on the way to a scene the first time counts.

They are received by the clock by which it is judged whether somebody still has time."""

KEEP_HISTORY = """
update sos_response kept
set acknowledged_at = case when r.status = 'ACKNOWLEDGED' then least(kept.acknowledged_at, r.at) else kept.acknowledged_at end,
    on_the_way_at = case when r.status = 'ON_THE_WAY' then least(kept.on_the_way_at, r.at) else kept.on_the_way_at end,
    on_scene_at = case when r.status = 'ON_SCENE' then least(kept.on_scene_at, r.at) else kept.on_scene_at end
from jsonb_to_recordset($1::jsonb) as r (alert_id uuid, officer_id uuid, status text, at timestamptz)
where kept.alert_id = r.alert_id and kept.officer_id = r.officer_id
"""
"""Keeps when officers did what they are beyond already."""

RENEW_RESPONSES = """
update sos_response kept
set changed_at = r.at, captured_at_raw = r.captured_at_raw, received_at = now(), time_suspect = r.time_suspect
from jsonb_to_recordset($1::jsonb) as r (
    alert_id uuid, officer_id uuid, at timestamptz, captured_at_raw text, time_suspect boolean)
where kept.alert_id = r.alert_id and kept.officer_id = r.officer_id
"""
"""Officers say again that they come: their time is counted anew."""

END_LEADS = """
update sos_response set lead = false where alert_id = any ($1::uuid[]) and lead
"""
"""Nobody leads these alerts any more."""

NEXT_LEADS = """
select distinct on (alert_id) alert_id, officer_id
from sos_response
where alert_id = any ($1::uuid[]) and status in ('ACKNOWLEDGED', 'ON_THE_WAY', 'ON_SCENE') and deleted_at is null
order by alert_id, status = 'ON_SCENE' desc, status = 'ON_THE_WAY' desc, acknowledged_at nulls last, id
"""
"""Who leads alerts when their lead has left: who is nearest to being there, then who answered first."""

NAME_LEADS = """
with named as (
    update sos_response set lead = true from jsonb_to_recordset($1::jsonb) as r (alert_id uuid, officer_id uuid)
    where sos_response.alert_id = r.alert_id and sos_response.officer_id = r.officer_id
    returning sos_response.alert_id, sos_response.officer_id
)
update sos_alert set acknowledged_by = named.officer_id from named where sos_alert.id = named.alert_id
returning sos_alert.id, sos_alert.rev
"""
"""Gives alerts the officers who lead them from now on."""
