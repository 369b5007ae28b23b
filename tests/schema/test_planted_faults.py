"""The tests of equality must see what a planner can do wrong: each fault is planted alone, and chance must find it soon."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest
from sqlalchemy import tuple_

from schema.planner import (  # fmt: skip
    arguments,
    branches,
    connection,
    keyset,
    levels,
    operation,
    statements,
    window,
)
from schema.planner.select import Document, Selection

SOON = 400
"""Examples in which a fault must show."""

Patch = pytest.MonkeyPatch


def a_dropped_filter(patch: Patch) -> None:
    """The last of several conditions is forgotten."""
    real = branches.spread

    def dropped(filters: Mapping[str, Any]) -> Any:
        names, given = real(filters)
        return names[:-1], given

    patch.setattr(window, "spread", dropped)


def a_place_that_is_included(patch: Patch) -> None:
    """The keyset's `>` is a `>=`."""

    def beyond(order: Any, value: Any, key: Any) -> Any:
        place = tuple_(
            statements.bindparam("_after_value", type_=value.type),
            statements.bindparam("_after_key", type_=key.type),
        )
        return tuple_(value, key) <= place if order.descending else tuple_(value, key) >= place

    patch.setattr(statements, "_beyond", beyond)


def a_place_by_value_alone(patch: Patch) -> None:
    """Rows of one moment are left out where a page ends among them."""

    def beyond(order: Any, value: Any, key: Any) -> Any:
        place = statements.bindparam("_after_value", type_=value.type)
        # The id is named, so that it is bound.
        id_ = statements.bindparam("_after_key", type_=key.type).is_not(None)
        return (value < place if order.descending else value > place) & id_

    patch.setattr(statements, "_beyond", beyond)


def no_tie_break(patch: Patch) -> None:
    """Rows of one moment come in any order: here the wrong one."""

    def ordering(order: Any, value: Any, key: Any) -> list[Any]:
        return [value.desc(), key.asc()] if order.descending else [value.asc(), key.desc()]

    patch.setattr(statements, "_ordering", ordering)


def a_lost_argument_of_an_alias(patch: Patch) -> None:
    """The same field twice is asked for with the arguments of the first."""
    first: dict[tuple[int, str], Any] = {}
    real = levels._below

    def below(document: Document, child: Any, convert: Any) -> Any:
        seen = first.setdefault((id(document), child.nodes[0].name.value), child.nodes[0])
        made = real(document, child, convert)
        made.arguments = arguments.Arguments.of(child.field, seen, convert)
        return made

    patch.setattr(levels, "_below", below)


def totals_that_ignore_filters(patch: Patch) -> None:
    """What is counted is the whole list."""
    real = statements.page

    def page(selection: Selection, declared: Any, *more: Any, counted: bool, **named: Any) -> Any:
        made = real(selection, declared, *more, counted=counted, **named)
        if not counted:
            return made
        return type(made)(_without_filters(made.sql), made.names, made.constants)

    patch.setattr(statements, "page", page)


def _without_filters(sql: str) -> str:
    """The statement with a total of all rows of the scopes, in which filters are still named, so that they are bound."""
    begin = sql.index("(SELECT count(")
    depth = 0
    for end in range(begin, len(sql)):
        depth += (sql[end] == "(") - (sql[end] == ")")
        if depth == 0:
            break
    total = sql[begin : end + 1]
    where = total.index("WHERE ")
    scope = total.rindex("t.scope_id = ANY")
    return f"{sql[:begin]}{total[:where]}WHERE (({total[where + 6:scope].removesuffix(' AND ')}) IS NOT NULL OR true) AND {total[scope:]}{sql[end + 1:]}"  # fmt: skip


def a_next_page_that_never_is(patch: Patch) -> None:
    info = {**connection.PAGE_INFO, "hasNextPage": lambda page: False}
    patch.setattr(connection, "PAGE_INFO", info)


def conditions_that_are_forgotten(patch: Patch) -> None:
    """@skip and @include count for nothing."""
    patch.setattr(Document, "_wanted", lambda *_: True)


def fragments_of_other_types(patch: Patch) -> None:
    """A fragment on the refusal is applied to nobody, and one on a union neither."""
    patch.setattr(Document, "_applies", lambda self, condition, kind: condition == kind.name)


def defaults_instead_of_nulls(patch: Patch) -> None:
    """A variable that is null where none may be counts as left out."""

    def read(self: Any, given: Any) -> Any:
        return real(self, given)

    real = arguments.Arguments.read

    def lenient(self: Any, variables: Any) -> Any:
        try:
            return real(self, variables)
        except Exception:
            return self.fixed or {}

    patch.setattr(arguments.Arguments, "read", lenient)


def a_page_of_another_parent(patch: Patch) -> None:
    real = levels.Level._by_parent
    patch.setattr(levels.Level, "_by_parent", lambda *given: list(reversed(real(*given))))


def plans_of_other_conditions(patch: Patch) -> None:
    """One plan is kept for all values of the variables that decide what is asked for."""
    real = operation.Operation.compiled

    def compiled(self: Any, variables: Any, compile: Any) -> Any:
        if self._plans:
            return next(iter(self._plans.values()))
        return real(self, variables, compile)

    patch.setattr(operation.Operation, "compiled", compiled)


def cursors_of_any_order(patch: Patch) -> None:
    """A cursor is believed whatever order it was made for."""
    real = keyset.decode

    def decode(cursor: str, order: str, kind: Any, key_kind: Any) -> Any:
        try:
            return real(cursor, order, kind, key_kind)
        except Exception:
            return real(
                cursor, "UPDATED" if order in ("NAME", "OCCURRED") else order, kind, key_kind
            )

    patch.setattr(window.keyset, "decode", decode)
