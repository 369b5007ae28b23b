"""The SQL of a plan by what was asked of it: all plans of a process share one room, so that no client can fill memory."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable
from itertools import count
from typing import Any

from storage.statements import Statement

ROOM = 5_000
"""Statements kept at once, of about 5 kB each; the least used is forgotten first and made again when it is asked for."""

_kept: OrderedDict[tuple[int, Any], Statement] = OrderedDict()
_numbers = count()


class Variants:
    """The statements of one root or list."""

    __slots__ = ("_number",)

    def __init__(self) -> None:
        self._number = next(_numbers)

    def get(self, shape: Any, build: Callable[[], Statement]) -> Statement:
        """The statement for a shape: which arguments were given, in which order."""
        key = (self._number, shape)
        statement = _kept.get(key)
        if statement is None:
            statement = _kept[key] = build()
            if len(_kept) > ROOM:
                _kept.popitem(last=False)
        else:
            _kept.move_to_end(key)
        return statement
