"""Work on pictures runs in a few threads of its own, because a hostile picture may take 200 MB to decode."""

from __future__ import annotations

from collections.abc import Callable
from typing import ParamSpec, TypeVar

import anyio
import anyio.to_thread
from anyio.lowlevel import RunVar

P = ParamSpec("P")
T = TypeVar("T")

_AT_ONCE = 2
_places: RunVar[anyio.CapacityLimiter] = RunVar("picture threads")


async def painting(work: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
    """Runs blocking work on one picture."""
    try:
        places = _places.get()
    except LookupError:
        places = anyio.CapacityLimiter(_AT_ONCE)
        _places.set(places)
    return await anyio.to_thread.run_sync(lambda: work(*args, **kwargs), limiter=places)
