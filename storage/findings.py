"""What the auditor of calls for help looks for, what it found, and when it last looked."""

from __future__ import annotations

from datetime import datetime
from uuid import UUID

from sqlalchemy import CheckConstraint, Index, text
from sqlmodel import Field, SQLModel

from storage.base import Kept


class SosFinding(Kept, table=True):
    """Something that was due and did not happen. It is told again, ever more slowly, until it is so no more.

    `subject_id` is what it is about: a step, a deadline, an alert, or nil for the installation.
    """

    __tablename__ = "sos_finding"
    __table_args__ = (
        Index(
            "sos_finding_open_key",
            "kind",
            "subject_id",
            unique=True,
            postgresql_where=text("resolved_at is null"),
        ),
        CheckConstraint("kind ~ '^[A-Z_]+$'", name="kind"),
    )

    kind: str
    subject_id: UUID
    alert_id: UUID | None = Field(default=None, foreign_key="sos_alert.id", index=True)
    step_id: UUID | None = Field(default=None, foreign_key="sos_step.id")
    station_id: UUID | None = Field(default=None, foreign_key="station.id")
    seen_at: datetime
    told_at: datetime | None = None
    times_told: int = Field(default=0, sa_column_kwargs={"server_default": text("0")})
    reached: int = Field(default=0, sa_column_kwargs={"server_default": text("0")})
    repaired: bool = Field(default=False, sa_column_kwargs={"server_default": text("false")})
    resolved_at: datetime | None = None


class SosAudit(SQLModel, table=True):
    """One row: when calls were last audited, when all was last well, and what stood open then."""

    __tablename__ = "sos_audit"
    __table_args__ = (CheckConstraint("slot = 1", name="slot"),)

    slot: int = Field(
        default=1,
        primary_key=True,
        sa_column_kwargs={"server_default": text("1"), "autoincrement": False},
    )
    looked_at: datetime | None = None
    well_at: datetime | None = None
    findings: int = Field(default=0, sa_column_kwargs={"server_default": text("0")})


TRY_TURN = "select pg_try_advisory_lock(hashtextextended('patrol auditor', 0))"
"""Whether no other process audits now; the lock is the session's."""

END_TURN = "select pg_advisory_unlock(hashtextextended('patrol auditor', 0))"
"""Lets another process audit."""

TAKE_TURN = """
update sos_audit set looked_at = now()
where slot = 1 and (looked_at is null or looked_at <= now() - $1::interval or looked_at > now()) returning slot
"""
"""Takes the turn when the last one is long enough ago, or lies in the future because a clock was put right."""

END_ROUND = """
update sos_audit set looked_at = now(), findings = $1, well_at = case when $2 then now() else well_at end where slot = 1
"""
"""Says how a round ended."""

MOVE_BACK = """
with ahead as (
    select id, received_at - now() as by from sos_alert
    where status in ('OPEN', 'ACKNOWLEDGED') and deleted_at is null and received_at > now() + $1::interval
), alerts as (
    update sos_alert alert set received_at = now() from ahead where alert.id = ahead.id
    returning alert.id, alert.station_id, ahead.by
), steps as (
    update sos_step step set due_at = step.due_at - alerts.by from alerts
    where step.alert_id = alerts.id and step.done_at is null returning step.id, alerts.by
), deadlines as (
    update sos_deadline deadline set due_at = deadline.due_at - alerts.by from alerts
    where deadline.alert_id = alerts.id and deadline.done_at is null returning deadline.id
)
select id, station_id from alerts
"""
"""Moves alerts that were received in the future, with all that is due for them, to now."""

RETIME_JOBS = """
update pgqueuer job set execute_after = greatest(due.due_at, now()), updated = now()
from (
    select 'call_step ' || id as key, due_at from sos_step where alert_id = any ($1::uuid[]) and done_at is null
    union all
    select 'meet_deadline ' || id, due_at from sos_deadline where alert_id = any ($1::uuid[]) and done_at is null
) due
where job.status = 'queued' and starts_with(job.dedupe_key, due.key)
"""
"""Lets the jobs of alerts wait for the times of what they run."""

