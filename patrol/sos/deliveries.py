"""What phones tell of the calls that reached them: received and displayed. Seeing a call is not answering it."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from patrol.clock import PhoneTime
from patrol.errors import NotFound, Problem
from patrol.sos.events import note, told
from storage.alerts import READ_REPORTED, STORE_REPORTS
from storage.database import Connection
from storage.reachability import PROVE_REACH
from storage.statements import as_json
from storage.vocabulary import AlertEventKind, CallReport


@dataclass(frozen=True, slots=True)
class Report:
    """A phone received or displayed the call of an alert.

    `step_id` is the step whose push it was; None where the phone learned of the alert by its pull or the live subscription.
    """

    alert_id: UUID
    state: CallReport
    when: PhoneTime
    step_id: UUID | None = None


async def report(
    connection: Connection,
    officer: UUID,
    device: UUID,
    scopes: Collection[UUID],
    reports: Sequence[Report],
    *,
    received_at: datetime,
) -> list[type[Problem] | None]:
    """Writes down what a phone tells, in the caller's transaction, also of alerts that are finished.

    A report of a step must be of one that called this officer. Without a step it must be of an alert that he may read, or
    that concerned him. Whatever else it names is as if it were not there.

    Returns:
        For each report why it was refused, None where it was kept.
    """
    rows = [
        {
            "place": place,
            "alert_id": one.alert_id,
            "step_id": one.step_id,
            "displayed": one.state is CallReport.DISPLAYED,
            "at": one.when.at,
            "raw": one.when.raw,
        }
        for place, one in enumerate(reports)
    ]
    found = {
        row["place"]: row
        for row in await connection.fetch(READ_REPORTED, as_json(rows), officer, device)
    }
    kept = {
        place
        for place, row in found.items()
        if row["called"]
        or (row["step_id"] is None and (row["concerns"] or row["scope_id"] in scopes))
    }
    await connection.execute(
        STORE_REPORTS, as_json([row for row in rows if row["place"] in kept]), officer, device, received_at
    )  # fmt: skip
    if any(reports[place].step_id is not None for place in kept):
        await connection.execute(PROVE_REACH, officer, device, received_at)
    await note(
        connection,
        [
            told(
                one.alert_id,
                AlertEventKind(one.state.value),
                one.when,
                received_at,
                officer_id=officer,
                device_id=device,
                installation_id=found[place]["installation_id"],
                step_id=one.step_id,
            )
            for place, one in enumerate(reports)
            if place in kept
        ],
    )
    return [None if place in kept else NotFound for place in range(len(reports))]
