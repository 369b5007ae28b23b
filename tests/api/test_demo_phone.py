"""The demo's phone by itself: what it keeps, what it sends again, and in which order it believes a page."""

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

from api.demo.line import Away, Line, LostAnswer, Refused
from api.demo.outbox import BATCH, Outbox
from api.demo.phone import Phone
from api.demo.phone_key import DeviceKey
from api.demo.replica import SUBJECTS, Replica
from api.listening import address_of, bound_socket
from patrol.clock import read_phone_time
from patrol.identity import PhoneKey, sha256_text
from tests.world import now

HERE, THERE = "zone here", "zone there"


def page(**more: Any) -> dict[str, Any]:
    return {
        "cursor": "next", "complete": True, "reset": None, "scopes": [HERE, THERE], "revokedScopes": [],
        "lanes": [], "removals": [], **{subject: [] for subject in SUBJECTS},
    } | more  # fmt: skip


def incident(key: str, scope: str = HERE, rev: int = 1) -> dict[str, Any]:
    return {"id": key, "scopeId": scope, "rev": rev}


def answer(sequence: int, outcome: str, **more: Any) -> dict[str, Any]:
    return {
        "sequence": sequence, "outcome": outcome, "first": None, "code": None, "rev": 1, "expected": None,
    } | more  # fmt: skip


# The copy


def test_a_row_that_moved_between_two_scopes_of_a_phone_stays_because_removals_come_first() -> None:
    replica = Replica()
    replica.apply(page(incidents=[incident("a")]))
    gone = {"subject": "incidents", "id": "a", "reason": "LEFT_SCOPE"}
    replica.apply(page(removals=[gone], incidents=[incident("a", THERE, 2)]))
    assert replica.incidents == {"a": incident("a", THERE, 2)}


def test_a_revoked_scope_takes_all_its_rows_and_nothing_else() -> None:
    replica = Replica()
    replica.apply(page(incidents=[incident("a"), incident("b", THERE)]))
    replica.apply(page(revokedScopes=[HERE], scopes=[THERE]))
    assert list(replica.incidents) == ["b"]
    assert replica.scopes == {THERE}


def test_a_reset_drops_the_copy_before_the_rows_of_its_page() -> None:
    replica = Replica()
    replica.apply(page(incidents=[incident("a")]))
    replica.apply(page(reset="EPOCH_ENDED", incidents=[incident("b")]))
    assert list(replica.incidents) == ["b"]


# The outbox


def test_a_lost_answer_is_repeated_with_the_same_number_id_and_content() -> None:
    outbox = Outbox()
    one = outbox.record("RECORDS", {"reportIncident": {"id": "a"}}, "2026-11-23T08:00:00Z")
    sent = one.as_input()
    assert [again.as_input() for again in outbox.next_batch("RECORDS")] == [sent]
    outbox.settle("RECORDS", [answer(1, "DUPLICATE", first="APPLIED", rev=7)])
    assert (one.outcome, one.rev) == ("APPLIED", 7)
    assert outbox.next_batch("RECORDS") == []


def test_only_retry_and_gap_stop_a_lane() -> None:
    outbox = Outbox()
    for _ in range(4):
        outbox.record("RECORDS", {"reportIncident": {"id": "a"}}, "now")
    went_on = outbox.settle(
        "RECORDS",
        [answer(1, "APPLIED"), answer(2, "REJECTED", code="NOT_IN_SCOPE"), answer(3, "RETRY")],
    )
    assert not went_on
    assert [one.sequence for one in outbox.next_batch("RECORDS")] == [3, 4]
    assert [one.code for one in outbox.settled("REJECTED")] == ["NOT_IN_SCOPE"]


def test_after_a_gap_the_lane_is_offered_again_from_the_expected_number_on() -> None:
    outbox = Outbox()
    for _ in range(3):
        outbox.record("RECORDS", {"reportIncident": {"id": "a"}}, "now")
    outbox.settle("RECORDS", [answer(1, "APPLIED"), answer(2, "APPLIED"), answer(3, "APPLIED")])
    outbox.record("RECORDS", {"reportIncident": {"id": "b"}}, "now")
    assert outbox.settle("RECORDS", [answer(4, "GAP", expected=2)])
    assert [one.sequence for one in outbox.next_batch("RECORDS")] == [2, 3, 4]


def test_a_wiped_phone_that_kept_its_key_counts_on_where_the_server_is() -> None:
    outbox = Outbox()
    outbox.adopt({"RECORDS": 41, "SOS": 0})
    assert outbox.record("RECORDS", {"reportIncident": {"id": "a"}}, "now").sequence == 42
    assert outbox.record("SOS", {"raiseAlert": {"id": "b"}}, "now").sequence == 1


def test_a_batch_is_never_larger_than_one_transaction_of_the_server() -> None:
    outbox = Outbox()
    for _ in range(BATCH + 1):
        outbox.record("RECORDS", {"reportIncident": {"id": "a"}}, "now")
    assert len(outbox.next_batch("RECORDS")) == BATCH


# The key and the clock


def test_the_proofs_are_those_that_the_server_asks_for() -> None:
    key = DeviceKey()
    known = PhoneKey.of(key.public_jwk)
    known.check(key.enrolment_proof("ABCDE-FGHJK"), "enrol", code_sha256=sha256_text("ABCDE-FGHJK"))
    known.check(key.refresh_proof("token"), "refresh", token_sha256=sha256_text("token"))


def test_a_phone_in_the_buddhist_calendar_loses_no_time() -> None:
    line = Line.to("http://127.0.0.1:1", Random(0))
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
        line = Line.to(address_of(sock), Random(1))
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
