"""GraphQL over HTTP: every audit of the public conformance suite, in our words, so that no Node is needed to run them.

Each id is that of the npm package graphql-http 1.23; a suffix marks a variant of ours.
"""

from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field
from typing import Any

import httpx
import orjson
import pytest

from tests.api.graphql_server import World, http_client

GRAPHQL = "application/graphql-response+json"
JSON = "application/json"


@dataclass(frozen=True)
class Audit:
    """One audit of the npm package graphql-http 1.23: what is sent, and what must hold of the answer."""

    id: str
    name: str
    body: Any = None
    params: dict[str, str] | None = None
    accept: str | None = None
    content_type: str | None = JSON
    status: range = range(200, 201)
    answer: str = ""
    check: Callable[[dict[str, Any]], bool] = field(default=lambda result: True)


def without(member: str) -> Callable[[dict[str, Any]], bool]:
    return lambda result: member not in result


TYPENAME = {"query": "{ __typename }"}
UNKNOWN_FIELD = {"query": "{ f8f31403dfe404bccbb0e835f2629c6a7 }"}
UNKNOWN_FIELD_BY_NUMBER = {"query": "{ 8f31403dfe404bccbb0e835f2629c6a7 }"}
TYPE_BY_NAME = "query Type($name: String!) { __type(name: $name) { name } }"
BAD_VARIABLE = {"query": "query CoerceFailure($id: ID!){ __typename }", "variables": {"id": None}}
NOT_JSON = b'{ "not a JSON'
BAD_REQUEST = range(400, 401)
REFUSED = range(400, 500)
FAILED = range(400, 600)


