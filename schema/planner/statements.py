"""The SQL of a plan, built with SQLAlchemy Core and sent as prepared asyncpg statements."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from sqlalchemy import (
    ColumnElement,
    Integer,
    Select,
    Uuid,
    any_,
    bindparam,
    column,
    func,
    literal,
    select,
    true,
    tuple_,
)
from sqlalchemy.dialects.postgresql import ARRAY

from schema.planner.reads import Declared, Many, Order
from schema.planner.select import Selection
from storage.statements import Statement, compiled

_SCOPES = bindparam("_scopes", type_=ARRAY(Uuid))
_LIMIT = bindparam("_limit", type_=Integer)


def conditions_of(
    declared: Declared, selection: Selection, given: Sequence[str]
) -> list[ColumnElement[bool]]:
    """The declared conditions for the arguments that were given, as bind parameters."""
    return list(declared(selection.rows.c, **{name: bindparam(name) for name in given}) or ())


def _ordering(order: Order, value: ColumnElement[Any], key: ColumnElement[Any]) -> list[Any]:
    return [value.desc(), key.desc()] if order.descending else [value.asc(), key.asc()]


def page(
    selection: Selection,
    declared: Declared,
    order: Order,
    *,
    given: Sequence[str],
    after: bool,
    scoped: bool,
    counted: bool,
) -> Statement:
    """One page of a root list.

    The rows carry two more columns than the selection: the order's value and the id; and the total, where it is counted.
    Under several scopes it is one bounded index scan per scope, merged: a single scan over all of them would sort the
    whole set for each page.
    """
    rows = selection.rows
    value, key = rows.c[order.column], rows.c[selection.source.key]
    where = conditions_of(declared, selection, given)
    wanted = list(where)
    if after:
        place = tuple_(
            bindparam("_after_value", type_=value.type), bindparam("_after_key", type_=key.type)
        )
        wanted.append(
            tuple_(value, key) < place if order.descending else tuple_(value, key) > place
        )
    bounded: Select[Any] = (
        select(*selection.columns, value.label("_value"), key.label("_key"))
        .select_from(selection.from_clause())
        .where(*wanted)
        .order_by(*_ordering(order, value, key))
        .limit(_LIMIT)
    )
    if scoped:
        assert selection.source.scope is not None
        scope = rows.c[selection.source.scope]
        scopes = (
            func.unnest(_SCOPES).table_valued(column("id", Uuid), name="scopes").render_derived()
        )
        branch = bounded.where(scope == scopes.c.id).lateral("branch")
        bounded = (
            select(*branch.c)
            .select_from(scopes.join(branch, true()))
            .order_by(*_ordering(order, branch.c["_value"], branch.c["_key"]))
            .limit(_LIMIT)
        )
        where.append(scope == any_(_SCOPES))
    if counted:
        total = select(func.count()).select_from(rows).where(*where).scalar_subquery()
        listed = bounded.subquery("page")
        once = select(literal(1).label("one")).subquery("once")
        bounded = (
            select(*listed.c, total.label("_total"))
            .select_from(once.outerjoin(listed, true()))
            .order_by(*_ordering(order, listed.c["_value"], listed.c["_key"]))
        )
    return compiled(bounded)


def single(
    selection: Selection, declared: Declared, *, given: Sequence[str], scoped: bool
) -> Statement:
    """One row."""
    where = conditions_of(declared, selection, given)
    if scoped:
        assert selection.source.scope is not None
        where.append(selection.rows.c[selection.source.scope] == any_(_SCOPES))
    return compiled(
        select(*(selection.columns or [literal(1)]))
        .select_from(selection.from_clause())
        .where(*where)
        .limit(1)
    )


def children(selection: Selection, read: Many, order: Order, *, given: Sequence[str]) -> Statement:
    """The rows of all parents in one statement; the last column is the parent's key."""
    rows = selection.rows
    value, key = rows.c[order.column], rows.c[selection.source.key]
    remote = rows.c[read.remote]
    parents = (
        func.unnest(bindparam("_parents", type_=ARRAY(remote.type)))
        .table_valued(column("id", remote.type), with_ordinality="place", name="parents")
        .render_derived()
    )
    branch = (
        select(*selection.columns, value.label("_value"), key.label("_key"))
        .select_from(selection.from_clause())
        .where(remote == parents.c.id, *conditions_of(read.conditions, selection, given))
        .order_by(*_ordering(order, value, key))
        .limit(_LIMIT)
        .lateral("branch")
    )
    shown = [branch.c[str(one.key)] for one in selection.columns]
    return compiled(
        select(*shown, parents.c.id.label("_parent"))
        .select_from(parents.join(branch, true()))
        .order_by(parents.c.place, *_ordering(order, branch.c["_value"], branch.c["_key"]))
    )
