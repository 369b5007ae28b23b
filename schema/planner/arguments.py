"""The arguments of one field: what its text fixes is read once, so that a run reads only what variables decide."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from graphql import (
    FieldNode,
    GraphQLArgument,
    GraphQLError,
    GraphQLField,
    ListValueNode,
    ObjectValueNode,
    Undefined,
    VariableNode,
    VariableValues,
    get_named_type,
    is_leaf_type,
    is_non_null_type,
)
from graphql.execution.values import get_argument_values
from strawberry.types.arguments import convert_arguments

from patrol.errors import Problem, VariableInvalid
from schema.planner.limits import ENTRIES, over

Converter = Callable[[GraphQLField, dict[str, Any]], dict[str, Any]]


@dataclass(frozen=True, slots=True)
class Arguments:
    """The arguments of one field.

    `fixed` are those that no variable decides, by Python name; None where a run must read all of them the long way.
    `open` are values of variables as (Python name, variable, whether null or nothing means more than "not given", whether
    a value is a leaf or a list of them, which needs no converting).
    """

    field: GraphQLField
    node: FieldNode
    convert: Converter
    fixed: dict[str, Any] | None
    open: tuple[tuple[str, str, bool, bool], ...]

    @classmethod
    def of(cls, field: GraphQLField, node: FieldNode, convert: Converter) -> Arguments:
        """Reads what no variable decides; what is wrong with it is told by each run, at its place."""
        written = {one.name.value: one.value for one in node.arguments or ()}
        settled: dict[str, GraphQLArgument] = {}
        open_: list[tuple[str, str, bool, bool]] = []
        for name, argument in field.args.items():
            value = written.get(name)
            if value is None or not _asks(value):
                settled[name] = argument
            elif isinstance(value, VariableNode):
                by_default = argument.default_value not in (None, Undefined)
                open_.append(
                    (
                        argument.extensions["strawberry-definition"].python_name,
                        value.name.value,
                        by_default or is_non_null_type(argument.type),
                        is_leaf_type(get_named_type(argument.type)),
                    )
                )
            else:
                return cls(field, node, convert, None, ())
        fixed = None
        try:
            fixed = _read(field, GraphQLField(field.type, settled), node, convert, None)
        except (GraphQLError, Problem):
            open_ = []
        return cls(field, node, convert, fixed, tuple(open_))

    def read(self, variables: VariableValues | None) -> dict[str, Any]:
        """Values by Python name; a null counts as not given.

        Raises:
            GraphQLError: a variable is null where the argument may not be.
            VariableInvalid: a value that no rule or no text of the database can hold.
        """
        if self.fixed is None:
            return self._whole(variables)
        given = self.fixed.copy()
        for name, variable, needed, leaf in self.open:
            value = variables.coerced.get(variable) if variables is not None else None
            if value is not None:
                if not leaf:
                    return self._whole(variables)
                _keep(variable, value)
                given[name] = value
            elif needed:
                return self._whole(variables)
        return given

    def _whole(self, variables: VariableValues | None) -> dict[str, Any]:
        return _read(self.field, self.field, self.node, self.convert, variables)


def _asks(value: Any) -> bool:
    """Whether a variable stands in an argument's value."""
    if isinstance(value, ListValueNode):
        return any(_asks(one) for one in value.values)
    if isinstance(value, ObjectValueNode):
        return any(_asks(one.value) for one in value.fields)
    return isinstance(value, VariableNode)


def _read(
    field: GraphQLField,
    of: GraphQLField,
    node: FieldNode,
    convert: Converter,
    variables: VariableValues | None,
) -> dict[str, Any]:
    values = get_argument_values(of, node, variables)
    for name, value in values.items():
        _keep(name, value)
    return {name: one for name, one in convert(field, values).items() if one is not None}


def _keep(name: str, value: Any) -> None:
    """PostgreSQL keeps no text with a NUL, and would fail where a mistake of ours does; each word of a list may be a scan."""
    if isinstance(value, str):
        if "\0" in value:
            raise VariableInvalid(f"`{name}` has a NUL character, which no text here can have.")
    elif isinstance(value, list):
        if len(value) > ENTRIES and not isinstance(value[0], dict):
            raise over("entries", ENTRIES, len(value))
        for one in value:
            _keep(name, one)
    elif isinstance(value, dict):
        for one in value.values():
            _keep(name, one)


def converter(schema: Any) -> Converter:
    """Turns GraphQL values into the Python ones that a Strawberry schema declares."""
    registry, config = schema.schema_converter.scalar_registry, schema.config

    def convert(field_: GraphQLField, values: Mapping[str, Any]) -> dict[str, Any]:
        definition = field_.extensions["strawberry-definition"]
        return convert_arguments(dict(values), definition.arguments, registry, config)

    return convert
