"""How long the lists in an operation's variables may be, asked before anything is made of them: reading a body of
400,000 words costs more than a refusal may.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from graphql import (
    GraphQLInputObjectType,
    GraphQLList,
    GraphQLSchema,
    VariableDefinitionNode,
    get_named_type,
    get_nullable_type,
    type_from_ast,
)

from patrol.errors import OperationTooCostly, TooLarge
from schema.planner.limits import Limits, over


class Entries:
    """The lists in the variables of one operation.

    A list of inputs whose class says `__most__` may have that many; every other as many as the limits say.
    """

    __slots__ = ("_deep", "_kinds", "_limits")

    def __init__(
        self, schema: GraphQLSchema, definitions: Sequence[VariableDefinitionNode], limits: Limits
    ) -> None:
        self._limits = limits
        self._deep: dict[str, bool] = {}
        self._kinds = [
            (one.variable.name.value, type_from_ast(schema, one.type)) for one in definitions
        ]

    def keep(self, given: Mapping[str, Any], *, outside: str | None = None) -> None:
        """Refuses what is too long; of the variable `outside` only its own length, because its entries are sieved.

        Raises:
            TooLarge: more inputs than the mutation or the pull takes.
            OperationTooCostly: more entries than any other list may have.
        """
        for name, kind in self._kinds:
            if isinstance(given.get(name), list | dict):
                self._keep(name, kind, given[name], inside=name != outside)

    def fits(self, name: str, entry: Any) -> bool:
        """Whether the lists inside of one entry of a variable are short enough."""
        kind: Any = next(kind for known, kind in self._kinds if known == name)
        try:
            self._keep(name, get_nullable_type(kind).of_type, entry)
        except (TooLarge, OperationTooCostly):
            return False
        return True

    def _keep(self, name: str, kind: Any, value: Any, *, inside: bool = True) -> None:
        kind = get_nullable_type(kind)
        if isinstance(kind, GraphQLList):
            # A single value stands for a list of it.
            value = value if isinstance(value, list) else [value]
            most = most_of(kind)
            if most is not None and len(value) > most:
                raise TooLarge(
                    f"`{name}` takes at most {most} entries, and has {len(value)}.", limit=most
                )
            if most is None and len(value) > self._limits.entries:
                raise over("entries", self._limits.entries, len(value))
            if inside and self._has_lists(kind.of_type):
                for one in value:
                    self._keep(name, kind.of_type, one)
        elif isinstance(kind, GraphQLInputObjectType) and isinstance(value, dict):
            for key, field in kind.fields.items():
                if isinstance(value.get(key), list | dict):
                    self._keep(key, field.type, value[key])

    def _has_lists(self, kind: Any) -> bool:
        """Whether a list can stand inside; what is in a push is walked only if one can."""
        kind = get_nullable_type(kind)
        if not isinstance(kind, GraphQLInputObjectType):
            return isinstance(kind, GraphQLList)
        if kind.name not in self._deep:
            self._deep[kind.name] = False
            self._deep[kind.name] = any(self._has_lists(one.type) for one in kind.fields.values())
        return self._deep[kind.name]


def most_of(kind: Any) -> int | None:
    """How many of an input one list takes, as its class says."""
    named = get_named_type(kind)
    definition = (getattr(named, "extensions", None) or {}).get("strawberry-definition")
    found: int | None = getattr(getattr(definition, "origin", None), "__most__", None)
    return found
