"""Sends pushes through the Firebase SDK without ever letting Firebase stall the server or hide an outcome.

The SDK's `send_each_async` runs on a loop in a thread of its own, one message a call:

* its sibling `send_each` sleeps through a Retry-After in a thread that nobody can interrupt, opens a thread per
  message, and bounds each read but never the whole; the asynchronous one is HTTP/2, can be cancelled, and ignores
  Retry-After, which is our queue's business;
* it fetches access tokens with a blocking call inside the loop, and `delete_app` calls `asyncio.run`: both need a
  loop that is not the server's;
* one message a call, because a failure that the SDK does not expect spoils all answers of a call.

The SDK tries 500 and 503 again four times (after 0, 1, 2 and 4 s) and offers no public way to stop it
(firebase/firebase-admin-python#554); the time limit for one message includes that.
"""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from collections.abc import Callable, Coroutine, Mapping, Sequence
from datetime import UTC, datetime
from functools import partial
from typing import Any

import firebase_admin
import structlog
from firebase_admin import exceptions, messaging

from api.push.loop_thread import LoopThread
from api.push.payload import writer
from api.push.sdk import Credential, open_app
from api.push.verdict import (
    CREDENTIALS_REFUSED,
    NOT_SENT,
    TIMEOUT,
    TOKEN_UNREACHABLE,
    Verdict,
    verdict_of,
)
from patrol.notify import Delivery, Notification, Outcome, PushAddress

WINDOW = 10
"""Messages under way at once. 200 at once would delay the last by 0.8 s and let far officers overtake near ones."""

BATCH = 500
"""Addresses that share one time limit, which is also what Firebase allows in one call."""

HEAD_START = 8
"""Turns of the loop that each of the first ten messages of a call for help has before the next is begun: after so many it
is on the wire. Begun together, the nearest is sent only when all ten are prepared, five milliseconds of work later."""

WAY_SECONDS = 1.0
"""How long ordinary pushes leave the way free for a call that is about to be sent."""

ORDINARY_WINDOW = 2
"""Messages of all ordinary pushes that are under way at once: what an SOS may find in front of it."""

TRIAL_ADDRESS = "patrol-trial"
"""Nobody's installation: Firebase judges a message to it and sends nothing."""

_log = structlog.get_logger(__name__)

_IN_PLAIN_WORDS = {
    TOKEN_UNREACHABLE.reason: "Google's token service does not answer; check that this machine reaches it.",
    CREDENTIALS_REFUSED.reason: "Google refused the service account; check that its key was not deleted and that "
    "this machine's clock is right.",
    TIMEOUT.reason: "Firebase did not answer in time; check that this machine reaches it.",
    "CONNECTION": "Firebase cannot be reached; check that this machine reaches fcm.googleapis.com.",
    "PERMISSION_DENIED": "The service account may not send; enable the Firebase Cloud Messaging API and give it the "
    "right to send messages.",
}


