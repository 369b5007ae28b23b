"""Which part of a list one run asks for: how many rows, after which place, in which order, under which filters."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum
from typing import Any

from patrol.errors import PageSizeInvalid
from schema.planner import keyset
from schema.planner.branches import spread
from schema.planner.reads import Many, Order, Page
from schema.planner.select import Selection

RESERVED = ("first", "after", "order")
"""Arguments of lists that the planner serves itself; all others are filters."""

FIRST = 50
"""Rows of a page where `first` is not given."""


@dataclass(slots=True)
class Window:
    """The part of a list that one run asks for."""

    first: int
    name: str
    order: Order
    names: tuple[str, ...]
    filters: dict[str, Any]
    after: str | None

    @classmethod
    def of(cls, read: Page | Many, given: Mapping[str, Any]) -> Window:
        """The part that some arguments ask for.

        Raises:
            PageSizeInvalid: `first` is beyond the list's limit.
            VariableInvalid: a filter makes no sense.
        """
        first = given.get("first", min(FIRST, read.limit))
        if not 1 <= first <= read.limit:
            raise PageSizeInvalid(
                f"`first` must be between 1 and {read.limit}, not {first}.", limit=read.limit
            )
        chosen = given.get("order")
        name = chosen.value if isinstance(chosen, Enum) else chosen or next(iter(read.order))
        filters = {key: value for key, value in given.items() if key not in RESERVED}
        names, filters = spread(filters) if filters else ((), filters)
        return cls(first, name, read.order[name], names, filters, given.get("after"))

    @property
    def shape(self) -> tuple[Any, ...]:
        """What the statement depends on."""
        return (self.name, self.after is not None, *self.names)

    def bound(self, selection: Selection, limit: int) -> dict[str, Any]:
        """The values of the statement.

        Raises:
            CursorInvalid: `after` is not one of ours, or of another order.
        """
        bound: dict[str, Any] = {**self.filters, "_limit": limit}
        if self.after is not None:
            columns = selection.rows.c
            bound["_after_value"], bound["_after_key"] = keyset.decode(
                self.after,
                self.name,
                columns[self.order.column].type,
                columns[selection.source.key].type,
            )
        return bound
