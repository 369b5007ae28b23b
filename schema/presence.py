"""What a phone tells of itself: where pushes reach it, and whether its officer is on duty."""

from __future__ import annotations

from typing import Any
from uuid import UUID

import strawberry
from strawberry import UNSET
from strawberry.types import Info

from patrol.errors import VariableInvalid
from patrol.geometry import check_position
from patrol.identity.presence import go_off_duty, go_on_duty, note_fix, set_push_address
from schema.context import Context
from schema.enums import OfficerRole
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


def _officer(info: Info[Context, None]) -> UUID:
    principal = info.context.principal
    assert isinstance(principal.id, UUID)  # the phone door admits officers only
    return principal.id


def _checked(fix: FixInput) -> FixInput:
    fault = check_position(fix.latitude, fix.longitude)
    if fault is not None:
        raise VariableInvalid(str(fault))
    return fix


@strawberry.type
class PresenceMutation:
    @strawberry.mutation(
        description="Says where pushes reach this phone; they follow the officer who is signed in. True when stored."
    )
    async def set_push_address(self, info: Info[Context, None], address: PushAddressInput) -> bool:
        session = info.context.principal.credential_id
        assert session is not None  # an officer always has a session
        kind, value = (
            (PushAddressKind.FID, address.fid)
            if address.fid is not UNSET
            else (PushAddressKind.TOKEN, address.token)
        )
        assert value is not None  # one of the two is given, and @oneOf takes no null
        async with info.context.database.write(info.context.principal) as connection:
            await set_push_address(connection, session, kind, value)
        return True

    @strawberry.mutation(description="Goes on duty: calls for help now reach this officer first.")
    async def go_on_duty(self, info: Info[Context, None], fix: FixInput | None = None) -> bool:
        officer = _officer(info)
        fix = None if fix is None else _checked(fix)
        async with info.context.database.write(info.context.principal) as connection:
            await go_on_duty(connection, officer)
            if fix is not None:
                await note_fix(connection, officer, fix.latitude, fix.longitude)
        return True

    @strawberry.mutation(description="Goes off duty.")
    async def go_off_duty(self, info: Info[Context, None]) -> bool:
        async with info.context.database.write(info.context.principal) as connection:
            await go_off_duty(connection, _officer(info))
        return True
