"""GraphQL over WebSocket: graphql-transport-ws, its close codes, and clients that misbehave."""

import logging
from collections.abc import AsyncIterator
from typing import Any

import pytest
from structlog.testing import capture_logs
from websockets.typing import Subprotocol

from api.graphql import SocketLimits
from tests.api.graphql_server import SECRET, World, serving
from tests.api.graphql_socket import ACK, INIT, PROTOCOL, opened, ready


@pytest.fixture(scope="module")
def world() -> World:
    return World()


@pytest.fixture(scope="module")
async def address(world: World) -> AsyncIterator[str]:
    limits = SocketLimits(message_bytes=10_000, operations=4)
    async with serving(world, limits=limits) as address:
        yield address


@pytest.fixture(autouse=True)
async def nothing_is_left(world: World, caplog: pytest.LogCaptureFixture) -> AsyncIterator[None]:
    """After every test no operation and no session runs, and no log complains."""
    with capture_logs() as logs:
        yield
        await world.running.becomes(0)
        await world.sessions.becomes(0)
    problems = [record for record in caplog.records if record.levelno >= logging.WARNING]
    assert problems == []
    assert [entry["error"] for entry in logs] in ([], ["builtins.RuntimeError"])
    assert SECRET not in str(logs)


@pytest.mark.parametrize(
    "payload", [{}, {"payload": None}, {"payload": {}}, {"payload": {"some": 1}}]
)
async def test_init_is_acknowledged_with_payload_absent_null_or_object(
    address: str, payload: dict[str, Any]
) -> None:  # fmt: skip
    async with opened(address) as client:
        assert client.socket.subprotocol == PROTOCOL
        await client.send(INIT | payload)
        assert await client.hear() == ACK


@pytest.mark.parametrize(
    ("message", "reason"),
    [
        ("5", "object"),
        ("null", "object"),
        ("[]", "object"),
        ('"connection_init"', "object"),
        ("{", "JSON"),
        ("", "JSON"),
        (b'{"type":"connection_init"}', "binary"),
        ("{}", "type"),
        ('{"type":5}', "type"),
        ('{"type":"start"}', "start"),
        ('{"type":"connection_ack"}', "connection_ack"),
        ('{"type":"connection_init","payload":"token"}', "payload"),
        ('{"type":"connection_init","payload":[]}', "payload"),
        ('{"type":"ping","payload":"x"}', "payload"),
        ('{"type":"pong","payload":1}', "payload"),
        ('{"type":"subscribe","payload":{"query":"{ me }"}}', "id"),
        ('{"type":"subscribe","id":"","payload":{"query":"{ me }"}}', "id"),
        ('{"type":"subscribe","id":7,"payload":{"query":"{ me }"}}', "id"),
        ('{"type":"subscribe","id":"1"}', "payload"),
        ('{"type":"subscribe","id":"1","payload":null}', "payload"),
        ('{"type":"subscribe","id":"1","payload":"{ me }"}', "payload"),
        ('{"type":"subscribe","id":"1","payload":{}}', "operation"),
        ('{"type":"subscribe","id":"1","payload":{"query":5}}', "query"),
        ('{"type":"subscribe","id":"1","payload":{"query":"{ me }","variables":[]}}', "variables"),
        ('{"type":"complete"}', "id"),
        ('{"type":"' + "ก" * 200 + '"}', "ก"),
    ],
)
@pytest.mark.parametrize("first", [(), (INIT,)], ids=["before init", "after init"])
async def test_an_invalid_message_closes_with_4400_and_a_reason(
    address: str, message: str | bytes, reason: str, first: tuple[Any, ...]
) -> None:
    async with opened(address) as client:
        await client.send(*first, message)
        code, said = await client.closed_with()
    assert code == 4400
    assert reason in said


@pytest.mark.parametrize("offered", [None, [Subprotocol("graphql-ws")]])
async def test_another_subprotocol_closes_with_4406(
    address: str, offered: list[Subprotocol] | None
) -> None:
    async with opened(address, subprotocols=offered) as client:
        assert client.socket.subprotocol is None
        assert (await client.closed_with())[0] == 4406


async def test_subscribing_before_init_closes_with_4401(address: str) -> None:
    async with opened(address) as client:
        await client.subscribe("1", "{ me }")
        assert await client.closed_with() == (4401, "Unauthorized")


async def test_a_second_init_closes_with_4429(address: str) -> None:
    async with ready(address) as client:
        await client.send(INIT)
        assert await client.closed_with() == (4429, "Too many initialisation requests")


async def test_two_inits_at_once_close_with_4429(address: str) -> None:
    async with opened(address) as client:
        await client.send(INIT, INIT)
        assert (await client.closed_with())[0] == 4429


@pytest.mark.parametrize("message", [None, INIT | {"payload": {"authorization": "Bearer hangs"}}])
async def test_no_init_in_time_closes_with_4408(world: World, message: Any) -> None:
    """A sign-in that hangs counts as well: nobody may hold a socket open without one."""
    limits = SocketLimits(init_seconds=0.05)
    async with serving(world, limits=limits) as address, opened(address) as client:
        if message:
            await client.send(message)
        assert await client.closed_with() == (4408, "Connection initialisation timeout")


