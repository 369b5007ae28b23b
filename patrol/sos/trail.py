"""Where the raiser of an alert and those who go there are: told in the lane that never waits, and kept as part of their tracks.

A phone that has to do with an alert sends its positions here and not in the lane of tracks, where hours of points may
stand before them. They are the same points: what comes both ways is stored once. Whose way belongs to an alert, and
from when until when, follows from the alert and the responses to it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from uuid import UUID

from patrol import tracks
from patrol.errors import NotFound
from patrol.sync.belonging import parents_of
from patrol.sync.mutation import Author, Effect, Mutation, refused
from storage.database import Connection
from storage.trails import READ_CONCERNED
from storage.vocabulary import MutationOutcome


async def report_positions(
    connection: Connection, author: Author, mutations: Sequence[Mutation]
) -> list[Effect]:
    """Adds positions of an officer who raised, was called for, or goes to an alert, also late and after its end.

    The points are those of `patrol.tracks.record`. What does not concern him is refused as if it were not there.
    """
    rows = await connection.fetch(READ_CONCERNED, parents_of(mutations, "alert_id"), author.officer)
    scopes = {
        row["id"]: row["scope_id"]
        for row in rows
        if row["concerns"] or row["scope_id"] in author.scopes
    }
    known = [one for one in mutations if UUID(str(one.fields["alert_id"])) in scopes]
    stored = {
        one.row_id: effect
        for one, effect in zip(known, await tracks.record(connection, author, known), strict=True)
    }
    effects = []
    for one in mutations:
        effect = stored.get(one.row_id) or refused(one, NotFound)
        if effect.outcome is MutationOutcome.APPLIED:
            alert_id = UUID(str(one.fields["alert_id"]))
            effect = replace(effect, scopes=(scopes[alert_id],), alerts=(alert_id,))
        effects.append(effect)
    return effects
