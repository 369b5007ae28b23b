"""GraphQL over HTTP: what the public conformance suite does not ask."""

import asyncio
import gzip
import itertools
import logging
from collections.abc import AsyncIterator
from typing import Any

import httpx
import orjson
import pytest
from structlog.testing import capture_logs

from api.graphql import HTTPLimits
from tests.api.graphql_server import SECRET, World, http_client

LIMIT = 64 * 1024
GRAPHQL = "application/graphql-response+json"
JSON = "application/json"
TYPED = {"content-type": JSON}


@pytest.fixture(scope="module")
def world() -> World:
    return World()


@pytest.fixture(scope="module")
async def client(world: World) -> AsyncIterator[httpx.AsyncClient]:
    async with http_client(world, HTTPLimits(body_bytes=LIMIT)) as client:
        yield client


async def post(client: httpx.AsyncClient, body: Any, **headers: str) -> httpx.Response:
    content = body if isinstance(body, bytes) else orjson.dumps(body)
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return await client.post("/graphql", content=content, headers=TYPED | named)


def code_of(response: httpx.Response) -> str:
    (error,) = response.json()["errors"]
    assert error["message"]
    assert error["extensions"]["whatToDo"]
    return str(error["extensions"]["code"])


@pytest.mark.parametrize(
    "body", [b"5", b"null", b"[]", b'"x"', b"true", b"1.5", b"", b"\xff\xfe{}", b"[" * 5000]
)
async def test_json_that_is_no_object_is_a_bad_request(
    client: httpx.AsyncClient, body: bytes
) -> None:  # fmt: skip
    response = await post(client, body)
    assert response.status_code == 400
    assert code_of(response) == "BODY_NOT_JSON"


async def test_a_batch_is_refused_and_nothing_of_it_runs(
    client: httpx.AsyncClient, world: World
) -> None:
    before = world.added
    response = await post(client, [{"query": "mutation { add }"}] * 2)
    assert response.status_code == 400
    assert "Batches" in response.json()["errors"][0]["message"]
    assert world.added == before


async def test_a_mutation_by_get_is_405_and_does_not_run(
    client: httpx.AsyncClient, world: World
) -> None:
    before = world.added
    for accept in (JSON, GRAPHQL, "text/event-stream"):
        response = await client.get(
            "/graphql", params={"query": "mutation { add }"}, headers={"accept": accept}
        )
        assert response.status_code == 405
        assert response.headers["allow"] == "POST"
        assert code_of(response) == "METHOD_NOT_ALLOWED"
    assert world.added == before


@pytest.mark.parametrize("method", ["PUT", "DELETE", "PATCH", "OPTIONS"])
async def test_another_method_is_405_and_told_the_right_ones(
    client: httpx.AsyncClient, method: str
) -> None:
    response = await client.request(method, "/graphql", params={"query": "{ me }"})
    assert response.status_code == 405
    assert response.headers["allow"] == "GET, POST"
    assert code_of(response) == "METHOD_NOT_ALLOWED"


@pytest.mark.parametrize(
    ("accept", "answer"),
    [
        (f"{GRAPHQL}; charset=utf-8, {JSON}; charset=utf-8", GRAPHQL),
        (f"{JSON}, {GRAPHQL}", GRAPHQL),
        (f"{GRAPHQL};q=0.5, {JSON}", JSON),
        (f"{GRAPHQL};q=0, */*", JSON),
        (f"{JSON};q=0, application/*", GRAPHQL),
        ("text/html, application/xhtml+xml, */*;q=0.8", JSON),
        (f"{GRAPHQL}, {JSON}, text/event-stream, multipart/mixed", GRAPHQL),
        (f"{JSON};charset=utf-16, {GRAPHQL};charset=UTF-8", GRAPHQL),
        ("application/*", JSON),
        ("", JSON),
        (f"{JSON};q=nonsense, {GRAPHQL};q=0.1", GRAPHQL),
        (f'{JSON.upper()} ; q="1"', JSON),
    ],
)  # fmt: skip
async def test_the_media_type_the_client_likes_most_is_sent(
    client: httpx.AsyncClient, accept: str, answer: str
) -> None:
    response = await post(client, {"query": "{ me }"}, accept=accept)
    assert response.status_code == 200
    assert response.headers["content-type"] == f"{answer}; charset=utf-8"


