"""The lists below rows: one statement for all parents, whose number depends on the text and never on the rows."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from graphql import VariableValues

from schema.planner import statements
from schema.planner.arguments import RESERVED, Arguments, Converter, first_of, order_of
from schema.planner.reads import Reading
from schema.planner.select import Child, Row, Selection
from schema.planner.variants import Variants


async def expand(
    below: Sequence[Level],
    rows: Sequence[Row],
    reading: Reading,
    variables: VariableValues | None,
) -> list[Mapping[str, list[Any]]]:
    """Reads the lists below some rows: for each child, its shaped rows by the parent's key."""
    return [await level.read(rows, reading, variables) for level in below]


@dataclass(slots=True)
class Level:
    """A list below rows: one statement for all parents."""

    child: Child
    arguments: Arguments
    below: list[Level]
    variants: Variants = field(default_factory=Variants)

    async def read(
        self, parents: Sequence[Row], reading: Reading, variables: VariableValues | None
    ) -> Mapping[str, list[Any]]:
        read, selection = self.child.read, self.child.selection
        given = self.arguments.read(variables)
        name, order = order_of(given, read.order)
        limit = first_of(given, read.limit)
        filters = {key: value for key, value in given.items() if key not in RESERVED}
        shape = (name, *sorted(filters))
        statement = self.variants.get(
            shape, lambda: statements.children(selection, read, order, given=sorted(filters))
        )
        found = dict.fromkeys(row[self.child.place] for row in parents)
        keys = [key for key in found if key is not None]
        if not keys:
            return {}
        rows = await reading.connection.fetch(
            statement.sql, *statement.values({**filters, "_parents": keys, "_limit": limit})
        )
        lists = await expand(self.below, rows, reading, variables)
        grouped: dict[str, list[Any]] = {}
        make = self.child.shape
        for row in rows:
            grouped.setdefault(str(row[-1]), []).append(make(row, reading, lists))
        return grouped


def levels(selection: Selection, convert: Converter) -> list[Level]:
    """The lists below a selection, in the order in which its loop refers to them."""
    return [
        Level(
            child,
            Arguments(child.field, child.nodes[0], convert),
            levels(child.selection, convert),
        )
        for child in selection.children
    ]