RETIME_TURNS = """
update job_schedule set due_at = now() where due_at > now() + every + interval '1 minute' returning name
"""
"""Brings turns back that a clock which was put right left in the future."""

STEPS_WITHOUT_JOB = """
select step.id, alert.id as alert_id, alert.station_id, alert.severity, alert.drill,
       greatest(step.due_at - now(), interval '0') as after
from sos_step step join sos_alert alert on alert.id = step.alert_id
where step.done_at is null and alert.status = 'OPEN' and alert.deleted_at is null
  and not exists (
      select from pgqueuer job
      where job.dedupe_key in ('call_step ' || step.id, 'call_step ' || step.id || ' (next)')
        and job.status in ('queued', 'picked'))
order by step.id
"""
"""Steps that nobody is going to run, and how long until each is due."""

DEADLINES_WITHOUT_JOB = """
select deadline.id, alert.id as alert_id, alert.station_id, alert.severity, alert.drill,
       greatest(deadline.due_at - now(), interval '0') as after
from sos_deadline deadline join sos_alert alert on alert.id = deadline.alert_id
where deadline.done_at is null and alert.status in ('OPEN', 'ACKNOWLEDGED') and alert.deleted_at is null
  and not exists (
      select from pgqueuer job
      where job.entrypoint = 'meet_deadline' and starts_with(job.dedupe_key, 'meet_deadline ' || deadline.id)
        and job.status in ('queued', 'picked'))
order by deadline.id
"""
"""Deadlines that nobody is going to look at, and how long until each is due."""

DUE = """
with alert as materialized (
    select id, station_id, status, received_at, acknowledged_at from sos_alert
    where status in ('OPEN', 'ACKNOWLEDGED') and deleted_at is null
), step as materialized (
    select sos_step.id, alert_id, number, due_at, done_at, outcome,
           exists (select from sos_recipient told where told.step_id = sos_step.id and told.outcome = 'ACCEPTED')
           or exists (select from sos_channel_call told where told.call_id = sos_step.id and told.outcome = 'TOLD')
           as reached
    from sos_step join alert on alert.id = sos_step.alert_id and alert.status = 'OPEN'
)
select 'STEP_OVERDUE' as kind, step.id as subject_id, step.alert_id, step.id as step_id, alert.station_id
from step join alert on alert.id = step.alert_id
where step.done_at is null and step.due_at < now() - $1::interval and not step.reached
union all
select 'STEP_WITHOUT_CALL', step.id, step.alert_id, step.id, alert.station_id
from step join alert on alert.id = step.alert_id
where step.outcome = 'CALLED' and not step.reached
  and not exists (
      select from step later
      where later.alert_id = step.alert_id and later.number > step.number and later.done_at is not null and later.reached)
union all
select 'NO_STEP_LEFT', alert.id, alert.id, null, alert.station_id
from alert
where alert.status = 'OPEN' and alert.received_at < now() - $1::interval
  and not exists (select from step where step.alert_id = alert.id and step.done_at is null)
  and coalesce((select max(done_at) from step where step.alert_id = alert.id), '-infinity') < now() - $2::interval
  and not exists (
      select from sos_deadline waits where waits.alert_id = alert.id and waits.done_at is null)
union all
select 'DEADLINE_OVERDUE', deadline.id, alert.id, null, alert.station_id
from sos_deadline deadline join alert on alert.id = deadline.alert_id
where deadline.done_at is null and deadline.due_at < now() - $1::interval
union all
select 'NO_DEADLINE', alert.id, alert.id, null, alert.station_id
from alert
where alert.status = 'ACKNOWLEDGED' and coalesce(alert.acknowledged_at, '-infinity') < now() - $2::interval
  and not exists (select from sos_deadline waits where waits.alert_id = alert.id and waits.done_at is null)
  and not exists (
      select from sos_response there
      where there.alert_id = alert.id and there.status = 'ON_SCENE' and there.deleted_at is null)
union all
select 'WORKERS_SILENT', '00000000-0000-0000-0000-000000000000', null, null, null
where not exists (select from job_schedule where name = 'audit.seal' and due_at > now() - $3::interval)
"""
"""Everything that should have happened and did not; one row each."""

