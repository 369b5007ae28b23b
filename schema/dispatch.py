"""What supervisors do live with calls for help: send officers and free them, link duplicates, say how one ended."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from uuid import UUID

import strawberry
from strawberry.types import Info

from patrol.sos import dispatch
from patrol.sos.dispatch import Steered
from schema.alerts import Alert
from schema.context import Context
from schema.enums import AlertResolution, IncidentSeverity
from schema.mutations import planned
from schema.refusals import Done, Refusal, act
from storage.database import Connection

Rule = Callable[[Connection, UUID], Awaitable[Steered]]


@strawberry.type(description="The alert as it stands now, or a refusal.")
class AlertSteered(Done):
    heard: bool | None = strawberry.field(
        default=None,
        description="Whether the officer who was sent has a phone on which he should hear of it; if not, call him by radio.",
    )
    alert: Alert | None = planned("id")


@strawberry.type
class DispatchMutation:
    @strawberry.mutation(
        description="Sends an officer to an alert of the station. The steps of an open alert wait for his answer as long as "
        "the policy says, then go on. Who takes care of another alert is refused without `evenIfEngaged`. For supervisors."
    )
    async def assign_alert(
        self,
        info: Info[Context, None],
        id: UUID,
        officer_id: UUID,
        reason: str | None = None,
        even_if_engaged: bool = False,
    ) -> AlertSteered:
        return await _steer(
            info,
            lambda connection, me: dispatch.assign(
                connection, me, id, officer_id, reason=reason, even_if_engaged=even_if_engaged
            ),
        )

    @strawberry.mutation(
        description="Frees one officer and sends another in his place, both or neither. For supervisors."
    )
    async def reassign_alert(
        self,
        info: Info[Context, None],
        id: UUID,
        instead_of: UUID,
        officer_id: UUID,
        reason: str | None = None,
        even_if_engaged: bool = False,
    ) -> AlertSteered:
        return await _steer(
            info,
            lambda connection, me: dispatch.reassign(
                connection,
                me,
                id,
                officer_id,
                instead_of=instead_of,
                reason=reason,
                even_if_engaged=even_if_engaged,
            ),
        )

    @strawberry.mutation(
        description="Frees an officer. Where he led, the next one leads; with nobody left people are called anew. "
        "For supervisors."
    )
    async def stand_down(
        self, info: Info[Context, None], id: UUID, officer_id: UUID, reason: str | None = None
    ) -> AlertSteered:
        return await _steer(
            info,
            lambda connection, me: dispatch.stand_down(
                connection, me, id, officer_id, reason=reason
            ),
        )

    @strawberry.mutation(
        description="Says that an alert tells of the same need as another, or with null that it does not. Both are called "
        "for until each is answered. For supervisors."
    )
    async def link_duplicate(
        self, info: Info[Context, None], id: UUID, duplicate_of: UUID | None
    ) -> AlertSteered:
        return await _steer(
            info,
            lambda connection, me: dispatch.link_duplicate(connection, me, id, duplicate_of),
        )

    @strawberry.mutation(
        description="Says that an alert presses more, so that it is called before others. For supervisors."
    )
    async def raise_severity(
        self, info: Info[Context, None], id: UUID, severity: IncidentSeverity
    ) -> AlertSteered:
        return await _steer(
            info,
            lambda connection, me: dispatch.raise_severity(
                connection, me, id, IncidentSeverity(severity)
            ),
        )

    @strawberry.mutation(
        description="Says how an alert ended: closes an answered one, or adds it to a closed one of which it is unsaid. "
        "For supervisors; phones push `closeAlert`."
    )
    async def resolve_alert(
        self, info: Info[Context, None], id: UUID, resolution: AlertResolution, note: str = ""
    ) -> AlertSteered:
        return await _steer(
            info,
            lambda connection, me: dispatch.resolve(
                connection, me, id, AlertResolution(resolution), note
            ),
        )


async def _steer(info: Info[Context, None], rule: Rule) -> AlertSteered:
    context = info.context
    me = context.principal.id
    assert isinstance(me, UUID)  # the phone door admits officers only
    outcome = await act(info, lambda connection: rule(connection, me))
    if isinstance(outcome, Refusal):
        return AlertSteered(refusal=outcome)
    # This also wakes the workers, who have somebody to tell.
    context.live.poke([outcome.scope_id], ["alerts", "responses"], [outcome.alert_id])
    return AlertSteered(id=outcome.alert_id, heard=outcome.heard)
