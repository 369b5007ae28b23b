"""Runs an operation's mutations: the stock executor calls the rules, unless one alone can go the short way."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from inspect import isawaitable
from typing import Any

from graphql import (
    ExecutionResult,
    FieldNode,
    GraphQLError,
    GraphQLNonNull,
    GraphQLObjectType,
    GraphQLSchema,
    GraphQLUnionType,
    execute,
    get_named_type,
    located_error,
)
from graphql.execution import Executor

from patrol.errors import Problem
from schema.context import Context
from schema.mutations.inputs import Structs
from schema.mutations.payload import Payload, check_payload, payload
from schema.mutations.short import Short, short
from schema.planner.arguments import Converter
from schema.planner.check import bounded
from schema.planner.cost import Cost, cost_of
from schema.planner.operation import Operation, formatted
from schema.planner.select import Document, source_of
from storage.principal import Role


@dataclass(frozen=True, slots=True)
class Root:
    """One mutation of an operation. `needed`: its answer may not be null."""

    nodes: Sequence[FieldNode]
    payload: Payload
    needed: bool


@dataclass(frozen=True, slots=True)
class Plan:
    """An operation's mutations by response key. `short` is the only one, where that can go the short way."""

    roots: Mapping[str, Root]
    short: tuple[str, Root, Short] | None
    cost: Cost


@dataclass(slots=True)
class Answering:
    """One run: how its answers are shaped, and which rows of them could not be read."""

    plan: Plan
    context: Context
    role: Role
    problems: list[tuple[GraphQLError, Problem]] = field(default_factory=list)

    async def answer(self, root: Root, value: Any, variables: Any = None) -> Any:
        data, problems = await root.payload.answer(self.context, self.role, value, variables)
        self.problems += problems
        return data


class _Executor(Executor[Any]):
    """The stock executor, but for the answers of mutations: the planner shapes those, rows and all."""

    def __init__(self, *given: Any, answering: Answering, **more: Any) -> None:
        super().__init__(*given, **more)
        self._answering = answering

    def complete_value(
        self, return_type: Any, details: Any, info: Any, path: Any, result: Any, position: Any
    ) -> Any:
        # A rule that failed, or gave null where that is a mistake, is told the stock way.
        root = None
        if path.prev is None and result is not None and not isinstance(result, Exception):
            root = self._answering.plan.roots.get(path.key)
        if root is None:
            return super().complete_value(return_type, details, info, path, result, position)
        return self._answering.answer(root, result, self.variable_values)


@dataclass(slots=True)
class Mutations:
    """The mutations of one contract; what they answer is read as `role`."""

    schema: GraphQLSchema
    convert: Converter
    role: Role
    structs: Structs = field(default_factory=Structs)

    def check(self) -> None:
        """Finds what a mutation declares to answer and could not.

        Raises:
            PlanError: names the field.
        """
        kind = self.schema.mutation_type
        if kind is None:
            return
        waiting: list[Any] = [one.type for one in kind.fields.values()]
        for name, one in kind.fields.items():
            bounded(f"{kind.name}.{name}", one)
        seen: set[str] = set()
        while waiting:
            found = get_named_type(waiting.pop())
            if isinstance(found, GraphQLUnionType) and found.name not in seen:
                seen.add(found.name)
                waiting += found.types
            elif (
                isinstance(found, GraphQLObjectType)
                and found.name not in seen
                and source_of(found) is None
            ):
                seen.add(found.name)
                check_payload(found)
                waiting += [one.type for one in found.fields.values()]

    async def run(
        self, operation: Operation, variables: dict[str, Any], context: Context
    ) -> tuple[ExecutionResult, list[dict[str, Any]]]:
        """What became of the operation, and the errors of rows that could not be read after it was done.

        Raises:
            RequestErrors: a variable does not fit, and is asked for before anything is done.
            OperationTooCostly: its answer can have more values than one request may, or a list in its variables is too long.
            TooLarge: so it is, and what it lists can be split.
        """
        values = operation.variables(variables) if operation.conditions else None
        plan: Plan = operation.compiled(values, lambda document: self._compile(operation, document))
        way = plan.short[2] if plan.short is not None else None
        if way is not None:
            operation.entries.keep(variables, outside=way.sifts)
        elif values is None:
            values = operation.variables(variables)
        plan.cost.keep(values, operation.limits)
        run = Answering(plan, context, self.role)
        result = None
        if way is not None:
            if way.keeps(variables):
                result = await self._short(run, variables)
            if result is None:
                variables, unread = way.sifted(variables)
                if unread:
                    run.context = replace(context, unread=unread)
                    result = await self._short(run, variables)
            if result is None:
                operation.entries.keep(variables)
        if result is None:
            result = await self._stock(operation, variables, run)
        return result, [formatted(error, problem) for error, problem in run.problems]

    async def _short(self, run: Answering, variables: dict[str, Any]) -> ExecutionResult | None:
        """The result; None where it has to go the stock way."""
        if run.plan.short is None:
            return None
        key, root, way = run.plan.short
        given = way.arguments(variables)
        if given is None:
            return None
        try:
            answer = await run.answer(root, await way.rule(run.context, **given))
        except Exception as error:
            told = located_error(error, root.nodes, [key])
            return ExecutionResult(None if root.needed else {key: None}, [told])
        return ExecutionResult({key: answer}, None)

    async def _stock(
        self, operation: Operation, variables: dict[str, Any], run: Answering
    ) -> ExecutionResult:
        name = operation.definition.name
        result = execute(
            self.schema,
            operation.document,
            variable_values=variables,
            context_value=run.context,
            operation_name=name.value if name else None,
            executor_class=_Executor,
            answering=run,
        )
        return await result if isawaitable(result) else result

    def _compile(self, operation: Operation, document: Document) -> Plan:
        kind = self.schema.mutation_type
        assert kind is not None  # the operation was validated, and it is a mutation
        selections = operation.definition.selection_set.selections
        collected = document.collect(kind, selections)
        cost = cost_of(document, kind, selections)
        # Before the answers are compiled: compiling hundreds of rows costs more than a refusal may.
        cost.keep_text(operation.limits)
        roots = {}
        way = None
        for key, nodes in collected.items():
            field_ = kind.fields.get(nodes[0].name.value)
            if field_ is None:
                continue  # __typename, which the stock executor answers
            roots[key] = Root(
                nodes,
                payload(document, field_, nodes, self.convert),
                isinstance(field_.type, GraphQLNonNull),
            )
            if len(collected) == 1:
                found = short(operation, field_, nodes[0], self.structs)
                way = None if found is None else (key, roots[key], found)
        return Plan(roots, way, cost)
