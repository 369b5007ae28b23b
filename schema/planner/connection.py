"""What a connection answers: nodes, edges, the place of the page and the total, as far as they are asked for."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from graphql import GraphQLObjectType, get_named_type

from schema.planner import keyset
from schema.planner.reads import Reading
from schema.planner.select import (
    Document,
    PlanError,
    Selection,
    Shape,
    object_type,
    subselections,
)
from schema.planner.values import Give, always, plain


@dataclass(frozen=True, slots=True)
class PageRows:
    """The rows of one page and what its connection can be asked."""

    rows: Sequence[Any]
    reading: Reading
    lists: Sequence[Mapping[str, list[Any]]]
    order: str
    more: bool
    continued: bool
    total: int | None

    def cursor(self, row: Any) -> str:
        return keyset.encode(self.order, row["_value"], str(row["_key"]))


def connection(
    document: Document, kind: GraphQLObjectType, selection: Selection, selections: Sequence[Any]
) -> tuple[Callable[[PageRows], Any], bool]:
    """What a connection answers, and whether its total is asked for."""
    parts: list[tuple[str, Callable[[PageRows], Any]]] = []
    counted = False
    for key, nodes in document.collect(kind, selections).items():
        name = nodes[0].name.value
        below = subselections(nodes)
        if name == "__typename":
            parts.append((key, always(kind.name)))
        elif name == "nodes":
            shape = selection.compile(document, object_type(kind.fields[name]), below)
            parts.append((key, _nodes(shape)))
        elif name == "edges":
            parts.append((key, _edges(document, object_type(kind.fields[name]), selection, below)))
        elif name == "pageInfo":
            info = plain(document, get_named_type(kind.fields[name].type), below)
            parts.append((key, _page_info(info)))
        elif name == "totalCount":
            counted = True
            parts.append((key, lambda page: page.total))
        else:
            raise PlanError(f"{kind.name}.{name} is not a member of a connection")
    return (lambda page: {key: give(page) for key, give in parts}), counted


def _nodes(shape: Shape) -> Callable[[PageRows], Any]:
    return lambda page: [shape(row, page.reading, page.lists) for row in page.rows]


def _edges(
    document: Document, kind: GraphQLObjectType, selection: Selection, selections: Sequence[Any]
) -> Callable[[PageRows], Any]:
    parts: list[tuple[str, Callable[[PageRows, Any], Any]]] = []
    for key, nodes in document.collect(kind, selections).items():
        name = nodes[0].name.value
        if name == "__typename":
            parts.append((key, always(kind.name)))
        elif name == "cursor":
            parts.append((key, lambda page, row: page.cursor(row)))
        else:
            node_type = object_type(kind.fields[name])
            shape = selection.compile(document, node_type, subselections(nodes))
            parts.append((key, _node(shape)))
    return lambda page: [{key: give(page, row) for key, give in parts} for row in page.rows]


def _node(shape: Shape) -> Callable[[PageRows, Any], Any]:
    return lambda page, row: shape(row, page.reading, page.lists)


def _page_info(info: Give) -> Callable[[PageRows], Any]:
    return lambda page: info(
        {
            "has_next_page": page.more,
            "has_previous_page": page.continued,
            "start_cursor": page.cursor(page.rows[0]) if page.rows else None,
            "end_cursor": page.cursor(page.rows[-1]) if page.rows else None,
        }
    )
