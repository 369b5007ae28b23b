"""SOS alerts, the steps of their escalation, and what became of each person who was called."""

from __future__ import annotations

from datetime import datetime
from uuid import UUID

from sqlalchemy import CheckConstraint, Index, UniqueConstraint, text
from sqlmodel import Field

from storage.base import Kept, Synced, known, position_checks, synced_index
from storage.vocabulary import (
    AlertSource,
    AlertStatus,
    DeliveryOutcome,
    StepOutcome,
    StepTarget,
)


class SosAlert(Synced, table=True):
    """A call for help by an officer, a post's button or a citizen."""

    __tablename__ = "sos_alert"
    __table_args__ = (
        synced_index("sos_alert"),
        Index(
            "sos_alert_open_idx", "scope_id", "raised_at", postgresql_where=text("status = 'OPEN'")
        ),
        Index(
            "sos_alert_open_post_key",
            "post_id",
            unique=True,
            postgresql_where=text("status in ('OPEN', 'ACKNOWLEDGED') and deleted_at is null"),
        ),
        known("source", AlertSource),
        known("status", AlertStatus),
        *position_checks(optional=True),
        CheckConstraint("accuracy_m >= 0", name="accuracy_m"),
        CheckConstraint("(source = 'OFFICER') = (officer_id is not null)", name="officer"),
        CheckConstraint("(source = 'POST') = (post_id is not null)", name="post"),
    )

    station_id: UUID = Field(foreign_key="station.id", index=True)
    zone_id: UUID | None = Field(default=None, foreign_key="zone.id")
    source: str
    status: str
    drill: bool = Field(default=False, sa_column_kwargs={"server_default": text("false")})
    officer_id: UUID | None = Field(default=None, foreign_key="officer.id")
    post_id: UUID | None = Field(default=None, foreign_key="sos_post.id")
    latitude: float | None = None
    longitude: float | None = None
    accuracy_m: float | None = None
    raised_at: datetime
    captured_at_raw: str
    received_at: datetime
    time_suspect: bool = Field(default=False, sa_column_kwargs={"server_default": text("false")})
    presses: int = Field(default=1, sa_column_kwargs={"server_default": text("1")})
    acknowledged_by: UUID | None = Field(default=None, foreign_key="officer.id")
    acknowledged_at: datetime | None = None
    closed_at: datetime | None = None


class SosStep(Synced, table=True):
    """One step of an alert's escalation: whom to call, and when it is due. Frozen when the alert is raised.

    Triggers keep it in its alert's scope.
    """

    __tablename__ = "sos_step"
    __table_args__ = (
        synced_index("sos_step"),
        UniqueConstraint("alert_id", "number"),
        known("target", StepTarget),
        known("outcome", StepOutcome, optional=True),
        Index("sos_step_due_idx", "due_at", postgresql_where=text("done_at is null")),
    )

    alert_id: UUID = Field(foreign_key="sos_alert.id")
    number: int
    target: str
    due_at: datetime
    done_at: datetime | None = None
    outcome: str | None = None


class SosRecipient(Kept, table=True):
    """What became of one push to one installation in one step."""

    __tablename__ = "sos_recipient"
    __table_args__ = (
        UniqueConstraint("step_id", "installation_id"),
        known("outcome", DeliveryOutcome),
    )

    alert_id: UUID = Field(foreign_key="sos_alert.id", index=True)
    step_id: UUID = Field(foreign_key="sos_step.id")
    scope_id: UUID
    officer_id: UUID = Field(foreign_key="officer.id")
    installation_id: UUID = Field(foreign_key="installation.id")
    outcome: str
    reason: str | None = None
    message_id: str | None = None
    attempts: int = Field(default=1, sa_column_kwargs={"server_default": text("1")})
    attempted_at: datetime


INSERT_ALERTS = """
insert into sos_alert (
    id, scope_id, station_id, zone_id, source, status, drill, officer_id, post_id, latitude, longitude, accuracy_m,
    raised_at, captured_at_raw, received_at, time_suspect)
select r.id, r.scope_id, r.station_id, r.zone_id, r.source, 'OPEN', r.drill, r.officer_id, r.post_id, r.latitude,
       r.longitude, r.accuracy_m, r.raised_at, r.captured_at_raw, r.received_at, r.time_suspect
from jsonb_to_recordset($1::jsonb) as r (
    id uuid, scope_id uuid, station_id uuid, zone_id uuid, source text, drill boolean, officer_id uuid, post_id uuid,
    latitude float8, longitude float8, accuracy_m float8, raised_at timestamptz, captured_at_raw text,
    received_at timestamptz, time_suspect boolean)
on conflict do nothing
returning id, rev
"""
"""Adds alerts. One whose id is taken, or whose post has an unfinished alert, is left out."""

READ_STANDING = """
select id, scope_id, post_id, status, rev from sos_alert
where id = any ($1::uuid[])
   or (post_id = any ($2::uuid[]) and status in ('OPEN', 'ACKNOWLEDGED') and deleted_at is null)
"""
"""The alerts with these ids, and the unfinished ones of these posts."""

JOIN_ALERT = """
update sos_alert set presses = presses + 1
where post_id = $1 and status in ('OPEN', 'ACKNOWLEDGED') and deleted_at is null
returning id, scope_id, status, acknowledged_at,
          exists (select from sos_step where alert_id = sos_alert.id and done_at is null) as calling
"""
"""Counts one more press on a post's unfinished alert, and says whether steps of it are still to be called."""

