"""Structs made from a contract's own input types: msgspec decodes and checks what a phone sent in one pass in C.

They take less than GraphQL does (no single value for a list, no odd spellings of an UUID) and never more: what a struct
refuses goes the stock way, which takes it after all or says what is wrong with it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import MISSING, dataclass
from typing import Annotated, Any, Literal
from uuid import UUID

import msgspec
from graphql import (
    GRAPHQL_MAX_INT,
    GRAPHQL_MIN_INT,
    GraphQLEnumType,
    GraphQLInputObjectType,
    GraphQLInputType,
    GraphQLList,
    GraphQLNonNull,
    GraphQLScalarType,
    Undefined,
    is_leaf_type,
)
from graphql.utilities.coerce_input_value import coerce_default_value, coerce_input_value
from strawberry import UNSET

_EXACT = 2**53
_LEAVES: Mapping[str, Any] = {
    "String": str,
    "Boolean": bool,
    "Int": Annotated[int, msgspec.Meta(ge=GRAPHQL_MIN_INT, le=GRAPHQL_MAX_INT)],
    # Beyond these a whole number may have no float that equals it, and GraphQL refuses those.
    "Float": Annotated[float, msgspec.Meta(gt=-_EXACT, lt=_EXACT)],
    "UUID": UUID,
    "Long": Annotated[int, msgspec.Meta(gt=-_EXACT, lt=_EXACT)],
    "PhoneTime": Annotated[str, msgspec.Meta(max_length=64)],
}
"""The scalars that msgspec reads as this contract does. Every other is coerced by its own rule, value by value."""

Struct = type[msgspec.Struct]
_Coercions = list[tuple[str, GraphQLInputType]]


class NoShortWay(Exception):
    """No struct can follow this type to the letter."""


@dataclass(frozen=True, slots=True)
class Slot:
    """One member of a struct: its name in Python and in JSON. `default` MISSING: it must be given."""

    name: str
    sent_as: str
    kind: GraphQLInputType
    default: Any


class Structs:
    """The structs of one contract, each made once."""

    def __init__(self) -> None:
        self._made: dict[str, Struct | None] = {}

    def make(
        self, name: str, slots: Sequence[Slot], *, closed: bool = True, one_of: bool = False
    ) -> Struct:
        """A struct with these members; a `closed` one refuses others.

        Raises:
            NoShortWay: a member's type, or its default, is beyond what a struct can follow.
        """
        members: list[tuple[str, Any, Any]] = []
        coercions: _Coercions = []
        for slot in slots:
            # A null for a member of @oneOf is no choice; its type says nullable because it may be left out.
            kind = required(slot.kind) if one_of else slot.kind
            annotation = self._annotation(kind)
            if annotation is None:
                coercions.append((slot.name, kind))
                annotation = Any
            if slot.default is MISSING:
                members.append((slot.name, annotation, msgspec.NODEFAULT))
            elif slot.default is UNSET or is_plain(slot.default):
                members.append((slot.name, annotation, slot.default))
            else:
                raise NoShortWay
        check = _check(coercions, {slot.default for slot in slots} if one_of else set())
        return msgspec.defstruct(
            name,
            members,
            kw_only=True,
            rename={slot.name: slot.sent_as for slot in slots},
            forbid_unknown_fields=closed,
            namespace={} if check is None else {"__post_init__": check},
        )

    def _annotation(self, kind: GraphQLInputType) -> Any:
        """What msgspec decodes as, None where it must leave the value to the scalar's own rule."""
        nullable = not isinstance(kind, GraphQLNonNull)
        inner = kind.of_type if isinstance(kind, GraphQLNonNull) else kind
        found: Any
        if isinstance(inner, GraphQLList):
            item = self._annotation(inner.of_type)
            found = None if item is None else list[item]  # type: ignore[valid-type] # made at run time
        elif isinstance(inner, GraphQLInputObjectType):
            found = self._of(inner)
        elif isinstance(inner, GraphQLEnumType):
            found = _enum(inner)
        else:
            assert isinstance(inner, GraphQLScalarType)
            found = _LEAVES.get(inner.name)
        return found if found is None or not nullable else found | None

    def _of(self, kind: GraphQLInputObjectType) -> Struct:
        if kind.name not in self._made:
            self._made[kind.name] = None
            slots = [_slot(name, field) for name, field in kind.fields.items()]
            # Strawberry checks @oneOf by itself, and does not tell graphql-core.
            one_of = kind.extensions["strawberry-definition"].is_one_of
            self._made[kind.name] = self.make(kind.name, slots, one_of=one_of)
        made = self._made[kind.name]
        if made is None:
            raise NoShortWay  # it contains itself, or was refused before
        return made


def required(kind: GraphQLInputType) -> GraphQLInputType:
    """The type without null."""
    return kind if isinstance(kind, GraphQLNonNull) else GraphQLNonNull(kind)


def is_plain(value: Any) -> bool:
    """Whether a default or constant can be shared by all calls."""
    return value is None or isinstance(value, str | bool | int | float | UUID)


def _slot(sent_as: str, field: Any) -> Slot:
    declared = field.extensions["strawberry-definition"]
    default = coerce_default_value(field)
    if default is Undefined:
        if isinstance(field.type, GraphQLNonNull):
            default = MISSING
        elif declared.default_factory is not MISSING:
            raise NoShortWay
        else:
            # As Strawberry does: what has no default is None.
            default = None if declared.default_value is MISSING else declared.default_value
    return Slot(declared.python_name, sent_as, field.type, default)


def _enum(kind: GraphQLEnumType) -> Any:
    """The words themselves: the stock executor gives them as plain text, too."""
    if any(name != one.value for name, one in kind.values.items()):
        raise NoShortWay
    return Literal[tuple(kind.values)]


def _check(coercions: _Coercions, absent: set[Any]) -> Callable[[Any], None] | None:
    """What msgspec cannot see by itself: @oneOf (`absent` is what a member is that was not given) and other scalars."""
    if not coercions and not absent:
        return None
    assert all(_of_leaves(kind) for _, kind in coercions)
    if len(absent) > 1:
        raise NoShortWay
    nothing = next(iter(absent), None)

    def check(self: Any) -> None:
        if absent:
            given = msgspec.structs.astuple(self)
            if given.count(nothing) != len(given) - 1:
                raise ValueError("exactly one is needed")
        for name, kind in coercions:
            value = getattr(self, name)
            if value is UNSET:
                continue
            coerced = coerce_input_value(value, kind)
            if coerced is Undefined:
                raise ValueError(name)
            setattr(self, name, coerced)

    return check


def _of_leaves(kind: Any) -> bool:
    while isinstance(kind, GraphQLNonNull | GraphQLList):
        kind = kind.of_type
    return is_leaf_type(kind)
