"""Stations' escalation policies in the administrator's contract: read, set, and every version that ever held."""

from __future__ import annotations

from datetime import datetime
from typing import Any, ClassVar
from uuid import UUID

import strawberry

from patrol.sos.policies import Version, policy_in_force, set_policy
from patrol.sos.policy import MOST_STEPS, STATIONS, WITHIN_KM
from schema.acts import (
    AdminDone,
    AdminInfo,
    AdminRefusal,
    act,
    administrators,
    require_administrator,
)
from schema.enums import NeighbourCall, StepTarget
from schema.mutations import planned
from schema.paging import AdminPageInfo
from schema.planner import Columns, Conditions, Order, page, reads
from schema.planner.reads import at_most
from schema.scalars import JSON
from storage import tables
from storage.database import Connection
from storage.principal import Role

NEWEST_FIRST = {"VERSION": Order("version", descending=True)}


@reads(tables.EscalationPolicy, name="EscalationPolicyVersion", scope=None)
class AdminEscalationPolicyVersion:
    """A version of a station's policy, as it was set; `content` is the document of docs/escalation.md."""

    id: UUID
    station_id: UUID
    version: int
    content: JSON
    set_by: str
    reason: str
    created_at: datetime


@strawberry.type(
    name="EscalationPolicyVersionConnection", description="Versions of a policy, page by page."
)
class AdminEscalationPolicyVersionConnection:
    nodes: list[AdminEscalationPolicyVersion]
    page_info: AdminPageInfo
    total_count: int


@strawberry.type(name="EscalationStep", description="A step of a policy.")
class AdminEscalationStep:
    target: StepTarget
    after: int = strawberry.field(description="Seconds from when we received the alert.")
    stations: int | None = strawberry.field(
        description="NEIGHBOURS: how many stations, the nearest."
    )
    within_km: int | None = strawberry.field(description="NEIGHBOURS: and none further away.")
    who: NeighbourCall | None = strawberry.field(description="NEIGHBOURS: who is called there.")


@strawberry.type(name="EscalationPolicy", description="Whom alerts of a station reach and when.")
class AdminEscalationPolicy:
    version: int = strawberry.field(
        description="0 is the built-in policy, for stations that set none."
    )
    steps: list[AdminEscalationStep] = strawberry.field(
        description="In their order.", metadata=at_most(MOST_STEPS)
    )
    answer_within: int = strawberry.field(
        description="Seconds that somebody who was sent has to answer; the steps wait for it."
    )
    on_the_way_within: int = strawberry.field(
        description="Seconds from an answer until somebody has set out, or the alert opens again."
    )
    on_scene_within: int = strawberry.field(
        description="Seconds from setting out until somebody has arrived, or the alert opens again."
    )
    answer_holds: int = strawberry.field(
        description="Seconds that an answer is believed when a pole's button is pressed again."
    )
    again_after: int = strawberry.field(
        description="Seconds after the last step until people are called again."
    )
    whole_rounds: int = strawberry.field(
        description="How often all steps are run; afterwards the supervisors are rung."
    )


@strawberry.input(name="EscalationStepInput")
class AdminEscalationStepInput:
    """A step of a policy."""

    __most__: ClassVar[int] = MOST_STEPS

    target: StepTarget
    after: int = strawberry.field(description="Seconds from when we received the alert.")
    stations: int | None = strawberry.field(
        default=None, description=f"NEIGHBOURS only: how many stations; {STATIONS[0]} unless said."
    )
    within_km: int | None = strawberry.field(
        default=None, description=f"NEIGHBOURS only: how far at most; {WITHIN_KM[0]} unless said."
    )
    who: NeighbourCall | None = strawberry.field(
        default=None, description="NEIGHBOURS only: BOTH unless said."
    )


