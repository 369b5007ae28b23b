"""The arguments of one field, and the ones of lists that the planner serves itself."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from enum import Enum
from typing import Any

from graphql import FieldNode, GraphQLField, VariableValues
from graphql.execution.values import get_argument_values
from strawberry.types.arguments import convert_arguments

from patrol.errors import PageSizeInvalid, VariableInvalid
from schema.planner.reads import Order

Converter = Callable[[GraphQLField, dict[str, Any]], dict[str, Any]]

RESERVED = ("first", "after", "order")
"""Arguments of lists that the planner serves itself."""


@dataclass(frozen=True, slots=True)
class Arguments:
    """The arguments of one field: constants are read once, variables at each run."""

    field: GraphQLField
    node: FieldNode
    convert: Converter

    def read(self, variables: VariableValues | None) -> dict[str, Any]:
        """Values by Python name; a null counts as not given.

        Raises:
            GraphQLError: a variable is null where the argument may not be.
            VariableInvalid: a text that the database cannot hold.
        """
        if not self.field.args:
            return {}
        values = get_argument_values(self.field, self.node, variables)
        for name, value in values.items():
            if isinstance(value, str) and "\0" in value:
                # PostgreSQL keeps no text with one, and would fail where a mistake of ours does.
                raise VariableInvalid(f"`{name}` has a NUL character, which no text here can have.")
        return {
            name: value
            for name, value in self.convert(self.field, values).items()
            if value is not None
        }


def converter(schema: Any) -> Converter:
    """Turns GraphQL values into the Python ones that a Strawberry schema declares."""
    registry, config = schema.schema_converter.scalar_registry, schema.config

    def convert(field_: GraphQLField, values: dict[str, Any]) -> dict[str, Any]:
        definition = field_.extensions["strawberry-definition"]
        return convert_arguments(values, definition.arguments, registry, config)

    return convert


def first_of(arguments: Mapping[str, Any], limit: int) -> int:
    first = int(arguments.get("first", min(50, limit)))
    if not 1 <= first <= limit:
        raise PageSizeInvalid(f"`first` must be between 1 and {limit}, not {first}.", limit=limit)
    return first


def order_of(arguments: Mapping[str, Any], orders: Mapping[str, Order]) -> tuple[str, Order]:
    chosen = arguments.get("order")
    name = str(chosen.value if isinstance(chosen, Enum) else chosen or next(iter(orders)))
    return name, orders[name]
