"""The short way in: a trusted mutation's variables are decoded at once, because coercing 100 rows costs more than storing them."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import MISSING, dataclass
from functools import partial
from typing import Any

import msgspec
from graphql import (
    FieldNode,
    GraphQLArgument,
    GraphQLError,
    GraphQLField,
    GraphQLInputType,
    GraphQLList,
    GraphQLNonNull,
    GraphQLSchema,
    OperationDefinitionNode,
    Undefined,
    VariableNode,
    Visitor,
    get_nullable_type,
    visit,
)
from graphql.execution.get_variable_signature import get_variable_signature
from graphql.utilities.coerce_input_value import (
    coerce_default_value,
    coerce_input_literal,
    coerce_input_value,
)
from strawberry import UNSET

from schema.mutations.declare import Rule, ShortWay, Sift
from schema.mutations.inputs import NoShortWay, Slot, Struct, Structs, is_plain, required
from schema.planner.operation import Operation
from schema.planner.select import read_of


@dataclass(frozen=True, slots=True)
class Sieve:
    """Tells which entries of a variable fit, by the short way or by the stock one."""

    name: str
    kind: GraphQLInputType
    struct: Struct
    answerable: Callable[[Any], bool]
    keeps: Callable[[Any], bool]
    """Whether the lists inside of an entry are short enough, which neither way asks by itself."""

    def fits(self, entry: Any) -> bool:
        if not self.keeps(entry):
            return False
        try:
            msgspec.convert({"entry": entry}, self.struct)
        except msgspec.ValidationError:
            try:
                return coerce_input_value(entry, self.kind) is not Undefined
            except (GraphQLError, ValueError, TypeError):
                return False
        return True


@dataclass(frozen=True, slots=True)
class Short:
    """One mutation of an operation, ready to be called: which rule, and how its arguments are made of variables."""

    rule: Rule
    struct: Struct
    names: Sequence[str]
    constants: Mapping[str, Any]
    sieve: Sieve | None = None

    @property
    def sifts(self) -> str | None:
        """The variable of which each entry is judged by itself."""
        return None if self.sieve is None else self.sieve.name

    def keeps(self, variables: Mapping[str, Any]) -> bool:
        """Whether the lists inside of all entries are short enough."""
        entries = None if self.sieve is None else variables.get(self.sieve.name)
        if self.sieve is None or not isinstance(entries, list):
            return True
        return all(self.sieve.keeps(one) for one in entries)

    def sifted(self, variables: Mapping[str, Any]) -> tuple[dict[str, Any], list[Any]]:
        """The variables with a list of what fits, and the entries that do not; all of them where a misfit has no answer."""
        given = dict(variables)
        entries = None if self.sieve is None else given.get(self.sieve.name)
        if self.sieve is None or not isinstance(entries, list):
            return given, []
        fitting, unread = [], []
        for one in entries:
            if self.sieve.fits(one):
                fitting.append(one)
            elif self.sieve.answerable(one):
                unread.append(one)
            else:
                return given, []
        return {**given, self.sieve.name: fitting}, unread

    def arguments(self, variables: Mapping[str, Any]) -> dict[str, Any] | None:
        """The arguments by Python name; None where the stock way must look at the variables."""
        try:
            values = msgspec.structs.astuple(msgspec.convert(variables, self.struct))
        except msgspec.ValidationError:
            return None
        given = {
            name: value
            for name, value in zip(self.names, values, strict=True)
            if value is not UNSET
        }
        return {**given, **self.constants}


def short(
    operation: Operation, field: GraphQLField, node: FieldNode, structs: Structs
) -> Short | None:
    """Compiles the short way of an operation's only root; None where it has to go the stock way."""
    declared = read_of(field)
    if not isinstance(declared, ShortWay) or operation.conditions:
        return None
    try:
        return _compiled(operation, declared, field, node, structs)
    except NoShortWay:
        return None


def _compiled(
    operation: Operation, declared: ShortWay, field: GraphQLField, node: FieldNode, structs: Structs
) -> Short:
    definition = operation.definition
    given = {one.name.value: one.value for one in node.arguments or ()}
    variables = [one.name.value for one in given.values() if isinstance(one, VariableNode)]
    if definition.directives or _mentions(operation) != len(variables) + len(
        definition.variable_definitions or ()
    ):
        raise NoShortWay  # a variable is also asked for below the root, or inside of a constant
    if len(set(variables)) < len(variables):
        raise NoShortWay  # one value for two arguments, which a struct has no second place for
    slots: list[Slot] = []
    constants: dict[str, Any] = {}
    for name, argument in field.args.items():
        python = argument.extensions["strawberry-definition"].python_name
        value = given.get(name)
        if isinstance(value, VariableNode):
            sent_as = value.name.value
            slots.append(_variable(operation.schema, definition, sent_as, python, argument))
            continue
        constant = (
            coerce_default_value(argument)
            if value is None
            else coerce_input_literal(value, argument.type)
        )
        if constant is not Undefined:
            if not is_plain(constant):
                raise NoShortWay  # an input would have to be made anew for each call
            constants[python] = constant
    struct = structs.make(
        definition.name.value if definition.name else "Variables", slots, closed=False
    )
    sieve = None if declared.sift is None else _sieve(operation, declared.sift, slots, structs)
    return Short(declared.rule, struct, [one.name for one in slots], constants, sieve)


def _sieve(
    operation: Operation, sift: Sift, slots: Sequence[Slot], structs: Structs
) -> Sieve | None:
    """The sieve of the variable that a list comes in; None where it is written into the operation."""
    slot = next((one for one in slots if one.name == sift.argument), None)
    if slot is None:
        return None
    kind = get_nullable_type(slot.kind)
    assert isinstance(kind, GraphQLList)
    entry = structs.make("Entry", [Slot("entry", "entry", kind.of_type, MISSING)])
    keeps = partial(operation.entries.fits, slot.sent_as)
    return Sieve(slot.sent_as, kind.of_type, entry, sift.answerable, keeps)


def _variable(
    schema: GraphQLSchema,
    definition: OperationDefinitionNode,
    sent_as: str,
    python: str,
    argument: GraphQLArgument,
) -> Slot:
    node = next(
        one for one in definition.variable_definitions or () if one.variable.name.value == sent_as
    )
    signature = get_variable_signature(schema, node)
    if isinstance(signature, GraphQLError):
        raise NoShortWay
    default = coerce_default_value(signature)
    if default is Undefined:
        default = (
            MISSING
            if isinstance(signature.type, GraphQLNonNull)
            else coerce_default_value(argument)
        )
    # Null for an argument that may not be null is an error that the stock way tells.
    kind = required(signature.type) if isinstance(argument.type, GraphQLNonNull) else signature.type
    if default is Undefined:
        # Left out, so that the rule's own default holds.
        default = MISSING if isinstance(kind, GraphQLNonNull) else UNSET
    return Slot(python, sent_as, kind, default)


class _Variables(Visitor):
    """Counts where variables stand."""

    def __init__(self) -> None:
        super().__init__()
        self.count = 0

    def enter_variable(self, *_: Any) -> None:
        self.count += 1


def _mentions(operation: Operation) -> int:
    seen = _Variables()
    visit(operation.document, seen)
    return seen.count
