"""An operation's text becomes, once, something that can be run: parsed, measured, validated and planned."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from hashlib import sha256
from typing import Any

from graphql import (
    DocumentNode,
    FieldNode,
    FragmentDefinitionNode,
    GraphQLError,
    GraphQLNonNull,
    GraphQLSchema,
    OperationDefinitionNode,
    OperationType,
    SelectionSetNode,
    VariableNode,
    VariableValues,
    Visitor,
    validate,
    visit,
)

from patrol.errors import OperationInvalid, Problem, QueryMissing, VariableInvalid
from schema.planner.arguments import Converter
from schema.planner.cost import Cost, cost_of
from schema.planner.entries import Entries
from schema.planner.limits import Limits, parsed
from schema.planner.plan import Root, root
from schema.planner.reads import Reading
from schema.planner.select import Document
from schema.planner.variables import Variables

PLANS = 4
"""How many combinations of @skip and @include an operation keeps plans for."""


OVERHEAD = 200
"""Characters that an operation counts beside its text."""


class RequestErrors(Exception):
    """The operation does not fit the contract; `errors` are GraphQL errors, ready to be encoded.

    Each has a code of the catalogue; this class has none, since it is no entry of it.
    """

    def __init__(self, errors: list[dict[str, Any]]) -> None:
        super().__init__(errors[0]["message"])
        self.errors = errors


def formatted(error: GraphQLError, problem: Problem) -> dict[str, Any]:
    """A GraphQL error with a code of the catalogue."""
    entry: dict[str, Any] = {"message": error.message}
    if error.locations:
        entry["locations"] = [{"line": at.line, "column": at.column} for at in error.locations]
    if error.path:
        entry["path"] = list(error.path)
    entry["extensions"] = problem.as_extensions()
    return entry


@dataclass(slots=True)
class Plan:
    """The roots of one operation under one combination of @skip and @include."""

    roots: list[tuple[str, FieldNode, Root | None, bool]]
    stock: DocumentNode | None
    cost: Cost

    reads: bool = field(init=False)
    """Whether anything is read from the database."""

    alone: bool = field(init=False)
    """Whether a single statement answers everything, which is a snapshot by itself."""

    def __post_init__(self) -> None:
        planned = [root for _, _, root, _ in self.roots if root is not None]
        self.reads = bool(planned)
        self.alone = len(planned) == 1 and planned[0].alone

    async def run(
        self, reading: Reading, variables: VariableValues | None
    ) -> tuple[dict[str, Any] | None, list[dict[str, Any]]]:
        """The data by response key and the errors; data is null where a root that may not be null was refused."""
        data: dict[str, Any] | None = {}
        errors: list[dict[str, Any]] = []
        for key, node, planned, needed in self.roots:
            value = None
            if planned is not None:
                try:
                    value = await planned.answer(reading, variables)
                except Problem as problem:
                    errors.append(
                        formatted(GraphQLError(problem.message, [node], path=[key]), problem)
                    )
                    if needed:
                        data = None
                except GraphQLError as error:
                    # A variable that is null where its argument has a default: only the run can see it.
                    told = GraphQLError(error.message, error.nodes, path=[key])
                    errors.append(formatted(told, VariableInvalid(error.message)))
                    if needed:
                        data = None
            if data is not None:
                data[key] = value
        return data, errors


@dataclass(slots=True)
class _Priced:
    """What a plan costs, before it is made."""

    document: Document
    cost: Cost
    plan: Plan | None = None


@dataclass(slots=True)
class Operation:
    """A validated operation of one contract."""

    schema: GraphQLSchema
    document: DocumentNode
    definition: OperationDefinitionNode
    convert: Converter
    conditions: frozenset[str]
    id: str
    limits: Limits = field(default_factory=Limits)
    _plans: dict[tuple[tuple[str, bool], ...], Any] = field(default_factory=dict)
    _variables: Variables | None = None
    _entries: Entries | None = None

    @property
    def is_query(self) -> bool:
        return self.definition.operation is OperationType.QUERY

    @property
    def is_subscription(self) -> bool:
        return self.definition.operation is OperationType.SUBSCRIPTION

    @property
    def entries(self) -> Entries:
        """How long the lists in its variables may be."""
        if self._entries is None:
            definitions = self.definition.variable_definitions or ()
            self._entries = Entries(self.schema, definitions, self.limits)
        return self._entries

    def variables(self, given: dict[str, Any]) -> VariableValues | None:
        """Coerced variables.

        Raises:
            RequestErrors: a value does not fit its type.
            TooLarge, OperationTooCostly: a list is too long.
        """
        self.entries.keep(given)
        if self._variables is None:
            self._variables = Variables(self.schema, self.definition.variable_definitions or ())
        values = self._variables.read(given)
        if isinstance(values, list):
            raise RequestErrors([formatted(one, VariableInvalid(one.message)) for one in values])
        return values

    def plan(self, variables: VariableValues | None) -> Plan:
        """The plan for these values of the variables that @skip and @include ask about.

        Raises:
            RequestErrors: such a variable is null.
            OperationTooCostly: it can answer more values than one request may.
        """
        priced: _Priced = self.compiled(variables, self._priced)
        # Before the plan is made: making one of hundreds of lists costs more than a refusal may.
        priced.cost.keep(variables, self.limits)
        if priced.plan is None:
            priced.plan = self._compile(priced.document, priced.cost)
        return priced.plan

    def compiled(self, variables: VariableValues | None, compile: Callable[[Document], Any]) -> Any:
        """What one way of running it makes of the operation, once for each choice of @skip and @include.

        Raises:
            RequestErrors: a variable that decides what is asked for is null.
        """
        coerced: Mapping[str, Any] = variables.coerced if variables else {}
        for name in self.conditions & coerced.keys():
            if coerced[name] is None:
                problem = VariableInvalid(
                    f"Variable '${name}' decides what is asked for, so it cannot be null."
                )
                raise RequestErrors([formatted(GraphQLError(problem.message), problem)])
        included: tuple[tuple[str, bool], ...] = ()
        if self.conditions:
            included = tuple(sorted((name, bool(coerced.get(name))) for name in self.conditions))
        if included not in self._plans:
            if len(self._plans) >= PLANS:
                # Twenty such variables have a million combinations.
                del self._plans[next(iter(self._plans))]
            fragments = {
                one.name.value: one
                for one in self.document.definitions
                if isinstance(one, FragmentDefinitionNode)
            }
            document = Document(self.schema, fragments, dict(included))
            self._plans[included] = compile(document)
        return self._plans[included]

    def _priced(self, document: Document) -> _Priced:
        query = self.schema.query_type
        assert query is not None
        return _Priced(document, cost_of(document, query, self.definition.selection_set.selections))

    def _compile(self, document: Document, cost: Cost) -> Plan:
        query = self.schema.query_type
        assert query is not None
        roots: list[tuple[str, FieldNode, Root | None, bool]] = []
        stock: list[FieldNode] = []
        selections = self.definition.selection_set.selections
        for key, nodes in document.collect(query, selections).items():
            name = nodes[0].name.value
            kind = query.fields.get(name)
            planned = None if kind is None else root(document, kind, nodes, self.convert)
            if planned is None:
                stock += nodes
            needed = kind is not None and isinstance(kind.type, GraphQLNonNull)
            roots.append((key, nodes[0], planned, needed))
        return Plan(roots, self._without_planned(stock), cost)

    def _without_planned(self, nodes: list[FieldNode]) -> DocumentNode | None:
        """What is left for the stock executor: introspection and roots that read no table."""
        if not nodes:
            return None
        definition = OperationDefinitionNode(
            operation=OperationType.QUERY,
            variable_definitions=self.definition.variable_definitions,
            selection_set=SelectionSetNode(selections=tuple(nodes)),
        )
        others = [
            one for one in self.document.definitions if isinstance(one, FragmentDefinitionNode)
        ]
        return DocumentNode(definitions=(definition, *others))


def operation_id(text: str) -> str:
    """The id of an operation: the SHA-256 of its UTF-8 text, 64 lower-case hexadecimal digits."""
    return sha256(text.encode("utf-8", "replace")).hexdigest()


class _Conditions(Visitor):
    """Collects the variables that @skip and @include ask about."""

    def __init__(self) -> None:
        super().__init__()
        self.names: set[str] = set()

    def enter_directive(self, node: Any, *_: Any) -> None:
        if node.name.value in ("skip", "include"):
            self.names |= {
                one.value.name.value
                for one in node.arguments
                if isinstance(one.value, VariableNode)
            }


class Operations:
    """The operations of one contract, by their text; the least used are forgotten first.

    `characters` of text are kept at most: read, validated and planned, each takes about a kilobyte of memory. A text
    counts `OVERHEAD` more than it is long, for what does not depend on its length.
    """

    def __init__(
        self,
        schema: GraphQLSchema,
        convert: Converter,
        *,
        limits: Limits | None = None,
        characters: int = 128 * 1024,
    ) -> None:
        self.schema = schema
        self.limits = limits or Limits()
        self._convert = convert
        self._room = characters
        self._known: OrderedDict[tuple[str, str | None], Operation] = OrderedDict()

    def get(self, text: str, name: str | None = None) -> Operation:
        """The operation of a text.

        Raises:
            OperationTooCostly: over a limit.
            OperationInvalid: not GraphQL.
            RequestErrors: not of this contract.
        """
        key = (text, name)
        if key in self._known:
            self._known.move_to_end(key)
            return self._known[key]
        operation = self._read(text, name)
        self._known[key] = operation
        self._room -= OVERHEAD + len(text)
        while self._room < 0:
            (forgotten, _), _ = self._known.popitem(last=False)
            self._room += OVERHEAD + len(forgotten)
        return operation

    def _read(self, text: str, name: str | None) -> Operation:
        document = parsed(text, self.limits)
        errors = validate(self.schema, document, max_errors=20)
        if errors:
            raise RequestErrors([formatted(one, OperationInvalid(one.message)) for one in errors])
        definitions = [
            one for one in document.definitions if isinstance(one, OperationDefinitionNode)
        ]
        chosen = [
            one for one in definitions if name is None or (one.name and one.name.value == name)
        ]
        if not chosen:
            raise QueryMissing(
                "The document has no operation."
                if name is None
                else f"The document has no operation {name!r}."
            )
        if len(chosen) > 1:
            raise QueryMissing(
                "The document has several operations; `operationName` must name one."
            )
        conditions = _Conditions()
        visit(document, conditions)
        return Operation(
            self.schema,
            document,
            chosen[0],
            self._convert,
            frozenset(conditions.names),
            operation_id(text),
            self.limits,
        )
