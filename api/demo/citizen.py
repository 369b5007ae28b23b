"""Somebody without an account: scans the code on a pole, presses once, and watches the page that follows."""

from __future__ import annotations

import asyncio
import re
from dataclasses import dataclass, field
from html import unescape

import httpx

from mobile_contracts.reference import Refused
from mobile_contracts.reference.line import AWAY

TRIES = 8
PAUSE = 0.3
OVER = ("CLOSED", "CANCELLED")

_VISIT = re.compile(r'name="visit" value="([^"]+)"')
_STATE = re.compile(r'<div class="card ([A-Z_]+)">')


@dataclass
class Citizen:
    """A browser without scripts. `seen` holds what the page said, each change once; `told` is set by the first."""

    client: httpx.AsyncClient
    link: str
    name: str
    seen: list[str] = field(default_factory=list)
    told: asyncio.Event = field(default_factory=asyncio.Event)

    async def call(self) -> None:
        """Scans, presses, and looks at the page until the call is over.

        Raises:
            Refused: the code is not good.
        """
        visit = _VISIT.search(await self._page("GET", self.link))
        assert visit is not None  # the page of a scanned code has its form
        page = await self._page("POST", "/help", {"visit": unescape(visit[1])})
        watch = self._address
        while True:
            found = _STATE.search(page)
            if found is not None and found[1] not in self.seen[-1:]:
                self.seen.append(found[1])
                self.told.set()
            if self.seen[-1:] and self.seen[-1] in OVER:
                return
            await asyncio.sleep(PAUSE)
            page = await self._page("GET", watch)

    async def _page(self, method: str, address: str, form: dict[str, str] | None = None) -> str:
        for attempt in range(TRIES):
            try:
                answer = await self.client.request(
                    method, address, data=form, follow_redirects=True
                )
            except httpx.TransportError:
                answer = None
            if answer is not None and answer.status_code not in AWAY:
                if answer.is_error:
                    raise Refused("CITIZEN_LINK_INVALID", answer.text[-200:], answer.status_code)
                self._address = str(answer.url)
                return answer.text
            await asyncio.sleep(PAUSE * 2**attempt)
        raise Refused("CITIZEN_LINK_INVALID", "no answer for long", 503)
