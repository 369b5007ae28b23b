"""How phones raise and answer calls for help by pushing: an SOS is stored whatever else is wrong with it."""

from __future__ import annotations

from collections.abc import Sequence
from uuid import UUID

from patrol.clock import read_phone_time
from patrol.errors import AlreadyExists
from patrol.geometry import check_position
from patrol.places import zone_at
from patrol.sos.alerts import NewAlert, Raised, answer_alerts, raise_alerts
from patrol.sync.mutation import Author, Effect, Mutation, refused
from storage.database import Connection
from storage.vocabulary import AlertSource, AlertStatus, MutationOutcome


async def raise_from_phones(
    connection: Connection, author: Author, mutations: Sequence[Mutation]
) -> list[Effect]:
    """Raises alerts of the officer who pushes, in the zone around their position, else at the station."""
    alerts = [await _new_alert(connection, author, one) for one in mutations]
    raised = await raise_alerts(connection, alerts)
    return [_effect(one, stored) for one, stored in zip(mutations, raised, strict=True)]


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


async def _new_alert(connection: Connection, author: Author, one: Mutation) -> NewAlert:
    latitude, longitude = one.fields.get("latitude"), one.fields.get("longitude")
    accuracy = one.fields.get("accuracy_m")
    if latitude is None or longitude is None or check_position(latitude, longitude) is not None:
        # A position that cannot be true is no reason to refuse a call for help.
        latitude = longitude = accuracy = None
    zone: UUID | None = None
    if latitude is not None and longitude is not None:
        zone = await zone_at(connection, author.station, latitude, longitude)
    captured = read_phone_time(one.captured_at, author.received_at)
    return NewAlert(
        id=one.row_id,
        scope_id=zone or author.station,
        station_id=author.station,
        zone_id=zone,
        source=AlertSource.OFFICER,
        officer_id=author.officer,
        latitude=latitude,
        longitude=longitude,
        accuracy_m=accuracy if accuracy is not None and accuracy >= 0 else None,
        raised_at=captured.at,
        captured_at_raw=one.captured_at,
        received_at=author.received_at,
        time_suspect=captured.suspect,
        drill=bool(one.fields.get("drill")),
    )


async def answer_from_phones(
    connection: Connection, author: Author, mutations: Sequence[Mutation]
) -> list[Effect]:
    """Moves alerts on: acknowledged, closed, cancelled, or open again."""
    answers = [
        (
            one.row_id,
            AlertStatus(one.fields["status"]),
            read_phone_time(one.captured_at, author.received_at).at,
        )
        for one in mutations
    ]
    effects = []
    answered = await answer_alerts(connection, author.officer, author.scopes, answers)
    for one, result in zip(mutations, answered, strict=True):
        if result.refusal is not None:
            detail = {} if result.status is None else {"now": result.status.value}
            effects.append(refused(one, result.refusal, **detail))
        else:
            assert result.scope_id is not None  # an applied answer has a scope
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
