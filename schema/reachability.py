"""Whether officers on duty would hear an SOS, for their supervisors; and what a phone says of itself."""

from __future__ import annotations

from datetime import datetime
from itertools import groupby
from typing import Any
from uuid import UUID

import strawberry

from patrol.reachability import PhoneState, report_reachability
from schema.context import Context
from schema.enums import ReachProblem
from schema.mutations import short_way
from schema.planner import Reading, Selection, composed
from schema.planner.reads import at_most
from schema.scalars import PhoneTime
from storage.reachability import READ_REACH, READ_STATION_REACH

MOST_PHONES = 10
MOST_OFFICERS = 500


@strawberry.type
class PhoneReach:
    """A phone of an officer on duty. What it never told of itself is null."""

    installation_id: UUID | None = strawberry.field(description="Null: it has no push address.")
    problem: ReachProblem | None = strawberry.field(
        description="Why it would not be heard; null where nothing speaks against it."
    )
    notifications_allowed: bool | None
    full_screen_allowed: bool | None
    silent: bool | None
    battery_exempt: bool | None = strawberry.field(
        description="False: the system may put the app to sleep, and an SOS may come late."
    )
    battery_percent: int | None
    charging: bool | None
    last_push_at: datetime | None
    reported_at: datetime | None
    test_sent_at: datetime | None = strawberry.field(
        description="When it was last tested, on going on duty or with a new address."
    )
    test_received_at: datetime | None


@strawberry.type
class OfficerReach:
    """An officer on duty. He is reachable when any of his phones is."""

    officer_id: UUID
    badge: str
    rank: str
    name: str
    name_th: str
    on_duty_since: datetime | None
    reachable: bool
    phones: list[PhoneReach] = strawberry.field(metadata=at_most(MOST_PHONES))


@strawberry.type
class StationReach:
    """Whether anybody on duty at a station can be reached, as last checked."""

    station_id: UUID
    reachable: bool
    since: datetime
    on_duty: int
    reached: int
    checked_at: datetime


@strawberry.type(description="Whether an SOS would be heard.")
class Reachability:
    stations: list[StationReach]
    officers: list[OfficerReach]


async def read_reachability(reading: Reading, _: dict[str, Selection]) -> dict[str, Any]:
    """The value of `Query.reachability`."""
    rows = await reading.connection.fetch(READ_REACH, reading.context.principal.id)
    officers = []
    for _officer, group in groupby(rows, key=lambda row: row["officer_id"]):
        phones = [dict(row) | {"problem": row["why"]} for row in group]
        reachable = any(phone["why"] is None for phone in phones)
        officers.append(phones[0] | {"reachable": reachable, "phones": phones[:MOST_PHONES]})
    stations = await reading.connection.fetch(READ_STATION_REACH)
    return {"stations": [dict(row) for row in stations], "officers": officers}


@strawberry.type
class ReachabilityQuery:
    reachability = composed(
        Reachability,
        read_reachability,
        rows=MOST_OFFICERS,
        description="Who on duty at the stations that the caller leads would hear an SOS, and who not, and why. Empty for "
        "whoever leads none.",
    )


@strawberry.input(
    description="What the phone knows of itself. What is left out stays as it was told before."
)
class ReachabilityInput:
    notifications_allowed: bool | None = None
    full_screen_allowed: bool | None = strawberry.field(
        default=None, description="Whether an SOS may cover the screen, or break through a focus."
    )
    silent: bool | None = strawberry.field(
        default=None,
        description="Whether an SOS would make no sound: silent or do not disturb, and the app may not break through.",
    )
    battery_exempt: bool | None = strawberry.field(
        default=None, description="Whether the system lets the app run in spite of saving power."
    )
    battery_percent: int | None = None
    charging: bool | None = None
    last_push_at: PhoneTime | None = strawberry.field(
        default=None, description="When the last push of any kind came, by the phone's clock."
    )
    test_id: UUID | None = strawberry.field(
        default=None, description="`testId` of the last push of kind TEST that came."
    )


@strawberry.type
class ReachabilityMutation:
    @short_way(
        description="Says whether this phone would ring for an SOS: after each start, on a change, and at once when a push of "
        "kind TEST comes. False: the phone has no push address yet, set it first."
    )
    async def report_reachability(context: Context, phone: ReachabilityInput) -> bool:
        session = context.principal.credential_id
        assert session is not None  # an officer always has a session
        state = PhoneState(
            notifications_allowed=phone.notifications_allowed,
            full_screen_allowed=phone.full_screen_allowed,
            silent=phone.silent,
            battery_exempt=phone.battery_exempt,
            battery_percent=phone.battery_percent,
            charging=phone.charging,
            last_push_at=phone.last_push_at,
            test_id=phone.test_id,
        )
        async with context.database.write(context.principal) as connection:
            return await report_reachability(connection, session, state)
