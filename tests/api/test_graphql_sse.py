"""GraphQL over server-sent events: distinct connections mode."""

import asyncio
import logging
from collections.abc import AsyncIterator
from typing import Any

import httpx
import orjson
import pytest
from structlog.testing import capture_logs

from api.graphql import HTTPLimits
from api.graphql.sse import next_event
from tests.api.graphql_server import SECRET, World, serving

EVENTS = {"accept": "text/event-stream"}


@pytest.fixture(scope="module")
def world() -> World:
    return World()


@pytest.fixture(scope="module")
async def client(world: World) -> AsyncIterator[httpx.AsyncClient]:
    limits = HTTPLimits(keep_alive_seconds=0.05)
    async with (
        serving(world, limits) as address,
        httpx.AsyncClient(base_url=f"http://{address}", trust_env=False, timeout=10) as client,
    ):
        yield client


async def ask(client: httpx.AsyncClient, query: str, **members: Any) -> httpx.Response:
    return await client.post("/graphql", json={"query": query} | members, headers=EVENTS)


def events_of(response: httpx.Response) -> list[tuple[str, Any]]:
    """The events as EventSource reads them; comments are left out."""
    assert response.status_code == 200
    assert response.headers["content-type"] == "text/event-stream; charset=utf-8"
    return list(parsed(response.text))


def parsed(text: str) -> list[tuple[str, Any]]:
    events = []
    for block in text.split("\n\n"):
        lines = [line for line in block.split("\n") if line and not line.startswith(":")]
        if lines:
            assert any(line.startswith("data:") for line in lines)
            data = "".join(line[5:] for line in lines if line.startswith("data:"))
            events.append((lines[0].removeprefix("event: "), orjson.loads(data) if data else None))
    return events


async def test_a_subscription_gives_its_results_and_then_completes(
    client: httpx.AsyncClient,
) -> None:
    response = await ask(client, "subscription { count(to: 3) }")
    assert events_of(response) == [
        ("next", {"data": {"count": 0}}),
        ("next", {"data": {"count": 1}}),
        ("next", {"data": {"count": 2}}),
        ("complete", None),
    ]


async def test_a_query_gives_one_result(client: httpx.AsyncClient) -> None:
    response = await ask(client, "{ me }")
    assert events_of(response) == [("next", {"data": {"me": "anonymous"}}), ("complete", None)]


async def test_event_source_asks_by_get(client: httpx.AsyncClient) -> None:
    response = await client.get("/graphql", params={"query": "{ me }"}, headers=EVENTS)
    assert events_of(response)[0] == ("next", {"data": {"me": "anonymous"}})


@pytest.mark.parametrize("members", [{"query": "{ nothing }"}, {"documentId": "b" * 64}])
async def test_a_request_error_comes_through_the_stream(
    client: httpx.AsyncClient, members: dict[str, str]
) -> None:
    response = await client.post("/graphql", json=members, headers=EVENTS)
    (name, result), last = events_of(response)
    assert (name, last) == ("next", ("complete", None))
    assert result["errors"]
    assert "data" not in result


@pytest.mark.parametrize(
    ("body", "headers", "status"),
    [
        (b"5", {}, 400),
        (b"{}", {}, 400),
        (b'{"query":"{ me }"}', {"authorization": "Bearer stolen"}, 401),
        (b'{"query":"{ me }"}', {"content-type": "text/plain"}, 415),
    ],
)
async def test_what_is_no_graphql_request_opens_no_stream(
    client: httpx.AsyncClient, body: bytes, headers: dict[str, str], status: int
) -> None:
    named = EVENTS | {"content-type": "application/json"} | headers
    response = await client.post("/graphql", content=body, headers=named)
    assert response.status_code == status
    assert response.headers["content-type"] == "application/json; charset=utf-8"
    assert response.json()["errors"]


async def test_a_mistake_before_the_stream_is_500(client: httpx.AsyncClient) -> None:
    with capture_logs() as logs:
        response = await ask(
            client, "query Crash { me }", operationName="Crash", variables={"at": SECRET}
        )
    assert response.status_code == 500
    assert [entry["log_level"] for entry in logs] == ["error"]
    assert SECRET not in str(logs) + response.text


async def test_a_mistake_in_the_middle_is_told_in_the_stream_and_logged_without_data(
    client: httpx.AsyncClient, world: World
) -> None:
    world.channels["breaking"].put_nowait(1)
    world.channels["breaking"].put_nowait(RuntimeError(SECRET))
    with capture_logs() as logs:
        response = await ask(client, 'subscription { channel(name: "breaking") }')
    first, (name, result), last = events_of(response)
    assert first == ("next", {"data": {"channel": 1}})
    assert (name, last) == ("next", ("complete", None))
    assert result["errors"][0]["extensions"]["code"] == "INTERNAL"
    assert [entry["log_level"] for entry in logs] == ["error"]
    assert SECRET not in str(logs) + response.text


async def test_a_quiet_stream_is_kept_alive_by_comments(
    client: httpx.AsyncClient, world: World
) -> None:
    asked = {"query": 'subscription { channel(name: "quiet") }'}
    async with client.stream("POST", "/graphql", json=asked, headers=EVENTS) as response:
        text = ""
        async for part in response.aiter_text():
            text += part
            if text == ":\n\n" * 4:
                world.channels["quiet"].put_nowait(7)
                world.channels["quiet"].put_nowait(None)
    assert parsed(text) == [("next", {"data": {"channel": 7}}), ("complete", None)]
    assert world.running.value == 0


async def test_a_client_that_goes_away_ends_its_subscription(
    client: httpx.AsyncClient, world: World, caplog: pytest.LogCaptureFixture
) -> None:
    asked = {"query": 'subscription { channel(name: "left") }'}
    with capture_logs() as logs:
        async with client.stream("POST", "/graphql", json=asked, headers=EVENTS):
            await world.running.becomes(1)
        await world.running.becomes(0)
        await world.sessions.becomes(0)
    assert logs == []
    assert [record for record in caplog.records if record.levelno >= logging.WARNING] == []


async def test_a_slow_reader_holds_up_only_itself(client: httpx.AsyncClient, world: World) -> None:
    asked = {"query": "subscription { flood(size: 100000) }"}
    async with client.stream("POST", "/graphql", json=asked, headers=EVENTS):
        await world.running.becomes(1)
        async with asyncio.timeout(5):
            response = await ask(client, "subscription { count(to: 1) }")
        assert len(events_of(response)) == 2
    await world.running.becomes(0)


def test_a_result_with_line_breaks_stays_one_event() -> None:
    event = next_event(b'{\n"data":\r\n{}}')
    assert event == b'event: next\ndata: {\ndata: "data":\ndata: {}}\n\n'
