"""What is computed of a refused record in every contract: what it is about, why it was refused, whether it waits too long."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

import orjson

from patrol.errors import Problem, by_code
from patrol.sync.mutation import UNREADABLE
from patrol.sync.quarantine import SHIFT, is_overdue, subject_of, summary_of
from schema.planner import Reading
from schema.reading import row_of


def read_payload(payload: Any) -> dict[str, Any]:
    """A kept mutation; JSON travels as text."""
    read = orjson.loads(payload) if isinstance(payload, str | bytes) else payload
    return read if isinstance(read, dict) else {}


def subject(_: Reading, payload: Any) -> str | None:
    """The subject that it is of."""
    return subject_of(read_payload(payload))


def row_id(_: Reading, payload: Any) -> UUID | None:
    """The row that it would have made or changed."""
    kept = read_payload(payload)
    if kept.get("kind") == UNREADABLE and isinstance(kept.get("raw"), dict):
        return row_of(kept["raw"].get("change"))
    try:
        return UUID(kept["rowId"])
    except (KeyError, ValueError, TypeError, AttributeError):
        return None


def summary(_: Reading, payload: Any) -> str:
    """A line by which a person tells one from another."""
    return summary_of(read_payload(payload))


def _problem(code: str) -> type[Problem] | None:
    try:
        return by_code(code)
    except KeyError:
        return None  # of a later release


def reason(_: Reading, code: str) -> str:
    """Why it was refused, in English."""
    problem = _problem(code)
    return code if problem is None else problem.default_message()


def reason_th(_: Reading, code: str) -> str | None:
    """Why it was refused, in Thai."""
    problem = _problem(code)
    return None if problem is None else problem.message_th or None


def overdue(reading: Reading, state: str, lane: str, created_at: datetime) -> bool:
    """Whether it waits for longer than a shift."""
    settings = reading.context.settings
    shift = SHIFT if settings is None else timedelta(hours=settings.shift_hours)
    return is_overdue(state, lane, created_at, reading.now, shift)
