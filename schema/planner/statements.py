"""The SQL of a plan, built with SQLAlchemy Core and sent as prepared asyncpg statements."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from sqlalchemy import (
    CTE,
    ColumnElement,
    DateTime,
    Integer,
    Select,
    Uuid,
    any_,
    bindparam,
    case,
    cast,
    column,
    func,
    literal,
    null,
    select,
    true,
    tuple_,
    union_all,
)
from sqlalchemy.dialects.postgresql import ARRAY

from schema.planner.branches import Among, Sought, parameters, plain
from schema.planner.reads import Declared, Many, Order
from schema.planner.select import Selection
from storage.statements import Statement, compiled

_SCOPES = bindparam("_scopes", type_=ARRAY(Uuid))
_LIMIT = bindparam("_limit", type_=Integer)


def conditions_of(
    declared: Declared, selection: Selection, given: Sequence[str]
) -> list[ColumnElement[bool]]:
    """The declared conditions for the arguments that were given, as bind parameters."""
    return [plain(one) for one in declared(selection.rows.c, **parameters(given)) or ()]


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
    placed: bool,
) -> Statement:
    """One page of a root list.

    After the columns of the selection stand the order's value and the id where cursors are asked for, and the total where
    it is counted.
    Under several scopes it is one bounded index scan per scope, and per value of a condition that has an index of its own
    (see `branches`), merged: a single scan over all of them would sort the whole set for each page.
    """
    rows = selection.rows
    value, key = rows.c[order.column], rows.c[selection.source.key]
    declarations = list(declared(rows.c, **parameters(given)) or ())
    where = [plain(one) for one in declarations]
    beyond = [_beyond(order, value, key)] if after else []
    # One object: SQLAlchemy sees that a second FROM of it is the same, and would name an equal one twice.
    joined = selection.from_clause()
    bounded: Select[Any] = (
        select(*selection.columns, value.label("_value"), key.label("_key"))
        .select_from(joined)
        .where(*beyond)
        .order_by(*_ordering(order, value, key))
        .limit(_LIMIT)
    )
    counting: Select[Any] = select(func.count()).select_from(rows)
    total: ColumnElement[Any]
    if scoped:
        assert selection.source.scope is not None
        scope = rows.c[selection.source.scope]
        among = [
            one for one in declarations if isinstance(one, Among) and one.along == order.column
        ]
        sought = next(
            (one for one in declarations if isinstance(one, Sought) and one.finder is not None),
            None,
        )
        start: Any = func.unnest(_SCOPES).table_valued(column("id", Uuid))
        start = scopes = start.render_derived(name="scopes")
        branch = bounded.where(
            scope == scopes.c.id, *(plain(one) for one in declarations if one not in among)
        )
        for number, one in enumerate(among):
            each = one.each(number)
            start = start.join(each, true())
            branch = branch.where(one.column == each.c.value, *one.held)
        where.append(scope == any_(_SCOPES))
        if sought is not None:
            found = _found(sought, order, after=after)
            start = found.join(start, found.c.ids.is_(None))
        lateral = branch.lateral("branch")
        whole = select(*lateral.c).select_from(start.join(lateral, true()))
        total = counting.where(*where).scalar_subquery()
        if sought is not None:
            hits, counted_hits = (
                func.unnest(found.c.ids).table_valued(column("id", Uuid)).render_derived(name=name)
                for name in ("hit", "counted_hit")
            )
            looked_up = (
                bounded.where(*where)
                .select_from(found.join(hits, true()).join(joined, key == hits.c.id))
                .subquery("looked_up")
            )
            merged = union_all(whole, select(*looked_up.c)).subquery("merged")
            whole = select(*merged.c)
            few = counting.select_from(
                found.join(counted_hits, true()).join(rows, key == counted_hits.c.id)
            ).where(*where)
            total = case(
                (select(found.c.ids.is_(None)).scalar_subquery(), total),
                else_=few.scalar_subquery(),
            )
        merged_columns = whole.selected_columns
        bounded = whole.order_by(
            *_ordering(order, merged_columns["_value"], merged_columns["_key"])
        ).limit(_LIMIT)
    else:
        bounded = bounded.where(*where)
        total = counting.where(*where).scalar_subquery()
    if counted:
        listed = bounded.subquery("page")
        once = select(literal(1).label("one")).subquery("once")
        bounded = (
            select(*listed.c, total.label("_total"))
            .select_from(once.outerjoin(listed, true()))
            .order_by(*_ordering(order, listed.c["_value"], listed.c["_key"]))
        )
    elif selection.columns and not placed:
        bounded = bounded.with_only_columns(*list(bounded.selected_columns)[:-2])
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


def children(
    selection: Selection,
    read: Many,
    order: Order,
    *,
    given: Sequence[str],
    after: bool,
    counted: bool,
    placed: bool,
) -> Statement:
    """The rows of all parents in one statement: a bounded index scan for each.

    The last column is the parent's number, from 1. Before it stand the order's value and the id where cursors are asked
    for, and the parent's total where it is counted; a counted parent without rows has one row that is empty.
    """
    rows = selection.rows
    value, key = rows.c[order.column], rows.c[selection.source.key]
    remote = rows.c[read.remote]
    given_keys = (
        func.unnest(bindparam("_parents", type_=ARRAY(remote.type)))
        .table_valued(column("id", remote.type), with_ordinality="place")
        .render_derived(name="parents")
    )
    where = conditions_of(read.conditions, selection, given)
    parents: Any = given_keys
    if counted:
        total = (
            select(func.count()).select_from(rows).where(remote == given_keys.c.id, *where)
        ).scalar_subquery()
        # Kept apart, or the total would be counted again for each row.
        parents = (
            select(given_keys.c.id, given_keys.c.place, total.label("total"))
            .cte("counted")
            .prefix_with("materialized")
        )
    if after:
        where.append(_beyond(order, value, key))
    branch = (
        select(*selection.columns, value.label("_value"), key.label("_key"))
        .select_from(selection.from_clause())
        .where(remote == parents.c.id, *where)
        .order_by(*_ordering(order, value, key))
        .limit(_LIMIT)
        .lateral("branch")
    )
    shown = [branch.c[str(one.key)] for one in selection.columns]
    if placed or counted:
        shown += [branch.c["_value"], branch.c["_key"]]
    if counted:
        shown.append(parents.c.total.label("_total"))
    return compiled(
        select(*shown, parents.c.place.label("_place"))
        .select_from(parents.join(branch, true(), isouter=counted))
        .order_by(parents.c.place, *_ordering(order, branch.c["_value"], branch.c["_key"]))
    )


def _found(sought: Sought, order: Order, *, after: bool) -> CTE:
    """The ids of the rows that may hold a text, looked up once."""
    assert sought.finder is not None
    kind = DateTime(timezone=True)
    timed = order.column in ("occurred_at", "updated_at")
    at = bindparam("_after_value", type_=kind) if after and timed else cast(null(), kind)
    ids = sought.finder(_SCOPES, at, literal(order.column == "updated_at"))
    return select(ids.label("ids")).cte("found").prefix_with("materialized")


def _beyond(
    order: Order, value: ColumnElement[Any], key: ColumnElement[Any]
) -> ColumnElement[bool]:
    """Whether a row comes after the place of a cursor."""
    place = tuple_(
        bindparam("_after_value", type_=value.type), bindparam("_after_key", type_=key.type)
    )
    return tuple_(value, key) < place if order.descending else tuple_(value, key) > place
