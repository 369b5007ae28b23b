"""Finds reads that the database cannot serve when a door opens, so that no client is the first to meet them."""

from __future__ import annotations

import inspect
from collections.abc import Iterable, Iterator

from graphql import (
    GraphQLEnumType,
    GraphQLField,
    GraphQLObjectType,
    GraphQLSchema,
    get_named_type,
    get_nullable_type,
    is_leaf_type,
    is_list_type,
)
from sqlalchemy import FromClause, Table
from sqlmodel import SQLModel

from schema.planner.branches import FORMS, parameters
from schema.planner.connection import MEMBERS, PAGE_INFO
from schema.planner.reads import (
    Column,
    Composed,
    Computed,
    Declared,
    Many,
    One,
    Order,
    Page,
    Single,
    Source,
)
from schema.planner.select import (
    PlanError,
    connection_of,
    is_rows,
    most_of,
    object_type,
    read_of,
    source_of,
    source_or_fail,
)
from schema.planner.window import FIRST, RESERVED

Needed = Iterator[tuple[FromClause, str]]


def check(schema: GraphQLSchema) -> None:
    """Finds reads of columns that do not exist, fields of a row that do not say what they read, and lists that cannot
    answer what they declare.

    Raises:
        PlanError: names the field, and the column or argument.
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
            if isinstance(read, Computed):
                _takes(where, read, field)
            if isinstance(read, Composed):
                _plain_lists(object_type(field), shared=True, seen=set())
            elif kind is schema.query_type and read is None:
                bounded(where, field)
            if isinstance(read, Many | Page):
                _lists(where, schema, read, field)
            elif isinstance(read, Single):
                _conditions(where, source_or_fail(object_type(field)).table, field, read.conditions)


def bounded(where: str, field: GraphQLField) -> None:
    """A list of objects that no page size bounds says how long it can be, or its cost would be that of one.

    Raises:
        PlanError: names the field.
    """
    listed = is_list_type(get_nullable_type(field.type))
    if listed and not is_leaf_type(get_named_type(field.type)) and most_of(field) is None:
        raise PlanError(f"{where} is a list without `at_most`, so nobody knows what it costs")


def _plain_lists(kind: GraphQLObjectType, *, shared: bool, seen: set[str]) -> None:
    """The lists of a root that a rule composes: those at its top share its rows."""
    if kind.name in seen or source_of(kind) is not None:
        return
    seen.add(kind.name)
    for name, field in kind.fields.items():
        listed = is_list_type(get_nullable_type(field.type))
        if not shared:
            bounded(f"{kind.name}.{name}", field)
        named = get_named_type(field.type)
        if isinstance(named, GraphQLObjectType):
            _plain_lists(named, shared=shared and not listed, seen=seen)


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
        yield source.table, read.local


def _of_orders(table: FromClause, orders: Iterable[Order]) -> Needed:
    yield from ((table, order.column) for order in orders)


def _takes(where: str, read: Computed, field: GraphQLField) -> None:
    """The function takes the reading, a value for each column, and the arguments of the field."""
    given = {
        one.extensions["strawberry-definition"].python_name: None for one in field.args.values()
    }
    try:
        inspect.signature(read.by).bind(None, *read.needs, **given)
    except TypeError as error:
        name = getattr(read.by, "__name__", str(read.by))
        columns = ", ".join(read.needs) or "no column"
        raise PlanError(f"{where} is computed from {columns}, but {name} has {error}") from error


def _lists(where: str, schema: GraphQLSchema, read: Many | Page, field: GraphQLField) -> None:
    """The list's rows, its connection or union, its page sizes and orders, and its conditions."""
    refusal, goes_on = None, False
    rows = field
    if isinstance(read, Page) or not is_rows(field):
        try:
            connection, refusal = connection_of(schema, field)
        except PlanError as error:
            raise PlanError(f"{where} answers no rows: {error}") from error
        _members(connection)
        rows, goes_on = connection.fields["nodes"], "pageInfo" in connection.fields
    table = source_or_fail(object_type(rows)).table
    if isinstance(read, Many):
        _exist(where, iter([(table, read.remote)]))
        if read.admit is not None and refusal is None:
            raise PlanError(f"{where} refuses some parents, but its type has no refusal")
    _exist(where, _of_orders(table, read.order.values()))
    for one in read.order.values():
        # A view's columns do not say whether they can be null; those of its tables do.
        ours = isinstance(table, Table) and table.metadata is SQLModel.metadata
        if ours and table.c[one.column].nullable:
            raise PlanError(
                f"{where} is ordered by {one.column!r}, which {table.description} may leave empty"
            )
    _sizes(where, read, field, goes_on=goes_on)
    _conditions(where, table, field, read.conditions)


def _members(connection: GraphQLObjectType) -> None:
    for name, member in connection.fields.items():
        if name not in MEMBERS:
            raise PlanError(f"{connection.name}.{name} is not a member of a connection")
        if name == "pageInfo":
            for one in object_type(member).fields.keys() - PAGE_INFO.keys():
                raise PlanError(f"{connection.name}.pageInfo.{one} is no fact of a page")


def _sizes(where: str, read: Many | Page, field: GraphQLField, *, goes_on: bool) -> None:
    if not read.order:
        raise PlanError(f"{where} has no order, so no page of it is like another")
    if "order" in field.args:
        named = get_named_type(field.args["order"].type)
        words = (
            [getattr(one.value, "value", one.value) for one in named.values.values()]
            if isinstance(named, GraphQLEnumType)
            else []
        )
        if set(words) != set(read.order):
            raise PlanError(
                f"{where} is ordered by {', '.join(read.order)}, but its argument `order` takes "
                f"{', '.join(map(str, words)) or named.name}"
            )
    if goes_on and "after" not in field.args:
        raise PlanError(f"{where} tells of a next page, but has no argument `after` to ask for it")
    if "first" not in field.args:
        return
    usual = field.args["first"].default_value
    usual = usual if isinstance(usual, int) else min(FIRST, read.limit)
    if not 1 <= usual <= read.limit:
        raise PlanError(
            f"{where} gives {usual} rows where `first` is not given, and its limit is {read.limit}"
        )


def _conditions(where: str, table: FromClause, field: GraphQLField, declared: Declared) -> None:
    """Asks for the conditions with every argument, as the statements may."""
    definition = field.extensions["strawberry-definition"]
    forms = {
        one.extensions["strawberry-definition"].python_name: FORMS.get(
            get_named_type(one.type).name
        )
        for one in field.args.values()
    }
    try:
        for number in range(max(len(one or ()) for one in (*forms.values(), (1,)))):
            names = [
                f"{one.python_name}:{of[number % len(of)]}"
                if (of := forms[one.python_name])
                else one.python_name
                for one in definition.arguments
                if one.python_name not in RESERVED
            ]
            list(declared(table.alias("t").c, **parameters(names)) or ())
    except AttributeError as error:
        raise PlanError(
            f"{where} has a rule over the column {error}, which {table.description} does not have"
        ) from error