@strawberry.input(name="EscalationPolicyInput")
class AdminEscalationPolicyInput:
    """A policy; what is not said is as in the built-in one. docs/escalation.md explains each word."""

    steps: list[AdminEscalationStepInput]
    answer_within: int | None = None
    on_the_way_within: int | None = None
    on_scene_within: int | None = None
    answer_holds: int | None = None
    again_after: int | None = None
    whole_rounds: int | None = None

    def document(self) -> dict[str, Any]:
        """The policy as the rules read it."""
        times = {
            "answerWithin": self.answer_within,
            "onTheWayWithin": self.on_the_way_within,
            "onSceneWithin": self.on_scene_within,
            "answerHolds": self.answer_holds,
            "againAfter": self.again_after,
            "wholeRounds": self.whole_rounds,
        }
        steps = [
            {
                "target": StepTarget(
                    step.target
                ).value,  # within an input it may come as plain text
                "after": step.after,
                "stations": step.stations,
                "withinKm": step.within_km,
                "who": None if step.who is None else NeighbourCall(step.who).value,
            }
            for step in self.steps
        ]
        return {"steps": [_said(step) for step in steps], **_said(times)}


@strawberry.type(
    name="EscalationPolicyDone", description="The version that holds from now on, or a refusal."
)
class AdminEscalationPolicyDone(AdminDone):
    policy: AdminEscalationPolicyVersion | None = planned("id")


@strawberry.type
class EscalationQuery:
    @strawberry.field(
        description="The escalation policy that the next alert of the station with this id is raised under, or an earlier "
        "version of it."
    )
    async def escalation_policy(
        self, info: AdminInfo, id: UUID, version: int | None = None
    ) -> AdminEscalationPolicy:
        context = info.context
        require_administrator(context.principal)
        async with context.database.enter(Role.ADMIN, context.principal) as entered:
            return _shown(await policy_in_force(entered.connection, id, version))

    @page(
        returns=AdminEscalationPolicyVersionConnection,
        order=NEWEST_FIRST,
        admit=administrators,
        description="The versions that stations have set of their escalation policies, the highest number first.",
    )
    def escalation_policies(
        row: Columns, first: int = 50, after: str | None = None, station_id: UUID | None = None
    ) -> Conditions:
        if station_id is not None:
            yield row.station_id == station_id


@strawberry.type
class EscalationMutation:
    @strawberry.mutation(
        description="Gives the station with this id a new version of its escalation policy; alerts that are raised already keep theirs. "
        "With `baseVersion` it is refused when somebody has set another version since."
    )
    async def set_escalation_policy(
        self,
        info: AdminInfo,
        id: UUID,
        policy: AdminEscalationPolicyInput,
        reason: str = "",
        base_version: int | None = None,
    ) -> AdminEscalationPolicyDone:
        async def set_it(connection: Connection) -> Version:
            return await set_policy(
                connection,
                id,
                policy.document(),
                by=str(info.context.principal),
                reason=reason,
                base_version=base_version,
            )

        outcome = await act(info, set_it)
        if isinstance(outcome, AdminRefusal):
            return AdminEscalationPolicyDone(refusal=outcome)
        return AdminEscalationPolicyDone(id=outcome.id)


def _shown(version: Version) -> AdminEscalationPolicy:
    policy = version.policy
    document = policy.document()
    return AdminEscalationPolicy(
        version=version.version,
        steps=[
            AdminEscalationStep(
                target=step.target,
                after=shown["after"],
                stations=shown.get("stations"),
                within_km=shown.get("withinKm"),
                who=step.who if "who" in shown else None,
            )
            for step, shown in zip(policy.steps, document["steps"], strict=True)
        ],
        answer_within=document["answerWithin"],
        on_the_way_within=document["onTheWayWithin"],
        on_scene_within=document["onSceneWithin"],
        answer_holds=document["answerHolds"],
        again_after=document["againAfter"],
        whole_rounds=document["wholeRounds"],
    )


def _said(values: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in values.items() if value is not None}
