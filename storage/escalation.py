"""Each station's rules of whom a call for help reaches and when, and by when somebody must have done what he said."""

from __future__ import annotations

from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import CheckConstraint, Index, UniqueConstraint, text
from sqlalchemy.dialects.postgresql import JSONB
from sqlmodel import Field

from storage.base import Kept, known
from storage.vocabulary import DeadlineKind, DeadlineOutcome


class EscalationPolicy(Kept, table=True):
    """One version of a station's policy. It is never changed: a new version is a new row, and alerts name theirs."""

    __tablename__ = "escalation_policy"
    __table_args__ = (
        UniqueConstraint("station_id", "version"),
        CheckConstraint("version > 0", name="version"),
        CheckConstraint("length(reason) <= 1000", name="reason"),
    )

    station_id: UUID = Field(foreign_key="station.id")
    version: int
    content: dict[str, Any] = Field(sa_type=JSONB)
    set_by: str
    reason: str = Field(default="", sa_column_kwargs={"server_default": text("''")})


class SosDeadline(Kept, table=True):
    """By when an alert must be looked at again: that nobody calls for it, or that somebody said he would go, is not yet
    help. At most one of a kind waits for an alert."""

    __tablename__ = "sos_deadline"
    __table_args__ = (
        known("kind", DeadlineKind),
        known("outcome", DeadlineOutcome, optional=True),
        CheckConstraint("(done_at is null) = (outcome is null)", name="done_at"),
        Index(
            "sos_deadline_waiting_key",
            "alert_id",
            "kind",
            unique=True,
            postgresql_where=text("done_at is null"),
        ),
        Index("sos_deadline_due_idx", "due_at", postgresql_where=text("done_at is null")),
    )

    alert_id: UUID = Field(foreign_key="sos_alert.id", index=True)
    kind: str
    due_at: datetime
    done_at: datetime | None = None
    outcome: str | None = None


LOCK_POLICY = (
    "select pg_advisory_xact_lock(hashtextextended('escalation policy ' || $1::uuid::text, 0))"
)
"""Lets two who set the policy of one station come one after the other."""

READ_POLICY = """
select id, station_id, version, content, set_by, reason, created_at from escalation_policy
where station_id = $1 and ($2::int is null or version = $2) order by version desc limit 1
"""
"""A version of a station's policy, by default the one in force."""

STORED_POLICIES = """
select id, version, content, set_by, reason, created_at from escalation_policy
where station_id = $1 order by version desc limit $2
"""
"""The versions of a station's policy, the newest first."""

INSERT_POLICY = """
insert into escalation_policy (id, station_id, version, content, set_by, reason)
values ($1, $2, $3, $4::jsonb, $5, $6)
"""
"""Keeps a new version of a station's policy."""

COUNT_STAFF = """
select count(*) filter (where active) as staff,
       count(*) filter (where active and role = 'SUPERVISOR') as supervisors
from officer where station_id = $1
"""
"""How many people a station has whom its policy could reach."""

READ_FROZEN_POLICIES = """
select alert.id, alert.severity, alert.drill, alert.policy_version as version, policy.content
from sos_alert alert
left join escalation_policy policy
    on policy.station_id = alert.station_id and policy.version = alert.policy_version
where alert.id = any ($1::uuid[])
"""
"""The policies that alerts were raised under, where no content is the built-in one, and how much they press."""

LOCK_CHAIN = "select status, drill, severity from sos_alert where id = $1 for no key update"
"""Lets whatever ends steps of one alert, answers it or looks after its deadlines come one after the other."""

STEPS_LEFT = (
    "select count(*) from sos_step where alert_id = $1 and done_at is null and deleted_at is null"
)
"""How many steps of an alert are still to be run."""

NEXT_STEP = """
update sos_step set due_at = least(due_at, now())
where id = (select id from sos_step where alert_id = $1 and done_at is null order by number limit 1)
returning id
"""
"""Makes the next step that is left due now."""

POSTPONE_STEPS = """
update sos_step set due_at = $2 where alert_id = $1 and done_at is null and due_at < $2
"""
"""Lets no step of an alert begin before a time."""

ARM_DEADLINES = """
insert into sos_deadline as waiting (id, alert_id, kind, due_at)
select r.id, r.alert_id, r.kind, r.due_at
from jsonb_to_recordset($1::jsonb) as r (id uuid, alert_id uuid, kind text, due_at timestamptz)
order by r.alert_id, r.kind
on conflict (alert_id, kind) where done_at is null do update set due_at = excluded.due_at
returning id, alert_id, kind
"""
"""By when alerts are to be looked at; what waited of the same kind waits until then instead."""

POSTPONE_DEADLINE = """
update sos_deadline set due_at = $3 where alert_id = $1 and kind = $2 and done_at is null and due_at < $3
returning id
"""
"""Lets a deadline that waits not end before a time."""

READ_DEADLINE = """
select alert_id, kind, done_at, extract(epoch from due_at - now())::float8 as due_in from sos_deadline where id = $1
"""
"""A deadline and in how many seconds it is due."""

END_DEADLINE = (
    "update sos_deadline set done_at = now(), outcome = $2 where id = $1 and done_at is null"
)
"""Ends a deadline."""

END_DEADLINES = """
update sos_deadline set done_at = now(), outcome = 'NOT_NEEDED' where alert_id = any ($1::uuid[]) and done_at is null
"""
"""Ends what waits for alerts whose chain begins anew."""

READ_CARE = """
select alert.id, alert.scope_id, alert.status, alert.drill, alert.severity, alert.acknowledged_by, policy.content,
       now() as now,
       (select coalesce(jsonb_agg(jsonb_build_object(
            'officer', response.officer_id, 'status', response.status, 'since', response.received_at)
            order by response.id), '[]')
        from sos_response response
        where response.alert_id = alert.id and response.deleted_at is null
          and response.status in ('ASSIGNED', 'ACKNOWLEDGED', 'ON_THE_WAY', 'ON_SCENE'))::text as responses
from sos_alert alert
left join escalation_policy policy
    on policy.station_id = alert.station_id and policy.version = alert.policy_version
where alert.id = any ($1::uuid[]) and alert.deleted_at is null
"""
"""Alerts with who takes care of them, since when we know it, and the policy that says how long that is believed."""

ROUND_REACHED = """
select exists (
    select from sos_step where alert_id = $1 and round = $2 and outcome = 'CALLED'
      and number > (select coalesce(max(number), 0) from sos_step where alert_id = $1 and outcome = 'REPLACED'))
"""
"""Whether a round of an alert's running escalation reached anybody."""