@pytest.mark.parametrize(
    "accept", ["text/html", "image/*", f"{JSON};q=0", f"{JSON};charset=latin-1", ",;="]
)
async def test_a_client_that_takes_none_of_our_types_gets_406(
    client: httpx.AsyncClient, accept: str
) -> None:  # fmt: skip
    response = await post(client, {"query": "{ me }"}, accept=accept)
    assert response.status_code == 406
    assert code_of(response) == "NOT_ACCEPTABLE"


@pytest.mark.parametrize(
    "content_type",
    [
        "text/plain", "application/x-www-form-urlencoded", "multipart/form-data; boundary=x", GRAPHQL,
        "application/json; charset=utf-16", "application/jsonp", "", "application/json, text/plain",
    ],
)  # fmt: skip
async def test_a_content_type_a_foreign_page_could_send_unasked_is_refused(
    client: httpx.AsyncClient, content_type: str
) -> None:
    response = await post(client, {"query": "{ me }"}, content_type=content_type)
    assert response.status_code == 415
    assert code_of(response) == "CONTENT_TYPE_UNSUPPORTED"


async def test_a_field_error_is_200_with_data_for_both_types(client: httpx.AsyncClient) -> None:
    for accept in (JSON, GRAPHQL):
        response = await post(client, {"query": "{ fails me }"}, accept=accept)
        assert response.status_code == 200
        assert response.json()["data"] == {"fails": None, "me": "anonymous"}
        assert response.headers["x-engine"] == "core"


@pytest.mark.parametrize(
    "members",
    [
        {"documentId": "a" * 64},
        {"documentId": "sha256:" + "A" * 64},
        {"extensions": {"persistedQuery": {"version": 1, "sha256Hash": "a" * 64}}},
        {"documentId": "a" * 64, "extensions": {"persistedQuery": {"sha256Hash": "A" * 64}}},
    ],
)
async def test_a_trusted_operation_runs_by_its_hash(
    client: httpx.AsyncClient, members: dict[str, Any]
) -> None:
    asked = members | {"variables": {"text": "สวัสดี"}}
    response = await post(client, asked)
    assert response.json() == {"data": {"echo": "สวัสดี"}}
    params = {
        name: value if isinstance(value, str) else orjson.dumps(value).decode()
        for name, value in asked.items()
    }
    assert (await client.get("/graphql", params=params)).json() == {"data": {"echo": "สวัสดี"}}


@pytest.mark.parametrize(
    "members",
    [
        {"documentId": "md5:" + "a" * 32},
        {"documentId": "a" * 63},
        {"documentId": 5},
        {"extensions": {"persistedQuery": "a" * 64}},
        {"extensions": {"persistedQuery": {"version": 1}}},
        {"extensions": {"persistedQuery": {"version": 2, "sha256Hash": "a" * 64}}},
        {"documentId": "a" * 64, "extensions": {"persistedQuery": {"sha256Hash": "b" * 64}}},
    ],
)
async def test_a_malformed_or_contradictory_hash_is_a_bad_request(
    client: httpx.AsyncClient, members: dict[str, Any]
) -> None:
    response = await post(client, members | {"query": "{ me }"})
    assert response.status_code == 400
    assert code_of(response) == "BAD_REQUEST"


async def test_an_engine_refusal_follows_the_media_type_as_any_request_error(
    client: httpx.AsyncClient,
) -> None:
    unknown = {"documentId": "b" * 64}
    for accept, status in ((JSON, 200), (GRAPHQL, 400)):
        response = await post(client, unknown, accept=accept)
        assert response.status_code == status
        assert code_of(response) == "OPERATION_UNKNOWN"


