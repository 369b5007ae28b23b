"""The fake Firebase itself: it issues tokens, judges messages as Firebase would, answers as told and remembers."""

from __future__ import annotations

import asyncio
import functools
import json
import re
import secrets
import threading
import time
from collections import defaultdict, deque
from dataclasses import dataclass, replace
from typing import Any, Self
from urllib.parse import parse_qs

import jwt
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa

from api.fake_firebase import answers
from api.fake_firebase.answers import Answer
from api.fake_firebase.wire import Request, encode, read_request
from api.push.loop_thread import LoopThread

_SEND = re.compile(r"/v1/projects/([^/]+)/messages:send\Z")
_GRANT = "urn:ietf:params:oauth:grant-type:jwt-bearer"
_CLAIMED_AUDIENCE = "https://oauth2.googleapis.com/token"
"""google-auth always asks in the name of Google's own address, whatever `token_uri` says."""
_TARGETS = ("fid", "token", "topic", "condition")
_RESERVED_KEYS = re.compile(r"(from|message_type|google.*|gcm.*)\Z")
_LARGEST_PAYLOAD = 4096


@dataclass(frozen=True, slots=True)
class Arrival:
    """A message as it came in: `at` is `time.monotonic()`, `message` the JSON under `message`, `answer` what it got."""

    at: float
    kind: str
    address: str
    message: dict[str, Any]
    answer: Answer

    @property
    def data(self) -> dict[str, str]:
        """The data part that the phone's app reads."""
        data: dict[str, str] = self.message.get("data", {})
        return data


