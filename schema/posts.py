"""How SOS posts fare, in the phone's contract, and how supervisors mute a button that is stuck."""

from __future__ import annotations

from datetime import UTC, datetime
from uuid import UUID

import strawberry
from strawberry.types import Info

from patrol.errors import NotFound
from patrol.notices import require_supervisor
from patrol.sos.posts import mute_post, unmute_post
from schema.cameras import SosPost
from schema.context import Context
from schema.mutations import planned
from schema.refusals import Done, Refusal, act
from storage.database import Connection
from storage.post_health import READ_POST_STATION


@strawberry.type(description="The post as it stands now, or a refusal.")
class PostDone(Done):
    post: SosPost | None = planned("id")


@strawberry.type
class PostsMutation:
    @strawberry.mutation(
        description="Lets a stuck button call nobody until a time at most seven days away; its presses are counted. "
        "For supervisors of its station."
    )
    async def mute_post(
        self, info: Info[Context, None], id: UUID, reason: str, until: datetime
    ) -> PostDone:
        async def mute(connection: Connection) -> UUID:
            await _require_leader(connection, info.context, id)
            return await mute_post(
                connection, id, reason=reason, until=until, now=datetime.now(UTC)
            )

        return _done(info.context, await act(info, mute), id)

    @strawberry.mutation(
        description="Ends a post's mute before its time. For supervisors of its station."
    )
    async def unmute_post(self, info: Info[Context, None], id: UUID) -> PostDone:
        async def unmute(connection: Connection) -> UUID:
            await _require_leader(connection, info.context, id)
            return await unmute_post(connection, id, datetime.now(UTC))

        return _done(info.context, await act(info, unmute), id)


async def _require_leader(connection: Connection, context: Context, post_id: UUID) -> None:
    """Refuses all but supervisors of the post's station. Raises NotAllowed or NotFound."""
    officer = context.principal.id
    assert isinstance(officer, UUID)  # the phone door admits officers only
    station = await require_supervisor(connection, officer)
    if await connection.fetchval(READ_POST_STATION, post_id) != station:
        raise NotFound("The station has no such SOS post.")


def _done(context: Context, scope: UUID | Refusal, id: UUID) -> PostDone:
    if isinstance(scope, Refusal):
        return PostDone(refusal=scope)
    context.live.poke([scope], ["posts"])
    return PostDone(id=id)