SEE_FINDINGS = """
insert into sos_finding as kept (id, kind, subject_id, alert_id, step_id, station_id, seen_at, repaired)
select r.id, r.kind, r.subject_id, r.alert_id, r.step_id, r.station_id, now(), r.repaired
from jsonb_to_recordset($1::jsonb) as r (
    id uuid, kind text, subject_id uuid, alert_id uuid, step_id uuid, station_id uuid, repaired boolean)
on conflict (kind, subject_id) where resolved_at is null do update set seen_at = excluded.seen_at
"""
"""Writes down what was found; what stands already is only seen again."""

RESOLVE_FINDINGS = """
update sos_finding set resolved_at = now()
where resolved_at is null and (repaired or not (kind || ' ' || subject_id = any ($1::text[])))
returning kind
"""
"""Ends what was repaired, or is so no more."""

FINDINGS_TO_TELL = """
select finding.id, finding.kind, finding.alert_id, finding.step_id, finding.station_id, finding.times_told,
       coalesce(alert.drill, false) as drill, coalesce(alert.silent, false) as silent
from sos_finding finding left join sos_alert alert on alert.id = finding.alert_id
where finding.resolved_at is null
  and (finding.told_at is null or finding.told_at <= now()
       - least(interval '2 minutes' * (2 ^ least(finding.times_told - 1, 10)), interval '30 minutes'))
order by drill, finding.created_at, finding.id
"""
"""What is to be told now, drills last: at once, then after 2, 4, 8, 16, 30, 30 … minutes."""

FINDINGS_TOLD = """
update sos_finding set told_at = now(), times_told = times_told + 1, reached = reached + $2 where id = any ($1::uuid[])
returning now()
"""
"""Says that findings were told, and how many people and channels took it."""

READ_SUPERVISORS = """
select distinct installation.kind, installation.address, installation.id
from installation
join session on session.id = installation.session_id and session.revoked_at is null and session.expires_at > now()
join device on device.id = session.device_id and device.revoked_at is null
join officer on officer.id = session.officer_id and officer.active and officer.role = 'SUPERVISOR'
where installation.retired_at is null and ($1::uuid is null or officer.station_id = $1)
  and not exists (
      select from sos_alert silent
      where silent.id = any ($2::uuid[]) and silent.silent
        and (silent.officer_id = officer.id
             or exists (select from sos_event raised where raised.alert_id = silent.id and raised.kind = 'RAISED'
                        and raised.device_id = session.device_id)))
order by installation.id
"""
"""The phones of a station's supervisors, or of all, but for those that an alarm about these alerts would betray: the
phones of whoever raised one of them silently."""

SOS_FIGURES = """
with recent as (
    select alert.id, alert.received_at, alert.acknowledged_at,
           (select min(told.attempted_at) from sos_recipient told
            where told.alert_id = alert.id and told.outcome = 'ACCEPTED') as called_at
    from sos_alert alert
    where alert.received_at > now() - interval '1 day' and not alert.drill and alert.deleted_at is null
)
select (select count(*) from sos_alert where status = 'OPEN' and deleted_at is null) as open,
       (select count(*) from sos_alert where status = 'ACKNOWLEDGED' and deleted_at is null) as acknowledged,
       (select extract(epoch from now() - min(step.due_at))::float8
        from sos_step step join sos_alert alert on alert.id = step.alert_id
        where step.done_at is null and step.due_at < now() and alert.status = 'OPEN' and alert.deleted_at is null
       ) as oldest_due_seconds,
       (select count(*) from sos_finding where resolved_at is null) as findings,
       (select extract(epoch from now() - looked_at)::float8 from sos_audit) as audit_seconds,
       (select extract(epoch from now() - well_at)::float8 from sos_audit) as well_seconds,
       (select percentile_disc(array[0.5, 0.99, 1]) within group (
            order by extract(epoch from called_at - received_at)::float8) from recent where called_at is not null) as first_push,
       (select percentile_disc(array[0.5, 0.99, 1]) within group (
            order by extract(epoch from acknowledged_at - received_at)::float8)
        from recent where acknowledged_at is not null) as acknowledgement
"""
"""How calls for help stand, and how long those of the last day took."""