def audits() -> list[Audit]:
    listed = [
        Audit("22EB", "the newer media type is answered with itself", TYPENAME, accept=GRAPHQL, answer=GRAPHQL),
        Audit("4655", "application/json is answered with itself", TYPENAME, accept=JSON, answer=JSON),
        Audit("47DE", "a client that accepts anything gets application/json", TYPENAME, accept="*/*", answer=JSON),
        Audit("80D8", "a client without an accept header gets application/json", TYPENAME, answer=JSON),
        Audit("82A3", "the answer is UTF-8", TYPENAME),
        Audit("BF61", "a UTF-8 request is taken", {"query": '{ __type(name: "Run🏃Swim🏊") { name } }'}, content_type="application/json; charset=utf-8"),
        Audit("78D5", "UTF-8 is assumed if no charset is named", TYPENAME),
        Audit("2C94", "POST is taken", TYPENAME),
        Audit("5A70", "GET is taken", params=TYPENAME, accept="*/*"),
        Audit("9C48", "a mutation by GET is refused", params={"query": "mutation { __typename }"}, accept=GRAPHQL, status=REFUSED),
        Audit("9ABE", "a POST without a content type is refused", TYPENAME, content_type=None, status=REFUSED),
        Audit("9ABE-fetch", "a POST with the content type that browsers add is refused", TYPENAME, content_type="text/plain;charset=UTF-8", status=REFUSED),
        Audit("03D4", "a JSON POST is taken", TYPENAME),
        Audit("A5BF", "a POST without a body is a bad request", b"", status=BAD_REQUEST),
        Audit("423L", "a request without a query is a bad request", {"notquery": "{ __typename }"}, accept=GRAPHQL, status=BAD_REQUEST),
        Audit("34A2", "a query of text runs for the newer type", TYPENAME, accept=GRAPHQL),
        Audit("13EE", "a query of text runs for JSON", TYPENAME, accept=JSON, check=without("errors")),
        Audit("8161", "an operation name of text runs for the newer type", {"operationName": "Query", "query": "query Query { __typename }"}, accept=GRAPHQL),
        Audit("B8B3", "an operation name of text runs for JSON", {"operationName": "Query", "query": "query Query { __typename }"}, accept=JSON, check=without("errors")),
        Audit("2EA1", "a map of variables is taken for the newer type", {"query": TYPE_BY_NAME, "variables": {"name": "sometype"}}, accept=GRAPHQL),
        Audit("28B9", "a map of variables is taken for JSON", {"query": TYPE_BY_NAME, "variables": {"name": "sometype"}}, accept=JSON, check=without("errors")),
        Audit("D6D5", "variables in the address are taken for the newer type", params={"query": TYPE_BY_NAME, "variables": '{"name":"sometype"}'}, accept=GRAPHQL, check=without("errors")),
        Audit("6A70", "variables in the address are taken for JSON", params={"query": TYPE_BY_NAME, "variables": '{"name":"sometype"}'}, accept=JSON, check=without("errors")),
        Audit("428F", "a map of extensions is taken for the newer type", TYPENAME | {"extensions": {"some": "value"}}, accept=GRAPHQL),
        Audit("1B7A", "a map of extensions is taken for JSON", TYPENAME | {"extensions": {"some": "value"}}, accept=JSON, check=without("errors")),
        Audit("B6DC", "what is not JSON gets a proper status", NOT_JSON, accept=JSON, status=range(200, 600)),
        Audit("BCF8", "what is not JSON is a bad request for JSON", NOT_JSON, accept=JSON, status=BAD_REQUEST),
        Audit("B7N8", "what is not JSON is a bad request for the newer type", NOT_JSON, accept=GRAPHQL, status=BAD_REQUEST),
        Audit("8764", "a mistyped member is an error", {"qeury": "{ __typename }"}, status=FAILED),
        Audit("3E3A", "a mistyped member is a bad request", {"qeury": "{ __typename }"}, status=BAD_REQUEST),
        Audit("572B", "a syntax error is 200 for JSON", {"query": "{"}, accept=JSON),
        Audit("FDE2", "an unknown field is 200 for JSON", UNKNOWN_FIELD_BY_NUMBER, accept=JSON),
        Audit("FDE2-name", "an unknown field that parses is 200 for JSON", UNKNOWN_FIELD, accept=JSON),
        Audit("7B9B", "an unfit variable is 200 for JSON", BAD_VARIABLE, accept=JSON),
        Audit("865D", "a syntax error is an error for the newer type", {"query": "{"}, accept=GRAPHQL, status=FAILED),
        Audit("556A", "a syntax error is a bad request for the newer type", {"query": "{"}, accept=GRAPHQL, status=BAD_REQUEST),
        Audit("D586", "a syntax error has no data", {"query": "{"}, accept=GRAPHQL, status=FAILED, check=without("data")),
        Audit("51FE", "an unknown field is an error for the newer type", UNKNOWN_FIELD_BY_NUMBER, accept=GRAPHQL, status=FAILED),
        Audit("74FF", "an unknown field is a bad request for the newer type", UNKNOWN_FIELD_BY_NUMBER, accept=GRAPHQL, status=BAD_REQUEST),
        Audit("74FF-name", "an unknown field that parses is a bad request for the newer type", UNKNOWN_FIELD, accept=GRAPHQL, status=BAD_REQUEST),
        Audit("5E5B", "an unknown field has no data", UNKNOWN_FIELD_BY_NUMBER, accept=GRAPHQL, status=FAILED, check=without("data")),
        Audit("86EE", "an unfit variable is a bad request for the newer type", BAD_VARIABLE, accept=GRAPHQL, status=BAD_REQUEST),
    ]  # fmt: skip
    wrong = {
        "query": ("LKJ", [{"obj": "ect"}, 0, False, ["array"]]),
        "operationName": ("6C0", [{"obj": "ect"}, 0, False, ["array"]]),
        "variables": ("476", ["string", 0, False, ["array"]]),
        "extensions": ("58B", ["string", 0, False, ["array"]]),
    }
    for member, (prefix, values) in wrong.items():
        for index, value in enumerate(values):
            name = f"{member} of {type(value).__name__} is a bad request"
            listed.append(
                Audit(f"{prefix}{index}", name, TYPENAME | {member: value}, status=BAD_REQUEST)
            )
    for index, member in enumerate(["variables", "operationName", "extensions"]):
        for prefix, media in (("94B", GRAPHQL), ("022", JSON)):
            listed.append(
                Audit(
                    f"{prefix}{index}",
                    f"{member} may be null for {media}",
                    TYPENAME | {member: None},
                    accept=media,
                    check=without("errors"),
                )
            )
    return listed


@pytest.fixture(scope="module")
async def client() -> AsyncIterator[httpx.AsyncClient]:
    async with http_client(World()) as client:
        yield client


@pytest.mark.parametrize("audit", audits(), ids=lambda audit: f"{audit.id} {audit.name}")
async def test_the_door_passes_the_conformance_audit(
    client: httpx.AsyncClient, audit: Audit
) -> None:
    headers = {"accept": audit.accept} if audit.accept else {}
    if audit.params is None:
        content = audit.body if isinstance(audit.body, bytes) else orjson.dumps(audit.body)
        if audit.content_type:
            headers["content-type"] = audit.content_type
        response = await client.post("/graphql", content=content, headers=headers)
    else:
        response = await client.get("/graphql", params=audit.params, headers=headers)
    assert response.status_code in audit.status, response.text
    assert response.headers["content-type"].startswith(audit.answer)
    assert audit.check(orjson.loads(response.content))


def test_the_audits_are_those_of_the_public_suite() -> None:
    public = [audit.id for audit in audits() if "-" not in audit.id]
    assert len(set(public)) == 61
