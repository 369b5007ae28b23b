"""Tells people through LINE, text messages, voice, mail and webhooks, by the library apprise, within a fixed time.

apprise blocks, so each telling has a thread. One that hangs cannot be ended from outside: it is left behind (a daemon, so
that it holds up no stop) and counted, and its channel is tried again only while few of its threads hang.

Addresses hold credentials. They are unsealed for one telling, and what the library logs is dropped: of a failure only a
code is kept (`HTTP_403`, `CONNECTION`).
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import re
import threading
import warnings
from collections import Counter
from collections.abc import Sequence
from datetime import UTC, datetime
from functools import lru_cache
from types import ModuleType
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qsl
from uuid import UUID

from patrol.errors import ChannelAddressInvalid
from patrol.keys import SecretWrong, open_text, seal_text
from patrol.notify import SealedAddress, Telling, Told
from storage.vocabulary import ChannelOutcome

if TYPE_CHECKING:
    from apprise import NotifyBase

TIME_LIMIT = 15.0
"""Seconds for one telling, whatever its service does."""

MOST_HANGING = 3
"""Threads of one channel that may hang before it is given up until one of them ends."""

PURPOSE = "channel"

ON_THIS_MACHINE = frozenset(
    {"blink1", "dbus", "glib", "gio", "gnome", "kde", "macosx", "qt", "syslog", "windows"}
)
"""Schemes that show something on a desk or in a file here, where nobody sits."""

FILES_OF_THIS_MACHINE = frozenset({"keyfile", "subfile", "pgppub", "pgpprv"})
"""Fields of an address by which a service would read a file here, or fetch one, and send on what is made of it."""

_SCHEME = re.compile(r"([a-z0-9][a-z0-9+.-]{0,30})://.", re.IGNORECASE)
_LONGEST = 4096
_STATUS = re.compile(r"error=(\d{3})\b")
_BROKEN = re.compile(r"connection error|socket exception|timed out|refused", re.IGNORECASE)


class AppriseTeller:
    """Fallback channels by apprise; one for a process."""

    def __init__(
        self, secret: str, *, alert_page: str | None = None, time_limit: float = TIME_LIMIT
    ) -> None:
        """Opens nothing yet.

        Args:
            secret: the installation's secret, which addresses are sealed with.
            alert_page: address of the control room's page of an alert, with `{alert}` for its id.
            time_limit: seconds for one telling.
        """
        self._secret = secret
        self._alert_page = alert_page
        self._time_limit = time_limit
        self._hanging: Counter[UUID] = Counter()

    def seal(self, channel_id: UUID, address: str) -> SealedAddress:
        """See `Teller`."""
        address = address.strip()
        found = _SCHEME.match(address)
        if found is None or len(address) > _LONGEST or not address.isprintable():
            raise ChannelAddressInvalid
        scheme = found[1].lower()
        # Its own text never reaches a message: it is a secret, also when it is wrong.
        named = {name.strip().lower() for name, _ in parse_qsl(address.partition("?")[2])}
        if scheme in ON_THIS_MACHINE or named & FILES_OF_THIS_MACHINE or _service(address) is None:
            raise ChannelAddressInvalid(
                f"No fallback channel can be told through this {scheme} address."
            )
        sealed = seal_text(self._secret, PURPOSE, str(channel_id), address)
        return SealedAddress(channel_id, scheme, sealed)

    def alert_link(self, alert_id: UUID) -> str | None:
        """See `Teller`."""
        return None if self._alert_page is None else self._alert_page.format(alert=alert_id)

    async def tell(self, tellings: Sequence[Telling]) -> list[Told]:
        """See `Teller`."""
        return list(await asyncio.gather(*(self._tell(each) for each in tellings)))

    async def _tell(self, telling: Telling) -> Told:
        channel = telling.to.channel_id
        outcome, reason = ChannelOutcome.TIMEOUT, "STILL_HANGING"
        if self._hanging[channel] < MOST_HANGING:
            try:
                async with asyncio.timeout(self._time_limit):
                    outcome, reason = await self._in_thread(telling)
            except TimeoutError:
                reason = "TIMEOUT"
        told = outcome is ChannelOutcome.TOLD
        return Told(channel, outcome, datetime.now(UTC), None if told else reason)

    async def _in_thread(self, telling: Telling) -> tuple[ChannelOutcome, str]:
        loop = asyncio.get_running_loop()
        ended: asyncio.Future[tuple[ChannelOutcome, str]] = loop.create_future()
        channel = telling.to.channel_id

        def end(result: tuple[ChannelOutcome, str]) -> None:
            self._hanging[channel] -= 1
            if not ended.done():
                ended.set_result(result)

        def run() -> None:
            result = self._send(telling)
            # The loop may be closed by the time a service that hung lets go.
            with contextlib.suppress(RuntimeError):
                loop.call_soon_threadsafe(end, result)

        self._hanging[channel] += 1
        threading.Thread(target=run, name="telling", daemon=True).start()
        return await ended

    def _send(self, telling: Telling) -> tuple[ChannelOutcome, str]:
        """Sends; in a thread of its own."""
        try:
            address = open_text(
                self._secret, PURPOSE, str(telling.to.channel_id), telling.to.sealed
            )
        except SecretWrong:
            return ChannelOutcome.UNREADABLE, "SECRET"
        _overheard.reason = None
        try:
            service = _service(address)
            if service is None:
                return ChannelOutcome.UNREADABLE, "ADDRESS"
            # A service may keep nothing of the last telling, and one object is not for two threads: made anew each time.
            done = service.notify(
                title=telling.title, body=telling.text, notify_type="failure", body_format="text"
            )
        except Exception as error:  # whatever a service's code does, the others are told
            return ChannelOutcome.FAILED, _code_of(error)
        if done:
            return ChannelOutcome.TOLD, ""
        return ChannelOutcome.FAILED, _overheard.reason or "REFUSED"


def _service(address: str) -> NotifyBase | None:
    """apprise's service for an address; None when it is none of a service."""
    apprise = _library()
    asset = apprise.AppriseAsset(
        app_id="Safe Zone Patrol",
        app_desc="Safe Zone Patrol",
        app_url="",
        image_url_mask="",
        image_url_logo="",
        # Nothing is written to a disk, no key is made, and no answer leads to another address.
        storage_mode="memory",
        pgp_autogen=False,
        pem_autogen=False,
        http_redirects=False,
        secure_logging=True,
    )
    made: Any = apprise.Apprise.instantiate(address, asset=asset)
    return made if made else None


