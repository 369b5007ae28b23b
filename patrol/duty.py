"""Who is on duty: said live or recorded without signal, kept as a log, and applied unless something newer stands."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from uuid import UUID

from uuid_utils.compat import uuid7

from patrol.clock import read_phone_time
from patrol.errors import AlreadyExists
from patrol.fixes import Fix, Position, as_columns, lost_position, note_fixes, position_of
from patrol.reachability import want_test
from patrol.sync.mutation import Author, Effect, Mutation, refused
from storage.database import Connection
from storage.duty import INSERT_DUTY_CHANGES, READ_DUTY, TELL_DUTY
from storage.statements import as_json
from storage.vocabulary import MutationOutcome


async def change_from_phones(
    connection: Connection, author: Author, mutations: Sequence[Mutation]
) -> list[Effect]:
    """Adds what a phone recorded to the log; the last of it decides, unless something newer was said elsewhere."""
    times = {one.row_id: read_phone_time(one.captured_at, author.received_at) for one in mutations}
    positions = {one.row_id: position_of(one.fields) for one in mutations}
    rows = [
        {
            "id": one.row_id,
            "device_id": author.device,
            "on_duty": one.fields["on_duty"],
            "changed_at": times[one.row_id].at,
            "captured_at_raw": times[one.row_id].raw,
            "received_at": author.received_at,
            "time_suspect": times[one.row_id].suspect,
            **as_columns(positions[one.row_id]),
        }
        for one in mutations
    ]
    stored = await connection.fetch(INSERT_DUTY_CHANGES, author.officer, as_json(rows))
    added = {row["id"]: row for row in stored}
    kept = [one for one in mutations if one.row_id in added]
    if kept:
        # A lane is in order, so its last word is the device's, also where the clock was set back in between.
        last = max(kept, key=lambda one: one.sequence)
        await connection.execute(
            TELL_DUTY,
            author.officer,
            last.fields["on_duty"],
            times[last.row_id].at,
            author.device,
            last.sequence,
        )
        if last.fields["on_duty"] and await connection.fetchval(READ_DUTY, author.officer):
            await want_test(connection, author.officer)
    await note_fixes(
        connection,
        author.officer,
        [
            Fix(times[one.row_id].at, times[one.row_id].suspect, position)
            for one in kept
            if (position := positions[one.row_id]) is not None
        ],
    )
    return [
        Effect(
            MutationOutcome.APPLIED,
            one.row_id,
            added[one.row_id]["rev"],
            detail=lost_position(one.fields, positions[one.row_id]),
            scopes=(added[one.row_id]["scope_id"],),
        )
        if one.row_id in added
        else refused(one, AlreadyExists)
        for one in mutations
    ]


async def change_live(
    connection: Connection,
    officer_id: UUID,
    on_duty: bool,
    at: datetime,
    *,
    device_id: UUID | None = None,
    position: Position | None = None,
) -> UUID | None:
    """Says now, by our own clock, whether an officer is on duty.

    Saying it again keeps the time at which it began and adds nothing to the log, but it is newer than what a phone
    recorded before and sends later.

    Returns:
        The scope to poke; None where nothing changed.
    """
    before = await connection.fetchval(READ_DUTY, officer_id)
    await connection.execute(TELL_DUTY, officer_id, on_duty, at, None, None)
    if position is not None:
        await note_fixes(connection, officer_id, [Fix(at, False, position)])
    if bool(before) == on_duty:
        return None
    if on_duty:
        await want_test(connection, officer_id)
    row = {
        "id": uuid7(),
        "device_id": device_id,
        "on_duty": on_duty,
        "changed_at": at,
        "captured_at_raw": at.isoformat(),
        "received_at": at,
        "time_suspect": False,
        **as_columns(position),
    }
    stored = await connection.fetchrow(INSERT_DUTY_CHANGES, officer_id, as_json([row]))
    scope: UUID | None = None if stored is None else stored["scope_id"]
    return scope
