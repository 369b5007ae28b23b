"""What administrators order about SOS posts: how they are served, what opens their door, mutes, tests and new codes."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from uuid import UUID

import strawberry

from patrol.identity import IssuedKey
from patrol.identity.post_keys import issue_post_link, issue_post_password
from patrol.sos.citizen_codes import reissue_post_code
from patrol.sos.posts import arm_test, mute_post, press_test, set_post, unmute_post
from schema.acts import AdminDone, AdminInfo, AdminRefusal, act, done
from schema.enums import PostAction
from schema.mutations import planned
from schema.places import AdminDeviceKeyIssued, AdminPost


@strawberry.type(name="PostDone", description="The SOS post as it stands now, or a refusal.")
class AdminPostDone(AdminDone):
    post: AdminPost | None = planned("id")


@strawberry.type(name="PostTested", description="The drill that a test press raised, or a refusal.")
class AdminPostTested:
    alert_id: UUID | None = None
    refusal: AdminRefusal | None = None


@strawberry.type
class PostActsMutation:
    @strawberry.mutation(description="Changes how an SOS post is served; what is left out stays.")
    async def set_post(
        self,
        info: AdminInfo,
        id: UUID,
        get_allowed: bool | None = None,
        heartbeat_seconds: int | None = None,
        test_days: int | None = None,
    ) -> AdminPostDone:
        return await done(
            AdminPostDone,
            info,
            lambda connection: set_post(
                connection,
                id,
                get_allowed=get_allowed,
                heartbeat_seconds=heartbeat_seconds,
                test_days=test_days,
            ),
            id,
        )

    @strawberry.mutation(
        description="Makes a short password for a box that takes no long key, or takes over the one it was built with."
    )
    async def issue_post_password(
        self, info: AdminInfo, post_id: UUID, password: str | None = None, length: int = 8
    ) -> AdminDeviceKeyIssued:
        return _issued(
            await act(
                info,
                lambda connection: issue_post_password(
                    connection, post_id, password=password, length=length
                ),
            )
        )

    @strawberry.mutation(
        description="Makes a secret that stands in the post's address and does this one thing."
    )
    async def issue_post_link(
        self, info: AdminInfo, post_id: UUID, action: PostAction
    ) -> AdminDeviceKeyIssued:
        wanted = PostAction(action)
        return _issued(
            await act(info, lambda connection: issue_post_link(connection, post_id, wanted))
        )

    @strawberry.mutation(
        description="Lets a stuck button call nobody until a time at most seven days away; its presses are counted."
    )
    async def mute_post(
        self, info: AdminInfo, id: UUID, reason: str, until: datetime
    ) -> AdminPostDone:
        now = datetime.now(UTC)
        return await done(
            AdminPostDone,
            info,
            lambda connection: _as_post(
                mute_post(connection, id, reason=reason, until=until, now=now), id
            ),
        )

    @strawberry.mutation(description="Ends a post's mute before its time.")
    async def unmute_post(self, info: AdminInfo, id: UUID) -> AdminPostDone:
        now = datetime.now(UTC)
        return await done(
            AdminPostDone, info, lambda connection: _as_post(unmute_post(connection, id, now), id)
        )

    @strawberry.mutation(
        description="Makes the next press of a post within minutes a test, a drill that runs the whole chain."
    )
    async def arm_post_test(self, info: AdminInfo, id: UUID, minutes: int = 10) -> AdminPostDone:
        now, window = datetime.now(UTC), timedelta(minutes=min(max(minutes, -1), 10_000))
        return await done(
            AdminPostDone, info, lambda connection: arm_test(connection, id, now, window=window), id
        )

    @strawberry.mutation(
        description="Presses a post's button from the desk: a drill that runs the whole chain but for the post itself."
    )
    async def test_post(self, info: AdminInfo, id: UUID) -> AdminPostTested:
        pressed = await act(info, lambda connection: press_test(connection, id, datetime.now(UTC)))
        if isinstance(pressed, AdminRefusal):
            return AdminPostTested(refusal=pressed)
        alerts = [] if pressed.alert_id is None else [pressed.alert_id]
        info.context.live.poke([pressed.scope_id], ["alerts"], alerts)
        return AdminPostTested(alert_id=pressed.alert_id)

    @strawberry.mutation(
        description="Makes the codes of a post that hang about worthless; new ones are to be printed."
    )
    async def reissue_post_code(self, info: AdminInfo, id: UUID) -> AdminPostDone:
        return await done(
            AdminPostDone, info, lambda connection: reissue_post_code(connection, id), id
        )


async def _as_post(rule, id: UUID) -> UUID:  # type: ignore[no-untyped-def] # an awaitable of anything
    await rule
    return id


def _issued(key: IssuedKey | AdminRefusal) -> AdminDeviceKeyIssued:
    if isinstance(key, AdminRefusal):
        return AdminDeviceKeyIssued(refusal=key)
    return AdminDeviceKeyIssued(id=key.id, secret=key.secret)