async def test_the_init_time_limit_ends_with_the_acknowledgement(world: World) -> None:
    limits = SocketLimits(init_seconds=0.5, ping_seconds=0.2)
    async with serving(world, limits=limits) as address, ready(address) as client:
        for _ in range(3):
            assert await client.hear() == {"type": "ping"}


@pytest.mark.parametrize(
    ("header", "payload", "name"),
    [
        (None, None, "anonymous"),
        ("Bearer ann", None, "ann"),
        (None, {"authorization": "Bearer ben"}, "ben"),
        (None, {"Authorization": "Bearer cat"}, "cat"),
        ("Bearer ann", {"authorization": "Bearer dan"}, "dan"),
    ],
)
async def test_the_credential_comes_by_header_or_by_payload(
    address: str, header: str | None, payload: dict[str, str] | None, name: str
) -> None:
    headers = {"authorization": header} if header else {}
    async with opened(address, additional_headers=headers) as client:
        await client.send(INIT | {"payload": payload})
        assert await client.hear() == ACK
        await client.subscribe("1", "{ me }")
        assert (await client.hear())["payload"] == {"data": {"me": name}}


@pytest.mark.parametrize(
    "given", ["Bearer stolen", 5, {"token": "x"}, "Bearer ก", "Bearer a\r\nx: y"]
)
async def test_a_refused_credential_closes_with_4403(address: str, given: Any) -> None:
    async with opened(address) as client:
        await client.send(INIT | {"payload": {"authorization": given}})
        code, reason = await client.closed_with()
    assert code == 4403
    assert reason


async def test_a_broken_sign_in_closes_with_4500_and_says_nothing_of_why(address: str) -> None:
    async with opened(address) as client:
        await client.send(INIT | {"payload": {"authorization": "Bearer breaks"}})
        assert await client.closed_with() == (4500, "The server made a mistake; it was logged.")


async def test_a_ping_is_answered_with_its_payload_even_before_init(address: str) -> None:
    async with opened(address) as client:
        await client.send({"type": "ping"}, {"type": "ping", "payload": {"n": 1}}, {"type": "pong"})
        assert await client.hear() == {"type": "pong"}
        assert await client.hear() == {"type": "pong", "payload": {"n": 1}}


async def test_a_subscription_gives_its_results_and_then_completes(address: str) -> None:
    async with ready(address) as client:
        await client.subscribe('a "quoted" ไอดี', "subscription { count(to: 2) }")
        heard = [await client.hear() for _ in range(3)]
    assert {message["id"] for message in heard} == {'a "quoted" ไอดี'}
    assert [message.get("payload") for message in heard] == [
        {"data": {"count": 0}},
        {"data": {"count": 1}},
        None,
    ]
    assert [message["type"] for message in heard] == ["next", "next", "complete"]


@pytest.mark.parametrize("query", ["{ me }", "mutation { add }"])
async def test_a_query_or_mutation_gives_one_result_and_completes(address: str, query: str) -> None:
    async with ready(address) as client:
        await client.subscribe("1", query)
        assert (await client.hear())["type"] == "next"
        assert await client.hear() == {"id": "1", "type": "complete"}


@pytest.mark.parametrize(
    "payload", [{"query": "{ nothing }"}, {"query": "{"}, {"documentId": "b" * 64}]
)
async def test_a_request_error_is_an_error_message_and_the_id_is_free_again(
    address: str, payload: dict[str, str]
) -> None:  # fmt: skip
    async with ready(address) as client:
        for _ in range(2):
            await client.send({"id": "1", "type": "subscribe", "payload": payload})
            message = await client.hear()
            assert (message["id"], message["type"]) == ("1", "error")
            assert message["payload"][0]["message"]


async def test_a_mistake_of_ours_ends_one_operation_only(address: str) -> None:
    async with ready(address) as client:
        await client.subscribe(
            "1", "query Crash { me }", operationName="Crash", variables={"at": SECRET}
        )
        message = await client.hear()
        assert message["type"] == "error"
        assert message["payload"][0]["extensions"]["code"] == "INTERNAL"
        await client.subscribe("1", "{ me }")
        assert (await client.hear())["type"] == "next"


async def test_a_mistake_in_the_middle_of_a_stream_ends_it_with_an_error(
    address: str, world: World
) -> None:
    async with ready(address) as client:
        await client.subscribe("1", 'subscription { channel(name: "breaking") }')
        world.channels["breaking"].put_nowait(1)
        assert (await client.hear())["type"] == "next"
        world.channels["breaking"].put_nowait(RuntimeError(SECRET))
        message = await client.hear()
        assert (message["id"], message["type"]) == ("1", "error")
        assert message["payload"][0]["extensions"]["code"] == "INTERNAL"


