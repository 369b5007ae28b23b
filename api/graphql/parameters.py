"""Turns what a client sent into a well-formed request, or says in one sentence what is wrong with it."""

import re
from typing import Any

import orjson
from starlette.datastructures import QueryParams

from api.graphql.engine import GraphQLRequest
from patrol.errors import BadRequest, BodyNotJson, QueryMissing

_HASH = re.compile(r"(?:sha256:)?([0-9a-fA-F]{64})")
_PARAMETERS = ("query", "documentId", "variables", "operationName", "extensions")


def from_body(body: bytes) -> GraphQLRequest:
    """Read the JSON body of a POST.

    Raises:
        BadRequest: not JSON, no object, a batch, or a member of the wrong type.
    """
    try:
        value = orjson.loads(body)
    except orjson.JSONDecodeError as error:
        raise BodyNotJson(f"The body is not valid JSON: {error}.") from None
    if isinstance(value, list):
        raise BodyNotJson("Batches are not taken: send one operation in each request.")
    if not isinstance(value, dict):
        raise BodyNotJson(f"The body must be a JSON object, not {kind_of(value)}.")
    return from_members(value)


def from_url(params: QueryParams) -> GraphQLRequest:
    """Read the query string of a GET; `variables` and `extensions` are JSON text, an empty value is none.

    Raises:
        BadRequest: a parameter is repeated, or not of its type.
    """
    members: dict[str, Any] = {}
    for name in _PARAMETERS:
        values = params.getlist(name)
        if len(values) > 1:
            raise BadRequest(f"`{name}` is given {len(values)} times; it can be given once.")
        if values and values[0]:
            members[name] = values[0]
    for name in ("variables", "extensions"):
        if name in members:
            try:
                members[name] = orjson.loads(members[name])
            except orjson.JSONDecodeError as error:
                raise BadRequest(f"`{name}` is not valid JSON: {error}.") from None
    return from_members(members)


def from_members(members: dict[str, Any]) -> GraphQLRequest:
    """Check the members of one request; null is the same as absent, unknown members are ignored.

    Source: GraphQL over HTTP, Request Parameters.

    Raises:
        BadRequest: a member of the wrong type, or nothing to run.
    """
    query = _text(members, "query")
    operation_name = _text(members, "operationName") or None
    variables = _object(members, "variables")
    extensions = _object(members, "extensions")
    document_id = _document_id(_text(members, "documentId"), extensions)
    if query is None and document_id is None:
        raise QueryMissing()
    return GraphQLRequest(query, document_id, variables, operation_name, extensions)


def kind_of(value: Any) -> str:
    """The JSON kind of a value, with its article, for messages."""
    match value:
        case None:
            return "null"
        case bool():
            return "a boolean"
        case int() | float():
            return "a number"
        case str():
            return "a string"
        case list():
            return "an array"
        case _:
            return "an object"


def _text(members: dict[str, Any], name: str) -> str | None:
    value = members.get(name)
    if value is None or isinstance(value, str):
        return value
    raise BadRequest(f"`{name}` must be a string, not {kind_of(value)}.")


def _object(members: dict[str, Any], name: str) -> dict[str, Any]:
    value = members.get(name)
    if value is None:
        return {}
    if isinstance(value, dict):
        return value
    raise BadRequest(f"`{name}` must be an object, not {kind_of(value)}.")


def _document_id(named: str | None, extensions: dict[str, Any]) -> str | None:
    """Two client families name a trusted operation in two ways; both mean the SHA-256 of its text."""
    persisted = _object(extensions, "persistedQuery")
    hashed = _text(persisted, "sha256Hash")
    if persisted and (hashed is None or persisted.get("version", 1) != 1):
        raise BadRequest("`extensions.persistedQuery` must have `version` 1 and a `sha256Hash`.")
    ids = {
        _sha256(name, value)
        for name, value in (
            ("documentId", named),
            ("extensions.persistedQuery.sha256Hash", hashed),
        )
        if value is not None
    }
    if len(ids) > 1:
        raise BadRequest(
            "`documentId` and `extensions.persistedQuery` name two different operations."
        )
    return ids.pop() if ids else None


def _sha256(name: str, value: str) -> str:
    match = _HASH.fullmatch(value)
    if match is None:
        raise BadRequest(f"`{name}` must be a SHA-256 as 64 hex digits, with or without `sha256:`.")
    return match[1].lower()