class FakeFirebase:
    """An HTTP server on 127.0.0.1 and a free port, in a thread of its own; use it as a context manager."""

    def __init__(self, *, project: str = "patrol-demo", token_seconds: int = 3600) -> None:
        self.project = project
        self.token_seconds = token_seconds
        self.token_requests = 0
        self._arrivals: list[Arrival] = []
        self._trials: list[Arrival] = []
        self._arrived = threading.Condition()
        self._tokens: dict[str, float] = {}
        self._queue: deque[Answer] = deque()
        self._token_queue: deque[Answer] = deque()
        self._queues: defaultdict[str, deque[Answer]] = defaultdict(deque)
        self._standing: dict[str | None, Answer] = {None: answers.ok()}
        self._thread = LoopThread("fake-firebase")
        self._connections: set[asyncio.Task[None]] = set()
        self._port = 0
        self._running = False

    def __enter__(self) -> Self:
        self._thread.submit(self._start()).result(timeout=10)
        self._running = True
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def stop(self) -> None:
        """Closes the port and every connection; what was received can still be read. Harmless when repeated."""
        if self._running:
            self._running = False
            self._thread.submit(self._end()).result(timeout=10)
            self._thread.stop(timeout=10)

    # ---- what a test or the demo says and asks; safe from any thread ----

    @property
    def url(self) -> str:
        """The address for `notifier_from(…, endpoint=…)`."""
        return f"http://127.0.0.1:{self._port}"

    def service_account(self) -> dict[str, str]:
        """A service account that this server, and no other, accepts."""
        return {
            "type": "service_account",
            "project_id": self.project,
            "private_key_id": "fake-key",
            "private_key": _private_pem(),
            "client_email": f"push@{self.project}.iam.gserviceaccount.com",
            "client_id": "1",
            "token_uri": f"{self.url}/token",
            "universe_domain": "googleapis.com",
        }

    def will_answer(self, *scripted: Answer, to: str | None = None) -> None:
        """The next answers to an address, one each; without `to`, to whoever has no script of his own."""
        (self._queue if to is None else self._queues[to]).extend(scripted)

    def always_answers(self, answer: Answer, *, to: str | None = None) -> None:
        """The answer when nothing is scripted any more, to one address or to all."""
        self._standing[to] = answer

    def will_answer_token(self, *scripted: Answer) -> None:
        """The next answers of the token service; `ok()` is a token."""
        self._token_queue.extend(scripted)

    def release(self) -> None:
        """Ends every `slow` wait, those to come included, until `hold_again`."""
        self._call(self._released.set)

    def hold_again(self) -> None:
        """Lets `slow` answers wait again."""
        self._call(self._released.clear)

    def revoke_tokens(self) -> None:
        """Makes every token that was issued so far unknown."""
        self._tokens.clear()

    @property
    def messages(self) -> list[Arrival]:
        """Every message that was to be sent, in the order of arrival, the refused ones included."""
        with self._arrived:
            return list(self._arrivals)

    @property
    def trials(self) -> list[Arrival]:
        """The messages that were only to be judged (`validate_only`)."""
        with self._arrived:
            return list(self._trials)

    def wait_for(self, count: int, timeout: float) -> list[Arrival]:
        """Blocks until so many messages have arrived.

        Raises:
            TimeoutError: fewer came within `timeout` seconds.
        """
        with self._arrived:
            if not self._arrived.wait_for(lambda: len(self._arrivals) >= count, timeout):
                raise TimeoutError(f"{len(self._arrivals)} of {count} messages arrived")
            return list(self._arrivals)

    async def arrived(self, count: int, timeout: float) -> list[Arrival]:  # noqa: ASYNC109 - the twin of wait_for
        """The same for asyncio."""
        return await asyncio.to_thread(self.wait_for, count, timeout)

    # ---- from here on everything runs in the server's thread ----

    def _call(self, function: Any) -> None:
        async def run() -> None:
            function()

        self._thread.submit(run()).result(timeout=10)

    async def _start(self) -> None:
        self._released = asyncio.Event()
        self._server = await asyncio.start_server(self._accept, "127.0.0.1", 0)
        self._port = self._server.sockets[0].getsockname()[1]

    async def _end(self) -> None:
        self._server.close()
        for task in self._connections:
            task.cancel()
        await asyncio.gather(*self._connections, return_exceptions=True)

    def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.get_running_loop().create_task(self._serve(reader, writer))
        self._connections.add(task)
        task.add_done_callback(self._connections.discard)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while (request := await read_request(reader)) is not None:
                answer = self._answer(request)
                if answer.hold:
                    await self._hold(answer.hold)
                if answer.cut:
                    break
                writer.write(encode(answer))
                await writer.drain()
        except (ConnectionError, asyncio.IncompleteReadError, ValueError):
            pass  # a client that breaks off or speaks no HTTP gets what any server gives it: a closed connection
        finally:
            # At once, unsent bytes and all: the next server may want this port, and a cut must look like one.
            writer.transport.abort()

    async def _hold(self, seconds: float) -> None:
        try:
            async with asyncio.timeout(seconds):
                await self._released.wait()
        except TimeoutError:
            pass

    def _answer(self, request: Request) -> Answer:
        if request.method == "POST" and request.path == "/token":
            return self._issue(request)
        if request.method == "POST" and (found := _SEND.match(request.path)):
            return self._send(request, project=found[1])
        return answers.bare_not_found()

    def _issue(self, request: Request) -> Answer:
        self.token_requests += 1
        scripted = self._token_queue.popleft() if self._token_queue else answers.ok()
        if scripted.status != 200 or scripted.cut:
            return scripted
        form = parse_qs(request.body.decode())
        issuer = self.service_account()["client_email"]
        try:
            claims = jwt.decode(
                form.get("assertion", [""])[0],
                _private_key().public_key(),
                algorithms=["RS256"],
                audience=_CLAIMED_AUDIENCE,
                issuer=issuer,
            )
        except jwt.InvalidTokenError:
            return answers.token_refused()
        if form.get("grant_type") != [_GRANT] or "firebase.messaging" not in claims.get(
            "scope", ""
        ):
            return answers.token_refused()
        token = f"fake.{secrets.token_urlsafe(24)}"
        self._tokens[token] = time.monotonic() + self.token_seconds
        body = {"access_token": token, "expires_in": self.token_seconds, "token_type": "Bearer"}
        return replace(scripted, body=body)

    def _send(self, request: Request, *, project: str) -> Answer:
        arrived_at = time.monotonic()
        kind, _, token = request.headers.get("authorization", "").partition(" ")
        if kind != "Bearer" or self._tokens.get(token, 0.0) < arrived_at:
            return answers.unauthenticated()
        if project != self.project:
            return answers.permission_denied()
        try:
            content = json.loads(request.body)
            message = content["message"]
            [target] = [name for name in _TARGETS if name in message]
            address = str(message[target])
        except (ValueError, KeyError, TypeError):
            return answers.invalid_argument()
        trial = content.get("validate_only") is True
        if _is_fit(message):
            answer = self._scripted(address, for_all=not trial)
        else:
            answer = answers.invalid_argument()
        if answer.status == 200 and answer.body is None:
            name = f"projects/{project}/messages/{len(self._arrivals):08d}"
            answer = replace(answer, body={"name": name})
        with self._arrived:
            kept = self._trials if trial else self._arrivals
            kept.append(Arrival(arrived_at, target, address, message, answer))
            self._arrived.notify_all()
        return answer

    def _scripted(self, address: str, *, for_all: bool) -> Answer:
        # A trial takes no answer that is meant for whichever message comes next.
        for queue in (self._queues.get(address), self._queue if for_all else None):
            if queue:
                return queue.popleft()
        return self._standing.get(address, self._standing[None])


def _is_fit(message: dict[str, Any]) -> bool:
    """Firebase's own rules on data: strings only, no reserved key, at most 4,096 bytes."""
    data = message.get("data", {})
    if not isinstance(data, dict) or not all(isinstance(value, str) for value in data.values()):
        return False
    if any(_RESERVED_KEYS.match(key) for key in data):
        return False
    return (
        sum(len(key.encode()) + len(value.encode()) for key, value in data.items())
        <= _LARGEST_PAYLOAD
    )


@functools.cache
def _private_key() -> rsa.RSAPrivateKey:
    """One key for the process: making one takes a tenth of a second, and nothing is protected by it."""
    return rsa.generate_private_key(public_exponent=65537, key_size=2048)


@functools.cache
def _private_pem() -> str:
    return (
        _private_key()
        .private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )
        .decode()
    )
