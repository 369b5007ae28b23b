"""The demo's phone by itself: its clock, and its line that loses what mobile networks lose."""

from __future__ import annotations

import asyncio
from random import Random
from typing import Any

import pytest
import uvicorn
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.routing import Route

from api.demo.line import WeakLine
from api.demo.phone import Phone
from api.listening import address_of, bound_socket
from mobile_contracts.reference import Away, LostAnswer, Refused
from patrol.clock import read_phone_time
from tests.world import now

# The clock


def test_a_phone_in_the_buddhist_calendar_loses_no_time() -> None:
    line = WeakLine.over("http://127.0.0.1:1", Random(0))
    phone = Phone("phone", "http://127.0.0.1:1", line, years_ahead=543)
    arrival = now()
    read = read_phone_time(phone.clock(), arrival)
    assert abs((read.at - arrival).total_seconds()) < 5
    assert not read.suspect


# The line


class Counting:
    """A server that counts what it was asked, and refuses one address."""

    def __init__(self) -> None:
        self.asked = 0

    async def take(self, request: Request) -> JSONResponse:
        await request.body()
        self.asked += 1
        return JSONResponse({"asked": self.asked})

    async def refuse(self, _: Request) -> JSONResponse:
        return JSONResponse({"error": {"code": "NOT_ALLOWED", "message": "no"}}, 403)

    async def away(self, _: Request) -> JSONResponse:
        return JSONResponse({"error": {"code": "UNAVAILABLE", "message": "later"}}, 503)


@pytest.fixture
async def served() -> Any:
    counting = Counting()
    app = Starlette(
        routes=[
            Route("/take", counting.take, methods=["POST"]),
            Route("/refuse", counting.refuse, methods=["POST"]),
            Route("/away", counting.away, methods=["POST"]),
        ]
    )
    with bound_socket("127.0.0.1", 0) as sock:
        server = uvicorn.Server(uvicorn.Config(app, log_config=None, lifespan="off"))
        task = asyncio.create_task(server.serve([sock]))
        line = WeakLine.over(address_of(sock), Random(1))
        sock.listen()  # so that the first request waits for the server instead of us
        yield line, counting
        await line.close()
        server.should_exit = True
        await task


async def test_a_lost_answer_was_a_request_that_the_server_has_worked_on(served: Any) -> None:
    line, _ = served
    line.weakness = 1.0
    for _ in range(6):
        with pytest.raises(LostAnswer):
            await line.post("/take", {})
    line.weakness = 0.0
    assert (await line.post("/take", {}))["asked"] > 1
    assert line.lost_answers == 6


async def test_without_signal_nothing_is_sent(served: Any) -> None:
    line, counting = served
    line.disconnect()
    with pytest.raises(Away):
        await line.post("/take", {})
    assert counting.asked == 0
    line.connect()
    assert (await line.post("/take", {}))["asked"] == 1


async def test_a_refusal_has_its_code_and_a_server_that_is_away_is_no_refusal(served: Any) -> None:
    line, _ = served
    with pytest.raises(Refused) as refused:
        await line.post("/refuse", {})
    assert refused.value.code == "NOT_ALLOWED"
    with pytest.raises(Away):
        await line.post("/away", {})
