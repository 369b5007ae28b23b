"""What administrators read that is no single table: rows of several tables as one, and failed jobs without payloads."""

from __future__ import annotations

from sqlalchemy import BigInteger, Column, DateTime, String, func, select, text

from storage.devices import Device, Session
from storage.sharing import AgreementZone
from storage.zones import Zone

_device, _session = Device.__table__, Session.__table__  # type: ignore[attr-defined] # made by SQLModel
_granted, _zone = AgreementZone.__table__, Zone.__table__  # type: ignore[attr-defined] # made by SQLModel

OFFICER_DEVICE = (
    select(
        _device.c.id,
        _session.c.officer_id,
        _device.c.platform,
        _device.c.model,
        _device.c.revoked_at,
        func.max(_session.c.created_at).label("signed_in_at"),
    )
    .join(_session, _session.c.device_id == _device.c.id)
    .group_by(_device.c.id, _session.c.officer_id)
    .subquery("officer_device")
)
"""The phones that an officer has ever signed in on, each once."""

GRANTED_ZONE = (
    select(_granted.c.agreement_id, _zone.c.id, _zone.c.code, _zone.c.name, _zone.c.name_th)
    .join(_zone, _zone.c.id == _granted.c.zone_id)
    .subquery("granted_zone")
)
"""The zones that an agreement grants."""

FAILED_JOB = (
    text("""
    select job.id, job.entrypoint as name, job.created as enqueued_at, job.updated as failed_at,
           reason.traceback ->> 'exception_type' as error, reason.traceback ->> 'exception_message' as message
    from pgqueuer job
    left join lateral (
        select log.traceback from pgqueuer_log log
        where log.job_id = job.id and log.status = 'failed' order by log.id desc limit 1
    ) reason on true
    where job.status = 'failed'
    """)
    .columns(
        Column("id", BigInteger),
        Column("name", String),
        Column("enqueued_at", DateTime(timezone=True)),
        Column("failed_at", DateTime(timezone=True)),
        Column("error", String),
        Column("message", String),
    )
    .subquery("failed_job")
)
"""Jobs that were given up, with the reason of the last failure."""
