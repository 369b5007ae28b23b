"""Finds reads that the database cannot serve when a door opens, so that no client is the first to meet them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

from graphql import GraphQLField, GraphQLObjectType, GraphQLSchema
from sqlalchemy import FromClause, bindparam

from schema.planner.arguments import RESERVED
from schema.planner.reads import Column, Computed, Declared, Many, One, Order, Page, Single, Source
from schema.planner.select import (
    PlanError,
    connection_of,
    object_type,
    read_of,
    source_of,
    source_or_fail,
)

Needed = Iterator[tuple[FromClause, str]]


def check(schema: GraphQLSchema) -> None:
    """Finds reads of columns that do not exist, and fields of a row that do not say what they read.

    Raises:
        PlanError: names the field and the column.
    """
    for kind in schema.type_map.values():
        if not isinstance(kind, GraphQLObjectType):
            continue
        source = source_of(kind)
        if source is not None:
            _exist(kind.name, _of_source(source))
        for name, field in kind.fields.items():
            where = f"{kind.name}.{name}"
            read = read_of(field)
            if source is not None:
                if read is None:
                    raise PlanError(f"{where} does not say what it reads")
                _exist(where, _of_row(source, field))
            if isinstance(read, Page):
                _exist(where, _of_orders(_target(schema, field), read.order.values()))
            if isinstance(read, Many | Page | Single):
                _conditions(where, _target(schema, field), field, read.conditions)


def _exist(where: str, needed: Needed) -> None:
    for table, wanted in needed:
        if wanted not in table.c:
            raise PlanError(
                f"{where} reads the column {wanted!r}, which {table.description} does not have"
            )


def _of_source(source: Source) -> Needed:
    yield source.table, source.key
    if source.scope is not None:
        yield source.table, source.scope


def _of_row(source: Source, field: GraphQLField) -> Needed:
    read = read_of(field)
    if isinstance(read, Column):
        yield source.table, read.name
    elif isinstance(read, Computed):
        yield from ((source.table, need) for need in read.needs)
    elif isinstance(read, One):
        here = source.table
        for hop in read.hops:
            there = source_or_fail(object_type(field)).table if hop.table is None else hop.table
            yield from ((here, hop.local), (there, hop.remote))
            here = there
    elif isinstance(read, Many):
        target = source_or_fail(object_type(field)).table
        yield from ((source.table, read.local), (target, read.remote))
        yield from _of_orders(target, read.order.values())


def _of_orders(table: FromClause, orders: Iterable[Order]) -> Needed:
    yield from ((table, order.column) for order in orders)


def _target(schema: GraphQLSchema, field: GraphQLField) -> FromClause:
    """The table of a list's rows, through its connection and a union with a refusal."""
    if isinstance(read_of(field), Page):
        field = connection_of(schema, field)[0].fields["nodes"]
    return source_or_fail(object_type(field)).table


def _conditions(where: str, table: FromClause, field: GraphQLField, declared: Declared) -> None:
    """Asks for the conditions with every argument, as the statements may."""
    definition = field.extensions["strawberry-definition"]
    given: dict[str, Any] = {
        one.python_name: bindparam(one.python_name)
        for one in definition.arguments
        if one.python_name not in RESERVED
    }
    try:
        list(declared(table.alias("t").c, **given) or ())
    except AttributeError as error:
        raise PlanError(
            f"{where} has a rule over the column {error}, which {table.description} does not have"
        ) from error
