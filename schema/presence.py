"""What a phone tells of itself: where pushes reach it, and whether its officer is on duty."""

from __future__ import annotations

from typing import Any
from uuid import UUID

import strawberry
from strawberry import UNSET

from patrol.errors import VariableInvalid
from patrol.fixes import Position, position_of
from patrol.geometry import check_position
from patrol.identity.presence import go_off_duty, go_on_duty, set_push_address
from schema.context import Context
from schema.enums import OfficerRole
from schema.mutations import short_way
from schema.planner import Reading, Selection, composed
from storage.officers import READ_ME
from storage.vocabulary import PushAddressKind


@strawberry.type(description="The officer who is signed in.")
class Me:
    id: UUID
    station_id: UUID
    badge: str
    role: OfficerRole
    rank: str
    name: str
    name_th: str
    on_duty: bool


async def who_am_i(reading: Reading, _: dict[str, Selection]) -> dict[str, Any]:
    """The value of `Query.me`."""
    row = await reading.connection.fetchrow(READ_ME, reading.context.principal.id)
    return dict(row)


@strawberry.type
class PresenceQuery:
    me = composed(Me, who_am_i, description="The officer who is signed in.")


@strawberry.input(one_of=True, description="Exactly one kind of address.")
class PushAddressInput:
    fid: str | None = strawberry.field(default=UNSET, description="A Firebase installation id.")
    token: str | None = strawberry.field(
        default=UNSET, description="A Firebase registration token, from older apps."
    )


@strawberry.input(description="Where the phone is.")
class FixInput:
    latitude: float = strawberry.field(description="Degrees, WGS 84.")
    longitude: float = strawberry.field(description="Degrees, WGS 84.")
    accuracy_m: float | None = strawberry.field(default=UNSET, description="Metres.")


def _officer(context: Context) -> UUID:
    principal = context.principal
    assert isinstance(principal.id, UUID)  # the phone door admits officers only
    return principal.id


def _checked(fix: FixInput | None) -> Position | None:
    if fix is None:
        return None
    fault = check_position(fix.latitude, fix.longitude)
    if fault is not None:
        raise VariableInvalid(str(fault))
    accuracy = None if fix.accuracy_m is UNSET else fix.accuracy_m
    given = {"latitude": fix.latitude, "longitude": fix.longitude, "accuracy_m": accuracy}
    return position_of(given)


def _poke(context: Context, scope: UUID | None) -> None:
    if scope is not None:
        context.live.poke([scope], ["duty"])


@strawberry.type
class PresenceMutation:
    @short_way(
        description="Says where pushes reach this phone; they follow the officer who is signed in. True when stored."
    )
    async def set_push_address(context: Context, address: PushAddressInput) -> bool:
        session = context.principal.credential_id
        assert session is not None  # an officer always has a session
        kind, value = (
            (PushAddressKind.FID, address.fid)
            if address.fid is not UNSET
            else (PushAddressKind.TOKEN, address.token)
        )
        assert value is not None  # one of the two is given, and @oneOf takes no null
        async with context.database.write(context.principal) as connection:
            await set_push_address(connection, session, kind, value)
        return True

    @short_way(description="Goes on duty: calls for help now reach this officer first.")
    async def go_on_duty(context: Context, fix: FixInput | None = None) -> bool:
        position = _checked(fix)
        async with context.database.write(context.principal) as connection:
            scope = await go_on_duty(
                connection,
                _officer(context),
                device_id=context.principal.device_id,
                position=position,
            )
        _poke(context, scope)
        return True

    @short_way(description="Goes off duty.")
    async def go_off_duty(context: Context) -> bool:
        async with context.database.write(context.principal) as connection:
            scope = await go_off_duty(
                connection, _officer(context), device_id=context.principal.device_id
            )
        _poke(context, scope)
        return True