class FirebaseNotifier:
    """Push through one Firebase project; several may live in one process, each with its own app and thread."""

    enabled = True

    def __init__(
        self,
        account: Mapping[str, Any],
        *,
        endpoint: str | None = None,
        timeout: float = 10.0,
        window: int = WINDOW,
    ) -> None:
        """Opens no connection yet; see `notifier_from` for the arguments.

        Raises:
            CredentialsUnfit: `account` is not a service account.
        """
        self._account = account
        self._endpoint = endpoint
        self._timeout = timeout
        self._window = window
        self._credential = Credential(account, timeout=timeout)
        self._app: firebase_admin.App | None = None
        self._renewal: asyncio.Task[None] | None = None
        self._tried = False
        # Only the push thread touches these.
        self._calls = 0
        self._no_calls = asyncio.Event()
        self._no_calls.set()
        self._ordinary = asyncio.Semaphore(ORDINARY_WINDOW)
        # Written by whoever announces a call, read by the push thread.
        self._way_until = 0.0
        self._thread = LoopThread("push", last=self._delete_app)

    async def warm(self) -> str | None:
        """Gets everything ready, so that the first SOS does not pay the 0.1 to 0.3 s that a cold client costs.

        The first call also asks Firebase to judge a message that is never sent, because only a real exchange loads
        and connects all that a send needs. Later calls are cheap: the worker makes one every minute, and the access
        token is renewed ten minutes before it ends. Returns what is wrong in plain words, or None.
        """
        return await self._ask(self._warm())

    async def check(self) -> str | None:
        """The same with the trial message every time, for `patrol check`."""
        return await self._ask(self._check())

    def make_way(self) -> None:
        """Says that a call for help is about to be sent: ordinary pushes begin no message for a second, because what they
        do in this process delays the choosing of whom to call."""
        self._way_until = time.monotonic() + WAY_SECONDS

    async def send(
        self, notification: Notification, addresses: Sequence[PushAddress]
    ) -> list[Delivery]:
        """One outcome for each address, in their order; see `patrol.notify.Notifier`.

        Addresses are started in order, ten under way at once, so nobody overtakes more than nine. One that has no
        answer after a tenth of the time limit gives its place up (but is still waited for), so that a slow phone
        does not hold back the officers behind it.

        Whatever is no SOS waits while one is being sent, and has few messages under way at any time.
        """
        write = writer(notification)
        deliveries: list[Delivery] = []
        for start in range(0, len(addresses), BATCH):
            deliveries += await self._send_batch(
                write, addresses[start : start + BATCH], first=notification.goes_first
            )
        outcomes = Counter(each.reason or each.outcome.value for each in deliveries)
        _log.info(
            "push.sent", kind=notification.kind, drill=notification.drill, outcomes=dict(outcomes)
        )
        return deliveries

    async def close(self) -> None:
        """Ends the thread and deletes the app; what is still under way is cancelled."""
        if not await asyncio.to_thread(self._thread.stop, self._timeout):
            _log.warning("push.close_timed_out")

    async def _send_batch(
        self,
        write: Callable[[PushAddress], messaging.Message],
        addresses: Sequence[PushAddress],
        *,
        first: bool,
    ) -> list[Delivery]:
        known: list[Delivery | None] = [None] * len(addresses)
        work = asyncio.wrap_future(
            self._thread.submit(
                self._in_turn(first, partial(self._fill, write, addresses, known, first))
            )
        )
        try:
            # The thread keeps to its own limits unless it is blocked; then what it has written so far counts.
            async with asyncio.timeout(2.5 * self._timeout + 1):
                await work
        except TimeoutError:
            _log.warning("push.thread_blocked")
        return [
            delivery or _delivery(address, TIMEOUT)
            for address, delivery in zip(addresses, known, strict=True)
        ]

    # ---- from here on everything runs in the push thread ----

    async def _in_turn(self, first: bool, work: Callable[[], Coroutine[Any, Any, None]]) -> None:
        """Holds ordinary pushes back for as long as a call for help is being sent."""
        if not first:
            await work()
            return
        self._calls += 1
        self._no_calls.clear()
        try:
            await work()
        finally:
            self._calls -= 1
            if not self._calls:
                self._no_calls.set()

    async def _fill(
        self,
        write: Callable[[PushAddress], messaging.Message],
        addresses: Sequence[PushAddress],
        known: list[Delivery | None],
        first: bool,
    ) -> None:
        loop = asyncio.get_running_loop()
        deadline = loop.time() + 2 * self._timeout
        if (problem := await self._token(wait_for_ageing=False)) is not None:
            known[:] = [_delivery(address, problem) for address in addresses]
            return
        places = asyncio.Semaphore(self._window) if first else self._ordinary
        tasks: list[asyncio.Task[None]] = []
        try:
            async with asyncio.timeout_at(deadline):
                for index, address in enumerate(addresses):
                    await places.acquire()
                    while not first and (wait := self._has_to_wait()):
                        places.release()  # whoever waits does not keep others of his kind from waiting
                        await wait
                        await places.acquire()
                    task = asyncio.create_task(self._fill_one(write, address, known, index))
                    _give_up_place(task, places, after=self._timeout / 10)
                    tasks.append(task)
                    if first and index < WINDOW:
                        for _ in range(HEAD_START):
                            await asyncio.sleep(0)
                await asyncio.gather(*tasks)
        except TimeoutError:
            for index in range(len(tasks), len(addresses)):
                known[index] = _delivery(addresses[index], NOT_SENT)
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)

    def _has_to_wait(self) -> Coroutine[Any, Any, Any] | None:
        """What an ordinary push waits for, if a call for help is being sent or about to be."""
        if self._calls:
            return self._no_calls.wait()
        left = self._way_until - time.monotonic()
        return asyncio.sleep(left) if left > 0 else None

    async def _fill_one(
        self,
        write: Callable[[PushAddress], messaging.Message],
        address: PushAddress,
        known: list[Delivery | None],
        index: int,
    ) -> None:
        try:
            async with asyncio.timeout(self._timeout):
                answer = await messaging.send_each_async([write(address)], app=self._opened())
            [response] = answer.responses
            if response.success:
                known[index] = _delivery(address, None, response.message_id)
                return
            # A success without a message id has no exception either, and is no success.
            verdict = verdict_of(response.exception or exceptions.UnknownError("no message id"))
        except Exception as error:  # one address must never cost the others their push
            verdict = verdict_of(error)
        if verdict.reason == "UNKNOWN":
            _log.warning("push.not_understood")
        known[index] = _delivery(address, verdict)

    async def _warm(self) -> Verdict | None:
        if not self._tried:
            return await self._check()
        return await self._token(wait_for_ageing=True)

    async def _check(self) -> Verdict | None:
        if (problem := await self._token(wait_for_ageing=True)) is not None:
            return problem
        message = messaging.Message(data={"kind": "TRIAL"}, fid=TRIAL_ADDRESS)
        try:
            async with asyncio.timeout(self._timeout):
                answer = await messaging.send_each_async(
                    [message], dry_run=True, app=self._opened()
                )
        except Exception as error:  # whatever it is, the caller wants it in words
            return verdict_of(error)
        refusal = answer.responses[0].exception
        verdict = verdict_of(refusal) if refusal is not None else None
        # That this made-up address reaches nobody is the answer of a service that would send.
        if verdict is None or verdict.reason in ("INVALID_ARGUMENT", "UNREGISTERED"):
            self._tried = True
            return None
        return verdict

    async def _token(self, *, wait_for_ageing: bool) -> Verdict | None:
        """Sees to a usable access token; the reason if there is none."""
        if self._credential.ageing and (self._renewal is None or self._renewal.done()):
            self._renewal = asyncio.create_task(asyncio.to_thread(self._credential.renew))
            self._renewal.add_done_callback(_look_at_error)
        if self._renewal is None or (self._credential.valid and not wait_for_ageing):
            return None
        try:
            # Shielded: a sender that gives up must not take the renewal from those that come after it.
            async with asyncio.timeout(self._timeout / 2):
                await asyncio.shield(self._renewal)
        except Exception as error:  # classified, and only a missing token stops us
            if self._credential.valid:
                return None
            return TOKEN_UNREACHABLE if isinstance(error, TimeoutError) else verdict_of(error)
        return None

    async def _ask(self, work: Any) -> str | None:
        future = asyncio.wrap_future(self._thread.submit(work))
        try:
            async with asyncio.timeout(2.5 * self._timeout + 1):
                verdict: Verdict | None = await future
        except TimeoutError:
            verdict = TIMEOUT
        if verdict is None:
            return None
        return _IN_PLAIN_WORDS.get(verdict.reason, f"Firebase answered {verdict.reason}.")

    def _opened(self) -> firebase_admin.App:
        if self._app is None:
            self._app = open_app(
                self._account, self._credential, endpoint=self._endpoint, timeout=self._timeout
            )
        return self._app

    def _delete_app(self) -> None:
        if self._app is not None:
            firebase_admin.delete_app(self._app)
            self._app = None


def _delivery(
    address: PushAddress, verdict: Verdict | None, message_id: str | None = None
) -> Delivery:
    now = datetime.now(UTC)
    if verdict is None:
        return Delivery(address, Outcome.ACCEPTED, now, message_id=message_id)
    return Delivery(address, verdict.outcome, now, verdict.reason, retry_after=verdict.retry_after)


def _give_up_place(task: asyncio.Task[None], places: asyncio.Semaphore, *, after: float) -> None:
    """Frees the task's place once: when it ends, or after so many seconds."""
    held = True

    def free(*_: object) -> None:
        nonlocal held
        if held:
            held = False
            places.release()

    timer = asyncio.get_running_loop().call_later(after, free)
    task.add_done_callback(free)
    task.add_done_callback(lambda _: timer.cancel())


def _look_at_error(task: asyncio.Task[None]) -> None:
    """A renewal that fails while the old token is still good is tried again; asyncio must not complain about it."""
    if not task.cancelled() and task.exception() is not None:
        _log.warning("push.token_not_renewed", reason=type(task.exception()).__name__)
