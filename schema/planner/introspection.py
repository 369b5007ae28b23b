"""What an introspection can answer at most, from the sizes of the contract itself: a few hundred letters could else ask for all
fields of all types of all fields.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from graphql import (
    GraphQLField,
    GraphQLObjectType,
    GraphQLSchema,
    SchemaMetaFieldDef,
    SelectionNode,
    TypeMetaFieldDef,
    get_named_type,
    get_nullable_type,
    is_leaf_type,
    is_list_type,
)

from schema.planner.select import Document, subselections

PRICE = 5
"""Values that a leaf of it counts as: the stock executor answers it, a dozen times slower than a row's loop."""

ROOTS: dict[str, GraphQLField] = {"__schema": SchemaMetaFieldDef, "__type": TypeMetaFieldDef}

Sizes = dict[tuple[str, str], tuple[int, int]]
"""By type and list: the longest list of one parent, and the length of all lists together."""


def sizes_of(schema: GraphQLSchema) -> Sizes:
    """The sizes of the lists that can be asked of a contract."""
    types: list[Any] = list(schema.type_map.values())
    fields = [list(getattr(one, "fields", {}).values()) for one in types]
    each = {
        ("__Schema", "types"): [len(types)],
        ("__Schema", "directives"): [len(schema.directives)],
        ("__Type", "fields"): [len(one) for one in fields],
        ("__Type", "inputFields"): [len(one) for one in fields],
        ("__Type", "interfaces"): [len(getattr(one, "interfaces", ())) for one in types],
        ("__Type", "possibleTypes"): [len(types)],
        ("__Type", "enumValues"): [len(getattr(one, "values", ())) for one in types],
        ("__Field", "args"): [len(getattr(one, "args", ())) for of in fields for one in of],
        ("__Directive", "args"): [len(one.args) for one in schema.directives],
    }
    return {place: (max(all_, default=0), sum(all_)) for place, all_ in each.items()}


def wrappers_of(schema: GraphQLSchema) -> int:
    """The most lists and non-nulls around one type: so often `ofType` leads on."""
    most = 0
    for one in schema.type_map.values():
        for field in getattr(one, "fields", {}).values():
            for typed in (field, *getattr(field, "args", {}).values()):
                kind, depth = typed.type, 0
                while hasattr(kind, "of_type"):
                    kind, depth = kind.of_type, depth + 1
                most = max(most, depth)
    return most


def introspected(document: Document, name: str, selections: Sequence[SelectionNode]) -> int:
    """The cost of one `__schema` or `__type`, in time that is linear in the text."""
    kind: Any = get_named_type(ROOTS[name].type)
    sizes, wrappers = sizes_of(document.schema), wrappers_of(document.schema)
    once = name == "__schema"
    return PRICE * _leaves(document, sizes, wrappers, kind, selections, 1, 0, once=once)


def _leaves(
    document: Document,
    sizes: Sizes,
    wrappers: int,
    kind: GraphQLObjectType,
    selections: Iterable[SelectionNode],
    rows: int,
    wrapped: int,
    *,
    once: bool,
) -> int:
    """The leaves of so many objects. `once`: no object is among them twice, so that their lists hold the whole at most.

    `wrapped` is how many lists and non-nulls there may still be around types.
    """
    found = 0
    for nodes in document.collect(kind, list(selections)).values():
        name = nodes[0].name.value
        field = kind.fields.get(name)
        named: Any = None if field is None else get_named_type(field.type)
        if field is None or is_leaf_type(named):
            found += rows
            continue
        below, single = rows, once
        if is_list_type(get_nullable_type(field.type)):
            longest, whole = sizes.get((kind.name, name), (len(document.schema.type_map),) * 2)
            below = whole if once else rows * longest
        if named.name == "__Type" and kind.name != "__Schema":
            single = False  # many fields have one type
        elif named.name == "__Type":
            single = once and name == "types"
        inside = wrappers if name == "type" else 0
        if name == "ofType":
            below, inside = (below, wrapped - 1) if wrapped else (0, 0)
        found += _leaves(
            document, sizes, wrappers, named, subselections(nodes), below, inside, once=single
        )
    return found
