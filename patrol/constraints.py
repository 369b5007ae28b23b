"""What a refusal by the database means to the one who sent the record: constraint names mapped to the catalogue."""

from __future__ import annotations

from collections.abc import Mapping

import asyncpg

from patrol.errors import AlreadyExists, Problem, RecordInvalid

_FIELDS: Mapping[str, str] = {
    "latitude": "latitude",
    "longitude": "longitude",
    "position_whole": "latitude",
    "accuracy_m": "accuracyM",
    "title": "title",
    "description": "description",
    "category": "category",
    "severity": "severity",
    "status": "status",
    "content_type": "contentType",
    "size_bytes": "sizeBytes",
    "title_th": "titleTh",
    "body_th": "bodyTh",
    "expires_at": "expiresAt",
}


def problem_of(error: asyncpg.PostgresError) -> tuple[type[Problem], dict[str, str]]:
    """The catalogue's class for a data error (SQLSTATE class 22 or 23), and the field that it is about.

    Values are never repeated: a driver's message quotes rows, which may hold coordinates or names.
    """
    detail: dict[str, str] = {}
    constraint = getattr(error, "constraint_name", None) or ""
    table = getattr(error, "table_name", None) or ""
    if constraint.endswith("_check"):
        rule = constraint.removeprefix(f"{table}_").removesuffix("_check")
        detail["field"] = _FIELDS.get(rule, rule)
    elif constraint.endswith("_fkey"):
        detail["field"] = constraint.removeprefix(f"{table}_").removesuffix("_fkey")
    elif column := getattr(error, "column_name", None):
        detail["field"] = column
    if isinstance(error, asyncpg.UniqueViolationError):
        return AlreadyExists, detail
    return RecordInvalid, detail
