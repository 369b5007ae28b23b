"""The variables of an operation, whose declarations are read once: reading them again would cost each run as much as one
statement.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

from graphql import (
    GraphQLError,
    GraphQLSchema,
    Undefined,
    VariableDefinitionNode,
    VariableValues,
    get_named_type,
    get_nullable_type,
    is_leaf_type,
    is_non_null_type,
)
from graphql.execution.get_variable_signature import (
    GraphQLVariableSignature,
    get_variable_signature,
)
from graphql.execution.values import VariableValueSource, get_variable_values
from graphql.utilities import coerce_input_value

MISTAKES = 20
"""How many mistakes in variables one answer tells."""


class Variables:
    """The variables that one operation declares."""

    __slots__ = ("_definitions", "_plain", "_schema")

    def __init__(
        self, schema: GraphQLSchema, definitions: Sequence[VariableDefinitionNode]
    ) -> None:
        self._schema = schema
        self._definitions = definitions
        self._plain: list[_Plain] | None = []
        for one in definitions:
            signature = get_variable_signature(schema, one)
            if isinstance(signature, GraphQLError):
                self._plain = None
                return
            document = not is_leaf_type(get_named_type(signature.type))
            usual: Any = Undefined
            if signature.default is not None:
                if document:
                    self._plain = None
                    return
                alone = get_variable_values(schema, [one], {})
                usual = alone.coerced[signature.name] if isinstance(alone, VariableValues) else None
            leaf = get_nullable_type(signature.type)
            self._plain.append(
                _Plain(
                    signature,
                    usual,
                    is_non_null_type(signature.type),
                    document,
                    leaf.coerce_input_value if is_leaf_type(leaf) else None,
                )
            )

    def read(self, given: Mapping[str, Any]) -> VariableValues | list[GraphQLError] | None:
        """Coerced values, or what is wrong with them; None for an operation without variables."""
        if not self._definitions:
            return None
        values = self._quickly(given)
        if values is None:
            return get_variable_values(
                self._schema, self._definitions, dict(given), max_errors=MISTAKES
            )
        return values

    def _quickly(self, given: Mapping[str, Any]) -> VariableValues | None:
        """Coerced values; None where one does not fit, or where only the library can say."""
        if self._plain is None:
            return None
        sources: dict[str, VariableValueSource] = {}
        coerced: dict[str, Any] = {}
        for one in self._plain:
            name = one.signature.name
            if name in given:
                value = given[name]
                sources[name] = VariableValueSource(one.signature, value)
                coerced[name] = one.coerced(value)
                if coerced[name] is Undefined:
                    return None
            else:
                sources[name] = VariableValueSource(one.signature)
                if one.usual is not Undefined:
                    coerced[name] = one.usual
                elif one.needed:
                    return None
        return VariableValues(sources, coerced)


class _Plain(NamedTuple):
    """A variable. `usual` is its value where none is given; `leaf` coerces where it is no list.

    Of a `document`, an input object or a list of them, only that it is not given or null is read here.
    """

    signature: GraphQLVariableSignature
    usual: Any
    needed: bool
    document: bool
    leaf: Callable[[Any], Any] | None

    def coerced(self, value: Any) -> Any:
        """The value as the type has it; Undefined where it does not fit."""
        if self.document:
            # Undefined also where it fits: documents inside documents are left to the library.
            return Undefined if self.needed or value is not None else None
        if self.leaf is None:
            return coerce_input_value(value, self.signature.type)
        if value is None:
            return Undefined if self.needed else None
        try:
            return self.leaf(value)
        except Exception:
            # A scalar says by any exception that a value is none of its own; the library then says what is wrong.
            return Undefined