async def test_get_takes_empty_parameters_as_absent(client: httpx.AsyncClient) -> None:
    params = {"query": "{ me }", "operationName": "", "variables": "", "extensions": ""}
    assert (await client.get("/graphql", params=params)).json() == {"data": {"me": "anonymous"}}


@pytest.mark.parametrize(
    "query",
    [
        "query={me}&query={me}",
        "query={me}&variables=5",
        "query={me}&variables={",
        "query={me}&extensions=[]",
    ],
)
async def test_a_get_with_unfit_parameters_is_a_bad_request(
    client: httpx.AsyncClient, query: str
) -> None:
    response = await client.get("/graphql?" + query)
    assert response.status_code == 400
    assert code_of(response) == "BAD_REQUEST"


async def test_a_subscription_by_plain_http_is_a_request_error(client: httpx.AsyncClient) -> None:
    response = await post(client, {"query": "subscription { count(to: 1) }"}, accept=GRAPHQL)
    assert response.status_code == 400
    assert "WebSocket" in response.json()["errors"][0]["message"]


async def test_the_principal_comes_from_the_authorization_header(client: httpx.AsyncClient) -> None:
    response = await post(client, {"query": "{ me }"}, authorization="Bearer somchai")
    assert response.json() == {"data": {"me": "somchai"}}


async def test_a_refused_credential_is_401_before_the_body_is_read(
    client: httpx.AsyncClient,
) -> None:
    response = await post(client, b"x" * (LIMIT + 1), authorization="Bearer stolen")
    assert response.status_code == 401
    assert response.headers["www-authenticate"] == "Bearer"
    assert code_of(response) == "NOT_SIGNED_IN"


async def test_a_client_that_asks_too_often_is_told_when_to_come_back(
    client: httpx.AsyncClient,
) -> None:
    response = await client.get("/graphql?query={me}", headers={"authorization": "Bearer busy"})
    assert response.status_code == 429
    assert response.headers["retry-after"] == "7"


async def test_our_own_mistake_is_500_and_logged_once_without_anybodys_data(
    client: httpx.AsyncClient,
) -> None:
    asked = {"query": "query Crash { me }", "operationName": "Crash", "variables": {"at": SECRET}}
    with capture_logs() as logs:
        response = await post(client, asked, accept=GRAPHQL)
    assert response.status_code == 500
    assert code_of(response) == "INTERNAL"
    (entry,) = logs
    assert entry["log_level"] == "error"
    assert entry["error"] == "builtins.RuntimeError"
    assert entry["reference"] == response.json()["errors"][0]["extensions"]["reference"]
    assert any("graphql_server.py" in line for line in entry["trail"])
    assert SECRET not in str(logs)
    assert SECRET not in response.text


async def test_a_broken_sign_in_is_500_too(client: httpx.AsyncClient) -> None:
    with capture_logs() as logs:
        response = await post(client, {"query": "{ me }"}, authorization="Bearer breaks")
    assert response.status_code == 500
    assert code_of(response) == "INTERNAL"
    assert SECRET not in str(logs)


async def test_client_mistakes_leave_no_error_in_any_log(
    client: httpx.AsyncClient, caplog: pytest.LogCaptureFixture
) -> None:
    with capture_logs() as logs:
        for body in (b"5", b"{", b'{"query":5}', b'{"query":"{"}', b'{"query":"{nothing}"}', b"[]"):
            await post(client, body)
        await post(client, b"x" * (LIMIT + 1))
        await client.delete("/graphql")
    assert logs == []
    assert [record for record in caplog.records if record.levelno >= logging.WARNING] == []


async def test_a_gzip_body_is_taken(client: httpx.AsyncClient) -> None:
    text = "ก" * 10_000
    body = gzip.compress(
        orjson.dumps({"query": "query($t: String!) { echo(text: $t) }", "variables": {"t": text}})
    )
    response = await post(client, body, content_encoding="gzip")
    assert response.json() == {"data": {"echo": text}}


