"""Pushes through the real SDK to a Firebase on the wire: what each answer means, order and limits."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Iterator
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime

import pytest
from firebase_admin import exceptions
from google.auth import exceptions as google_exceptions

from api.fake_firebase import Answer, FakeFirebase, answers
from api.push.firebase import ORDINARY_WINDOW, WINDOW
from api.push.verdict import retry_after, verdict_of
from patrol.notify import Notification, Outcome, PushAddress
from tests.api.push_support import MakeNotifier, fids, notifiers_of, sent_to_one, sos


@pytest.fixture
def firebase() -> Iterator[FakeFirebase]:
    with FakeFirebase() as server:
        yield server


@pytest.fixture
async def make(firebase: FakeFirebase) -> AsyncIterator[MakeNotifier]:
    async with notifiers_of(firebase) as make:
        yield make


@pytest.mark.parametrize(
    ("answer", "outcome", "reason"),
    [
        (answers.ok(), Outcome.ACCEPTED, None),
        (answers.unregistered(), Outcome.DEAD, "UNREGISTERED"),
        (answers.sender_id_mismatch(), Outcome.DEAD, "SENDER_ID_MISMATCH"),
        (answers.quota_exceeded(), Outcome.RETRY, "QUOTA_EXCEEDED"),
        (answers.bad_gateway(), Outcome.RETRY, "HTTP_502"),
        (answers.cut(), Outcome.RETRY, "CONNECTION"),
        (answers.bare_not_found(), Outcome.FAILED, "NOT_FOUND"),
        (answers.invalid_argument(), Outcome.FAILED, "INVALID_ARGUMENT"),
        (answers.third_party_auth_error(), Outcome.FAILED, "THIRD_PARTY_AUTH_ERROR"),
        (answers.permission_denied(), Outcome.FAILED, "PERMISSION_DENIED"),
        (answers.unauthenticated(), Outcome.FAILED, "UNAUTHENTICATED"),
        (Answer(503, {"error": "not an object"}), Outcome.RETRY, "TIMEOUT"),
        (Answer(200, "<html>a captive portal</html>"), Outcome.FAILED, "UNKNOWN"),
        (Answer(200, {"no": "name"}), Outcome.FAILED, "UNKNOWN"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
async def test_each_answer_of_firebase_has_one_meaning(
    firebase: FakeFirebase,
    make: MakeNotifier,
    answer: Answer,
    outcome: Outcome,
    reason: str | None,
) -> None:
    firebase.always_answers(answer)

    delivery = await sent_to_one(make(timeout=1.5))

    assert (delivery.outcome, delivery.reason) == (outcome, reason)
    assert (delivery.message_id is not None) == (outcome is Outcome.ACCEPTED)
    assert datetime.now(UTC) - delivery.at < timedelta(seconds=5)


async def test_a_quota_answer_carries_the_seconds_to_wait_and_nobody_waits_them_here(
    firebase: FakeFirebase, make: MakeNotifier
) -> None:
    firebase.will_answer(answers.quota_exceeded(120), to="phone-000")
    in_an_hour = format_datetime(datetime.now(UTC) + timedelta(hours=1), usegmt=True)
    firebase.will_answer(answers.quota_exceeded(in_an_hour), to="phone-001")
    started = time.monotonic()

    first, second = await make().send(sos(), fids(2))

    assert (first.outcome, first.retry_after) == (Outcome.RETRY, 120.0)
    assert second.retry_after == pytest.approx(3600, abs=5)
    assert time.monotonic() - started < 5
    assert len(firebase.messages) == 2


async def test_the_sdk_itself_sends_again_once_after_a_passing_500(
    firebase: FakeFirebase, make: MakeNotifier
) -> None:
    firebase.will_answer(answers.internal())

    delivery = await sent_to_one(make())

    assert delivery.outcome is Outcome.ACCEPTED
    assert [arrival.answer.status for arrival in firebase.messages] == [500, 200]


async def test_our_time_limit_ends_the_retries_of_the_sdk(
    firebase: FakeFirebase, make: MakeNotifier
) -> None:
    firebase.always_answers(answers.unavailable(retry_after=300))
    started = time.monotonic()

    delivery = await sent_to_one(make(timeout=0.5))

    assert (delivery.outcome, delivery.reason) == (Outcome.RETRY, "TIMEOUT")
    assert time.monotonic() - started < 2


@pytest.mark.prove
async def test_a_lasting_500_or_503_is_for_our_queue_once_the_sdk_has_tried_five_times(
    firebase: FakeFirebase, make: MakeNotifier
) -> None:
    firebase.always_answers(answers.internal(), to="phone-000")
    firebase.always_answers(answers.unavailable(retry_after=30), to="phone-001")

    first, second = await make().send(sos(), fids(2))

    assert (first.outcome, first.reason, first.retry_after) == (Outcome.RETRY, "INTERNAL", None)
    assert (second.outcome, second.reason, second.retry_after) == (
        Outcome.RETRY,
        "UNAVAILABLE",
        30,
    )
    assert len(firebase.messages) == 10


def test_what_was_not_foreseen_keeps_the_address() -> None:
    assert verdict_of(RuntimeError("?")).outcome is Outcome.FAILED
    assert verdict_of(exceptions.NotFoundError("project")).outcome is Outcome.FAILED
    assert verdict_of(exceptions.PermissionDeniedError("?")).outcome is Outcome.FAILED
    wrapped = exceptions.UnknownError("?", cause=google_exceptions.TransportError("away"))
    assert verdict_of(wrapped).outcome is Outcome.RETRY
    wrapped = exceptions.UnknownError("?", cause=google_exceptions.RefreshError("no"))
    assert verdict_of(wrapped).reason == "CREDENTIALS_REFUSED"


@pytest.mark.parametrize(
    ("header", "seconds"),
    [
        (None, None),
        ("17", 17.0),
        (" 0 ", 0.0),
        ("-3", None),
        ("soon", None),
        ("nan", None),
        ("Wed, 21 Oct 2026 07:28:30 GMT", 30.0),
        ("Wed, 21 Oct 2026 07:27:00 GMT", 0.0),
    ],
)
def test_retry_after_is_read_as_seconds_or_date(header: str | None, seconds: float | None) -> None:
    now = datetime(2026, 10, 21, 7, 28, tzinfo=UTC)
    assert retry_after(header, now=now) == seconds


async def test_one_bad_address_costs_the_others_nothing(
    firebase: FakeFirebase, make: MakeNotifier
) -> None:
    firebase.will_answer(answers.cut(), to="phone-001")
    firebase.will_answer(Answer(200, "<html>"), to="phone-002")
    firebase.will_answer(answers.unregistered(), to="phone-003")

    deliveries = await make().send(sos(), fids(5))

    assert [each.address for each in deliveries] == fids(5)
    assert [each.outcome.value for each in deliveries] == [
        "ACCEPTED",
        "RETRY",
        "FAILED",
        "DEAD",
        "ACCEPTED",
    ]


def overtakers(order: list[str]) -> int:
    """The most places that any message jumped: how many nearer ones had not arrived before it."""
    return max(
        sum(later < address for later in order[rank + 1 :]) for rank, address in enumerate(order)
    )


async def test_two_hundred_officers_are_reached_nearest_first(
    firebase: FakeFirebase, make: MakeNotifier
) -> None:
    notifier = make(timeout=60)  # long, so that a busy machine makes no place free before its time
    assert await notifier.warm() is None

    deliveries = await notifier.send(sos(), fids(200))

    order = [arrival.address for arrival in firebase.messages]
    assert {each.outcome for each in deliveries} == {Outcome.ACCEPTED}
    assert len({each.message_id for each in deliveries}) == 200
    assert sorted(order) == [address.value for address in fids(200)]
    assert overtakers(order) < WINDOW


async def test_the_next_wave_waits_for_the_first(
    firebase: FakeFirebase, make: MakeNotifier
) -> None:
    firebase.always_answers(answers.slow(60))
    sending = asyncio.create_task(make(timeout=60).send(sos(), fids(25)))

    await firebase.arrived(WINDOW, timeout=10)
    with pytest.raises(TimeoutError):
        await firebase.arrived(WINDOW + 1, timeout=0.3)
    firebase.release()

    assert len(await sending) == 25


async def test_without_the_window_the_far_would_not_wait_for_the_near(
    firebase: FakeFirebase, make: MakeNotifier
) -> None:
    """The negative control of the two tests above."""
    firebase.always_answers(answers.slow(60))
    sending = asyncio.create_task(make(timeout=60, window=25).send(sos(), fids(25)))

    await firebase.arrived(25, timeout=10)
    firebase.release()

    assert len(await sending) == 25


async def test_ordinary_pushes_wait_for_as_long_as_an_sos_is_being_sent(
    firebase: FakeFirebase, make: MakeNotifier
) -> None:
    notifier = make(timeout=60)
    firebase.always_answers(answers.slow(60), to="phone-000")
    calling = asyncio.create_task(notifier.send(sos(), fids(1)))
    await firebase.arrived(1, timeout=10)

    quiet = asyncio.create_task(notifier.send(Notification("SYNC", 60), fids(30)[10:]))
    # Another SOS passes in the meantime, so the sender is free and only the ordinary ones wait.
    await notifier.send(sos(), fids(10)[1:])
    assert [one.data["kind"] for one in firebase.messages] == ["SOS"] * 10
    firebase.release()

    assert {one.outcome for one in await quiet} == {Outcome.ACCEPTED}
    assert len(await calling) == 1


async def test_ordinary_pushes_leave_room_for_an_sos_that_comes_later(
    firebase: FakeFirebase, make: MakeNotifier
) -> None:
    notifier = make(timeout=60)
    firebase.always_answers(answers.slow(60))
    quiet = asyncio.create_task(notifier.send(Notification("SYNC", 60), fids(30)))
    await firebase.arrived(ORDINARY_WINDOW, timeout=10)

    calling = asyncio.create_task(notifier.send(sos(), fids(1)))
    arrived = await firebase.arrived(ORDINARY_WINDOW + 1, timeout=10)
    firebase.release()

    assert [one.data["kind"] for one in arrived] == ["SYNC"] * ORDINARY_WINDOW + ["SOS"]
    assert len(await calling) == 1
    assert len(await quiet) == 30


async def test_silent_phones_in_front_do_not_hold_back_those_behind(
    firebase: FakeFirebase, make: MakeNotifier
) -> None:
    for address in fids(WINDOW):
        firebase.will_answer(answers.slow(60), to=address.value)
    notifier = make(timeout=6)
    await notifier.warm()
    sending = asyncio.create_task(notifier.send(sos(), fids(WINDOW + 5)))

    arrived = await firebase.arrived(WINDOW + 5, timeout=5)
    assert not sending.done()
    firebase.release()

    assert {each.address for each in arrived} == {each.value for each in fids(WINDOW + 5)}
    assert {each.outcome for each in await sending} == {Outcome.ACCEPTED}


async def test_a_hanging_server_ends_within_the_limit_and_keeps_what_is_known(
    firebase: FakeFirebase, make: MakeNotifier
) -> None:
    notifier = make(timeout=0.6)
    await notifier.warm()
    firebase.always_answers(answers.slow(60))
    firebase.always_answers(answers.ok(), to="phone-003")
    started = time.monotonic()

    deliveries = await notifier.send(sos(), fids(400))

    assert time.monotonic() - started < 4
    assert deliveries[3].outcome is Outcome.ACCEPTED
    others = deliveries[:3] + deliveries[4:]
    assert {each.outcome for each in others} == {Outcome.RETRY}
    assert deliveries[0].reason == "TIMEOUT"
    assert deliveries[399].reason == "NOT_SENT"
    firebase.release()
    firebase.always_answers(answers.ok())
    assert (await sent_to_one(notifier)).outcome is Outcome.ACCEPTED


async def test_a_server_that_is_away_is_a_retry(make: MakeNotifier, firebase: FakeFirebase) -> None:
    notifier = make(timeout=2)
    await notifier.warm()
    firebase.stop()

    deliveries = await notifier.send(sos(), fids(20))

    assert {(each.outcome, each.reason) for each in deliveries} == {(Outcome.RETRY, "CONNECTION")}


async def test_more_than_one_batch_is_split_and_stays_in_order(
    firebase: FakeFirebase, make: MakeNotifier
) -> None:
    addresses = fids(501)

    deliveries = await make(timeout=30).send(sos(), addresses)

    assert [each.address for each in deliveries] == addresses
    assert {each.outcome for each in deliveries} == {Outcome.ACCEPTED}
    assert firebase.messages[-1].address == "phone-500"


async def test_the_time_limit_is_for_each_batch(firebase: FakeFirebase, make: MakeNotifier) -> None:
    notifier = make(timeout=1)
    await notifier.warm()
    for address in fids(500):
        firebase.always_answers(answers.slow(60), to=address.value)

    deliveries = await notifier.send(sos(), fids(501))

    assert {each.outcome for each in deliveries[:500]} == {Outcome.RETRY}
    assert deliveries[500].outcome is Outcome.ACCEPTED


async def test_nobody_to_send_to_is_no_work(firebase: FakeFirebase, make: MakeNotifier) -> None:
    assert await make().send(sos(), []) == []
    assert firebase.token_requests == 0


async def test_a_sender_that_is_cancelled_stops_sending(
    firebase: FakeFirebase, make: MakeNotifier
) -> None:
    firebase.always_answers(answers.slow(60))
    notifier = make(timeout=60)
    sending = asyncio.create_task(notifier.send(sos(), fids(50)))
    await firebase.arrived(WINDOW, timeout=10)

    sending.cancel()
    with pytest.raises(asyncio.CancelledError):
        await sending
    firebase.release()
    firebase.always_answers(answers.ok())

    await notifier.send(sos(), [PushAddress("fid", "another")])
    assert len(firebase.messages) == WINDOW + 1
