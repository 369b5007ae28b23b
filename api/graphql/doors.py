"""Runs a contract's operations for the transports: which text may run, as whom, and what a refusal looks like."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Callable, Mapping

import orjson

from api.graphql.engine import GraphQLRequest, Outcome
from api.problems import as_problem
from api.trusted import operation_id
from patrol.errors import OperationNotTrusted, OperationUnknown
from schema.context import Context
from schema.door import Door
from schema.planner import Operation, RequestErrors
from storage.admins import AUDIT
from storage.faults import StorageFault
from storage.principal import Principal

AUDITED_CHARACTERS = 8_000
"""What is kept of a read's text and variables: enough to tell what was read, and no way to fill the log."""


class DoorEngine:
    """The engine behind one contract's address."""

    def __init__(
        self,
        door: Door,
        context: Callable[[Principal], Context],
        *,
        trusted: Mapping[str, str] | None = None,
        only_trusted: bool = False,
        audited: bool = False,
    ) -> None:
        """`audited` writes each read to the audit log before it runs."""
        self.door = door
        self._context = context
        self._trusted = trusted or {}
        self._only_trusted = only_trusted
        self._audited = audited

    async def execute(
        self, request: GraphQLRequest, principal: Principal, *, read_only: bool
    ) -> Outcome:
        try:
            operation = self._operation(request)
            if operation.is_subscription:
                raise OperationUnknown(
                    "A subscription needs a stream: use the socket or text/event-stream."
                )
            return await self._run(operation, request, principal, read_only=read_only)
        except RequestErrors as refused:
            return Outcome(orjson.dumps({"errors": refused.errors}), executed=False)
        except StorageFault as fault:
            raise as_problem(fault) from fault

    async def subscribe(
        self, request: GraphQLRequest, principal: Principal, *, read_only: bool
    ) -> AsyncGenerator[bytes, None] | Outcome:
        try:
            operation = self._operation(request)
            if not operation.is_subscription:
                return await self._run(operation, request, principal, read_only=read_only)
            operation.variables(request.variables)
        except RequestErrors as refused:
            return Outcome(orjson.dumps({"errors": refused.errors}), executed=False)
        except StorageFault as fault:
            raise as_problem(fault) from fault
        return self._stream(operation, request, principal)

    async def _stream(
        self, operation: Operation, request: GraphQLRequest, principal: Principal
    ) -> AsyncGenerator[bytes, None]:
        stream = self.door.subscribe(operation, request.variables, self._context(principal))
        try:
            async for answer in stream:
                yield answer
        except StorageFault as fault:
            raise as_problem(fault) from fault
        finally:
            await stream.aclose()

    async def _run(
        self,
        operation: Operation,
        request: GraphQLRequest,
        principal: Principal,
        *,
        read_only: bool,
    ) -> Outcome:
        context = self._context(principal)
        if self._audited:
            await self._audit(context, operation, request)
        body = await self.door.execute(operation, request.variables, context, read_only=read_only)
        return Outcome(body)

    def _operation(self, request: GraphQLRequest) -> Operation:
        """The operation that is asked for.

        Raises:
            Problem: it is unknown, not trusted here, or not of this contract.
        """
        text = request.query
        if request.document_id is not None:
            known = self._trusted.get(request.document_id)
            if known is None and (text is None or operation_id(text) != request.document_id):
                raise OperationUnknown
            text = known or text
        assert text is not None  # the transport refuses a request with neither
        if self._only_trusted and operation_id(text) not in self._trusted:
            raise OperationNotTrusted
        return self.door.operations.get(text, request.operation_name)

    async def _audit(self, context: Context, operation: Operation, request: GraphQLRequest) -> None:
        name = operation.definition.name
        variables = orjson.dumps(request.variables)
        detail = {
            "operation": operation.id,
            "text": (request.query or "")[:AUDITED_CHARACTERS],
            "variables": request.variables
            if len(variables) <= AUDITED_CHARACTERS
            else {"leftOutBytes": len(variables)},
        }
        async with context.database.enter(self.door.role, context.principal) as entered:
            await entered.connection.execute(
                AUDIT,
                f"{self.door.name}.read",
                name.value if name else "",
                # No JSON of the database holds a NUL; a read with one is refused later, and logged all the same.
                orjson.dumps(detail).decode().replace("\\u0000", "\\ufffd"),
            )
