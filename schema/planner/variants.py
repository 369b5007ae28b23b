"""The SQL of a plan by what was asked of it: all plans of a process share one room, so that no client can fill memory."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable
from itertools import count
from typing import Any

from storage.statements import Statement

ROOM = 16 * 1024 * 1024
"""Characters of SQL kept at once; the least used statement is forgotten first and made again when it is asked for."""

OVERHEAD = 1_000
"""What a statement takes beside its text, in characters."""

_kept: OrderedDict[tuple[int, Any], Statement] = OrderedDict()
_left = ROOM
_numbers = count()


class Variants:
    """The statements of one root or list."""

    __slots__ = ("_number",)

    def __init__(self) -> None:
        self._number = next(_numbers)

    def get(self, shape: Any, build: Callable[[], Statement]) -> Statement:
        """The statement for a shape: which arguments were given, in which order."""
        global _left  # the room is the process's
        key = (self._number, shape)
        statement = _kept.get(key)
        if statement is None:
            statement = _kept[key] = build()
            _left -= _size(statement)
            while _left < 0 and len(_kept) > 1:
                _left += _size(_kept.popitem(last=False)[1])
        else:
            _kept.move_to_end(key)
        return statement


def _size(statement: Statement) -> int:
    return OVERHEAD + len(statement.sql)
