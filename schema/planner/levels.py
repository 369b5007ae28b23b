"""What the loop over rows refers to: the lists below them, one statement for all parents, whose number depends on the
text and never on the rows; and functions of a row with the arguments of this run.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any, Protocol

from graphql import VariableValues

from patrol.errors import Problem
from schema.planner import statements
from schema.planner.arguments import Arguments, Converter
from schema.planner.connection import Asked, Give, PageRows, connection, rows_alone
from schema.planner.reads import Computed, Many, Reading
from schema.planner.select import (
    Child,
    Document,
    Row,
    Selection,
    connection_of,
    is_rows,
    object_type,
    subselections,
)
from schema.planner.values import as_refusal, plain
from schema.planner.variants import Variants
from schema.planner.window import Window


class Below(Protocol):
    """Something that the loop over rows refers to by its number. `sends`: it sends a statement of its own."""

    @property
    def sends(self) -> bool: ...

    async def read(
        self, rows: Sequence[Row], reading: Reading, variables: VariableValues | None
    ) -> Any: ...


async def expand(
    below: Sequence[Below],
    rows: Sequence[Row],
    reading: Reading,
    variables: VariableValues | None,
) -> list[Any]:
    """Reads what the loop over some rows refers to, by number."""
    return [await one.read(rows, reading, variables) for one in below]


@dataclass(slots=True)
class Bound:
    """A leaf that is computed from its row and from arguments, which are read once for all rows."""

    by: Callable[..., Any]
    arguments: Arguments
    sends: bool = False

    async def read(
        self, rows: Sequence[Row], reading: Reading, variables: VariableValues | None
    ) -> Callable[..., Any]:
        return partial(self.by, reading, **self.arguments.read(variables))


@dataclass(slots=True)
class Level:
    """A list below rows, as it is or as a connection: for each parent a page of its own."""

    place: int
    many: Many
    arguments: Arguments
    selection: Selection
    below: list[Below]
    give: Give
    asked: Asked
    refuse: Callable[[Problem], Any] | None
    sends: bool = True
    variants: Variants = field(default_factory=Variants)

    async def read(
        self, rows: Sequence[Row], reading: Reading, variables: VariableValues | None
    ) -> Mapping[Any, Any]:
        """What each parent's list answers, by the parent's key."""
        parents = dict.fromkeys(row[self.place] for row in rows)
        if self.refuse is None:
            return await self._pages(parents, {}, reading, variables)
        refused: dict[Any, Problem] = {}
        try:
            answers = await self._pages(parents, refused, reading, variables)
        except Problem as problem:
            # What is wrong further below is nobody's business who was not granted this list.
            answers, refused = {}, {**dict.fromkeys(parents, problem), **refused}
        answers.update((parent, self.refuse(why)) for parent, why in refused.items())
        return answers

    async def _pages(
        self,
        parents: Mapping[Any, None],
        refused: dict[Any, Problem],
        reading: Reading,
        variables: VariableValues | None,
    ) -> dict[Any, Any]:
        given = self.arguments.read(variables)
        window = Window.of(self.many, given)
        bound = window.bound(self.selection, window.first + self.asked.peeks)
        if self.many.admit is not None and parents:
            refused.update(await self.many.admit(reading, list(parents), given))
        # A parent without a key has no rows and still an answer, such as a page of none.
        keys = [one for one in parents if one is not None and one not in refused]
        found: Sequence[Row] = ()
        if keys:
            shape = window.shape
            statement = self.variants.get(
                shape,
                lambda: statements.children(
                    self.selection,
                    self.many,
                    window.order,
                    given=shape[2:],
                    after=window.after is not None,
                    counted=self.asked.counted,
                    placed=self.asked.placed,
                ),
            )
            bound["_parents"] = keys
            found = await reading.connection.fetch(statement.sql, *statement.values(bound))
        pages = self._by_parent(found, keys, window, reading)
        below = await expand(
            self.below, [row for page in pages for row in page.rows], reading, variables
        )
        for page in pages:
            page.below = below
        answers = {key: self.give(page) for key, page in zip(keys, pages, strict=True)}
        if None in parents:
            answers[None] = self.give(self._page([], window, reading))
        return answers

    def _by_parent(
        self, rows: Sequence[Row], keys: Sequence[Any], window: Window, reading: Reading
    ) -> list[PageRows]:
        groups: list[list[Row]] = [[] for _ in keys]
        for row in rows:
            groups[row[-1] - 1].append(row)
        return [self._page(group, window, reading) for group in groups]

    def _page(self, rows: list[Row], window: Window, reading: Reading) -> PageRows:
        total = None
        if self.asked.counted:
            # Where there is a total there is a row for each parent, empty if it has none.
            total = rows[0][-2] if rows else 0
            rows = [row for row in rows if row[-3] is not None]
        more = len(rows) > window.first
        if more:
            del rows[window.first :]
        return PageRows(rows, reading, (), window.name, more, window.after is not None, total)


def levels(document: Document, selection: Selection, convert: Converter) -> list[Below]:
    """What the loop of a selection refers to, in the order of its numbers."""
    return [_below(document, child, convert) for child in selection.children]


def _below(document: Document, child: Child, convert: Converter) -> Below:
    arguments = Arguments.of(child.field, child.nodes[0], convert)
    if isinstance(child.read, Computed):
        return Bound(child.read.by, arguments)
    selections = subselections(child.nodes)
    refuse = None
    if is_rows(child.field):
        kind = object_type(child.field)
        selection = Selection.of(kind)
        give, asked = rows_alone(selection.loop(document, kind, selections)), Asked()
    else:
        kind, refusal = connection_of(document.schema, child.field)
        selection = Selection.of(object_type(kind.fields["nodes"]))
        give, asked = connection(document, kind, selection, selections)
        refuse = None if refusal is None else as_refusal(plain(document, refusal, selections))
    return Level(
        child.place,
        child.read,
        arguments,
        selection,
        levels(document, selection, convert),
        give,
        asked,
        refuse,
    )
