"""What a connection answers: nodes, edges, the place of the page and the total, as far as they are asked for."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from graphql import GraphQLObjectType

from schema.planner import keyset
from schema.planner.reads import Reading
from schema.planner.select import (
    Document,
    Loop,
    PlanError,
    Selection,
    Shape,
    object_type,
    subselections,
)
from schema.planner.values import always

MEMBERS = ("nodes", "edges", "pageInfo", "totalCount")


@dataclass(slots=True)
class PageRows:
    """The rows of one page and what its connection can be asked."""

    rows: Sequence[Any]
    reading: Reading
    below: Sequence[Any]
    order: str
    more: bool
    continued: bool
    total: int | None

    def cursor(self, row: Any) -> str:
        return keyset.encode(self.order, row["_value"], str(row["_key"]))


@dataclass(slots=True)
class Asked:
    """What a page is asked beyond its rows, so that only this is read."""

    counted: bool = False
    placed: bool = False
    peeks: bool = False


Give = Callable[[PageRows], Any]


def rows_alone(loop: Loop) -> Give:
    """Answers the rows of a page as a list."""
    return lambda page: loop(page.rows, page.reading, page.below)


def connection(
    document: Document, kind: GraphQLObjectType, selection: Selection, selections: Sequence[Any]
) -> tuple[Give, Asked]:
    """What a connection answers, and what must be read for it."""
    asked = Asked()
    parts: list[tuple[str, Give]] = []
    for key, nodes in document.collect(kind, selections).items():
        name = nodes[0].name.value
        below = subselections(nodes)
        if name == "__typename":
            parts.append((key, always(kind.name)))
        elif name == "nodes":
            loop = selection.loop(document, object_type(kind.fields[name]), below)
            parts.append((key, rows_alone(loop)))
        elif name == "edges":
            edge = object_type(kind.fields[name])
            parts.append((key, _edges(document, edge, selection, below, asked)))
        elif name == "pageInfo":
            info = object_type(kind.fields[name])
            parts.append((key, _page_info(document, info, below, asked)))
        elif name == "totalCount":
            asked.counted = True
            parts.append((key, lambda page: page.total))
        else:
            raise PlanError(f"{kind.name}.{name} is not a member of a connection")
    return (lambda page: {key: give(page) for key, give in parts}), asked


def _edges(
    document: Document,
    kind: GraphQLObjectType,
    selection: Selection,
    selections: Sequence[Any],
    asked: Asked,
) -> Give:
    parts: list[tuple[str, Callable[[PageRows, Any], Any]]] = []
    for key, nodes in document.collect(kind, selections).items():
        name = nodes[0].name.value
        if name == "__typename":
            parts.append((key, always(kind.name)))
        elif name == "cursor":
            asked.placed = True
            parts.append((key, PageRows.cursor))
        else:
            node_type = object_type(kind.fields[name])
            shape = selection.compile(document, node_type, subselections(nodes))
            parts.append((key, _node(shape)))
    return lambda page: [{key: give(page, row) for key, give in parts} for row in page.rows]


def _node(shape: Shape) -> Callable[[PageRows, Any], Any]:
    return lambda page, row: shape(row, page.reading, page.below)


PAGE_INFO: Mapping[str, Give] = {
    "hasNextPage": lambda page: page.more,
    "hasPreviousPage": lambda page: page.continued,
    "startCursor": lambda page: page.cursor(page.rows[0]) if page.rows else None,
    "endCursor": lambda page: page.cursor(page.rows[-1]) if page.rows else None,
}


def _page_info(
    document: Document, kind: GraphQLObjectType, selections: Sequence[Any], asked: Asked
) -> Give:
    parts: list[tuple[str, Give]] = []
    for key, nodes in document.collect(kind, selections).items():
        name = nodes[0].name.value
        asked.peeks |= name == "hasNextPage"
        asked.placed |= name.endswith("Cursor")
        parts.append((key, always(kind.name) if name == "__typename" else PAGE_INFO[name]))
    return lambda page: {key: give(page) for key, give in parts}