LOCK_ALERTS = """
select id, scope_id, status, deleted_at, rev,
       officer_id is not distinct from $2
       or exists (select from sos_recipient where alert_id = sos_alert.id and officer_id = $2) as concerns
from sos_alert where id = any ($1::uuid[]) order by id for update
"""
"""Alerts, and whether an officer raised them or was called for them.

They are locked in the order of their ids, so that two who answer many never wait for each other in a circle.
"""

ANSWER_ALERTS = """
update sos_alert alert
set status = r.status,
    acknowledged_by = case r.status when 'ACKNOWLEDGED' then $2 when 'OPEN' then null
                      else alert.acknowledged_by end,
    acknowledged_at = case r.status when 'ACKNOWLEDGED' then r.at when 'OPEN' then null
                      else alert.acknowledged_at end,
    closed_at = case when r.status in ('CLOSED', 'CANCELLED') then r.at end
from jsonb_to_recordset($1::jsonb) as r (id uuid, status text, at timestamptz)
where alert.id = r.id
returning alert.id, alert.rev
"""
"""Moves alerts to their new status, answered by one officer."""

INSERT_STEPS = """
insert into sos_step (id, alert_id, scope_id, number, target, due_at)
select r.id, r.alert_id, r.scope_id, r.number, r.target, r.due_at
from jsonb_to_recordset($1::jsonb) as r (
    id uuid, alert_id uuid, scope_id uuid, number integer, target text, due_at timestamptz)
"""
"""Writes down whom to call and when."""

REPLACE_STEPS = """
update sos_step set done_at = $2, outcome = 'REPLACED' where alert_id = any ($1::uuid[]) and done_at is null
"""
"""Ends what is left of an escalation that begins anew."""

LAST_STEPS = """
select alert_id, max(number) as number, bool_or(alert.drill) as drill
from sos_step join sos_alert alert on alert.id = alert_id
where alert_id = any ($1::uuid[]) group by alert_id
"""
"""How many steps alerts had so far."""

READ_STEP = """
select step.alert_id, step.scope_id, step.number, step.target, step.done_at, alert.status, alert.station_id,
       alert.officer_id, alert.latitude, alert.longitude, alert.drill,
       array(select other.id from sos_alert other
             where other.scope_id = alert.scope_id and other.status = 'OPEN' and other.deleted_at is null
               and other.id <> alert.id
             order by other.raised_at desc limit 49) as others_open
from sos_step step join sos_alert alert on alert.id = step.alert_id
where step.id = $1
"""
"""A step with what a call must know of its alert, and the other calls for help that are open in the same scope."""

READ_CALLED = """
with recursive around (id) as (
    select $3::uuid union select $4::uuid
    union
    select zone.parent_id from around join zone on zone.id = around.id where zone.parent_id is not null
)
select installation.id as installation_id, installation.kind, installation.address, officer.id as officer_id,
       state.latitude, state.longitude, ledger.outcome, coalesce(ledger.attempts, 0) as attempts
from installation
join session on session.id = installation.session_id
            and session.revoked_at is null and session.expires_at > now()
join device on device.id = session.device_id and device.revoked_at is null
join officer on officer.id = session.officer_id and officer.active
left join officer_state state on state.officer_id = officer.id
left join sos_recipient ledger on ledger.step_id = $1 and ledger.installation_id = installation.id
where installation.retired_at is null
  and officer.id is distinct from $5
  and case $2
      when 'SUPERVISORS' then officer.role = 'SUPERVISOR' and officer.station_id = $4
      else ($2 = 'STATION' or coalesce(state.on_duty, false))
           and (officer.station_id = $4 or exists (
               select from assignment
               where assignment.officer_id = officer.id and scope_id in (select id from around)
                 and valid_from <= now() and (valid_until is null or valid_until > now())))
      end
"""
"""The phones that a step calls, given the step, its target, the alert's scope and station, and who raised it.

Besides the station's own officers these are guests who were assigned the scope, a zone around it, or the station.
"""

STORE_RECIPIENTS = """
insert into sos_recipient as kept (
    id, alert_id, step_id, scope_id, officer_id, installation_id, outcome, reason, message_id, attempted_at)
select r.id, $1, $2, $3, r.officer_id, r.installation_id, r.outcome, r.reason, r.message_id, r.at
from jsonb_to_recordset($4::jsonb) as r (
    id uuid, officer_id uuid, installation_id uuid, outcome text, reason text, message_id text, at timestamptz)
on conflict (step_id, installation_id) do update
set outcome = excluded.outcome, reason = excluded.reason, message_id = excluded.message_id,
    attempts = kept.attempts + 1, attempted_at = excluded.attempted_at
where kept.outcome <> 'ACCEPTED'
"""
"""Writes down what became of each call; what was accepted once stays so."""

RETIRE_ADDRESSES = """
update installation set retired_at = $2, retired_reason = r.reason
from jsonb_to_recordset($1::jsonb) as r (kind text, address text, reason text)
where installation.kind = r.kind and installation.address = r.address and installation.retired_at is null
"""
"""Retires addresses for every officer who shares the phone."""

STEP_REACHED = (
    "select exists (select from sos_recipient where step_id = $1 and outcome = 'ACCEPTED')"
)
"""Whether a step reached anybody."""

FINISH_STEP = "update sos_step set done_at = $2, outcome = $3 where id = $1 and done_at is null"
"""Ends a step."""

ADVANCE_STEP = """
update sos_step set due_at = least(due_at, $3)
where alert_id = $1 and number = $2 + 1 and done_at is null returning id
"""
"""Makes the next step due now."""
