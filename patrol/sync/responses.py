"""How phones push what their officers do about calls for help, and what became of the calls: also late, never lost."""

from __future__ import annotations

from collections.abc import Sequence
from uuid import UUID

from patrol.clock import read_phone_time
from patrol.errors import NotFound, NotInScope
from patrol.sos.deliveries import Report, report
from patrol.sos.responses import Response, respond
from patrol.sync.mutation import Author, Effect, Mutation, refused
from storage.database import Connection
from storage.vocabulary import CallReport, MutationOutcome, ResponseStatus


async def respond_from_phones(
    connection: Connection, author: Author, mutations: Sequence[Mutation]
) -> list[Effect]:
    """Keeps what the officer does about alerts."""
    responses = [
        Response(
            one.row_id,
            ResponseStatus(one.fields["status"]),
            read_phone_time(one.captured_at, author.received_at),
            one.fields.get("reason"),
        )
        for one in mutations
    ]
    responded = await respond(
        connection,
        author.officer,
        author.scopes,
        responses,
        received_at=author.received_at,
        device=author.device,
    )
    effects = []
    for one, result in zip(mutations, responded, strict=True):
        if result.refusal is not None:
            # Whether there is an alert that does not concern him is not told.
            problem = NotFound if result.refusal is NotInScope else result.refusal
            now = {} if result.response is None else {"now": result.response.value}
            effects.append(refused(one, problem, **now))
            continue
        assert result.scope_id is not None  # what was kept has a scope
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


async def report_from_phones(
    connection: Connection, author: Author, mutations: Sequence[Mutation]
) -> list[Effect]:
    """Writes down which calls the phone received and displayed. Nobody is poked: hundreds of phones tell at once."""
    reports = [
        Report(
            one.row_id,
            CallReport(one.fields["state"]),
            read_phone_time(one.captured_at, author.received_at),
            UUID(one.fields["step_id"]) if one.fields.get("step_id") else None,
        )
        for one in mutations
    ]
    refusals = await report(
        connection,
        author.officer,
        author.device,
        author.scopes,
        reports,
        received_at=author.received_at,
    )
    return [
        Effect(MutationOutcome.APPLIED, one.row_id) if refusal is None else refused(one, refusal)
        for one, refusal in zip(mutations, refusals, strict=True)
    ]
