"""The push of the stock server: typed inputs become ORM objects that a session adds, as the documentation shows."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from hashlib import sha256
from typing import Any
from uuid import UUID

import orjson
from sqlmodel import col, select

from patrol.sync import receipts
from patrol.sync.push import CHUNK
from schema.changes import MutationInput
from schema.enums import Lane, MutationOutcome
from schema.push import MutationAnswer, PushResult
from schema.scalars import JSON, Long
from storage import tables
from storage.principal import Role


async def pushed(context: Any, lane: Lane, mutations: Sequence[MutationInput]) -> PushResult:
    """The answers to fresh reports of incidents, a transaction for each chunk."""
    answers: list[MutationAnswer] = []
    for start in range(0, len(mutations), CHUNK):
        chunk = mutations[start : start + CHUNK]
        epoch = await _chunk(context, lane.value, chunk, answers)
    now, last = datetime.now(UTC), answers[-1].sequence
    officer, device = context.principal.id, context.principal.device_id
    receipt = receipts.Receipt(device, officer, lane, int(last), now, epoch)
    return PushResult(
        answers=answers,
        applied_sequence=last,
        epoch=epoch,
        durable_through=None,
        server_time=now,
        receipt=receipts.sign(receipt, context.keys),
    )


async def _chunk(
    context: Any, lane: str, mutations: Sequence[MutationInput], answers: list[MutationAnswer]
) -> UUID:
    """Stores a chunk, adds its answers, and says in which epoch."""
    device, officer_id = context.principal.device_id, context.principal.id
    now = datetime.now(UTC)
    async with context.session(Role.WRITER) as (session, _):
        state = await session.get(
            tables.SyncLane, (device, officer_id, lane), with_for_update=True
        ) or tables.SyncLane(device_id=device, officer_id=officer_id, lane=lane)
        session.add(state)
        outcome = tables.SyncOutcome
        ids = [one.mutation_id for one in mutations]
        known = await session.exec(select(outcome).where(col(outcome.mutation_id).in_(ids)))
        assert not known.all()
        officer = await session.get(tables.Officer, officer_id)
        reports = [one.change.report_incident for one in mutations]
        zones = await session.exec(
            select(tables.Zone.id).where(
                tables.Zone.station_id == officer.station_id,
                col(tables.Zone.id).in_({one.zone_id for one in reports if one is not None}),
            )
        )
        own = set(zones.all())
        rows = [_incident(officer, device, one, now) for one in mutations]
        assert all(row.zone_id in own for row in rows)
        session.add_all(rows)
        await session.flush()
        session.add_all(
            _outcome(device, officer_id, lane, *two) for two in zip(mutations, rows, strict=True)
        )
        epochs = select(tables.SyncEpoch.id).order_by(col(tables.SyncEpoch.number).desc())
        epoch = (await session.exec(epochs.limit(1))).one()
        state.applied_sequence, state.epoch_id = mutations[-1].sequence, epoch
        await session.commit()
    answers += [
        MutationAnswer(
            sequence=one.sequence,
            mutation_id=one.mutation_id,
            outcome=MutationOutcome.APPLIED,
            row_id=row.id,
            rev=Long(row.rev),
            code=None,
            reason=None,
            reason_th=None,
            first=None,
            expected=None,
            detail=JSON({}),
        )
        for one, row in zip(mutations, rows, strict=True)
    ]
    return epoch


def _incident(
    officer: tables.Officer, device: UUID, mutation: MutationInput, now: datetime
) -> tables.Incident:
    one = mutation.change.report_incident
    assert one is not None
    assert one.zone_id is not None
    return tables.Incident(
        id=one.id,
        scope_id=one.zone_id,
        station_id=officer.station_id,
        zone_id=one.zone_id,
        category=str(one.category),
        severity=str(one.severity),
        status="OPEN",
        title=one.title,
        description=one.description or "",
        latitude=one.latitude,
        longitude=one.longitude,
        accuracy_m=one.accuracy_m,
        occurred_at=datetime.fromisoformat(str(one.occurred_at)),
        captured_at_raw=str(mutation.captured_at),
        received_at=now,
        reported_by=officer.id,
        device_id=device,
    )


def _outcome(
    device: UUID, officer: UUID, lane: str, mutation: MutationInput, row: tables.Incident
) -> tables.SyncOutcome:
    content = orjson.dumps([str(row.id), row.title, row.captured_at_raw])
    return tables.SyncOutcome(
        device_id=device,
        officer_id=officer,
        lane=lane,
        sequence=mutation.sequence,
        mutation_id=mutation.mutation_id,
        content_sha256=sha256(content).digest(),
        outcome=MutationOutcome.APPLIED.value,
        row_id=row.id,
        rev=row.rev,
    )
