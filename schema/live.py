"""The phone's live subscription: it only pokes, because data always comes by pull."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from uuid import UUID

import strawberry
from strawberry.types import Info

from schema.context import Context
from storage.principal import Role


@strawberry.type
class Changed:
    """Something changed in these scopes: pull. `alertIds` are calls for help among it; sound the alarm at once."""

    scope_ids: list[UUID]
    subjects: list[str]
    alert_ids: list[UUID]


@strawberry.type
class Subscription:
    @strawberry.subscription(
        description="Pokes when something changed in the caller's scopes. Pull after it starts, and poll as well: "
        "a poke may be lost, the data never."
    )
    async def changed(
        self, info: Info[Context, None], scopes: list[UUID] | None = None
    ) -> AsyncGenerator[Changed, None]:
        context = info.context
        held = await _scopes(context)
        wanted = held if scopes is None else held & frozenset(scopes)
        async for change in context.live.changes(wanted):
            # A revoked session or another set of scopes ends here, at the next news or tick; the phone comes back.
            if await _scopes(context) != held:
                return
            if change.scope_ids:
                yield Changed(
                    scope_ids=list(change.scope_ids),
                    subjects=list(change.subjects),
                    alert_ids=list(change.alert_ids),
                )


async def _scopes(context: Context) -> frozenset[UUID]:
    async with context.database.enter(Role.PHONE, context.principal) as entered:
        return frozenset(entered.scopes)