async def test_a_zip_bomb_is_413(client: httpx.AsyncClient) -> None:
    bomb = gzip.compress(b" " * 50_000_000)
    assert len(bomb) < LIMIT
    response = await post(client, bomb, content_encoding="gzip")
    assert response.status_code == 413
    assert code_of(response) == "BODY_TOO_LARGE"
    assert response.json()["errors"][0]["extensions"]["limit"] == LIMIT


@pytest.mark.parametrize(
    ("body", "encoding"),
    [
        (b'{"query":"{ me }"}', "gzip"),
        (gzip.compress(b'{"query":"{ me }"}')[:-4], "gzip"),
        (gzip.compress(b'{"query":"{ me }"}') + b"more", "gzip"),
        (gzip.compress(b"") * 100, "gzip"),
        (b"", "gzip"),
        (b'{"query":"{ me }"}', "br"),
        (b'{"query":"{ me }"}', "gzip, gzip"),
    ],
    ids=["plain", "cut", "longer", "many", "empty", "other", "twice"],
)
async def test_a_body_that_is_not_encoded_as_it_says_is_a_bad_request(
    client: httpx.AsyncClient, body: bytes, encoding: str
) -> None:
    response = await post(client, body, content_encoding=encoding)
    assert response.status_code == 400
    assert code_of(response) == "BODY_ENCODING_INVALID"


async def test_a_body_of_just_the_limit_is_taken_and_one_byte_more_is_413(
    client: httpx.AsyncClient,
) -> None:
    body = orjson.dumps({"query": "{ me }"}).ljust(LIMIT)
    for encoded in (body, gzip.compress(body)):
        headers = {"content_encoding": "gzip"} if encoded is not body else {}
        assert (await post(client, encoded, **headers)).status_code == 200
    for encoded in (body + b" ", gzip.compress(body + b" ")):
        headers = {"content_encoding": "gzip"} if encoded.startswith(b"\x1f") else {}
        assert (await post(client, encoded, **headers)).status_code == 413


async def test_an_endless_upload_is_refused_while_it_runs(client: httpx.AsyncClient) -> None:
    host, port = client.base_url.host, client.base_url.port
    reader, writer = await asyncio.open_connection(host, port)
    writer.write(
        b"POST /graphql HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\n"
        b"transfer-encoding: chunked\r\n\r\n"
    )
    chunk = b"4000\r\n" + b" " * 0x4000 + b"\r\n"
    for _ in itertools.repeat(None, 5):
        writer.write(chunk)
        await writer.drain()
    async with asyncio.timeout(10):
        status = await reader.readline()
    assert b" 413 " in status
    writer.close()
    await writer.wait_closed()


async def test_a_client_that_goes_away_stops_its_query(
    client: httpx.AsyncClient, world: World, caplog: pytest.LogCaptureFixture
) -> None:
    with capture_logs() as logs:
        asking = asyncio.create_task(post(client, {"query": "{ waits }"}))
        await world.running.becomes(1)
        asking.cancel()
        await world.running.becomes(0)
        await world.sessions.becomes(0)
    assert logs == []
    assert [record for record in caplog.records if record.levelno >= logging.WARNING] == []


async def test_a_client_that_goes_away_during_its_upload_leaves_nothing(
    client: httpx.AsyncClient, world: World, caplog: pytest.LogCaptureFixture
) -> None:
    _, writer = await asyncio.open_connection(client.base_url.host, client.base_url.port)
    writer.write(
        b"POST /graphql HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\n"
        b"content-length: 100\r\n\r\n{"
    )
    await world.sessions.becomes(1)
    writer.close()
    await writer.wait_closed()
    await world.sessions.becomes(0)
    assert [record for record in caplog.records if record.levelno >= logging.WARNING] == []
