"""How phones raise and answer calls for help by pushing: an SOS is stored whatever else is wrong with it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from patrol.clock import read_phone_time
from patrol.errors import AlreadyExists
from patrol.fixes import position_of
from patrol.places import Around, zones_around
from patrol.sos.alerts import Answered, NewAlert, Raised, answer_alerts, raise_alerts
from patrol.sos.closing import Closing, close_alerts
from patrol.sos.texting import join_texted
from patrol.sync.mutation import Author, Effect, Mutation, refused
from storage.database import Connection
from storage.vocabulary import (
    AlertResolution,
    AlertSource,
    AlertStatus,
    IncidentSeverity,
    MutationOutcome,
)


async def raise_from_phones(
    connection: Connection, author: Author, mutations: Sequence[Mutation]
) -> list[Effect]:
    """Raises alerts of the officer who pushes, in the zone around their position, else at the station."""
    around = await zones_around(
        connection, author.station, [position_of(one.fields) for one in mutations]
    )
    alerts = [_new_alert(author, around, one) for one in mutations]
    raised = await raise_alerts(connection, alerts)
    texted = [
        alert
        for alert, stored in zip(alerts, raised, strict=True)
        if not stored.created and stored.alert_id == alert.id
    ]
    joined = await join_texted(connection, author.officer, texted)
    return [
        _effect(one, replace(stored, rev=joined[one.row_id], created=True))
        if one.row_id in joined
        else _effect(one, stored)
        for one, stored in zip(mutations, raised, strict=True)
    ]


def _effect(one: Mutation, stored: Raised) -> Effect:
    if not stored.created:
        return refused(one, AlreadyExists)
    return Effect(
        MutationOutcome.APPLIED,
        one.row_id,
        stored.rev,
        scopes=(stored.scope_id,),
        alerts=(stored.alert_id,),
    )


def _new_alert(author: Author, around: Around, one: Mutation) -> NewAlert:
    # A position that cannot be true is no reason to refuse a call for help.
    position = position_of(one.fields)
    zone = around(position)
    captured = read_phone_time(one.captured_at, author.received_at)
    severity = one.fields.get("severity")
    return NewAlert(
        id=one.row_id,
        scope_id=zone or author.station,
        station_id=author.station,
        zone_id=zone,
        source=AlertSource.OFFICER,
        officer_id=author.officer,
        latitude=None if position is None else position.latitude,
        longitude=None if position is None else position.longitude,
        accuracy_m=None if position is None else position.accuracy_m,
        raised_at=captured.at,
        captured_at_raw=one.captured_at,
        received_at=author.received_at,
        time_suspect=captured.suspect,
        drill=bool(one.fields.get("drill")),
        silent=bool(one.fields.get("silent")),
        severity=severity and IncidentSeverity(severity),
        device_id=author.device,
    )


async def answer_from_phones(
    connection: Connection, author: Author, mutations: Sequence[Mutation]
) -> list[Effect]:
    """Moves alerts on: acknowledged, closed, cancelled, or open again."""
    answers = [
        (
            one.row_id,
            AlertStatus(one.fields["status"]),
            read_phone_time(one.captured_at, author.received_at),
        )
        for one in mutations
    ]
    effects = []
    answered = await answer_alerts(
        connection,
        author.officer,
        author.scopes,
        answers,
        received_at=author.received_at,
        device=author.device,
    )
    for one, result in zip(mutations, answered, strict=True):
        if result.refusal is not None:
            detail = {} if result.status is None else {"now": result.status.value}
            effects.append(refused(one, result.refusal, **detail))
        else:
            effects.append(
                Effect(
                    MutationOutcome.APPLIED,
                    one.row_id,
                    result.rev,
                    detail=_still_awaited(one, result),
                    scopes=(result.scope_id,) if result.scope_id else (),
                    alerts=(one.row_id,),
                )
            )
    return effects


def _still_awaited(one: Mutation, result: Answered) -> dict[str, Any]:
    """What a cancel still waits for: a second person, or the alert itself."""
    if one.fields["status"] != AlertStatus.CANCELLED or result.status is AlertStatus.CANCELLED:
        return {}
    if result.status is None:
        return {"awaits": "ALERT"}
    return {"awaits": "SECOND_PERSON", "now": result.status.value}


async def close_from_phones(
    connection: Connection, author: Author, mutations: Sequence[Mutation]
) -> list[Effect]:
    """Closes alerts with how they ended."""
    closings = [
        Closing(
            one.row_id,
            read_phone_time(one.captured_at, author.received_at),
            AlertResolution(one.fields["resolution"]),
            one.fields.get("note") or "",
        )
        for one in mutations
    ]
    closed = await close_alerts(
        connection,
        author.officer,
        author.scopes,
        closings,
        received_at=author.received_at,
        device=author.device,
    )
    effects = []
    for one, result in zip(mutations, closed, strict=True):
        if result.refusal is not None:
            detail = {} if result.status is None else {"now": result.status.value}
            effects.append(refused(one, result.refusal, **detail))
            continue
        assert result.scope_id is not None  # what was closed has a scope
        effects.append(
            Effect(
                MutationOutcome.APPLIED,
                one.row_id,
                result.rev,
                scopes=(result.scope_id,),
                alerts=(one.row_id,),
            )
        )
    return effects