class _Overheard(threading.local):
    reason: str | None = None


_overheard = _Overheard()


class _Listening(logging.Handler):
    """Keeps the code of a failure and forgets the line."""

    def emit(self, record: logging.LogRecord) -> None:
        try:
            line = record.getMessage()
        except Exception:  # a line that cannot even be formatted says nothing
            return
        if found := _STATUS.search(line):
            _overheard.reason = f"HTTP_{found[1]}"
        elif _BROKEN.search(line) and _overheard.reason is None:
            _overheard.reason = "CONNECTION"


_loading = threading.Lock()


@lru_cache(maxsize=1)
def _library() -> ModuleType:
    """apprise with all its services, silenced. Loading costs a second, and few processes ever tell."""
    # `lru_cache` lets two threads begin at once; the second finds all loaded.
    with _loading, warnings.catch_warnings():
        # What its services import is the library's own affair.
        warnings.simplefilter("ignore")
        _silence()
        import apprise

        apprise.Apprise.instantiate("json://localhost")
    return apprise


def _silence() -> None:
    """The library's lines may hold addresses, and with them credentials: none leaves this module."""
    logger = logging.getLogger("apprise")
    logger.handlers = [_Listening()]
    logger.propagate = False
    logger.setLevel(logging.DEBUG)


def _code_of(error: Exception) -> str:
    """`ConnectionRefusedError` → `CONNECTION_REFUSED_ERROR`; never the error's own text."""
    return re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", type(error).__name__).upper()[:64]
