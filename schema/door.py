"""One GraphQL contract and how its operations run: reads by the planner, acts by `schema.mutations`, the rest stock."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from inspect import isawaitable
from typing import Any

import orjson
import strawberry
import structlog
from graphql import ExecutionResult, GraphQLError, execute, subscribe

from patrol.errors import Internal, MethodNotAllowed, OperationInvalid, Problem, VariableInvalid
from schema.context import Context
from schema.mutations import Mutations
from schema.planner import Operation, Operations, Reading, RequestErrors, check, converter
from schema.planner.limits import Limits
from schema.planner.operation import Plan, formatted
from storage.faults import DatabaseUnavailable, StorageFault
from storage.principal import Role

DEADLINE_SECONDS = 30.0
"""How long the statements of one answer may take together. Each has the same limit, and fifty of them would hold a connection
for half an hour; the app gives up on an answer long before."""

log = structlog.get_logger(__name__)


def encoded(data: Any, errors: Sequence[dict[str, Any]] = ()) -> bytes:
    """An answer as UTF-8 JSON; times end in Z."""
    answer: dict[str, Any] = {"data": data}
    if errors:
        answer = {"errors": list(errors), "data": data}
    return orjson.dumps(answer, option=orjson.OPT_UTC_Z)


@dataclass(frozen=True, slots=True)
class Door:
    """A contract with the database role that its reads run as."""

    name: str
    role: Role
    schema: strawberry.Schema
    operations: Operations
    mutations: Mutations

    @classmethod
    def of(
        cls, name: str, role: Role, schema: strawberry.Schema, limits: Limits | None = None
    ) -> Door:
        """Checks every declared read, so that a wrong column is found at start-up.

        Raises:
            PlanError: names the field and the column that does not exist.
        """
        check(schema._schema)
        convert = converter(schema)
        mutations = Mutations(schema._schema, convert, role)
        mutations.check()
        operations = Operations(schema._schema, convert, limits=limits)
        return cls(name, role, schema, operations, mutations)

    async def execute(
        self,
        operation: Operation,
        variables: dict[str, Any],
        context: Context,
        *,
        read_only: bool = False,
    ) -> bytes:
        """Runs a query or mutation to its encoded answer.

        Raises:
            Problem: the request was refused before anything ran.
            RequestErrors: so it was, with errors that name places in the text.
        """
        if operation.is_query:
            return await self._query(operation, variables, context)
        if read_only:
            raise MethodNotAllowed("Only queries may be sent with GET.")
        result, unread = await self.mutations.run(operation, variables, context)
        _raise_faults(result)
        if result.data is None and all(error.path is None for error in result.errors or ()):
            # Execution never began: a variable did not fit, which only the executor looks at for a mutation.
            raise RequestErrors(
                [formatted(one, VariableInvalid(one.message)) for one in result.errors or ()]
            )
        return encoded(result.data, problems(result) + unread)

    async def _query(
        self, operation: Operation, variables: dict[str, Any], context: Context
    ) -> bytes:
        values = operation.variables(variables)
        plan = operation.plan(values)
        data, errors = await self._planned(plan, values, context)
        if plan.stock is not None:
            left = await self._stock(plan.stock, variables, context)
            errors += problems(left)
            data = None if data is None or left.data is None else {**data, **left.data}
        return encoded(data, errors)

    async def _planned(
        self, plan: Plan, values: Any, context: Context
    ) -> tuple[dict[str, Any] | None, list[dict[str, Any]]]:
        if not plan.reads:
            return {key: None for key, *_ in plan.roots}, []
        # Two statements need a transaction to see one snapshot; one does not, and saves two round trips.
        checkout = context.database.enter if plan.alone else context.database.read
        try:
            async with (
                asyncio.timeout(DEADLINE_SECONDS) as deadline,
                checkout(self.role, context.principal) as entered,
            ):
                reading = Reading(context, entered.connection, entered.scopes, datetime.now(UTC))
                answer = await plan.run(reading, values)
        except TimeoutError as error:
            if not deadline.expired():
                raise
            # Cancelled, the connection was ended and not given to anybody else.
            raise DatabaseUnavailable("The answer took too long.") from error
        for act in reading.afterwards:
            await act()
        return answer

    async def _stock(
        self, document: Any, variables: dict[str, Any], context: Context
    ) -> ExecutionResult:
        result = execute(
            self.schema._schema, document, variable_values=variables, context_value=context
        )
        done = await result if isawaitable(result) else result
        _raise_faults(done)
        return done

    async def subscribe(
        self, operation: Operation, variables: dict[str, Any], context: Context
    ) -> AsyncGenerator[bytes, None]:
        """A stream of encoded results.

        Raises:
            Problem: the subscription was refused.
        """
        name = operation.definition.name
        stream = subscribe(
            self.schema._schema,
            operation.document,
            variable_values=variables,
            context_value=context,
            operation_name=name.value if name else None,
        )
        if isawaitable(stream):
            stream = await stream
        if isinstance(stream, ExecutionResult):
            raise (stream.errors or [GraphQLError("refused")])[0].original_error or Internal()
        try:
            async for result in stream:
                yield encoded(result.data, problems(result))
        finally:
            if isinstance(stream, AsyncGenerator):
                await stream.aclose()


def _raise_faults(result: ExecutionResult) -> None:
    """Revoked, or unavailable: the request as a whole is refused, as a planned read is."""
    for error in result.errors or ():
        if isinstance(error.original_error, StorageFault):
            raise error.original_error


def problems(result: ExecutionResult) -> list[dict[str, Any]]:
    """The errors of the stock executor with codes of the catalogue; mistakes of ours are logged, not told."""
    entries = []
    for error in result.errors or ():
        original = error.original_error
        if isinstance(original, Problem):
            entries.append(formatted(error, original))
        elif original is None:
            entries.append(formatted(error, OperationInvalid(error.message)))
        else:
            log.error(
                "resolver_failed",
                error=type(original).__qualname__,
                path=error.path,
                exc_info=original,
            )
            entries.append(
                formatted(
                    GraphQLError(Internal.default_message(), error.nodes, path=error.path),
                    Internal(),
                )
            )
    return entries