async def test_operations_run_side_by_side(address: str, world: World) -> None:
    async with ready(address) as client:
        await client.subscribe("slow", "{ waits }")
        await client.subscribe("left", 'subscription { channel(name: "left") }')
        await client.subscribe("right", 'subscription { channel(name: "right") }')
        await world.running.becomes(3)
        for name in ("right", "left", "right"):
            world.channels[name].put_nowait(1)
            message = await client.hear()
            assert (message["id"], message["payload"]) == (name, {"data": {"channel": 1}})
        world.channels["left"].put_nowait(None)
        assert await client.hear() == {"id": "left", "type": "complete"}
        await world.running.becomes(2)


async def test_an_id_in_use_closes_with_4409_and_ends_all(address: str, world: World) -> None:
    async with ready(address) as client:
        await client.subscribe("1", "{ waits }")
        await world.running.becomes(1)
        await client.subscribe("1", "{ me }")
        assert await client.closed_with() == (4409, "Subscriber for 1 already exists")
        await world.running.becomes(0)


async def test_complete_from_the_client_ends_the_operation_and_frees_its_id(
    address: str, world: World
) -> None:
    async with ready(address) as client:
        await client.subscribe("1", 'subscription { channel(name: "gone") }')
        await world.running.becomes(1)
        await client.send({"id": "1", "type": "complete"}, {"id": "unknown", "type": "complete"})
        await client.subscribe("1", "{ me }")
        assert (await client.hear())["payload"] == {"data": {"me": "anonymous"}}
        assert await client.hear() == {"id": "1", "type": "complete"}
        await world.running.becomes(0)


async def test_nothing_of_a_completed_operation_reaches_the_next_one_with_its_id(
    address: str,
) -> None:
    async with ready(address) as client:
        await client.subscribe("1", "subscription { flood(size: 10) }")
        await client.hear()
        await client.send({"id": "1", "type": "complete"})
        await client.subscribe("2", "{ me }")
        while (message := await client.hear())["id"] == "1":
            assert message["type"] == "next"
        await client.hear()
        await client.subscribe("1", "{ me }")
        assert (await client.hear())["payload"] == {"data": {"me": "anonymous"}}


async def test_one_operation_too_many_is_an_error_and_the_others_go_on(
    address: str, world: World
) -> None:
    async with ready(address) as client:
        for number in range(4):
            await client.subscribe(str(number), "{ waits }")
        await world.running.becomes(4)
        await client.subscribe("more", "{ me }")
        message = await client.hear()
        assert (message["id"], message["type"]) == ("more", "error")
        assert message["payload"][0]["extensions"]["code"] == "TOO_MANY"
        await client.send({"id": "0", "type": "complete"})
        await world.running.becomes(3)
        await client.subscribe("more", "{ me }")
        assert (await client.hear())["type"] == "next"


async def test_a_message_over_the_limit_closes_with_1009(address: str) -> None:
    async with ready(address) as client:
        await client.subscribe("1", "{ me }" + " " * 10_000)
        code, reason = await client.closed_with()
    assert code == 1009
    assert "10000" in reason


@pytest.mark.parametrize("polite", [True, False])
async def test_a_client_that_goes_away_takes_all_with_it(
    address: str, world: World, polite: bool
) -> None:
    async with ready(address) as client:
        await client.subscribe("1", "{ waits }")
        await client.subscribe("2", 'subscription { channel(name: "quiet") }')
        await world.running.becomes(2)
        if polite:
            await client.socket.close()
        else:
            client.socket.transport.abort()
        await world.running.becomes(0)
        await world.sessions.becomes(0)


async def test_a_client_that_stops_reading_is_closed_with_4413_and_blocks_nobody(
    world: World,
) -> None:
    limits = SocketLimits(queued_messages=4, patience_seconds=0.1, close_seconds=10)
    unread = {"max_queue": 1, "compression": None}
    async with serving(world, limits=limits) as address, ready(address, **unread) as slow:
        await slow.subscribe("1", "subscription { flood(size: 1000000) }")
        await world.running.becomes(1)
        async with ready(address) as other:
            await other.subscribe("1", "{ me }")
            assert (await other.hear())["type"] == "next"
        await world.running.becomes(0)
        code, reason = await slow.closed_with()
    assert code == 4413
    assert "4 messages" in reason


async def test_a_fast_burst_does_not_close_a_client_that_reads(world: World) -> None:
    limits = SocketLimits(queued_messages=2, queued_bytes=100)
    async with serving(world, limits=limits) as address, ready(address) as client:
        await client.subscribe("1", "subscription { count(to: 500) }")
        for number in range(500):
            assert (await client.hear())["payload"] == {"data": {"count": number}}


async def test_a_client_that_gives_no_sign_of_life_is_closed_with_4410(world: World) -> None:
    limits = SocketLimits(ping_seconds=0.03, silence_seconds=0.1)
    async with serving(world, limits=limits) as address, ready(address) as client:
        assert await client.hear() == {"type": "ping"}
        assert (await client.closed_with())[0] == 4410


async def test_a_client_that_answers_pings_stays(world: World) -> None:
    limits = SocketLimits(ping_seconds=0.1, silence_seconds=0.5)
    async with serving(world, limits=limits) as address, ready(address) as client:
        for _ in range(7):
            assert await client.hear() == {"type": "ping"}
            await client.send({"type": "pong"})
        await client.subscribe("1", "{ me }")
        assert (await client.hear())["type"] == "next"
