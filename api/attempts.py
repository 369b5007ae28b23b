"""Bounds how often something may be guessed, in this process's memory: a bucket of attempts for each who guesses."""

from __future__ import annotations

import ipaddress
import math
import time
from collections import OrderedDict
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from patrol.errors import TooMany


class Attempts:
    """Each name has `burst` attempts and gets one back every `seconds`.

    An attempt is taken before the guess is judged and given back when it was right, so that guesses sent all at once
    do not slip through together. Several processes multiply the limit by their number, which fifty random bits bear.
    """

    def __init__(
        self,
        *,
        burst: int,
        seconds: float,
        remembered: int = 10_000,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._burst = burst
        self._seconds = seconds
        self._remembered = remembered
        self._clock = clock
        self._spent: OrderedDict[str, tuple[float, float]] = OrderedDict()

    def take(self, *names: str) -> None:
        """Takes one attempt of every name.

        Raises:
            TooMany: one of them has none left; nothing is taken. `retryAfter` says in how many seconds it has.
        """
        wait = max((self._used(name) + 1 - self._burst) * self._seconds for name in names)
        if wait > 0:
            raise TooMany("Too many wrong attempts.", retryAfter=math.ceil(wait))
        for name in names:
            self._keep(name, self._used(name) + 1)

    def give_back(self, *names: str) -> None:
        """Returns an attempt that was no wrong guess."""
        for name in names:
            self._keep(name, max(0.0, self._used(name) - 1))

    @contextmanager
    def bounded(self, *names: str, wrong: type[Exception]) -> Iterator[None]:
        """Takes an attempt for the block and gives it back, unless the block raises `wrong` or is cancelled."""
        self.take(*names)
        try:
            yield
        except wrong:
            raise
        except Exception:
            self.give_back(*names)
            raise
        self.give_back(*names)

    def _used(self, name: str) -> float:
        used, at = self._spent.get(name, (0.0, 0.0))
        return max(0.0, used - (self._clock() - at) / self._seconds)

    def _keep(self, name: str, used: float) -> None:
        self._spent[name] = (used, self._clock())
        self._spent.move_to_end(name)
        if len(self._spent) > self._remembered:
            self._spent.popitem(last=False)


def network_of(host: str | None) -> str:
    """Who counts as one guesser: an IPv4 address, or the IPv6 network that one customer is given."""
    try:
        address = ipaddress.ip_address((host or "").partition("%")[0])
    except ValueError:
        return "unknown"
    if isinstance(address, ipaddress.IPv6Address):
        if address.ipv4_mapped is not None:
            return str(address.ipv4_mapped)
        return str(ipaddress.ip_network((address, 64), strict=False))
    return str(address)
