"""Keyset cursors: the place after a row, by its order value and id, so that inserts never shift a page."""

from __future__ import annotations

import binascii
from base64 import urlsafe_b64decode, urlsafe_b64encode
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

import orjson
from sqlalchemy import BigInteger, DateTime, Float, Integer, Uuid
from sqlalchemy.types import TypeEngine

from patrol.errors import CursorInvalid


def encode(order: str, value: Any, key: str) -> str:
    """The cursor of a row in a named order."""
    return urlsafe_b64encode(orjson.dumps([order, value, key])).decode().rstrip("=")


def decode(
    cursor: str, order: str, kind: TypeEngine[Any], key_kind: TypeEngine[Any]
) -> tuple[Any, UUID | int]:
    """The order value and id that a cursor stands for; an id is a UUID, or a number where the database counts.

    Raises:
        CursorInvalid: not one of ours, or of another order.
    """
    try:
        padded = cursor + "=" * (-len(cursor) % 4)
        made_for, value, key = orjson.loads(urlsafe_b64decode(padded))
        if made_for != order:
            raise CursorInvalid(f"The cursor belongs to another order than {order}.")
        return _typed(value, kind), (
            UUID(key) if isinstance(key_kind, Uuid) else _counted(int(key), key_kind)
        )
    except (ValueError, TypeError, AttributeError, OverflowError, binascii.Error) as error:
        raise CursorInvalid from error


def _typed(value: Any, kind: TypeEngine[Any]) -> Any:
    impl = getattr(kind, "impl", kind)
    if isinstance(impl, DateTime):
        at = datetime.fromisoformat(value)
        if at.tzinfo is None:
            raise ValueError("not an instant")
        return at.astimezone(UTC)
    if isinstance(impl, Integer):
        return _counted(value, impl)
    if isinstance(impl, Float):
        if isinstance(value, bool) or not isinstance(value, int | float):
            raise ValueError("not a number")
        return float(value)
    if not isinstance(value, str) or "\0" in value:
        raise ValueError("not a text of the database")
    return value


def _counted(number: Any, kind: TypeEngine[Any]) -> int:
    bits = 63 if isinstance(kind, BigInteger) else 31
    if type(number) is not int or abs(number) >= 2**bits:
        raise ValueError("not a number of the database")
    return number
