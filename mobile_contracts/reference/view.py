"""What the screens show: the copy, and above it what this phone recorded and the copy does not have yet."""

from __future__ import annotations

from typing import Any, Final

from mobile_contracts.reference.copy import Copy, Row
from mobile_contracts.reference.outbox import Mutation, Outbox

MAKES: Final = {
    "raiseAlert": "alerts",
    "reportIncident": "incidents",
    "addNote": "notes",
    "attachMedia": "media",
    "attachAlertMedia": "media",
    "declareClip": "clips",
    "startPatrol": "patrols",
    "checkIn": "checkins",
    "changeDuty": "duty",
}
CHANGES: Final = {"changeIncident": "incidents", "answerAlert": "alerts", "changePatrol": "patrols"}

BEGINS: Final[dict[str, Row]] = {
    "raiseAlert": {"status": "OPEN"},
    "reportIncident": {"status": "OPEN"},
    "startPatrol": {"status": "ACTIVE"},
    "declareClip": {"state": "RECORDING"},
}
"""What the server will set by itself."""


def view(copy: Copy, outbox: Outbox, subject: str) -> dict[str, Row]:
    """The rows of a subject as the officer should see them; those that are not settled by the copy have `pending`."""
    rows = copy.rows(subject)
    for one in outbox.unseen():
        _lay(rows, one, subject)
    return rows


def _lay(rows: dict[str, Row], one: Mutation, subject: str) -> None:
    members: dict[str, Any] = {
        name: value for name, value in one.change[one.kind].items() if name != "baseRev"
    }
    if MAKES.get(one.kind) == subject:
        made = {**BEGINS.get(one.kind, {}), **members, "rev": 0}
        # The row may be here already: a page that was not the last one has brought it.
        rows[one.row_id] = {**made, **rows.get(one.row_id, {}), "pending": True}
    elif CHANGES.get(one.kind) == subject and one.row_id in rows:
        rows[one.row_id] = {**rows[one.row_id], **members, "pending": True}
